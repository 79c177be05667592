"""Projects in the database: taken from the datasets that the city pack names, through the door; tasks that units make of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, NotFound, Refused, not_found
from sanqu.ground.facts import fact, keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import PUBLIC, Asker
from sanqu.ground.people.units import path_of
from sanqu.indicators.projects.lamps import lamp_of, percent_of, worst
from sanqu.indicators.projects.records import Project, Standing, Target, Task
from sanqu.sharing.door import Question, ask

PURPOSE = "indicators"
LONGEST = 200

SAVE = """
INSERT INTO plan_project (code, position, title, goal, section, units, wording, since, due)
VALUES (%(code)s, %(position)s, %(title)s, %(goal)s, %(section)s, %(units)s, %(wording)s, %(since)s, %(due)s)
ON CONFLICT (code) DO UPDATE SET position = excluded.position, title = excluded.title, goal = excluded.goal, section = excluded.section,
    units = excluded.units, wording = excluded.wording, since = excluded.since, due = excluded.due
"""
SAVE_TARGET = """
INSERT INTO plan_target (id, project, title, value, wording, unit, comparator)
VALUES (%(id)s, %(project)s, %(title)s, %(value)s, %(wording)s, %(unit)s, %(comparator)s)
ON CONFLICT (id) DO UPDATE SET title = excluded.title, value = excluded.value, wording = excluded.wording, unit = excluded.unit,
    comparator = excluded.comparator
"""
SAVE_MEASURE = """
INSERT INTO plan_task (project, measure, title, unit, units, since, due) VALUES (%(project)s, %(measure)s, %(title)s, %(unit)s, %(units)s, %(since)s, %(due)s)
ON CONFLICT (project, measure) DO UPDATE SET title = excluded.title, units = excluded.units, due = excluded.due
"""
PROJECTS = "SELECT code, title, goal, section, units, wording, since, due FROM plan_project ORDER BY position"
TARGETS = """
SELECT t.id, t.project, t.title, t.value, t.wording, t.unit, t.comparator, r.value AS reached, coalesce(r.said, '') AS said, r.at
FROM plan_target t LEFT JOIN LATERAL (
    SELECT value, said, at FROM plan_reached WHERE target = t.id ORDER BY at DESC, id DESC LIMIT 1
) r ON true ORDER BY t.id
"""
TASKS = """
SELECT t.id, t.project, t.parent, t.title, t.unit, t.units, t.since, t.due, t.weight, p.percent, coalesce(p.period, '') AS period,
    coalesce(p.said, '') AS said, coalesce(p.problem, '') AS problem, p.at
FROM plan_task t LEFT JOIN LATERAL (
    SELECT percent, period, said, problem, at FROM plan_progress WHERE task = t.id ORDER BY at DESC, id DESC LIMIT 1
) p ON true WHERE t.state = 'open' ORDER BY t.project, coalesce(t.parent, t.id), t.parent NULLS FIRST, t.due, t.id
"""
ADD_TASK = """
INSERT INTO plan_task (project, parent, title, unit, units, since, due, weight) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
DROP_TASK = "UPDATE plan_task SET state = 'dropped' WHERE id = %s AND parent IS NOT NULL AND state = 'open'"
HISTORY = "SELECT period, percent, said, problem, case_number, at FROM plan_progress WHERE task = %s ORDER BY at, id"


def keep_plan(city: City, said: Mapping[str, Any]) -> None:
    """Keep the file plan.toml of a city pack: the bureau, what its short names mean, which queries give projects and measures."""
    with city.db.connection() as conn:
        keep_fact(conn, "indicators.plan", dict(said))


def plan_said(city: City) -> dict[str, Any]:
    """What plan.toml said; empty where the pack has none."""
    return dict(fact(city, "indicators.plan", {}))


def bureau_of(city: City) -> str:
    """The unit that keeps the plan (规划牵头单位, as a rule the 发改委)."""
    return str(plan_said(city).get("bureau", ""))


