"""One step of a case: its row is held, the engine moves on, tasks are made, and all of it commits or nothing does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from sanqu.cases.bpmn import DUE, MOMENT, SPAN, Steps, UserStep, is_span
from sanqu.cases.conditions import run_script, value_of
from sanqu.cases.deadlines import Deadline, Due, deadline_of
from sanqu.cases.decisions import newest_table
from sanqu.cases.dmn import decide
from sanqu.cases.engine import Plan, Running, Waiting
from sanqu.cases.forms import with_options
from sanqu.cases.history import note_step
from sanqu.cases.hooks import run_ending, run_service
from sanqu.cases.hours import IN_AN_HOUR, Hours, deadline_in_hours, due_of, hours_of
from sanqu.cases.lanes import APPLICANT, unit_in_lane
from sanqu.cases.notices import tell_of
from sanqu.cases.records import CASE_COLUMNS, Case, What, case_from
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM

LARGEST_DATA = 64_000
# How many versions of processes a thread keeps.
MOST_PLANS = 64
ENDED = Text(zh="办结", en="ended")
WITHDRAWN = Text(zh="撤回", en="withdrawn")

HOLD = f"""
SELECT {CASE_COLUMNS}, c.engine, p.created AS declared FROM case_case c JOIN case_process p ON p.name = c.process AND p.version = c.version
WHERE c.id = {{}} FOR UPDATE OF c
"""
HOLD_CASE, HOLD_TASK = HOLD.format("%s"), HOLD.format("(SELECT case_id FROM case_task WHERE id = %s)")
SPEC = "SELECT spec, steps FROM case_process WHERE name = %s AND version = %s"
KEEP = """
UPDATE case_case SET data = %(data)s, engine = %(engine)s, state = %(state)s, outcome = %(outcome)s, closed = %(closed)s
WHERE id = %(id)s
"""
# Tasks for which another unit was asked stand and fall with the task for which it was.
KNOWN_TASKS = "SELECT id FROM case_task WHERE case_id = %s AND state = 'ready'"
KNOWN_TIMERS = "SELECT id FROM case_timer WHERE case_id = %s"
KNOWN = """
SELECT id, asked_for, false AS timer FROM case_task WHERE case_id = %(case)s AND state = 'ready'
UNION ALL SELECT id, NULL, true FROM case_timer WHERE case_id = %(case)s
"""
ADD_TIMER = "INSERT INTO case_timer (id, case_id, name, fires_at, sure, made, said) VALUES (%s, %s, %s, %s, %s, %s, %s)"
DROP_TIMERS = "DELETE FROM case_timer WHERE id = ANY(%s)"
CANCEL = "UPDATE case_task SET state = 'cancelled', done_at = %(at)s WHERE id = ANY(%(ids)s)"
ADD_TASK = """
INSERT INTO case_task (id, case_id, name, title_zh, title_en, role, unit, assignee, form, state, due, due_sure, remind_at,
                       escalate_at, made, pause_days)
VALUES (%(id)s, %(case)s, %(name)s, %(title_zh)s, %(title_en)s, %(role)s, %(unit)s, %(assignee)s, %(form)s, 'ready', %(due)s,
        %(due_sure)s, %(remind_at)s, %(escalate_at)s, %(made)s, %(pause)s)
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

    def restore(self, data: dict[str, Any]) -> None:
        """Let the case's data be what they were."""
        self.case = replace(self.case, data=data)
        self.names.clear()
        self.names.update(names_of(self.case))

    def gather(self, name: str, said: dict[str, Any]) -> None:
        """Add what an instance of a multi-instance said to the list `name` of the case's data."""
        listed = self.case.data.get(name)
        self.learn({name: [*(listed if isinstance(listed, list) else ()), said]})

    @classmethod
    def of(cls, case: Case, steps: Steps, plan: Plan, state: dict[str, Any] | None) -> Held:
        """A case in the engine, as it was kept in `state`, or at its start."""
        names = names_of(case)
        held: Held

        def gathered(name: str, said: dict[str, Any]) -> None:
            held.gather(name, said)

        if state is None:
            running = Running.begun(plan, names, steps.loops, gathered)
        else:
            running = Running.restored(plan, state, names, steps.loops, gathered)
        held = cls(case, steps, running, names)
        return held


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
    row = conn.execute(HOLD_CASE, (case_id,)).fetchone()
    assert row is not None
    return _held(conn, row)


