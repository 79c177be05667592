"""Figures with noise: how much one person can change them, what they cost, and that asking again buys nothing."""

from __future__ import annotations

import threading
from decimal import Decimal
from statistics import mean
from typing import Any

import pytest

from sanqu.ground.errors import BadInput, Conflict, Refused, SanquError
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import Commit, lake_of
from sanqu.sandbox.noise import noise_for, with_noise
from sanqu.sandbox.private import Private, ask_privately, price_in_room
from sanqu.sandbox.records import Result
from sanqu.sandbox.rooms import add_member, room_on_record
from sanqu.sandbox.uploads import add_upload

from .conftest import Granter, Hut, open_room

COUNT = "SELECT count(*) AS n FROM residents"


def ask(hut: Hut, sql: str, room: int | None = None, **how: Any) -> tuple[Result, bool]:
    return ask_privately(hut.city, hut.wang, room or hut.room.id, Private(sql=sql, purpose="study", **how))


def rows(hut: Hut, sql: str, **how: Any) -> list[dict[str, Any]]:
    # An epsilon so large that hardly any noise is left: what remains is what the bounds make of the rows.
    return hut.out(ask(hut, sql, epsilon=Decimal(10), **how)[0]).table.to_pylist()  # type: ignore[no-any-return]


def left(hut: Hut) -> Decimal:
    return room_on_record(hut.city, hut.room.id).budget_left


@pytest.fixture
def rich(hut: Hut, grant_all: Granter) -> Hut:
    """The same people in a room whose budget pays for many exact questions."""
    room = open_room(hut.city, "rich", budget=Decimal(1000))
    grant_all(room)
    for one in (hut.wang, hut.li):
        add_member(hut.city, SYSTEM, room.id, one.name)
    return Hut(hut.city, room, hut.wang, hut.li, hut.civil, hut.tax, hut.outsider)


def test_the_noise_costs_what_it_says() -> None:
    for most, epsilon in ((1, 0.1), (7, 0.033), (5 * 2**20, 0.25)):
        noise = noise_for(most, epsilon)
        assert noise.scale == pytest.approx(most / epsilon, rel=1e-6)
        drawn = [with_noise([1000], noise)[0] - 1000 for _ in range(2000)]
        # The mean distance of a Laplace is its scale; a tenth is many times its deviation here.
        assert mean(map(abs, drawn)) == pytest.approx(noise.scale, rel=0.15)
        assert sum(abs(one) <= noise.within for one in drawn) > 1800


def test_counts_sums_and_means_come_near_the_truth(rich: Hut) -> None:
    (found,) = rows(rich, "SELECT count(*) AS n, sum(income) AS s, avg(income) AS m FROM residents", bounds={"income": (0, 2000)})
    assert found["n"] == pytest.approx(300, abs=10)
    assert found["s"] == pytest.approx(344850, abs=10_000)
    assert found["m"] == pytest.approx(1149.5, abs=60)


def test_values_beyond_the_bounds_count_as_the_bounds(rich: Hut) -> None:
    (found,) = rows(rich, "SELECT sum(income) AS s FROM residents", bounds={"income": (0, 10)})
    assert found["s"] == pytest.approx(3000, abs=50)
    (found,) = rows(rich, "SELECT avg(income) AS m FROM residents", bounds={"income": (5000, 6000)})
    assert 5000 <= found["m"] <= 5100


def test_a_subject_counts_as_often_as_is_said_however_many_rows_it_has(rich: Hut) -> None:
    # 300 people came once each; one of them a thousand times more.
    assert rows(rich, "SELECT count(*) AS n FROM visits")[0]["n"] == pytest.approx(300, abs=10)
    assert rows(rich, "SELECT count(*) AS n FROM visits", rows=50)[0]["n"] == pytest.approx(349, abs=60)
    (found,) = rows(rich, "SELECT sum(cost) AS s FROM visits", bounds={"cost": (0, 200)})
    assert found["s"] == pytest.approx(30900, abs=800)


