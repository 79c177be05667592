"""Quality rules beyond the contract (质量规则): declared as data, evaluated by schedule and after runs, broken ones become tasks.

records.py    what a rule says
verdicts.py   asks the rows, and judges
keeping.py    rules and their results, kept
watch.py      evaluates what is due; a task for the steward while a rule is broken
"""
