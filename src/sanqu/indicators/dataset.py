"""What came of the plan, as datasets: tasks with their lamps, and points of assessments, for scenes and screens that read through the door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sanqu.ground.city import City
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.units import unit
from sanqu.indicators.assessment.rounds import league, list_rounds
from sanqu.indicators.projects.keeping import standings
from sanqu.lake import Commit, lake_of, quote_ident
from sanqu.lake.tables import table_of

TASKS, POINTS = "plan-tasks", "assessment-points"


@job("indicators.plan-to-lake", every="12 * * * *")
def plan_to_lake(city: City) -> dict[str, int]:
    """Write how tasks and published rounds stand into the datasets of the city pack, where it has them; gives rows by dataset."""
    written = {}
    for name, rows in ((TASKS, _tasks), (POINTS, _points)):
        if lake_of(city).has(name):
            written[name] = _write(city, name, rows(city))
    return written


def _tasks(city: City) -> list[dict[str, Any]]:
    return [
        {
            "task": task.id, "project": stood.project.code, "project_zh": stood.project.title.zh, "project_en": stood.project.title.en,
            "parent": task.parent, "title_zh": task.title.zh, "title_en": task.title.en, "unit": task.unit, "unit_zh": _named(city, task.unit, "zh"),
            "unit_en": _named(city, task.unit, "en"), "due": task.due, "percent": task.percent, "period": task.period, "lamp": task.lamp,
            "problem": task.problem, "weight": task.weight,
        }
        for stood in standings(city) for task in stood.tasks
    ]  # fmt: skip


def _points(city: City) -> list[dict[str, Any]]:
    found = []
    for round_ in list_rounds(city, SYSTEM):
        if round_.state == "draft":
            continue
        for row in league(city, round_):
            for code, one in row.points.items():
                item = round_.scheme.item(code)
                found.append({
                    "round": round_.id, "scheme": round_.scheme.code, "scheme_zh": round_.scheme.title.zh, "scheme_en": round_.scheme.title.en,
                    "period": round_.period, "state": round_.state, "unit": row.unit, "unit_zh": _named(city, row.unit, "zh"), "unit_en": _named(city, row.unit, "en"),
                    "rank": row.rank, "total": row.total, "item": code, "item_zh": item.title.zh if item else code, "item_en": item.title.en if item else code,
                    "points": one.points, "most": one.most, "arithmetic": str(one.basis.get("sum", "")), "sample": round_.scheme.sample,
                })  # fmt: skip
    return found


def _named(city: City, code: str, lang: str) -> str:
    title = unit(city, code).title
    return title.zh if lang == "zh" else title.in_("en")


def _write(city: City, name: str, rows: Sequence[dict[str, Any]]) -> int:
    """Write rows by the contract's key; rows that are no longer there go, and what is already so is not written again."""
    lake = lake_of(city)
    contract = lake.contract(name)
    names = [field.name for field in contract.fields]
    columns = ", ".join(f"CAST({quote_ident(one)} AS {contract.field(one).lake_type}) AS {quote_ident(one)}" for one in names)
    keys = ", ".join(quote_ident(one) for one in contract.primaryKey)
    given = pa.table({one: [row[one] for row in rows] for one in names}) if rows else pa.table({one: pa.array([], pa.string()) for one in names})
    commit = Commit(SYSTEM.label, f"{name}: {len(rows)}")
    with lake.engine() as duck:
        duck.register("_sanqu_plan", given)
        try:
            source = f"SELECT {columns} FROM _sanqu_plan"
            gone = f"SELECT {keys} FROM {table_of(name)} EXCEPT SELECT {keys} FROM ({source})"
            lake.upsert(name, source, commit, duck=duck)
            if duck.execute(f"SELECT 1 FROM ({gone}) LIMIT 1").fetchone() is not None:
                lake.delete(name, gone, commit, duck=duck)
        finally:
            duck.unregister("_sanqu_plan")
    return len(rows)