def test_bounds_hold_after_joins(rich: Hut) -> None:
    joined = "SELECT count(*) AS n FROM residents r JOIN visits v ON v.who = r.id JOIN shops s ON s.town = r.town"
    # Every resident meets twenty shops, and one of them a thousand visits as well: each counts once.
    assert rows(rich, joined)[0]["n"] == pytest.approx(300, abs=10)
    assert rows(rich, joined, rows=10)[0]["n"] == pytest.approx(3000, abs=40)


def test_what_was_brought_along_multiplies_nobody(rich: Hut) -> None:
    add_upload(rich.city, rich.wang, rich.room, "many", ("ids\n" + "ID0007\n" * 900).encode())
    (found,) = rows(rich, "SELECT count(*) AS n FROM residents r JOIN my_many m ON m.ids = r.id")
    assert found["n"] == pytest.approx(1, abs=8)


def test_with_noise_any_condition_may_be_asked(rich: Hut) -> None:
    assert rows(rich, "SELECT count(*) AS n FROM residents WHERE income < 1149.5")[0]["n"] == pytest.approx(150, abs=8)
    assert rows(rich, "SELECT count(*) AS n FROM residents WHERE name = 'person 7'")[0]["n"] == pytest.approx(1, abs=8)


def test_groups_are_those_that_were_named_whether_they_have_rows_or_not(rich: Hut) -> None:
    sql = "SELECT town, count(*) AS n FROM residents GROUP BY town"
    found = rows(rich, sql, groups=(("330802001",), ("nowhere",), ("330803001",)))
    assert [row["town"] for row in found] == ["330802001", "nowhere", "330803001"]
    assert [row["n"] for row in found] == [pytest.approx(100, abs=8), pytest.approx(0, abs=8), pytest.approx(100, abs=8)]


UNBOUNDED: list[tuple[str, dict[str, Any]]] = [
    ("SELECT sum(income) AS s FROM residents", {}),
    ("SELECT sum(income) AS s FROM residents", {"bounds": {"income": (5, 5)}}),
    ("SELECT town, count(*) AS n FROM residents GROUP BY town", {}),
    ("SELECT count(*) AS n FROM residents", {"groups": (("x",),)}),
    ("SELECT town, count(*) AS n FROM residents GROUP BY town", {"groups": (("x", "y"),)}),
    ("SELECT count(DISTINCT name) AS n FROM residents", {}),
    ("SELECT count(*) * 2 AS n FROM residents", {}),
    ("SELECT max(income) AS n FROM residents", {}),
    ("SELECT town FROM residents GROUP BY town", {"groups": (("x",),)}),
    ("SELECT town, count(*) AS n FROM residents GROUP BY town HAVING count(*) > 5", {"groups": (("x",),)}),
    ("SELECT town, count(*) AS n FROM residents GROUP BY town ORDER BY n LIMIT 1", {"groups": (("x",),)}),
    # A row of a person and a firm is about both; nobody's rows may decide which of the other's are there.
    ("SELECT count(*) AS n FROM residents r JOIN taxes t ON t.firm = r.name", {}),
    ("SELECT count(*) AS n FROM residents r JOIN visits v ON v.ward = r.town", {}),
    ("SELECT count(*) AS n FROM residents r JOIN visits v ON v.who = r.name", {}),
    ("SELECT count(*) AS n FROM shops s LEFT JOIN residents r ON r.town = s.town", {}),
    ("SELECT count(*) AS n FROM shops", {}),
]


def test_what_no_bounds_can_be_put_to_is_refused_and_costs_nothing(hut: Hut) -> None:
    for sql, how in UNBOUNDED:
        with pytest.raises(BadInput):
            ask(hut, sql, **how)
            pytest.fail(sql)
    assert left(hut) == hut.room.budget


