"""Progress (进展): each quarter every unit that has tasks is asked how far they are; what is confirmed moves the lamps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sanqu.cases.history import done_by
from sanqu.cases.hooks import Shown, on_end, on_service, on_show, on_task
from sanqu.cases.notices import colleagues, tell
from sanqu.cases.records import Case
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer, job
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.indicators.periods import Period, parse_period
from sanqu.indicators.projects.keeping import bureau_of, find_standing, keeps_plan, plan_said, require_staff, standings
from sanqu.indicators.projects.records import Asked, Standing, Target, Task

PROCESS = "plan-progress"
WITHIN = "5wd"
LONGEST = 1000

ADD = "INSERT INTO plan_report (case_number, project, unit, period, asked) VALUES (%s, %s, %s, %s, %s)"
IS_ASKED = "SELECT 1 FROM plan_report WHERE project = %s AND unit = %s AND period = %s AND state <> 'void'"
STATE = "UPDATE plan_report SET state = %s, confirmed = %s WHERE case_number = %s"
VOID = "UPDATE plan_report SET state = 'void' WHERE case_number = %s AND state = 'asked'"
# Late is what was confirmed or is still owed after the unit's own task was due.
REPORTS = """
SELECT r.case_number, r.project, r.unit, r.period, r.state, r.asked, r.confirmed,
    coalesce((SELECT bool_or(coalesce(t.done_at, now()) > t.due) FROM case_task t JOIN case_case c ON c.id = t.case_id
              WHERE c.number = r.case_number AND t.name = 'fill' AND t.due IS NOT NULL), false) AS late
