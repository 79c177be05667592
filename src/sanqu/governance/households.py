"""Household records (民情档案), people visited by plan (重点关爱), and visits that a worker's page may send more than once.

Personal data (graded L3): the grid's own workers see them and the stewards above, nobody else, and each look is in the ledger.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4, uuid5

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field

from sanqu.cases.notices import colleagues, tell
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import Unit, unit

Level = Literal[1, 2, 3]
# How many days there may be between two visits, by level.
EVERY: dict[int, int] = {1: 7, 2: 30, 3: 90}
# Who is above the grid hears of it when a visit is so many days late.
MISSED_DAYS = 3
LONGEST_PAST = timedelta(days=366)

GRIDS = "SELECT code FROM org_unit WHERE kind = 'grid' AND code = ANY(%s) ORDER BY code"
BELOW = "SELECT code, title_zh, title_en FROM org_unit WHERE kind = 'grid' AND (path LIKE ANY(%s) OR code = ANY(%s)) ORDER BY code LIMIT 2000"
HOUSEHOLDS = """
SELECT h.id, h.version, h.body, h.sample,
       (SELECT count(*) FROM governance_household_text t WHERE t.household = h.id AND NOT t.settled) AS unsettled,
       (SELECT max(v.on_day) FROM governance_visit v WHERE v.household = h.id AND v.met) AS visited
FROM governance_household h WHERE h.grid = %s ORDER BY h.body ->> 'address', h.id
"""
SPECIAL_COLUMNS = "s.id, s.household, s.grid, s.name, s.kind, s.level, s.visited, s.due"
SPECIALS = f"SELECT {SPECIAL_COLUMNS} FROM governance_special s WHERE s.grid = %s AND s.ended IS NULL ORDER BY s.due, s.id"
MISSED = f"""
SELECT {SPECIAL_COLUMNS}, u.title_zh, u.title_en, v.on_day AS tried, coalesce(v.reason, '') AS reason
FROM governance_special s JOIN org_unit u ON u.code = s.grid
LEFT JOIN LATERAL (SELECT on_day, reason FROM governance_visit
                   WHERE special = s.id AND NOT met AND on_day >= coalesce(s.visited, s.since) ORDER BY on_day DESC, arrived DESC LIMIT 1) v ON true
WHERE s.ended IS NULL AND s.due < %(today)s AND s.grid = ANY(%(grids)s) AND (%(level)s::int IS NULL OR s.level = %(level)s)
ORDER BY s.due, s.id LIMIT 2000
"""
HOUSEHOLD = "SELECT id, grid, version, body FROM governance_household WHERE id = %s"
ADD_HOUSEHOLD = "INSERT INTO governance_household (id, grid, body, actor, changed, sample) VALUES (%s, %s, %s, %s, %s, %s)"
CHANGE_HOUSEHOLD = (
    "UPDATE governance_household SET version = version + 1, body = %s, actor = %s, changed = %s WHERE id = %s RETURNING version"
)
ADD_TEXT = (
    "INSERT INTO governance_household_text (id, household, version, body, actor, at, settled) VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
TEXT = "SELECT settled, version FROM governance_household_text WHERE id = %s"
TEXTS = "SELECT body, actor, at, settled FROM governance_household_text WHERE household = %s ORDER BY at DESC LIMIT 50"
SETTLE = "UPDATE governance_household_text SET settled = true WHERE household = %s AND NOT settled"
ADD_SPECIAL = """
INSERT INTO governance_special (id, household, grid, name, kind, level, since, due) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO NOTHING
"""
SPECIAL = "SELECT household, level, visited FROM governance_special WHERE id = %s AND ended IS NULL"
VISITED = (
    "UPDATE governance_special SET visited = %(day)s, due = %(due)s WHERE id = %(id)s AND (visited IS NULL OR visited < %(day)s)"
)
VISIT = "SELECT household, special, on_day, met, reason, text, help, actor FROM governance_visit WHERE id = %s"
BESIDE = "SELECT id, household, special, on_day, met, reason, text, help, actor FROM governance_visit WHERE beside = %s"
ADD_VISIT = """
INSERT INTO governance_visit (id, household, special, grid, on_day, met, reason, text, help, actor, typed, arrived, beside)
VALUES (%(id)s, %(household)s, %(special)s, %(grid)s, %(on_day)s, %(met)s, %(reason)s, %(text)s, %(help)s, %(actor)s, %(typed)s, %(at)s, %(beside)s)
"""
VISITS = """
SELECT v.id, v.on_day, v.met, v.reason, v.text, v.help, v.special, v.beside FROM governance_visit v
WHERE v.household = %s ORDER BY v.on_day DESC, v.arrived DESC LIMIT 100
"""
TO_REMIND = """
SELECT s.grid, count(*) AS due, count(*) FILTER (WHERE s.due <= %(missed)s) AS missed FROM governance_special s
WHERE s.ended IS NULL AND s.due <= %(tomorrow)s AND (s.reminded IS NULL OR s.reminded < %(today)s) GROUP BY s.grid ORDER BY s.grid
"""
REMINDED = "UPDATE governance_special SET reminded = %(today)s WHERE grid = %(grid)s AND ended IS NULL AND due <= %(tomorrow)s"


class Body(BaseModel):
    """What is kept of a household."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(min_length=1, max_length=200)
    head: str = Field(min_length=1, max_length=60)
    phone: str = Field(default="", max_length=30)
    people: int = Field(default=1, ge=1, le=99)
    remark: str = Field(default="", max_length=2000)


