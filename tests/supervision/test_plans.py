"""Plans, commitments, draws and their evidence, in a city with firms, grades and inspectors."""

from __future__ import annotations

import copy
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.ledger import read_entries
from sanqu.ground.people.askers import PUBLIC
from sanqu.supervision.commands import app
from sanqu.supervision.drawing import all_draws, commit_draw, draws_of, find_draw, make_draw, void_draw
from sanqu.supervision.evidence import check_file, verify_file
from sanqu.supervision.inspections import Wanted, list_inspections
from sanqu.supervision.plans import make_plan
from sanqu.supervision.registers import Inspector, avoid, list_inspectors, save_inspector
from tests.supervision.conftest import RULES, Office


def kinds(office: Office, plan: str) -> list[str]:
    return [entry.kind for entry in reversed(read_entries(office.city, kind="supervision", subject=f"plan:{plan}"))]


def test_the_commitment_stands_in_the_ledger_before_the_draw_and_the_file_proves_it(office: Office, tmp_path: Path) -> None:
    plan = office.plan()
    committed = commit_draw(office.city, office.chief, plan.number)
    # The seed is nobody's until the draw: neither in what is shown nor in the ledger.
    assert committed.state == "committed" and committed.anchored and committed.seed == ""
    seed = bytes(find_draw(office.city, plan.number, 1)["seed"]).hex()
    assert all(seed not in entry.body for entry in read_entries(office.city))
    with pytest.raises(Conflict, match="sealed"):
        verify_file(office.city, PUBLIC, plan.number, 1)
    drawn = make_draw(office.city, office.chief, plan.number, " 双色球 2026-137：06 17 ")
    assert drawn.taken == 6 and drawn.seed == seed
    assert kinds(office, plan.number) == ["supervision.plan", "supervision.committed", "supervision.drawn"]
    file = json.loads(json.dumps(verify_file(office.city, PUBLIC, plan.number, 1)))
    verdict = check_file(file)
    assert verdict.drawn == 6 and verdict.committed < verdict.revealed
    assert check_file(file, file["ledger"]["revealed"]["public_key"]) == verdict
    path = tmp_path / "draw.json"
    path.write_text(json.dumps(file), "utf-8")
    said = CliRunner().invoke(app, ["verify", str(path)])
    assert said.exit_code == 0 and "重抽一致" in said.stdout
    with pytest.raises(BadInput, match="key given"):
        check_file(file, "AAAA" + file["ledger"]["revealed"]["public_key"][4:])


def test_the_public_file_names_nobody_and_the_plans_own_people_see_who_stands_behind_the_numbers(office: Office) -> None:
    plan = office.plan()
    commit_draw(office.city, office.chief, plan.number)
    make_draw(office.city, office.chief, plan.number)
    public = json.dumps(verify_file(office.city, PUBLIC, plan.number, 1), ensure_ascii=False)
    assert "样例企业" not in public and "ZJ-" not in public and '"names"' not in public
    own = verify_file(office.city, office.ecology, plan.number, 1)
    assert check_file(own).drawn == 6 and len(own["names"]["targets"]) == 60
    assert "names" not in verify_file(office.city, office.outsider, plan.number, 1)
    own["names"]["targets"][0]["id"] = "E999"
    with pytest.raises(BadInput, match="stands behind"):
        check_file(own)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file["ledger"]["committed"].update(body=file["ledger"]["committed"]["body"].replace("committed", "drawn")),
        lambda file: file["ledger"].update(committed=file["ledger"]["revealed"]),
        lambda file: file["ledger"].update(revealed=file["ledger"]["committed_now"]),
        # A commitment whose first proof is of today could have been written after the draw.
        lambda file: file["ledger"].update(committed=file["ledger"]["committed_now"]),
        lambda file: file.update(plan="SJ2026-9999"),
        lambda file: file.update(round=2),
        lambda file: file.pop("ledger"),
    ],
)
def test_a_tampered_proof_is_found(drawn_file: dict[str, Any], change: Any) -> None:
    check_file(drawn_file)
    changed = copy.deepcopy(drawn_file)
    change(changed)
    with pytest.raises(BadInput, match="does not hold"):
        check_file(changed)


