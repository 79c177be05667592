"""Versions of a process: deployed from files, drawn, and cases that move from one to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from lxml import etree

from sanqu.cases.deploying import deploy_file, versions_of
from sanqu.cases.diagram import Mark, diagram_of
from sanqu.cases.history import case_tasks
from sanqu.cases.migrating import migrate_case
from sanqu.cases.processes import declare_process
from sanqu.cases.records import Case
from sanqu.cases.start import start_case
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from tests.cases.conftest import People, drawn
from tests.cases.drawing import element, flows, many, process, properties, table, timer, user

FIRST = process(user("a"), user("b"), user("c"), flows("s>a", "a>b", "b>c", "c>e"))
# `a` is gone, and a step is new after `b`.
SECOND = process(user("b"), user("new"), user("c"), flows("s>b", "b>new", "new>c", "c>e"))
WITHOUT = process(user("a"), user("c"), flows("s>a", "a>c", "c>e"))
OTHER = process(user("a"), element("scriptTask", "b", "<script>n = 1</script>"), user("c"), flows("s>a", "a>b", "b>c", "c>e"))


def at_b(city: City, people: People) -> Case:
    declare_process(city, "moved", FIRST, SYSTEM)
    case = start_case(city, people.applicant, "moved", "试")
    return do(city, people, case, "a")


def do(city: City, people: People, case: Case, name: str) -> Case:
    task = next(one for one in case_tasks(city, SYSTEM, case.number) if (one.name, one.state) == (name, "ready"))
    return complete_task(city, people.applicant, task.id, {})


def test_a_running_case_moves_to_the_newest_version_and_goes_on_there(city: City, people: People) -> None:
    case = at_b(city, people)
    declare_process(city, "moved", SECOND, SYSTEM)
    with pytest.raises(Refused):
        migrate_case(city, people.officer, case.number)
    with pytest.raises(NotFound):
        migrate_case(city, SYSTEM, case.number, 7)
    moved = migrate_case(city, SYSTEM, case.number)
    assert moved.version == 2
    with pytest.raises(Conflict):
        migrate_case(city, SYSTEM, case.number)
    for name in ("b", "new"):
        assert do(city, people, case, name).state == "open"
    ended = do(city, people, case, "c")
    assert (ended.state, ended.version) == ("done", 2)
    assert [one.name for one in case_tasks(city, SYSTEM, case.number)] == ["a", "b", "new", "c"]
    with pytest.raises(Conflict):
        migrate_case(city, SYSTEM, case.number, 1)


@pytest.mark.parametrize("newer", [WITHOUT, OTHER], ids=["gone", "of another kind"])
def test_a_case_whose_step_the_version_does_not_have_stays_and_the_step_is_named(city: City, people: People, newer: str) -> None:
    case = at_b(city, people)
    declare_process(city, "moved", newer, SYSTEM)
    with pytest.raises(Conflict, match="stands at b"):
        migrate_case(city, SYSTEM, case.number)
    assert do(city, people, case, "b").version == 1
    assert do(city, people, case, "c").state == "done"


def test_cases_in_loops_subprocesses_and_with_timers_move_too(city: City, people: People) -> None:
    inner = element("startEvent", "is") + user("look", unit="member") + element("endEvent", "ie") + flows("is>look", "look>ie")
    each = element("subProcess", "each", inner + many("units", "member", "results"))
    late = element("boundaryEvent", "late", timer("1wd"), attachedToRef="first") + element("endEvent", "e2")
    before = process(user("first"), late, each, flows("s>first", "first>each", "each>e", "late>e2"))
    after = process(user("first"), late, each, user("last"), flows("s>first", "first>each", "each>last", "last>e", "late>e2"))
    declare_process(city, "many", before, SYSTEM)
    one, other = (start_case(city, people.applicant, "many", "试", data={"units": ["330802", "330802-water"]}) for _ in range(2))
    do(city, people, other, "first")
    declare_process(city, "many", after, SYSTEM)
    for case in (one, other):
        migrate_case(city, SYSTEM, case.number)
    do(city, people, one, "first")
    for case in (one, other):
        for task in case_tasks(city, SYSTEM, case.number):
            if task.state == "ready":
                complete_task(city, people.water if task.unit == "330802-water" else people.officer, task.id, {})
        assert do(city, people, case, "last").state == "done"


def test_a_process_is_deployed_with_what_lies_beside_it(city: City, tmp_path: Path) -> None:
    xml = process(
        element("businessRuleTask", "d", properties(decision="urgency")), user("f", unit="applicant", **{"form.file": "f.json"}),
        flows("s>d", "d>f", "f>e"),
    )  # fmt: skip
    (tmp_path / "tried.bpmn").write_text(xml, "utf-8")
    with pytest.raises(BadInput, match=r"no form f\.json"):
        deploy_file(city, tmp_path / "tried.bpmn", SYSTEM)
    (tmp_path / "u.dmn").write_text(table("urgency", ["depth"], ["within"], [["-", '"5wd"']]), "utf-8")
    (tmp_path / "f.json").write_text('{"type": "object", "properties": {"ok": {"type": "boolean"}}}', "utf-8")
    (tmp_path / "other.json").write_text("not even JSON", "utf-8")
    assert [deploy_file(city, tmp_path / "tried.bpmn", SYSTEM).version for _ in range(2)] == [1, 1]
    (tmp_path / "f.json").write_text('{"type": "object", "properties": {"fine": {"type": "boolean"}}}', "utf-8")
    assert deploy_file(city, tmp_path / "tried.bpmn", SYSTEM).version == 2
    assert [one.process.version for one in versions_of(city, "tried")] == [2, 1]
    with pytest.raises(BadInput, match="cannot be read"):
        deploy_file(city, tmp_path / "nothing.bpmn", SYSTEM)


def test_every_process_is_drawn_with_all_its_elements_and_none_upon_another() -> None:
    for name in ("application", "together"):
        svg = etree.fromstring(diagram_of(drawn(name), "en", {"check": Mark("done", "2 h"), "drain": Mark("now", "1 h")}).encode())
        boxes = [one for one in svg.iter("{*}rect") if one.get("class") == "e"]
        places = {(float(one.get("x", 0)), float(one.get("y", 0))) for one in boxes}
        assert len(places) == len(boxes) == drawn(name).count("<userTask") + drawn(name).count("<serviceTask")
        assert len(svg.findall("{*}path[@class='way']")) == drawn(name).count("<sequenceFlow")
        assert {one.get("class") for one in svg.iter("{*}g")} >= {"done" if name == "application" else "now"}


def test_a_drawing_says_nothing_that_its_names_would_run() -> None:
    svg = diagram_of(process('<userTask id="x" name="&lt;script&gt;alert(1)&lt;/script&gt;"/>', flows("s>x", "x>e")))
    assert "<script" not in svg


def test_the_pages_of_processes(city: City, people: People, serve: Callable[[City], str]) -> None:
    case = at_b(city, people)
    with city.db.connection() as conn:
        admin, officer = ({"Authorization": make_key(conn, SYSTEM, who.user_id or 0, "k")} for who in (people.admin, people.applicant))
    with httpx.Client(base_url=serve(city), timeout=30) as site:
        assert site.post("/api/processes/moved", json={"bpmn": SECOND}, headers=officer).status_code == 403
        assert site.post("/api/processes/moved", json={"bpmn": "<a/>"}, headers=admin).status_code == 400
        assert site.post("/api/processes/moved", json={"bpmn": SECOND}, headers=admin).json()["version"] == 2
        assert [one["open"] for one in site.get("/api/processes/moved", headers=officer).json()["versions"]] == [0, 1]
        assert site.get("/api/processes/moved/1/bpmn", headers=officer).text == FIRST
        assert site.get("/api/processes/moved/9/bpmn", headers=officer).status_code == 404
        for page in ("/cases/processes", "/cases/processes/moved", "/cases/processes/moved?version=1", f"/cases/{case.number}"):
            shown = site.get(page, headers=admin)
            assert shown.status_code == 200, page
        assert 'class="now"' in shown.text
        assert site.post(f"/api/cases/{case.number}/migrate", headers=admin).json()["version"] == 2
