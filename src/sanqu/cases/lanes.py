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
# The unit of a level on the way up from another, and a department of it.
ABOVE = """
SELECT o.code, d.code AS department FROM org_unit u
JOIN org_unit o ON o.code = ANY(string_to_array(u.path, '/')) AND o.kind = %(level)s AND o.state = 'active'
LEFT JOIN org_unit d ON d.code = o.code || '-' || %(department)s AND d.state = 'active' WHERE u.code = %(start)s
"""


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
        given = {"start": start, "level": lane.level, "department": lane.department}
        row = conn.execute(ABOVE, given).fetchone() if isinstance(start, str) else None
        if row is not None:
            return row["department"] if lane.department else str(row["code"])
    return None
