"""Subsidies paid without applying (惠企直达·免申即享): who is eligible is worked out from data held, and offered within the budget."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanqu.affairs.records import SUBSIDY
from sanqu.cases.decisions import newest_decision
from sanqu.cases.dmn import Table, decide
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.facts import fact
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, SYSTEM_ID, Asker, Role
from sanqu.lake import lake_of
from sanqu.sharing.door import Question, ask
from sanqu.sharing.grants import Grant, ItemGrant, add_grant, grants_on
from sanqu.sharing.my_data import acting_for

AwardState = Literal["offered", "published", "objected", "payable", "paid", "declined", "refused"]
AWARD_STATES: tuple[AwardState, ...] = ("offered", "published", "objected", "payable", "paid", "declined", "refused")
# What everybody may see: from publication on.
PUBLIC_STATES = ("published", "objected", "payable", "paid")

SAVE = """
INSERT INTO affairs_programme (code, position, body) VALUES (%s, %s, %s)
ON CONFLICT (code) DO UPDATE SET position = excluded.position, body = excluded.body, active = true
"""
DROP = "UPDATE affairs_programme SET active = false WHERE code <> ALL(%s)"
# Awards that were not taken or were cancelled give their amount back.
LIST = """
SELECT p.body, p.drawn, p.candidates, p.eligible, count(a.number) AS awards, coalesce(sum(a.amount) FILTER (WHERE a.state NOT IN ('declined','refused')), 0) AS bound,
       coalesce(sum(a.amount) FILTER (WHERE a.state = 'paid'), 0) AS paid, count(a.number) FILTER (WHERE a.state = 'paid') AS paid_to
FROM affairs_programme p LEFT JOIN affairs_award a ON a.programme = p.code
WHERE p.active AND (%(code)s::text IS NULL OR p.code = %(code)s) GROUP BY p.code, p.body, p.drawn, p.candidates, p.eligible, p.position ORDER BY p.position
"""
HOLD = "SELECT 1 FROM affairs_programme WHERE code = %s FOR UPDATE"
KNOWN = "SELECT enterprise FROM affairs_award WHERE programme = %s"
BOUND = "SELECT coalesce(sum(amount), 0) AS bound FROM affairs_award WHERE programme = %s AND state NOT IN ('declined','refused')"
DRAWN = "UPDATE affairs_programme SET drawn = %s, candidates = %s, eligible = %s WHERE code = %s"
ADD = """
INSERT INTO affairs_award (number, programme, enterprise, name, amount, facts, rule, state, offered)
VALUES (%s, %s, %s, %s, %s, %s, %s, 'offered', %s)
"""
COLUMNS = "a.number, a.programme, a.enterprise, a.name, a.amount, a.facts, a.rule, a.state, a.offered, a.confirmed, a.published, a.settled, a.paid"
FILTERS = """
FROM affairs_award a WHERE a.programme = %(programme)s AND a.state = ANY(%(states)s)
  AND (%(text)s::text IS NULL OR a.name ILIKE '%%' || %(text)s || '%%' OR a.number = %(text)s)
"""
AWARDS = f"SELECT {COLUMNS} {FILTERS} ORDER BY a.amount DESC, a.number LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n {FILTERS}"
ONE = f"SELECT {COLUMNS} FROM affairs_award a WHERE a.number = %s"
OF_ENTERPRISES = f"SELECT {COLUMNS} FROM affairs_award a WHERE a.enterprise = ANY(%s) ORDER BY a.offered DESC, a.number LIMIT 100"
UNIT = "SELECT code, path FROM org_unit WHERE code = %s"
OBJECT = "INSERT INTO affairs_objection (award, text, contact, at) VALUES (%s, %s, %s, %s)"
OBJECTIONS = "SELECT award, text, contact, at, upheld, answer FROM affairs_objection WHERE award = %s ORDER BY id"
MOST_ROWS = 100_000
LONGEST_OBJECTION, LONGEST_CONTACT = 1000, 100


class ItemsGranted(BaseModel):
    """What the programme's unit may read besides what is open to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    items: tuple[str, ...] = Field(min_length=1)


