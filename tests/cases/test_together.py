"""Colleagues and applicants around one case: who takes a task on, what is said, what each is told, what programs are given."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from sanqu.cases.forms import Field, check_result, form_schema, with_options
from sanqu.cases.history import case_history, find_case
from sanqu.cases.notices import count_waiting, mark_read, notices_of
from sanqu.cases.processes import declare_process
from sanqu.cases.records import Case
from sanqu.cases.start import start_case
from sanqu.cases.work import claim_task, comment_on, comments_in, complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from tests.cases.conftest import People, drawn

DATA = {"steward": "330802", "amend_within": "10wd"}


@pytest.fixture
def case(city: City, people: People, processes: None) -> Case:
    return start_case(city, people.applicant, "application", "用于防汛", "dataset:wells", "330881", DATA)


def test_a_task_is_taken_on_by_one_and_may_be_given_back(city: City, people: People, case: Case) -> None:
    (task,), _ = tasks_for(city, people.officer)
    assert claim_task(city, people.officer, task.id).claimed_by == people.officer.label
    assert claim_task(city, people.officer, task.id).claimed_by == people.officer.label
    with pytest.raises(Conflict, match="colleague"):
        claim_task(city, people.colleague, task.id)
    with pytest.raises(Refused):
        claim_task(city, people.applicant, task.id)
    assert claim_task(city, people.officer, task.id, take=False).claimed_by is None
    claim_task(city, people.colleague, task.id)
    # A colleague on leave stops nobody.
    complete_task(city, people.officer, task.id, {"complete": "yes"})
    with pytest.raises(Conflict):
        claim_task(city, people.colleague, task.id)


def test_what_is_said_reaches_the_others_and_the_ledger_holds_none_of_it(city: City, people: People, case: Case) -> None:
    (task,), _ = tasks_for(city, people.officer)
    comment_on(city, people.officer, case.number, "请写明水位")
    assert [one.text.zh for one in notices_of(city, people.applicant)[0]] == ["新留言：用于防汛"]
    claim_task(city, people.officer, task.id)
    comment_on(city, people.applicant, case.number, "已写明")
    assert [one.text.zh for one in notices_of(city, people.officer)[0]] == ["新留言：用于防汛"]
    assert [one.text for one in comments_in(city, case)] == ["请写明水位", "已写明"]
    for text in ("", " ", "x" * 4001, "a\0b"):
        with pytest.raises(BadInput):
            comment_on(city, people.applicant, case.number, text)
    with pytest.raises(NotFound):
        comment_on(city, people.water, case.number, "hello")
    integrate(city)
    assert not [entry for entry in read_entries(city, limit=200) if "水位" in entry.body]
    assert [step.what for step in case_history(city, people.applicant, case.number)].count("commented") == 2


def test_the_number_in_the_menu_counts_tasks_and_what_was_not_read(city: City, people: People, case: Case) -> None:
    assert (count_waiting(city, people.officer), count_waiting(city, people.applicant)) == (1, 0)
    (task,), _ = tasks_for(city, people.officer)
    complete_task(city, people.officer, task.id, {"complete": "no"})
    assert (count_waiting(city, people.officer), count_waiting(city, people.applicant)) == (0, 2)
    mark_read(city, people.applicant)
    assert count_waiting(city, people.applicant) == 1


def test_what_only_stewards_do_is_seen_and_done_by_stewards(city: City, people: People) -> None:
    said = drawn("together").replace('name="water.office"', 'name="steward"')
    assert said != drawn("together")
    declare_process(city, "together-stewards", said, SYSTEM)
    case = start_case(city, people.applicant, "together-stewards", "积水", data={}, unit="330881")
    assert tasks_for(city, people.water) == ([], 0)
    with pytest.raises(NotFound):
        find_case(city, people.water, case.number)
    task = next(one for one in tasks_for(city, people.steward_above, below=True)[0] if one.role == "steward")
    complete_task(city, people.steward_above, task.id, {})


def test_the_answers_to_a_choice_may_stand_in_the_data() -> None:
    field = Field.model_validate({"name": "source", "type": "choice", "required": True, "options": "from:datasets"})
    chosen = with_options(field, {"datasets": ["firms", {"value": "shops", "title": {"zh": "商店", "en": "Shops"}}]})
    assert check_result([chosen], {"source": "shops"}, {}, "t") == {"source": "shops"}
    assert form_schema([chosen])["properties"]["source"]["enum"] == ["firms", "shops"]
    for unfit in ("roads", "from:datasets"):
        with pytest.raises(BadInput):
            check_result([chosen], {"source": unfit}, {}, "t")
    with pytest.raises(BadInput):
        check_result([with_options(field, {})], {"source": "firms"}, {}, "t")


def test_an_object_is_one_of_a_bounded_size() -> None:
    field = Field.model_validate({"name": "terms", "type": "object", "most": 40})
    assert check_result([field], {"terms": '{"a": [1]}'}, {}, "t") == {"terms": {"a": [1]}}
    for unfit in ("[1]", "{", 5, {"a": "x" * 50}, "[" * 5000):
        with pytest.raises(BadInput):
            check_result([field], {"terms": unfit}, {}, "t")


def test_a_program_sees_does_and_follows_a_case(city: City, people: People, case: Case, serve: Callable[[City], str]) -> None:
    with city.db.connection() as conn:
        officer, mine, other = (
            {"Authorization": make_key(conn, SYSTEM, who.user_id or 0, "k")}
            for who in (people.officer, people.applicant, people.water)
        )
    with httpx.Client(base_url=serve(city), timeout=30) as site:
        (task,) = site.get("/api/tasks", headers=officer).json()["tasks"]
        assert (task["form"]["required"], task["lamp"]) == (["complete"], "green")
        assert site.get("/api/tasks").status_code == 401
        assert site.post(f"/api/tasks/{task['id']}", json={"result": {}}, headers=officer).status_code == 400
        assert site.post(f"/api/tasks/{task['id']}", json={"result": {"complete": "no"}}, headers=mine).status_code == 403
        assert site.post(f"/api/tasks/{task['id']}", json={"result": {"complete": "no"}}, headers=other).status_code == 404
        assert site.post(f"/api/tasks/{task['id']}/claim", headers=officer).json()["claimed_by"] == people.officer.label
        assert site.post(f"/api/tasks/{task['id']}", json={"result": {"complete": "no"}}, headers=officer).status_code == 200
        assert site.post(f"/api/tasks/{task['id']}", json={"result": {"complete": "no"}}, headers=officer).status_code == 409
        told = site.get("/api/notices", headers=mine).json()["notices"]
        assert told[0]["link"] == f"/cases/{case.number}"
        whole = site.get(f"/api/cases/{case.number}", headers=mine).json()
        assert [one["name"] for one in whole["tasks"]] == ["check", "amend"]
        assert site.get(f"/api/cases/{case.number}", headers=other).status_code == 404
        assert (
            site.post(f"/api/cases/{case.number}/withdraw", json={"text": "不需要了"}, headers=mine).json()["state"]
            == "withdrawn"
        )
        for page in (
            "/cases",
            "/cases?tray=below",
            "/cases?tray=mine",
            "/cases?tray=all",
            "/cases/notices",
            f"/cases/{case.number}",
        ):
            assert site.get(page, headers=officer).status_code == 200, page
