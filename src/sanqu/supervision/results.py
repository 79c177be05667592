"""Results (抽查结果) as an open dataset: written when a result is published, read through the door, for the public and for credit."""

from __future__ import annotations

from datetime import date
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.errors import NotFound, Refused
from sanqu.ground.facts import fact
from sanqu.ground.i18n import say
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.lake import Commit, Contract, lake_of, quote_ident
from sanqu.sharing.door import Question, ask
from sanqu.supervision.records import Inspection, Plan, Publishing

ITEMS: tuple[tuple[str, str, str, str], ...] = (
    ("inspection", "string", "检查编号", "inspection"), ("plan", "string", "抽查计划编号", "plan"), ("plan_title", "string", "抽查计划", "title of the plan"),
    ("target", "string", "企业编号", "enterprise"), ("name", "string", "名称", "name"), ("county", "string", "县（市、区）", "county"),
    ("items", "string", "抽查事项", "items"), ("units", "string", "检查单位", "units"), ("result", "string", "结果代码", "code of the result"),
    ("result_text", "string", "结果", "result"), ("visited", "date", "检查日期", "visited"), ("corrected", "date", "改正日期", "corrected"),
)  # fmt: skip
COLUMNS = tuple(name for name, *_ in ITEMS)


def results_contract(where: Publishing) -> Contract:
    """The contract of the dataset of results: open to everybody, as its ground 双随机、一公开 asks."""
    return Contract.from_descriptor({
        "name": where.dataset, "title": {"zh": "双随机抽查结果", "en": "Results of double-random inspection"}, "steward": where.steward,
        "description": {
            "zh": "双随机、一公开抽查的结果公示：检查对象、事项、单位、结果与改正日期；审核后写入，信用评价可以使用",
            "en": "Published results of double-random inspections: the firm, items, units, result and day of correction; credit ratings may use them",
        },
        **({"subject": where.subject} if where.subject else {}), "grade": "L1", "sharing": "unconditional", "opening": "unconditional",
        "tags": ["双随机", "监管", "企业"], "source": "sanqu.supervision", "primaryKey": ["inspection"],
        "fields": [{"name": name, "type": kind, "title": {"zh": zh, "en": en}} for name, kind, zh, en in ITEMS],
    })  # fmt: skip


def results_dataset(city: City) -> str | None:
    """The dataset that the city pack names for results, where the city has it."""
    name = str(fact(city, "supervision", {}).get("results") or "")
    return name if name and lake_of(city).has(name) else None


def publish_result(city: City, one: Inspection, plan: Plan) -> None:
    """Write one result into the dataset of results; doing it again changes nothing. Nothing where the city keeps no such dataset."""
    name = results_dataset(city)
    if name is None:
        return
    row = (
        one.number, one.plan, plan.title, one.target, one.name, one.county, " ".join(plan.rules.items),
        " ".join([plan.rules.lead, *plan.rules.partners]), one.result, say(f"supervision.result_{one.result}", "zh"), one.visited, one.corrected,
    )  # fmt: skip
    contract = lake_of(city).contract(name)
    columns = ", ".join(f"CAST(? AS {contract.field(item).lake_type}) AS {quote_ident(item)}" for item in COLUMNS)
    with lake_of(city).engine() as duck:
        duck.execute(f"CREATE OR REPLACE TEMP TABLE _sanqu_result AS SELECT {columns}", list(row))
        try:
            commit = Commit(SYSTEM.label, f"inspection {one.number}", {"inspection": one.number})
            lake_of(city).upsert(name, "SELECT * FROM temp.main._sanqu_result", commit, duck=duck, keys_are_unique=True)
        finally:
            duck.execute("DROP TABLE IF EXISTS temp.main._sanqu_result")


def public_results(
    city: City, asker: Asker, text: str = "", result: str = "", since: date | None = None, limit: int = 50, offset: int = 0
) -> tuple[list[dict[str, Any]], int]:
    """A page of published results as the door gives them to the asker, the newest first, and how many there are; none without a dataset."""
    name = results_dataset(city)
    if name is None:
        return [], 0
    params: dict[str, Any] = {"text": f"%{text.strip().lower()}%", "result": result, "since": since or date(1900, 1, 1)}
    where = "lower(name) LIKE $text AND ($result = '' OR result = $result) AND visited >= $since"
    try:
        counted = ask(city, asker, Question(f"SELECT count(*) AS n FROM {quote_ident(name)} WHERE {where}", params=params, via="supervision"))
        sql = f"SELECT {', '.join(COLUMNS)} FROM {quote_ident(name)} WHERE {where} ORDER BY visited DESC, inspection LIMIT {int(limit)} OFFSET {int(offset)}"
        answer = ask(city, asker, Question(sql, params=params, via="supervision"))
    except (Refused, NotFound):
        # Whoever keeps the dataset may close it; then there is nothing to show.
        return [], 0
    return answer.table.to_pylist(), int(counted.table.column(0)[0].as_py())