def test_the_same_question_over_the_same_rows_gives_the_same_answer_and_spends_nothing(hut: Hut) -> None:
    first, paid = ask(hut, COUNT)
    assert paid and left(hut) == Decimal("2.9")
    for sql in (COUNT, "select count( * ) as n from residents -- again", "SELECT count(*) AS other FROM residents"):
        again, paid = ask(hut, sql)
        assert (again.id, paid) == (first.id, False)
    assert left(hut) == Decimal("2.9")
    with lake_of(hut.city).engine() as duck:
        more = "SELECT 'ID9' || i AS id, 'x' AS name, '330802001' AS town, 20 AS age, 1.0 AS income, 'd' AS diagnosis FROM range(100) t(i)"
        lake_of(hut.city).upsert("residents", more, Commit("test"), duck=duck)
    other, paid = ask(hut, COUNT)
    assert paid and other.id != first.id and left(hut) == Decimal("2.8")


def test_a_price_is_told_before_and_nothing_is_spent_for_it(hut: Hut) -> None:
    said = Private(sql="SELECT avg(income) AS m FROM residents", purpose="study", bounds={"income": (0, 2000)})
    cost = price_in_room(hut.city, hut.wang, hut.room.id, said)
    assert (cost.epsilon, cost.left) == (Decimal("0.1"), Decimal("2.9"))
    # Half of it for the sum, half for the count: scales of 2000 / 0.05 and 1 / 0.05, and e^-3 is 5 %.
    assert cost.within["m: sum"] == pytest.approx(120_000, rel=0.01) and cost.within["m: n"] == pytest.approx(60, rel=0.05)
    assert left(hut) == hut.room.budget


def test_a_budget_that_is_spent_answers_nothing_more(hut: Hut) -> None:
    for age in range(3):
        ask(hut, f"{COUNT} WHERE age > {20 + age}", epsilon=Decimal(1))
    with pytest.raises(Conflict, match="budget"):
        ask(hut, f"{COUNT} WHERE age > 30")
    assert ask(hut, f"{COUNT} WHERE age > 20", epsilon=Decimal(1))[1] is False
    assert room_on_record(hut.city, hut.room.id).queries_left == 0


def at_once(*calls: Any) -> list[Any]:
    """What several calls come to that begin together."""
    gate, said = threading.Barrier(len(calls)), [None] * len(calls)

    def make(at: int) -> None:
        gate.wait()
        try:
            said[at] = calls[at]()
        except SanquError as fault:
            said[at] = fault  # type: ignore[call-overload]

    threads = [threading.Thread(target=make, args=(at,)) for at in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return said


def test_of_questions_at_once_the_budget_pays_for_no_more_than_it_holds(hut: Hut) -> None:
    said = at_once(*(lambda n=n: ask(hut, f"{COUNT} WHERE age > {20 + n}", epsilon=Decimal(2)) for n in range(4)))  # type: ignore[misc]
    assert [type(one).__name__ for one in said].count("Conflict") == 3
    assert left(hut) == Decimal(1)


def test_the_same_question_at_once_is_paid_for_once(hut: Hut) -> None:
    said = at_once(*(lambda: ask(hut, COUNT, epsilon=Decimal(2)) for _ in range(4)))
    assert len({one[0].id for one in said}) == 1 and [one[1] for one in said].count(True) == 1
    assert left(hut) == Decimal(1)


def test_the_law_comes_before_the_noise(hut: Hut) -> None:
    with pytest.raises(Refused):
        ask(hut, "SELECT count(diagnosis) AS n FROM residents")
    assert left(hut) == hut.room.budget


def test_what_is_spent_is_in_the_ledger(hut: Hut) -> None:
    result, _ = ask(hut, COUNT)
    integrate(hut.city)
    (entry,) = read_entries(hut.city, kind="sandbox.spend")
    assert entry.facts["result"] == str(result.id) and (entry.facts["epsilon"], entry.facts["left"]) == ("0.1", "2.9")
    assert entry.facts["digest"] == result.digest
