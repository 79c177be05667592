"""The ground floor: settings, engines, database, bus, jobs, people, ledger, errors, languages, clock."""
