"""One step of a case: its row is held, the engine moves on, tasks are made, and all of it commits or nothing does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from sanqu.cases.bpmn import APPLICANT, DUE, Steps, UserStep
from sanqu.cases.conditions import value_of
from sanqu.cases.deadlines import deadline_of
from sanqu.cases.engine import Running
from sanqu.cases.forms import with_options
from sanqu.cases.history import note_step
from sanqu.cases.hooks import run_ending, run_service
from sanqu.cases.notices import tell_of
from sanqu.cases.records import CASE_COLUMNS, Case, What, case_from
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM

LARGEST_DATA = 64_000
ENDED = Text(zh="办结", en="ended")
WITHDRAWN = Text(zh="撤回", en="withdrawn")

HOLD = f"""
SELECT {CASE_COLUMNS}, c.engine, p.spec, p.steps FROM case_case c JOIN case_process p ON p.name = c.process AND p.version = c.version
WHERE c.id = %s FOR UPDATE OF c
"""
KEEP = """
UPDATE case_case SET data = %(data)s, engine = %(engine)s, state = %(state)s, outcome = %(outcome)s, closed = %(closed)s
WHERE id = %(id)s
"""
KNOWN_TASKS = "SELECT id FROM case_task WHERE case_id = %s AND state = 'ready'"
CANCEL = "UPDATE case_task SET state = 'cancelled', done_at = %(at)s WHERE id = ANY(%(ids)s)"
ADD_TASK = """
INSERT INTO case_task (id, case_id, name, title_zh, title_en, role, unit, assignee, form, state, due, due_sure, remind_at,
                       escalate_at, made)
VALUES (%(id)s, %(case)s, %(name)s, %(title_zh)s, %(title_en)s, %(role)s, %(unit)s, %(assignee)s, %(form)s, 'ready', %(due)s,
        %(due_sure)s, %(remind_at)s, %(escalate_at)s, %(made)s)
"""
IS_UNIT = "SELECT 1 FROM org_unit WHERE code = %s AND state = 'active'"


@dataclass
class Held:
    """A case whose row is locked for a step; `names` is what its conditions see, and follows the data."""

    case: Case
    steps: Steps
    running: Running
    names: dict[str, Any]

    def learn(self, added: dict[str, Any]) -> None:
        """Take values into the case's data; raises `BadInput` when it grows too large."""
        data = {**self.case.data, **added}
        check_data(data, self.case.number)
        self.case = replace(self.case, data=data)
        self.names.update(names_of(self.case))


@contextmanager
def within(city: City, conn: Connection | None) -> Iterator[Connection]:
    """The caller's transaction, or one of our own."""
    if conn is not None:
        yield conn
        return
    with city.db.connection() as own:
        yield own


def names_of(case: Case) -> dict[str, Any]:
    """What the expressions of a process see: the case's data, and `case_unit`, `case_subject`, `case_applicant`."""
    return {**case.data, "case_unit": case.unit, "case_subject": case.subject, "case_applicant": case.applicant}


def check_data(data: dict[str, Any], thing: str) -> None:
    """Raise `BadInput` for data that is no JSON or too much of it."""
    try:
        size = len(json.dumps(data, allow_nan=False))
    except (TypeError, ValueError) as fault:
        raise BadInput(
            "cases.data",
            Text(zh="办件的数据不是 JSON", en="The data of the case is no JSON"),
            Text(zh="只用文字、数、布尔值、列表和对象", en="Use texts, numbers, booleans, lists and objects only"),
            thing,
        ) from fault
    if size > LARGEST_DATA:
        raise BadInput(
            "cases.data-size",
            Text(zh="办件的数据太多", en="The case holds too much data"),
            Text(zh=f"至多 {LARGEST_DATA} 字节；大的放进文件", en=f"At most {LARGEST_DATA} bytes; put what is large into a file"),
            thing,
            facts={"bytes": size},
        )


def hold(conn: Connection, case_id: UUID) -> Held:
    """The case with its row locked until the transaction ends: one step at a time."""
    row = conn.execute(HOLD, (case_id,)).fetchone()
    assert row is not None
    case = case_from(row)
    names = names_of(case)
    return Held(case, Steps.model_validate(row["steps"]), Running.restored(row["spec"], row["engine"], names), names)


def move_on(city: City, conn: Connection, held: Held, at: datetime) -> Case:
    """Let the case move to where people must act or to its end, and keep that; raises what a service task raises."""

    def serve(name: str) -> None:
        held.learn(run_service(city, conn, held.case, name))
        note_step(conn, held.case, at, SYSTEM.label, "service", facts={"service": name})

    held.running.advance(serve)
    end = held.running.end()
    if end is not None:
        held.case = replace(held.case, state="done", outcome=held.steps.outcomes.get(end, end), closed=at)
    keep(conn, held)
    _keep_tasks(conn, held, at)
    if end is not None:
        finish(city, conn, held.case, at, SYSTEM.label, held.steps.ends.get(end, ENDED))
    return held.case


