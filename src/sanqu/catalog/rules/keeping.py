"""Quality rules, kept with what they found; whoever answers for a dataset makes its rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.catalog.rules.records import Agreement, Drift, Reference, Rule, Told, Verdict, Volume, read_rule
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.lines.keeping import refuse_stranger

SAVE = """
INSERT INTO catalog_rule (dataset, name, body, enabled, actor) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (dataset, name) DO UPDATE SET body = excluded.body, enabled = excluded.enabled, actor = excluded.actor, changed = now()
"""
DELETE = "DELETE FROM catalog_rule WHERE dataset = %s AND name = %s RETURNING case_number"
LIST = """
SELECT r.body, r.case_number, v.verdict, v.at FROM catalog_rule r LEFT JOIN LATERAL (
    SELECT verdict, at FROM catalog_rule_verdict v WHERE v.dataset = r.dataset AND v.name = r.name ORDER BY id DESC LIMIT 1) v ON true
WHERE r.dataset = %s ORDER BY r.name
"""
ONE = "SELECT body FROM catalog_rule WHERE dataset = %s AND name = %s"
HISTORY = "SELECT at, snapshot, verdict FROM catalog_rule_verdict WHERE dataset = %s AND name = %s ORDER BY id DESC LIMIT %s"
RULE_KIND = Text(zh="质量规则", en="quality rule")


def save_rule(city: City, rule: Rule, asker: Asker) -> Rule:
    """Make or change a rule; raises `NotFound` (dataset), `Refused` for one who does not answer for the datasets it asks,
    `BadInput` where its `time` is no moment."""
    contract = lake_of(city).contract(rule.dataset)
    if isinstance(rule, Drift | Volume) and rule.time in contract.names and contract.field(rule.time).type not in ("date", "datetime"):
        raise BadInput(
            "catalog.rule-time",
            Text(zh=f"{rule.time} 不是日期或时间", en=f"{rule.time} is no date or time"),
            Text(zh="在 time 里写类型为 date 或 datetime 的数据项", en="Give in time an item of type date or datetime"),
            rule.dataset,
        )
    refuse_stranger(city, rule.dataset, asker)
    if isinstance(rule, Reference | Agreement) and rule.other != rule.dataset:
        _refuse_closed(city, rule.other, asker)
    with city.db.connection() as conn:
        conn.execute(SAVE, (rule.dataset, rule.name, Jsonb(rule.model_dump(mode="json")), rule.enabled, asker.label))
        append(conn, kind="catalog.rule", actor=asker.label, subject=f"dataset:{rule.dataset}", facts={"rule": rule.name, "kind": rule.kind})
    return rule


def _refuse_closed(city: City, name: str, asker: Asker) -> None:
    """What a rule counts in another dataset is told to all who see it: that one is open, or the asker answers for it too."""
    contract = lake_of(city).contract(name)
    if contract.opening != "unconditional" or {item.grade or contract.grade for item in contract.fields} - {"L1", "L2"}:
        refuse_stranger(city, name, asker)


def delete_rule(city: City, dataset: str, name: str, asker: Asker) -> str | None:
    """Take a rule away with what it found; gives the number of the case that was open. Raises `NotFound`, `Refused`."""
    refuse_stranger(city, dataset, asker)
    with city.db.connection() as conn:
        row = conn.execute(DELETE, (dataset, name)).fetchone()
        if row is None:
            raise not_found(RULE_KIND, f"{dataset} {name}")
        append(conn, kind="catalog.rule-gone", actor=asker.label, subject=f"dataset:{dataset}", facts={"rule": name})
    return row["case_number"]  # type: ignore[no-any-return]


def rule_of(city: City, dataset: str, name: str) -> Rule:
    """One rule; raises `NotFound`."""
    row = city.db.one(ONE, (dataset, name))
    if row is None:
        raise not_found(RULE_KIND, f"{dataset} {name}")
    return read_rule(row["body"])


def rules_of(city: City, dataset: str) -> list[Told]:
    """The rules of a dataset, each with its last verdict."""
    return [
        Told(rule=read_rule(row["body"]), verdict=row["verdict"], at=row["at"], case=row["case_number"])
        for row in city.db.all(LIST, (dataset,))
    ]


def history_of(city: City, dataset: str, name: str, limit: int = 50) -> list[tuple[datetime, int, Verdict]]:
    """What a rule found, the newest first: when, at which snapshot, the verdict."""
    rows: list[dict[str, Any]] = city.db.all(HISTORY, (dataset, name, limit))
    return [(row["at"], int(row["snapshot"]), Verdict.model_validate(row["verdict"])) for row in rows]
