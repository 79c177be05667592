"""A figure is reported once and serves all who ask: planning, asking, checking, correcting, burden, and the pages."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect

from sanqu.cases.notices import notices_of
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.people.askers import PUBLIC, Asker
from sanqu.reporting.figures import Figure, add_figure, check_period, decide_figure, list_figures, period_before
from sanqu.reporting.pages import read_table
from sanqu.reporting.requests import burden, cells_of, find_request, plan_cells
from sanqu.reporting.values import correct_value, history_of
from tests.reporting.conftest import FIGURES, TOWNS, County
from tests.web.conftest import browser, sign_in

__all__ = ["browser"]

WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNLABELLED = """() => [...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')]
    .filter((one) => !one.labels.length && !one.getAttribute('aria-label')).map((one) => one.name || one.outerHTML)"""


def hows(county: County, asker: Asker, figures: list[str], places: tuple[str, ...] = TOWNS) -> list[tuple[str, Any]]:
    return [(one.how, one.value) for one in plan_cells(county.city, asker, figures, places, "2026-Q4")[0]]


def test_what_was_reported_once_is_not_asked_again(county: County) -> None:
    first = county.ask(["alone", "workers"])
    assert [len(county.tray(one)) for one in county.towns] == [1, 1, 1]
    # Another department asks meanwhile: it waits for the same answer.
    second = county.ask(["alone"], county.health)
    assert [len(county.tray(one)) for one in county.towns] == [1, 1, 1]
    assert {one.how for one in cells_of(county.city, second).values()} == {"awaited"}
    county.report(0, alone="120", workers="8")
    assert cells_of(county.city, second)["alone", TOWNS[0]].value == cells_of(county.city, first)["alone", TOWNS[0]].value == 120
    # Later it is simply there, with its source.
    assert hows(county, county.health, ["alone"]) == [("reported", Decimal(120)), ("awaited", None), ("awaited", None)]
    third = county.ask(["alone"], county.health, places=TOWNS[:1])
    assert cells_of(county.city, third)["alone", TOWNS[0]].source == first.number and county.tray(county.towns[0]) == []


def test_what_a_dataset_holds_is_filled_through_the_door(county: County) -> None:
    # Six large firms of twelve; the towns have two each, and the third none.
    assert hows(county, county.civil, ["firms"]) == [("dataset", Decimal(2)), ("dataset", Decimal(2)), ("dataset", Decimal(0))]
    made = county.ask(["firms"])
    assert all(county.tray(one) == [] for one in county.towns) and cells_of(county.city, made)["firms", TOWNS[0]].source == "dataset:firms"


def test_a_dataset_that_may_not_be_read_is_named_and_the_town_is_asked(county: County) -> None:
    add_figure(county.city, county.bureau, {**FIGURES[0], "code": "hidden", "title": {"zh": "隐藏"}, "definition": {"zh": "另一个"}, "source": {"dataset": "none-such", "place": "town"}})
    cells, faults = plan_cells(county.city, county.civil, ["hidden"], TOWNS[:1], "2026-Q4")
    assert [one.how for one in cells] == ["asked"] and len(faults) == 1 and "隐藏" in faults[0].zh


def test_nobody_is_asked_before_the_bureau_lets_the_form_in(county: County) -> None:
    made = county.ask(["alone"], let_in=False)
    assert county.tray(county.towns[0]) == [] and cells_of(county.city, made) == {}
    county.act(county.bureau, made.case_number, "approve", decision="refuse", note="与卫健季报重复")
    assert find_request(county.city, county.civil, made.number).state == "refused" and county.tray(county.towns[0]) == []
    with pytest.raises(Refused):
        find_request(county.city, PUBLIC, made.number)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"alone": "12", "workers": "501"}, "between 0 and 500"), ({"alone": "-1", "workers": "5"}, "between"), ({"alone": "1.5", "workers": "5"}, "whole number"),
        ({"alone": "abc", "workers": "5"}, "no number"), ({"alone": "12"}, "Not filled in"), ({"alone": "1", "workers": "5", "more": "1"}, "was not asked"), ({"alone": "1e99", "workers": "1"}, "too large"),
    ],
)  # fmt: skip
def test_rules_are_checked_when_a_town_reports(county: County, values: dict[str, str], said: str) -> None:
    county.ask(["alone", "workers"], places=TOWNS[:1])
    (case,) = county.tray(county.towns[0])
    with pytest.raises(BadInput, match=said):
        county.act(county.towns[0], case, "fill", values=values)
    assert county.tray(county.towns[0]) == [case]


def test_a_large_change_needs_a_word_and_sums_must_add_up(county: County) -> None:
    county.ask(["alone"], period="2026-Q3", places=TOWNS[:1])
    county.report(0, alone="100")
    add_figure(county.city, county.bureau, {"code": "helped", "title": {"zh": "帮扶合计"}, "definition": {"zh": "两项之和"}, "unit": "人", "kind": "quarter", "sum_of": ["alone", "workers"]})
    county.ask(["alone", "workers", "helped"], places=TOWNS[:1])
    (case,) = county.tray(county.towns[0])
    with pytest.raises(BadInput, match="changed by 50%"):
        county.act(county.towns[0], case, "fill", values={"alone": "150", "workers": "5", "helped": "155"})
    with pytest.raises(BadInput, match="the sum of"):
        county.act(county.towns[0], case, "fill", values={"alone": "120", "workers": "5", "helped": "126"})
    county.act(county.towns[0], case, "fill", values={"alone": "1,50", "workers": "5", "helped": "155"}, explained="两个村并入")
    county.act(county.county, case, "confirm", decision="back", confirm_note="核对并入的村")
    assert county.tray(county.towns[0]) == [case]


def test_a_correction_reaches_all_who_use_the_value_with_its_history(county: County) -> None:
    first, second = county.ask(["alone"], places=TOWNS[:1]), county.ask(["alone"], county.health, places=TOWNS[:1])
    county.report(0, alone="120")
    for asker in (county.civil, county.towns[0]):
        with pytest.raises(Refused):
            correct_value(county.city, asker, "alone", TOWNS[0], "2026-Q4", "121", "漏报一人")
    with pytest.raises(NotFound):
        correct_value(county.city, county.county, "alone", TOWNS[1], "2026-Q4", "121", "漏报一人")
    correct_value(county.city, county.county, "alone", TOWNS[0], "2026-Q4", "121", "漏报一人")
    assert [cells_of(county.city, one)["alone", TOWNS[0]].value for one in (first, second)] == [121, 121]
    assert [(one.version, one.value, one.reason) for one in history_of(county.city, county.health, "alone", TOWNS[0], "2026-Q4")] == [(2, 121, "漏报一人"), (1, 120, "")]
    assert all("有更正" in notices_of(county.city, one)[0][0].text.zh for one in (county.civil, county.health))


def test_alike_figures_are_named_and_the_bureau_decides_on_proposals(county: County) -> None:
    said = {"code": "alone-2", "title": {"zh": "独居老人人数"}, "definition": {"zh": "一人独自居住的六十周岁以上老人"}, "unit": "人", "kind": "quarter"}
    with pytest.raises(Conflict, match="figures like it: alone"):
        add_figure(county.city, county.civil, said)
    assert add_figure(county.city, county.civil, said, "含临时独居").state == "proposed"
    with pytest.raises(BadInput, match="only proposed"):
        plan_cells(county.city, county.civil, ["alone-2"], TOWNS, "2026-Q4")
    with pytest.raises(Refused):
        decide_figure(county.city, county.civil, "alone-2", accept=True)
    decide_figure(county.city, county.bureau, "alone-2", accept=True)
    with pytest.raises(Conflict):
        decide_figure(county.city, county.bureau, "alone-2", accept=False)
    assert [one.figure.code for one in list_figures(county.city, "active")] == ["alone", "alone-2", "firms", "workers"]


def test_burden_counts_what_was_asked_and_spared(county: County) -> None:
    county.ask(["alone", "firms"])
    county.ask(["alone"], county.health)
    rows = {one.place: one for one in burden(county.city, county.bureau)}
    one = rows[TOWNS[0]]
    assert (one.cells, one.asked, one.dataset, one.reported) == (3, 1, 1, 1) and round(one.saved, 2) == 0.67


@given(st.integers(1, 9999), st.integers(1, 12))
def test_the_period_before_is_a_period_and_the_one_before(year: int, number: int) -> None:
    month = f"{year:04d}-{number:02d}"
    assert check_period("month", period_before("month", month)) < month
    quarter = f"{year:04d}-Q{1 + number % 4}"
    assert check_period("quarter", period_before("quarter", quarter)) < quarter


@pytest.mark.parametrize(("kind", "period"), [("month", "2026-13"), ("quarter", "2026-Q5"), ("year", "26"), ("day", "2026")])
def test_a_period_that_is_none_is_refused(kind: str, period: str) -> None:
    with pytest.raises(BadInput):
        check_period(kind, period)


def test_a_pasted_table_is_read_by_name_or_code_with_tabs_or_commas() -> None:
    figures = {str(one["code"]): Figure.model_validate(one) for one in FIGURES}
    assert read_table("独居老人数\t1,200\nworkers\t8\n\n", figures) == {"alone": "1,200", "workers": "8"}
    assert read_table('alone,"1,200"\nworkers,8', figures) == {"alone": "1,200", "workers": "8"}
    with pytest.raises(BadInput, match="not known here"):
        read_table("狗的数量\t3", figures)


def test_a_department_designs_a_form_and_a_town_fills_it_in_by_phone(browser: Browser, county: County, serve: Callable[[City], str]) -> None:
    base = serve(county.city)

    def enter(asker: Asker, **size: Any) -> Page:
        return sign_in(browser.new_context(base_url=base, locale="zh-CN", **size).new_page(), county.city, asker)

    civil = enter(county.civil)
    civil.goto("/reports/new")
    assert civil.evaluate(UNLABELLED) == []
    civil.get_by_label("报表名称").fill("养老季报")
    civil.get_by_label("依据").fill("民政统计")
    civil.get_by_role("checkbox", name="独居老人数").check()
    civil.get_by_role("checkbox", name="规上企业数").check()
    civil.get_by_label("全部乡镇街道").select_option("330802")
    civil.get_by_label("期别").fill("2026-Q4")
    civil.get_by_role("button", name="查重").click()
    expect(civil.get_by_role("status")).to_contain_text("共 6 格：省 3 格，问基层 3 格")
    civil.get_by_role("button", name="提交准入").click()
    expect(civil.get_by_role("heading", level=1)).to_contain_text("养老季报")
    number = civil.url.rsplit("/", 1)[1]
    county.act(county.bureau, find_request(county.city, county.civil, number).case_number, "approve", decision="accept")

    town = enter(county.towns[0], viewport={"width": 390, "height": 844})
    (case,) = county.tray(county.towns[0])
    town.goto(f"/reports/fill/{case}")
    assert town.evaluate(UNLABELLED) == [] and town.evaluate(WIDER) <= 0
    town.get_by_role("button", name="提交").click()
    expect(town.get_by_role("alert")).to_contain_text("还没有填")
    town.get_by_text("从表格粘贴").click()
    town.get_by_label("粘贴的表").fill("独居老人数\t88")
    town.get_by_role("button", name="提交").click()
    town.wait_for_url("**/cases/*")
    county.act(county.county, case, "confirm", decision="confirm")
    civil.reload()
    expect(civil.locator("tbody tr").first).to_contain_text("88")
    civil.goto("/reports/figures")
    assert civil.evaluate(UNLABELLED) == []
    civil.goto("/reports/burden")
    expect(civil.locator("tbody tr")).to_have_count(3)
