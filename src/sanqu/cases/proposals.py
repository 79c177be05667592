"""What people decide otherwise than a table of dispatch is a proposal for it (派单建议); accepted, it is its first rule.

Proposals that say the same stand together, with how often it was said; the administrator decides once for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxml import etree
from psycopg.types.json import Jsonb

from sanqu.cases.decisions import declare_decision, find_table, newest_decision
from sanqu.cases.dispatch import DISPATCHED
from sanqu.cases.dmn import Table
from sanqu.cases.records import Case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker

# A rule holds for any value of this input.
ANY = "-"
SHOWN = 5

PROPOSE = """
INSERT INTO case_override (case_id, decision, inputs, decided, chosen, reason, actor, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
# What was chosen last for a case counts.
FORGET = "DELETE FROM case_override WHERE case_id = %s AND decision = %s AND state = 'proposed'"
COLUMNS = """o.id, c.number, o.decision, o.inputs, o.decided, o.chosen, o.reason, o.actor, o.at, o.state, o.settled_by, o.settled, o.version"""
# A number is no reason by itself, and makes no two proposals out of one.
ALIKE = """(SELECT jsonb_agg(CASE jsonb_typeof(v) WHEN 'number' THEN '[]'::jsonb ELSE v END ORDER BY n)
    FROM jsonb_array_elements(inputs) WITH ORDINALITY AS i(v, n))"""
GROUPS = f"""
SELECT max(id) AS newest, count(*) AS count, (array_agg(id ORDER BY id DESC))[:{SHOWN}] AS shown FROM case_override
WHERE state = %(state)s GROUP BY decision, {ALIKE}, chosen, version, settled
"""
LIST = f"""
SELECT {COLUMNS}, g.count, g.shown FROM ({GROUPS}) g JOIN case_override o ON o.id = g.newest JOIN case_case c ON c.id = o.case_id
ORDER BY g.count DESC, o.id DESC LIMIT %(limit)s OFFSET %(offset)s
"""
COUNT = f"SELECT count(*) AS n FROM ({GROUPS}) g"
CHOICES = """
SELECT o.id, c.number, c.title, o.reason, o.actor, o.at FROM case_override o JOIN case_case c ON c.id = o.case_id WHERE o.id = ANY(%s)
"""
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('case_override'))"
ONE = f"SELECT {COLUMNS} FROM case_override o JOIN case_case c ON c.id = o.case_id WHERE o.id = %s"
LIKE_IT = "SELECT id, inputs FROM case_override WHERE state = 'proposed' AND decision = %s AND chosen = %s ORDER BY id"
SETTLE = "UPDATE case_override SET state = %s, settled_by = %s, settled = %s, version = %s WHERE id = ANY(%s)"


@dataclass(frozen=True)
class Choice:
    """Who sent one case elsewhere, and why."""

    number: str
    title: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True)
class Proposal:
    """What people chose other than the table did; `inputs` are the values that the table saw, in its order.

    `count` is how often the same was chosen, `choices` the newest of these; the other fields are those of the newest.
    """

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
    count: int = 1
    choices: tuple[Choice, ...] = ()


def learn_from(conn: Connection, case: Case, task: str, chosen: str, reason: str, actor: str, at: datetime) -> bool:
    """Keep it as a proposal where somebody gives the task `task` to the unit `chosen` and a table said otherwise.

    `actor` is an `Asker.label`. True when there was such a table; what the same case proposed before is forgotten.
    """
    said = case.data.get(DISPATCHED)
    if not isinstance(said, dict) or not isinstance(said.get("inputs"), list) or not said["inputs"]:
        return False
    if said.get("task") not in (None, task):
        return False
    decision = str(said.get("decision"))
    conn.execute(FORGET, (case.id, decision))
    if said.get("unit") == chosen:
        return False
    conn.execute(PROPOSE, (case.id, decision, Jsonb(said["inputs"]), said.get("unit"), chosen, reason, actor, at))
    return True


def proposals(city: City, asker: Asker, state: str = "proposed", *, limit: int = 50, offset: int = 0) -> tuple[list[Proposal], int]:
    """A page of the proposals for tables, those that were made most often first, and how many; for administrators (`Refused`)."""
    _check_admin(asker)
    counted = city.db.one(COUNT, {"state": state})
    rows = city.db.all(LIST, {"state": state, "limit": limit, "offset": offset})
    shown = {row["id"]: row for row in city.db.all(CHOICES, ([one for row in rows for one in row["shown"]],))}
    return [_proposal(row, shown) for row in rows], int(counted["n"]) if counted else 0


def _proposal(row: dict[str, Any], shown: dict[int, dict[str, Any]]) -> Proposal:
    choices = (shown[one] for one in row.pop("shown") if one in shown)
    return Proposal(**row, choices=tuple(Choice(**{name: one[name] for name in Choice.__dataclass_fields__}) for one in choices))


