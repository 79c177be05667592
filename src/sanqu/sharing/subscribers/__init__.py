"""Subscribers (订阅方): changes of a dataset brought to who asked for them, behind the same law as every read.

records.py    a subscription, a letter (one delivery on its way)
keeping.py    made, paused, resumed, ended; dead letters, and sending them again; how each stands
rights.py     who a subscription reads for, and where it may send to
post.py       how a letter leaves: a signed webhook, messages on a NATS subject
deliver.py    whose turn it is, what is told, and what follows from the answer
api.py        over HTTP
pages.py      for people
"""
