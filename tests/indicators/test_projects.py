"""Key projects and assessment: measures as tasks, progress as cases, lamps, points that say what they came from, appeals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect

from sanqu.cases.records import Case
from sanqu.cases.work import complete_task, tasks_for, withdraw_case
from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.units import Unit, save_units
from sanqu.indicators.assessment.appeals import appeal, declare_appeal_process, list_appeals
from sanqu.indicators.assessment.records import Change, Criterion, read_scheme
from sanqu.indicators.assessment.rounds import (
    close,
    find_round,
    history_of,
    league,
    list_rounds,
    mark,
    open_round,
    publish,
    undo_mark,
    work_out,
)
from sanqu.indicators.assessment.scoring import count, ranks, score
from sanqu.indicators.dataset import declare_plan_datasets, plan_to_lake
from sanqu.indicators.projects.keeping import add_task, drop_task, find_standing, keep_plan, standings, take_projects
from sanqu.indicators.projects.lamps import lamp_of, percent_of, worst
from sanqu.indicators.projects.processes import declare_plan_processes
from sanqu.indicators.projects.progress import ask_progress, list_reports
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing.door import Question, ask
from sanqu.sharing.reading import hang_door
from tests.conftest import new_city
from tests.web.conftest import browser, sign_in

__all__ = ["browser"]

TARGETS = {
    "name": "targets", "title": {"zh": "目标"}, "steward": "3308-fgw", "primaryKey": ["id"], "grade": "L1", "opening": "unconditional",
    "fields": [{"name": one, "type": "number" if one == "value" else "string"} for one in ("id", "project", "title", "metric", "value", "units")],
}  # fmt: skip
MEASURES = {
    "name": "measures", "title": {"zh": "举措"}, "steward": "3308-fgw", "primaryKey": ["project", "measure"], "grade": "L1", "opening": "unconditional",
    "fields": [{"name": "project", "type": "string"}, {"name": "measure", "type": "integer"}, {"name": "text", "type": "string"}],
}  # fmt: skip
EVENTS = {
    "name": "events", "title": {"zh": "事件"}, "steward": "3308-fgw", "primaryKey": ["id"], "grade": "L2", "opening": "none",
    "fields": [{"name": "id", "type": "integer"}, {"name": "county", "type": "string"}, {"name": "closed", "type": "boolean"}],
}  # fmt: skip
PLAN: dict[str, Any] = {
    "bureau": "3308-fgw", "units": {"大数据局": "3308-dsj", "经信局": "3308-jxj"},
    "projects": {
        "since": "2021-01-01",
        "targets": "SELECT project AS project_id, title AS project_zh, title AS project_en, id AS target_id, metric AS metric_zh, metric AS metric_en, value, '' AS wording, '个' AS unit, '>=' AS comparator, 2027 AS deadline, units AS responsible, '五' AS section, title AS quote FROM targets",
        "measures": "SELECT project AS project_id, measure, text AS gist_en, text AS quote FROM measures",
    },
    "assessment": [
        {"code": "departments", "title": {"zh": "部门考核", "en": "Departments"}, "subjects": ["3308-dsj", "3308-jxj"], "period": "A",
         "criterion": [
             {"code": "tasks", "title": {"zh": "任务"}, "points": 60, "measure": "tasks"},
             {"code": "reports", "title": {"zh": "按时"}, "points": 20, "measure": "reports"},
             {"code": "joint", "title": {"zh": "协同"}, "points": 20, "measure": "manual"}],
         "change": [{"code": "false", "title": {"zh": "不实"}, "kind": "deduction", "each": 5, "most": 8}]},
        {"code": "counties", "title": {"zh": "县区考核", "en": "Counties"}, "subjects": "county", "period": "A",
         "criterion": [{"code": "closed", "title": {"zh": "办结率"}, "points": 40, "floor": 50, "ceiling": 100,
                        "sql": "SELECT county AS unit, 100.0 * count(*) FILTER (WHERE closed) / count(*) AS value FROM events GROUP BY 1"}]},
    ],
}  # fmt: skip
EMPTIED = "TRUNCATE plan_project, plan_target, plan_task, plan_report, plan_progress, plan_reached, assess_round, assess_point, assess_mark, assess_appeal, case_case, case_task, case_step CASCADE"
LATER = datetime(2026, 12, 30, 12, 0, tzinfo=CITY_ZONE)


@dataclass(frozen=True)
class Government:
    """A city with the plan's bureau, two departments and two counties."""

    city: City
    bureau: Asker
    data: Asker
    economy: Asker
    county: Asker

    def task(self, asker: Asker, case: str, name: str, **result: Any) -> Case:
        """Do the open task `name` of a case."""
        found = [one for one in tasks_for(self.city, asker, below=True, limit=500)[0] if one.case == case and one.name == name]
        assert found, f"{name} of {case} does not wait for {asker.name}"
        return complete_task(self.city, asker, found[0].id, result)

    def case_of(self, unit: str, period: str = "2026-Q3") -> str:
        """The report of progress that a unit owes."""
        return next(one.case_number for one in list_reports(self.city, self.bureau, period=period) if one.unit == unit)

    def report(self, asker: Asker, unit: str, percents: dict[int, int], **more: Any) -> None:
        """A unit reports, and the bureau confirms."""
        case = self.case_of(unit)
        self.task(asker, case, "fill", tasks={str(task): {"percent": str(percent), **more} for task, percent in percents.items()})
        self.task(self.bureau, case, "confirm", decision="confirm")

    def tasks(self, project: str = "p1") -> list[int]:
        """The measures of a project."""
        return [one.id for one in find_standing(self.city, project).tasks if one.parent is None]


