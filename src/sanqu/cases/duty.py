"""Rosters (值班表): who of a unit is on duty from when until when; kept by the unit's stewards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import path_of

# Whoever is on duty at a unit, those with the fewest open tasks first.
ON_DUTY = """
SELECT 'user:' || d.person AS person, count(t.id) AS load FROM case_duty d
JOIN person p ON p.id = d.person AND p.state = 'active'
LEFT JOIN case_task t ON t.claimed_by = 'user:' || d.person AND t.state = 'ready'
WHERE d.unit = %(unit)s AND d.begins <= %(at)s AND d.ends > %(at)s GROUP BY d.person ORDER BY load, d.person
"""
FIND = """
SELECT p.id FROM person p JOIN person_role r ON r.person = p.id AND r.unit = %s WHERE p.login = %s AND p.state = 'active' LIMIT 1
"""
# Units on whose roster one may write, those that have people first; an administrator may on all.
STEWARDED = """
SELECT u.code, u.title_zh, u.title_en FROM org_unit u
WHERE u.state = 'active' AND u.kind <> 'grid' AND (%(everywhere)s OR u.path LIKE ANY(%(paths)s))
ORDER BY EXISTS (SELECT FROM person_role r WHERE r.unit = u.code) DESC, u.path LIMIT 300
"""
AT_UNIT = """
SELECT DISTINCT p.login, p.name FROM person p JOIN person_role r ON r.person = p.id AND r.unit = %s WHERE p.state = 'active'
ORDER BY p.name, p.login LIMIT 200
"""
ADD_DUTY = "INSERT INTO case_duty (unit, person, begins, ends) VALUES (%s, %s, %s, %s) RETURNING id"
DROP_DUTY = "DELETE FROM case_duty WHERE id = %s RETURNING unit"
DUTIES = """
SELECT d.id, d.unit, p.name AS person, d.begins, d.ends FROM case_duty d JOIN person p ON p.id = d.person
WHERE d.ends > %s AND (%s::text IS NULL OR d.unit = %s) ORDER BY d.unit, d.begins, d.id LIMIT 500
"""


@dataclass(frozen=True)
class Duty:
    """Who is on duty at a unit, from when until when."""

    id: int
    unit: str
    person: str
    begins: datetime
    ends: datetime


def on_duty(conn: Connection, unit: str, at: datetime) -> list[str]:
    """Those on duty at a unit, as cases name them; who has taken on the fewest open tasks first."""
    return [str(row["person"]) for row in conn.execute(ON_DUTY, {"unit": unit, "at": at})]


def add_duty(city: City, asker: Asker, unit: str, login: str, begins: datetime, ends: datetime) -> int:
    """Put a person of a unit on its roster; raises `Refused` unless the asker stewards it, `NotFound`, `BadInput` for the hours."""
    with city.db.connection() as conn:
        _check_steward(conn, asker, unit)
        row = conn.execute(FIND, (unit, login)).fetchone()
        if row is None:
            raise not_found(Text(zh="这个机构的人员", en="person of that unit"), login[:80])
        if begins >= ends:
            raise BadInput(
                "cases.days", Text(zh="值班时间不合规", en="The hours do not fit"), Text(zh="止要在起之后", en="The end comes after the beginning"), unit
            )  # fmt: skip
        made = conn.execute(ADD_DUTY, (unit, row["id"], begins, ends)).fetchone()
        assert made is not None
        append(conn, kind="cases.duty", actor=asker.label, subject=f"unit:{unit}", facts={"person": f"user:{row['id']}", "begins": begins.isoformat(), "ends": ends.isoformat()})
        return int(made["id"])


def rosters_of(city: City, asker: Asker) -> dict[str, Text]:
    """The units whose rosters the asker keeps, with their titles; at most 300."""
    paths = [role.path + "%" for role in asker.held if role.role == "steward"]
    if not paths and not asker.is_admin:
        return {}
    rows = city.db.all(STEWARDED, {"everywhere": asker.is_admin, "paths": paths})
    return {str(row["code"]): Text(zh=str(row["title_zh"]), en=str(row["title_en"])) for row in rows}


def people_at(city: City, unit: str) -> list[tuple[str, str]]:
    """Login and name of those who hold a role at a unit."""
    return [(str(row["login"]), str(row["name"])) for row in city.db.all(AT_UNIT, (unit,))]


def drop_duty(city: City, asker: Asker, id_: int) -> None:
    """Take somebody off a roster; raises as `add_duty`."""
    with city.db.connection() as conn:
        row = conn.execute(DROP_DUTY, (id_,)).fetchone()
        if row is None:
            raise not_found(Text(zh="值班", en="duty"), str(id_))
        _check_steward(conn, asker, str(row["unit"]))
        append(conn, kind="cases.duty", actor=asker.label, subject=f"unit:{row['unit']}", facts={"dropped": id_})


def duties(city: City, unit: str | None = None, *, at: datetime | None = None) -> list[Duty]:
    """The roster now and later, of one unit or of all."""
    return [Duty(**row) for row in city.db.all(DUTIES, (at or now(), unit, unit))]


def _check_steward(conn: Connection, asker: Asker, unit: str) -> None:
    path = path_of(conn, unit, active=True)
    if path is None:
        raise not_found(Text(zh="机构", en="unit"), unit[:80])
    if not asker.may_steward(path):
        raise Refused(
            "cases.duty",
            Text(zh="只有本机构的数据管理员可以排班", en="Only its steward may change a unit's roster"),
            Text(zh="请数据管理员排班", en="Ask the steward to do it"),
            unit,
        )
