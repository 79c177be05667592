"""Events go where the table says; what people decide otherwise becomes a rule of it."""

from __future__ import annotations

import pytest

from sanqu.cases.decisions import declare_decision, newest_decision
from sanqu.cases.forwarding import forward_task
from sanqu.cases.proposals import Proposal, proposals, settle_proposal
from sanqu.cases.work import tasks_for
from sanqu.governance.dispatching import TABLE, declare_table
from sanqu.governance.events import find_event
from sanqu.governance.matters import list_matters, save_matters
from sanqu.governance.records import Event
from sanqu.ground.people.askers import SYSTEM
from tests.governance.conftest import HERE, THERE, County


@pytest.fixture(autouse=True)
def untaught(county: County) -> None:
    """The table as the catalogue makes it."""
    with county.city.db.connection() as conn:
        conn.execute("DELETE FROM case_decision WHERE name = %s", (TABLE,))
    declare_table(county.city)


def version(county: County) -> int:
    with county.city.db.connection() as conn:
        return newest_decision(conn, TABLE).version


def accepted(county: County, matter: str = "other", point: tuple[float, float] = HERE) -> Event:
    event = county.report(matter=matter, text="说不清归谁管", point=point)
    county.act(county.town if point == HERE else county.other_town, event, "accept", decision="accept")
    return find_event(county.city, county.admin, event.number)


def proposed(county: County) -> list[Proposal]:
    return proposals(county.city, county.admin)[0]


def test_what_towns_decide_by_hand_is_proposed_once_with_its_count_and_taken_in_the_next_event_goes_there(county: County) -> None:
    for why in ("是路的事", "又是路的事", ""):
        event = accepted(county)
        assert event.state == "dispatching"
        county.act(county.town, event, "dispatch", handler="330802-jtj", dispatch_note=why)
    # Who gives no reason proposes nothing.
    (found,) = proposed(county)
    assert (found.count, found.inputs, found.decided, found.chosen) == (2, ["other", "330802", "330802001"], None, "330802-jtj")
    settle_proposal(county.city, county.admin, found.id, accept=True)
    assert proposed(county) == []
    event = accepted(county)
    assert (event.state, event.lead) == ("handling", "330802-jtj")
    county.act(county.roads, event, "handle", result="done", answer="已办")
    # The other town has not said so.
    assert accepted(county, point=THERE).state == "dispatching"


def test_where_the_town_does_not_count_the_rule_holds_for_the_county(county: County) -> None:
    county.act(county.town, accepted(county), "dispatch", handler="330802-jtj", dispatch_note="是路的事")
    settle_proposal(county.city, county.admin, proposed(county)[0].id, accept=True, without=["town"])
    assert accepted(county, point=THERE).lead == "330802-jtj"


def test_what_the_lead_hands_on_is_proposed_and_other_tasks_are_not(county: County) -> None:
    event = accepted(county, "road")
    assert event.lead == "330802-jtj"
    task = next(one for one in tasks_for(county.city, county.roads)[0] if one.case == event.number)
    forward_task(county.city, county.roads, task.id, "330802001", "村道归街道")
    (found,) = proposed(county)
    assert (found.decided, found.chosen, found.reason) == ("330802-jtj", "330802001", "村道归街道")
    county.act(county.town, event, "handle", result="done", answer="已修补")
    check = next(one for one in tasks_for(county.city, county.worker)[0] if one.case == event.number)
    forward_task(county.city, county.worker, check.id, "330802001001-g2", "我不在")
    assert [one.chosen for one in proposed(county)] == ["330802001"]
    settle_proposal(county.city, county.admin, found.id, accept=True)
    assert accepted(county, "road").lead == "330802001"


def test_a_table_that_learned_between_report_and_acceptance_decides_the_newer_way(county: County) -> None:
    county.act(county.town, accepted(county), "dispatch", handler="330802-jtj", dispatch_note="是路的事")
    waiting = county.report(matter="other", text="还没有受理")
    assert waiting.lead is None
    settle_proposal(county.city, county.admin, proposed(county)[0].id, accept=True)
    county.act(county.town, waiting, "accept", decision="accept")
    assert find_event(county.city, county.admin, waiting.number).lead == "330802-jtj"


def test_a_new_catalogue_keeps_what_was_learned_and_a_table_of_ones_own_is_let_be(county: County) -> None:
    county.act(county.town, accepted(county), "dispatch", handler="330802-jtj", dispatch_note="是路的事")
    settle_proposal(county.city, county.admin, proposed(county)[0].id, accept=True)
    before, matters = version(county), list_matters(county.city)
    declare_table(county.city)
    assert version(county) == before
    # Roads are the town's now.
    changed = [one.model_copy(update={"departments": ("town",)}) if one.code == "road" else one for one in matters]
    with county.city.db.connection() as conn:
        save_matters(conn, changed)
    declare_table(county.city)
    assert (accepted(county, "road").lead, accepted(county).lead) == ("330802001", "330802-jtj")
    with county.city.db.connection() as conn:
        save_matters(conn, matters)
        own = newest_decision(conn, TABLE).dmn.replace('hitPolicy="FIRST"', 'hitPolicy="UNIQUE"')
    declare_decision(county.city, TABLE, own, SYSTEM)
    kept = version(county)
    declare_table(county.city)
    assert version(county) == kept