class HouseholdText(BaseModel):
    """A text of a household as a worker's page sends it. `id` is of this text and made there; `base` is the version it began from, 0 for a new one."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    household: UUID
    grid: str = Field(max_length=64)
    base: int = Field(ge=0)
    body: Body


class VisitText(BaseModel):
    """A visit as a worker's page sends it; `id` is made there, `typed` is when it was typed in."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    household: UUID
    special: UUID | None = None
    on_day: date
    met: bool
    reason: str = Field(default="", max_length=200)
    text: str = Field(default="", max_length=4000)
    help: str = Field(default="", max_length=1000)
    typed: datetime


@dataclass(frozen=True)
class Arrived:
    """What became of something that was sent: kept, known already, or kept beside another text under the same number."""

    id: UUID
    state: Literal["arrived", "again", "beside"]


def may_see(asker: Asker, grid: Unit) -> bool:
    """Whether the asker may see the households of a grid: a worker of it, or a steward of a unit above; administering is no reason."""
    return any(role.unit == grid.code or (role.role == "steward" and grid.path.startswith(role.path)) for role in asker.held)


def check_sees(asker: Asker, grid: Unit) -> None:
    """Raise `Refused` unless the asker may see the households of the grid."""
    if grid.kind != "grid" or not may_see(asker, grid):
        raise Refused(
            "governance.households",
            Text(zh="民情档案只给本网格的网格员和上级看", en="Households are seen by the grid's own workers and those above"),
            Text(zh="请网格员代查，或请上级授予角色", en="Ask a worker of the grid, or for a role at it"),
            grid.code,
        )


def grids_of(city: City, asker: Asker) -> list[Unit]:
    """The grids of which the asker is a worker."""
    return [unit(city, str(row["code"])) for row in city.db.all(GRIDS, (sorted(asker.units),))]


def grids_below(city: City, asker: Asker) -> list[dict[str, Any]]:
    """The grids whose households the asker may see as one above or as their worker: code and titles."""
    above = sorted(f"{role.path}%" for role in asker.held if role.role == "steward")
    return city.db.all(BELOW, (above, sorted(asker.units)))


def plan_of(city: City, asker: Asker, code: str) -> dict[str, Any]:
    """What a worker takes along: the households of a grid and who is to be visited. The look is in the ledger. Raises `Refused`."""
    grid = unit(city, code)
    check_sees(asker, grid)
    with city.db.connection() as conn:
        households = conn.execute(HOUSEHOLDS, (grid.code,)).fetchall()
        specials = conn.execute(SPECIALS, (grid.code,)).fetchall()
        _note_look(conn, asker, grid.code, len(households))
    return {"grid": grid.code, "title": grid.title.model_dump(), "at": now(), "households": households, "special": specials}


def household_of(city: City, asker: Asker, id_: UUID) -> dict[str, Any]:
    """A household with its visits and its texts; the look is in the ledger. Raises `NotFound`, `Refused`."""
    with city.db.connection() as conn:
        row = _household(conn, id_)
        check_sees(asker, unit(city, str(row["grid"])))
        visits, texts = conn.execute(VISITS, (id_,)).fetchall(), conn.execute(TEXTS, (id_,)).fetchall()
        _note_look(conn, asker, str(row["grid"]), 1, household=str(id_))
    return {**row, "visits": visits, "texts": texts}


def _note_look(conn: Connection, asker: Asker, grid: str, count: int, **more: object) -> None:
    append(conn, kind="governance.household-read", actor=asker.label, subject=f"unit:{grid}", facts={"households": count, **more})


def _household(conn: Connection, id_: UUID) -> dict[str, Any]:
    row = conn.execute(HOUSEHOLD, (id_,)).fetchone()
    if row is None:
        raise not_found(Text(zh="户档", en="household"), str(id_))
    return row


def _hold(conn: Connection, id_: UUID) -> None:
    # The same thing sent twice at once is put in a row.
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"governance:{id_}",))


