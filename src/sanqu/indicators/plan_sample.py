"""Samples (样例): made-up progress of the key projects and two published rounds of assessment; once, for a city that has just begun."""

from __future__ import annotations

import random

from sanqu.cases.history import case_tasks
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.facts import fact, keep_fact
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import SYSTEM
from sanqu.indicators.assessment.appeals import declare_appeal_process
from sanqu.indicators.assessment.rounds import mark, open_round, publish, schemes, subjects_of
from sanqu.indicators.dataset import plan_to_lake
from sanqu.indicators.periods import parse_period
from sanqu.indicators.projects.keeping import find_standing, plan_said, take_projects
from sanqu.indicators.projects.processes import declare_plan_processes
from sanqu.indicators.projects.progress import ask_progress, list_reports, owed
from sanqu.indicators.projects.records import Asked, Standing

SAID = ("按计划推进（样例）", "已完成阶段目标（样例）", "正在招标（样例）", "方案已报批（样例）")
PROBLEM = "要素保障不足（样例）"


@job("indicators.plan-sample")
def make_plan_samples(city: City) -> int:
    """Report a period of made-up progress and publish a round of each sample scheme, once; gives how many reports were made."""
    said = plan_said(city).get("sample")
    if not said or fact(city, "indicators.plan-sample", 0):
        return 0
    declare_plan_processes(city)
    declare_appeal_process(city)
    take_projects(city)
    draw = random.Random(f"plan {said['seed']}")
    ask_progress(city, SYSTEM, str(said["period"]))
    reports = [one for one in list_reports(city, SYSTEM, period=str(said["period"])) if one.state == "asked"]
    for one in reports:
        _report(city, one, draw)
    with city.db.connection() as conn:
        keep_fact(conn, "indicators.plan-sample", 1)
    _assess(city, str(parse_period(said["period"]).year), draw)
    plan_to_lake(city)
    return len(reports)


def _report(city: City, one: Asked, draw: random.Random) -> None:
    stood = find_standing(city, one.project)
    tasks = {
        str(task.id): {"percent": str(percent), "said": draw.choice(SAID), "problem": PROBLEM if percent < 80 else ""}
        for task in owed(stood, one.unit) for percent in (draw.choice((70, 85, 92, 96, 100, 100, 100)),)
    }  # fmt: skip
    _do(city, one.case_number, "fill", {"tasks": tasks, "reached": _reached(stood, one.unit, draw)})
    _do(city, one.case_number, "confirm", {"decision": "confirm"})


def _reached(stood: Standing, unit: str, draw: random.Random) -> dict[str, dict[str, str]]:
    if unit != stood.project.lead:
        return {}
    return {target.id: {"value": str(max(1, round(target.value * draw.uniform(0.7, 1.15)))), "said": "样例"} for target in stood.targets if target.value is not None}


def _do(city: City, case: str, name: str, result: dict[str, object]) -> None:
    task = next(one for one in case_tasks(city, SYSTEM, case) if one.name == name and one.state == "ready")
    complete_task(city, SYSTEM, task.id, result)


def _assess(city: City, year: str, draw: random.Random) -> None:
    """A scheme whose data are not there yet is left for people to open."""
    for scheme in schemes(city):
        if not scheme.sample or scheme.period != "A":
            continue
        try:
            round_ = open_round(city, SYSTEM, scheme.code, year)
        except SanquError:
            continue
        for criterion in scheme.criterion:
            if criterion.measure == "manual":
                for unit in subjects_of(city, scheme):
                    mark(city, SYSTEM, round_.id, unit, criterion.code, round(criterion.points * draw.uniform(0.7, 1), 1), "样例打分")
        publish(city, SYSTEM, round_.id)
