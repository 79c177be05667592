"""Figures that units report: files looked at row by row and kept whole or not at all; a case that is filled in, checked, confirmed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect

from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Refused, SanquError
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.units import Unit, save_units
from sanqu.indicators.evaluate import evaluate
from sanqu.indicators.keeping import figures_of, read_indicator, save_indicators
from sanqu.indicators.parts import parts_of
from sanqu.indicators.periods import Period
from sanqu.indicators.projects.keeping import keep_plan
from sanqu.indicators.reporting.asking import ask_for, declare_report_process, list_owed
from sanqu.indicators.reporting.loading import load, look_at, read_rows
from sanqu.sharing.reading import hang_door
from tests.conftest import new_city
from tests.web.conftest import browser, sign_in

__all__ = ["browser"]

COUNTY = {"name": "county", "title": {"zh": "县", "en": "county"}, "units": True}
DEFINED: tuple[dict[str, Any], ...] = (
    {"code": "revenue", "title": {"zh": "营业收入", "en": "Revenue"}, "unit": {"zh": "亿元", "en": "100 million"}, "ways": [{"reported": True}], "dimensions": [COUNTY], "reporter": "county", "least": 0, "additive": True},
    {"code": "profit", "title": {"zh": "利润", "en": "Profit"}, "unit": {"zh": "亿元", "en": "100 million"}, "ways": [{"reported": True}], "dimensions": [COUNTY], "reporter": "county",
     "checks": [{"rule": "profit <= revenue", "message": {"zh": "利润不能超过收入", "en": "Profit cannot exceed revenue"}}]},
    {"code": "talents", "title": {"zh": "人才", "en": "Talents"}, "unit": {"zh": "人", "en": "persons"}, "ways": [{"reported": True}], "reporter": "steward", "steward": "3308-rcb", "least": 0, "most": 100000},
    {"code": "margin", "title": {"zh": "利润率", "en": "Margin"}, "unit": {"zh": "%", "en": "%"}, "ways": [{"formula": "profit / revenue * 100"}], "dimensions": [COUNTY]},
)  # fmt: skip


@dataclass(frozen=True)
class Office:
    """A city with its bureau, a county, and the office of talents."""

    city: City
    bureau: Asker
    county: Asker
    talents: Asker

    def act(self, asker: Asker, case: str, name: str, **result: Any) -> None:
        """Do the open task `name` of a case."""
        found = [one for one in tasks_for(self.city, asker, below=True, limit=500)[0] if one.case == case and one.name == name]
        assert found, f"{name} of {case} does not wait for {asker.name}"
        complete_task(self.city, asker, found[0].id, result)

    def case_of(self, unit: str) -> str:
        """What a unit owes."""
        return next(one.case_number for one in list_owed(self.city, self.bureau) if one.unit == unit)


@pytest.fixture(scope="module")
def built(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One city for this file."""
    hang_door()
    with new_city(postgres, nats, tmp_path_factory.mktemp("office"), memory_limit="1GB") as city:
        units = [
            Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")),
            *(Unit(code, "3308", "county", "county", Text(zh=title, en=title)) for code, title in (("330802", "柯城区"), ("330803", "衢江区"))),
            *(Unit(f"3308-{code}", "3308", "department", "city", Text(zh=title, en=code)) for code, title in (("fgw", "发改委"), ("rcb", "人才办"))),
        ]  # fmt: skip
        with city.db.connection() as conn:
            save_units(conn, units)
            save_indicators(conn, map(read_indicator, DEFINED))
            keep_fact(conn, "city", {"code": "3308", "title": {"zh": "衢州", "en": "Quzhou"}, "home": [], "boundaries": ""})

            def person(login: str, unit: str) -> Asker:
                found = asker_for(conn, add_person(conn, SYSTEM, login, login, [("steward", unit)]))
                assert found is not None
                return found

            office = Office(city, person("bureau", "3308-fgw"), person("county", "330802"), person("talents", "3308-rcb"))
        keep_plan(city, {"bureau": "3308-fgw"})
        declare_report_process(city)
        yield office


