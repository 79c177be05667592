"""Dispatch: by a table, else to the dispatcher; whoever is on duty; and the table learns from people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from sanqu.cases import hooks
from sanqu.cases.decisions import declare_decision
from sanqu.cases.dispatch import dispatch
from sanqu.cases.duty import add_duty, drop_duty, duties, on_duty
from sanqu.cases.forwarding import forward_task
from sanqu.cases.history import case_tasks
from sanqu.cases.processes import declare_process
from sanqu.cases.proposals import proposals, settle_proposal
from sanqu.cases.records import Case, Task
from sanqu.cases.start import start_case
from sanqu.cases.work import claim_task
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from tests.cases.conftest import People
from tests.cases.drawing import element, flows, process, table, user

XML = process(element("serviceTask", "send"), user("handle", unit="handler"), flows("s>send", "send>handle", "handle>e"))
TABLE = table("who", ["matter", "depth"], ["unit", "role"], [['"flood"', "> 20", "", '"county.dept:water"'], ['"noise"', "-", '"330881"', ""]], "FIRST")


@pytest.fixture(autouse=True)
def sent(city: City, people: People) -> Iterator[None]:
    before = dict(hooks._services)

    def send(city: City, conn: object, case: Case) -> dict[str, object]:
        said = dispatch(conn, case, "who", "330802")  # type: ignore[arg-type]
        return {"handler": said.unit, "person": said.person, "clear": said.clear, **said.data}

    hooks.on_service("sent", "send", send)
    declare_process(city, "sent", XML, SYSTEM)
    declare_decision(city, "who", TABLE, SYSTEM)
    yield
    hooks._services.clear()
    hooks._services.update(before)


def report(city: City, people: People, **data: object) -> tuple[Case, Task]:
    case = start_case(city, people.applicant, "sent", "报告", unit="330802", data=data)
    return case, case_tasks(city, SYSTEM, case.number)[-1]


def test_the_table_decides_and_the_dispatcher_has_what_it_does_not_say(city: City, people: People) -> None:
    flood, task = report(city, people, matter="flood", depth=30)
    assert (task.unit, flood.data["clear"]) == ("330802-water", True)
    assert report(city, people, matter="noise")[1].unit == "330881"
    for unclear in ({"matter": "flood", "depth": 3}, {"matter": "unheard of"}, {}):
        case, task = report(city, people, **unclear)
        assert (task.unit, case.data["clear"]) == ("330802", False)


def test_a_persons_choice_is_a_proposal_and_once_taken_in_the_first_rule(city: City, people: People) -> None:
    case, task = report(city, people, matter="unheard of", depth=2)
    forward_task(city, people.officer, task.id, "330802-water", "属水利")
    _, right = report(city, people, matter="noise")
    with pytest.raises(Refused):
        proposals(city, people.officer)
    (found,), count = proposals(city, people.admin)
    assert (count, found.number, found.decided, found.chosen, found.reason) == (1, case.number, None, "330802-water", "属水利")
    with pytest.raises(Refused):
        settle_proposal(city, people.officer, found.id, accept=True)
    with pytest.raises(NotFound):
        settle_proposal(city, people.admin, found.id + 9, accept=True)
    assert settle_proposal(city, people.admin, found.id, accept=True).version == 2
    with pytest.raises(Conflict):
        settle_proposal(city, people.admin, found.id, accept=False)
    # A number is no reason by itself: the rule holds whatever the depth.
    assert report(city, people, matter="unheard of", depth=99)[1].unit == "330802-water"
    assert report(city, people, matter="noise")[1].unit == right.unit == "330881"
    forward_task(city, people.stranger, right.id, "330802", "不在本县")
    (other,), _ = proposals(city, people.admin)
    assert settle_proposal(city, people.admin, other.id, accept=False).state == "refused"
    assert report(city, people, matter="noise")[1].unit == "330881"


def test_what_is_said_alike_stands_together_and_is_settled_together(city: City, people: People) -> None:
    for depth, why in ((2, "属水利"), (9, "还是属水利"), (None, "又来了")):
        more = {} if depth is None else {"depth": depth}
        forward_task(city, people.officer, report(city, people, matter="unheard of", **more)[1].id, "330802-water", why)
    case, task = report(city, people, matter="of another kind", depth=1)
    forward_task(city, people.officer, task.id, "330881", "在江山")
    # What was chosen last for a case counts.
    forward_task(city, people.stranger, task.id, "330802-water", "不在江山")
    (often, *others), count = proposals(city, people.admin)
    assert (count, often.count, [one.reason for one in often.choices]) == (3, 2, ["还是属水利", "属水利"])
    assert {(one.inputs[0], one.chosen, one.count) for one in others} == {("unheard of", "330802-water", 1), ("of another kind", "330802-water", 1)}
    with pytest.raises(BadInput, match="no input"):
        settle_proposal(city, people.admin, often.id, accept=True, without=["weather"])
    with pytest.raises(Conflict, match="no input by which"):
        settle_proposal(city, people.admin, often.id, accept=True, without=["matter"])
    # Where the depth does not count, the one that says none is the same.
    assert settle_proposal(city, people.admin, often.id, accept=True, without=["depth"]).count == 3
    assert report(city, people, matter="unheard of")[1].unit == "330802-water"
    assert [one.number for one in proposals(city, people.admin)[0]] == [case.number]
    assert proposals(city, people.admin, "accepted")[1] == 2


def test_a_table_that_has_changed_meanwhile_takes_no_old_proposal(city: City, people: People) -> None:
    _, task = report(city, people, matter="unheard of")
    forward_task(city, people.officer, task.id, "330802-water", "属水利")
    (found,), _ = proposals(city, people.admin)
    declare_decision(city, "who", table("who", ["matter"], ["unit"], [["-", '"330881"']], "FIRST"), SYSTEM)
    with pytest.raises(Conflict, match="other inputs"):
        settle_proposal(city, people.admin, found.id, accept=True)
    # Nothing of it was kept.
    assert proposals(city, people.admin)[1] == 1


def test_whoever_is_on_duty_and_has_least_to_do_is_named(city: City, people: People) -> None:
    begins, ends = now() - timedelta(hours=1), now() + timedelta(hours=8)
    with pytest.raises(Refused):
        add_duty(city, people.officer, "330802", "officer", begins, ends)
    with pytest.raises(NotFound):
        add_duty(city, people.steward_above, "330802", "water", begins, ends)
    with pytest.raises(BadInput):
        add_duty(city, people.steward_above, "330802", "officer", ends, begins)
    first = add_duty(city, people.steward_above, "330802", "officer", begins, ends)
    add_duty(city, people.steward_above, "330802", "colleague", begins, ends)
    case, task = report(city, people)
    assert case.data["person"] == people.officer.label
    claim_task(city, people.officer, task.id)
    assert report(city, people)[0].data["person"] == people.colleague.label
    with city.db.connection() as conn:
        assert on_duty(conn, "330802", ends) == []
    with pytest.raises(Refused):
        drop_duty(city, people.officer, first)
    drop_duty(city, people.steward_above, first)
    assert [one.person for one in duties(city, "330802")] == ["colleague"]


def test_the_pages_of_dispatch(city: City, people: People, serve: Callable[[City], str]) -> None:
    _, task = report(city, people, matter="unheard of")
    forward_task(city, people.officer, task.id, "330802-water", "属水利")
    with city.db.connection() as conn:
        admin, officer = ({"Authorization": make_key(conn, SYSTEM, who.user_id or 0, "k")} for who in (people.admin, people.officer))
    with httpx.Client(base_url=serve(city), timeout=30) as site:
        assert "属水利" in site.get("/cases/dispatch", headers=admin).text
        assert "属水利" not in site.get("/cases/dispatch", headers=officer).text
        assert site.get("/api/dispatch/proposals", headers=officer).status_code == 403
        (found,) = site.get("/api/dispatch/proposals", headers=admin).json()["proposals"]
        duty = {"unit": "330802", "login": "officer", "begins": "2030-01-01T08:30:00+08:00", "ends": "2030-01-01T17:30:00+08:00"}
        assert site.post("/api/duty", json=duty, headers=officer).status_code == 403
        made = site.post("/api/duty", json=duty, headers=admin)
        assert made.status_code == 201, made.text
        assert len(site.get("/api/duty", headers=officer).json()["duty"]) == 1
        # The page: stewards keep it, others read it.
        kept, read = site.get("/cases/duty?unit=330802", headers=admin).text, site.get("/cases/duty?unit=330802", headers=officer).text
        assert "officer" in kept and "排班" in kept and "officer" in read and "<form class" not in read.split("<main")[1]
        form = {"unit": "330802", "login": "colleague", "begins": "2030-01-02T08:30", "ends": "2030-01-02T17:30"}
        assert site.post("/cases/duty", data=form, headers=officer).status_code == 403
        assert "止要在起之后" in site.post("/cases/duty", data=form | {"ends": "2030-01-01T08:30"}, headers=admin).text
        assert site.post("/cases/duty", data=form, headers=admin).status_code == 303
        (other,) = [one for one in site.get("/api/duty", headers=admin).json()["duty"] if one["person"] == "colleague"]
        # The hours of the form are those of the city.
        assert other["begins"].startswith("2030-01-02T00:30") or other["begins"].endswith("08:30:00+08:00")
        assert site.post(f"/cases/duty/{other['id']}/drop", headers=officer).status_code == 403
        assert site.post(f"/cases/duty/{other['id']}/drop", data={"unit": "330802"}, headers=admin).status_code == 303
        assert site.delete(f"/api/duty/{made.json()['id']}", headers=admin).status_code == 204
        taken = {"accept": "true", "of": ["matter", "depth"], "by": ["matter"]}
        assert site.post(f"/cases/dispatch/{found['id']}", data=taken, headers=officer).status_code == 403
        assert site.post(f"/cases/dispatch/{found['id']}", data=taken, headers=admin).status_code == 303
        (settled,) = site.get("/api/dispatch/proposals?state=accepted", headers=admin).json()["proposals"]
        assert (settled["version"], settled["count"]) == (2, 1)
