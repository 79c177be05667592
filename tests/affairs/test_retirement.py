"""The tables of the delayed retirement age, at their corners and in between."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.affairs.retirement import month_after, months_needed, retirement_of


@pytest.mark.parametrize(
    ("born", "sex", "post", "legal"),
    [
        # The first and the last rows of the three tables of the State Council's measures.
        (date(1964, 12, 31), "男", "管理技术", date(2024, 12, 1)), (date(1965, 1, 15), "男", "管理技术", date(2025, 2, 1)),
        (date(1965, 5, 1), "男", "生产操作", date(2025, 7, 1)), (date(1976, 9, 1), "男", "管理技术", date(2039, 9, 1)),
        (date(1976, 12, 1), "男", "管理技术", date(2039, 12, 1)), (date(1990, 3, 1), "男", "管理技术", date(2053, 3, 1)),
        (date(1970, 1, 1), "女", "管理技术", date(2025, 2, 1)), (date(1981, 12, 1), "女", "管理技术", date(2039, 12, 1)),
        (date(1975, 1, 1), "女", "生产操作", date(2025, 2, 1)), (date(1975, 3, 1), "女", "生产操作", date(2025, 5, 1)),
        (date(1984, 12, 1), "女", "生产操作", date(2039, 12, 1)),
    ],
)  # fmt: skip
def test_the_tables_hold_at_their_ends(born: date, sex: str, post: str, legal: date) -> None:
    assert retirement_of(born, sex, post).legal == legal


@pytest.mark.parametrize(("year", "months"), [(2024, 180), (2029, 180), (2030, 186), (2034, 210), (2039, 240), (2060, 240)])
def test_the_months_needed_rise_by_six_a_year_from_2030(year: int, months: int) -> None:
    assert months_needed(year) == months


@given(st.dates(date(1955, 1, 1), date(2010, 12, 31)), st.sampled_from(("男", "女")), st.sampled_from(("管理技术", "生产操作")))
def test_choice_is_three_years_either_way_and_never_before_the_former_age(born: date, sex: str, post: str) -> None:
    found = retirement_of(born, sex, post)
    former = {"男": 60}.get(sex, 50 if post == "生产操作" else 55)
    assert found.earliest <= found.legal <= found.latest == month_after(found.legal, 36)
    assert found.earliest == max(month_after(born, former * 12), month_after(found.legal, -36))
    # Whoever is born later retires no earlier.
    assert retirement_of(month_after(born, 1), sex, post).legal >= found.legal
