"""Samples (样例): made-up inspectors, a plan that is drawn, and some of its visits; once, for a city that has just begun."""

from __future__ import annotations

import random
from typing import Any

from sanqu.cases.history import case_tasks
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.facts import fact, keep_fact
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import SYSTEM
from sanqu.supervision.drawing import commit_draw
from sanqu.supervision.inspections import Wanted, draw_and_open, list_inspections
from sanqu.supervision.plans import make_plan
from sanqu.supervision.processes import declare_processes
from sanqu.supervision.records import Inspection
from sanqu.supervision.registers import Inspector, list_inspectors, list_items, save_inspector

SURNAMES, GIVEN = "赵钱孙李周吴郑王徐姜毛汪余叶方何", "文华志明丽娟建国秀英晓东海燕春梅"
VISITS = 8


@job("supervision.sample")
def make_samples(city: City) -> int:
    """Add the pack's sample inspectors and draw a sample plan, once; returns how many inspections were drawn."""
    said = fact(city, "supervision", {}).get("sample")
    if not said or fact(city, "supervision.sample", 0) or list_inspectors(city, limit=1)[1]:
        return 0
    declare_processes(city)
    units, draw = [str(one) for one in said["units"]], random.Random(f"inspectors {said['seed']}")
    with city.db.connection() as conn:
        for number in range(int(said["inspectors"])):
            name = f"{draw.choice(SURNAMES)}{draw.choice(GIVEN)}{draw.choice(GIVEN)}（样例）"
            save_inspector(conn, SYSTEM, Inspector(f"YL-{number + 1:04d}", name, units[number % len(units)], sample=True))
        keep_fact(conn, "supervision.sample", 1)
    teams = [{"unit": unit, "count": 2 if place == 0 else 1} for place, unit in enumerate(units[:2])]
    items = [one.code for one in list_items(city) if f"-{one.department}" in "".join(units[:2])]
    plan = make_plan(city, SYSTEM, "电子信息企业双随机联合抽查（样例）", {"items": items, "teams": teams, "each": 3, "kinds": ["C39"]}, sample=True)
    commit_draw(city, SYSTEM, plan.number)
    draw_and_open(city, SYSTEM, plan.number, "样例见证码 06 17 23")
    drawn = list_inspections(city, SYSTEM, Wanted(plan.number), 500)[0]
    for place, one in enumerate(drawn[:VISITS]):
        _visit(city, one, items, problem=place % 4 == 3)
    return len(drawn)


def _visit(city: City, one: Inspection, items: list[str], *, problem: bool) -> None:
    today = now().astimezone(CITY_ZONE).date().isoformat()
    checks = {f"{item.code}.{check.code}": "ok" for item in list_items(city) if item.code in items for check in item.checks}
    if problem:
        checks[next(iter(checks))] = "problem"
    _do(city, one, "notify", {"visit_on": today, "announced": True})
    _do(city, one, "visit", {"visited": today, "result": "correct" if problem else "none", "checks": checks, "visit_note": "样例检查，没有签名"})
    _do(city, one, "partner", {"verdict": "agree"})
    if not problem:
        _do(city, one, "review", {"publish": True})


def _do(city: City, one: Inspection, name: str, said: dict[str, Any]) -> None:
    for task in case_tasks(city, SYSTEM, str(one.case)):
        if task.name == name and task.state == "ready":
            complete_task(city, SYSTEM, task.id, said)
