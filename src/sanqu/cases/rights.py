"""Who may see a case and who may act on a task: as SQL, so that a list of a hundred thousand is one question."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sanqu.cases.records import Task, person_label
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker, Role

# Over `case_task t`: what only stewards decide needs that role, at its unit, the one it was passed up to, or above.
IN_ROLE = "(t.role <> 'steward' OR %(everywhere)s OR t.unit = ANY(%(stewarded)s) OR t.escalated_to = ANY(%(stewarded)s))"
# Over `case_task t`: what waits for the asker and the units at which they hold a role.
NEAR = f"(t.assignee = ANY(%(mine)s) OR (t.unit = ANY(%(units)s) OR t.escalated_to = ANY(%(units)s)) AND {IN_ROLE})"
# Over `case_task t`: whatever the asker may do, in the units below too.
MAY_ACT = f"""(t.assignee = ANY(%(mine)s) OR (t.unit = ANY(%(reach)s) OR t.escalated_to = ANY(%(reach)s) OR %(everywhere)s AND t.unit IS NOT NULL)
    AND {IN_ROLE})"""
# Over `case_case c`: the applicant; who holds a role at its unit or at one that acts in it; stewards above; administrators.
# One who may not do what only stewards do does not see the case for it either.
VISIBLE = f"""(%(everywhere)s OR c.applicant = %(me)s OR c.unit = ANY(%(reach)s) OR EXISTS (
    SELECT FROM case_task t WHERE t.case_id = c.id AND (t.assignee = ANY(%(mine)s)
        OR (t.unit = ANY(%(reach)s) OR t.escalated_to = ANY(%(reach)s)) AND {IN_ROLE})))"""
# The role that a task may ask for (a lane or the property `role` of its process).
STEWARD = "steward"
BELOW = "SELECT code FROM org_unit WHERE path LIKE ANY(%s)"


# Whoever is away is stood in for with all roles but that of an administrator.
STOOD_FOR = """
SELECT d.person, r.role, r.unit, u.path FROM case_delegate d
JOIN person p ON p.id = d.person AND p.state = 'active'
LEFT JOIN person_role r ON r.person = d.person AND r.role <> 'admin' LEFT JOIN org_unit u ON u.code = r.unit
WHERE d.delegate = %s AND d.begins <= %s AND d.ends > %s
"""


def reach_of(conn: Connection, asker: Asker, at: datetime | None = None, *, alone: bool = False) -> dict[str, Any]:
    """The parameters of `VISIBLE`, `NEAR` and `MAY_ACT` for `asker`, and those for whom the asker stands in at `at`.

    With `alone`, what the asker may without standing in for anybody.
    """
    # The public is nobody: a case that the public began, if ever, is not everybody's.
    me = person_label(asker) if asker.signed_in else None
    others = {} if alone or not asker.user_id else _stood_for(conn, asker.user_id, at or now())
    held = [*asker.held, *(role for roles in others.values() for role in roles)]
    paths = [role.path + "%" for role in held if role.role == STEWARD]
    below = {str(row["code"]) for row in conn.execute(BELOW, (paths,))} if paths and not asker.is_admin else set()
    units = {role.unit for role in held}
    return {
        "me": me, "mine": [label for label in (me, *others) if label], "units": sorted(units), "reach": sorted(units | below),
        "stewarded": sorted(below | {role.unit for role in held if role.role == STEWARD}), "everywhere": asker.is_admin,
    }  # fmt: skip


def _stood_for(conn: Connection, person: int, at: datetime) -> dict[str, list[Role]]:
    """Those for whom a person stands in, as cases name them, with their roles."""
    others: dict[str, list[Role]] = {}
    for row in conn.execute(STOOD_FOR, (person, at, at)):
        roles = others.setdefault(f"user:{row['person']}", [])
        if row["role"] is not None:
            roles.append(Role(str(row["role"]), str(row["unit"]), str(row["path"])))
    return others


def stands_in_for(conn: Connection, asker: Asker, task: Task, at: datetime) -> str | None:
    """For whom the asker acts on a task that is not the asker's own to do; None where it is."""
    if not asker.user_id or may_act_within(reach_of(conn, asker, at, alone=True), task):
        return None
    for other, roles in _stood_for(conn, asker.user_id, at).items():
        near = {role.unit for role in roles if task.role != STEWARD or role.role == STEWARD}
        if task.assignee == other or near & {task.unit, task.escalated_to} or any(role.role == STEWARD for role in roles):
            return other
    return None


def may_act(conn: Connection, asker: Asker, task: Task) -> bool:
    """Whether the asker may do `task`: at its unit or the one it was passed up to, above as steward, or it is theirs.

    Whoever stands in for somebody may do what that person may.
    """
    return may_act_within(reach_of(conn, asker), task)


def may_act_within(reach: dict[str, Any], task: Task) -> bool:
    """Whether one whose `reach_of` is `reach` may do `task`."""
    if task.assignee is not None and task.assignee in reach["mine"]:
        return True
    units = {task.unit, task.escalated_to} - {None}
    near = set(reach["stewarded"] if task.role == STEWARD else reach["reach"])
    return bool(units) and (reach["everywhere"] or bool(units & near))


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
