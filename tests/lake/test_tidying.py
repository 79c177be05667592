"""Rows are moved into files and files are merged while others read, write and change contracts: nobody notices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from sanqu.ground.bus import Bus
from sanqu.ground.city import City
from sanqu.ground.database import Database
from sanqu.lake import Commit, Contract, Hand, Lake, lake_of
from sanqu.lake.upkeep import compact

LISTED = "SELECT count(*) AS n FROM ducklake.ducklake_inlined_data_tables i JOIN ducklake.ducklake_table t USING (table_id) WHERE t.table_name = %s"


def gauges(name: str = "gauges", *items: str) -> Contract:
    fields = [
        {"name": "id", "type": "integer"},
        {"name": "level", "type": "integer"},
        *({"name": item, "type": "string"} for item in items),
    ]
    return Contract.from_descriptor(
        {"name": name, "title": {"zh": "水位"}, "steward": "3308", "primaryKey": ["id"], "fields": fields}
    )


def put(lake: Lake, keys: range, level: int = 0, name: str = "gauges") -> None:
    others = "".join(f", 'a' AS {item}" for item in lake.contract(name).names[2:])
    with lake.engine() as duck:
        lake.upsert(
            name, f"SELECT range AS id, {level} AS level{others} FROM range({keys.start}, {keys.stop})", Commit("live"), duck=duck
        )


def levels(lake: Lake, name: str = "gauges") -> list[tuple[int, int]]:
    with lake.engine() as duck:
        return duck.execute(f"SELECT id, level FROM lake.main.{name} ORDER BY ALL").fetchall()


@pytest.fixture
def other(city: City) -> Iterator[City]:
    """The same city as another process has it: a database engine of its own."""
    same = City(city.settings, Database(city.settings.database_url), Bus(""))
    yield same
    same.close()


def move(city: City) -> None:
    compact(city, written=["gauges"])


def move_what_else_there_is(city: City) -> None:
    put(lake_of(city), range(3), name="wells")
    compact(city, written=["wells"])


def maintain(city: City) -> None:
    lake_of(city).maintain()


@pytest.mark.parametrize("tidy", [move, move_what_else_there_is, maintain])
def test_a_dataset_whose_items_changed_is_read_on_in_every_process_when_rows_are_moved(
    city: City, other: City, tidy: Callable[[City], None]
) -> None:
    lake = lake_of(city)
    lake.declare(gauges("wells"), "test")
    lake.declare(gauges(), "test")
    if tidy is not move_what_else_there_is:
        put(lake, range(3))
    before = lake.newest()
    lake.declare(gauges("gauges", "river"), "test")
    put(lake, range(3, 5))
    assert len(levels(lake_of(other))) == lake.count("gauges")
    for _ in range(2):
        tidy(city)
        assert levels(lake_of(other)) == levels(lake)
    assert lake_of(other).count("gauges", before) == lake.count("gauges", before)


def test_forms_that_items_had_earlier_are_asked_for_no_longer_once_they_are_empty(city: City) -> None:
    lake = lake_of(city)
    lake.declare(gauges(), "test")
    for number in range(3):
        put(lake, range(number, number + 2))
        lake.declare(gauges("gauges", *(f"item{n}" for n in range(number + 1))), "test")
    for expected in (4, 1):
        lake.maintain()
        assert city.db.one(LISTED, ("gauges",)) == {"n": expected}
        assert levels(lake) == [(key, 0) for key in range(4)]


def test_keyed_rows_are_moved_while_others_write_other_datasets_and_each_stands_once(city: City, other: City) -> None:
    lake, over = lake_of(city), threading.Event()
    for name in ("gauges", "wells"):
        lake.declare(gauges(name), "test")

    def write() -> None:
        with lake_of(other).engine() as duck:
            while not over.is_set():
                lake_of(other).append("wells", "SELECT 1 AS id, 1 AS level", Commit("live"), duck=duck)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for level in range(8):
            put(lake, range(20), level)
            compact(city, written=["gauges"])
            assert levels(lake) == [(key, level) for key in range(20)]
            assert lake.count("gauges") == 20
    finally:
        over.set()
        writing.join()


@pytest.mark.parametrize("tidy", [lambda city: compact(city), maintain], ids=["compacted", "maintained"])
def test_a_row_that_is_changed_while_its_file_is_merged_stands_once(
    city: City, other: City, tidy: Callable[[City], None]
) -> None:
    lake = lake_of(city)
    lake.declare(gauges(), "test")
    for number in range(12):
        put(lake, range(number * 150, number * 150 + 150))
    tidying = threading.Thread(target=tidy, args=(other,))

    def change(hand: Hand) -> None:
        hand.merge(gauges(), "SELECT range AS id, 7 AS level FROM range(20)")
        tidying.start()
        # Either it is done by now, or it waits until this is.
        tidying.join(2)

    with lake.engine() as duck, city.db.own_connection() as conn:
        lake.together(Commit("live"), ["gauges"], change, duck=duck, conn=conn)
    tidying.join()
    assert levels(lake) == [(key, 7 if key < 20 else 0) for key in range(1800)]