class Programme(BaseModel):
    """One programme (政策). `sql` gives a row for each enterprise, with `enterprise_id` and `name`; the decision table of its code says who is eligible.

    `unit` and `pays` are short names of departments; `budget` is in yuan; what is offered is published for `publish_days` working days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    title: Text
    about: Text = Text()
    unit: str
    pays: str
    budget: int = Field(gt=0)
    publish_days: int = Field(default=5, ge=1, le=60)
    ground: str = ""
    purpose: str
    sql: str
    grants: tuple[ItemsGranted, ...] = ()
    # What the columns of `sql` are called where people read them.
    columns: dict[str, Text] = {}


@dataclass(frozen=True)
class Standing:
    """A programme as it stands: who was looked at, who is eligible, what is bound and paid of the budget, in yuan."""

    programme: Programme
    drawn: datetime | None
    candidates: int
    eligible: int
    awards: int
    bound: int
    paid: int
    paid_to: int

    @property
    def left(self) -> int:
        """What is left of the budget, in yuan."""
        return self.programme.budget - self.bound


@dataclass(frozen=True)
class Award:
    """One award beside its case; `facts` are what the table was asked about, `rule` the row (from 1) that held; `amount` in yuan."""

    number: str
    programme: str
    enterprise: str
    name: str
    amount: int
    facts: dict[str, Any]
    rule: int
    state: AwardState
    offered: datetime
    confirmed: datetime | None
    published: datetime | None
    settled: datetime | None
    paid: datetime | None


@dataclass(frozen=True)
class Draw:
    """What a draw did: rows looked at, eligible ones, those newly offered, those for whom the budget did not last."""

    candidates: int
    eligible: int
    offered: int
    waiting: int


@dataclass(frozen=True)
class Eligible:
    """An enterprise that a rule of the table holds for."""

    enterprise: str
    name: str
    amount: int
    rank: float
    facts: Mapping[str, Any]
    rule: int


def save_programmes(city: City, conn: Connection, above: str, said: Sequence[Mapping[str, Any]]) -> None:
    """Keep the programmes of a city pack, with the grants their units read by; raises `BadInput` naming what does not fit."""
    try:
        given = [Programme.model_validate(one) for one in said]
    except ValidationError as fault:
        at = ".".join(str(part) for part in fault.errors()[0]["loc"])
        raise BadInput(
            "affairs.programme", Text(zh=f"政策的 {at} 不合规", en=f"{at} of a programme does not fit"), Text(zh="改正 affairs.toml", en="Mend affairs.toml")
        ) from fault
    for place, one in enumerate(given):
        conn.execute(SAVE, (one.code, place, Jsonb(one.model_dump())))
        for wanted in one.grants:
            _grant(city, conn, f"unit:{above}-{one.unit}", one, wanted)
    conn.execute(DROP, ([one.code for one in given],))


def _grant(city: City, conn: Connection, assignee: str, programme: Programme, wanted: ItemsGranted) -> None:
    contract = lake_of(city).contract(wanted.dataset)
    items = tuple(ItemGrant(item=item) for item in wanted.items)
    standing = [one.grant for one in grants_on(conn, [wanted.dataset]) if one.grant.assignee == assignee]
    if not any(one.items == items and programme.purpose in one.purposes for one in standing):
        grant = Grant(dataset=wanted.dataset, assignee=assignee, items=items, purposes=(programme.purpose,), ground=programme.ground)
        add_grant(conn, SYSTEM, grant, contract, contract.steward)


def programmes(city: City) -> list[Standing]:
    """Every programme as it stands."""
    return [_standing(row) for row in city.db.all(LIST, {"code": None})]


def find_programme(city: City, code: str) -> Standing:
    """The programme `code`; raises `NotFound`."""
    row = city.db.one(LIST, {"code": code})
    if row is None:
        raise not_found(Text(zh="惠企政策", en="programme"), code[:60])
    return _standing(row)


def _standing(row: Mapping[str, Any]) -> Standing:
    return Standing(
        Programme.model_validate(row["body"]), row["drawn"], int(row["candidates"] or 0), int(row["eligible"] or 0), int(row["awards"]), int(row["bound"]),
        int(row["paid"]), int(row["paid_to"]),
    )  # fmt: skip


def unit_of(city: City, name: str) -> str:
    """The code of a department named by a programme."""
    return f"{fact(city, 'affairs.window', '').rpartition('-')[0]}-{name}"


def may_draw(city: City, asker: Asker, programme: Programme) -> bool:
    """Whether the asker is a steward of the programme's unit, or above."""
    row = city.db.one(UNIT, (unit_of(city, programme.unit),))
    return row is not None and asker.may_steward(str(row["path"]))