@pytest.fixture
def office(built: Office) -> Office:
    """The city before anything was reported."""
    with built.city.db.connection() as conn:
        conn.execute("TRUNCATE indicator_reported, indicator_report, indicator_figure, indicator_part, case_case, case_task, case_step CASCADE")
    return built


def looked(office: Office, text: str) -> list[tuple[int, bool, str]]:
    return [(one.row, one.bad, one.what.en) for one in look_at(office.city, read_rows(text.encode(), "f.csv")).wrong]


def test_a_file_is_kept_whole_and_counts(office: Office) -> None:
    text = "指标代码,报告期,数值,county,备注\nrevenue,2025,\"1,120.5\",330802,\nrevenue,2025,80,330803,\nprofit,2025,20,330802,\ntalents,2025,30000,,含退休返聘\n"
    assert load(office.city, office.bureau, text.encode("gb18030"), "figures.csv") == 4
    assert evaluate(office.city) == {}
    parts = parts_of(office.city, ["revenue", "margin"])
    assert {key[1]: figures[Period("A", 2025)].value for key, figures in parts["revenue"].items()} == {"330802": 1120.5, "330803": 80}
    assert parts["margin"]["county", "330802"][Period("A", 2025)].value == pytest.approx(20 / 1120.5 * 100)
    talents = figures_of(office.city, ["talents"])["talents"][Period("A", 2025)]
    assert (talents.value, talents.basis["reported"], talents.basis["said"]) == (30000, "file:figures.csv", "含退休返聘")


def test_excel_says_the_same_as_csv(office: Office) -> None:
    book = openpyxl.Workbook()
    for row in (["code", "period", "value", "county"], ["revenue", 2025, 12.5, "330802"], [None] * 4, ["talents", "2025", 7, None]):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    found = look_at(office.city, read_rows(content.getvalue(), "f.xlsx"))
    assert found.wrong == () and [(one.code, one.key, one.value) for one in found.figures] == [("revenue", ("county", "330802"), 12.5), ("talents", ("", ""), 7.0)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("none,2025,1", "no indicator none"), ("margin,2025,1", "worked out"), ("revenue,2025-13,1", "no period"), ("revenue,2025,abc", "no number"), ("revenue,2025,１２", "no number"), ("revenue,2025,nan", "no number"),
        ("revenue,2025,-1", "lies between"), ("talents,2025,100001", "lies between"), ("revenue,2025,,", "no number"), ("revenue,2025,1,万元", "The unit is 万元"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_and_nothing_of_the_file_is_kept(office: Office, row: str, said: str) -> None:
    text = f"code,period,value,unit\ntalents,2024,5,\n{row}\n"
    ((number, bad, what),) = looked(office, text)
    assert (number, bad) == (3, True) and said in what
    with pytest.raises(BadInput, match="nothing was kept"):
        load(office.city, office.bureau, text.encode(), "f.csv")
    assert office.city.db.all("SELECT * FROM indicator_reported") == []


def test_rows_that_are_double_or_break_a_rule_are_named_and_leaps_are_pointed_out(office: Office) -> None:
    assert [one[:2] for one in looked(office, "code,period,value\ntalents,2025,5\ntalents,2025,6\n")] == [(3, True)]
    assert "exceed revenue" in looked(office, "code,period,value,county\nrevenue,2025,5,330802\nprofit,2025,6,330802\nprofit,2025,6,330803\n")[0][2]
    load(office.city, office.bureau, b"code,period,value\ntalents,2024,100\n", "f.csv")
    evaluate(office.city)
    ((_, bad, what),) = looked(office, "code,period,value\ntalents,2025,500\n")
    assert not bad and "+400%" in what and looked(office, "code,period,value,note\ntalents,2025,500,merged\n") == []


def test_what_is_no_table_or_lacks_a_column_is_said(office: Office) -> None:
    for content in (b"", b"code,period\n", b"\x00\x01", b"PK\x03\x04nothing", b"\xff\xfe\xff"):
        with pytest.raises(BadInput):
            look_at(office.city, read_rows(content, "f"), "f")
    with pytest.raises(Refused):
        load(office.city, office.county, b"code,period,value\ntalents,2024,100\n", "f.csv")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: f"code,period,value,county\n{text}".encode("utf-8", "replace"))))