def settle_proposal(
    city: City, asker: Asker, id_: int, *, accept: bool, without: Collection[str] = (), at: datetime | None = None
) -> Proposal:
    """Make a proposal the first rule of the newest table, in a new version, or refuse it; and all that say the same with it.

    The rule holds for what the table saw then: texts and yes or no as they were, numbers whatever they are, and so the inputs
    `without` (as the table calls them), where it is to hold more widely. Raises `Refused` for others than administrators,
    `NotFound`, `BadInput` for an input that is not there, `Conflict` for a proposal that is settled, and for a table that is not
    of hit policy FIRST or has other inputs by now.
    """
    _check_admin(asker)
    at = at or now()
    with city.db.connection() as conn:
        conn.execute(ONE_AT_A_TIME)
        row = conn.execute(ONE, (id_,)).fetchone()
        if row is None:
            raise not_found(Text(zh="建议", en="proposal"), str(id_))
        found = Proposal(**row)
        if found.state != "proposed":
            raise _unfit(found, "这条建议已经处理", "the proposal is settled")
        cells, version = [_cell(value) for value in found.inputs], None
        if accept:
            newest = newest_decision(conn, found.decision)
            cells = _checked_cells(found, newest.table, frozenset(without))
            version = declare_decision(city, found.decision, _with_rule(newest.dmn, newest.table, found, cells), asker, conn=conn).version
        same = [one["id"] for one in conn.execute(LIKE_IT, (found.decision, found.chosen)) if _is_met(cells, one["inputs"])]
        conn.execute(SETTLE, ("accepted" if accept else "refused", asker.label, at, version, same))
        facts = {"proposal": id_, "accepted": accept, "count": len(same)}
        append(conn, kind="cases.proposal", actor=asker.label, subject=f"decision:{found.decision}", facts=facts)
        again = conn.execute(ONE, (id_,)).fetchone()
        assert again is not None
        return Proposal(**again, count=len(same))


def inputs_of(city: City, decisions: Collection[str]) -> dict[str, Table]:
    """The newest tables of these names, for what their inputs are called."""
    with city.db.connection() as conn:
        return {name: table for name in sorted(set(decisions)) if (table := find_table(conn, name)) is not None}


def chosen_units(found: Sequence[Proposal]) -> set[str | None]:
    """The units that proposals name, also among what the table saw."""
    seen = {value for one in found for value in one.inputs if isinstance(value, str)}
    return {unit for one in found for unit in (one.decided, one.chosen)} | seen


def _checked_cells(found: Proposal, table: Table, without: frozenset[str]) -> list[str]:
    """The cells of the rule that a proposal asks for, once they fit the table."""
    if table.policy != "FIRST" or "unit" not in table.outputs or len(table.inputs) != len(found.inputs):
        raise _unfit(
            found,
            "决策表的命中策略不是 FIRST，没有输出 unit，或输入已经改变",
            "the table is not FIRST, has no output `unit`, or other inputs by now",
        )
    if strange := sorted(without - set(table.inputs)):
        raise BadInput(
            "cases.proposal-input",
            Text(zh=f"决策表没有输入 {strange[0][:40]}", en=f"The table has no input {strange[0][:40]}"),
            Text(zh=f"它的输入是 {'、'.join(table.inputs)}", en=f"It has {', '.join(table.inputs)}"),
            f"decision:{found.decision}",
        )
    cells = [ANY if name in without else _cell(value) for name, value in zip(table.inputs, found.inputs, strict=True)]
    if all(cell in (ANY, "null") for cell in cells):
        raise _unfit(found, "没有可以据以决定的输入", "there is no input by which to decide")
    return cells


def _cell(value: Any) -> str:
    """The cell of a rule that a value meets, as it stands in a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else ANY


def _is_met(cells: Sequence[str], inputs: Sequence[Any]) -> bool:
    return len(cells) == len(inputs) and all(cell in (ANY, _cell(value)) for cell, value in zip(cells, inputs, strict=True))


def _with_rule(dmn: str, table: Table, found: Proposal, cells: Sequence[str]) -> str:
    """The file with the proposal as the table's first rule."""
    root = etree.fromstring(dmn.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    decision = next(one for one in root.iter("{*}decision") if one.get("id") == table.id)
    place = decision.find("{*}decisionTable")
    space = f"{{{etree.QName(place).namespace}}}"
    rule = etree.Element(f"{space}rule", id=f"proposal-{found.id}")
    etree.SubElement(rule, f"{space}description").text = f"{found.number} {found.reason}"[:300]
    outputs = ['"' + found.chosen + '"' if output == "unit" else "" for output in table.outputs]
    for kind, said in (("inputEntry", cells), ("outputEntry", outputs)):
        for i, cell in enumerate(said):
            etree.SubElement(etree.SubElement(rule, f"{space}{kind}", id=f"proposal-{found.id}-{kind}-{i}"), f"{space}text").text = cell
    first = place.find(f"{space}rule")
    place.insert(list(place).index(first), rule)
    return str(etree.tostring(root, encoding="unicode"))


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
