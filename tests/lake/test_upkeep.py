"""What live lines leave behind: small files are merged and snapshots thinned, and nothing that is read changes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sanqu.ground.city import City
from sanqu.lake import Commit, Contract, lake_of, upkeep
from sanqu.lake.upkeep import compact, needs_snapshots, thin

FILES = "SELECT count(*) AS n FROM ducklake.ducklake_data_file f JOIN ducklake.ducklake_table t USING (table_id) WHERE t.table_name = 'ticks' AND f.end_snapshot IS NULL"


@pytest.fixture
def ticks(city: City) -> list[int]:
    """A dataset written in thirty small commits; gives their snapshots."""
    told = {"name": "ticks", "title": {"zh": "t"}, "steward": "330800", "primaryKey": ["id"], "fields": [{"name": "id", "type": "integer"}]}
    contract = Contract.from_descriptor(told)
    lake_of(city).declare(contract, "test")
    snapshots = []
    with lake_of(city).engine() as duck, city.db.own_connection() as conn:
        for n in range(30):
            rows = f"SELECT range AS id FROM range({n * 200}, {n * 200 + 200})"
            joint = lake_of(city).together(Commit("live"), ["ticks"], lambda hand, rows=rows: hand.merge(contract, rows), duck=duck, conn=conn)
            snapshots.append(joint.snapshot or 0)
    return snapshots


def test_small_files_are_merged_and_every_snapshot_reads_as_before(city: City, ticks: list[int]) -> None:
    assert city.db.one(FILES) == {"n": 30}
    assert compact(city) == ["ticks"]
    row = city.db.one(FILES)
    assert row is not None and row["n"] <= 2
    assert lake_of(city).count("ticks") == 6000
    assert [lake_of(city).count("ticks", at) for at in ticks[:3]] == [200, 400, 600]
    assert lake_of(city).changes("ticks", ticks[4], ticks[4]).num_rows == 200
    assert compact(city) == []


def test_files_whose_rows_have_all_changed_since_are_taken_away_and_earlier_snapshots_read_as_before(city: City) -> None:
    told = {"name": "ticks", "title": {"zh": "t"}, "steward": "330800", "primaryKey": ["id"], "fields": [{"name": "id", "type": "integer"}, {"name": "value", "type": "integer"}]}
    contract = Contract.from_descriptor(told)
    lake_of(city).declare(contract, "test")
    with lake_of(city).engine() as duck, city.db.own_connection() as conn:

        def put(n: int) -> int:
            # Two thirds of the rows at a time, as of trucks that report in turns.
            rows = f"SELECT (range + {n * 200}) % 300 AS id, {n} AS value FROM range(200)"
            return lake_of(city).together(Commit("live"), ["ticks"], lambda hand: hand.merge(contract, rows), duck=duck, conn=conn).snapshot or 0

        snapshots = [put(n) for n in range(30)]
        there = duck.execute("SELECT sum(value), count(*) FROM lake.main.ticks").fetchall()
        row = city.db.one(FILES)
        assert row is not None and row["n"] > 20
        compact(city, written=["ticks"])
        row = city.db.one(FILES)
        assert row is not None and row["n"] <= 4
        assert duck.execute("SELECT sum(value), count(*) FROM lake.main.ticks").fetchall() == there
    assert [lake_of(city).count("ticks", at) for at in snapshots[:2]] == [200, 300]
    assert lake_of(city).changes("ticks", snapshots[9], snapshots[9]).num_rows == 400


def test_old_snapshots_of_live_lines_are_thinned_but_not_where_somebody_stands(
    city: City, ticks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert thin(city) == 0
    monkeypatch.setattr(upkeep, "now", lambda: upkeep_now() + timedelta(hours=3))
    monkeypatch.setattr(upkeep, "_needs", [])
    needs_snapshots(lambda _city: ticks[10])
    assert thin(city) in (8, 9)
    assert lake_of(city).changes("ticks", ticks[10], ticks[12]).num_rows == 600
    monkeypatch.setattr(upkeep, "_needs", [])
    assert thin(city) > 15
    assert lake_of(city).count("ticks") == 6000


upkeep_now = upkeep.now
