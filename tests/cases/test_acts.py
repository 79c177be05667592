"""What people do with a task besides doing it: return, forward, pass up, ask, pause, supervise, stand in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sanqu.cases.asking import ask_units
from sanqu.cases.deadlines import check_deadlines
from sanqu.cases.delegating import delegate_to, delegations_of, end_delegation
from sanqu.cases.forwarding import escalate_task, forward_task
from sanqu.cases.history import case_history, case_tasks, find_case
from sanqu.cases.notices import notices_of
from sanqu.cases.pausing import end_pauses, pause_task, resume_task
from sanqu.cases.processes import declare_process
from sanqu.cases.records import Case, Task
from sanqu.cases.returning import return_task
from sanqu.cases.start import start_case
from sanqu.cases.supervising import answer_supervision, supervise_task, supervisions_of
from sanqu.cases.timers import fire_timers
from sanqu.cases.work import comments_in, complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.keys import make_key
from tests.cases.conftest import MONDAY, People
from tests.cases.drawing import element, flows, process, properties, table, timer, user

CHAIN = process(
    user("check", unit="case_unit", due="2wd"), element("scriptTask", "count", "<script>rounds = 1 + (rounds if rounds else 0)</script>"),
    element("exclusiveGateway", "g", default="g-handle"), user("handle", unit="'330802-water'", due="4wh", pause="5wd"),
    flows("s>check", "check>g", "g>handle", "g>count if rounds == 5", "count>handle", "handle>e"),
)  # fmt: skip


@pytest.fixture
def case(city: City, people: People) -> Case:
    declare_process(city, "chain", CHAIN, SYSTEM)
    return start_case(city, people.applicant, "chain", "积水", unit="330802", at=MONDAY)


def ready(city: City, case: Case, name: str) -> Task:
    """The open task of that name."""
    return next(one for one in case_tasks(city, SYSTEM, case.number) if (one.state, one.name) == ("ready", name))


def checked(city: City, people: People, case: Case) -> Task:
    """The task of the water department, once the officer has checked."""
    complete_task(city, people.officer, ready(city, case, "check").id, {}, at=MONDAY)
    return ready(city, case, "handle")


def whats(city: City, case: Case) -> list[str]:
    return [step.what for step in case_history(city, SYSTEM, case.number)]


def test_a_task_goes_back_to_the_step_before_with_a_reason_and_comes_again(city: City, people: People, case: Case) -> None:
    first = checked(city, people, case)
    with pytest.raises(BadInput):
        return_task(city, people.water, first.id, "  ")
    return_task(city, people.water, first.id, "没有照片", at=MONDAY)
    again = ready(city, case, "check")
    assert (again.unit, again.returned) == ("330802", MONDAY)
    assert [one.text for one in comments_in(city, case)] == ["没有照片"]
    assert notices_of(city, people.officer)[0][0].text.zh == "已退回（handle）：积水"
    with pytest.raises(Conflict):
        complete_task(city, people.water, first.id, {})
    with pytest.raises(Conflict, match="first step"):
        return_task(city, people.officer, again.id, "不该我办")
    second = checked(city, people, case)
    assert second.id != first.id
    assert complete_task(city, people.water, second.id, {}).state == "done"
    integrate(city)
    assert not [entry for entry in read_entries(city, limit=300) if "没有照片" in entry.body]


FORK = process(
    user("a"), element("parallelGateway", "fork"), user("b"), user("c"), element("parallelGateway", "join"), user("d"),
    flows("s>a", "a>fork", "fork>b", "fork>c", "b>join", "c>join", "join>d", "d>e"),
)  # fmt: skip


def test_a_fork_is_undone_while_nobody_has_done_anything_on_its_other_branches(city: City, people: People) -> None:
    declare_process(city, "split", FORK, SYSTEM)
    case, me = start_case(city, people.applicant, "split", "试"), people.applicant
    complete_task(city, me, ready(city, case, "a").id, {})
    return_task(city, me, ready(city, case, "b").id, "分早了")
    assert [one.name for one in case_tasks(city, SYSTEM, case.number) if one.state == "ready"] == ["a"]
    complete_task(city, me, ready(city, case, "a").id, {})
    complete_task(city, me, ready(city, case, "c").id, {})
    with pytest.raises(Conflict, match="c is in the way"):
        return_task(city, me, ready(city, case, "b").id, "晚了")
    complete_task(city, me, ready(city, case, "b").id, {})
    with pytest.raises(Conflict, match="join is in the way"):
        return_task(city, me, ready(city, case, "d").id, "退给谁")
    assert complete_task(city, me, ready(city, case, "d").id, {}).state == "done"


def test_what_scripts_and_tables_said_since_is_as_if_it_had_not_been(city: City, people: People) -> None:
    field = """[{"name": "depth", "type": "number", "title": {"zh": "水深"}}]"""
    calc = element("scriptTask", "count", "<script>rounds = 1 + (rounds if rounds else 0)</script>")
    rule = element("businessRuleTask", "decide", properties(decision="how"))
    xml = process(user("a", unit="applicant", form=field), calc, rule, user("b"), flows("s>a", "a>count", "count>decide", "decide>b", "b>e"))
    table_ = table("how", ["depth"], ["within"], [["< 20", '"5wd"'], [">= 20", '"4wh"']])
    declare_process(city, "reckoned", xml, SYSTEM, files={"how.dmn": table_})
    case, me = start_case(city, people.applicant, "reckoned", "试", data={"place": "桥下"}), people.applicant
    for depth, within in ((5, "5wd"), (30, "4wh")):
        complete_task(city, me, ready(city, case, "a").id, {"depth": str(depth)})
        assert find_case(city, SYSTEM, case.number).data == {"place": "桥下", "depth": depth, "rounds": 1, "within": within}
        return_task(city, me, ready(city, case, "b").id, "再量一次")
        # What was filled in is offered again, what followed from it is gone.
        assert find_case(city, SYSTEM, case.number).data == {"place": "桥下", "depth": depth}


def test_what_cannot_be_undone_is_named(city: City, people: People) -> None:
    told = element("intermediateThrowEvent", "x", '<signalEventDefinition signalRef="told"/>')
    xml = process(user("a"), told, user("b"), flows("s>a", "a>x", "x>b", "b>e"), before='<signal id="told" name="told"/>')
    declare_process(city, "told", xml, SYSTEM)
    case = start_case(city, people.applicant, "told", "试")
    complete_task(city, people.applicant, ready(city, case, "a").id, {})
    with pytest.raises(Conflict, match="x is in the way"):
        return_task(city, people.applicant, ready(city, case, "b").id, "不对")
    assert ready(city, case, "b").state == "ready"


def test_a_task_is_forwarded_and_passed_up(city: City, people: People, case: Case) -> None:
    task = ready(city, case, "check")
    with pytest.raises(NotFound):
        forward_task(city, people.officer, task.id, "nowhere", "不属本单位")
    with pytest.raises(Conflict):
        forward_task(city, people.officer, task.id, "330802", "不属本单位")
    with pytest.raises(Refused):
        forward_task(city, people.applicant, task.id, "330881", "快点")
    forwarded = forward_task(city, people.officer, task.id, "330881", "不属本单位")
    assert (forwarded.unit, forwarded.due) == ("330881", task.due)
    assert tasks_for(city, people.officer)[1] == 0
    with pytest.raises(NotFound):
        complete_task(city, people.water, task.id, {})
    up = escalate_task(city, people.stranger, task.id, "需要协调")
    assert up.escalated_to == "3308"
    with pytest.raises(Conflict, match="nobody above"):
        escalate_task(city, people.stranger, task.id, "再上报")
    assert [one.id for one in tasks_for(city, people.steward_above)[0]] == [task.id]
    assert whats(city, case)[-2:] == ["forwarded", "escalated"]
    complete_task(city, people.steward_above, task.id, {})


def test_units_are_asked_about_a_task_and_it_waits_for_their_answers(city: City, people: People, case: Case) -> None:
    task = ready(city, case, "check")
    for units in ([], ["330802"], ["330881", "330802"]):
        with pytest.raises(Conflict):
            ask_units(city, people.officer, task.id, units, "同意吗")
    (number,) = ask_units(city, people.officer, task.id, ["330802-water"], "同意吗")
    with pytest.raises(Conflict, match="330802-water"):
        complete_task(city, people.officer, task.id, {})
    with pytest.raises(Conflict):
        ask_units(city, people.officer, task.id, ["330802-water"], "同意吗")
    with pytest.raises(BadInput):
        complete_task(city, people.water, number, {"opinion": "perhaps"})
    complete_task(city, people.water, number, {"opinion": "agree", "opinion_note": "无异议"})
    with pytest.raises(Conflict):
        complete_task(city, people.water, number, {"opinion": "agree"})
    assert find_case(city, SYSTEM, case.number).data == {}
    # When the task itself goes, what was asked about it goes too.
    ask_units(city, people.officer, task.id, ["330881"], "你们呢")
    forward_task(city, people.stranger, next(t.id for t in tasks_for(city, people.stranger)[0]), "330802-water", "请代答")
    (asked,) = [one for one in tasks_for(city, people.water)[0] if one.asked_for]
    complete_task(city, people.water, asked.id, {"opinion": "disagree"})
    complete_task(city, people.officer, task.id, {})


@pytest.mark.parametrize(("span", "later"), [("4wh", timedelta(days=1)), ("PT2H", timedelta(days=1)), ("2026-03-09T14:00", timedelta())])
def test_a_timer_at_a_task_stops_while_it_is_paused(city: City, people: People, span: str, later: timedelta) -> None:
    xml = process(
        user("handle", unit="case_unit", due="2wd"), element("boundaryEvent", "late", timer(span), attachedToRef="handle"),
        flows("s>handle", "handle>e", "late>e"),
    )  # fmt: skip
    declare_process(city, "timed", xml, SYSTEM)
    case = start_case(city, people.applicant, "timed", "试", unit="330802", at=MONDAY)
    fires = {"4wh": MONDAY + timedelta(hours=5, minutes=30), "PT2H": MONDAY + timedelta(hours=2)}.get(span, MONDAY + timedelta(hours=4))
    task, begun = ready(city, case, "handle"), MONDAY + timedelta(hours=1)
    pause_task(city, people.officer, task.id, "等鉴定", at=begun)
    assert fire_timers(city, fires + timedelta(days=1)) == 0
    resume_task(city, people.officer, task.id, at=begun + timedelta(days=1))
    if later:
        assert fire_timers(city, fires + later - timedelta(minutes=1)) == 0
    # A timer that waits until a date does not wait longer for a pause.
    assert fire_timers(city, fires + later) == 1
    assert find_case(city, SYSTEM, case.number).state == "done"


def test_a_pause_stops_the_deadline_and_has_an_end(city: City, people: People, case: Case) -> None:
    task = checked(city, people, case)
    # Four working hours from ten: half past three.
    assert task.due == datetime(2026, 3, 9, 7, 30, tzinfo=UTC)
    at = MONDAY + timedelta(hours=1)
    assert pause_task(city, people.water, task.id, "等鉴定", at=at) == datetime(2026, 3, 16, 15, 59, 59, tzinfo=UTC)
    with pytest.raises(Conflict, match="5 working days"):
        pause_task(city, people.water, task.id, "再等", at=at)
    assert ready(city, case, "handle").lamp() == "none"
    assert check_deadlines(city, at + timedelta(days=3))["overdue"] == 0 or ready(city, case, "handle").overdue is None
    resume_task(city, people.water, task.id, at=at + timedelta(days=2))
    later = ready(city, case, "handle")
    # Two working days of seven and a half hours later, noon and night left out.
    assert later.due == datetime(2026, 3, 11, 7, 30, tzinfo=UTC)
    assert (later.paused, later.pause_used) == (None, 2)
    with pytest.raises(Conflict, match="not paused"):
        resume_task(city, people.water, task.id)
    until = pause_task(city, people.water, task.id, "还等", at=at + timedelta(days=2))
    assert until == datetime(2026, 3, 16, 15, 59, 59, tzinfo=UTC)
    assert end_pauses(city, until - timedelta(minutes=1)) == 0
    assert end_pauses(city, until) == 1
    with pytest.raises(Conflict, match="5 are used"):
        pause_task(city, people.water, task.id, "没完", at=until)
    assert whats(city, case).count("resumed") == 2


def test_a_superior_demands_and_is_answered(city: City, people: People, case: Case) -> None:
    task = checked(city, people, case)
    for other in (people.water, people.applicant, people.officer):
        with pytest.raises(Refused):
            supervise_task(city, other, task.id, "快办")
    for days in (0, 61):
        with pytest.raises(BadInput):
            supervise_task(city, people.steward_above, task.id, "快办", days=days)
    made = supervise_task(city, people.steward_above, task.id, "三日内办结", days=3, at=MONDAY)
    assert made.due == datetime(2026, 3, 12, 15, 59, 59, tzinfo=UTC)
    assert ready(city, case, "handle").supervised == MONDAY
    with pytest.raises(Refused):
        answer_supervision(city, people.officer, made.id, "知道了")
    answer_supervision(city, people.water, made.id, "已到现场")
    with pytest.raises(Conflict):
        answer_supervision(city, people.water, made.id, "再答")
    with pytest.raises(NotFound):
        answer_supervision(city, people.water, made.id + 99, "答")
    (found,) = supervisions_of(city, case)
    assert (found.answer, found.answered_by) == ("已到现场", people.water.label)
    complete_task(city, people.water, task.id, {})
    with pytest.raises(Conflict):
        supervise_task(city, people.steward_above, task.id, "晚了")


def test_somebody_stands_in_while_one_is_away_and_the_history_says_for_whom(city: City, people: People, case: Case) -> None:
    task = checked(city, people, case)
    today = now().astimezone(CITY_ZONE).date()
    with pytest.raises(NotFound):
        delegate_to(city, people.water, "nobody", today, today)
    with pytest.raises(NotFound):
        delegate_to(city, people.water, "water", today, today)
    with pytest.raises(Refused):
        delegate_to(city, people.applicant, "officer", today, today)
    for ends in (today - timedelta(days=2), today + timedelta(days=400)):
        with pytest.raises(BadInput):
            delegate_to(city, people.water, "stranger", today, ends)
    assert tasks_for(city, people.stranger)[1] == 0
    later = delegate_to(city, people.water, "stranger", today + timedelta(days=5), today + timedelta(days=6))
    assert tasks_for(city, people.stranger)[1] == 0
    number = delegate_to(city, people.water, "stranger", today - timedelta(days=1), today + timedelta(days=1))
    assert [one.id for one in tasks_for(city, people.stranger)[0]] == [task.id]
    assert {one.id for one in delegations_of(city, people.stranger)} == {number, later}
    end_delegation(city, people.water, number)
    with pytest.raises(NotFound):
        end_delegation(city, people.stranger, later)
    assert tasks_for(city, people.stranger)[1] == 0
    delegate_to(city, people.water, "stranger", today - timedelta(days=1), today + timedelta(days=1))
    complete_task(city, people.stranger, task.id, {})
    done = next(step for step in reversed(case_history(city, SYSTEM, case.number)) if step.what == "done")
    assert (done.actor, done.facts["for"]) == (people.stranger.label, people.water.label)


def test_the_same_by_programs_and_on_pages(city: City, people: People, case: Case, serve: Callable[[City], str]) -> None:
    case = start_case(city, people.applicant, "chain", "积水二", unit="330802")
    task = ready(city, case, "check")

    def key(who: Asker) -> dict[str, str]:
        with city.db.connection() as conn:
            return {"Authorization": make_key(conn, SYSTEM, who.user_id or 0, "k")}

    officer, above, water = key(people.officer), key(people.steward_above), key(people.water)
    with httpx.Client(base_url=serve(city), timeout=30) as site:

        def post(path: str, who: dict[str, str], said: dict[str, Any], status: int) -> Any:
            answer = site.post(f"/api/tasks/{task.id}/{path}", json=said, headers=who)
            assert answer.status_code == status, answer.text
            return answer.json()

        made = post("supervise", above, {"text": "快办"}, 200)
        page = site.get(f"/cases/{case.number}", headers=officer).text
        assert "快办" in page
        assert 'value="330802-water"' in page
        assert site.post(f"/api/supervisions/{made['id']}/answer", json={"text": "在办"}, headers=officer).status_code == 204
        post("pause", officer, {"text": "等"}, 200)
        assert "已暂停" in site.get(f"/cases/{case.number}", headers=officer).text
        assert site.delete(f"/api/tasks/{task.id}/pause", headers=officer).status_code == 204
        post("ask", officer, {"units": ["330802-water"], "text": "?"}, 200)
        post("escalate", officer, {"text": "难"}, 200)
        post("return", officer, {"text": "退"}, 409)
        post("forward", officer, {"unit": "330802-water", "text": "转"}, 200)
        post("forward", officer, {"unit": "330802-water", "text": "转"}, 403)
        assert site.get("/cases/leave", headers=water).status_code == 200
        assert site.post("/api/delegations", json={"login": "officer", "begins": "2030-01-01", "ends": "2030-01-02"}, headers=water).status_code == 403
        assert site.get("/api/delegations", headers=water).json() == {"delegations": []}
        moved = site.post(f"/cases/tasks/{task.id}/escalate", data={"reason": "上报"}, headers=water)
        assert moved.status_code in (303, 403), moved.text