@pytest.fixture(scope="module")
def built(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Government]:
    """One city for this file."""
    hang_door()
    with new_city(postgres, nats, tmp_path_factory.mktemp("plan"), memory_limit="1GB") as city:
        units = [
            Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")),
            *(Unit(code, "3308", "county", "county", Text(zh=title, en=title)) for code, title in (("330802", "柯城区"), ("330803", "衢江区"))),
            *(Unit(f"3308-{code}", "3308", "department", "city", Text(zh=title, en=code)) for code, title in (("fgw", "发改委"), ("dsj", "大数据局"), ("jxj", "经信局"))),
        ]  # fmt: skip
        with city.db.connection() as conn:
            save_units(conn, units)
            keep_fact(conn, "city", {"code": "3308", "title": {"zh": "衢州", "en": "Quzhou"}, "home": [], "boundaries": ""})

            def person(login: str, unit: str) -> Asker:
                found = asker_for(conn, add_person(conn, SYSTEM, login, login, [("steward", unit)]))
                assert found is not None
                return found

            made = Government(city, person("bureau", "3308-fgw"), person("data", "3308-dsj"), person("economy", "3308-jxj"), person("county", "330802"))
        rows = {
            "targets": "SELECT * FROM (VALUES ('p1-1', 'p1', '工程一', '引进项目', 30.0, '大数据局；经信局'), ('p2-1', 'p2', '工程二', '培育企业', 50.0, '经信局；市级有关单位')) t(id, project, title, metric, value, units)",
            "measures": "SELECT * FROM (VALUES ('p1', 1, '举措甲'), ('p1', 2, '举措乙'), ('p2', 1, '举措丙')) t(project, measure, text)",
            "events": "SELECT i AS id, CASE WHEN i % 2 = 0 THEN '330802' ELSE '330803' END AS county, i % 10 < 8 AND i % 2 = 0 OR i % 10 < 4 AS closed FROM range(100) r(i)",
        }  # fmt: skip
        for contract in (TARGETS, MEASURES, EVENTS):
            register_contract(city, Contract.from_descriptor(contract), "system", state="published")
        with lake_of(city).engine() as duck:
            for name, sql in rows.items():
                lake_of(city).upsert(name, sql, Commit("test"), duck=duck)
        keep_plan(city, PLAN)
        declare_plan_datasets(city, "3308-fgw")
        declare_plan_processes(city)
        declare_appeal_process(city)
        yield made


