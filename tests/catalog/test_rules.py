"""Quality rules beyond the contract: what each finds, and the one task there is while a rule is broken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.work import complete_task, tasks_for
from sanqu.catalog.keeping import register_contract
from sanqu.catalog.rules.keeping import delete_rule, history_of, rules_of, save_rule
from sanqu.catalog.rules.records import KINDS, Rule, Verdict, read_rule, rules_in
from sanqu.catalog.rules.verdicts import deviations, stability_index
from sanqu.catalog.rules.watch import close_case, declare_rule_process, evaluate, evaluate_due
from sanqu.cli.worker import register_jobs
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, NotFound, Refused
from sanqu.ground.jobs import work
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import asker_of_key, make_key
from sanqu.ground.people.persons import add_person
from sanqu.lake import Commit, Contract, lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.records import Line
from sanqu.lines.run import run_line

from .conftest import PEOPLE

AT = datetime(2026, 11, 26, 3, 20, tzinfo=UTC)
FIELDS = [
    {"name": "id", "type": "integer"}, {"name": "number", "type": "string"}, {"name": "unit", "type": "string"},
    {"name": "value", "type": "number"}, {"name": "kind", "type": "string"}, {"name": "at", "type": "datetime"},
]  # fmt: skip


def declare(town: City, name: str, fields: list[dict[str, Any]], key: list[str], steward: str = "3308-agri") -> None:
    told = {"name": name, "title": {"zh": name}, "steward": steward, "primaryKey": key, "fields": fields}
    register_contract(town, Contract.from_descriptor(told), "test")


def write(town: City, name: str, sql: str) -> None:
    with lake_of(town).engine() as duck:
        lake_of(town).append(name, sql, Commit("test"), duck=duck)


@pytest.fixture
def fields(town: City) -> City:
    declare_rule_process(town)
    declare(town, "readings", FIELDS, [])
    declare(town, "stations", [{"name": "code", "type": "string"}, {"name": "total", "type": "number"}], ["code"])
    write(town, "stations", "SELECT * FROM (VALUES ('u0', 10.0), ('u1', 20.0)) t(code, total)")
    return town


def rule(kind: str, **said: Any) -> Rule:
    return read_rule({"kind": kind, "name": "r", "dataset": "readings", "title": {"zh": "规则", "en": "Rule"}, **said})


def ask(town: City, kind: str, at: datetime = AT, **said: Any) -> Verdict:
    return evaluate(town, save_rule(town, rule(kind, **said), PEOPLE.steward), at)


def rows(count: int, start: int = 0, number: str = "'n' || n", unit: str = "'u' || n % 2", value: str = "n", kind: str = "'a'", at: str = "NULL") -> str:
    return f"SELECT n AS id, {number} AS number, {unit} AS unit, {value} AS value, {kind} AS kind, CAST({at} AS TIMESTAMP) AS at FROM range({start}, {start + count}) t(n)"


def test_doubles_are_counted_and_so_many_as_allowed_are_let_pass(fields: City) -> None:
    write(fields, "readings", rows(10))
    assert ask(fields, "unique", items=["number"]).holds
    write(fields, "readings", rows(2, number="'n0'", unit="'u0'", start=100))
    found = ask(fields, "unique", items=["number"])
    assert (found.holds, found.checked, found.bad) == (False, 12, 3)
    assert ask(fields, "unique", items=["number"], most=0.3).holds
    assert ask(fields, "unique", items=["number", "id"]).holds


def test_values_that_another_dataset_does_not_know_are_counted(fields: City) -> None:
    write(fields, "readings", rows(10) + " UNION ALL " + rows(2, unit="NULL"))
    assert ask(fields, "reference", items=["unit"], other="stations").holds
    write(fields, "readings", rows(1, unit="'nowhere'"))
    found = ask(fields, "reference", items=["unit"], other="stations", other_items=["code"])
    assert (found.holds, found.checked, found.bad) == (False, 11, 1)


def past(days: str) -> str:
    return f"TIMESTAMP '2026-11-26 10:00:00' - to_hours(CAST({days} * 24 AS INTEGER))"


@pytest.mark.parametrize("item", ["value", "kind"])
def test_a_spread_that_moved_is_seen_and_one_that_did_not_is_not(fields: City, item: str) -> None:
    kind = "CASE WHEN n % 4 = 0 THEN 'a' ELSE 'b' END"
    write(fields, "readings", rows(2800, value="n % 100", kind=kind, at=past("(8 + n % 25)")) + " UNION ALL " + rows(700, value="n % 100", kind=kind, at=past("n % 7")))
    calm = ask(fields, "drift", item=item, time="at")
    assert calm.holds and calm.value is not None and calm.value < 0.1, calm
    write(fields, "readings", rows(3000, value="80 + n % 10", kind="'c'", at=past("n % 5")))
    moved = ask(fields, "drift", item=item, time="at")
    assert moved.holds is False and moved.value is not None and moved.value > 0.25
    # A clock that runs ahead does not make last week out of next year.
    write(fields, "readings", rows(1, at="'2099-01-01'"))
    assert ask(fields, "drift", item=item, time="at").checked == moved.checked


def test_a_drift_of_few_rows_is_not_judged(fields: City) -> None:
    write(fields, "readings", rows(10, at=past("n")))
    assert ask(fields, "drift", item="value", time="at").holds is None


def test_an_hour_is_held_against_that_hour_of_that_weekday(fields: City) -> None:
    # The last whole hour at 11:20 in Quzhou is 10 to 11; the weeks before it had 100 rows, other hours many more.
    usual = f"{past('7 * (1 + n // 100)')} + to_seconds(n % 100)"
    other = f"{past('7 * (1 + n // 900)')} + to_hours(CAST(2 + n % 9 AS INTEGER))"
    write(fields, "readings", rows(800, at=usual) + " UNION ALL " + rows(7200, at=other))
    write(fields, "readings", rows(95, at=f"{past('0')} + to_seconds(n)"))
    calm = ask(fields, "volume", time="at")
    assert calm.holds and calm.figures == {"rows": 95, "usual": 100.0, "times": 8}
    write(fields, "readings", rows(300, at=f"{past('0')} + to_seconds(n)"))
    assert ask(fields, "volume", time="at").holds is False
    # An hour later nothing came at all, where nothing came before either.
    assert ask(fields, "volume", time="at", at=AT + timedelta(hours=1)).holds


def test_without_a_history_a_volume_is_not_judged(fields: City) -> None:
    write(fields, "readings", rows(10, at=past("0")))
    assert ask(fields, "volume", time="at").holds is None
    assert ask(fields, "volume").holds is None


def test_runs_are_held_against_the_runs_before(fields: City) -> None:
    with fields.db.connection() as conn:
        for read in (100, 104, 98, 101, 99, 100):
            conn.execute("INSERT INTO lines_run (line, dataset, actor, state, read, base) VALUES ('l', 'readings', 'x', 'done', %s, 0)", (read,))
    assert ask(fields, "volume").holds
    with fields.db.connection() as conn:
        conn.execute("INSERT INTO lines_run (line, dataset, actor, state, read, base) VALUES ('l', 'readings', 'x', 'done', 3, 0)")
    assert ask(fields, "volume").holds is False


def test_two_datasets_agree_within_the_tolerance(fields: City) -> None:
    write(fields, "readings", rows(2, value="CASE n WHEN 0 THEN 10.05 ELSE 20 END"))
    said = {"other": "stations", "keys": ["unit"], "other_keys": ["code"], "item": "value", "other_item": "total"}
    assert ask(fields, "agreement", **said, tolerance=0.01).holds
    tight = ask(fields, "agreement", **said, tolerance=0.001)
    assert (tight.holds, tight.checked, tight.bad, tight.figures["there"]) == (False, 2, 1, 30.0)
    assert ask(fields, "agreement", other="stations").holds
    write(fields, "readings", rows(1, unit="'only here'"))
    assert ask(fields, "agreement", **said, tolerance=0.01).bad == 1
    assert ask(fields, "agreement", other="stations").holds is False


def test_a_broken_rule_is_one_task_and_ends_when_it_holds_again(fields: City) -> None:
    write(fields, "readings", rows(3, number="'same'"))
    assert ask(fields, "unique", items=["number"]).holds is False
    evaluate(fields, rule("unique", items=["number"]))
    (told,) = rules_of(fields, "readings")
    tasks, count = tasks_for(fields, SYSTEM, below=True)
    assert count == 1 and told.case == tasks[0].case and tasks[0].unit == "3308-agri" and tasks[0].due is not None
    assert find_case(fields, SYSTEM, told.case).subject == "dataset:readings"
    with lake_of(fields).engine() as duck:
        lake_of(fields).replace("readings", rows(3), Commit("test"), duck=duck)
    evaluate_due(fields)
    assert rules_of(fields, "readings")[0].case is None
    assert find_case(fields, SYSTEM, told.case).state != "open" and tasks_for(fields, SYSTEM, below=True)[1] == 0
    assert [one.holds for _, _, one in history_of(fields, "readings", "r")] == [True, False, False]


def test_a_steward_may_rest_a_rule_and_a_task_done_too_early_comes_again(fields: City) -> None:
    write(fields, "readings", rows(3, number="'same'"))
    ask(fields, "unique", items=["number"])

    def answer(decision: str) -> None:
        (task,) = [one for one in case_tasks(fields, SYSTEM, str(rules_of(fields, "readings")[0].case)) if one.state == "ready"]
        complete_task(fields, SYSTEM, task.id, {"decision": decision, "note": "looked"})

    answer("mended")
    assert rules_of(fields, "readings")[0].case is None
    evaluate(fields, rule("unique", items=["number"]))
    answer("pause")
    (told,) = rules_of(fields, "readings")
    assert told.case is None and not told.rule.enabled
    evaluate_due(fields, "readings")
    assert rules_of(fields, "readings")[0].case is None


def test_a_rule_that_is_taken_away_leaves_no_task(fields: City) -> None:
    write(fields, "readings", rows(3, number="'same'"))
    ask(fields, "unique", items=["number"])
    case = delete_rule(fields, "readings", "r", PEOPLE.steward)
    assert case is not None
    close_case(fields, case)
    assert tasks_for(fields, SYSTEM, below=True)[1] == 0
    with pytest.raises(NotFound):
        delete_rule(fields, "readings", "r", PEOPLE.steward)


def test_after_a_run_its_rules_are_asked_and_the_steward_finds_the_task_over_http(
    fields: City, serve: Callable[[City], str], tmp_path: Path
) -> None:
    register_jobs()
    with fields.db.connection() as conn:
        person = add_person(conn, SYSTEM, "wang", "王", [("steward", "3308-agri")])
        key = make_key(conn, SYSTEM, person, "test")
    with httpx.Client(base_url=serve(fields), headers={"Authorization": key}, timeout=20) as client:
        said = {"kind": "unique", "title": {"zh": "编号不重", "en": "No doubles"}, "items": ["number"]}
        made = client.put("/api/catalog/datasets/readings/rules/no-doubles", json=said)
        assert made.status_code == 200 and made.json()["verdict"]["holds"] is True
        wrong = client.put("/api/catalog/datasets/readings/rules/moved", json={"kind": "drift", "title": "t", "item": "value", "time": "value"})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "catalog.rule-time")
        (tmp_path / "rows.csv").write_text("id,number\n1,a\n2,a\n3,b\n")
        line = {"name": "by-file", "dataset": "readings", "mode": "append", "source": {"kind": "file", "path": str(tmp_path / "rows.csv")}}
        save_line(fields, Line.from_descriptor(line), SYSTEM)
        assert run_line(fields, "by-file").inserted == 3
        work(fields, until_idle=True)
        (told,) = client.get("/api/catalog/datasets/readings/rules").json()
        assert told["verdict"]["holds"] is False and told["verdict"]["bad"] == 2 and "GROUP BY" in told["verdict"]["query"]
        found = client.get("/api/catalog/datasets/readings/rules/no-doubles/verdicts").json()
        assert [one["holds"] for one in found] == [False, True]
        # The steward's own in-tray has the task, and the page of the case leads to the figures.
        steward = asker_of_key(fields, key)
        assert steward is not None
        (task,) = tasks_for(fields, steward)[0]
        assert task.case == told["case"]
        page = client.get(f"/cases/{told['case']}?lang=en").text
        assert "66.67% / 0%" in page and "/datasets/readings?tab=quality" in page
        assert client.delete("/api/catalog/datasets/readings/rules/no-doubles").status_code == 204
        assert tasks_for(fields, steward)[1] == 0


def test_due_are_rules_whose_rows_changed(fields: City) -> None:
    write(fields, "readings", rows(3))
    ask(fields, "reference", items=["unit"], other="stations")
    for _ in range(2):
        evaluate_due(fields)
    assert len(history_of(fields, "readings", "r")) == 1
    write(fields, "stations", "SELECT 'u9' AS code, 1.0 AS total")
    evaluate_due(fields)
    assert len(history_of(fields, "readings", "r")) == 2


def test_only_who_answers_for_the_data_makes_rules_over_them(fields: City) -> None:
    with pytest.raises(Refused):
        save_rule(fields, rule("unique", items=["number"]), PEOPLE.traffic_steward)
    declare(fields, "secrets", [{"name": "code", "type": "string", "grade": "L3"}], ["code"], "3308-traffic")
    with pytest.raises(Refused):
        save_rule(fields, rule("reference", items=["unit"], other="secrets"), PEOPLE.steward)


def test_what_a_rule_gets_wrong_is_named(fields: City) -> None:
    with pytest.raises(BadInput, match="Bad Name"):
        read_rule({"kind": "unique", "name": "Bad Name", "dataset": "d", "title": "t", "items": ["a"]})
    found = ask(fields, "unique", items=["nowhere"])
    assert found.holds is None and found.fault is not None and "nowhere" in found.fault["what"]["en"]
    assert [one.kind for text in KINDS.values() for one in rules_in(text, "readings")] == list(KINDS)
    with pytest.raises(BadInput):
        rules_in("kind = ", "readings")


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8).flatmap(lambda a: st.tuples(st.just(a), st.lists(st.integers(0, 1000), min_size=len(a), max_size=len(a)))))
def test_an_index_is_never_below_zero_and_zero_for_the_same_spread(counts: tuple[list[int], list[int]]) -> None:
    before, now = counts
    assert stability_index(before, now) >= 0
    assert stability_index(before, [3 * one for one in before]) == pytest.approx(0, abs=1e-9)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_the_usual_is_not_off(usual: list[int]) -> None:
    assert abs(deviations(usual, sorted(usual)[(len(usual) - 1) // 2])) <= max(usual)
    assert deviations([100] * 8, 100) == 0 and deviations([100] * 8, 0) == -10