def save_household(city: City, asker: Asker, said: HouseholdText, at: datetime | None = None) -> Arrived:
    """Keep a text of a household, once however often it is sent.

    One that began from an older version than the newest changes nothing and is kept beside it, to be compared (`beside`);
    the next text from the newest version settles it. Raises `Refused`, `NotFound` for a grid.
    """
    at, body = at or now(), Jsonb(said.body.model_dump())
    grid = unit(city, said.grid)
    check_sees(asker, grid)
    with city.db.connection() as conn:
        _hold(conn, said.household)
        before = conn.execute(TEXT, (said.id,)).fetchone()
        if before is not None:
            return Arrived(said.household, "again" if before["version"] is not None else "beside")
        row = conn.execute(HOUSEHOLD, (said.household,)).fetchone()
        if row is None and said.base:
            raise not_found(Text(zh="户档", en="household"), str(said.household))
        if row is not None and row["grid"] != grid.code:
            raise not_found(Text(zh="本网格的户档", en="household of the grid"), str(said.household))
        if row is not None and int(row["version"]) != said.base:
            conn.execute(ADD_TEXT, (said.id, said.household, None, body, asker.label, at, False))
            _note_text(conn, asker, said.household, "beside")
            return Arrived(said.household, "beside")
        version = 1
        if row is None:
            conn.execute(ADD_HOUSEHOLD, (said.household, grid.code, body, asker.label, at, False))
        else:
            changed = conn.execute(CHANGE_HOUSEHOLD, (body, asker.label, at, said.household)).fetchone()
            assert changed is not None
            version = int(changed["version"])
            conn.execute(SETTLE, (said.household,))
        conn.execute(ADD_TEXT, (said.id, said.household, version, body, asker.label, at, True))
        _note_text(conn, asker, said.household, "saved")
        return Arrived(said.household, "arrived")


def _note_text(conn: Connection, asker: Asker, household: UUID, what: str) -> None:
    append(conn, kind="governance.household", actor=asker.label, subject=f"household:{household}", facts={"what": what})


def record_visit(city: City, asker: Asker, said: VisitText, at: datetime | None = None) -> Arrived:
    """Keep a visit, once however often it is sent; another text under the same number is kept beside the first, and said.

    A visit that met moves the next one on; one that did not keeps its reason. Raises `NotFound`, `Refused`, `BadInput`.
    """
    at = at or now()
    with city.db.connection() as conn:
        row = _household(conn, said.household)
        check_sees(asker, unit(city, str(row["grid"])))
        _check_visit(said, at)
        level = _level_of(conn, said)
        _hold(conn, said.id)
        values = _values(said, asker)
        first = conn.execute(VISIT, (said.id,)).fetchone()
        if first is not None and first == values:
            return Arrived(said.id, "again")
        for other in conn.execute(BESIDE, (said.id,)):
            if {name: other[name] for name in values} == values:
                return Arrived(other["id"], "beside")
        id_ = said.id if first is None else uuid4()
        conn.execute(
            ADD_VISIT,
            {
                **values,
                "id": id_,
                "grid": row["grid"],
                "typed": min(said.typed, at),
                "at": at,
                "beside": None if first is None else said.id,
            },
        )
        if said.met and level is not None:
            conn.execute(VISITED, {"day": said.on_day, "due": said.on_day + timedelta(days=EVERY[level]), "id": said.special})
        facts = {"met": said.met, "household": str(said.household), "beside": first is not None}
        append(conn, kind="governance.visit", actor=asker.label, subject=f"visit:{id_}", facts=facts)
        return Arrived(id_, "arrived" if first is None else "beside")


def _values(said: VisitText, asker: Asker) -> dict[str, Any]:
    return {
        "household": said.household, "special": said.special, "on_day": said.on_day, "met": said.met, "reason": said.reason.strip(),
        "text": said.text.strip(), "help": said.help.strip(), "actor": asker.label,
    }  # fmt: skip


def _check_visit(said: VisitText, at: datetime) -> None:
    today = at.astimezone(CITY_ZONE).date()
    if said.typed.tzinfo is None or said.on_day > today or said.on_day < today - LONGEST_PAST:
        raise _unfit(
            "走访日期在将来，或太久以前",
            "The day of the visit lies ahead, or too far back",
            "核对手机的日期",
            "Check the date of the phone",
        )
    if not said.met and not said.reason.strip():
        raise _unfit("没见到人，没有写原因", "Nobody was met, and no reason is given", "写明原因", "Give the reason")


def _level_of(conn: Connection, said: VisitText) -> int | None:
    if said.special is None:
        return None
    row = conn.execute(SPECIAL, (said.special,)).fetchone()
    if row is None or row["household"] != said.household:
        raise not_found(Text(zh="这一户的重点关爱人员", en="person of the household who is visited by plan"), str(said.special))
    return int(row["level"])


