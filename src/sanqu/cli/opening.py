"""Opens the city a command works on; kept on the ground, so that the rooms' own commands can use it too."""

from __future__ import annotations

from sanqu.ground.opening import open_city

__all__ = ["open_city"]