@pytest.fixture(scope="module")
def drawn_file(furnished: Office) -> dict[str, Any]:
    """The verify file of a draw."""
    plan = furnished.plan()
    commit_draw(furnished.city, furnished.chief, plan.number)
    make_draw(furnished.city, furnished.chief, plan.number, "word")
    file: dict[str, Any] = json.loads(json.dumps(verify_file(furnished.city, furnished.boss, plan.number, 1)))
    return file


def test_lists_or_a_seed_that_were_changed_after_the_commitment_are_not_drawn_from(office: Office) -> None:
    plan = office.plan()
    commit_draw(office.city, office.chief, plan.number)
    with office.city.db.connection() as conn:
        conn.execute("UPDATE supervision_draw SET lists = replace(lists, '\"weight\":\"8\"', '\"weight\":\"1\"')")
    with pytest.raises(Conflict, match="not those of the commitment"):
        make_draw(office.city, office.chief, plan.number)
    # Nor where digest and commitment were made to fit: the ledger knows another.
    with office.city.db.connection() as conn:
        conn.execute("UPDATE supervision_draw SET digest = encode(sha256(convert_to(lists, 'UTF8')), 'hex')")
        conn.execute("UPDATE supervision_draw SET commitment = encode(sha256(convert_to('sanqu.draw/1' || E'\\n' || encode(seed, 'hex') || E'\\n' || digest, 'UTF8')), 'hex')")
    with pytest.raises(Conflict, match="not those of the commitment"):
        make_draw(office.city, office.chief, plan.number)


def test_a_draw_is_not_repeated_in_secret(office: Office) -> None:
    plan = office.plan()
    commit_draw(office.city, office.chief, plan.number)
    with pytest.raises(Conflict, match="stands already"):
        commit_draw(office.city, office.chief, plan.number)
    with pytest.raises(BadInput):
        void_draw(office.city, office.chief, plan.number, " ")
    void_draw(office.city, office.chief, plan.number, "名单漏了江山市的企业")
    # What it would have given can be seen: nobody looks first and then asks for another.
    assert check_file(verify_file(office.city, PUBLIC, plan.number, 1)).state == "void"
    commit_draw(office.city, office.chief, plan.number)
    make_draw(office.city, office.chief, plan.number)
    with pytest.raises(Conflict, match="could be drawn"):
        make_draw(office.city, office.chief, plan.number)
    void_draw(office.city, office.chief, plan.number, "见证人未到场")
    assert check_file(verify_file(office.city, PUBLIC, plan.number, 2)).drawn == 6
    listed, count = all_draws(office.city)
    assert count == 2 and [(one.round, one.state, one.reason) for one, _, _ in listed] == [(2, "void", "见证人未到场"), (1, "void", "名单漏了江山市的企业")]
    assert list_inspections(office.city, office.officer, Wanted(state="drawn"))[1] == 0


def test_weights_come_from_the_newest_credit_grade_and_the_unrated_have_their_own(office: Office) -> None:
    plan = office.plan(weights={"A": "1", "B": "2", "D": "8", "-": "3"})
    commit_draw(office.city, office.chief, plan.number)
    row = find_draw(office.city, plan.number, 1)
    weights = Counter(one["weight"] for one in json.loads(row["lists"])["targets"])
    assert weights == {"2": 53, "8": 6, "3": 1}