def add_special(
    city: City, asker: Asker, id_: UUID, household: UUID, name: str, kind: str, level: Level, at: datetime | None = None
) -> None:
    """Visit a person of a household by plan from now on: level 1 each week, 2 each month, 3 each quarter. Raises as `record_visit`."""
    if not 0 < len(name.strip()) <= 60 or not 0 < len(kind.strip()) <= 60 or level not in EVERY:
        raise _unfit("姓名、类别或等级不合规", "The name, the kind or the level does not fit", "等级 1 至 3", "Levels are 1 to 3")
    today = (at or now()).astimezone(CITY_ZONE).date()
    with city.db.connection() as conn:
        row = _household(conn, household)
        check_sees(asker, unit(city, str(row["grid"])))
        conn.execute(
            ADD_SPECIAL,
            (id_, household, row["grid"], name.strip(), kind.strip(), level, today, today + timedelta(days=EVERY[level])),
        )
        append(conn, kind="governance.special", actor=asker.label, subject=f"household:{household}", facts={"level": level})


def missed(
    city: City, asker: Asker, *, grid: str | None = None, level: int | None = None, at: datetime | None = None
) -> list[dict[str, Any]]:
    """Who was to be visited and was not, the longest first, with the reason of the last try; the look is in the ledger."""
    grids = [str(row["code"]) for row in grids_below(city, asker)]
    if grid is not None:
        check_sees(asker, unit(city, grid))
        grids = [grid]
    today = (at or now()).astimezone(CITY_ZONE).date()
    with city.db.connection() as conn:
        rows = conn.execute(MISSED, {"today": today, "grids": grids, "level": level}).fetchall()
        if rows:
            append(
                conn, kind="governance.household-read", actor=asker.label, subject="visits:missed", facts={"people": len(rows)}
            )
    return [{**row, "days": (today - row["due"]).days} for row in rows]


@job("governance.visits", every="10 0 * * *")
def remind_of_visits(city: City, at: datetime | None = None) -> int:
    """Tell workers whom to visit by tomorrow, and those above what is missed, once a day; returns of how many people."""
    at = at or now()
    today = at.astimezone(CITY_ZONE).date()
    days = {"today": today, "tomorrow": today + timedelta(days=1), "missed": today - timedelta(days=MISSED_DAYS)}
    count = 0
    for row in city.db.all(TO_REMIND, days):
        grid = unit(city, str(row["grid"]))
        with city.db.connection() as conn:
            conn.execute(REMINDED, {**days, "grid": grid.code})
            due = Text(zh=f"{grid.title.zh}：{row['due']} 人该走访", en=f"{grid.title.in_('en')}: {row['due']} people to visit")
            tell(conn, colleagues(conn, grid.code), at, due, "/grid")
            if row["missed"]:
                late = Text(
                    zh=f"{grid.title.zh}：{row['missed']} 人漏访", en=f"{grid.title.in_('en')}: {row['missed']} people missed"
                )
                tell(conn, colleagues(conn, grid.parent, "steward"), at, late, "/grid/plan")
        count += int(row["due"])
    return count


def _unfit(zh: str, en: str, todo_zh: str, todo_en: str) -> BadInput:
    return BadInput("governance.visit", Text(zh=zh, en=en), Text(zh=todo_zh, en=todo_en))


SAMPLE = UUID("5a3c7e0e-0f5d-4c55-9a59-0b1f6e3d2c11")
KINDS = ("独居老人", "残疾人", "困难家庭", "留守儿童")


def sample_households(conn: Connection, grids: Sequence[str], seed: int) -> int:
    """Lay in made-up households, two a grid, and a person visited by plan in the first; returns how many households."""
    draw, at = random.Random(f"households {seed}"), now()
    households, specials = list[tuple[Any, ...]](), list[tuple[Any, ...]]()
    for grid in grids:
        for n in (1, 2):
            id_ = uuid5(SAMPLE, f"{grid} {n}")
            body = {
                "address": f"样例路 {draw.randint(1, 200)} 号",
                "head": f"样例户主 {grid[-4:]}{n}",
                "phone": "",
                "people": draw.randint(1, 6),
                "remark": "",
            }
            households.append((id_, grid, Jsonb(body), "system", at, True))
            if n == 1:
                level, today = draw.choice((1, 2, 3)), at.astimezone(CITY_ZONE).date()
                due = today + timedelta(days=draw.randint(-6, EVERY[level] - 1))
                specials.append(
                    (uuid5(SAMPLE, f"{grid} s"), id_, grid, f"样例老人 {grid[-4:]}", draw.choice(KINDS), level, today, due)
                )
    with conn.cursor() as cursor:
        cursor.executemany(ADD_HOUSEHOLD, households)
        cursor.executemany(ADD_SPECIAL, specials)
    return len(households)
