"""Who may see a case and who may act on a task: as SQL, so that a list of a hundred thousand is one question."""

from __future__ import annotations

from typing import Any

from sanqu.cases.records import Task, person_label
from sanqu.ground.database import Connection
from sanqu.ground.errors import Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM_ID, Asker

# Over `case_task t`: what only stewards decide needs that role, at its unit, the one it was passed up to, or above.
IN_ROLE = "(t.role <> 'steward' OR %(everywhere)s OR t.unit = ANY(%(stewarded)s) OR t.escalated_to = ANY(%(stewarded)s))"
# Over `case_task t`: what waits for the asker and the units at which they hold a role.
NEAR = f"(t.assignee = %(me)s OR (t.unit = ANY(%(units)s) OR t.escalated_to = ANY(%(units)s)) AND {IN_ROLE})"
# Over `case_task t`: whatever the asker may do, in the units below too.
MAY_ACT = f"""(t.assignee = %(me)s OR (t.unit = ANY(%(reach)s) OR t.escalated_to = ANY(%(reach)s) OR %(everywhere)s AND t.unit IS NOT NULL)
    AND {IN_ROLE})"""
# Over `case_case c`: the applicant; who holds a role at its unit or at one that acts in it; stewards above; administrators.
# One who may not do what only stewards do does not see the case for it either.
VISIBLE = f"""(%(everywhere)s OR c.applicant = %(me)s OR c.unit = ANY(%(reach)s) OR EXISTS (
    SELECT FROM case_task t WHERE t.case_id = c.id AND (t.assignee = %(me)s
        OR (t.unit = ANY(%(reach)s) OR t.escalated_to = ANY(%(reach)s)) AND {IN_ROLE})))"""
# The role that a task may ask for (a lane or the property `role` of its process).
STEWARD = "steward"
BELOW = "SELECT code FROM org_unit WHERE path LIKE ANY(%s)"


def reach_of(conn: Connection, asker: Asker) -> dict[str, Any]:
    """The parameters of `VISIBLE`, `NEAR` and `MAY_ACT` for `asker`."""
    paths = [role.path + "%" for role in asker.held if role.role == "steward"]
    below = {str(row["code"]) for row in conn.execute(BELOW, (paths,))} if paths and not asker.is_admin else set()
    # The public is nobody: a case that the public began, if ever, is not everybody's.
    me = person_label(asker) if asker.signed_in else None
    stewarded = below | {role.unit for role in asker.held if role.role == "steward"}
    return {
        "me": me, "units": sorted(asker.units), "reach": sorted(asker.units | below), "stewarded": sorted(stewarded),
        "everywhere": asker.is_admin,
    }  # fmt: skip


def may_act(conn: Connection, asker: Asker, task: Task) -> bool:
    """Whether the asker may do `task`: at its unit or the one it was passed up to, above as steward, or it is theirs."""
    if asker.user_id == SYSTEM_ID:
        # The city itself, when a time is over.
        return True
    reach = reach_of(conn, asker)
    if task.assignee is not None and task.assignee == reach["me"]:
        return True
    units = {task.unit, task.escalated_to} - {None}
    near = set(reach["stewarded"] if task.role == STEWARD else reach["reach"])
    return bool(units) and (asker.is_admin or bool(units & near))


def check_may_act(conn: Connection, asker: Asker, task: Task) -> None:
    """Raise `Refused` naming who may, unless the asker may do `task`."""
    if not may_act(conn, asker, task):
        who = task.unit or "applicant"
        role = task.unit is not None and task.role == STEWARD
        raise Refused(
            "cases.not-yours",
            Text(zh="这项任务不由您办理", en="This task is not yours to do"),
            Text(
                zh=f"由 {'申请人本人' if task.unit is None else task.unit} {'的数据管理员' if role else ''}办理",
                en=f"It is done by {'the applicant' if task.unit is None else task.unit}{', as steward' if role else ''}",
            ),
            f"case:{task.case}",
            facts={"unit": who},
        )