@pytest.fixture
def government(built: Government) -> Government:
    """The city with its projects, before anything was reported."""
    with built.city.db.connection() as conn:
        conn.execute(EMPTIED)
    assert take_projects(built.city) == 2
    return built


def test_projects_targets_and_measures_come_from_their_datasets(government: Government) -> None:
    one, two = standings(government.city)
    assert (one.project.lead, one.project.units) == ("3308-dsj", ("3308-dsj", "3308-jxj"))
    # What is no unit of the city stays as the plan words it.
    assert two.project.units == ("3308-jxj",) and two.project.wording == "经信局；市级有关单位"
    assert [task.title.zh for task in one.tasks] == ["举措甲", "举措乙"] and one.targets[0].value == 30
    assert (one.lamp, one.percent) == ("unknown", None)
    assert take_projects(government.city) == 2 and len(government.tasks()) == 2


def test_progress_is_asked_once_confirmed_by_the_bureau_and_moves_the_lamp(government: Government) -> None:
    city, (first, second) = government.city, government.tasks()
    assert ask_progress(city, government.bureau, "2026-Q3") == 2 and ask_progress(city, government.bureau, "2026-Q3") == 0
    case = government.case_of("3308-dsj")
    government.task(government.data, case, "fill", tasks={str(first): {"percent": "95", "said": "开工"}, str(second): {"percent": "20", "problem": "缺地"}}, reached={"p1-1": {"value": "12", "said": ""}})
    # What was not confirmed moves nothing.
    assert find_standing(city, "p1").percent is None
    government.task(government.bureau, case, "confirm", decision="confirm")
    stood = find_standing(city, "p1", date(2026, 11, 27))
    assert [task.lamp for task in stood.tasks] == ["green", "red"] and stood.lamp == "red"
    assert stood.percent == 57.5 and stood.targets[0].share == pytest.approx(0.4)
    integrate(city)
    assert "indicators.progress" in [entry.kind for entry in read_entries(city)]


def test_what_the_bureau_sends_back_is_filled_in_again(government: Government) -> None:
    ask_progress(government.city, government.bureau, "2026-Q3")
    case, tasks = government.case_of("3308-jxj"), government.tasks("p2")
    government.task(government.economy, case, "fill", tasks={str(tasks[0]): {"percent": "100"}})
    government.task(government.bureau, case, "confirm", decision="back", confirm_note="附依据")
    government.task(government.economy, case, "fill", tasks={str(tasks[0]): {"percent": "60"}})
    government.task(government.bureau, case, "confirm", decision="confirm")
    assert find_standing(government.city, "p2").percent == 60


@pytest.mark.parametrize(
    ("tasks", "said"),
    [({}, "Not filled in"), ({"0": "50", "1": "101"}, "no percent"), ({"0": "a", "1": "5"}, "no percent"), ({"0": "-1", "1": "5"}, "no percent"), ({"0": "１", "1": "5"}, "no percent"), ({"0": "1", "1": "2", "x": "3"}, "not this unit's")],
)  # fmt: skip
def test_a_report_that_does_not_fit_is_refused_and_nothing_is_kept(government: Government, tasks: dict[str, str], said: str) -> None:
    ask_progress(government.city, government.bureau, "2026-Q3")
    named = {str(government.tasks()[int(key)]) if key.isdigit() else key: {"percent": value} for key, value in tasks.items()}
    with pytest.raises(BadInput, match=said):
        government.task(government.data, government.case_of("3308-dsj"), "fill", tasks=named)
    assert find_standing(government.city, "p1").percent is None


def test_going_back_needs_a_reason(government: Government) -> None:
    city, (first, second) = government.city, government.tasks()
    ask_progress(city, government.bureau, "2026-Q3")
    government.report(government.data, "3308-dsj", {first: 80, second: 80})
    ask_progress(city, government.bureau, "2026-Q4")
    case = government.case_of("3308-dsj", "2026-Q4")
    with pytest.raises(BadInput, match="less than last time"):
        government.task(government.data, case, "fill", tasks={str(first): {"percent": "70"}, str(second): {"percent": "80"}})
    government.task(government.data, case, "fill", tasks={str(first): {"percent": "70", "said": "返工"}, str(second): {"percent": "80"}})


