"""Notices and votes of a village: one person one vote, fixed in the ledger, and secret where it says so."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from sanqu.cases.notices import notices_of
from sanqu.governance.villages import (
    ballots_of,
    cast,
    confirm,
    count_votes,
    find_vote,
    follow,
    leave,
    memberships,
    notices_in,
    open_vote,
    publish_notice,
    turnout,
)
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Conflict, Refused, SanquError
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import Asker
from tests.governance.conftest import County

VILLAGE = "330802001001"
LATER = timedelta(days=8)


def settle(county: County, *people: Asker) -> None:
    for one in people:
        follow(county.city, one, VILLAGE, "villager")
        assert one.user_id is not None
        confirm(county.city, county.above, VILLAGE, one.user_id)


def test_a_notice_reaches_those_who_follow(county: County) -> None:
    follow(county.city, county.wang, VILLAGE, "resident")
    with pytest.raises(Refused):
        publish_notice(county.city, county.wang, VILLAGE, "停水", "明天停水")
    with pytest.raises(BadInput):
        publish_notice(county.city, county.above, VILLAGE, "", "明天停水")
    publish_notice(county.city, county.above, VILLAGE, "停水", "明天停水")
    assert notices_in(county.city, [VILLAGE])[1] == 1
    assert "停水" in notices_of(county.city, county.wang)[0][0].text.zh
    assert notices_of(county.city, county.li)[1] == 0
    leave(county.city, county.wang, VILLAGE)
    assert memberships(county.city, county.wang) == []
    for strange in ("3308", "330802001001-g1"):
        with pytest.raises(BadInput):
            follow(county.city, county.wang, strange, "resident")
    # By name, where only one has it.
    follow(county.city, county.wang, "坊门街", "resident")
    assert [one["unit"] for one in memberships(county.city, county.wang)] == [VILLAGE]
    for nobody in ("", "没有这个村", "%"):
        with pytest.raises(SanquError):
            follow(county.city, county.wang, nobody, "resident")


def test_a_secret_vote_joins_nobody_to_a_ballot(county: County) -> None:
    settle(county, county.wang, county.li)
    vote = open_vote(county.city, county.above, VILLAGE, "修路还是修桥", ["修路", "修桥"], secret=True, days=7)
    receipt = cast(county.city, county.wang, vote.id, 1)
    cast(county.city, county.li, vote.id, 0)
    assert ballots_of(county.city, find_vote(county.city, vote.id)) == []
    over = find_vote(county.city, vote.id, now() + LATER)
    assert over.result is not None and over.result["counts"] == [1, 1]
    ballots = ballots_of(county.city, over)
    assert next(one for one in ballots if one.receipt == receipt).choice == 1 and all(one.name is None for one in ballots)
    integrate(county.city)
    lines = read_entries(county.city, subject=f"vote:{vote.id}", limit=20)
    assert {one.kind for one in lines} == {"governance.vote", "governance.voted", "governance.vote-result"}
    assert not any(str(receipt) in one.body for one in lines)
    assert all(one.facts == {} for one in lines if one.kind == "governance.voted")


def test_one_person_has_one_vote_even_at_the_same_moment(county: County) -> None:
    settle(county, county.wang)
    vote = open_vote(county.city, county.above, VILLAGE, "选楼长", ["甲", "乙"], secret=False, days=1)
    outcomes: list[str] = []

    def once(choice: int) -> None:
        try:
            cast(county.city, county.wang, vote.id, choice)
            outcomes.append("cast")
        except SanquError as fault:
            outcomes.append(fault.code)

    threads = [threading.Thread(target=once, args=(n % 2,)) for n in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes) == ["cast", *["governance.voted"] * 5]
    assert turnout(county.city, vote) == (1, 1)
    assert count_votes(county.city, now() + LATER) == 1 and count_votes(county.city, now() + LATER) == 0
    (ballot,) = ballots_of(county.city, find_vote(county.city, vote.id))
    assert ballot.name == "wang"


def test_who_may_not_vote_is_told_why(county: County) -> None:
    settle(county, county.wang)
    follow(county.city, county.li, VILLAGE, "villager")
    vote = open_vote(county.city, county.above, VILLAGE, "选楼长", ["甲", "乙"], secret=True, days=1)
    with pytest.raises(Refused):
        cast(county.city, county.li, vote.id, 0)
    with pytest.raises(BadInput):
        cast(county.city, county.wang, vote.id, 2)
    with pytest.raises(Conflict):
        cast(county.city, county.wang, vote.id, 0, now() + LATER)
    # Who becomes somebody else is to be confirmed anew; an enterprise has no vote.
    follow(county.city, county.wang, VILLAGE, "enterprise")
    with pytest.raises(Refused):
        cast(county.city, county.wang, vote.id, 0)
    for choices in (["甲"], ["甲", "甲"], []):
        with pytest.raises(BadInput):
            open_vote(county.city, county.above, VILLAGE, "选楼长", choices, secret=True, days=1)
    with pytest.raises(Refused):
        open_vote(county.city, county.other_town, VILLAGE, "选楼长", ["甲", "乙"], secret=True, days=1)
    assert county.above.user_id is not None
    with pytest.raises(Refused):
        confirm(county.city, county.above, VILLAGE, county.above.user_id)