def require_staff(asker: Asker) -> None:
    """Raise `Refused` for one who works nowhere."""
    if not asker.is_staff:
        raise Refused(
            "indicators.staff", Text(zh="任务与考核给在岗人员看", en="Tasks and assessment are for those who work for the city"),
            Text(zh="用工作账号登录", en="Sign in with a work account"), status=401 if not asker.signed_in else 403,
        )  # fmt: skip


def keeps_plan(conn: Connection, city: City, asker: Asker) -> bool:
    """Whether the asker decides on the plan: a steward of its bureau or above, or an administrator."""
    path = path_of(conn, bureau_of(city), active=True)
    return asker.is_admin or (path is not None and asker.may_steward(path))


@job("indicators.projects", every="47 3 * * *")
def take_projects(city: City) -> int:
    """Take projects, targets and measures from their datasets; what people made of them stays. Gives how many projects there are."""
    said = plan_said(city).get("projects")
    if not said:
        return 0
    names = {str(name): str(code) for name, code in plan_said(city).get("units", {}).items()}
    targets = _rows(city, said["targets"])
    with city.db.connection() as conn:
        projects = _projects(targets, names, date.fromisoformat(said["since"]))
        for position, one in enumerate(projects.values()):
            conn.execute(SAVE, {**one.__dict__, "title": Jsonb(one.title.model_dump()), "units": list(one.units), "position": position})
        for row in targets:
            conn.execute(SAVE_TARGET, _target_row(row))
        for row in _rows(city, said["measures"]):
            project = projects[str(row["project_id"])]
            title = Text(zh=str(row["quote"]), en=str(row["gist_en"]))
            conn.execute(SAVE_MEASURE, {
                "project": project.code, "measure": row["measure"], "title": Jsonb(title.model_dump()), "unit": project.lead,
                "units": list(project.units[1:]), "since": project.since, "due": project.due,
            })  # fmt: skip
    return len(projects)


def _rows(city: City, sql: str) -> list[dict[str, Any]]:
    return list(ask(city, PUBLIC, Question(sql, PURPOSE, rows=1000, via="indicators")).table.to_pylist())


def _projects(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str], since: date) -> dict[str, Project]:
    found: dict[str, Project] = {}
    for row in rows:
        code = str(row["project_id"])
        units = tuple(names[name] for name in str(row["responsible"]).split("；") if name in names)
        if not units:
            raise BadInput(
                "indicators.responsible", Text(zh=f"“{row['responsible']}”里没有一个是城市的机构", en=f"None of “{row['responsible']}” is a unit of the city"),
                Text(zh="在 plan.toml 的 [units] 里写上简称对应的机构", en="Name the unit of the short name in [units] of plan.toml"), code,
            )  # fmt: skip
        title = Text(zh=str(row["project_zh"]), en=str(row["project_en"]))
        found.setdefault(code, Project(code, title, str(row["quote"]), str(row["section"]), units, str(row["responsible"]), since, date(int(row["deadline"]), 12, 31)))
    return found


def _target_row(row: Mapping[str, Any]) -> dict[str, Any]:
    title = Text(zh=str(row["metric_zh"]), en=str(row["metric_en"]))
    return {
        "id": row["target_id"], "project": row["project_id"], "title": Jsonb(title.model_dump()), "value": row["value"],
        "wording": row["wording"] or "", "unit": row["unit"] or "", "comparator": row["comparator"] or "=",
    }  # fmt: skip


def list_projects(city: City) -> list[Project]:
    """The projects in their order."""
    return [Project(**{**row, "title": Text.model_validate(row["title"]), "units": tuple(row["units"])}) for row in city.db.all(PROJECTS)]


def standings(city: City, today: date | None = None) -> list[Standing]:
    """Every project as it stands `today`."""
    day = today or now().astimezone(CITY_ZONE).date()
    tasks, targets = _tasks(city, day), [Target(**{**row, "title": Text.model_validate(row["title"])}) for row in city.db.all(TARGETS)]
    return [_standing(one, [t for t in targets if t.project == one.code], [t for t in tasks if t.project == one.code]) for one in list_projects(city)]