def test_a_measure_is_broken_down_to_tasks_of_a_year_which_then_count(government: Government) -> None:
    city, (first, second) = government.city, government.tasks()
    days = (date(2026, 1, 1), date(2026, 12, 31))
    made = add_task(city, government.data, first, "建成 2 条专线", "330802", *days, 3)
    with pytest.raises(Refused):
        add_task(city, government.economy, first, "别家的", "3308-jxj", *days)
    with pytest.raises(BadInput):
        add_task(city, government.data, first, "太久", "330802", date(2026, 1, 1), date(2031, 1, 1))
    with pytest.raises(NotFound):
        add_task(city, government.data, made, "任务的任务", "330802", *days)
    assert ask_progress(city, government.bureau, "2026-Q3") == 3
    government.report(government.county, "330802", {made: 100})
    government.report(government.data, "3308-dsj", {second: 0})
    # Weights 3 and 1; the measure itself no longer counts.
    assert find_standing(city, "p1").percent == 75
    drop_task(city, government.data, made)
    assert len(find_standing(city, "p1").tasks) == 2
    with pytest.raises(NotFound):
        drop_task(city, government.data, first)


def test_only_the_bureau_asks_and_only_staff_see(government: Government) -> None:
    with pytest.raises(Refused):
        ask_progress(government.city, government.data, "2026-Q3")
    with pytest.raises(BadInput):
        ask_progress(government.city, government.bureau, "2026-09")
    with pytest.raises(Refused):
        list_reports(government.city, PUBLIC)


def test_tasks_with_their_lamps_are_a_dataset_behind_the_door(government: Government) -> None:
    assert plan_to_lake(government.city) == {"indicator-standing": 0, "indicator-series": 0, "plan-tasks": 3, "assessment-points": 0}
    first, _ = government.tasks()
    ask_progress(government.city, government.bureau, "2026-Q3")
    made = add_task(government.city, government.data, first, "一", "330802", date(2026, 1, 1), date(2026, 12, 31))
    drop_task(government.city, government.data, made)
    plan_to_lake(government.city)
    rows = ask(government.city, government.county, Question('SELECT task, lamp FROM "plan-tasks"', "test")).table.to_pylist()
    assert {row["task"] for row in rows} == {task.id for one in standings(government.city) for task in one.tasks} and {row["lamp"] for row in rows} == {"unknown"}
    with pytest.raises(NotFound):
        ask(government.city, PUBLIC, Question('SELECT task FROM "plan-tasks"', "test"))


def test_every_point_of_the_league_table_says_what_it_came_from(government: Government) -> None:
    city, (first, second) = government.city, government.tasks()
    ask_progress(city, government.bureau, "2026-Q3")
    government.report(government.data, "3308-dsj", {first: 100, second: 50})
    round_ = open_round(city, government.bureau, "departments", "2026")
    made = mark(city, government.bureau, round_.id, "3308-dsj", "joint", 15, "配合及时")
    mark(city, government.bureau, round_.id, "3308-dsj", "false", 2, "两处不实")
    one, two = league(city, round_)
    assert (one.unit, one.rank, one.total) == ("3308-dsj", 1, 45 + 20 + 15 - 8) and (two.unit, two.rank) == ("3308-jxj", 2)
    assert one.points["tasks"].basis["sum"] == "60 × (75 − 0) ÷ (100 − 0) = 45"
    assert {told["percent"] for told in one.points["tasks"].basis["tasks"]} == {100, 50}
    assert one.points["false"].basis["sum"] == "−5 × 2 = −10 → −8" and one.points["joint"].basis["marks"][0]["reason"] == "配合及时"
    undo_mark(city, government.bureau, round_.id, made)
    assert [points.points for points in history_of(city, round_, "3308-dsj")["joint"]] == [0, 15, 0]
    # Nothing changed, nothing is added.
    assert work_out(city, government.bureau, round_.id) == 0


