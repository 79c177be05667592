"""An event from the report to the rating, with everything that can go another way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.cases.forwarding import forward_task
from sanqu.cases.notices import notices_of
from sanqu.cases.supervising import supervise_task
from sanqu.cases.timers import fire_timers
from sanqu.cases.work import tasks_for, withdraw_case
from sanqu.governance.alike import Report, best_match, likeness
from sanqu.governance.events import Wanted, course_of, event_by_code, export_events, find_event, list_events
from sanqu.governance.photos import photos_of
from sanqu.governance.places import metres_between, place_at
from sanqu.governance.records import Event
from sanqu.governance.report import NewEvent, report_event
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import PUBLIC, SYSTEM
from sanqu.ground.people.keys import make_key
from tests.governance.conftest import HERE, THERE, County, picture


def newest(county: County, event: Event) -> Event:
    return find_event(county.city, county.admin, event.number)


def state_of(county: County, event: Event) -> str:
    case = course_of(county.city, event).case
    assert case is not None
    return case.state


def told(county: County, asker) -> list[str]:
    return [one.text.zh for one in notices_of(county.city, asker)[0]]


def test_a_point_is_led_to_its_grid_village_town_and_county(county: County) -> None:
    here = place_at(county.city, *HERE)
    assert (here.grid, here.village, here.town, here.county) == ("330802001001-g1", "330802001001", "330802001", "330802")
    there = place_at(county.city, *THERE)
    assert (there.grid, there.village, there.town) == (None, None, "330802002")
    for lon, lat in ((121.47, 31.23), (29.0, 118.8), (float("nan"), 29.0), (1e9, 0)):
        with pytest.raises(BadInput):
            place_at(county.city, lon, lat)


def test_an_event_is_accepted_dispatched_handled_verified_closed_and_rated(county: County) -> None:
    event = county.report()
    assert (event.town, event.lead, event.state) == ("330802001", "330802-jtj", "reported")
    county.act(county.town, event, "accept", decision="accept")
    assert newest(county, event).state == "handling" and newest(county, event).dispatched
    county.act(county.roads, event, "handle", result="done", answer="已修补")
    assert newest(county, event).state == "verifying"
    # The grid's own worker looks at it.
    county.act(county.worker, event, "verify", verdict="again", verify_note="还有一个坑")
    county.act(county.roads, event, "handle", result="done", answer="都修补了")
    county.act(county.worker, event, "verify", verdict="solved")
    closed = newest(county, event)
    assert (closed.state, closed.outcome, closed.lamp(now())) == ("closed", "都修补了", "green")
    county.act(county.wang, event, "rate", rating="5", rating_note="很快")
    assert newest(county, event).rating == 5
    assert state_of(county, event) == "done"
    assert any("已办结" in one for one in told(county, county.wang))
    integrate(county.city)
    steps = read_entries(county.city, subject=f"case:{event.number}", limit=100)
    assert {one.kind for one in steps} >= {"cases.start", "cases.step", "cases.end"}


def test_several_departments_handle_it_side_by_side_and_one_leads(county: County) -> None:
    event = county.report(matter="fire", text="消防通道被堵")
    assert event.lead == "330802001" and event.partners == ("3308-gaj",)
    county.act(county.town, event, "accept", decision="accept")
    county.act(county.town, event, "handle", result="done", answer="已清理")
    assert newest(county, event).state == "handling"
    county.act(county.police, event, "assist-a", answer_a="已警告车主")
    assert newest(county, event).state == "verifying"


def test_what_nobody_is_named_for_is_dispatched_by_the_town_and_may_be_sent_back(county: County) -> None:
    event = county.report(matter="other", text="说不清归谁管")
    county.act(county.town, event, "accept", decision="accept")
    assert newest(county, event).state == "dispatching"
    county.act(county.town, event, "dispatch", handler="330802-jtj", partner_a="3308-gaj")
    county.act(county.police, event, "assist-a", answer_a="到过现场")
    county.act(county.roads, event, "handle", result="return", answer="不归我们")
    assert newest(county, event).state == "dispatching"
    county.act(county.town, event, "dispatch", handler="330802001")
    county.act(county.town, event, "handle", result="done", answer="办好了")
    assert newest(county, event).partners == () and newest(county, event).state == "verifying"


def test_a_bad_rating_opens_it_again_once_and_no_more(county: County) -> None:
    event = county.report()
    county.settle(event)
    county.act(county.wang, event, "rate", rating="1", rating_note="没修好")
    again = newest(county, event)
    assert again.state == "dispatching" and again.reopened and again.closed is None
    county.act(county.town, event, "dispatch", handler="330802-jtj")
    county.act(county.roads, event, "handle", result="done", answer="重修了")
    county.act(county.worker, event, "verify", verdict="solved")
    county.act(county.wang, event, "rate", rating="2")
    assert (newest(county, event).state, newest(county, event).rating) == ("closed", 2)
    assert state_of(county, event) == "done"


def test_who_does_not_rate_leaves_it_unrated(county: County) -> None:
    event = county.report()
    county.settle(event)
    assert fire_timers(county.city) == 0
    assert fire_timers(county.city, now() + timedelta(days=40)) == 1
    assert newest(county, event).rating is None and state_of(county, event) == "done"


def test_a_report_that_repeats_another_is_suggested_merged_and_its_reporter_told_of_the_outcome(county: County) -> None:
    first = county.report()
    second = county.report(county.li, text="村口的路面有大坑", point=(HERE[0] + 0.0005, HERE[1]))
    assert second.maybe == first.number
    # Another matter, another place: another event.
    assert county.report(county.li, matter="litter", text="村口路面有个大坑").maybe is None
    assert county.report(county.li, point=THERE).maybe is None
    with pytest.raises(BadInput):
        county.act(county.town, second, "accept", decision="merge", same_as=second.number)
    county.act(county.town, second, "accept", decision="merge", same_as=first.number)
    assert newest(county, second).state == "merged"
    county.settle(first)
    assert any("已办结" in one for one in told(county, county.li))
    assert [one.number for one in course_of(county.city, first).followers] == [second.number]


def test_a_complaint_that_comes_back_is_flagged(county: County) -> None:
    first = county.report()
    county.settle(first)
    assert county.report(text="又坏了").repeat_of == first.number
    assert county.report(county.li, text="路又坏了").repeat_of == first.number
    assert county.report(county.li, point=THERE).repeat_of is None
    assert county.report(at=now() + timedelta(days=60)).repeat_of is None
    assert {one.repeat_of for one in list_events(county.city, county.town, Wanted(repeated=True))[0]} == {first.number}


def test_a_report_without_an_account_is_followed_by_its_code(county: County) -> None:
    reported = report_event(county.city, PUBLIC, NewEvent(matter="road", text="坑", lon=HERE[0], lat=HERE[1]), "resident")
    assert reported.code is not None and reported.event.reporter == "public"
    assert event_by_code(county.city, reported.code.lower().replace("-", " ")).number == reported.event.number
    for wrong in ("", "AAAA-BBBB-CCCC", "'; --"):
        with pytest.raises(NotFound):
            event_by_code(county.city, wrong)
    # Whoever else is without an account, or reported something else, does not see it.
    for asker in (PUBLIC, county.li, county.other_town):
        with pytest.raises(NotFound):
            find_event(county.city, asker, reported.event.number)
    with pytest.raises(Refused):
        report_event(county.city, PUBLIC, NewEvent(matter="road", text="坑"), "hotline")


def test_the_same_report_sent_twice_is_one_event(county: County) -> None:
    new = NewEvent(matter="road", text="坑", lon=HERE[0], lat=HERE[1], client_id="device-0001")
    first = report_event(county.city, county.wang, new, "resident")
    second = report_event(county.city, county.wang, new, "resident")
    assert second.again and second.event.number == first.event.number
    assert not report_event(county.city, county.li, new, "resident").again


def test_a_report_that_does_not_fit_is_refused_with_the_reason(county: County) -> None:
    noisy = {"matter": "noise", "text": "吵"}
    with pytest.raises(BadInput) as fault:
        report_event(county.city, county.wang, NewEvent(**noisy), "resident")
    assert fault.value.facts["attribute"] == "kind"
    for attributes in ({"kind": "trains"}, {"kind": "trade", "colour": "red"}, {"kind": ["trade", "building"]}):
        with pytest.raises(BadInput):
            report_event(county.city, county.wang, NewEvent(**noisy, attributes=attributes), "resident")
    assert (
        report_event(county.city, county.wang, NewEvent(**noisy, attributes={"kind": "trade"}), "resident").event.county is None
    )
    with pytest.raises(NotFound):
        report_event(county.city, county.wang, NewEvent(matter="nothing", text="x"), "resident")
    with pytest.raises(BadInput):
        report_event(county.city, county.wang, NewEvent(matter="road", text="x", lon=118.8), "resident")
    for none in (b"<script>", b"GIF89a", b"\xff\xd8\xff" + bytes(12_000_001)):
        with pytest.raises(BadInput):
            report_event(county.city, county.wang, NewEvent(matter="road", text="x"), "resident", [none])


def test_a_photo_says_where_it_was_taken_where_nothing_else_does(county: County) -> None:
    new = NewEvent(matter="road", text="坑")
    found = report_event(county.city, PUBLIC, new, "resident", [picture(), picture(*HERE)]).event
    assert found.grid == "330802001001-g1" and len(photos_of(county.city, found)) == 2
    # What was said counts more; a photo from elsewhere says nothing.
    said = NewEvent(matter="road", text="坑", lon=THERE[0], lat=THERE[1])
    assert report_event(county.city, county.wang, said, "resident", [picture(*HERE)]).event.town == "330802002"
    assert report_event(county.city, county.wang, new, "resident", [picture(2.35, 48.86)]).event.county is None


def test_everybody_sees_what_concerns_them_and_nobody_more(county: County) -> None:
    event = county.report()
    seen = {name for name in ("worker", "other_worker", "town", "other_town", "roads", "police", "above", "wang", "li")
            if list_events(county.city, getattr(county, name), Wanted())[1]}  # fmt: skip
    assert seen == {"worker", "town", "roads", "above", "wang"}
    assert event.number in "".join(export_events(county.city, county.town, Wanted(text=event.number)))
    assert "村口" not in "".join(export_events(county.city, county.town, Wanted()))
    assert list_events(county.city, county.town, Wanted(late=True))[1] == 0


def test_a_report_may_be_withdrawn_and_refused(county: County) -> None:
    event = county.report()
    withdraw_case(county.city, county.wang, event.number, "自己填平了")
    assert newest(county, event).state == "withdrawn"
    other = county.report()
    county.act(county.town, other, "accept", decision="refuse", note="属私人道路")
    assert (newest(county, other).state, newest(county, other).outcome) == ("refused", "属私人道路")
    assert tasks_for(county.city, county.town)[1] == 0


@given(st.text(max_size=40), st.text(max_size=40))
def test_likeness_is_the_same_both_ways_and_whole_for_the_same_words(a: str, b: str) -> None:
    assert likeness(a, b) == likeness(b, a) and 0 <= likeness(a, b) <= 1
    assert likeness(a, a) in (0.0, 1.0)


@given(st.floats(0, 2000), st.sampled_from(["村口路面有个大坑", "河里有死鱼", ""]))
def test_what_is_far_is_never_the_same(metres: float, words: str) -> None:
    other = (HERE[0], HERE[1] + metres / 111_320.0)
    found = best_match(Report("road", HERE, "村口路面有个大坑", "user:1", datetime.now(UTC)), [("n", other, words)])
    if metres_between(HERE, other) > 301 or (words == "河里有死鱼" and metres > 61):
        assert found is None
    elif words == "村口路面有个大坑":
        assert found == "n" or metres > 299


def test_a_superior_supervises_an_event_and_a_task_is_forwarded(county: County) -> None:
    event = county.report()
    county.act(county.town, event, "accept", decision="accept")
    (task,) = [one for one in course_of(county.city, event).tasks if one.state == "ready"]
    supervise_task(county.city, county.above, task.id, "雨季前办完")
    assert any("督办" in one for one in told(county, county.roads))
    # To whom it is handed sees it and is in the lead.
    with pytest.raises(NotFound):
        find_event(county.city, county.other_town, event.number)
    forward_task(county.city, county.roads, task.id, "330802002", "在府山街道一侧")
    assert find_event(county.city, county.other_town, event.number).lead == "330802002"
    county.act(county.other_town, event, "handle", result="done", answer="已修补")
    county.act(county.worker, event, "verify", verdict="again", verify_note="还有一个坑")
    county.act(county.other_town, event, "handle", result="done", answer="都修补了")
    assert newest(county, event).state == "verifying"


def test_a_device_reports_by_its_key_and_twice_sent_is_once_reported(county: County, serve: Callable[[City], str]) -> None:
    assert county.town.user_id is not None and county.wang.user_id is not None
    with county.city.db.connection() as conn:
        device, resident = (make_key(conn, SYSTEM, one.user_id or 0, "gauge") for one in (county.town, county.wang))
    alarm = {
        "matter": "camera-alarm", "text": "水位超过警戒线", "lon": HERE[0], "lat": HERE[1], "source": "sensor", "urgency": "urgent",
        "client_id": "gauge-17-0801",
    }  # fmt: skip
    with httpx.Client(base_url=serve(county.city), timeout=30) as client:

        def send(key: str, **more: object) -> httpx.Response:
            return client.post("/api/events", json=alarm | more, headers={"Authorization": key})

        first, second = send(device), send(device)
        assert (first.status_code, first.json()["again"], second.json()["again"]) == (201, False, True)
        assert first.json()["number"] == second.json()["number"] and first.json()["grid"] == "330802001001-g1"
        assert client.post("/api/events", json=alarm).status_code == 401
        assert send(resident).status_code == 403
        assert (
            send(device, matter="none", client_id=None).status_code == 404
            and send(device, lat=95.0, client_id=None).status_code == 400
        )
        assert send(device, text="").status_code == 422
        listed = client.get("/api/events", params={"source": "sensor"}, headers={"Authorization": device}).json()
        assert listed["count"] == 1 and listed["events"][0]["lamp"] in ("green", "yellow")
        scored = client.get("/api/governance/scores", headers={"Authorization": device}).json()
        assert scored["all"]["events"] == 1 and scored["scores"][0]["unit"] == "330802001"
        assert {one["code"] for one in client.get("/api/matters").json()["matters"]} >= {"road", "camera-alarm"}
        one = client.get(f"/api/events/{first.json()['number']}", headers={"Authorization": resident})
        assert one.status_code == 404
