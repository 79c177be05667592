"""Dispatch (派单): a decision table says which unit; what it does not say goes to the dispatcher; who is on duty takes it on.

Which ground a place lies on and which matters there are is the room's above; what people decide otherwise is learned
(`proposals`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sanqu.cases.conditions import value_of
from sanqu.cases.decisions import find_table
from sanqu.cases.dmn import decide
from sanqu.cases.duty import on_duty
from sanqu.cases.lanes import unit_in_lane
from sanqu.cases.records import Case
from sanqu.ground.clock import now
from sanqu.ground.database import Connection

# Under this name the data of a case say how it was dispatched.
DISPATCHED = "dispatched"
IS_UNIT = "SELECT 1 FROM org_unit WHERE code = %s AND state = 'active'"


@dataclass(frozen=True)
class Decided:
    """What a table of dispatch said: the unit (None: nothing), and what is to be kept of it in the case's data."""

    unit: str | None
    data: dict[str, Any]


@dataclass(frozen=True)
class Dispatched:
    """Where a case goes: the unit, who of it is on duty (None: whoever takes it on), and whether the table said so."""

    unit: str
    person: str | None
    clear: bool
    data: dict[str, Any]


def dispatch(conn: Connection, case: Case, decision: str, dispatcher: str, *, at: datetime | None = None) -> Dispatched:
    """Decide by the newest table `decision` which unit a case goes to; what it does not say clearly goes to the unit `dispatcher`.

    The table sees the case's data. Put `data` of the answer into the case's data, so that a person who sends the task elsewhere
    is learned from. Raises `Conflict` when the table contradicts itself.
    """
    names = {**case.data, "case_unit": case.unit, "case_subject": case.subject}
    said = ask_table(conn, decision, names)
    unit = said.unit or dispatcher
    duty = on_duty(conn, unit, at or now())
    return Dispatched(unit, duty[0] if duty else None, said.unit is not None, said.data)


def ask_table(conn: Connection, decision: str, names: Mapping[str, Any], task: str = "") -> Decided:
    """What the newest table `decision` says when names stand for `names`.

    It says `unit` (a unit's code) or `role`: an org role such as `county.dept:slj`, or several with commas, of which the first
    that there is acts. With `task`, only who sends the task of that name elsewhere is learned from. Raises `Conflict` when the
    table contradicts itself.
    """
    thing = f"decision:{decision}"
    table = find_table(conn, decision)
    seen = [value_of(expression, names, thing) for expression in table.inputs] if table else []
    unit = _unit(conn, decide(table, names, thing), names) if table else None
    said = {"decision": decision, "inputs": seen, "unit": unit}
    return Decided(unit, {DISPATCHED: said | ({"task": task} if task else {})})


def _unit(conn: Connection, said: Any, names: Mapping[str, Any]) -> str | None:
    if not isinstance(said, dict):
        return None
    if code := said.get("unit"):
        return str(code) if conn.execute(IS_UNIT, (str(code),)).fetchone() is not None else None
    roles = str(said.get("role") or "").split(",")
    return next((unit for role in roles if (unit := unit_in_lane(conn, role.strip(), names)) is not None), None)
