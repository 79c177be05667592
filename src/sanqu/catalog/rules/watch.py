"""Evaluates quality rules, and keeps one task open for the steward as long as a rule is broken."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.hooks import Shown, on_end, on_service, on_show
from sanqu.cases.processes import declare_process
from sanqu.cases.records import Case
from sanqu.cases.start import start_case
from sanqu.cases.work import complete_task
from sanqu.catalog.rules.keeping import rule_of
from sanqu.catalog.rules.records import Rule, Verdict, read_rule
from sanqu.catalog.rules.verdicts import judge, unanswered
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import NotFound, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer, job
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.lake import lake_of
from sanqu.lines.records import Line
from sanqu.lines.run import after_run

log = logging.getLogger(__name__)

PROCESS = "quality-rule"
BPMN = Path(__file__).parent / "quality-rule.bpmn"
SNAPSHOT = "SELECT coalesce(max(snapshot), 0) AS snapshot FROM lake_dataset WHERE name = ANY(%s)"
KEEP = "INSERT INTO catalog_rule_verdict (dataset, name, at, snapshot, verdict) VALUES (%s, %s, %s, %s, %s)"
HOLD = "SELECT case_number, enabled FROM catalog_rule WHERE dataset = %s AND name = %s FOR UPDATE"
SET_CASE = "UPDATE catalog_rule SET case_number = %s WHERE dataset = %s AND name = %s"
FORGET_CASE = "UPDATE catalog_rule SET case_number = NULL WHERE case_number = %s"
PAUSE = "UPDATE catalog_rule SET enabled = false, body = jsonb_set(body, '{enabled}', 'false') WHERE dataset = %s AND name = %s"
# Asked again when rows came, and what looks at the clock once an hour whether they came or not.
DUE = """
SELECT r.body FROM catalog_rule r LEFT JOIN LATERAL (
    SELECT at, snapshot FROM catalog_rule_verdict v WHERE v.dataset = r.dataset AND v.name = r.name ORDER BY id DESC LIMIT 1) v ON true
WHERE r.enabled AND (%(dataset)s::text IS NULL OR r.dataset = %(dataset)s OR r.body ->> 'other' = %(dataset)s)
  AND (v.at IS NULL OR r.changed > v.at OR %(dataset)s::text IS NOT NULL
    OR v.snapshot < (SELECT max(snapshot) FROM lake_dataset d WHERE d.name IN (r.dataset, r.body ->> 'other'))
    OR (r.body ->> 'kind' = 'volume' AND v.at < date_trunc('hour', now())))
ORDER BY r.dataset, r.name
"""
FORGET = "DELETE FROM catalog_rule_verdict WHERE at < now() - interval '180 days'"


def declare_rule_process(city: City) -> None:
    """Keep the newest version of the process of a broken rule."""
    declare_process(city, PROCESS, BPMN.read_text("utf-8"), SYSTEM)


def evaluate(city: City, rule: Rule, at: datetime | None = None) -> Verdict:
    """Ask a rule now, keep what it found, and open or close the steward's task."""
    at = at or now()
    row = city.db.one(SNAPSHOT, ([rule.dataset, getattr(rule, "other", rule.dataset)],))
    try:
        verdict = judge(city, rule, at)
    except SanquError as fault:
        verdict = unanswered(fault)
    with city.db.connection() as conn:
        held = conn.execute(HOLD, (rule.dataset, rule.name)).fetchone()
        if held is None:
            return verdict
        conn.execute(KEEP, (rule.dataset, rule.name, now(), row["snapshot"] if row else 0, Jsonb(verdict.model_dump(mode="json"))))
        if verdict.holds is False and held["case_number"] is None:
            case = _open_case(city, conn, rule, verdict)
            conn.execute(SET_CASE, (case.number, rule.dataset, rule.name))
    if verdict.holds and held["case_number"] is not None:
        close_case(city, str(held["case_number"]))
    return verdict


def _open_case(city: City, conn: Connection, rule: Rule, verdict: Verdict) -> Case:
    contract = lake_of(city).contract(rule.dataset)
    data = {
        "steward": contract.steward, "dataset": rule.dataset, "rule": rule.name, "kind": rule.kind, "answer_within": f"{city.settings.apply_answer_days}wd",
        "value": verdict.value, "limit": verdict.limit, "checked": verdict.checked, "bad": verdict.bad,
    }  # fmt: skip
    title = f"{contract.title.zh or rule.dataset} · {rule.title.zh or rule.title.en or rule.name}"[:200]
    return start_case(city, SYSTEM, PROCESS, title, f"dataset:{rule.dataset}", None, data, conn=conn)


def close_case(city: City, number: str) -> None:
    """The rule holds again, or is gone: the steward need do nothing more."""
    with suppress(NotFound):
        for task in case_tasks(city, SYSTEM, number):
            if task.state == "ready":
                complete_task(city, SYSTEM, task.id, {"decision": "holds", "note": "holds again"})
        if find_case(city, SYSTEM, number).state != "open":
            return
    log.warning("quality: case %s could not be closed", number)


def _pause(_city: City, conn: Connection, case: Case) -> Mapping[str, Any] | None:
    conn.execute(PAUSE, (case.data["dataset"], case.data["rule"]))
    return None


def _forget(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(FORGET_CASE, (case.number,))


def _figure(kind: str, value: float | None) -> str:
    """A share in percent; what is no share as it is."""
    return f"{float(value or 0):.4g}" if kind in ("drift", "volume") else f"{float(value or 0) * 100:.4g}%"


def _show(city: City, _asker: Asker, case: Case) -> Shown:
    said = case.data
    facts: list[tuple[Text, Text | str]] = [
        (Text(zh="规则", en="Rule"), str(said["rule"])),
        (Text(zh="数值 / 上限", en="Figure / limit"), f"{_figure(said['kind'], said['value'])} / {_figure(said['kind'], said['limit'])}"),
        (Text(zh="检查 / 不符", en="Checked / fail"), f"{int(said['checked']):,} / {int(said['bad']):,}"),
    ]
    with suppress(NotFound):
        facts.insert(1, (Text(zh="名称", en="Title"), rule_of(city, str(said["dataset"]), str(said["rule"])).title))
    return Shown(tuple(facts), ((Text(zh="数据集的质量", en="Quality of the dataset"), f"/datasets/{said['dataset']}?tab=quality"),))


on_service(PROCESS, "pause", _pause)
on_end(PROCESS, _forget)
on_show(PROCESS, _show)


@job("catalog.rules", every="*/10 * * * *")
def evaluate_due(city: City, dataset: str | None = None) -> None:
    """Every ten minutes: rules whose rows have changed since they were asked, and those that watch the clock; after a run
    those of its `dataset`."""
    for row in city.db.all(DUE, {"dataset": dataset}):
        rule = read_rule(row["body"])
        verdict = evaluate(city, rule)
        log.info("quality: %s %s: %s", rule.dataset, rule.name, verdict.holds)
    if dataset is None:
        with city.db.connection() as conn:
            conn.execute(FORGET)


@after_run
def ask_after_run(conn: Connection, line: Line) -> None:
    """Rows came in: the rules of their dataset are asked in the background."""
    defer(conn, "catalog.rules", {"dataset": line.dataset}, once=f"catalog.rules:{line.dataset}")
