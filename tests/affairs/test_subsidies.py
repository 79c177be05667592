"""Subsidies paid without applying: eligible by rule, offered within the budget, confirmed, published, objected to, paid."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.affairs.subsidies import (
    Award,
    Eligible,
    awards_of,
    draw,
    find_award,
    find_programme,
    object_to,
    objections_to,
    payment_list,
    save_programmes,
    within_budget,
)
from sanqu.cases.decisions import declare_decision
from sanqu.cases.history import case_tasks
from sanqu.cases.timers import fire_timers
from sanqu.cases.work import complete_task
from sanqu.catalog.keeping import register_contract
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Conflict, Refused
from sanqu.ground.packs import read_pack
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing.my_data import identify
from tests.affairs.conftest import QUZHOU, Hall

CODE = "high-tech-award"
# Eligible by the first rule, by the second, by the third; of too bad a grade, with a penalty, not high-tech.
FIRMS = [
    ("E1", True, 30_000.0, 12, "A", 900, 0), ("E2", True, 6_000.0, 2, "B", 800, 0), ("E3", True, 100.0, 0, "B", 790, 0), ("E4", True, 30_000.0, 12, "C", 700, 0),
    ("E5", True, 30_000.0, 12, "A", 900, 1), ("E6", False, 30_000.0, 12, "A", 900, 0), ("E7", True, 90.0, 0, "A", 860, 0),
]  # fmt: skip


@pytest.fixture(scope="module")
def boss(furnished: Hall) -> Asker:
    """Whoever speaks for E1; the firms are there."""
    pack, city = read_pack(QUZHOU), furnished.city
    rows = {
        "enterprises": pa.table({
            "enterprise_id": [f[0] for f in FIRMS], "name": [f"样例{f[0]}" for f in FIRMS], "high_tech": [f[1] for f in FIRMS],
            "revenue_10k_yuan": [f[2] for f in FIRMS], "patents": [f[3] for f in FIRMS], "staff": [9 for _ in FIRMS],
        }),
        "credit-ratings": pa.table({
            "enterprise_id": [f[0] for f in FIRMS], "year": pa.array([2025 for _ in FIRMS], pa.int32()), "grade": [f[4] for f in FIRMS],
            "score": [f[5] for f in FIRMS], "penalties": [f[6] for f in FIRMS], "watched": [False for _ in FIRMS],
        }),
    }  # fmt: skip
    for said in pack.contracts:
        if said["name"] in rows:
            fields = [field for field in said["fields"] if field["name"] in rows[said["name"]].column_names]
            descriptor = {key: value for key, value in said.items() if key != "foreignKeys"} | {"fields": fields}
            register_contract(city, Contract.from_descriptor(descriptor), "system", state="published")
            with lake_of(city).engine() as duck:
                duck.register("given", rows[said["name"]])
                lake_of(city).upsert(said["name"], "SELECT * FROM given", Commit("test"), duck=duck)
    declare_decision(city, CODE, (Path(QUZHOU) / "decisions" / f"{CODE}.dmn").read_text("utf-8"), SYSTEM)
    with city.db.connection() as conn:
        programme = pack.affairs["programme"][0] | {"budget": 500_000}
        save_programmes(city, conn, "3308", [programme])
        people = {}
        for login, unit in (("jxj", "3308-jxj"), ("czj", "3308-czj")):
            people[login] = asker_for(conn, add_person(conn, SYSTEM, login, login, [("officer", unit), ("steward", unit)]))
        person = add_person(conn, SYSTEM, "e1", "E1", [])
        identify(conn, SYSTEM, person, "enterprise", "E1")
        boss = asker_for(conn, person)
    furnished.officers.update(people)
    assert boss is not None
    return boss


def _award(hall: Hall, enterprise: str) -> Award:
    (one,) = [one for one in awards_of(hall.city, CODE, ("offered", "published", "objected", "payable", "paid", "declined", "refused"))[0] if one.enterprise == enterprise]
    return one


def _act(hall: Hall, asker: Asker, award: Award, **result: str) -> None:
    (task,) = [task for task in case_tasks(hall.city, SYSTEM, award.number) if task.state == "ready"]
    complete_task(hall.city, asker, task.id, result)


def test_who_is_eligible_is_offered_by_rank_while_the_budget_lasts(hall: Hall, boss: Asker) -> None:
    with pytest.raises(Refused):
        draw(hall.city, hall.officers["czj"], CODE)
    drawn = draw(hall.city, hall.officers["jxj"], CODE)
    # 300,000 + 150,000 of 500,000; the next wants 60,000.
    assert (drawn.candidates, drawn.eligible, drawn.offered, drawn.waiting) == (7, 4, 2, 2)
    assert [_award(hall, one).rule for one in ("E1", "E2")] == [1, 2]
    assert draw(hall.city, hall.officers["jxj"], CODE).offered == 0
    # What is not taken goes to the next.
    _act(hall, hall.officers["jxj"], _award(hall, "E2"), confirmed="no")
    assert find_programme(hall.city, CODE).left == 200_000
    assert draw(hall.city, hall.officers["jxj"], CODE).offered == 2


def test_an_award_is_confirmed_published_and_paid(hall: Hall, boss: Asker) -> None:
    draw(hall.city, hall.officers["jxj"], CODE)
    award = _award(hall, "E1")
    assert awards_of(hall.city, CODE)[1] == 0
    _act(hall, boss, award, confirmed="yes")
    assert find_award(hall.city, award.number).state == "published"
    assert fire_timers(hall.city) == 0 and fire_timers(hall.city, now() + timedelta(days=15)) == 1
    assert find_award(hall.city, award.number).state == "payable"
    with pytest.raises(Refused):
        payment_list(hall.city, boss, CODE)
    assert "样例E1,300000" in payment_list(hall.city, hall.officers["czj"], CODE)
    _act(hall, hall.officers["czj"], award, batch="P-1")
    assert find_programme(hall.city, CODE).paid == 300_000
    with pytest.raises(Conflict):
        object_to(hall.city, award.number, "太晚了")


@pytest.mark.parametrize(("verdict", "state"), [("upheld", "refused"), ("dismissed", "payable")])
def test_an_objection_is_looked_into_before_anything_is_paid(hall: Hall, boss: Asker, verdict: str, state: str) -> None:
    draw(hall.city, hall.officers["jxj"], CODE)
    award = _award(hall, "E1")
    _act(hall, boss, award, confirmed="yes")
    with pytest.raises(BadInput):
        object_to(hall.city, award.number, "  ")
    object_to(hall.city, award.number, "已停产", "138")
    fire_timers(hall.city, now() + timedelta(days=15))
    assert find_award(hall.city, award.number).state == "objected"
    _act(hall, hall.officers["jxj"], award, verdict=verdict, answer="已核实")
    assert find_award(hall.city, award.number).state == state
    assert objections_to(hall.city, award)[0]["answer"] == "已核实"


@given(st.lists(st.integers(1, 100), max_size=30), st.integers(0, 500))
def test_nobody_is_passed_over_and_the_budget_never_breaks(amounts: list[int], budget: int) -> None:
    wanted = [Eligible(str(i), "", amount, 0, {}, 1) for i, amount in enumerate(amounts)]
    chosen = within_budget(wanted, budget)
    assert chosen == wanted[: len(chosen)] and sum(one.amount for one in chosen) <= budget
    assert len(chosen) == len(wanted) or sum(one.amount for one in chosen) + wanted[len(chosen)].amount > budget
