"""The pages of this room: about scenes, those that scenes bring along, and the cockpit."""

from __future__ import annotations

from sanqu.scenes import listing
from sanqu.scenes.showing import pages as showing

# What is listed first is found first: a page called `alarms.csv` there is none.
routers = (listing.router, showing.router)
