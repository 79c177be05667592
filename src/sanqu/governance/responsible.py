"""Who answers for a matter at a place (条抓块统): what the table of dispatch says; and who helps and checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sanqu.governance.dispatching import TOWN, decide_event
from sanqu.governance.matters import Matter
from sanqu.governance.places import Place, city_unit
from sanqu.ground.database import Connection
from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text

ACTIVE = "SELECT code FROM org_unit WHERE code = ANY(%s) AND state = 'active'"
WORKED = "SELECT 1 FROM person_role r JOIN person p ON p.id = r.person AND p.state = 'active' WHERE r.unit = %s LIMIT 1"
# Whom a dispatcher can choose: the units on whose ground it is, and the departments of the county and the city.
HANDLERS = """
SELECT code, title_zh, title_en FROM org_unit
WHERE state = 'active' AND (code = ANY(%(ground)s) OR kind = 'department' AND parent = ANY(%(ground)s))
ORDER BY code = ANY(%(first)s) DESC, length(path) DESC, code LIMIT 200
"""


@dataclass(frozen=True)
class Responsible:
    """The unit that takes events in (the town, else above), who leads (None: a person decides), who helps, who checks.

    `decided` is what the case is to keep of the table that said who leads.
    """

    accepts: str
    leads: str | None
    joint: tuple[str, ...]
    verifies: str
    decided: dict[str, Any] = field(default_factory=dict)


def responsible_for(conn: Connection, matter: Matter, place: Place) -> Responsible:
    """Who does what for an event of `matter` at `place`; raises `Unavailable` in a city without units."""
    accepts = place.town or place.county or city_unit(conn)
    said = decide_event(conn, matter.code, place)
    leads = said.unit
    joint = tuple(unit for name in matter.joint if (unit := _unit(conn, name, place)) is not None and unit != leads)
    worked = place.grid is not None and conn.execute(WORKED, (place.grid,)).fetchone() is not None
    return Responsible(accepts, leads, joint, str(place.grid) if worked else accepts, said.data)


def _unit(conn: Connection, name: str, place: Place) -> str | None:
    if name == TOWN:
        return place.town
    wanted = [f"{above}-{name}" for above in (place.county, city_unit(conn)) if above]
    found = {str(row["code"]) for row in conn.execute(ACTIVE, (wanted,))}
    return next((code for code in wanted if code in found), None)


def handlers_at(conn: Connection, place: Place, first: list[str]) -> list[dict[str, Any]]:
    """The units that may be given an event at `place`, those in `first` first, as options of a form."""
    ground = [unit for unit in (place.grid, place.village, place.town, place.county, city_unit(conn)) if unit]
    rows = conn.execute(HANDLERS, {"ground": ground, "first": first}).fetchall()
    if not rows:
        raise Unavailable(
            "governance.no-units",
            Text(zh="没有可以派单的机构", en="There is no unit to dispatch to"),
            Text(zh="先载入城市包，或新增机构", en="Load a city pack first, or add units"),
        )
    return [{"value": str(row["code"]), "title": {"zh": str(row["title_zh"]), "en": str(row["title_en"])}} for row in rows]
