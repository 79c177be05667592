"""Moves a running case to another version of its process, by choice; refused, with the step named, where it would stand nowhere."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Any

from SpiffWorkflow.util.task import TaskState

from sanqu.cases.bpmn import Steps
from sanqu.cases.engine import Plan
from sanqu.cases.history import note_step
from sanqu.cases.records import Case
from sanqu.cases.steps import Held, hold, move_on
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

CASE = "SELECT id FROM case_case WHERE number = %s"
VERSION = "SELECT version, spec, steps FROM case_process WHERE name = %s AND (%s::int IS NULL OR version = %s) ORDER BY version DESC LIMIT 1"
CURRENT = "SELECT c.engine, p.spec FROM case_case c JOIN case_process p ON p.name = c.process AND p.version = c.version WHERE c.id = %s"
MOVE = "UPDATE case_case SET version = %s WHERE id = %s"
ACTIVE = TaskState.WAITING | TaskState.READY | TaskState.STARTED
PREDICTED = TaskState.FUTURE | TaskState.LIKELY | TaskState.MAYBE


def migrate_case(city: City, actor: Asker, number: str, version: int | None = None, *, at: datetime | None = None) -> Case:
    """Let the case `number` go on by `version` of its process, or by the newest; what was done stays, open tasks keep form and deadline.

    Raises `Refused` unless `actor` is an administrator, `NotFound`, `Conflict` for a case that has ended, and, naming the element,
    where a step at which the case stands is not in that version or is of another kind there.
    """
    at = at or now()
    if not actor.is_admin:
        raise Refused(
            "cases.migrate",
            Text(zh="只有管理员可以换版本", en="Only an administrator may move cases to another version"),
            Text(zh="请管理员来换", en="Ask an administrator to do it"),
            number[:80],
        )
    with city.db.connection() as conn:
        row = conn.execute(CASE, (number,)).fetchone()
        if row is None:
            raise not_found(Text(zh="办件", en="case"), number[:80])
        case = hold(conn, row["id"]).case
        target = conn.execute(VERSION, (case.process, version, version)).fetchone()
        if target is None:
            raise not_found(Text(zh="流程的版本", en="version of the process"), f"{case.process}/{version}")
        if case.state != "open" or target["version"] == case.version:
            raise Conflict(
                "cases.migrate",
                Text(zh="办件已办结，或已是这个版本", en="The case has ended, or is at that version"),
                Text(zh="不用换", en="Nothing is to be done"),
                f"case:{number}",
            )
        held = _moved(conn, case, target)
        facts = {"from": case.version, "to": target["version"]}
        note_step(conn, held.case, at, actor.label, "migrated", facts=facts)
        return move_on(city, conn, held, at)


def _moved(conn: Connection, case: Case, target: dict[str, Any]) -> Held:
    current = conn.execute(CURRENT, (case.id,)).fetchone()
    assert current is not None
    state = deepcopy(current["engine"])
    old, new = _specs(current["spec"]), _specs(target["spec"])
    main = target["spec"]["spec"]["name"] if "subprocess_specs" in target["spec"] else target["spec"]["name"]
    was = current["spec"]["spec"]["name"] if "subprocess_specs" in current["spec"] else current["spec"]["name"]
    _fit(state["tasks"], old[was], new[main], case)
    for within in state["subprocesses"].values():
        _fit(within["tasks"], old.get(within["spec"], {}), new.get(within["spec"], {}), case)
    conn.execute(MOVE, (target["version"], case.id))
    moved = Held.of(replace(case, version=int(target["version"])), Steps.model_validate(target["steps"]), Plan.of(target["spec"]), state)
    moved.running.predict()
    return moved


def _specs(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The elements of a process and of what is within it, as the engine calls them."""
    whole = [spec["spec"], *spec["subprocess_specs"].values()] if "subprocess_specs" in spec else [spec]
    return {one["name"]: one["task_specs"] for one in whole}


def _fit(tasks: dict[str, Any], old: dict[str, Any], new: dict[str, Any], case: Case) -> None:
    """Leave of a case's tasks what the new version knows; raises `Conflict` where one that is open is not known there."""
    for id_, task in list(tasks.items()):
        if task["state"] & PREDICTED:
            # What may come is worked out again.
            _drop(tasks, id_)
    for id_, task in list(tasks.items()):
        name = task["task_spec"]
        known = name in new and new[name]["typename"] == old[name]["typename"]
        if not known and task["state"] & ACTIVE:
            element = old[name].get("bpmn_id") or name
            raise Conflict(
                "cases.migrate-step",
                Text(zh=f"办件正停在 {element}，那个版本里没有这一步", en=f"The case stands at {element}, which is no such step in that version"),
                Text(zh="办完这一步再换，或在新版本里保留它", en="Move it when the step is done, or keep the step in the new version"),
                f"case:{case.number}",
                facts={"element": element},
            )
        if not known:
            _splice(tasks, id_)


def _drop(tasks: dict[str, Any], id_: str) -> None:
    task = tasks.pop(id_, None)
    if task is not None and task["parent"] in tasks:
        tasks[task["parent"]]["children"].remove(id_)


def _splice(tasks: dict[str, Any], id_: str) -> None:
    """Take a step that was done out of the tree; what came after it follows what was before."""
    task = tasks.pop(id_)
    above = tasks[task["parent"]]
    at = above["children"].index(id_)
    above["children"][at : at + 1] = task["children"]
    for child in task["children"]:
        tasks[child]["parent"] = task["parent"]
