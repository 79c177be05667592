"""What a process file may hold: the elements that run, the language of conditions, scripts and tables, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.cases.bpmn import read_process
from sanqu.cases.conditions import parse_condition, run_script, value_of
from sanqu.cases.decisions import declare_decision
from sanqu.cases.dmn import decide, read_decisions
from sanqu.cases.elements import supported_table
from sanqu.cases.engine import spec_of
from sanqu.cases.history import case_history, case_tasks, find_case
from sanqu.cases.hours import add_working_hours, deadline_in_hours, due_of, hours_of
from sanqu.cases.processes import declare_process
from sanqu.cases.records import Case, Task
from sanqu.cases.start import start_case
from sanqu.cases.timers import fire_timers, send_message
from sanqu.cases.work import complete_task, tasks_for, withdraw_case
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.settings import Settings
from tests.cases.conftest import MONDAY, People
from tests.cases.drawing import element, flows, many, process, properties, table, timer, user

PLAN = hours_of(Settings())
HOSTILE = [
    "import os",
    "x = __import__('os').system('true')",
    "x = ().__class__.__bases__",
    "x = open('/etc/passwd')",
    "x = case.__class__",
    "x = [n for n in [1]]",
    "x = (lambda: 1)()",
    "x = 'a'.format(1)",
    "while 1:\n  x = 1",
    "def f():\n  pass",
    "x.y = 1",
    "x = y = 1",
    "case_unit = '3308'",
    "_x = 1",
    "exec('1')",
    "x = 1\n" * 2000,
]


def unfit(xml: str, files: dict[str, str] | None = None) -> str:
    """What is said against a process: the element and the reason."""
    with pytest.raises(BadInput) as told:
        spec_of(read_process(xml, "tried", files), "tried")
    return f"{told.value.thing} {told.value.what.en}"


def begin(city: City, people: People, xml: str, files: dict[str, str] | None = None, **data: Any) -> Case:
    declare_process(city, "tried", xml, SYSTEM, files=files)
    return start_case(city, people.applicant, "tried", "试", unit="330802", data=data, at=MONDAY)


def open_tasks(city: City, case: Case) -> list[Task]:
    return [task for task in case_tasks(city, SYSTEM, case.number) if task.state == "ready"]


def do(city: City, asker: Asker, name: str, at: datetime = MONDAY, **result: Any) -> Case:
    task = next(one for one in tasks_for(city, asker, below=True)[0] if one.name == name)
    return complete_task(city, asker, task.id, result, at=at)


@pytest.mark.parametrize("script", HOSTILE, ids=range(len(HOSTILE)))
def test_a_script_that_reaches_out_is_refused_and_named(script: str) -> None:
    xml = process(element("scriptTask", "calc", f"<script><![CDATA[{script}]]></script>"), flows("s>calc", "calc>e"))
    assert "tried: calc" in unfit(xml)


@given(st.text(max_size=60))
def test_whatever_a_script_says_it_sets_names_or_is_refused(text: str) -> None:
    try:
        set_ = run_script(text, {"a": 1}, "t")
    except (BadInput, Conflict):
        return
    assert all(name.isidentifier() and not name.startswith("_") for name in set_)


def test_a_script_calculates_within_bounds() -> None:
    said = run_script("n = len(votes)\nif n > 1:\n  share = count(pick(votes, 'ok'), 'yes') / n\nelse:\n  share = 0\nn += 1\nd = {'a': n}", {
        "votes": [{"ok": "yes"}, {"ok": "no"}],
    }, "t")  # fmt: skip
    assert said == {"n": 3, "share": 0.5, "d": {"a": 3}}
    assert value_of("a.b['c'] if ok else 0", {"a": {"b": {"c": 7}}, "ok": True}, "t") == 7
    assert value_of("a.missing.more", {"a": {}}, "t") is None
    for endless in ("x = 9\n" + "x = x * x\n" * 50, "x = 'a'\n" + "x = x + x\n" * 50, "x = 1 / 0", "x = 1 + 'a'"):
        with pytest.raises(Conflict):
            run_script(endless, {}, "t")
    with pytest.raises(BadInput):
        parse_condition("2 ** 9", "t")


def test_a_process_that_cannot_run_is_refused_with_the_element_named() -> None:
    ok = user("a")
    said = {
        "tried: a": process(ok, flows("s>a")),
        "tried: lost": process(ok, element("serviceTask", "lost"), flows("s>a", "a>e", "lost>e")),
        "tried: b": process(user("b", role="steward"), flows("s>b", "b>e")),
        "tried: g": process(ok, element("exclusiveGateway", "g"), flows("s>g", "g>a if x == 1", "g>e", "a>e")),
        "tried: r": process(ok, element("receiveTask", "r"), flows("s>r", "r>a", "a>e")),
        "tried: c": process(element("callActivity", "c", calledElement="nobody"), flows("s>c", "c>e")),
        "tried: d": process(element("businessRuleTask", "d", properties(decision="nobody")), flows("s>d", "d>e")),
        "tried: f": process(user("f", unit="applicant", **{"form.file": "f.json"}), flows("s>f", "f>e")),
        "tried: t": process(element("intermediateCatchEvent", "t", "<timerEventDefinition/>"), flows("s>t", "t>e")),
        "tried: x": process(ok, element("boundaryEvent", "x", timer("1wd"), attachedToRef="nobody"), flows("s>a", "a>e", "x>e")),
        "tried: pu": process(element("subProcess", "p", element("startEvent", "ps") + user("pu") + flows("ps>pu")), flows("s>p", "p>e")),
        "tried: m": process(user("m", many("over it", "i", "o")), flows("s>m", "m>e")),
        "tried: l": process(
            "<laneSet id='ls'><lane id='one' name='mayor.friend'><flowNodeRef>l</flowNodeRef></lane></laneSet>",
            "<userTask id='l'/>", flows("s>l", "l>e"),
        ),
    }  # fmt: skip
    for thing, xml in said.items():
        assert unfit(xml).startswith(thing + " "), thing
    assert "tried: s" in unfit(process(ok, flows("s>a", "a>e")).replace('<startEvent id="s">', '<startEvent id="s"><timerEventDefinition/>'))
    twice = table("who", ["a"], ["b"], [["-", "1"]])
    assert "two tables" in unfit(process(ok, flows("s>a", "a>e")), {"one.dmn": twice, "two.dmn": twice})
    again = process(element("callActivity", "c", calledElement="tried"), flows("s>c", "c>e"))
    assert "calls itself" in unfit(again)


def test_the_documentation_says_what_runs() -> None:
    said = (Path(__file__).parents[2] / "docs" / "rooms" / "cases.md").read_text("utf-8")
    assert supported_table() in said


class TestTables:
    def test_a_table_finds_its_rows_by_unary_tests(self) -> None:
        rules = [["< 10", '"low"'], ["[10..20[", '"middle"'], ["20, 30", '"some"'], ["> 30 ", '"high"'], ['not(< 100, "x")', '"never"']]
        found = read_decisions(table("size", ["depth"], ["word"], rules, "FIRST"), "t")["size"]
        for depth, word in ((3, "low"), (10, "middle"), (19.5, "middle"), (20, "some"), (31, "high")):
            assert decide(found, {"depth": depth}, "t") == {"word": word}
        assert decide(found, {}, "t") == {"word": "never"}

    def test_hit_policies(self) -> None:
        rows = [["-", "1"], ["? in kinds", "2"]]
        names = {"kind": "flood", "kinds": ["flood"]}

        def said(policy: str, more: str = "") -> Any:
            return decide(read_decisions(table("d", ["kind"], ["n"], rows, policy, more), "t")["d"], names, "t")

        assert said("FIRST") == {"n": 1}
        assert said("COLLECT") == [{"n": 1}, {"n": 2}]
        assert said("COLLECT", ' aggregation="SUM"') == {"n": 3}
        assert said("COLLECT", ' aggregation="MAX"') == {"n": 2}
        assert said("COLLECT", ' aggregation="COUNT"') == {"n": 2}
        for policy in ("UNIQUE", "ANY"):
            with pytest.raises(Conflict, match="2 rows"):
                said(policy)
        names = {"kind": "fire", "kinds": []}
        assert said("UNIQUE") == {"n": 1}

    @pytest.mark.parametrize("cell", ["__import__('os')", "(1).__class__", "open('x')", "[1..", "1 +", "a; b"])
    def test_a_cell_that_does_not_fit_is_named(self, cell: str) -> None:
        for row in ([cell, "1"], ["-", cell]):
            with pytest.raises(BadInput, match="row 1"):
                read_decisions(table("d", ["kind"], ["n"], [row]), "t")

    def test_what_is_no_table_is_refused(self) -> None:
        for text in ("", "<a/>", "<!DOCTYPE a><a/>", table("d", ["a"], ["b c"], [["-", "1"]]), table("d", ["a"], ["b"], []),
                     table("d", ["a"], ["b"], [["-", "1"]], "PRIORITY"), table("d", ["a"], ["b"], [["-"]])):  # fmt: skip
            with pytest.raises(BadInput):
                read_decisions(text, "t")


class TestHours:
    def test_working_hours_pass_over_noon_night_and_holidays(self) -> None:
        def at(said: str) -> datetime:
            return datetime.fromisoformat(said).replace(tzinfo=CITY_ZONE)

        assert add_working_hours(at("2026-03-09T11:00"), 2, PLAN).at == at("2026-03-09T14:30")
        assert add_working_hours(at("2026-07-06T11:00"), 2, PLAN).at == at("2026-07-06T15:00")
        assert add_working_hours(at("2026-03-06T17:00"), 1, PLAN).at == at("2026-03-09T09:00")
        # National Day 2026: from the midnight of the holiday on, hours begin with the first working day after it.
        assert add_working_hours(at("2026-10-01T00:00"), 4, PLAN).at == add_working_hours(at("2026-10-08T08:30"), 4, PLAN).at
        assert add_working_hours(at("2026-09-30T17:30"), 1, PLAN).at == at("2026-10-08T09:30")

    @given(st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 1)), st.integers(1, 80), st.integers(1, 80))
    def test_hours_add_up(self, start: datetime, a: int, b: int) -> None:
        begun = start.replace(tzinfo=UTC)
        first = add_working_hours(begun, a, PLAN).at
        assert add_working_hours(first, b, PLAN).at == add_working_hours(begun, a + b, PLAN).at
        assert first > begun

    def test_a_deadline_in_hours_is_reminded_of_before_and_passed_up_after(self) -> None:
        found = deadline_in_hours(MONDAY, 4, PLAN)
        assert found.remind_at is not None
        assert MONDAY < found.remind_at < found.due < found.escalate_at

    def test_minutes_count_within_working_hours_too(self) -> None:
        # Twenty minutes before noon, the rest from half past one; on the eve of a weekend, from Monday.
        assert due_of(datetime.fromisoformat("2026-03-09T11:40:00+08:00"), 60, "wm", PLAN).at == datetime.fromisoformat("2026-03-09T14:10:00+08:00")
        assert due_of(datetime.fromisoformat("2026-03-06T17:20:00+08:00"), 30, "wm", PLAN).at == datetime.fromisoformat("2026-03-09T08:50:00+08:00")
        assert due_of(MONDAY, 7, "wm", PLAN).at == MONDAY + timedelta(minutes=7)
        assert due_of(MONDAY, 240, "wm", PLAN) == due_of(MONDAY, 4, "wh", PLAN)


class TestRunning:
    def test_units_are_asked_side_by_side_until_enough_agree(self, city: City, people: People) -> None:
        xml = process(
            user("agree", many("units", "member", "opinions", "count(pick(opinions, 'verdict'), 'yes') >= 2"), unit="member",
                 form='{"type": "object", "properties": {"verdict": {"enum": ["yes", "no"]}}, "required": ["verdict"]}'),
            user("tell"), flows("s>agree", "agree>tell", "tell>e"),
        )  # fmt: skip
        case = begin(city, people, xml, units=["330802", "330802-water", "330881"])
        assert sorted(str(task.unit) for task in open_tasks(city, case)) == ["330802", "330802-water", "330881"]
        do(city, people.officer, "agree", verdict="yes")
        assert find_case(city, SYSTEM, case.number).data["opinions"][0]["member"] == "330802"
        do(city, people.stranger, "agree", verdict="yes")
        # Two of three were enough: the third is no longer asked.
        assert [task.name for task in open_tasks(city, case)] == ["tell"]
        assert {task.state for task in case_tasks(city, SYSTEM, case.number) if task.unit == "330802-water"} == {"cancelled"}
        opinions = find_case(city, SYSTEM, case.number).data["opinions"]
        assert [(one["verdict"], one["done_by"]) for one in opinions] == [("yes", people.officer.label), ("yes", people.stranger.label)]

    def test_each_instance_of_a_subprocess_keeps_what_is_its_own(self, city: City, people: People) -> None:
        inner = (
            element("startEvent", "is") + user("look", unit="member", form='[{"name": "found", "type": "number"}]')
            + element("scriptTask", "twice", "<script>double = found * 2</script>")
            + user("mend", unit="member") + element("endEvent", "ie") + flows("is>look", "look>twice", "twice>mend", "mend>ie")
        )  # fmt: skip
        xml = process(element("subProcess", "each", inner + many("units", "member", "results")), flows("s>each", "each>e"))
        case = begin(city, people, xml, units=["330802", "330802-water"])
        do(city, people.officer, "look", found=3)
        do(city, people.water, "look", found=5)
        do(city, people.water, "mend")
        ended = do(city, people.officer, "mend")
        assert ended.state == "done"
        assert [(one["member"], one["double"]) for one in ended.data["results"]] == [("330802-water", 10), ("330802", 6)]
        assert "double" not in ended.data
        assert case.state == "open"

    def test_nobody_to_ask_and_too_many_to_ask(self, city: City, people: People) -> None:
        xml = process(user("agree", many("units", "member", "opinions"), unit="member"), flows("s>agree", "agree>e"))
        assert begin(city, people, xml, units=[]).state == "done"
        for units in ("330802", [f"u{i}" for i in range(201)]):
            with pytest.raises(Conflict, match="no list"):
                begin(city, people, xml, units=units)

    def test_a_task_may_be_due_in_working_minutes(self, city: City, people: People) -> None:
        xml = process(user("handle", unit="case_unit", due="'30wm' if urgent else '60wm'"), flows("s>handle", "handle>e"))
        task = open_tasks(city, begin(city, people, xml, urgent=True))[0]
        assert task.due == MONDAY + timedelta(minutes=30)

    def test_a_timer_at_a_task_takes_the_case_elsewhere_after_working_hours(self, city: City, people: People) -> None:
        xml = process(
            user("handle", unit="case_unit"), element("boundaryEvent", "late", timer("4wh"), attachedToRef="handle"),
            element("endEvent", "given-up"), user("ask"), flows("s>handle", "handle>e", "late>ask", "ask>given-up"),
        )  # fmt: skip
        case = begin(city, people, xml)
        # Ten in the morning: two hours before noon, two after half past one.
        due = datetime(2026, 3, 9, 7, 30, tzinfo=UTC)
        assert fire_timers(city, due - timedelta(seconds=1)) == 0
        assert fire_timers(city, due) == 1
        assert fire_timers(city, due) == 0
        assert [task.name for task in open_tasks(city, case)] == ["ask"]
        assert "timer" in [step.what for step in case_history(city, SYSTEM, case.number)]
        # A case that is done or withdrawn waits for nothing.
        other = start_case(city, people.applicant, "tried", "试", unit="330802", at=MONDAY)
        withdraw_case(city, people.applicant, other.number)
        third = start_case(city, people.applicant, "tried", "试", unit="330802", at=MONDAY)
        do(city, people.officer, "handle")
        assert fire_timers(city, due + timedelta(days=90)) == 0
        assert find_case(city, SYSTEM, third.number).outcome == "e"

    def test_a_message_or_a_timer_comes_first(self, city: City, people: People) -> None:
        xml = process(
            element("eventBasedGateway", "wait"),
            element("intermediateCatchEvent", "paid", '<messageEventDefinition messageRef="m"/>'),
            element("intermediateCatchEvent", "over", timer("'5wd' if hurry else '10wd'")), user("chase"), element("endEvent", "e2"),
            flows("s>wait", "wait>paid", "wait>over", "paid>e", "over>chase", "chase>e2"),
            before='<message id="m" name="payment"/>',
        )  # fmt: skip
        case = begin(city, people, xml, hurry=True)
        with pytest.raises(Conflict):
            send_message(city, SYSTEM, case.number, "refund")
        with pytest.raises(NotFound):
            send_message(city, SYSTEM, "20260101-999999", "payment")
        assert send_message(city, SYSTEM, case.number, "payment", {"paid": 12}).data["paid"] == 12
        with pytest.raises(Conflict):
            send_message(city, SYSTEM, case.number, "payment")
        late = start_case(city, people.applicant, "tried", "试", unit="330802", data={"hurry": True}, at=MONDAY)
        assert fire_timers(city, MONDAY + timedelta(days=5)) == 0
        assert fire_timers(city, MONDAY + timedelta(days=8)) == 1
        assert [task.name for task in open_tasks(city, late)] == ["chase"]

    def test_a_table_beside_the_process_and_one_of_its_own_decide(self, city: City, people: People) -> None:
        beside = table("urgency", ["depth"], ["within"], [["< 20", '"5wd"'], [">= 20", '"4wh"']])
        alone = table("who", ["depth"], ["chosen"], [["-", '"330802-water"']])
        xml = process(
            element("businessRuleTask", "how-fast", properties(decision="urgency")),
            element("businessRuleTask", "to-whom", properties(decision="who", result="sent")),
            user("handle", unit="sent.chosen", due="within"),
            flows("s>how-fast", "how-fast>to-whom", "to-whom>handle", "handle>e"),
        )  # fmt: skip
        with pytest.raises(BadInput, match="no decision table who"):
            begin(city, people, xml, {"u.dmn": beside}, depth=30)
        with pytest.raises(Refused):
            declare_decision(city, "who", alone, people.officer)
        with pytest.raises(BadInput, match="It holds: who"):
            declare_decision(city, "whom", alone, SYSTEM)
        assert declare_decision(city, "who", alone, SYSTEM).version == 1
        case = begin(city, people, xml, {"u.dmn": beside}, depth=30)
        (task,) = open_tasks(city, case)
        assert (task.unit, task.due) == ("330802-water", datetime(2026, 3, 9, 7, 30, tzinfo=UTC))
        # A table of its own may learn; cases ask the newest.
        assert declare_decision(city, "who", alone.replace("330802-water", "330881"), SYSTEM).version == 2
        assert declare_decision(city, "who", alone.replace("330802-water", "330881"), SYSTEM).version == 2
        assert open_tasks(city, start_case(city, people.applicant, "tried", "试", data={"depth": 3}))[0].unit == "330881"

    def test_a_lane_says_who_acts_by_the_place_of_the_case(self, city: City, people: People) -> None:
        lanes = "".join(
            f'<lane id="l-{task}" name="{name}"><flowNodeRef>{task}</flowNodeRef></lane>'
            for task, name in (("one", "county.dept:water"), ("two", "county.head"), ("three", "applicant"), ("four", "grid.worker"))
        )  # fmt: skip
        xml = process(
            f'<laneSet id="ls">{lanes}</laneSet>', *(f'<userTask id="{task}"/>' for task in ("one", "two", "three", "four")),
            flows("s>one", "one>two", "two>three", "three>four", "four>e"),
        )  # fmt: skip
        case = begin(city, people, xml)
        assert [task.unit for task in open_tasks(city, case)] == ["330802-water"]
        do(city, people.water, "one")
        (two,) = open_tasks(city, case)
        assert (two.unit, two.role) == ("330802", "steward")
        do(city, people.steward_above, "two")
        with pytest.raises(Conflict, match=r"grid\.worker"):
            do(city, people.applicant, "three")
        # Nothing of the refused step remains.
        assert [task.name for task in open_tasks(city, case)] == ["three"]

    def test_a_process_calls_another_and_catches_its_error(self, city: City, people: People) -> None:
        fault = '<error id="no" name="no" errorCode="no"/>'
        called = process(
            user("check", unit="case_unit", form='[{"name": "ok", "type": "boolean"}]'),
            element("exclusiveGateway", "fits", default="fits-part-e"),
            element("endEvent", "bad", '<errorEventDefinition errorRef="no"/>'),
            flows("part-s>check", "check>fits", "fits>part-e", "fits>bad if not ok"), before=fault, id_="part",
        )  # fmt: skip
        calling = process(
            element("callActivity", "call", calledElement="checking"),
            element("boundaryEvent", "failed", '<errorEventDefinition errorRef="no2"/>', attachedToRef="call"), user("mend"),
            element("endEvent", "mended"), flows("s>call", "call>e", "failed>mend", "mend>mended"),
            before=fault.replace('id="no"', 'id="no2"'),
        )  # fmt: skip
        with pytest.raises(BadInput, match="no process checking to call"):
            begin(city, people, calling)
        declare_process(city, "checking", called, SYSTEM)
        case = begin(city, people, calling)
        do(city, people.officer, "check", ok=False)
        assert do(city, people.applicant, "mend").outcome == "mended"
        start_case(city, people.applicant, "tried", "试", unit="330802", at=MONDAY)
        assert do(city, people.officer, "check", ok=True).outcome == "e"
        # When what it calls changes, the caller deployed again is a new version; cases stay on theirs.
        declare_process(city, "checking", called.replace("not ok", "ok == 0"), SYSTEM)
        assert declare_process(city, "tried", calling, SYSTEM).version == case.version + 1
        assert declare_process(city, "tried", calling, SYSTEM).version == case.version + 1