def test_nobody_inspects_whom_they_must_avoid_and_who_is_away_does_not_go(office: Office) -> None:
    with office.city.db.connection() as conn:
        for n in range(60):
            avoid(conn, office.chief, f"E{n:03d}", "kin", inspector="ZJ-0000")
        avoid(conn, office.boss, "E000", "unit", unit="330802-sjj")
        save_inspector(conn, office.boss, Inspector("ZJ-0003", "执法员3（样例）", "3308-sjj", away_from=date(2020, 1, 1), away_until=date(2099, 1, 1)))
        save_inspector(conn, office.boss, Inspector("ZJ-0006", "执法员6（样例）", "3308-sjj", valid_until=date(2020, 1, 1)))
    try:
        plan = office.plan(each=30)
        # One firm has nobody but those who must avoid it: that is said before anything is committed to.
        with pytest.raises(Conflict, match="fewer than 2 inspectors") as fault:
            commit_draw(office.city, office.chief, plan.number)
        assert fault.value.thing == "E000" and draws_of(office.city, plan) == []
        with office.city.db.connection() as conn:
            conn.execute("DELETE FROM supervision_avoidance WHERE unit IS NOT NULL")
        commit_draw(office.city, office.chief, plan.number)
        make_draw(office.city, office.chief, plan.number)
        gone = Counter(one for each in list_inspections(office.city, office.chief, Wanted(), 100)[0] for one in each.inspectors)
        assert {"ZJ-0000", "ZJ-0003", "ZJ-0006"}.isdisjoint(gone) and sum(gone.values()) == 60 * 3
    finally:
        with office.city.db.connection() as conn:
            conn.execute("UPDATE supervision_inspector SET away_from = NULL, away_until = NULL, valid_until = NULL")


def test_a_firm_is_not_bothered_more_often_than_the_plan_allows(office: Office) -> None:
    rules = {"each": 30, "most_visits": 1, "counties": ["柯城区"]}
    first = office.plan(**rules)
    commit_draw(office.city, office.chief, first.number)
    make_draw(office.city, office.chief, first.number)
    with pytest.raises(Conflict, match="nobody to draw"):
        commit_draw(office.city, office.chief, office.plan(**rules).number)
    assert list_inspections(office.city, office.chief, Wanted())[1] == 30
    wider = office.plan(each=5, most_visits=1)
    draw = commit_draw(office.city, office.chief, wider.number)
    assert (draw.targets, draw.left_out) == (30, 30)


def test_only_stewards_of_the_unit_in_the_lead_plan_and_draw(office: Office) -> None:
    for asker in (office.officer, office.ecology_chief, office.outsider, PUBLIC):
        with pytest.raises(Refused):
            make_plan(office.city, asker, "x", RULES)
    plan = office.plan()
    with pytest.raises(Refused):
        commit_draw(office.city, office.officer, plan.number)
    with pytest.raises(NotFound):
        commit_draw(office.city, office.chief, "SJ2026-9999")
    # Who may not read credit grades cannot weigh by them; the door says which item and why.
    other = make_plan(office.city, office.ecology_chief, "排污抽查", {**RULES, "items": ["waste"], "teams": [{"unit": "3308-sthj", "count": 1}]})
    with pytest.raises(Refused, match="credit-ratings"):
        commit_draw(office.city, office.ecology_chief, other.number)


@pytest.mark.parametrize(
    "rules",
    [
        {"each": 0}, {"items": []}, {"teams": []}, {"weights": {"A": "0", "-": "1"}}, {"weights": {"A": "1"}}, {"weights": {"A": "x", "-": "1"}},
        {"quota": {"柯城区": -1}}, {"group": "colour"}, {"more": 1}, {"teams": [{"unit": "3308-sjj"}, {"unit": "3308-sjj"}]},
    ],
)  # fmt: skip
def test_rules_that_do_not_fit_are_named(office: Office, rules: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        office.plan(**rules)


def test_inspectors_are_listed_by_unit_and_checked(office: Office) -> None:
    assert list_inspectors(office.city, "3308-sjj")[1] == 3 and list_inspectors(office.city, text="0004")[1] == 1
    with office.city.db.connection() as conn, pytest.raises(Refused):
        save_inspector(conn, office.ecology_chief, Inspector("ZJ-0001", "x", "330802-sjj"))
    with office.city.db.connection() as conn, pytest.raises(BadInput):
        save_inspector(conn, office.boss, Inspector("!", "x", "3308-sjj"))