def table_of(conn: Connection, programme: Programme) -> Table:
    """The decision table of a programme, in its newest version; raises `NotFound`."""
    return newest_decision(conn, programme.code).table


def draw(city: City, asker: Asker, code: str, *, at: datetime | None = None) -> Draw:
    """Work out who is eligible now and offer the award to each who has none yet, by rank, while the budget lasts; each becomes a case.

    Doing it again offers to newcomers, and to those for whom money has come back. Raises `Refused` for one who may not.
    """
    at, programme = at or now(), find_programme(city, code).programme
    if not may_draw(city, asker, programme):
        raise Refused(
            "affairs.draw", Text(zh="只有主管单位的管理员可以测算", en="Only a steward of the programme's unit may draw"),
            Text(zh="请主管单位办理", en="Ask that unit"), code,
        )  # fmt: skip
    rows = _rows(city, programme)
    with city.db.connection() as conn:
        # One draw at a time: what is bound of the budget must hold until it is over.
        conn.execute(HOLD, (code,))
        eligible = eligible_in(table_of(conn, programme), rows, code)
        known = {str(row["enterprise"]) for row in conn.execute(KNOWN, (code,))}
        bound = conn.execute(BOUND, (code,)).fetchone()
        chosen = within_budget([one for one in eligible if one.enterprise not in known], programme.budget - int(bound["bound"] if bound else 0))
        for one in chosen:
            _offer(city, conn, programme, one, at)
        conn.execute(DRAWN, (at, len(rows), len(eligible), code))
        waiting = len(eligible) - len(known & {one.enterprise for one in eligible}) - len(chosen)
        facts = {"candidates": len(rows), "eligible": len(eligible), "offered": len(chosen), "waiting": waiting}
        append(conn, kind="affairs.draw", actor=asker.label, subject=f"programme:{code}", facts=facts)
    return Draw(len(rows), len(eligible), len(chosen), waiting)


def _rows(city: City, programme: Programme) -> list[dict[str, Any]]:
    """The candidates, read through the door by an officer of the programme's unit and for its purpose."""
    row = city.db.one(UNIT, (unit_of(city, programme.unit),))
    if row is None:
        raise not_found(Text(zh="机构", en="unit"), unit_of(city, programme.unit))
    reader = Asker("programme", SYSTEM_ID, held=(Role("officer", str(row["code"]), str(row["path"])),))
    answer = ask(city, reader, Question(programme.sql, programme.purpose, rows=MOST_ROWS, via="affairs"))
    return [{name: _plain(value) for name, value in one.items()} for one in answer.table.to_pylist()]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def eligible_in(table: Table, rows: Sequence[Mapping[str, Any]], thing: str) -> list[Eligible]:
    """Those rows of which the table says `eligible`, the highest rank first, of equals by code."""
    found = []
    for row in rows:
        said = decide(table, row, thing)
        if isinstance(said, dict) and said.get("eligible") and int(said.get("amount") or 0) > 0:
            rule = next(i for i, one in enumerate(table.rules, 1) if decide(table.model_copy(update={"rules": (one,)}), row, thing))
            rank = float(said.get("rank") or 0)
            found.append(Eligible(str(row["enterprise_id"]), str(row["name"]), int(said["amount"]), rank, dict(row), rule))
    return sorted(found, key=lambda one: (-one.rank, one.enterprise))


def within_budget(wanted: Sequence[Eligible], left: int) -> list[Eligible]:
    """Those for whom the budget lasts, in their order; it stops at the first for whom it does not, so that nobody is passed over."""
    chosen = []
    for one in wanted:
        if one.amount > left:
            break
        chosen.append(one)
        left -= one.amount
    return chosen