def test_no_file_whatever_breaks_the_reader(office: Office, content: bytes) -> None:
    try:
        look_at(office.city, read_rows(content, "f"), "f")
    except SanquError:
        return


def test_units_are_asked_once_fill_in_and_the_bureau_confirms(office: Office) -> None:
    city = office.city
    assert ask_for(city, office.bureau, "2026-Q3") == 3 and ask_for(city, office.bureau, "2026-Q3") == 0
    assert {one.unit: one.codes for one in list_owed(city, office.bureau)} == {"330802": ("revenue", "profit"), "330803": ("revenue", "profit"), "3308-rcb": ("talents",)}
    case = office.case_of("330802")
    for values, said in (({"revenue": "10"}, "Not filled in"), ({"revenue": "10", "profit": "x"}, "no number"), ({"revenue": "-1", "profit": "-2"}, "lies between"), ({"revenue": "10", "profit": "11"}, "exceed revenue")):
        with pytest.raises(BadInput, match=said):
            office.act(office.county, case, "fill", values=values, explained="")
    office.act(office.county, case, "fill", values={"revenue": "10", "profit": "1"}, explained="")
    office.act(office.bureau, case, "confirm", decision="back", confirm_note="再核")
    office.act(office.county, case, "fill", values={"revenue": "12", "profit": "1"}, explained="")
    office.act(office.bureau, case, "confirm", decision="confirm")
    evaluate(city)
    figure = parts_of(city, ["revenue"])["revenue"]["county", "330802"][Period("Q", 2026, 3)]
    assert (figure.value, figure.basis["reported"]) == (12, f"case:{case}")
    # A leap against the quarter before needs a word.
    ask_for(city, office.bureau, "2026-Q4")
    with pytest.raises(BadInput, match="went from 12 to 40"):
        office.act(office.county, office.case_of("330802"), "fill", values={"revenue": "40", "profit": "1"}, explained="")
    with pytest.raises(Refused):
        ask_for(city, office.county, "2027-Q1")
    with pytest.raises(Refused):
        list_owed(city, PUBLIC)


def test_a_county_fills_in_on_a_phone_and_the_bureau_loads_a_file(browser: Browser, office: Office, serve: Callable[[City], str], tmp_path: Any) -> None:
    base = serve(office.city)
    ask_for(office.city, office.bureau, "2026-Q3")

    def enter(asker: Asker, **size: Any) -> Any:
        return sign_in(browser.new_context(base_url=base, locale="zh-CN", **size).new_page(), office.city, asker)

    county = enter(office.county, viewport={"width": 390, "height": 800})
    county.goto(f"/indicators/fill/{office.case_of('330802')}")
    assert county.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    county.get_by_label("营业收入").fill("10")
    county.get_by_label("利润").fill("11")
    county.get_by_role("button", name="提交").click()
    expect(county.get_by_role("alert")).to_contain_text("利润不能超过收入")
    county.get_by_label("利润").fill("1")
    county.get_by_role("button", name="提交").click()
    expect(county).to_have_url(f"{base}/cases/{office.case_of('330802')}")
    (tmp_path / "f.csv").write_text("code,period,value\ntalents,2025,5\ntalents,2025,6\n")
    bureau = enter(office.bureau)
    bureau.goto("/indicators/reports")
    bureau.get_by_label("文件").set_input_files(tmp_path / "f.csv")
    bureau.get_by_role("button", name="先看").click()
    expect(bureau.get_by_role("status")).to_contain_text("可存 1 个数")
    (tmp_path / "f.csv").write_text("code,period,value\ntalents,2025,5\n")
    bureau.get_by_label("文件").set_input_files(tmp_path / "f.csv")
    bureau.get_by_role("button", name="存入").click()
    expect(bureau.get_by_role("status")).to_contain_text("存入了 1 个数")
