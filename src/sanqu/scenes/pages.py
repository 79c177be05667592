"""The pages of this room: those that scenes bring along, and the cockpit."""

from __future__ import annotations

from sanqu.scenes.showing import pages as showing

routers = (showing.router,)
