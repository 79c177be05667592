"""Quality figures count the rows one then sees behind them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sanqu.catalog.browse import show
from sanqu.catalog.keeping import register_contract
from sanqu.catalog.quality import Quality, freshness_share, measure, measure_in_background, quality_of, rows_behind, seconds_of
from sanqu.catalog.search import Ask, search
from sanqu.ground.city import City
from sanqu.ground.errors import NotFound, Refused
from sanqu.ground.people.askers import PUBLIC
from sanqu.lake import Commit, Contract, lake_of
from tests.live.conftest import until

from .conftest import PEOPLE

ROWS = """
SELECT * FROM (VALUES
    (1, 'a', 10.0, 'x', 's1'), (2, '', -5.0, 'y', 's2'), (2, 'b', 200.0, 'z', 's3'), (3, NULL, NULL, 'x', 's4'), (4, 'c c', 50.0, 'x', 's5')
) AS t (k, name, v, kind, secret)
"""


@pytest.fixture
def air(town: City) -> City:
    contract = Contract.from_descriptor(
        {"name": "air", "title": "空气", "description": "d", "steward": "3308-agri", "primaryKey": ["k"], "freshness": "P1D",
         "fields": [
             {"name": "k", "type": "integer"}, {"name": "name", "constraints": {"pattern": "[a-z]+"}},
             {"name": "v", "type": "number", "constraints": {"minimum": 0, "maximum": 100}},
             {"name": "kind", "constraints": {"enum": ["x", "y"]}}, {"name": "secret", "grade": "L3"},
         ]}
    )  # fmt: skip
    register_contract(town, contract, "test")
    with lake_of(town).engine() as duck:
        lake_of(town).append("air", ROWS, Commit("test"), duck=duck)
    return town


def bad(quality: Quality) -> dict[tuple[str, str, str], int]:
    return {(f.measure, f.item, f.rule): f.bad for f in quality.figures}


def test_every_figure_is_the_number_of_rows_behind_it(air: City) -> None:
    quality = measure(air, "air")
    assert bad(quality)[("completeness", "name", "filled")] == 2 and bad(quality)[("completeness", "v", "filled")] == 1
    assert bad(quality)[("validity", "v", "minimum")] == 1 and bad(quality)[("validity", "v", "maximum")] == 1
    assert bad(quality)[("validity", "kind", "enum")] == 1 and bad(quality)[("validity", "name", "pattern")] == 2
    assert bad(quality)[("uniqueness", "k", "primaryKey")] == 2
    for figure in quality.figures:
        if figure.condition:
            rows = rows_behind(air, "air", figure.measure, figure.item, PEOPLE.steward, rule=figure.rule)
            assert len(rows) == figure.bad, figure
    assert 0 < quality.score < 100 and quality.shares["freshness"] == 1.0
    assert {row["secret"] for row in rows_behind(air, "air", "uniqueness", "k", PEOPLE.steward)} == {"s2", "s3"}


def test_the_public_sees_only_open_items_behind_a_figure(air: City) -> None:
    measure(air, "air")
    rows = rows_behind(air, "air", "completeness", "v", PUBLIC)
    assert len(rows) == 1 and "secret" not in rows[0]
    with pytest.raises(NotFound):
        rows_behind(air, "air", "completeness", "secret", PUBLIC)
    with pytest.raises(NotFound):
        rows_behind(air, "air", "validity", "", PUBLIC, rule="quarantine")
    with pytest.raises(NotFound):
        rows_behind(air, "air", "validity", "nothing", PEOPLE.admin)
    from dataclasses import replace

    from sanqu.catalog.keeping import save_dataset

    save_dataset(air, replace(show(air, "air"), opening="restricted"), PEOPLE.steward)
    # What the public may read is remembered for a fifth of a second, unless the notice of the change comes first.
    until(lambda: _is_refused(air), 5)


def _is_refused(air: City) -> bool:
    try:
        rows_behind(air, "air", "completeness", "v", PUBLIC)
    except Refused:
        return True
    return False


def test_measuring_is_kept_and_reaches_the_record_and_the_search(air: City) -> None:
    assert quality_of(air, show(air, "air")) is None
    search(air, Ask("空气"))
    measure_in_background(air)
    dataset = search(air, Ask("空气")).hits[0].dataset
    kept = quality_of(air, dataset)
    assert kept is not None and dataset.quality == pytest.approx(kept.score) and len(kept.figures) > 8
    measure_in_background(air)
    again = quality_of(air, show(air, "air"))
    assert again is not None and again.at == kept.at
    with pytest.raises(NotFound):
        measure(air, "nothing")


def test_rows_in_quarantine_count_against_validity(air: City) -> None:
    with air.db.connection() as conn:
        columns = {str(r["column_name"]) for r in conn.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'lines_quarantine'")}
        assert {"dataset", "state", "raw", "faults", "place"} <= columns
        conn.execute(
            "INSERT INTO lines_quarantine (line, run, dataset, unit, place, mark, raw, items, faults, rules) "
            "VALUES ('l', 1, 'air', 'u', '{}', 'm', '{\"v\": \"bad\"}', '{}', '[]', '{}')"
        )
    assert bad(measure(air, "air"))[("validity", "", "quarantine")] == 1
    rows: list[dict[str, Any]] = rows_behind(air, "air", "validity", "", PEOPLE.steward, rule="quarantine")
    assert rows[0]["raw"] == {"v": "bad"}


def test_freshness_falls_with_age_against_the_promise() -> None:
    day = seconds_of("P1D")
    assert day == 86_400 and seconds_of("PT1H30M") == 5_400 and seconds_of("P1Y") > seconds_of("P12M") - 10
    shares = [freshness_share(timedelta(days=d), day) for d in (0, 1, 2, 3, 4, 100)]
    assert shares[:2] == [1.0, 1.0] and shares[-2:] == [0.0, 0.0] and shares == sorted(shares, reverse=True)