def hold_of_task(conn: Connection, task_id: UUID) -> Held | None:
    """The case of a task, held as `hold` does; None where there is no such task."""
    row = conn.execute(HOLD_TASK, (task_id,)).fetchone()
    return _held(conn, row) if row is not None else None


def _held(conn: Connection, row: dict[str, Any]) -> Held:
    case = case_from(row)
    return Held.of(case, *read_plan(conn, case.process, case.version, row["declared"]), row["engine"])


def read_plan(conn: Connection, process: str, version: int, declared: datetime) -> tuple[Steps, Plan]:
    """The steps of a version and the engine's plan of it; what a thread has read it keeps, for a version never changes."""
    key = (conn.info.host, conn.info.dbname, process, version, declared)
    found = _plans.kept.pop(key, None)
    if found is None:
        row = conn.execute(SPEC, (process, version)).fetchone()
        assert row is not None
        found = (Steps.model_validate(row["steps"]), Plan.of(row["spec"]))
    _plans.kept[key] = found
    while len(_plans.kept) > MOST_PLANS:
        _plans.kept.pop(next(iter(_plans.kept)))
    return found


class _Plans(threading.local):
    """What each thread has read; the newest use stands last."""

    def __init__(self) -> None:
        self.kept: dict[Any, tuple[Steps, Plan]] = {}


_plans = _Plans()


def move_on(city: City, conn: Connection, held: Held, at: datetime) -> Case:
    """Let the case move to where people must act or something must come, or to its end, and keep that.

    Raises what a service task raises, and `Conflict` for a script, a decision or a condition that cannot be worked out.
    """

    def serve(waiting: Waiting) -> Mapping[str, Any]:
        return _serve(city, conn, held, waiting, at)

    held.running.advance(serve)
    end = held.running.end()
    if end is not None:
        held.case = replace(held.case, state="done", outcome=held.steps.outcomes.get(end, end), closed=at)
    keep(conn, held)
    plan = hours_of(city.settings)
    known = conn.execute(KNOWN, {"case": held.case.id}).fetchall()
    _keep_tasks(conn, held, {row["id"]: row["asked_for"] for row in known if not row["timer"]}, at, plan)
    _keep_timers(conn, held, {row["id"] for row in known if row["timer"]}, at, plan)
    if end is not None:
        finish(city, conn, held.case, at, SYSTEM.label, held.steps.ends.get(end, ENDED))
    return held.case


def _serve(city: City, conn: Connection, held: Held, waiting: Waiting, at: datetime) -> Mapping[str, Any]:
    """Do what is automatic at an element, and note it; what it says goes into the case's data, or to its instance of a loop."""
    name = waiting.name
    thing = f"{held.case.process}: {name}"
    names = {**held.names, **waiting.local}
    if name in held.steps.scripts:
        said, facts = run_script(held.steps.scripts[name], names, thing), {"script": name}
    elif name in held.steps.decisions:
        decision = held.steps.decisions[name]
        found = decide(decision.table or newest_table(conn, decision.name), names, thing)
        said = {decision.result: found} if decision.result else dict(found) if isinstance(found, dict) else {}
        facts = {"decision": name, "table": decision.name}
    else:
        case = replace(held.case, data={**held.case.data, **waiting.local})
        said, facts = run_service(city, conn, case, name, held.steps.owners.get(name)), {"service": name}
    if not waiting.local:
        held.learn(dict(said))
    note_step(conn, held.case, at, SYSTEM.label, "service", facts=facts)
    return said


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
    if ids:
        conn.execute(CANCEL, {"at": at, "ids": ids})
    for id_ in ids:
        note_step(conn, case, at, SYSTEM.label, "cancelled", task=id_)


def ready_tasks(conn: Connection, case: Case) -> set[UUID]:
    """The tasks of a case that are open on record."""
    return {row["id"] for row in conn.execute(KNOWN_TASKS, (case.id,))}


def drop_timers(conn: Connection, case: Case) -> None:
    """Nothing comes to a case any more."""
    conn.execute(DROP_TIMERS, ([row["id"] for row in conn.execute(KNOWN_TIMERS, (case.id,))],))


def _keep_tasks(conn: Connection, held: Held, known: Mapping[UUID, UUID | None], at: datetime, plan: Hours) -> None:
    wanted = held.running.user_tasks()
    gone = [id_ for id_, asked_for in known.items() if (asked_for or id_) not in wanted]
    cancel_tasks(conn, held.case, sorted(gone), at)
    for id_, waiting in wanted.items():
        if id_ not in known:
            _add_task(conn, held, waiting, at, plan)