def _tasks(city: City, day: date) -> list[Task]:
    found = []
    for row in city.db.all(TASKS):
        task = Task(**{**row, "title": Text.model_validate(row["title"]), "units": tuple(row["units"]), "weight": float(row["weight"])})
        said_on = task.at.astimezone(CITY_ZONE).date() if task.at else None
        found.append(replace(task, lamp=lamp_of(task.percent, task.since, task.due, day, said_on)))
    return found


def _standing(project: Project, targets: list[Target], tasks: list[Task]) -> Standing:
    """A measure that was broken down is what its tasks are."""
    broken = {task.parent for task in tasks if task.parent is not None}
    leaves = [task for task in tasks if task.id not in broken]
    percent = percent_of((task.percent, task.weight) for task in leaves)
    return Standing(project, tuple(targets), tuple(tasks), percent, worst(task.lamp for task in leaves))


def find_standing(city: City, code: str, today: date | None = None) -> Standing:
    """One project as it stands; raises `NotFound`."""
    found = next((one for one in standings(city, today) if one.project.code == code), None)
    if found is None:
        raise not_found(Text(zh="重点工程", en="key project"), code[:40])
    return found


def task_history(city: City, task: int) -> list[dict[str, Any]]:
    """Everything that was confirmed of a task, the first first."""
    return city.db.all(HISTORY, (task,))


def add_task(city: City, asker: Asker, measure: int, title: str, unit: str, since: date, due: date, weight: float = 1.0) -> int:
    """Make a task of a measure (年度重点工作任务): for stewards of the leading unit, of the plan's bureau, or above.

    Raises `NotFound`, `Refused`, `BadInput` for a title, unit, time or weight that does not fit.
    """
    require_staff(asker)
    parent = next((one for stood in standings(city) for one in stood.tasks if one.id == measure and one.parent is None), None)
    if parent is None:
        raise not_found(Text(zh="举措", en="measure"), str(measure))
    if not 0 < len(title.strip()) <= LONGEST or not parent.since <= since < due <= parent.due or not 0 < weight <= 100:
        raise BadInput(
            "indicators.task", Text(zh="任务的名称、起止或权重不合规", en="Title, time or weight of the task does not fit"),
            Text(zh=f"名称必填，至多 {LONGEST} 字；起止在 {parent.since} 与 {parent.due} 之间；权重大于 0", en=f"A title of at most {LONGEST} characters; between {parent.since} and {parent.due}; a weight above 0"), title[:40],
        )  # fmt: skip
    with city.db.connection() as conn:
        if path_of(conn, unit, active=True) is None:
            raise not_found(Text(zh="机构", en="unit"), unit[:64])
        _check_leads(conn, city, asker, parent.unit)
        row = conn.execute(ADD_TASK, (parent.project, measure, Jsonb({"zh": title.strip(), "en": ""}), unit, [], since, due, weight)).fetchone()
        assert row is not None
        append(conn, kind="indicators.task", actor=asker.label, subject=f"project:{parent.project}", facts={"task": row["id"], "unit": unit, "due": str(due)})
    return int(row["id"])


def drop_task(city: City, asker: Asker, task: int) -> None:
    """Take a task back that a unit made; what was reported of it stays in the ledger. Measures of the plan stay."""
    require_staff(asker)
    tasks = {one.id: one for stood in standings(city) for one in stood.tasks}
    found = tasks.get(task)
    if found is None or found.parent is None:
        raise NotFound("indicators.task-none", Text(zh="没有这个年度任务", en="There is no such task"), Text(zh="规划的举措不能撤", en="Measures of the plan stay"), str(task))
    with city.db.connection() as conn:
        _check_leads(conn, city, asker, tasks[found.parent].unit)
        conn.execute(DROP_TASK, (task,))
        append(conn, kind="indicators.task-dropped", actor=asker.label, subject=f"project:{found.project}", facts={"task": task})


def _check_leads(conn: Connection, city: City, asker: Asker, unit: str) -> None:
    path = path_of(conn, unit, active=True)
    if not keeps_plan(conn, city, asker) and (path is None or not asker.may_steward(path)):
        raise Refused("indicators.leads", Text(zh="由牵头单位的管理员分解任务", en="Stewards of the leading unit break measures down"), Text(zh="请他们办理", en="Ask them"), unit)


