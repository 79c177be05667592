"""Household records and visits: whatever is sent is kept once, who may see is few, what was missed has its reason."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanqu.cases.notices import notices_of
from sanqu.governance.households import (
    HouseholdText,
    VisitText,
    add_special,
    household_of,
    missed,
    plan_of,
    record_visit,
    remind_of_visits,
    sample_households,
    save_household,
)
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import BadInput, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from tests.governance.conftest import County

GRID = "330802001001-g1"
BODY = {"address": "坊门街 1 号", "head": "样例户主", "people": 2}


def today() -> date:
    return now().astimezone(CITY_ZONE).date()


def house(county: County, **more: Any) -> UUID:
    """A household in the first grid."""
    said = HouseholdText.model_validate({"id": uuid4(), "household": uuid4(), "grid": GRID, "base": 0, "body": BODY | more})
    return save_household(county.city, county.worker, said).id


def visit(household: UUID, **more: Any) -> VisitText:
    return VisitText.model_validate(
        {"id": uuid4(), "household": household, "on_day": today(), "met": True, "text": "身体好", "typed": now(), **more}
    )


def count(county: County, table: str) -> int:
    row = county.city.db.one(f"SELECT count(*) AS n FROM governance_{table}")
    return int(row["n"]) if row else 0


def test_a_visit_arrives_once_however_often_and_at_once_it_is_sent(county: County) -> None:
    said = visit(house(county))
    states: list[str] = []
    threads = [
        threading.Thread(target=lambda: states.append(record_visit(county.city, county.worker, said).state)) for _ in range(5)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(states) == ["again"] * 4 + ["arrived"] and count(county, "visit") == 1


def test_another_text_under_the_same_number_is_kept_beside_it_and_said_once(county: County) -> None:
    said = visit(house(county))
    record_visit(county.city, county.worker, said)
    other = said.model_copy(update={"text": "生病了"})
    first, second = (record_visit(county.city, county.worker, other) for _ in range(2))
    assert first.state == second.state == "beside" and first.id == second.id != said.id
    assert count(county, "visit") == 2


def test_two_who_change_a_household_keep_both_until_somebody_settles_it(county: County) -> None:
    id_ = house(county)

    def change(base: int, remark: str, text: UUID | None = None) -> str:
        said = {"id": text or uuid4(), "household": id_, "grid": GRID, "base": base, "body": BODY | {"remark": remark}}
        return save_household(county.city, county.worker, HouseholdText.model_validate(said)).state

    sent = uuid4()
    assert change(1, "搬走一人", sent) == "arrived"
    assert change(1, "搬走一人", sent) == "again"
    late = uuid4()
    assert change(1, "添一个孩子", late) == change(1, "添一个孩子", late) == "beside"
    (row,) = plan_of(county.city, county.worker, GRID)["households"]
    assert (row["version"], row["body"]["remark"], row["unsettled"]) == (2, "搬走一人", 1)
    assert change(2, "搬走一人，添一个孩子") == "arrived"
    assert plan_of(county.city, county.worker, GRID)["households"][0]["unsettled"] == 0
    with pytest.raises(NotFound):
        save_household(
            county.city,
            county.worker,
            HouseholdText.model_validate({"id": uuid4(), "household": uuid4(), "grid": GRID, "base": 3, "body": BODY}),
        )


def test_only_the_grids_own_workers_and_those_above_see_them_and_each_look_is_in_the_ledger(county: County) -> None:
    id_ = house(county)
    for asker in (county.other_worker, county.town, county.roads, county.wang, county.admin):
        with pytest.raises(Refused):
            plan_of(county.city, asker, GRID)
        with pytest.raises(Refused):
            household_of(county.city, asker, id_)
        with pytest.raises(Refused):
            record_visit(county.city, asker, visit(id_))
        assert missed(county.city, asker, at=now() + timedelta(days=400)) == []
    assert len(plan_of(county.city, county.above, GRID)["households"]) == 1
    household_of(county.city, county.worker, id_)
    integrate(county.city)
    looks = read_entries(county.city, kind="governance.household-read", limit=50)
    assert {one.actor for one in looks} >= {county.above.label, county.worker.label}
    assert not any("坊门街" in one.body or "样例户主" in one.body for one in looks)


def test_visits_follow_a_plan_by_level_and_what_is_missed_has_its_reason(county: County) -> None:
    id_, weekly = house(county), uuid4()
    for _ in range(2):
        add_special(county.city, county.worker, weekly, id_, "样例老人", "独居老人", 1)
    assert count(county, "special") == 1
    (person,) = plan_of(county.city, county.worker, GRID)["special"]
    assert person["due"] == today() + timedelta(days=7)
    later = now() + timedelta(days=10)
    record_visit(
        county.city,
        county.worker,
        visit(id_, special=weekly, met=False, reason="外出走亲", on_day=later.date(), typed=later),
        at=later,
    )
    (late,) = missed(county.city, county.above, at=later)
    assert (late["days"], late["reason"]) == (3, "外出走亲")
    assert (
        missed(county.city, county.above, level=2, at=later) == []
        and missed(county.city, county.worker, grid=GRID, at=later) != []
    )
    assert remind_of_visits(county.city, later) == 1 and remind_of_visits(county.city, later) == 0
    assert any("该走访" in one.text.zh for one in notices_of(county.city, county.worker)[0])
    record_visit(county.city, county.worker, visit(id_, special=weekly, on_day=later.date(), typed=later), at=later)
    assert missed(county.city, county.above, at=later) == []
    # A visit that is sent later than a newer one moves nothing back.
    record_visit(county.city, county.worker, visit(id_, special=weekly), at=later)
    assert plan_of(county.city, county.worker, GRID)["special"][0]["visited"] == later.date()


def test_what_does_not_fit_is_refused(county: County) -> None:
    id_ = house(county)
    for wrong in (
        {"met": False},
        {"met": False, "reason": " "},
        {"on_day": today() + timedelta(days=2)},
        {"on_day": date(2001, 1, 1)},
        {"typed": datetime(2026, 1, 1)},
    ):
        with pytest.raises(BadInput):
            record_visit(county.city, county.worker, visit(id_, **wrong))
    for strange in ({"special": uuid4()}, {"household": uuid4()}):
        with pytest.raises(NotFound):
            record_visit(county.city, county.worker, visit(id_).model_copy(update=strange))
    with pytest.raises(BadInput):
        add_special(county.city, county.worker, uuid4(), id_, " ", "独居老人", 1)


def test_sample_households_are_laid_in_and_say_so(county: County) -> None:
    with county.city.db.connection() as conn:
        assert sample_households(conn, [GRID], 1) == 2
    plan = plan_of(county.city, county.worker, GRID)
    assert all(one["sample"] for one in plan["households"]) and len(plan["special"]) == 1


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b"])), max_size=8))
def test_in_whatever_order_and_however_often_each_text_is_kept_once(county: County, sendings: list[tuple[int, str]]) -> None:
    id_ = house(county)
    numbers = [uuid4() for _ in range(3)]
    before = count(county, "visit")
    typed = now()
    for number, text in sendings:
        record_visit(county.city, county.worker, visit(id_, id=numbers[number], text=text, typed=typed))
    assert count(county, "visit") - before == len(set(sendings))