def keep(conn: Connection, held: Held) -> None:
    """Write the case's row."""
    case = held.case
    conn.execute(
        KEEP,
        {
            "data": Jsonb(case.data), "engine": Jsonb(held.running.saved()), "state": case.state, "outcome": case.outcome,
            "closed": case.closed, "id": case.id,
        },
    )  # fmt: skip


def finish(city: City, conn: Connection, case: Case, at: datetime, actor: str, how: Text) -> None:
    """Note that a case ended, tell the applicant how, and tell the room above."""
    what: What = "withdrawn" if case.state == "withdrawn" else "ended"
    note_step(conn, case, at, actor, what, facts={"outcome": case.outcome})
    if what == "ended":
        tell_of(conn, case, [case.applicant], at, f"已办结（{how.zh}）", f"Ended ({how.in_('en')})")
    run_ending(city, conn, case)


def cancel_tasks(conn: Connection, case: Case, ids: list[UUID], at: datetime) -> None:
    """Mark tasks as no longer to be done."""
    conn.execute(CANCEL, {"at": at, "ids": ids})
    for id_ in ids:
        note_step(conn, case, at, SYSTEM.label, "cancelled", task=id_)


def ready_tasks(conn: Connection, case: Case) -> set[UUID]:
    """The tasks of a case that are open on record."""
    return {row["id"] for row in conn.execute(KNOWN_TASKS, (case.id,))}


def _keep_tasks(conn: Connection, held: Held, at: datetime) -> None:
    known = ready_tasks(conn, held.case)
    wanted = held.running.user_tasks()
    cancel_tasks(conn, held.case, sorted(known - wanted.keys()), at)
    for id_, name in wanted.items():
        if id_ not in known:
            _add_task(conn, held, id_, name, at)


def _add_task(conn: Connection, held: Held, id_: UUID, name: str, at: datetime) -> None:
    step = held.steps.tasks[name]
    thing = f"{held.case.process}: {name}"
    unit = _unit(conn, step, held, thing)
    days = _days(step, held, thing)
    deadline = deadline_of(at, days) if days is not None else None
    conn.execute(
        ADD_TASK,
        {
            "id": id_, "case": held.case.id, "name": name, "title_zh": step.title.zh, "title_en": step.title.en, "role": step.role,
            "unit": unit, "assignee": held.case.applicant if unit is None else None,
            "form": Jsonb([with_options(field, held.case.data).model_dump() for field in step.form]), "made": at,
            "due": deadline.due if deadline else None, "due_sure": deadline.sure if deadline else True,
            "remind_at": deadline.remind_at if deadline else None,
            # The applicant has nobody above.
            "escalate_at": deadline.escalate_at if deadline and unit is not None else None,
        },
    )  # fmt: skip
    if unit is None:
        tell_of(conn, held.case, [held.case.applicant], at, f"请您办理（{step.title.zh}）", f"Your turn ({step.title.in_('en')})")
    facts = {"task": name, "unit": unit, "due": deadline.due.isoformat() if deadline else None}
    note_step(conn, held.case, at, SYSTEM.label, "task", task=id_, facts=facts)


def _unit(conn: Connection, step: UserStep, held: Held, thing: str) -> str | None:
    """The unit that must act, or None for the applicant; raises `Conflict` when the expression leads to no unit."""
    if step.unit == APPLICANT:
        return None
    code = value_of(step.unit, held.names, thing)
    if not isinstance(code, str) or conn.execute(IS_UNIT, (code,)).fetchone() is None:
        raise Conflict(
            "cases.no-unit",
            Text(zh=f"没有机构可以办理：{step.unit} 是 {code}", en=f"No unit can act: {step.unit} is {code}"),
            Text(
                zh="在办件的数据里给出有效的机构代码，或改正流程",
                en="Give the code of a unit in the case's data, or mend the process",
            ),
            thing,
        )
    return code


def _days(step: UserStep, held: Held, thing: str) -> int | None:
    """The working days for a task; raises `Conflict` when the expression says no such thing."""
    if not step.due:
        return None
    plain = DUE.fullmatch(step.due)
    said = step.due if plain else value_of(step.due, held.names, thing)
    found = plain or (DUE.fullmatch(said) if isinstance(said, str) else None)
    if found is None:
        raise Conflict(
            "cases.due",
            Text(zh=f"时限不明：{step.due} 是 {said}", en=f"The deadline is not clear: {step.due} is {said}"),
            Text(
                zh="在办件的数据里给出如 5wd 的时限，或改正流程",
                en="Give a deadline such as 5wd in the case's data, or mend the process",
            ),
            thing,
        )
    return int(found[1])
