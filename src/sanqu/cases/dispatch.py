"""Dispatch (派单): a decision table says which unit; what it does not say goes to the dispatcher; who is on duty takes it on.

Where a person sends a task that was dispatched elsewhere (forwards it, with a reason), that is a proposal for the table:
accepted, it is its first rule and a new version. Which ground a place lies on and which matters there are is the room's above.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxml import etree
from psycopg.types.json import Jsonb

from sanqu.cases.conditions import value_of
from sanqu.cases.decisions import declare_decision, has_decision, newest_decision
from sanqu.cases.dmn import Table, decide
from sanqu.cases.lanes import unit_in_lane
from sanqu.cases.records import Case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker

# Under this name the data of a case say how it was dispatched.
DISPATCHED = "dispatched"
IS_UNIT = "SELECT 1 FROM org_unit WHERE code = %s AND state = 'active'"
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
PATH = "SELECT path FROM org_unit WHERE code = %s AND state = 'active'"
ADD_DUTY = "INSERT INTO case_duty (unit, person, begins, ends) VALUES (%s, %s, %s, %s) RETURNING id"
DROP_DUTY = "DELETE FROM case_duty WHERE id = %s RETURNING unit"
DUTIES = """
SELECT d.id, d.unit, p.name AS person, d.begins, d.ends FROM case_duty d JOIN person p ON p.id = d.person
WHERE d.ends > %s AND (%s::text IS NULL OR d.unit = %s) ORDER BY d.unit, d.begins, d.id LIMIT 500
"""
PROPOSE = """
INSERT INTO case_override (case_id, decision, inputs, decided, chosen, reason, actor, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
COLUMNS = """o.id, c.number, o.decision, o.inputs, o.decided, o.chosen, o.reason, o.actor, o.at, o.state, o.settled_by, o.settled, o.version"""
LIST = f"SELECT {COLUMNS} FROM case_override o JOIN case_case c ON c.id = o.case_id WHERE o.state = %s ORDER BY o.id DESC LIMIT %s OFFSET %s"
COUNT = "SELECT count(*) AS n FROM case_override WHERE state = %s"
ONE = f"SELECT {COLUMNS} FROM case_override o JOIN case_case c ON c.id = o.case_id WHERE o.id = %s FOR UPDATE OF o"
SETTLE = "UPDATE case_override SET state = %s, settled_by = %s, settled = %s, version = %s WHERE id = %s"


@dataclass(frozen=True)
class Dispatched:
    """Where a case goes: the unit, who of it is on duty (None: whoever takes it on), and whether the table said so."""

    unit: str
    person: str | None
    clear: bool
    data: dict[str, Any]


@dataclass(frozen=True)
class Duty:
    """Who is on duty at a unit, from when until when."""

    id: int
    unit: str
    person: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Proposal:
    """A task that a person sent elsewhere than the table did; `inputs` are the values that the table saw, in its order."""

    id: int
    number: str
    decision: str
    inputs: list[Any]
    decided: str | None
    chosen: str
    reason: str
    actor: str
    at: datetime
    state: str
    settled_by: str | None
    settled: datetime | None
    version: int | None


def dispatch(conn: Connection, case: Case, decision: str, dispatcher: str, *, at: datetime | None = None) -> Dispatched:
    """Decide by the newest table `decision` which unit a case goes to; what it does not say clearly goes to the unit `dispatcher`.

    The table sees the case's data and says `unit` (a unit's code) or `role` (an org role such as `county.dept:slj`). Put `data` of
    the answer into the case's data, so that a person who sends the task elsewhere is learned from. Raises `Conflict` when the
    table contradicts itself.
    """
    names = {**case.data, "case_unit": case.unit, "case_subject": case.subject}
    seen: list[Any] = []
    decided = None
    if has_decision(conn, decision):
        table = newest_decision(conn, decision).table
        seen = [value_of(expression, names, f"decision:{decision}") for expression in table.inputs]
        decided = _unit(conn, decide(table, names, f"decision:{decision}"), names)
    unit = decided or dispatcher
    duty = on_duty(conn, unit, at or now())
    said = {"decision": decision, "inputs": seen, "unit": decided}
    return Dispatched(unit, duty[0] if duty else None, decided is not None, {DISPATCHED: said})


def _unit(conn: Connection, said: Any, names: Mapping[str, Any]) -> str | None:
    if not isinstance(said, dict):
        return None
    code = said.get("unit") or (unit_in_lane(conn, str(said["role"]), names) if said.get("role") else None)
    return str(code) if code and conn.execute(IS_UNIT, (str(code),)).fetchone() is not None else None


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


def learn_from(conn: Connection, case: Case, chosen: str, reason: str, asker: Asker, at: datetime) -> bool:
    """Keep it as a proposal where a person sends a case elsewhere than the table did; True when there was a table that did."""
    said = case.data.get(DISPATCHED)
    if not isinstance(said, dict) or not isinstance(said.get("inputs"), list) or said.get("unit") == chosen or not said["inputs"]:
        return False
    given = (case.id, str(said.get("decision")), Jsonb(said["inputs"]), said.get("unit"), chosen, reason, asker.label, at)
    conn.execute(PROPOSE, given)
    return True


def proposals(city: City, asker: Asker, state: str = "proposed", *, limit: int = 50, offset: int = 0) -> tuple[list[Proposal], int]:
    """A page of the proposals for tables, the newest first, and how many there are; for administrators (`Refused`)."""
    _check_admin(asker)
    counted = city.db.one(COUNT, (state,))
    return [Proposal(**row) for row in city.db.all(LIST, (state, limit, offset))], int(counted["n"]) if counted else 0


def settle_proposal(city: City, asker: Asker, id_: int, *, accept: bool, at: datetime | None = None) -> Proposal:
    """Make a proposal the first rule of the newest table, in a new version; or refuse it.

    The rule holds for what the table saw then: texts and yes or no as they were, numbers whatever they are. Raises `Refused` for
    others than administrators, `NotFound`, `Conflict` for one that is settled, and for a table that is not of hit policy FIRST or
    has other inputs by now.
    """
    _check_admin(asker)
    at = at or now()
    with city.db.connection() as conn:
        row = conn.execute(ONE, (id_,)).fetchone()
        if row is None:
            raise not_found(Text(zh="建议", en="proposal"), str(id_))
        found = Proposal(**row)
        if found.state != "proposed":
            raise _unfit(found, "这条建议已经处理", "the proposal is settled")
        version = None
        if accept:
            newest = newest_decision(conn, found.decision)
            _check_fits(found, newest.table)
            dmn = _with_rule(newest.dmn, newest.table, found)
            version = declare_decision(city, found.decision, dmn, asker, conn=conn).version
        conn.execute(SETTLE, ("accepted" if accept else "refused", asker.label, at, version, id_))
        append(conn, kind="cases.proposal", actor=asker.label, subject=f"decision:{found.decision}", facts={"proposal": id_, "accepted": accept})
        again = conn.execute(ONE, (id_,)).fetchone()
        assert again is not None
        return Proposal(**again)


def _check_fits(found: Proposal, table: Table) -> None:
    if table.policy != "FIRST" or "unit" not in table.outputs or len(table.inputs) != len(found.inputs):
        raise _unfit(found, "决策表的命中策略不是 FIRST，没有输出 unit，或输入已经改变", "the table is not FIRST, has no output `unit`, or other inputs by now")
    if not any(isinstance(value, str | bool) for value in found.inputs):
        raise _unfit(found, "没有可以据以决定的输入", "there is no input by which to decide")


def _with_rule(dmn: str, table: Table, found: Proposal) -> str:
    """The file with the proposal as the table's first rule."""
    root = etree.fromstring(dmn.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    decision = next(one for one in root.iter("{*}decision") if one.get("id") == table.id)
    place = decision.find("{*}decisionTable")
    space = f"{{{etree.QName(place).namespace}}}"
    rule = etree.Element(f"{space}rule", id=f"proposal-{found.id}")
    etree.SubElement(rule, f"{space}description").text = f"{found.number} {found.reason}"[:300]
    outputs = ['"' + found.chosen + '"' if output == "unit" else "" for output in table.outputs]
    for kind, cells in (("inputEntry", [_cell(value) for value in found.inputs]), ("outputEntry", outputs)):
        for i, cell in enumerate(cells):
            etree.SubElement(etree.SubElement(rule, f"{space}{kind}", id=f"proposal-{found.id}-{kind}-{i}"), f"{space}text").text = cell
    first = place.find(f"{space}rule")
    place.insert(list(place).index(first), rule)
    return str(etree.tostring(root, encoding="unicode"))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else "-"


def _check_steward(conn: Connection, asker: Asker, unit: str) -> None:
    row = conn.execute(PATH, (unit,)).fetchone()
    if row is None:
        raise not_found(Text(zh="机构", en="unit"), unit[:80])
    if not asker.may_steward(str(row["path"])):
        raise Refused(
            "cases.duty",
            Text(zh="只有本机构的数据管理员可以排班", en="Only its steward may change a unit's roster"),
            Text(zh="请数据管理员排班", en="Ask the steward to do it"),
            unit,
        )


def _check_admin(asker: Asker) -> None:
    if not asker.is_admin:
        raise Refused(
            "cases.proposals",
            Text(zh="只有管理员可以处理派单建议", en="Only an administrator settles proposals for a table"),
            Text(zh="请管理员处理", en="Ask an administrator to do it"),
        )


def _unfit(found: Proposal, zh: str, en: str) -> Conflict:
    return Conflict(
        "cases.proposal", Text(zh=f"不能采纳：{zh}", en=f"It cannot be taken: {en}"), Text(zh="直接改决策表", en="Change the table itself"),
        f"decision:{found.decision}",
    )  # fmt: skip


def chosen_units(found: Sequence[Proposal]) -> set[str | None]:
    """The units that proposals name."""
    return {unit for one in found for unit in (one.decided, one.chosen)}