def test_counties_are_scored_from_data_through_the_door(government: Government) -> None:
    round_ = open_round(government.city, government.bureau, "counties", "2026")
    one, two = league(government.city, round_)
    assert (one.unit, one.total, two.unit, two.total) == ("330802", 24, "330803", 0)
    basis = one.points["closed"].basis
    assert basis["value"] == 80 and basis["snapshots"].keys() == {"events"} and basis["sum"] == "40 × (80 − 50) ÷ (100 − 50) = 24"


def test_a_draft_is_the_bureaus_and_a_published_round_changes_only_by_appeal(government: Government) -> None:
    city = government.city
    round_ = open_round(city, government.bureau, "departments", "2026")
    with pytest.raises(NotFound):
        find_round(city, government.data, round_.id)
    assert list_rounds(city, government.data) == [] and len(list_rounds(city, government.bureau)) == 1
    with pytest.raises(Conflict):
        open_round(city, government.bureau, "departments", "2026")
    with pytest.raises(Refused):
        open_round(city, government.data, "counties", "2025")
    shown = publish(city, government.bureau, round_.id)
    assert shown.appeals_until is not None and find_round(city, government.data, round_.id).state == "published"
    with pytest.raises(Conflict):
        mark(city, government.bureau, round_.id, "3308-dsj", "joint", 15, "晚了")
    with pytest.raises(Conflict):
        close(city, government.bureau, round_.id)


def test_an_appeal_is_decided_with_a_reason_that_stays_with_the_point(government: Government) -> None:
    city = government.city
    round_ = open_round(city, government.bureau, "departments", "2026")
    publish(city, government.bureau, round_.id)
    case = appeal(city, government.data, round_.id, "3308-dsj", "joint", "牵头了三次会商")
    with pytest.raises(Conflict):
        appeal(city, government.data, round_.id, "3308-dsj", "joint", "再来")
    with pytest.raises(Refused):
        appeal(city, government.economy, round_.id, "3308-dsj", "tasks", "不是本单位")
    with pytest.raises(BadInput, match="do not fit"):
        government.task(government.bureau, case.number, "decide", decision="change", points="21", answer="超过满分")
    government.task(government.bureau, case.number, "decide", decision="change", points="18", answer="会商属实")
    row = next(one for one in league(city, round_) if one.unit == "3308-dsj")
    assert row.points["joint"].points == 18 and row.points["joint"].basis["appeal"]["reason"] == "会商属实" and row.points["joint"].basis["before"] == 0
    # What is worked out anew keeps what was decided.
    work_out(city, government.bureau, round_.id)
    assert next(one for one in league(city, round_) if one.unit == "3308-dsj").points["joint"].points == 18
    other = appeal(city, government.economy, round_.id, "3308-jxj", "tasks", "算错了")
    with pytest.raises(Conflict, match="1 open"):
        close(city, government.bureau, round_.id, at=LATER)
    withdraw_case(city, government.economy, other.number, "看清楚了")
    assert {one.state for one in list_appeals(city, government.bureau, round_.id)} == {"changed", "withdrawn"}
    with pytest.raises(Conflict):
        appeal(city, government.economy, round_.id, "3308-jxj", "tasks", "太晚", at=LATER)
    assert close(city, government.bureau, round_.id, at=LATER).state == "final"
    with pytest.raises(Conflict):
        work_out(city, government.bureau, round_.id)


@pytest.mark.parametrize(
    "wrong",
    [{"points": 0}, {"measure": "query"}, {"measure": "manual", "sql": "SELECT 1"}, {"sql": "SELECT 1", "floor": 1, "ceiling": 1}, {"sql": "SELECT 1", "method": "target"}, {"sql": "SELECT 1", "method": "per"}],
)  # fmt: skip
def test_a_scheme_that_cannot_be_scored_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="does not fit"):
        read_scheme({"code": "x", "title": "x", "subjects": "county", "criterion": [{"code": "a", "title": "a", "points": 10, **wrong}]})


CRITERIA = st.builds(
    Criterion, code=st.just("a"), title=st.just(Text(zh="a")), points=st.floats(1, 100), measure=st.just("query"), sql=st.just("x"),
    method=st.sampled_from(["linear", "target", "rank", "per"]), floor=st.floats(0, 40), ceiling=st.floats(50, 100), target=st.floats(1, 100), each=st.floats(0.1, 10), least=st.floats(0, 1),
)  # fmt: skip


