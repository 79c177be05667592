"""Lanes (泳道) name org roles: `town.office`, `county.dept:water`, `grid.worker`; the place or unit of a case says which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sanqu.ground.database import Connection

# A level of the tree, a department of it by the end of its code (`330802-water`), and who of its people.
LANE = re.compile(r"(city|county|town|village|grid)(?:\.dept:([a-z0-9][a-z0-9_-]{0,40}))?(?:\.(office|worker|steward|head))?")
# Whoever begins the case.
APPLICANT = "applicant"
PATH = "SELECT code, kind FROM org_unit WHERE state = 'active' AND code = ANY(string_to_array(%s, '/'))"
UNIT_PATH = "SELECT path FROM org_unit WHERE code = %s"
DEPARTMENT = "SELECT code FROM org_unit WHERE code = %s AND state = 'active'"


@dataclass(frozen=True)
class Lane:
    """An org role: the level at which somebody acts, the department there (empty: the level's own unit), the role asked for."""

    level: str
    department: str
    role: str


def lane_of(name: str) -> Lane | None:
    """The org role that a lane names; None when it names none."""
    found = LANE.fullmatch(name.strip())
    if found is None:
        return None
    return Lane(found[1], found[2] or "", "steward" if found[3] in ("steward", "head") else "")


def unit_in_lane(conn: Connection, name: str, names: Mapping[str, Any]) -> str | None:
    """The code of the unit that a lane means in a case: on the way up from its place (`place_unit`), else from its unit."""
    lane = lane_of(name)
    if lane is None:
        return None
    for start in (names.get("place_unit"), names.get("case_unit")):
        code = _above(conn, start, lane.level) if isinstance(start, str) else None
        if code is not None:
            return _department(conn, f"{code}-{lane.department}") if lane.department else code
    return None


def _above(conn: Connection, start: str, level: str) -> str | None:
    row = conn.execute(UNIT_PATH, (start,)).fetchone()
    if row is None:
        return None
    return next((str(one["code"]) for one in conn.execute(PATH, (row["path"],)) if one["kind"] == level), None)


def _department(conn: Connection, code: str) -> str | None:
    return code if conn.execute(DEPARTMENT, (code,)).fetchone() is not None else None
