"""Who may see a case and who may act on a task: as SQL, so that a list of a hundred thousand is one question."""

from __future__ import annotations

from typing import Any

from sanqu.cases.records import Task, person_label
from sanqu.ground.database import Connection
from sanqu.ground.errors import Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

# Over `case_case c`: the applicant; who holds a role at its unit or at one that acts in it; stewards above; administrators.
VISIBLE = """(%(everywhere)s OR c.applicant = %(me)s OR c.unit = ANY(%(reach)s) OR EXISTS (
    SELECT FROM case_task v WHERE v.case_id = c.id AND (v.unit = ANY(%(reach)s) OR v.escalated_to = ANY(%(reach)s) OR v.assignee = %(me)s)))"""
# Over `case_task t`: what waits for the asker and the units at which they hold a role.
NEAR = "(t.assignee = %(me)s OR t.unit = ANY(%(units)s) OR t.escalated_to = ANY(%(units)s))"
# Over `case_task t`: whatever the asker may do, in the units below too.
MAY_ACT = "(t.assignee = %(me)s OR t.unit = ANY(%(reach)s) OR t.escalated_to = ANY(%(reach)s) OR (%(everywhere)s AND t.unit IS NOT NULL))"
BELOW = "SELECT code FROM org_unit WHERE path LIKE ANY(%s)"


def reach_of(conn: Connection, asker: Asker) -> dict[str, Any]:
    """The parameters of `VISIBLE`, `NEAR` and `MAY_ACT` for `asker`."""
    paths = [role.path + "%" for role in asker.held if role.role == "steward"]
    below = {str(row["code"]) for row in conn.execute(BELOW, (paths,))} if paths and not asker.is_admin else set()
    # The public is nobody: a case that the public began, if ever, is not everybody's.
    me = person_label(asker) if asker.signed_in else None
    return {"me": me, "units": sorted(asker.units), "reach": sorted(asker.units | below), "everywhere": asker.is_admin}


def may_act(conn: Connection, asker: Asker, task: Task) -> bool:
    """Whether the asker may do `task`: at its unit or the one it was passed up to, above as steward, or it is theirs."""
    reach = reach_of(conn, asker)
    if task.assignee is not None and task.assignee == reach["me"]:
        return True
    units = {task.unit, task.escalated_to} - {None}
    return bool(units) and (asker.is_admin or bool(units & set(reach["reach"])))


def check_may_act(conn: Connection, asker: Asker, task: Task) -> None:
    """Raise `Refused` naming who may, unless the asker may do `task`."""
    if not may_act(conn, asker, task):
        who = task.unit or "applicant"
        raise Refused(
            "cases.not-yours",
            Text(zh="这项任务不由您办理", en="This task is not yours to do"),
            Text(
                zh=f"由 {'申请人本人' if task.unit is None else task.unit} 办理",
                en=f"It is done by {'the applicant' if task.unit is None else task.unit}",
            ),
            f"case:{task.case}",
            facts={"unit": who},
        )
