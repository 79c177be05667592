"""Forecasts with intervals, and figures of parts: the arithmetic held to what it must be, and the page that shows both."""

from __future__ import annotations

import random
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.units import Unit, save_units
from sanqu.indicators.evaluate import evaluate
from sanqu.indicators.forecasting import forecast, forecast_all, forecast_of
from sanqu.indicators.keeping import figures_of, read_indicator, save_indicators
from sanqu.indicators.parts import parts_of, table_of
from sanqu.indicators.periods import Period
from sanqu.lake import Commit, Contract, lake_of

ROWS = "(2024, '330802', 60.0), (2024, '330803', 40.0), (2025, '330802', 90.0), (2025, '330803', 30.0), (2025, '330881', 30.0), (2025, NULL, 152.0), (2024, NULL, 100.0)"
DEFINED = [
    {"code": "output", "title": {"zh": "产值", "en": "Output"}, "unit": {"zh": "亿元", "en": "100 million"}, "additive": True, "ways": [{"sql": "SELECT year AS period, county, value FROM made"}],
     "dimensions": [{"name": "county", "title": {"zh": "县（市、区）", "en": "county"}, "units": True}], "aims": [{"period": "2026", "value": 300, "source": {"zh": "规划", "en": "the plan"}}]},
    {"code": "doubled", "title": {"zh": "两倍", "en": "Doubled"}, "unit": {"zh": "亿元", "en": "100 million"}, "ways": [{"formula": "output * 2"}], "dimensions": [{"name": "county", "title": {"zh": "县", "en": "county"}}]},
]  # fmt: skip


def years(*values: float, since: int = 2019) -> dict[Period, float]:
    return {Period("A", since + at): value for at, value in enumerate(values)}


def test_two_figures_go_on_as_they_went_and_say_nothing_of_an_interval() -> None:
    found = forecast(years(100, 110))
    assert found is not None and [(one.period, one.value, one.low80) for one in found.ahead] == [("2021", 120, None), ("2022", 130, None), ("2023", 140, None)]
    assert forecast(years(100)) is None and found.chance is None


def test_a_straight_line_goes_on_without_doubt_and_a_crooked_one_with_it() -> None:
    straight, crooked = forecast(years(1, 2, 3, 4, 5)), forecast(years(1, 2.5, 2.6, 4.2, 5))
    assert straight is not None and straight.ahead[0].low80 == pytest.approx(6) and straight.ahead[0].high95 == pytest.approx(6)
    assert crooked is not None
    for one in crooked.ahead:
        assert one.low95 < one.low80 < one.value < one.high80 < one.high95  # type: ignore[operator]
    widths = [one.high80 - one.low80 for one in crooked.ahead]  # type: ignore[operator]
    assert widths == sorted(widths)


def test_years_that_are_missing_between_count_as_years() -> None:
    found = forecast({Period("A", 2019): 100.0, Period("A", 2022): 160.0})
    assert found is not None and found.ahead[0].value == pytest.approx(180) and found.error is None


def test_how_likely_a_target_is_follows_from_the_spread() -> None:
    figures = years(100, 112, 118, 131, 139)
    chances = [forecast(figures, until=Period("A", 2025), aim=aim) for aim in (100, 160, 170, 400)]
    said = [one.chance for one in chances if one is not None and one.chance is not None]
    assert len(said) == 4 and said[0] > 0.95 and said == sorted(said, reverse=True) and said[-1] < 0.05
    less = forecast(figures, until=Period("A", 2025), aim=100, direction="down")
    assert less is not None and less.chance is not None and less.chance == pytest.approx(1 - said[0], abs=0.002)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=7), st.floats(-1e4, 1e4), st.floats(0.1, 100))
def test_moving_or_stretching_the_figures_moves_and_stretches_the_forecast(values: list[float], by: float, times: float) -> None:
    plain, changed = forecast(years(*values)), forecast(years(*(value * times + by for value in values)))
    assert plain is not None and changed is not None
    for one, other in zip(plain.ahead, changed.ahead, strict=True):
        assert other.value == pytest.approx(one.value * times + by, rel=1e-6, abs=1e-3 * times + 1e-3)