@given(CRITERIA, st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.none(), st.floats(-1000, 1000)), min_size=1))
def test_points_lie_between_none_and_all_and_more_is_never_less(criterion: Criterion, values: dict[str, float | None]) -> None:
    scored = {unit: score(criterion, values, unit).points for unit in values}
    assert all(0 <= points <= criterion.points + 0.005 for points in scored.values())
    known = sorted((value, scored[unit]) for unit, value in values.items() if value is not None)
    assert all(less[1] <= more[1] for less, more in pairwise(known))


@given(st.floats(0.1, 10), st.floats(0.1, 50), st.integers(0, 100))
def test_deductions_take_away_up_to_their_most(each: float, most: float, times: int) -> None:
    taken = count(Change(code="a", title=Text(zh="a"), kind="deduction", each=each, most=most), times).points
    given_ = count(Change(code="a", title=Text(zh="a"), kind="bonus", each=each, most=most), times).points
    assert -most - 0.005 <= taken <= 0 and given_ == -taken


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 9), min_size=1))
def test_ranks_begin_at_one_and_the_same_points_share_one(totals: dict[str, int]) -> None:
    order = ranks(totals)
    assert min(order.values()) == 1 and all((totals[a] == totals[b]) == (order[a] == order[b]) for a in totals for b in totals)


@given(st.one_of(st.none(), st.integers(0, 100)), st.integers(1, 2000), st.integers(-500, 3000))
def test_a_lamp_never_gets_worse_for_having_done_more(percent: int | None, length: int, passed: int) -> None:
    since = date(2021, 1, 1)
    due, today = since + timedelta(days=length), since + timedelta(days=passed)
    order = ("red", "yellow", "green", "done")
    lamps = [lamp_of(one, since, due, today) for one in range(0, 101, 5)]
    assert [order.index(lamp) for lamp in lamps] == sorted(order.index(lamp) for lamp in lamps)
    assert lamp_of(percent, since, due, today) == ("red" if today > due and percent != 100 else "unknown" if percent is None else lamp_of(percent, since, due, today))
    assert worst(lamps) == lamps[0] and percent_of([(percent, 2), (None, 0)]) == percent


def test_a_department_reports_on_a_phone_and_appeals_against_a_point(browser: Browser, government: Government, serve: Callable[[City], str]) -> None:
    base = serve(government.city)

    def enter(asker: Asker, **size: Any) -> Any:
        return sign_in(browser.new_context(base_url=base, locale="zh-CN", **size).new_page(), government.city, asker)

    bureau = enter(government.bureau)
    bureau.goto("/plan")
    bureau.get_by_label("报告期").fill("2026-Q3")
    bureau.get_by_role("button", name="下发").click()
    expect(bureau.locator("#owing tbody tr")).to_have_count(2)
    data = enter(government.data, viewport={"width": 390, "height": 800})
    case = government.case_of("3308-dsj")
    data.goto(f"/plan/fill/{case}")
    assert data.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    for box, percent in zip(data.get_by_label("完成", exact=False).all()[:2], ("100", "90"), strict=True):
        box.fill(percent)
    data.get_by_role("button", name="提交").click()
    government.task(government.bureau, case, "confirm", decision="confirm")
    bureau.goto("/plan/p1")
    expect(bureau.locator("[data-lamp=done]")).to_have_count(1)
    bureau.goto("/assessment")
    bureau.get_by_label("考核办法").select_option("departments")
    bureau.get_by_label("报告期").fill("2026")
    bureau.get_by_role("button", name="开始").click()
    bureau.get_by_role("button", name="公布").click()
    expect(bureau.locator("h1")).to_contain_text("公布中")
    data.goto(bureau.url + "/3308-dsj")
    part = data.locator("#joint")
    part.get_by_text("申诉").first.click()
    part.get_by_label("理由").fill("牵头了三次会商")
    part.get_by_role("button", name="申诉").click()
    expect(data.get_by_text("复核中")).to_be_visible()
