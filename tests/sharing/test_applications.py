"""From a refused query to a grant: applied for, checked, decided within working days, narrowed, refused on a ground, passed up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sanqu.cases.deadlines import add_working_days, check_deadlines
from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.notices import count_waiting, notices_of
from sanqu.cases.records import Case
from sanqu.cases.work import complete_task, tasks_for, withdraw_case
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.sharing.applications import Application, apply_for, smallest_for
from sanqu.sharing.door import Question, ask, explain
from sanqu.sharing.grants import grant_by_id, list_grants

from .conftest import Granting
from .staff import Staff, do, settle, waiting

SQL = "SELECT name, town FROM residents WHERE age > 40 ORDER BY name"
SUM = "SELECT town, avg(income) AS mean FROM residents GROUP BY town"


@pytest.fixture
def staff(county: City) -> Staff:
    return settle(county)


def applied(city: City, asker: Asker, sql: str = SQL, **more: Any) -> Case:
    """An application for the smallest grant that a query needs."""
    wish = smallest_for(city, asker, "residents", Question(sql, "relief"))
    assert wish is not None
    said: dict[str, Any] = {
        "dataset": "residents", "purpose": "relief", "why": "核对低保", "assignee": f"user:{asker.user_id}", "unit": wish.unit, "sql": sql,
        "items": [{"item": one.item, "uses": one.uses} for one in wish.items],
    } | more  # fmt: skip
    return apply_for(city, asker, Application.model_validate(said))


@pytest.mark.parametrize("sql", [SQL, SUM, "SELECT count(*) AS n FROM residents", "SELECT id, name, income FROM residents"])
def test_what_was_applied_for_from_a_refusal_is_enough_once_granted(county: City, staff: Staff, sql: str) -> None:
    assert not explain(county, staff.wang, Question(sql, "relief")).allowed
    case = applied(county, staff.wang, sql)
    do(county, staff.clerk, complete="yes")
    do(county, staff.li, decision="grant")
    assert find_case(county, staff.wang, case.number).outcome == "granted"
    assert explain(county, staff.wang, Question(sql, "relief")).allowed
    ask(county, staff.wang, Question(sql, "relief"))
    assert not explain(county, staff.town, Question(sql, "relief")).allowed


def test_the_smallest_grant_names_what_another_grant_gives_already(county: City, staff: Staff, grant: Granting) -> None:
    """A query stands on one ground: what it needs must be in one grant."""
    grant("residents", f"user:{staff.wang.user_id}", name="plain")
    decision = explain(county, staff.wang, Question("SELECT name, age FROM residents", "relief"))
    (wish,) = decision.wishes
    assert [one.item for one in wish.items] == ["name", "age"]


def test_applications_are_due_in_two_and_five_working_days(county: City, staff: Staff) -> None:
    case = applied(county, staff.wang)
    check = waiting(county, staff.clerk)
    assert check.due == add_working_days(case.created, 2).at
    # Whoever decides must be a steward; a clerk may check only.
    do(county, staff.clerk, complete="yes")
    decide = waiting(county, staff.li)
    assert decide.due == add_working_days(decide.made, 5).at
    assert tasks_for(county, staff.clerk) == ([], 0)
    with pytest.raises((Refused, NotFound)):
        complete_task(county, staff.clerk, decide.id, {"decision": "grant"})
    with pytest.raises((Refused, NotFound)):
        complete_task(county, staff.wang, decide.id, {"decision": "grant"})


def test_a_refusal_names_a_legal_ground_and_says_why(county: City, staff: Staff) -> None:
    case = applied(county, staff.wang)
    do(county, staff.clerk, complete="yes")
    for unfit in ({}, {"ground": "个人信息保护法 第六条"}, {"ground": "because", "note": "no"}, {"note": "no"}):
        with pytest.raises(BadInput):
            do(county, staff.li, decision="refuse", **unfit)
    ended = do(county, staff.li, decision="refuse", ground="个人信息保护法 第六条", note="只需年龄段")
    assert (ended.outcome, list_grants(county, dataset="residents")) == ("refused", [])
    (notice, *_), _ = notices_of(county, staff.wang)
    assert ("不予共享" in notice.text.zh, notice.link) == (True, f"/cases/{case.number}")


def test_the_steward_narrows_and_cannot_widen(county: City, staff: Staff) -> None:
    case = applied(county, staff.wang, "SELECT name, age, income FROM residents", until="2099-12-31")
    do(county, staff.clerk, complete="yes")
    wide: list[dict[str, Any]] = [
        {"items": [{"item": "id", "uses": ["join"]}]}, {"until": "2100-01-01"}, {"unit": "330803"}, {"items": []}, {"items": "all"},
        {"reads": 0}, {"else": 1},
    ]  # fmt: skip
    for terms in wide:
        with pytest.raises(BadInput):
            do(county, staff.li, decision="grant", terms=terms)
    masks = [{"kind": "keep", "first": 1, "last": 0}]
    terms = {"items": [{"item": "name", "masks": masks}, {"item": "income", "uses": ["aggregate"]}], "until": "2099-06-30", "reads": 3}
    do(county, staff.li, decision="grant", terms=terms)
    (granted,) = list_grants(county, dataset="residents")
    assert [(one.item, one.uses) for one in granted.grant.items] == [("name", ("plain",)), ("income", ("aggregate",))]
    assert granted.grant.until == datetime(2099, 6, 30, 16, 0, tzinfo=UTC)
    assert (granted.grant.quota.reads, granted.grant.ground, granted.actor) == (3, f"case {case.number}", staff.li.label)
    names = ask(county, staff.wang, Question("SELECT DISTINCT name FROM residents", "relief")).table.column(0).to_pylist()
    assert all(name.startswith("p*") for name in names)
    assert not explain(county, staff.wang, Question("SELECT age FROM residents", "relief")).allowed


def test_an_application_goes_back_is_amended_and_can_be_withdrawn(county: City, staff: Staff) -> None:
    case = applied(county, staff.wang)
    with pytest.raises(BadInput):
        do(county, staff.clerk, complete="no")
    do(county, staff.clerk, complete="no", note="写明依据的文件")
    amend = waiting(county, staff.wang)
    assert (amend.name, amend.due) == ("amend", add_working_days(amend.made, 10).at)
    assert count_waiting(county, staff.wang) == 2
    do(county, staff.wang, purpose="relief", why="依据社会救助暂行办法", until="2099-01-01")
    do(county, staff.clerk, complete="yes")
    do(county, staff.li, decision="return", note="期限太长")
    do(county, staff.wang, purpose="relief", why="依据社会救助暂行办法", until="2098-01-01")
    assert waiting(county, staff.clerk).name == "check"
    assert withdraw_case(county, staff.wang, case.number).state == "withdrawn"
    assert tasks_for(county, staff.clerk) == ([], 0)


def test_the_steward_is_reminded_once_and_the_unit_above_takes_over(county: City, staff: Staff) -> None:
    case = applied(county, staff.wang)
    do(county, staff.clerk, complete="yes")
    task = waiting(county, staff.li)
    assert task.due is not None
    eve = task.due - timedelta(hours=12)
    assert check_deadlines(county, eve) == {"reminded": 1, "overdue": 0, "escalated": 0}
    assert check_deadlines(county, eve) == {"reminded": 0, "overdue": 0, "escalated": 0}
    (told, *_), _ = notices_of(county, staff.li)
    assert told.text.zh.startswith("快到期了（审核决定）")
    late = add_working_days(task.due, 2).at
    assert check_deadlines(county, late) == {"reminded": 0, "overdue": 1, "escalated": 1}
    (mine, *_), _ = notices_of(county, staff.wang)
    assert mine.text.en.startswith("Overdue and passed up")
    passed = waiting(county, staff.above)
    assert (passed.id, passed.escalated_to) == (task.id, "3308")
    assert do(county, staff.above, decision="grant").outcome == "granted"
    assert [one.actor for one in list_grants(county, dataset="residents")] == [staff.above.label]
    integrate(county)
    kinds = [entry.facts.get("what") for entry in read_entries(county, subject=f"case:{case.number}")]
    assert kinds.count("reminded") == kinds.count("overdue") == kinds.count("escalated") == 1


def test_one_applies_for_oneself_or_ones_own_unit_and_only_for_what_can_be_granted(county: City, staff: Staff) -> None:
    with pytest.raises(Refused):
        applied(county, staff.wang, assignee="unit:tax")
    with pytest.raises(Refused):
        applied(county, staff.wang, assignee=f"user:{staff.li.user_id}")
    with pytest.raises(BadInput):
        applied(county, staff.wang, until=date(2020, 1, 1))
    with pytest.raises(BadInput, match="L4"):
        applied(county, staff.wang, items=[{"item": "diagnosis", "uses": ["plain"]}])
    with pytest.raises(NotFound):
        applied(county, staff.chen, dataset="residents-2")
    assert applied(county, staff.wang, assignee="unit:330802").unit == "330802"


def test_a_decision_made_by_another_unit_than_the_datasets_grants_nothing(county: City, staff: Staff) -> None:
    case = applied(county, staff.wang)
    do(county, staff.clerk, complete="yes")
    with county.db.connection() as conn:
        conn.execute("UPDATE catalog_dataset SET unit = 'tax' WHERE name = 'residents'")
    with pytest.raises(Conflict, match="another unit"):
        do(county, staff.li, decision="grant")
    assert (find_case(county, staff.wang, case.number).state, list_grants(county, dataset="residents")) == ("open", [])


def test_who_decided_what_for_whom_is_in_the_ledger_and_names_nobody(county: City, staff: Staff) -> None:
    case = applied(county, staff.wang, why="张三家的低保")
    do(county, staff.clerk, complete="yes")
    do(county, staff.li, decision="grant")
    integrate(county)
    (entry,) = read_entries(county, kind="sharing.grant")
    assert (entry.actor, entry.facts["assignee"]) == (staff.li.label, f"user:{staff.wang.user_id}")
    assert grant_by_id(county, list_grants(county, dataset="residents")[0].id).grant.purposes == ("relief",)
    assert "张三" not in "".join(one.body for one in read_entries(county, limit=200))
    assert [task.done_by for task in case_tasks(county, SYSTEM, case.number)] == [staff.clerk.label, staff.li.label]
