"""Supervision (互联网+监管): double-random inspection whose draw anybody can repeat, visits, results, follow-up."""