def _offer(city: City, conn: Connection, programme: Programme, one: Eligible, at: datetime) -> None:
    speaker = acting_for(conn, "enterprise", one.enterprise)
    unit = unit_of(city, programme.unit)
    data = {
        "has_account": speaker is not None, "unit": unit, "pays": unit_of(city, programme.pays),
        "publish_for": f"{programme.publish_days}wd",
    }  # fmt: skip
    case = start_case(
        city, speaker or SYSTEM, SUBSIDY, f"{programme.title.zh}：{one.name}"[:200], f"programme:{programme.code}", unit, data, conn=conn, at=at
    )
    conn.execute(ADD, (case.number, programme.code, one.enterprise, one.name, one.amount, Jsonb(dict(one.facts)), one.rule, at))


def awards_of(
    city: City, code: str, states: Sequence[str] = PUBLIC_STATES, text: str = "", *, limit: int = 50, offset: int = 0
) -> tuple[list[Award], int]:
    """A page of a programme's awards in these states, the largest first, and how many there are."""
    given = {"programme": code, "states": list(states), "text": text.strip() or None}
    counted = city.db.one(COUNT, given)
    return [Award(**row) for row in city.db.all(AWARDS, {**given, "limit": limit, "offset": offset})], int(counted["n"]) if counted else 0


def find_award(city: City, number: str) -> Award:
    """The award beside the case `number`; raises `NotFound`."""
    row = city.db.one(ONE, (number,))
    if row is None:
        raise not_found(Text(zh="奖补", en="award"), number[:40])
    return Award(**row)


def awards_held(city: City, enterprises: Sequence[str]) -> list[Award]:
    """The awards of these enterprises, the newest first."""
    return [Award(**row) for row in city.db.all(OF_ENTERPRISES, (list(enterprises),))]


def objections_to(city: City, award: Award) -> list[dict[str, Any]]:
    """What was said against an award, and what became of it."""
    return city.db.all(OBJECTIONS, (award.number,))


def object_to(city: City, number: str, text: str, contact: str = "", *, at: datetime | None = None) -> None:
    """Say what speaks against an award while it is published; by anybody. Raises `NotFound`, `Conflict` at other times, `BadInput`."""
    award, text = find_award(city, number), text.strip()
    if award.state != "published":
        raise Conflict(
            "affairs.objection-time", Text(zh="不在公示期内", en="It is not being published now"), Text(zh="可以向主管单位反映", en="Write to the unit"), number
        )
    if not text or len(text) > LONGEST_OBJECTION or len(contact) > LONGEST_CONTACT or "\0" in text + contact:
        raise BadInput(
            "affairs.objection", Text(zh="异议是空的或太长", en="The objection is empty or too long"),
            Text(zh=f"至多 {LONGEST_OBJECTION} 个字符", en=f"At most {LONGEST_OBJECTION} characters"), number,
        )  # fmt: skip
    with city.db.connection() as conn:
        conn.execute(OBJECT, (number, text, contact.strip(), at or now()))
        append(conn, kind="affairs.objection", actor="public", subject=f"case:{number}", facts={})


def award_list(city: City, code: str) -> str:
    """The published awards as CSV with a byte order mark; for everybody."""
    find_programme(city, code)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["number", "enterprise_id", "name", "amount_yuan", "rule", "state", "published", "paid"])
    for one in awards_of(city, code, limit=MOST_ROWS)[0]:
        dates = [at.isoformat() if at else "" for at in (one.published, one.paid)]
        writer.writerow([one.number, one.enterprise, one.name, one.amount, one.rule, one.state, *dates])
    return "\ufeff" + out.getvalue()


def payment_list(city: City, asker: Asker, code: str) -> str:
    """What is to be paid, as CSV with a byte order mark; for those who work at the unit that pays or the programme's. Raises `Refused`."""
    programme = find_programme(city, code).programme
    if not asker.is_admin and not asker.units & {unit_of(city, programme.unit), unit_of(city, programme.pays)}:
        raise Refused(
            "affairs.payments", Text(zh="支付清单给主管单位和财政", en="The list is for the programme's unit and the one that pays"),
            Text(zh="公示看政策页", en="What is public is on the programme's page"), code,
        )  # fmt: skip
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["number", "enterprise_id", "name", "amount_yuan", "settled"])
    found, _ = awards_of(city, code, ("payable",), limit=MOST_ROWS)
    for one in found:
        writer.writerow([one.number, one.enterprise, one.name, one.amount, one.settled.isoformat() if one.settled else ""])
    return "\ufeff" + out.getvalue()
