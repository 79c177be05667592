"""Cases from their start to their end: who sees, who acts, what is kept, and what happens when two act at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from uuid import UUID

import pytest

from sanqu.cases.history import case_history, case_tasks, find_case, list_cases
from sanqu.cases.hooks import on_service
from sanqu.cases.processes import declare_process
from sanqu.cases.records import Case, Task
from sanqu.cases.start import start_case
from sanqu.cases.work import complete_task, tasks_for, withdraw_case
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker
from tests.cases.conftest import MONDAY, People, drawn

DATA = {"steward": "330802", "amend_within": "10wd"}
GRANT = {"decision": "grant", "until": "2027-03-01", "reads": "100", "masked": "yes"}


def apply(city: City, people: People, **more: object) -> Case:
    return start_case(city, people.applicant, "application", "用于防汛", "dataset:wells", "330881", {**DATA, **more}, at=MONDAY)


def waiting(city: City, asker: Asker) -> Task:
    """The one task that waits for the asker."""
    (task,), count = tasks_for(city, asker)
    assert count == 1
    return task


def do(city: City, asker: Asker, **result: object) -> Case:
    return complete_task(city, asker, waiting(city, asker).id, result)


@pytest.mark.usefixtures("processes")
class TestApplication:
    def test_a_granted_application_goes_check_decide_grant_done(
        self, city: City, people: People, done: list[tuple[str, str]]
    ) -> None:
        case = apply(city, people)
        assert (case.state, case.number) == ("open", "20260309-000001")
        check = waiting(city, people.officer)
        assert (check.name, check.unit, check.title.en) == ("check", "330802", "Check the papers")
        assert check.due == datetime(2026, 3, 11, 15, 59, 59, tzinfo=UTC)
        do(city, people.officer, complete="yes")
        decide = waiting(city, people.officer)
        assert decide.name == "decide"
        ended = do(city, people.officer, **GRANT)
        assert (ended.state, ended.outcome) == ("done", "granted")
        assert ended.data["grant"] == f"G-{case.number}"
        assert (ended.data["reads"], ended.data["masked"], ended.data["until"]) == (100, True, "2027-03-01")
        assert done == [("grant", case.number), ("end", "done:granted")]
        assert tasks_for(city, people.officer) == ([], 0)

    def test_a_refusal_needs_a_legal_ground_and_ends_refused(
        self, city: City, people: People, done: list[tuple[str, str]]
    ) -> None:
        apply(city, people)
        do(city, people.officer, complete="yes")
        with pytest.raises(BadInput) as told:
            do(city, people.officer, decision="refuse")
        assert told.value.facts["fields"] == {"ground": {"zh": "必填", "en": "is needed"}}
        with pytest.raises(BadInput, match="must be one of"):
            do(city, people.officer, decision="refuse", ground="because")
        ended = do(city, people.officer, decision="refuse", ground="个人信息保护法 第十三条")
        assert (ended.state, ended.outcome) == ("done", "refused")
        assert done == [("end", "done:refused")]

    def test_a_case_goes_back_to_the_applicant_and_comes_again(self, city: City, people: People) -> None:
        case = apply(city, people)
        do(city, people.officer, complete="no", note="缺用途")
        amend = waiting(city, people.applicant)
        assert (amend.name, amend.unit, amend.assignee) == ("amend", None, people.applicant.label)
        with pytest.raises(Refused):
            complete_task(city, people.officer, amend.id, {"purpose": "x"})
        with pytest.raises(Refused):
            complete_task(city, people.admin, amend.id, {"purpose": "x"})
        do(city, people.applicant, purpose="防汛调度")
        again = waiting(city, people.officer)
        assert again.name == "check"
        do(city, people.officer, complete="yes")
        assert find_case(city, people.applicant, case.number).data["note"] is None
        assert waiting(city, people.officer).name == "decide"

    def test_conditions_see_the_data_that_a_case_began_with(
        self, city: City, people: People, done: list[tuple[str, str]]
    ) -> None:
        apply(city, people, withheld=True)
        do(city, people.officer, complete="yes")
        assert do(city, people.officer, **GRANT).outcome == "refused"
        assert ("grant", "20260309-000001") not in done

    def test_every_step_is_in_the_history_and_the_ledger_and_names_nobody(self, city: City, people: People) -> None:
        case = apply(city, people, phone="13800000000")
        do(city, people.officer, complete="yes", note="张三的材料")
        do(city, people.officer, **GRANT)
        steps = case_history(city, people.applicant, case.number)
        assert [(s.what, s.title.zh) for s in steps] == [
            ("started", ""), ("task", "核对材料"), ("done", "核对材料"), ("task", "审核决定"), ("done", "审核决定"), ("service", ""), ("ended", ""),
        ]  # fmt: skip
        integrate(city)
        entries = read_entries(city, subject=f"case:{case.number}")
        assert [e.kind for e in reversed(entries)] == ["cases.start", *["cases.step"] * 5, "cases.end"]
        assert {e.actor for e in entries} == {people.applicant.label, people.officer.label, "system"}
        assert not [e for e in entries if "13800000000" in e.body or "张三" in e.body or "防汛" in e.body]

    def test_a_task_that_is_done_cannot_be_done_again(self, city: City, people: People) -> None:
        apply(city, people)
        check = waiting(city, people.officer)
        complete_task(city, people.officer, check.id, {"complete": "yes"})
        with pytest.raises(Conflict) as told:
            complete_task(city, people.colleague, check.id, {"complete": "no"})
        assert told.value.code == "cases.task-closed"

    def test_of_two_who_complete_a_task_at_once_one_wins_and_the_other_is_told(self, city: City, people: People) -> None:
        for _ in range(5):
            case = apply(city, people)
            task = next(t for t in case_tasks(city, people.officer, case.number) if t.state == "ready")
            ready = threading.Barrier(4)
            won: list[Asker] = []
            told: list[str] = []

            def act(
                asker: Asker, task: Task = task, ready: threading.Barrier = ready, won: list[Asker] = won, told: list[str] = told
            ) -> None:
                ready.wait()
                try:
                    complete_task(city, asker, task.id, {"complete": "yes"})
                    won.append(asker)
                except Conflict as fault:
                    told.append(fault.code)

            threads = [threading.Thread(target=act, args=(asker,)) for asker in (people.officer, people.colleague) * 2]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(won) == 1 and told == ["cases.task-closed"] * 3
            names = [t.name for t in case_tasks(city, people.officer, case.number)]
            assert sorted(names) == ["check", "decide"]
            assert [s.what for s in case_history(city, people.officer, case.number)].count("done") == 1

    def test_a_step_that_is_cut_off_leaves_the_task_ready_and_nothing_behind(self, city: City, people: People) -> None:
        case = apply(city, people)
        do(city, people.officer, complete="yes")

        def cut_off(city: City, conn: Connection, case: Case) -> None:
            conn.execute("INSERT INTO city_fact (name, value) VALUES ('half', 'true')")
            # What a killed process looks like from inside PostgreSQL.
            with city.db.own_connection() as other:
                row = conn.execute("SELECT pg_backend_pid() AS pid").fetchone()
                assert row is not None
                other.execute("SELECT pg_terminate_backend(%s)", (row["pid"],))
            conn.execute("SELECT 1")

        before = case_history(city, people.officer, case.number)
        decide = waiting(city, people.officer)
        on_service("application", "grant", cut_off)
        with pytest.raises(Exception, match=r"terminat|connection"):
            complete_task(city, people.officer, decide.id, GRANT)
        assert waiting(city, people.officer) == decide
        assert case_history(city, people.officer, case.number) == before
        assert city.db.one("SELECT 1 FROM city_fact WHERE name = 'half'") is None
        on_service("application", "grant", lambda city, conn, case: None)
        assert complete_task(city, people.officer, decide.id, GRANT).state == "done"

    def test_a_case_and_what_the_room_above_writes_commit_together_or_not_at_all(self, city: City, people: People) -> None:
        with pytest.raises(RuntimeError), city.db.connection() as conn:
            start_case(city, people.applicant, "application", "x", data=DATA, conn=conn)
            raise RuntimeError("the room above gave up")
        assert list_cases(city, people.admin) == ([], 0)
        assert city.db.one("SELECT 1 FROM ledger_pending WHERE body LIKE '%%cases.start%%'") is None

    def test_the_applicant_withdraws_and_what_was_open_is_cancelled(
        self, city: City, people: People, done: list[tuple[str, str]]
    ) -> None:
        case = apply(city, people)
        check = waiting(city, people.officer)
        for other in (people.officer, people.steward_above):
            with pytest.raises(Refused):
                withdraw_case(city, other, case.number)
        ended = withdraw_case(city, people.applicant, case.number, "不需要了")
        assert (ended.state, ended.outcome, ended.data["withdrawn_because"]) == ("withdrawn", "withdrawn", "不需要了")
        assert tasks_for(city, people.officer) == ([], 0)
        assert [t.state for t in case_tasks(city, people.applicant, case.number)] == ["cancelled"]
        assert done == [("end", "withdrawn:withdrawn")]
        with pytest.raises(Conflict):
            complete_task(city, people.officer, check.id, {"complete": "yes"})
        with pytest.raises(Conflict):
            withdraw_case(city, people.applicant, case.number)

    def test_only_those_concerned_know_of_a_case(self, city: City, people: People) -> None:
        case = apply(city, people)
        task = waiting(city, people.officer)
        knowing = (people.applicant, people.officer, people.colleague, people.steward_above, people.admin, people.stranger)
        # The stranger's county is the one that the case concerns.
        for asker in knowing:
            assert find_case(city, asker, case.number).number == case.number
            assert [c.number for c in list_cases(city, asker)[0]] == [case.number]
        for asker in (people.water, PUBLIC):
            with pytest.raises(NotFound):
                find_case(city, asker, case.number)
            with pytest.raises(NotFound):
                case_history(city, asker, case.number)
            with pytest.raises(NotFound):
                complete_task(city, asker, task.id, {"complete": "yes"})
            assert list_cases(city, asker) == ([], 0)

    def test_who_may_know_may_not_therefore_act(self, city: City, people: People) -> None:
        apply(city, people)
        task = waiting(city, people.officer)
        for asker in (people.applicant, people.stranger):
            assert tasks_for(city, asker, below=True) == ([], 0)
            with pytest.raises(Refused):
                complete_task(city, asker, task.id, {"complete": "yes"})
        # A steward above may step in, but the task does not lie among what waits for them.
        assert tasks_for(city, people.steward_above) == ([], 0)
        assert [t.id for t in tasks_for(city, people.steward_above, below=True)[0]] == [task.id]
        complete_task(city, people.steward_above, task.id, {"complete": "yes"})

    def test_lists_narrow_by_process_state_subject_applicant_and_unit_and_go_by_pages(self, city: City, people: People) -> None:
        for _ in range(3):
            apply(city, people)
        other = start_case(city, people.officer, "together", "积水", "place:1", "330802")
        all_, count = list_cases(city, people.admin, limit=2)
        assert (len(all_), count, all_[0].number) == (2, 4, other.number)
        assert list_cases(city, people.admin, limit=2, offset=2)[1] == 4
        for filters, expected in (
            ({"process": "together"}, 1), ({"state": "done"}, 0), ({"state": "open"}, 4), ({"subject": "dataset:wells"}, 3),
            ({"applicant": people.applicant.label}, 3), ({"unit": "330802"}, 1), ({"process": "together", "unit": "330881"}, 0),
        ):  # fmt: skip
            assert list_cases(city, people.admin, **filters)[1] == expected, filters  # type: ignore[arg-type]

    def test_what_does_not_fit_a_form_is_told_field_by_field(self, city: City, people: People) -> None:
        apply(city, people)
        do(city, people.officer, complete="yes")
        wrong = {"decision": "grant", "until": "soon", "reads": "many", "masked": "perhaps", "extra": 1}
        with pytest.raises(BadInput) as told:
            do(city, people.officer, **wrong)
        assert sorted(told.value.facts["fields"]) == ["extra", "masked", "reads", "until"]  # type: ignore[call-overload]
        for unfit in (
            {"reads": float("nan")},
            {"reads": "1e99"},
            {"reads": True},
            {"until": 5},
            {"decision": ["grant"]},
            {"ground": "x" * 3000},
        ):
            with pytest.raises(BadInput):
                do(city, people.officer, **{"decision": "refuse", "ground": "个人信息保护法 第十三条", **unfit})
        assert waiting(city, people.officer).name == "decide"

    def test_a_running_case_stays_on_the_version_it_began_with(self, city: City, people: People) -> None:
        case = apply(city, people)
        again = declare_process(city, "application", drawn("application"), SYSTEM)
        assert again.version == 1
        changed = declare_process(city, "application", drawn("application").replace("5wd", "1wd"), SYSTEM)
        assert changed.version == 2
        do(city, people.officer, complete="yes")
        task = waiting(city, people.officer)
        assert task.due is not None and (task.due - task.made).days >= 4
        assert case.version == 1 and apply(city, people).version == 2


@pytest.mark.usefixtures("processes")
def test_two_departments_work_side_by_side_and_the_case_waits_for_both(city: City, people: People) -> None:
    case = start_case(city, people.applicant, "together", "积水", unit="330802")
    drain = waiting(city, people.water)
    assert (drain.name, drain.role, drain.due) == ("drain", "water.office", None)
    assert complete_task(city, people.water, drain.id, {}).state == "open"
    assert do(city, people.officer).state == "done"
    assert [s.actor for s in case_history(city, people.admin, case.number) if s.what == "done"] == [
        people.water.label,
        people.officer.label,
    ]


@pytest.mark.usefixtures("processes")
def test_a_case_that_leads_to_no_unit_is_not_begun(city: City, people: People) -> None:
    for data in ({"steward": "nowhere"}, {"steward": 3308}, {}):
        with pytest.raises(Conflict, match="No unit can act"):
            start_case(city, people.applicant, "application", "x", data=data)
    with pytest.raises(BadInput, match="no JSON"):
        start_case(city, people.applicant, "application", "x", data={**DATA, "n": float("nan")})
    with pytest.raises(BadInput, match="too much"):
        start_case(city, people.applicant, "application", "x", data={**DATA, "n": "x" * 70_000})
    with pytest.raises(Refused):
        start_case(city, PUBLIC, "application", "x", data=DATA)
    with pytest.raises(NotFound):
        start_case(city, people.applicant, "nothing", "x")
    assert list_cases(city, people.admin) == ([], 0)


def test_a_task_that_is_not_there_is_not_found(city: City, people: People) -> None:
    with pytest.raises(NotFound):
        complete_task(city, people.admin, UUID(int=7), {})