def _keep_timers(conn: Connection, held: Held, known: set[UUID], at: datetime, plan: Hours) -> None:
    if not held.steps.timers:
        return
    wanted = {id_: one for id_, one in held.running.events().items() if one.name in held.steps.timers}
    if gone := sorted(known - wanted.keys()):
        conn.execute(DROP_TIMERS, (gone,))
    for id_, waiting in wanted.items():
        if id_ not in known:
            said = _said(held, waiting)
            due = moment_after(at, said, plan)
            conn.execute(ADD_TIMER, (id_, held.case.id, waiting.name, due.at, due.sure, at, said))


def _said(held: Held, waiting: Waiting) -> str:
    """Until when a timer waits, as `is_span` takes it; raises `Conflict` when its expression says no such thing."""
    thing = f"{held.case.process}: {waiting.name}"
    text = held.steps.timers[waiting.name]
    said = text if is_span(text) else value_of(text, {**held.names, **waiting.local}, thing)
    if not isinstance(said, str) or not is_span(said):
        raise _no_deadline(text, said, thing)
    if MOMENT.fullmatch(said):
        try:
            datetime.fromisoformat(said)
        except ValueError as fault:
            raise _no_deadline(text, said, thing) from fault
    return said


def moment_after(at: datetime, said: str, plan: Hours) -> Due:
    """When a timer fires that waits from `at` as long as, or until, `said`."""
    counted = DUE.fullmatch(said)
    if counted is not None:
        return due_of(at, int(counted[1]), counted[2], plan)
    if MOMENT.fullmatch(said):
        moment = datetime.fromisoformat(said)
        return Due(moment if moment.tzinfo else moment.replace(tzinfo=CITY_ZONE), True)
    span = SPAN.fullmatch(said)
    assert span is not None
    days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
    return Due(at + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds), True)


def _add_task(conn: Connection, held: Held, waiting: Waiting, at: datetime, plan: Hours) -> None:
    id_, name = waiting.id, waiting.name
    step = held.steps.tasks[name]
    thing = f"{held.case.process}: {name}"
    names = {**held.names, **waiting.local}
    unit = _unit(conn, step, names, thing)
    deadline = _deadline(step, names, at, plan, thing)
    conn.execute(
        ADD_TASK,
        {
            "id": id_, "case": held.case.id, "name": name, "title_zh": step.title.zh, "title_en": step.title.en, "role": step.role,
            "unit": unit, "assignee": held.case.applicant if unit is None else None, "pause": step.pause,
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


def _unit(conn: Connection, step: UserStep, names: Mapping[str, Any], thing: str) -> str | None:
    """The unit that must act, or None for the applicant; raises `Conflict` when lane or expression leads to no unit."""
    if step.unit == APPLICANT:
        return None
    said = step.unit or step.lane
    code = value_of(step.unit, names, thing) if step.unit else unit_in_lane(conn, step.lane, names)
    if not isinstance(code, str) or conn.execute(IS_UNIT, (code,)).fetchone() is None:
        raise Conflict(
            "cases.no-unit",
            Text(zh=f"没有机构可以办理：{said} 是 {code}", en=f"No unit can act: {said} is {code}"),
            Text(
                zh="在办件的数据里给出有效的机构代码或地点所在的机构（place_unit），或改正流程",
                en="Give the code of a unit, or of the one of the place (place_unit), in the case's data, or mend the process",
            ),
            thing,
        )
    return code


def _deadline(step: UserStep, names: Mapping[str, Any], at: datetime, plan: Hours, thing: str) -> Deadline | None:
    """Until when a task is to be done; raises `Conflict` when the expression says no such thing."""
    if not step.due:
        return None
    said = step.due if DUE.fullmatch(step.due) else value_of(step.due, names, thing)
    found = DUE.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise _no_deadline(step.due, said, thing)
    n, counted_in = int(found[1]), found[2]
    return deadline_of(at, n) if counted_in == "wd" else deadline_in_hours(at, n / IN_AN_HOUR[counted_in], plan)


def _no_deadline(text: str, said: object, thing: str) -> Conflict:
    return Conflict(
        "cases.due",
        Text(zh=f"时限不明：{text} 是 {said}", en=f"The deadline is not clear: {text} is {said}"),
        Text(
            zh="在办件的数据里给出如 5wd、4wh、30wm 的时限，或改正流程",
            en="Give a deadline such as 5wd, 4wh or 30wm in the case's data, or mend the process",
        ),
        thing,
    )
