"""Live lines (数据高铁): source → JetStream → checks → one transaction of the lake → change feed, in under a second.

gather/       what brings rows from a source into the line's stream, and goes on where it stopped
stream.py     the line's stream on JetStream: made, filled, measured
tap.py        messages out of the stream, in order, without a gap
envelope.py   what a message holds
rows.py       rows as text cells of the items they fill
portion.py    a line's part of a round: checked, collapsed, written
positions.py  where a line stands: in the lake's own commits, noted beside them
lanes.py      whose turn it is
carrier.py    a lane at work
sweeping.py   what lines that are gone left behind
process.py    everything above in one process
"""
