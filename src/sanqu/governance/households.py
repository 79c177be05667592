"""Household records (民情档案) of grids; the sample ones."""

from __future__ import annotations

from sanqu.ground.database import Connection


def sample_households(conn: Connection, grids: list[str], seed: int) -> int:
    """Lay in sample households; returns how many."""
    return 0