FROM plan_report r WHERE r.state <> 'void' AND (%(project)s::text IS NULL OR r.project = %(project)s) AND (%(period)s::text IS NULL OR r.period = %(period)s)
ORDER BY r.period DESC, r.project, r.unit
"""
KEEP = "INSERT INTO plan_progress (task, period, percent, said, problem, case_number, reporter, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
KEEP_REACHED = "INSERT INTO plan_reached (target, period, value, said, case_number, at) VALUES (%s, %s, %s, %s, %s, %s)"


def quarter_of(at: datetime) -> Period:
    """The quarter in which a moment lies."""
    day = at.astimezone(CITY_ZONE)
    return Period("Q", day.year, (day.month + 2) // 3)


@job("indicators.progress", every="23 8 1 1,4,7,10 *")
def ask_last_quarter(city: City) -> int:
    """On the first day of a quarter, ask for the progress of the one before."""
    return ask_progress(city, SYSTEM, str(quarter_of(now()).before)) if plan_said(city).get("projects") else 0


def ask_progress(city: City, asker: Asker, period: str, *, at: datetime | None = None) -> int:
    """Ask every unit that has open tasks for its progress in `period` (a quarter), each once; gives how many were asked now.

    Raises `BadInput` for a period that is no quarter, `Refused` for one who does not keep the plan.
    """
    quarter = parse_period(period)
    if quarter.kind != "Q":
        raise BadInput("indicators.quarter", Text(zh="进展按季报", en="Progress is reported by quarter"), Text(zh="写成 2026-Q3", en="Write 2026-Q3"), period[:20])
    moment, asked = at or now(), 0
    stood = standings(city)
    with city.db.connection() as conn:
        if asker is not SYSTEM and not keeps_plan(conn, city, asker):
            raise Refused("indicators.bureau", Text(zh="由规划牵头单位发起", en="The bureau that keeps the plan asks"), Text(zh="请它的管理员办理", en="Ask its stewards"), bureau_of(city))
        for one in stood:
            for unit in sorted({task.unit for task in owed(one)}):
                if conn.execute(IS_ASKED, (one.project.code, unit, str(quarter))).fetchone() is None:
                    _ask_one(city, conn, one, unit, str(quarter), moment)
                    asked += 1
        if asked:
            append(conn, kind="indicators.progress-asked", actor=asker.label, subject=f"period:{quarter}", facts={"reports": asked})
    return asked


def owed(stood: Standing, unit: str | None = None) -> list[Task]:
    """The tasks of which progress is owed: those not done, and of measures that were broken down only the parts; of one unit if given."""
    broken = {task.parent for task in stood.tasks if task.parent is not None}
    return [task for task in stood.tasks if task.id not in broken and task.lamp != "done" and unit in (None, task.unit)]


def _ask_one(city: City, conn: Connection, stood: Standing, unit: str, period: str, at: datetime) -> None:
    project = stood.project
    data = {"project": project.code, "period": period, "reporter": unit, "bureau": bureau_of(city), "within": WITHIN, "decision": ""}
    case = start_case(city, SYSTEM, PROCESS, f"{period} 进展：{project.title.zh}"[:200], f"project:{project.code}", unit, data, conn=conn, at=at)
    conn.execute(ADD, (case.number, project.code, unit, period, at))
    tell(conn, colleagues(conn, unit), at, Text(zh=f"请报进展：{project.title.zh}（{period}）", en=f"Progress is asked of you: {project.title.in_('en')} ({period})"), f"/plan/fill/{case.number}")


def list_reports(city: City, asker: Asker, project: str | None = None, period: str | None = None) -> list[Asked]:
    """What was asked and given, the newest period first; for whoever works for the city."""
    require_staff(asker)
    return [Asked(**row) for row in city.db.all(REPORTS, {"project": project, "period": period})]


def _check(city: City, _conn: Connection, case: Case) -> Mapping[str, Any]:
    """Check what was filled in; what does not fit undoes the step."""
    stood = find_standing(city, case.data["project"])
    tasks = {str(task.id): task for task in owed(stood, case.data["reporter"])}
    said: dict[str, Any] = dict(case.data.get("tasks") or {})
    if strange := sorted(set(said) - set(tasks)):
        raise BadInput("indicators.task-strange", Text(zh=f"任务 {strange[0][:20]} 不归这个单位报", en=f"Task {strange[0][:20]} is not this unit's"), Text(zh="刷新页面再填", en="Load the page again"))
    if missing := [task for key, task in tasks.items() if key not in said]:
        raise BadInput("indicators.task-missing", Text(zh=f"还没有填：{missing[0].title.zh[:40]}", en=f"Not filled in: {missing[0].title.in_('en')[:60]}"), Text(zh="每项任务都要填百分比", en="Each task needs a percent"))
    return {"tasks": {key: _told(said[key], task) for key, task in tasks.items()}, "reached": _reached(case.data.get("reached") or {}, stood)}


def _told(said: Any, task: Task) -> dict[str, Any]:
    given = said if isinstance(said, dict) else {}
    written = str(given.get("percent", "")).strip().removesuffix("%").strip()
    if not written.isascii() or not written.isdigit() or int(written) > 100:
        raise BadInput("indicators.percent", Text(zh=f"“{task.title.zh[:30]}”的百分比读不懂：{written[:20]}", en=f"This is no percent for “{task.title.in_('en')[:40]}”: {written[:20]}"), Text(zh="填 0 到 100 的整数", en="A whole number from 0 to 100"))
    text, problem = str(given.get("said", "")).strip()[:LONGEST], str(given.get("problem", "")).strip()[:LONGEST]
    if task.percent is not None and int(written) < task.percent and not text:
        raise BadInput(
            "indicators.percent-less", Text(zh=f"“{task.title.zh[:30]}”比上次（{task.percent}%）少", en=f"“{task.title.in_('en')[:40]}” is less than last time ({task.percent}%)"),
            Text(zh="写明原因", en="Say why"),
        )  # fmt: skip
    return {"percent": int(written), "said": text, "problem": problem}


def _reached(said: Mapping[str, Any], stood: Standing) -> dict[str, dict[str, Any]]:
    """What was reached of targets: a number where the plan has one, words where it has words; what was left empty is not said."""
    targets = {target.id: target for target in stood.targets}
    if strange := sorted(set(said) - set(targets)):
        raise BadInput("indicators.target-strange", Text(zh=f"没有目标 {strange[0][:20]}", en=f"There is no target {strange[0][:20]}"), Text(zh="刷新页面再填", en="Load the page again"))
    found: dict[str, dict[str, Any]] = {}
    for key, given in said.items():
        told = given if isinstance(given, dict) else {}
        written, text = str(told.get("value", "")).strip().replace(",", ""), str(told.get("said", "")).strip()[:LONGEST]
        if written or text:
            found[key] = {"value": _number(written, targets[key]) if written else None, "said": text}
    return found


def _number(written: str, target: Target) -> float:
    try:
        value = float(written)
    except ValueError:
        value = float("nan")
    if not written.isascii() or not math.isfinite(value) or value < 0:
        raise BadInput("indicators.reached", Text(zh=f"“{target.title.zh[:30]}”不是数：{written[:20]}", en=f"This is no number for “{target.title.in_('en')[:40]}”: {written[:20]}"), Text(zh="填不小于 0 的数", en="A number from 0"))
    return value


def _publish(_city: City, conn: Connection, case: Case) -> None:
    at, by, period = now(), done_by(conn, case, "fill"), case.data["period"]
    for task, told in case.data["tasks"].items():
        conn.execute(KEEP, (int(task), period, told["percent"], told["said"], told["problem"], case.number, by, at))
    for target, told in case.data["reached"].items():
        conn.execute(KEEP_REACHED, (target, period, told["value"], told["said"], case.number, at))
    conn.execute(STATE, ("confirmed", at, case.number))
    append(conn, kind="indicators.progress", actor=by, subject=f"project:{case.data['project']}", facts={"period": period, "tasks": len(case.data["tasks"])})
    defer(conn, "indicators.plan-to-lake", once="indicators.plan-to-lake")


def _ended(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(VOID, (case.number,))


def _shown(city: City, asker: Asker, case: Case) -> Shown:
    if not asker.is_staff:
        return Shown()
    stood = find_standing(city, case.data["project"])
    titles = {str(task.id): task.title for task in stood.tasks}
    facts: list[tuple[Text, Text | str]] = [(Text(zh="工程", en="Project"), stood.project.title), (Text(zh="期别", en="Period"), case.data["period"])]
    for key, told in (case.data.get("tasks") or {}).items():
        if isinstance(told, dict):
            facts.append((titles.get(key, Text(zh=key, en=key)), " · ".join(str(part) for part in (f"{told.get('percent')} %", told.get("said"), told.get("problem")) if part)))
    return Shown(tuple(facts), ((Text(zh="工程", en="The project"), f"/plan/{stood.project.code}"),))


on_service(PROCESS, "check", _check)
on_service(PROCESS, "publish", _publish)
on_end(PROCESS, _ended)
on_show(PROCESS, _shown)
on_task(PROCESS, "fill", "/plan/fill/{number}")
