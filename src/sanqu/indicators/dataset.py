"""What came of the plan, as datasets for scenes and screens that read through the door: indicators as they stand, their series, tasks with
their lamps, points of assessments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.units import unit
from sanqu.indicators.assessment.rounds import league, list_rounds
from sanqu.indicators.forecasting import Forecast, forecast_of
from sanqu.indicators.monitor import Watched, path_of, watch
from sanqu.indicators.projects.keeping import standings
from sanqu.lake import Commit, Contract, lake_of, table_from

TASKS, POINTS, STANDING, SERIES = "plan-tasks", "assessment-points", "indicator-standing", "indicator-series"
Items = tuple[tuple[str, str, str, str], ...]
TASK_ITEMS: Items = (
    ("task", "integer", "任务编号", "task"), ("project", "string", "工程编号", "project"), ("project_zh", "string", "工程", "project (Chinese)"),
    ("project_en", "string", "工程（英文）", "project (English)"), ("parent", "integer", "所属举措", "measure it belongs to"),
    ("title_zh", "string", "任务", "task (Chinese)"), ("title_en", "string", "任务（英文）", "task (English)"), ("unit", "string", "责任单位代码", "unit"),
    ("unit_zh", "string", "责任单位", "unit (Chinese)"), ("unit_en", "string", "责任单位（英文）", "unit (English)"), ("due", "date", "期限", "due"),
    ("percent", "integer", "完成百分比", "percent done"), ("period", "string", "最近一期", "newest period"), ("lamp", "string", "亮灯", "lamp"),
    ("problem", "string", "问题", "problem"), ("weight", "number", "权重", "weight"),
)  # fmt: skip
POINT_ITEMS: Items = (
    ("round", "integer", "考核编号", "round"), ("scheme", "string", "办法代码", "scheme"), ("scheme_zh", "string", "办法", "scheme (Chinese)"),
    ("scheme_en", "string", "办法（英文）", "scheme (English)"), ("period", "string", "考核期", "period"), ("state", "string", "状态", "state"),
    ("unit", "string", "单位代码", "unit"), ("unit_zh", "string", "单位", "unit (Chinese)"), ("unit_en", "string", "单位（英文）", "unit (English)"),
    ("rank", "integer", "名次", "rank"), ("total", "number", "总分", "total"), ("item", "string", "考核项代码", "item"), ("item_zh", "string", "考核项", "item (Chinese)"),
    ("item_en", "string", "考核项（英文）", "item (English)"), ("points", "number", "得分", "points"), ("most", "number", "满分", "most"),
    ("arithmetic", "string", "算式", "arithmetic"), ("sample", "boolean", "样例", "sample"),
)  # fmt: skip

STANDING_ITEMS: Items = (
    ("code", "string", "指标代码", "indicator"), ("position", "integer", "次序", "position"), ("title_zh", "string", "指标", "title (Chinese)"), ("title_en", "string", "指标（英文）", "title (English)"),
    ("group_zh", "string", "类别", "group (Chinese)"), ("group_en", "string", "类别（英文）", "group (English)"), ("unit_zh", "string", "计量单位", "unit (Chinese)"), ("unit_en", "string", "计量单位（英文）", "unit (English)"),
    ("standing", "string", "进度", "standing"), ("base_period", "string", "基期", "base period"), ("base", "number", "基期值", "base"), ("period", "string", "最新报告期", "newest period"),
    ("actual", "number", "最新值", "newest figure"), ("expected", "number", "路径应到", "what the path asks"), ("gap", "number", "差距", "gap"), ("target_period", "string", "目标期", "target period"),
    ("target", "number", "目标值", "target"), ("needed", "number", "还需年均增长", "growth needed a year"), ("grown", "number", "已年均增长", "growth a year so far"), ("forecast", "number", "目标期预测", "forecast for the target period"),
    ("low", "number", "预测下限（80%）", "lower bound (80 %)"), ("high", "number", "预测上限（80%）", "upper bound (80 %)"), ("chance", "number", "达标可能", "how likely"),
)  # fmt: skip
SERIES_ITEMS: Items = (
    ("code", "string", "指标代码", "indicator"), ("kind", "string", "性质", "kind"), ("period", "string", "报告期", "period"), ("value", "number", "数值", "value"),
    ("low", "number", "下限（80%）", "lower bound (80 %)"), ("high", "number", "上限（80%）", "upper bound (80 %)"),
)  # fmt: skip


def declare_plan_datasets(city: City, steward: str, subject: str = "", *, sample: bool = False) -> None:
    """Register the datasets with their contracts: tasks and points for all departments, indicators for everybody."""
    both: tuple[tuple[str, dict[str, str], dict[str, str], list[str], Items], ...] = (
        (STANDING, {"zh": "指标现状", "en": "Indicators as they stand"},
         {"zh": "每项指标的基期、最新值、路径、目标、还需增速与预测", "en": "Base, newest figure, path, target, growth still needed and forecast of each indicator"}, ["code"], STANDING_ITEMS),
        (SERIES, {"zh": "指标序列", "en": "Series of indicators"},
         {"zh": "每项指标各期的实际、路径、目标与预测", "en": "Actual figures, path, targets and forecast of each indicator by period"}, ["code", "kind", "period"], SERIES_ITEMS),
        (TASKS, {"zh": "重点工程任务进展", "en": "Tasks of the key projects"},
         {"zh": "重点工程的举措与年度任务：责任单位、期限、完成百分比、亮灯；随确认的进展更新", "en": "Measures and yearly tasks of the key projects: unit, deadline, percent, lamp; it follows confirmed progress"}, ["task"], TASK_ITEMS),
        (POINTS, {"zh": "考核评价得分", "en": "Points of assessments"},
         {"zh": "已公布的考核：每个单位每一项的得分、满分与算式", "en": "Published assessments: the points of each unit for each item, with their arithmetic"}, ["round", "unit", "item"], POINT_ITEMS),
    )  # fmt: skip
    for name, title, about, key, items in both:
        contract = Contract.from_descriptor({
            "name": name, "title": title, "description": about, "steward": steward, **({"subject": subject} if subject else {}), "grade": "L1" if name in (STANDING, SERIES) else "L2",
            "sharing": "unconditional", "opening": "unconditional" if name in (STANDING, SERIES) else "none", "sample": sample and name in (TASKS, POINTS), "tags": ["规划", "重点工程"], "source": "sanqu.indicators", "primaryKey": key,
            "fields": [{"name": one, "type": kind, "title": {"zh": zh, "en": en}} for one, kind, zh, en in items],
        })  # fmt: skip
        register_contract(city, contract, SYSTEM.label)


@job("indicators.plan-to-lake", every="12 * * * *")
def plan_to_lake(city: City) -> dict[str, int]:
    """Write how tasks and published rounds stand into the datasets of the city pack, where it has them; gives rows by dataset."""
    watched = [(one, forecast_of(city, one.indicator.code)) for one in watch(city)]
    makers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        STANDING: lambda: _standing(watched), SERIES: lambda: _series(watched), TASKS: lambda: _tasks(city), POINTS: lambda: _points(city),
    }  # fmt: skip
    return {name: _write(city, name, make()) for name, make in makers.items() if lake_of(city).has(name)}


def _standing(watched: Sequence[tuple[Watched, Forecast | None]]) -> list[dict[str, Any]]:
    found = []
    for position, (one, ahead) in enumerate(watched):
        indicator, seen = one.indicator, one.outlook
        last = max(one.targets, default=None)
        coming = next((each for each in ahead.ahead if last is not None and each.period == str(last)), None) if ahead else None
        found.append({
            "code": indicator.code, "position": position, "title_zh": indicator.title.zh, "title_en": indicator.title.in_("en"), "group_zh": indicator.group.zh, "group_en": indicator.group.in_("en"),
            "unit_zh": indicator.unit.zh, "unit_en": indicator.unit.in_("en"), "standing": seen.standing, "base_period": str(one.base) if one.base else None,
            "base": one.figures[one.base].value if one.base else None, "period": str(seen.period) if seen.period else None, "actual": seen.actual, "expected": seen.expected, "gap": seen.gap,
            "target_period": str(last) if last else None, "target": one.targets[last].value if last else None, "needed": None if indicator.share or seen.standing == "reached" else seen.needed,
            "grown": one.growth_a_year, "forecast": coming.value if coming else None, "low": coming.low80 if coming else None, "high": coming.high80 if coming else None, "chance": ahead.chance if ahead else None,
        })  # fmt: skip
    return found


def _series(watched: Sequence[tuple[Watched, Forecast | None]]) -> list[dict[str, Any]]:
    found = []
    for one, ahead in watched:
        told: list[tuple[str, str, float, float | None, float | None]] = [("actual", str(period), figure.value, None, None) for period, figure in one.figures.items()]
        told += [("path", str(period), value, None, None) for period, value in path_of(one).items()]
        told += [("target", str(period), aim.value, None, None) for period, aim in one.targets.items()]
        told += [("forecast", each.period, each.value, each.low80, each.high80) for each in ahead.ahead] if ahead else []
        found += [{"code": one.indicator.code, "kind": kind, "period": period, "value": value, "low": low, "high": high} for kind, period, value, low, high in told]
    return found


def _tasks(city: City) -> list[dict[str, Any]]:
    named = _names(city)
    return [
        {
            "task": task.id, "project": stood.project.code, "project_zh": stood.project.title.zh, "project_en": stood.project.title.en,
            "parent": task.parent, "title_zh": task.title.zh, "title_en": task.title.en, "unit": task.unit, "unit_zh": named(task.unit).zh,
            "unit_en": named(task.unit).in_("en"), "due": task.due, "percent": task.percent, "period": task.period, "lamp": task.lamp,
            "problem": task.problem, "weight": task.weight,
        }
        for stood in standings(city) for task in stood.tasks
    ]  # fmt: skip


def _points(city: City) -> list[dict[str, Any]]:
    found, named = [], _names(city)
    for round_ in list_rounds(city, SYSTEM):
        if round_.state == "draft":
            continue
        for row in league(city, round_):
            for code, one in row.points.items():
                item = round_.scheme.item(code)
                found.append({
                    "round": round_.id, "scheme": round_.scheme.code, "scheme_zh": round_.scheme.title.zh, "scheme_en": round_.scheme.title.en,
                    "period": round_.period, "state": round_.state, "unit": row.unit, "unit_zh": named(row.unit).zh, "unit_en": named(row.unit).in_("en"),
                    "rank": row.rank, "total": row.total, "item": code, "item_zh": item.title.zh if item else code, "item_en": item.title.en if item else code,
                    "points": one.points, "most": one.most, "arithmetic": str(one.basis.get("sum", "")), "sample": round_.scheme.sample,
                })  # fmt: skip
    return found


def _names(city: City) -> Callable[[str], Text]:
    """What units are called, each asked for once."""
    return cache(lambda code: unit(city, code).title)


def _write(city: City, name: str, rows: Sequence[dict[str, Any]]) -> int:
    """Let the dataset hold just these rows; gives how many."""
    lake = lake_of(city)
    lake.settle(name, table_from(lake.contract(name), rows), Commit(SYSTEM.label, f"{name}: {len(rows)}"))
    return len(rows)
