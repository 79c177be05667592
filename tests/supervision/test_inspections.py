"""Inspections from the draw to the public: visits, partners, correction, the dataset of results."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from sanqu.cases.history import find_case
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import BadInput, NotFound, Refused
from sanqu.ground.people.askers import PUBLIC
from sanqu.sharing.door import Question, ask
from sanqu.supervision.drawing import commit_draw, void_draw
from sanqu.supervision.figures import figures
from sanqu.supervision.inspections import (
    Wanted,
    draw_and_open,
    export_inspections,
    find_inspection,
    list_inspections,
    open_inspections,
)
from sanqu.supervision.records import Inspection
from sanqu.supervision.results import public_results
from tests.supervision.conftest import Office

TODAY = now().astimezone(CITY_ZONE).date()
ON = TODAY.isoformat()


def drawn(office: Office, **rules: Any) -> list[Inspection]:
    """Inspections of a new plan, with their cases."""
    plan = office.plan(**rules)
    commit_draw(office.city, office.chief, plan.number)
    draw_and_open(office.city, office.chief, plan.number, "word")
    return list_inspections(office.city, office.officer, Wanted(plan=plan.number), 100)[0]


def again(office: Office, one: Inspection) -> Inspection:
    return find_inspection(office.city, office.officer, one.number)


def test_one_visit_serves_two_departments_and_its_result_is_open_to_everybody(office: Office) -> None:
    one = drawn(office)[0]
    office.visit(one, on=ON)
    assert again(office, one).state == "visited"
    office.act(office.ecology, one.case, "partner", verdict="agree")
    case = office.act(office.chief, one.case, "review", publish=True)
    assert case.state == "done" and again(office, one).state == "published"
    rows, count = public_results(office.city, PUBLIC)
    assert count == 1 and rows[0]["inspection"] == one.number and rows[0]["result_text"] == "未发现问题" and rows[0]["units"] == "3308-sjj 3308-sthj"
    # Credit reads it where everybody does: no grade in it, and one row each however often it is written.
    table = ask(office.city, office.outsider, Question("SELECT target, result FROM \"inspection-results\"")).table
    assert table.to_pylist() == [{"target": one.target, "result": "none"}]


def test_what_is_found_must_be_corrected_and_is_inspected_again(office: Office) -> None:
    one = drawn(office)[0]
    office.visit(one, "correct", wrong=("waste.permit",), on=ON, visit_note="许可证过期")
    office.act(office.ecology, one.case, "partner", verdict="problem", partner_note="台账不全")
    assert (again(office, one).state, again(office, one).problems) == ("correcting", 2)
    office.act(office.officer, one.case, "correct", correction="已换证")
    office.act(office.officer, one.case, "recheck", corrected="no")
    assert again(office, one).state == "correcting"
    office.act(office.officer, one.case, "correct", correction="台账已补")
    office.act(office.officer, one.case, "recheck", corrected="yes")
    office.act(office.chief, one.case, "review", publish=True)
    done = again(office, one)
    assert (done.state, done.result, done.corrected) == ("published", "correct", TODAY)
    assert public_results(office.city, PUBLIC, result="correct")[1] == 1 and public_results(office.city, PUBLIC, result="pending")[1] == 0


def test_who_does_not_correct_it_twice_has_a_case_filed_and_a_partner_alone_may_find_something(office: Office) -> None:
    one = drawn(office)[0]
    office.visit(one, on=ON)
    office.act(office.ecology, one.case, "partner", verdict="problem", partner_note="台账不全")
    assert again(office, one).result == "correct"
    for _ in range(2):
        office.act(office.officer, one.case, "correct", correction="还没有")
        office.act(office.officer, one.case, "recheck", corrected="no")
    office.act(office.chief, one.case, "review", publish=False, review_note="涉及商业秘密")
    assert (again(office, one).state, again(office, one).result) == ("withheld", "pending")
    # The draw may have hit a firm of which another test published something.
    assert one.number not in {row["inspection"] for row in public_results(office.city, PUBLIC, text=one.name)[0]}


@pytest.mark.parametrize(
    ("result", "wrong", "on", "more", "said"),
    [
        ("none", ("waste.permit",), TODAY, {}, "contradicts"), ("correct", (), TODAY, {}, "contradicts"),
        ("none", (), TODAY + timedelta(days=1), {}, "between the draw and today"), ("none", (), TODAY - timedelta(days=9), {}, "between the draw and today"),
    ],
)  # fmt: skip
def test_a_visit_that_cannot_be_is_said(office: Office, result: str, wrong: tuple[str, ...], on: Any, more: dict[str, Any], said: str) -> None:
    one = drawn(office, each=1)[0]
    with pytest.raises(BadInput, match=said):
        office.visit(one, result, wrong=wrong, on=on.isoformat(), **more)
    # Nothing of it was kept: the visit still waits.
    assert again(office, one).state == "notified"


def test_without_a_signature_one_says_why_and_a_checklist_is_whole(office: Office) -> None:
    one = drawn(office, each=1)[0]
    office.act(office.officer, one.case, "notify", visit_on=ON, announced=False)
    with pytest.raises(BadInput, match="not whole"):
        office.act(office.officer, one.case, "visit", visited=ON, result="none", checks={"waste.permit": "ok"}, visit_note="拒签")
    with pytest.raises(BadInput, match="has no"):
        office.act(office.officer, one.case, "visit", visited=ON, result="unreachable", checks={"other.x": "ok"}, visit_note="拒签")
    with pytest.raises(BadInput, match="signature"):
        office.act(office.officer, one.case, "visit", visited=ON, result="unreachable")
    office.act(office.officer, one.case, "visit", visited=ON, result="unreachable", visit_note="大门紧闭，无人应答")
    assert again(office, one).result == "unreachable"


def test_others_do_not_see_an_inspection_and_the_list_is_exported(office: Office) -> None:
    one = drawn(office)[0]
    with pytest.raises(NotFound):
        find_inspection(office.city, office.outsider, one.number)
    with pytest.raises(Refused):
        list_inspections(office.city, PUBLIC, Wanted())
    assert find_case(office.city, office.officer, str(one.case)).unit == "3308-sjj"
    lines = "".join(export_inspections(office.city, office.officer, Wanted())).splitlines()
    assert len(lines) == 7 and lines[0].startswith("\ufeffnumber,plan")


def test_cases_that_a_draw_did_not_start_are_started_later_once_and_void_ones_are_not(office: Office) -> None:
    one = drawn(office)[0]
    assert one.case and open_inspections(office.city) == 0
    with office.city.db.connection() as conn:
        conn.execute("UPDATE supervision_inspection SET case_number = NULL")
    assert open_inspections(office.city, most=2) == 2
    void_draw(office.city, office.chief, one.plan, "见证人未到场")
    assert open_inspections(office.city) == 0


def test_figures_tell_coverage_problems_by_grade_and_how_often_firms_were_bothered(office: Office) -> None:
    found_out = [one for one in drawn(office, each=30) if one.target in ("E000", "E001")]
    # A large draw opens its first cases at once, the others in the background.
    open_inspections(office.city)
    for one in found_out:
        office.visit(again(office, one), "correct", wrong=("waste.permit",), on=ON)
    found = figures(office.city, office.chief, now())
    assert (found.universe, found.firms, found.coverage, found.bothered) == (60, 60, 1.0, ((1, 60),))
    by_grade = {one.grade: one for one in found.grades}
    assert by_grade["D"].drawn == 6 and by_grade["D"].problem_rate == 1.0 and by_grade["B"].visited == 1
    assert figures(office.city, office.outsider, now()).drawn == 0


def test_the_worker_knows_what_the_processes_do_in_code() -> None:
    asked = "from sanqu.cli.worker import register_jobs; register_jobs(); from sanqu.cases.hooks import has_service; " \
        "print(has_service('inspection', 'notified'), has_service('report-fill', 'publish'))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=600)
    assert done.stdout.split() == ["True", "True"], done.stderr
