"""Writers at the same time, and writers that die between the lake's commit and ours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.lake import Commit, Contract, Lake, lake_of
from sanqu.lake.writes import retried


def gauges() -> Contract:
    fields = [{"name": "id", "type": "integer"}, {"name": "level", "type": "number"}]
    return Contract.from_descriptor(
        {"name": "gauges", "title": {"zh": "水位", "en": "Gauges"}, "steward": "3308", "primaryKey": ["id"], "fields": fields}
    )


def put(lake: Lake, values: str) -> int:
    with lake.engine() as duck:
        source = f"SELECT * FROM (VALUES {values}) AS t(id, level)"
        return lake.upsert("gauges", source, Commit("line:gauges"), duck=duck).inserted


@pytest.mark.parametrize("there", ["", "(100, 1.0)"])
def test_two_who_bring_the_same_key_at_once_leave_one_row(city: City, there: str) -> None:
    lake = lake_of(city)
    lake.declare(gauges(), "system")
    if there:
        put(lake, there)
    with ThreadPoolExecutor(4) as writers:
        for key in range(6):
            list(writers.map(lambda n, key=key: put(lake, f"({key}, {n}.0)"), range(4)))
    assert lake.count("gauges") == 6 + bool(there)


def test_a_write_whose_note_was_lost_is_found_again(city: City) -> None:
    lake = lake_of(city)
    lake.declare(gauges(), "system")
    put(lake, "(1, 1.0)")
    with city.db.connection() as conn:
        conn.execute("UPDATE lake_dataset SET snapshot = 0, rows = 0")
    lake.catch_up()
    noted = city.db.one("SELECT snapshot, rows FROM lake_dataset")
    assert noted == {"snapshot": lake.snapshots("gauges")[0].id, "rows": 1}
    assert city.db.one("SELECT snapshot, rows FROM lake_dataset") == noted


def test_a_commit_that_may_have_gone_through_is_not_made_again() -> None:
    import duckdb

    tries = []

    def once() -> None:
        tries.append(1)
        raise duckdb.TransactionException("Failed to commit DuckLake transaction: server closed the connection unexpectedly")

    with pytest.raises(SanquError) as caught:
        retried("gauges", once)
    assert (len(tries), caught.value.code, caught.value.status) == (1, "lake.commit-unsure", 503)