def test_a_season_of_months_is_seen_by_the_library_and_beats_saying_the_last_again() -> None:
    draw = random.Random(7)
    months = {Period("M", 2022 + at // 12, at % 12 + 1): 100 + at + 20 * ((at % 12) in (10, 11)) + draw.gauss(0, 1) for at in range(48)}
    found = forecast(months)
    assert found is not None and found.method == "AutoARIMA" and len(found.ahead) == 12
    assert found.error is not None and found.naive is not None and found.error < found.naive
    november, june = (next(one.value for one in found.ahead if one.period == f"2026-{month}") for month in ("11", "06"))
    assert november - june > 12


@pytest.fixture
def parted(city: City) -> City:
    """A city with an indicator by county."""
    with city.db.connection() as conn:
        save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州")), *(Unit(code, "3308", "county", "county", Text(zh=title, en=title)) for code, title in (("330802", "柯城区"), ("330803", "衢江区"), ("330881", "江山市")))])
        save_indicators(conn, map(read_indicator, DEFINED))
    contract = Contract.from_descriptor({"name": "made", "title": "产值", "steward": "3308", "opening": "unconditional", "fields": [{"name": "year", "type": "year"}, {"name": "county"}, {"name": "value", "type": "number"}]})
    register_contract(city, contract, "test", state="published")
    put(city, ROWS)
    assert evaluate(city) == {}
    return city


def put(city: City, rows: str) -> None:
    with lake_of(city).engine() as duck:
        lake_of(city).replace("made", f"SELECT * FROM (VALUES {rows}) t(year, county, value)", Commit("test"), duck=duck)


def test_parts_are_ranked_compared_and_summed_up_beside_the_whole(parted: City) -> None:
    whole = {period: one.value for period, one in figures_of(parted, ["output"])["output"].items()}
    assert whole == {Period("A", 2024): 100, Period("A", 2025): 152}
    table = table_of(parts_of(parted, ["output"])["output"], "county", "up", additive=True, whole=whole)
    assert table is not None and (table.total, table.gap) == (150, -2)
    one, two, three = table.rows
    assert (one.member, one.rank, one.rank_before, one.on_year, one.share, one.contribution) == ("330802", 1, 1, 0.5, 0.6, pytest.approx(0.3))
    assert {two.member, three.member} == {"330803", "330881"} and two.rank == three.rank == 2 and next(row for row in (two, three) if row.member == "330803").rank_before == 2
    assert sum(row.contribution or 0 for row in table.rows) == pytest.approx(0.5)
    earlier = table_of(parts_of(parted, ["output"])["output"], "county", "up", additive=True, whole=whole, period=Period("A", 2024))
    assert earlier is not None and earlier.gap is None and [row.member for row in earlier.rows] == ["330802", "330803"]


def test_a_formula_is_worked_out_for_each_part_that_has_what_it_names(parted: City) -> None:
    parts = parts_of(parted, ["doubled"])["doubled"]
    assert {key[1]: figures[Period("A", 2025)].value for key, figures in parts.items()} == {"330802": 180, "330803": 60, "330881": 60}
    basis = parts["county", "330802"][Period("A", 2025)].basis
    assert basis["of"]["output"]["value"] == 90


def test_what_is_said_later_of_a_part_is_its_next_revision_and_what_is_not_said_any_more_is_taken_back(parted: City) -> None:
    put(parted, ROWS.replace("30.0), (2025, '330881', 30.0)", "35.0)"))
    evaluate(parted)
    parts = parts_of(parted, ["output"])["output"]
    changed = parts["county", "330803"][Period("A", 2025)]
    assert (changed.value, changed.revision) == (35, 2) and ("county", "330881") not in parts


def test_the_page_shows_parts_forecast_and_how_likely_the_target_is(parted: City, serve: Callable[[City], str]) -> None:
    assert forecast_all(parted) == 2 and forecast_all(parted) == 0
    kept = forecast_of(parted, "output")
    assert kept is not None and kept.ahead[0].value == 204
    with httpx.Client(base_url=serve(parted), timeout=30) as client:
        page = client.get("/indicators/output").text
        assert "柯城区" in page and "预测" in page and "各部分之和与总数相差" in page and "说不出区间" in page
        assert "各部分之和" not in client.get("/indicators/output?period=2024").text
        lines = client.get("/indicators/output/parts.csv").text.splitlines()
        assert len(lines) == 6 and lines[1].endswith('county,"330802",2024,60.0,1')
