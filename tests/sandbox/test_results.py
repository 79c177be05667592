"""What leaves a room by rule, what waits for a steward, and that nothing else leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sanqu.ground.errors import Conflict, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM
from sanqu.sandbox.approval import approve, look_at, refuse, waiting_for
from sanqu.sandbox.results import ask_in_room, explain_in_room, mark_seen, news_for, take_out
from sanqu.sandbox.rooms import add_member, room_for
from sanqu.sandbox.uploads import add_upload

from .conftest import Granter, Granting, Hut, open_room


def test_figures_over_enough_subjects_pass_and_leave(hut: Hut) -> None:
    found = hut.rows("SELECT town, count(*) AS n, avg(income) AS mean FROM residents GROUP BY town ORDER BY town")
    assert [(row["n"], round(row["mean"])) for row in found] == [(100, 1148), (100, 1150), (100, 1150)]


OF_A_FEW = [
    ("SELECT * FROM residents", "shape"),
    ("SELECT name, income FROM residents ORDER BY income DESC LIMIT 1", "shape"),
    ("SELECT max(income) AS m FROM residents", "shape"),
    ("SELECT sum(income * age) AS s FROM residents", "shape"),
    ("SELECT sum(CASE WHEN name = 'person 7' THEN income ELSE 0 END) AS s FROM residents", "shape"),
    ("SELECT count(*) AS n FROM residents WHERE income IN (SELECT max(income) FROM residents)", "shape"),
    ("SELECT town, sum(income) OVER () AS s FROM residents", "shape"),
    ("SELECT count(*) AS n FROM residents WHERE CAST(name AS INTEGER) > 1", "shape"),
    ("SELECT count(*) AS n FROM residents WHERE name = 7", "shape"),
    ("SELECT DISTINCT town FROM residents", "shape"),
    ("SELECT count(*) AS n FROM residents UNION ALL SELECT income FROM residents", "shape"),
    ("SELECT string_agg(name, ',') AS s FROM residents", "shape"),
    ("SELECT count(*) FILTER (WHERE name = 'person 7') AS n FROM residents", "shape"),
    ("SELECT name, count(*) AS n FROM residents GROUP BY name", "least"),
    ("SELECT count(*) AS n FROM residents WHERE name = 'person 7'", "names"),
    ("SELECT count(*) AS n FROM residents WHERE age > 1000", "least"),
    ("SELECT count(*) AS n FROM residents WHERE name <> 'nobody'", "names"),
    ("SELECT count(*) AS n FROM residents WHERE left(name, 8) = 'person 7'", "names"),
    ("SELECT count(*) AS n FROM residents WHERE age = 20 AND income > 1200", "least"),
    ("SELECT count(*) AS n FROM residents WHERE town IN ('330802001', 'x') AND income > 1295", "shape"),
    ("SELECT count(*) AS n FROM residents WHERE income <> 1007.5", "shape"),
    ("SELECT count(*) AS n FROM residents WHERE income IN (1007, 1008)", "shape"),
    ("SELECT count(*) AS n FROM residents WHERE NOT (age = 20 AND income > 1200)", "parts"),
    ("SELECT count(*) AS n FROM residents WHERE age IN (21, 22) OR (age = 20 AND income > 1200)", "parts"),
    ("SELECT town, count(*) AS n FROM residents GROUP BY town, age HAVING count(*) > 8", "least"),
    ("SELECT count(*) AS n FROM residents r JOIN shops s ON s.town = r.town", "once"),
]


def test_what_could_tell_of_a_few_waits(hut: Hut) -> None:
    for sql, rule in OF_A_FEW:
        result = hut.ask(sql)
        assert (result.state, result.cause["rule"]) == ("waiting", rule), sql
        assert (result.rows, result.digest) == (None, None)
        with pytest.raises(Refused, match="may not leave"):
            hut.out(result)


def test_how_many_have_a_value_is_not_subtracted_from_how_many_there_are(careful: Hut) -> None:
    assert careful.rows("SELECT count(*) AS n FROM residents WHERE age < 40") == [{"n": 120}]
    for figure in ("count(income)", "count(name)", "count(DISTINCT id)"):
        assert careful.ask(f"SELECT {figure} AS n FROM residents WHERE age < 41").cause["rule"] == "differencing", figure


def test_what_was_brought_along_picks_by_categories_and_by_nobodys_name(hut: Hut) -> None:
    add_upload(hut.city, hut.wang, hut.room, "ids", b"ids\nID0001\nID0002\nID0003\nID0004\nID0005\nID0006\n")
    add_upload(hut.city, hut.wang, hut.room, "towns", b"town,kind,rich\n330802001,hill,1100\n330802002,plain,1100\n330803001,plain,1100\n")
    by_kind = "SELECT m.kind, count(*) AS n FROM residents r JOIN my_towns m ON m.town = r.town GROUP BY m.kind ORDER BY n"
    # The header says that towns are numbers; what is compared must be of one kind.
    assert hut.ask(by_kind).cause["rule"] == "shape"
    add_upload(hut.city, hut.wang, hut.room, "places", b"town,kind,rich\n330802001,hill,1100\n330802002,plain,1100\n'330803001,plain,1100\n")
    assert hut.rows(by_kind.replace("my_towns", "my_places")) == [{"kind": "hill", "n": 100}, {"kind": "plain", "n": 100}]
    assert hut.ask("SELECT count(*) AS n FROM residents r JOIN my_ids m ON m.ids = r.id").cause["rule"] == "names"
    by_limit = "SELECT count(*) AS n FROM residents r JOIN my_places m ON m.town = r.town WHERE r.income > m.rich"
    assert hut.ask(by_limit).cause["rule"] == "shape"


def test_when_too_many_results_failed_a_rule_all_wait(hut: Hut) -> None:
    for at in range(30):
        assert hut.ask(f"SELECT count(*) AS n FROM residents WHERE age > {1000 + 10 * at}").cause["rule"] == "least"
    assert hut.ask("SELECT count(*) AS n FROM residents").cause["rule"] == "tried"


def test_what_a_steward_let_out_counts_as_told(hut: Hut) -> None:
    result = hut.ask("SELECT count(*) AS n FROM residents WHERE name <> 'person 7'")
    assert result.cause["rule"] == "names"
    approve(hut.city, hut.civil, result.id, "no harm")
    assert hut.ask("SELECT count(*) AS n FROM residents").cause["rule"] == "differencing"


def test_a_member_finds_a_note_of_what_was_decided_until_it_was_looked_at(hut: Hut) -> None:
    result = hut.ask("SELECT name FROM residents")
    assert news_for(hut.city, hut.wang) == []
    refuse(hut.city, hut.civil, result.id, "names")
    assert [(one.id, one.cause["reason"]) for one in news_for(hut.city, hut.wang)] == [(result.id, "names")]
    assert news_for(hut.city, hut.li) == []
    mark_seen(hut.city, hut.li, result)
    assert news_for(hut.city, hut.wang)
    mark_seen(hut.city, hut.wang, result)
    assert news_for(hut.city, hut.wang) == []


def test_a_cell_that_one_or_two_contributors_make_up_waits(hut: Hut) -> None:
    assert hut.rows("SELECT sum(paid) AS s FROM taxes WHERE trade = 'inns'")
    for trade in ("mines", "mills"):
        result = hut.ask(f"SELECT sum(paid) AS s FROM taxes WHERE trade = '{trade}'")
        assert (result.state, result.cause["rule"]) == ("waiting", "dominance")
    assert hut.ask("SELECT ward, sum(cost) AS s FROM visits GROUP BY ward").cause["rule"] == "dominance"
    assert hut.ask("SELECT ward, count(*) AS n FROM visits GROUP BY ward").cause["rule"] == "dominance"


def test_a_room_has_dominance_rules_of_its_own(hut: Hut, grant_all: Granter) -> None:
    strict = open_room(hut.city, "strict", dominance=({"n": 3, "p": 10},))
    grant_all(strict)
    with hut.city.db.connection() as conn:
        conn.execute("INSERT INTO sandbox_member (room, person, actor) VALUES (%s, %s, 'test')", (strict.id, hut.wang.user_id))
    sql = "SELECT sum(paid) AS s FROM taxes WHERE trade = 'inns'"
    assert ask_in_room(hut.city, hut.wang, strict.id, sql).cause["rule"] == "dominance"


def test_what_a_member_could_read_in_another_room_counts_as_told(hut: Hut, careful: Hut) -> None:
    assert hut.rows("SELECT sum(income) AS s FROM residents WHERE age < 40", hut.li)
    near = "SELECT sum(income) AS s FROM residents WHERE age < 41"
    assert careful.ask(near, careful.wang).cause["rule"] == "differencing"


@pytest.fixture
def careful(hut: Hut, grant_all: Granter) -> Hut:
    """A room with groups of eight, in which six people of one age are a few."""
    room = open_room(hut.city, "careful", least=8)
    grant_all(room)
    for one in (hut.wang, hut.li):
        add_member(hut.city, SYSTEM, room.id, one.name)
    return replace(hut, room=room)


def test_two_figures_that_differ_by_a_few_are_not_both_told_to_the_room(careful: Hut) -> None:
    assert careful.rows("SELECT count(*) AS n FROM residents WHERE age < 40") == [{"n": 120}]
    for member in (careful.wang, careful.li):
        result = careful.ask("SELECT count(*) AS n FROM residents WHERE age < 41", member)
        assert (result.state, result.cause["rule"]) == ("waiting", "differencing")
    assert careful.rows("SELECT count(*) AS n FROM residents WHERE age < 40", careful.li) == [{"n": 120}]


def test_one_person_in_two_rooms_is_one_asker(hut: Hut, careful: Hut) -> None:
    assert hut.rows("SELECT sum(income) AS s FROM residents WHERE age < 40")
    assert careful.ask("SELECT sum(income) AS s FROM residents WHERE age < 41").cause["rule"] == "differencing"


def test_the_steward_looks_and_agrees_and_only_then_it_leaves(hut: Hut) -> None:
    result = hut.ask("SELECT name, income FROM residents ORDER BY income LIMIT 2")
    with pytest.raises(Refused):
        look_at(hut.city, hut.wang, result.id)
    with pytest.raises(Refused):
        approve(hut.city, hut.wang, result.id, "mine")
    with pytest.raises(NotFound):
        approve(hut.city, hut.tax, result.id, "not mine")
    assert [one.id for one in waiting_for(hut.city, hut.civil)] == [result.id]
    assert waiting_for(hut.city, hut.tax) == []
    _, seen = look_at(hut.city, hut.civil, result.id)
    assert seen.table.to_pylist()[0] == {"name": "person 0", "income": 1000.0}
    approved = approve(hut.city, hut.civil, result.id, "published anyway")
    assert approved.state == "approved"
    assert hut.out(result).data == seen.data
    with pytest.raises(Conflict):
        refuse(hut.city, hut.civil, result.id, "too late")
    integrate(hut.city)
    (entry,) = read_entries(hut.city, kind="sandbox.approve")
    assert entry.facts["reason"] == "published anyway" and entry.facts["digest"] == approved.digest


def test_what_a_steward_refuses_never_leaves(hut: Hut) -> None:
    result = hut.ask("SELECT name FROM residents")
    refused = refuse(hut.city, hut.civil, result.id, "names")
    assert (refused.state, refused.cause["reason"]) == ("refused", "names")
    with pytest.raises(Refused):
        hut.out(result)
    with pytest.raises(Conflict):
        approve(hut.city, hut.civil, result.id, "after all")
    integrate(hut.city)
    assert read_entries(hut.city, kind="sandbox.refuse")[0].facts["reason"] == "names"


def test_a_result_over_data_of_two_stewards_leaves_when_both_agree(hut: Hut) -> None:
    result = hut.ask("SELECT r.name, t.paid FROM residents r JOIN taxes t ON t.firm = r.name")
    assert result.datasets == ("residents", "taxes")
    assert approve(hut.city, hut.civil, result.id, "ours").state == "waiting"
    with pytest.raises(Refused, match="look"):
        look_at(hut.city, hut.tax, result.id)
    assert approve(hut.city, hut.tax, result.id, "ours too").state == "approved"


def test_nobody_agrees_to_a_result_of_their_own(hut: Hut) -> None:
    add_member(hut.city, SYSTEM, hut.room.id, hut.civil.name)
    result = hut.ask("SELECT name FROM residents", hut.civil)
    with pytest.raises(Refused, match="their own"):
        approve(hut.city, hut.civil, result.id, "why not")


def test_what_is_open_to_everyone_leaves_as_it_is(hut: Hut) -> None:
    assert hut.rows("SELECT no, turnover FROM shops ORDER BY no LIMIT 1") == [{"no": 0, "turnover": 0.0}]


def test_roles_and_grants_of_a_person_stay_outside(hut: Hut, grant: Granting) -> None:
    grant("roads", f"user:{hut.wang.user_id}", plan="plain", purposes=("study",))
    with pytest.raises(NotFound):
        hut.ask("SELECT no FROM roads")
    with pytest.raises(Refused):
        hut.ask("SELECT diagnosis FROM residents")
    with pytest.raises(Refused, match="for: study"):
        ask_in_room(hut.city, hut.wang, hut.room.id, "SELECT count(*) FROM residents", "curiosity")


def test_a_room_is_known_to_its_people_only(hut: Hut) -> None:
    with pytest.raises(NotFound):
        room_for(hut.city, hut.outsider, hut.room.id)
    result = hut.ask("SELECT count(*) AS n FROM residents")
    with pytest.raises(NotFound):
        take_out(hut.city, hut.outsider, result.id)
    with pytest.raises(NotFound):
        hut.ask("SELECT count(*) AS n FROM residents", hut.outsider)


def test_explaining_says_whether_a_steward_will_have_to_look(hut: Hut) -> None:
    decision, failed = explain_in_room(hut.city, hut.wang, hut.room.id, "SELECT name FROM residents", "study")
    assert decision.allowed and failed is not None and failed.rule == "shape"
    _, failed = explain_in_room(hut.city, hut.wang, hut.room.id, "SELECT count(*) AS n FROM residents", "study")
    assert failed is None


def test_the_ledger_says_of_a_result_neither_how_many_rows_nor_what_they_are(hut: Hut) -> None:
    hut.ask("SELECT income FROM residents WHERE name = 'person 7'")
    integrate(hut.city)
    entries = [*read_entries(hut.city, kind="sharing.read"), *read_entries(hut.city, kind="sandbox.result")]
    assert len(entries) == 2 and {entry.facts.get("rows", 0) for entry in entries} == {0}
    assert "1007" not in str([entry.facts for entry in entries])
