"""Periods, comparisons and paths: the arithmetic of indicators, held to the figures of the plan."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.indicators.compare import compared, contributions, growth_a_year, ranks, shares
from sanqu.indicators.formulas import in_order, worked_out
from sanqu.indicators.monitor import path_of, watched
from sanqu.indicators.paths import expected_at, outlook, yearly
from sanqu.indicators.periods import PARTS, Period, parse_period
from sanqu.indicators.records import Figure, Indicator, Target, Way

KINDS = st.sampled_from(["A", "Q", "M"])
PERIODS = st.builds(lambda kind, year, part: Period(kind, year, part % PARTS[kind] + 1), KINDS, st.integers(1990, 2060), st.integers(0, 11))
POSITIVE = st.floats(0.01, 1e6)


def year(number: int) -> Period:
    return Period("A", number)


@given(PERIODS)
def test_a_period_is_read_as_it_is_written(period: Period) -> None:
    assert parse_period(str(period)) == period


@given(PERIODS, st.integers(-60, 60))
def test_so_many_later_and_as_many_earlier_is_the_same(period: Period, parts: int) -> None:
    assert period.plus(parts).plus(-parts) == period
    assert math.isclose(period.plus(parts).end - period.end, parts / PARTS[period.kind], abs_tol=1e-9)


@pytest.mark.parametrize("said", ["2025-Q5", "2025-13", "25", "二〇二五", "", "2025-1"])
def test_what_is_no_period_is_named(said: str) -> None:
    with pytest.raises(BadInput, match="period"):
        parse_period(said, "g01")


def test_the_growth_a_year_of_the_article_is_what_it_prints_as_more_than_22_per_cent() -> None:
    figures = {year(2017): 155.0, year(2021): 384.83}
    assert growth_a_year(figures) == pytest.approx(0.2553, abs=1e-4)


def test_growth_on_the_year_and_on_the_period() -> None:
    quarters = {Period("Q", 2020, 4): 80.0, Period("Q", 2021, 3): 100.0, Period("Q", 2021, 4): 120.0}
    assert [(seen.on_year, seen.on_period) for seen in compared(quarters)] == [(None, None), (None, None), (0.5, pytest.approx(0.2))]


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), POSITIVE, min_size=1), st.dictionaries(st.text("abc", min_size=1, max_size=3), POSITIVE, min_size=1))
def test_contributions_add_up_to_the_growth_of_the_whole(now: dict[str, float], before: dict[str, float]) -> None:
    whole = sum(now.values()) / sum(before.values()) - 1
    assert sum(contributions(now, before).values()) == pytest.approx(whole, rel=1e-6, abs=1e-6)
    assert sum(shares(now).values()) == pytest.approx(1)


def test_equals_share_a_place() -> None:
    assert ranks([("a", 3.0), ("b", 5.0), ("c", 3.0), ("d", 1.0)], "up") == {"b": 1, "a": 2, "c": 2, "d": 4}
    assert ranks([("a", 3.0), ("b", 5.0)], "down") == {"a": 1, "b": 2}


@given(POSITIVE, POSITIVE, st.booleans())
def test_a_path_begins_at_its_base_ends_at_its_target_and_stays_between(start: float, end: float, share: bool) -> None:
    points = {year(2019): start, year(2025): end}
    asked = [expected_at(points, year(number), share=share) for number in range(2019, 2026)]
    assert asked[0] == start and asked[-1] == end
    steps = [later - earlier for earlier, later in itertools.pairwise(asked) if earlier is not None and later is not None]
    assert len(steps) == 6
    assert all(step * (end - start) >= -1e-6 * end for step in steps)
    assert expected_at(points, year(2026), share=share) is None


def test_the_plan_between_2019_and_2022_asks_for_the_growth_that_its_table_implies() -> None:
    asked = expected_at({year(2019): 49.72, year(2022): 75.0}, year(2021), share=False)
    assert asked == pytest.approx(49.72 * (75 / 49.72) ** (2 / 3))


@pytest.mark.parametrize(
    ("figures", "targets", "direction", "standing"),
    [
        ({2019: 31.5, 2021: 50.77}, {2022: 45.0, 2025: 70.0}, "up", "on-track"),
        ({2019: 31.5, 2021: 71.0}, {2022: 45.0, 2025: 70.0}, "up", "reached"),
        ({2019: 100.0, 2021: 118.0}, {2022: 130.0}, "up", "lagging"),
        ({2019: 100.0, 2021: 105.0}, {2022: 130.0}, "up", "at-risk"),
        ({2019: 100.0, 2021: 70.0}, {2022: 60.0}, "down", "on-track"),
        ({2019: 100.0, 2021: 99.0}, {2022: 60.0}, "down", "at-risk"),
        ({2019: 100.0}, {2022: 130.0}, "up", "unknown"),
        ({}, {2022: 130.0}, "up", "unknown"),
    ],
)
def test_where_an_indicator_stands(figures: dict[int, float], targets: dict[int, float], direction: str, standing: str) -> None:
    seen = outlook({year(y): v for y, v in figures.items()}, {year(y): v for y, v in targets.items()}, direction, share=False)  # type: ignore[arg-type]
    assert seen.standing == standing


def test_the_growth_that_is_still_needed_leads_to_the_target() -> None:
    seen = outlook({year(2019): 182.6, year(2021): 384.83}, {year(2025): 420.0}, "up", share=False)
    assert seen.needed is not None and seen.actual is not None
    assert seen.actual * (1 + seen.needed) ** 4 == pytest.approx(420)
    assert yearly(-1, 5, 2) is None


def defined(code: str, formula: str | None = None) -> Indicator:
    way = Way(sql="SELECT 2019 AS period, 1 AS value") if formula is None else Way(formula=formula)
    return Indicator(code=code, title=Text(zh=code), unit=Text(zh="个"), ways=(way,))


def test_formulas_are_worked_out_after_what_they_name() -> None:
    ordered = [one.code for one in in_order([defined("margin", "profit / revenue * 100"), defined("revenue"), defined("profit", "revenue - cost"), defined("cost")])]
    assert ordered.index("margin") > ordered.index("profit") > max(ordered.index("revenue"), ordered.index("cost"))


def test_a_round_and_an_unknown_name_are_refused() -> None:
    with pytest.raises(BadInput, match="circle"):
        in_order([defined("a", "b + 1"), defined("b", "a + 1")])
    with pytest.raises(BadInput, match="not there: nothing"):
        in_order([defined("a", "nothing + 1")])
    with pytest.raises(BadInput):
        in_order([defined("a", "__import__('os')")])


def test_what_cannot_be_calculated_is_no_figure() -> None:
    assert worked_out("a / b", {"a": 1.0, "b": 0.0}, "x") is None
    assert worked_out("a / b * 100", {"a": 49.72, "b": 3.2}, "x") == pytest.approx(1553.75)


def test_a_path_begins_at_the_base_that_the_indicator_names() -> None:
    revenue = Indicator(code="revenue", title=Text(zh="收入"), unit=Text(zh="亿元"), base="2019", ways=(Way(sql="SELECT 1"),))
    figures = {year(y): Figure(year(y), value, 1, now(), {}) for y, value in ((2017, 155.0), (2019, 182.6), (2021, 384.83))}
    one = watched(revenue, figures, {year(2025): Target(year(2025), 420.0, "=", Text(zh="规划"))})
    assert one.base == year(2019)
    assert one.outlook.expected == pytest.approx(182.6 * (420 / 182.6) ** (2 / 6))
    assert min(path_of(one)) == year(2019)
