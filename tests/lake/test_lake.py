"""The lake through its public door: contracts, keyed writes, time travel, the change feed."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, Unavailable
from sanqu.lake import Commit, Contract, Lake, lake_of


def stations(**changes: Any) -> Contract:
    descriptor: dict[str, Any] = {
        "name": "air-stations",
        "title": {"zh": "空气站", "en": "Air stations"},
        "steward": "3308",
        "primaryKey": ["id"],
        "fields": [
            {"name": "id", "type": "integer", "constraints": {"required": True}},
            {"name": "name", "type": "string"},
            {"name": "pm25", "type": "number"},
        ],
    }
    return Contract.from_descriptor(descriptor | changes)


def fields(*extra: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(item.model_dump(mode="json", exclude_defaults=True) for item in stations().fields), *extra]


def rows(lake: Lake, **how: Any) -> list[tuple[Any, ...]]:
    with lake.read("air-stations", order="id", **how) as reader:
        return [tuple(row.values()) for row in reader.read_all().to_pylist()]


def write(lake: Lake, verb: str, values: str, **position: Any) -> Any:
    source = f"SELECT * FROM (VALUES {values}) AS t(id, name, pm25)"
    with lake.engine() as duck:
        return getattr(lake, verb)("air-stations", source, Commit("line:air", position=position), duck=duck)


def test_an_upsert_writes_only_what_differs(city: City) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    first = write(lake, "upsert", "(1, '柯城', 30.0), (2, '衢江', 41.0)")
    second = write(lake, "upsert", "(1, '柯城', 30.0), (2, '衢江', 42.5), (3, '常山', 12.0)")
    again = write(lake, "upsert", "(1, '柯城', 30.0), (2, '衢江', 42.5), (3, '常山', 12.0)")
    assert (first.inserted, first.updated, first.unchanged) == (2, 0, 0)
    assert (second.inserted, second.updated, second.unchanged) == (1, 1, 1)
    assert (again.inserted, again.updated, again.unchanged) == (0, 0, 3)
    assert again.snapshot == second.snapshot
    assert rows(lake) == [(1, "柯城", 30.0), (2, "衢江", 42.5), (3, "常山", 12.0)]


def test_a_past_snapshot_can_be_read_and_the_feed_says_what_changed_since(city: City) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    first = write(lake, "upsert", "(1, '柯城', 30.0)")
    second = write(lake, "upsert", "(1, '柯城', 31.0)")
    write(lake, "delete", "(1, '', 0.0)")
    assert rows(lake) == []
    assert rows(lake, snapshot=first.snapshot) == [(1, "柯城", 30.0)]
    feed = lake.changes("air-stations", second.snapshot, lake.snapshots("air-stations")[0].id).to_pylist()
    assert [row["change_type"] for row in feed if row["change_type"] != "update_preimage"] == ["update_postimage", "delete"]
    assert len(lake.snapshots("air-stations")) == 3


def test_the_position_of_a_line_is_in_the_lake_with_its_rows(city: City) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    first = write(lake, "append", "(1, 'a', 1.0)", file="a.csv")
    write(lake, "append", "(2, 'b', 2.0)", file="b.csv")
    seen = lake.last_commit("line:air")
    assert seen is not None
    assert seen.position == {"file": "b.csv"}
    assert lake.last_commit("line:air", after=seen.snapshot) is None
    assert lake.last_commit("line:other") is None
    assert first.snapshot < seen.snapshot


def test_a_replacement_is_one_snapshot(city: City) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    write(lake, "append", "(1, 'a', 1.0), (2, 'b', 2.0)")
    change = write(lake, "replace", "(3, 'c', 3.0)")
    assert (change.deleted, change.inserted) == (2, 1)
    assert rows(lake) == [(3, "c", 3.0)]
    assert len(lake.snapshots("air-stations")) == 2


def test_a_key_that_stands_twice_in_one_upsert_is_refused_and_nothing_is_written(city: City) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    with pytest.raises(BadInput) as refused:
        write(lake, "upsert", "(1, 'a', 1.0), (1, 'b', 2.0)")
    assert refused.value.facts["key"] == {"id": "1"}
    assert lake.count("air-stations") == 0


def test_a_compatible_contract_migrates_the_table_and_keeps_its_rows(city: City) -> None:
    lake = lake_of(city)
    assert lake.declare(stations(), "system") == 1
    assert lake.declare(stations(), "system") == 1
    write(lake, "append", "(1, 'a', 1.0)")
    wider = fields({"name": "county", "type": "string"})
    wider[1] = {"name": "station", "type": "string", "aliases": ["name"]}
    assert lake.declare(stations(fields=wider), "system") == 2
    assert rows(lake) == [(1, "a", 1.0, None)]
    assert lake.contract("air-stations").names == ("id", "station", "pm25", "county")
    assert lake.contract("air-stations", 1).names == ("id", "name", "pm25")


@pytest.mark.parametrize(
    ("changes", "item"),
    [
        ({"fields": fields()[:2]}, "pm25"),
        ({"fields": [*fields()[:2], {"name": "pm25", "type": "date"}]}, "pm25"),
        ({"fields": [fields()[0], {"name": "name", "constraints": {"required": True}}, fields()[2]]}, "name"),
        ({"primaryKey": ["pm25"]}, "pm25"),
    ],
    ids=["an item taken away", "a type that cannot follow", "an item required that is empty", "a key with doubles"],
)
def test_an_incompatible_contract_is_refused_with_the_item(city: City, changes: dict[str, Any], item: str) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    write(lake, "append", "(1, NULL, 1.0), (2, 'b', 1.0)")
    with pytest.raises(Conflict) as refused:
        lake.declare(stations(**changes), "system")
    assert refused.value.facts["item"] == item
    assert lake.contract("air-stations") == stations()
    assert lake.count("air-stations") == 2


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"primaryKey": ["nothing"]}, "primaryKey"),
        ({"grade": "L4"}, "opening"),
        ({"sharing": "none"}, "sharing"),
        ({"freshness": "daily"}, "freshness"),
        ({"name": "Not A Name"}, "name"),
        ({"fields": [{"name": "a"}, {"name": "A"}]}, "fields"),
        ({"fields": [{"name": "a", "type": "integer", "constraints": {"minimum": 5, "maximum": 1}}]}, "fields.a"),
        ({"fields": [{"name": "a", "constraints": {"pattern": "("}}]}, "fields.a"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused_with_the_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(BadInput) as refused:
        stations(**({"primaryKey": []} | changes))
    assert place in str(refused.value.problem("en"))


def test_upkeep_keeps_every_row_and_the_newest_snapshot(city: City) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    for number in range(6):
        write(lake, "append", f"({number}, 'n', 1.0)")
    lake.maintain(keep_days=0)
    assert lake.count("air-stations") == 6
    write(lake, "upsert", "(0, 'changed', 1.0)")
    assert rows(lake)[0] == (0, "changed", 1.0)


def test_a_disk_that_is_full_is_said_and_nothing_half_written_stays(city: City) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    write(lake, "append", "(1, 'a', 1.0)")
    before = set(Path(city.settings.lake_folder).rglob("*.parquet"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A file may grow no further than this: to the engine the same as a disk that is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
    try:
        with lake.engine() as duck, pytest.raises(Unavailable) as refused:
            many = "SELECT i + 10 AS id, uuid()::VARCHAR AS name, random() AS pm25 FROM range(500000) AS t(i)"
            lake.append("air-stations", many, Commit("test"), duck=duck)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.code == "lake.disk-full"
    assert rows(lake) == [(1, "a", 1.0)]
    assert set(Path(city.settings.lake_folder).rglob("*.parquet")) == before
    write(lake, "append", "(2, 'b', 2.0)")
    assert lake.count("air-stations") == 2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(st.one_of(st.none(), st.integers(-3, 3)), max_size=8))
def test_whatever_the_order_a_doubled_key_is_found_and_only_then(city: City, keys: list[int | None]) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    values = ", ".join(f"({'NULL' if key is None else key}::BIGINT, 'n', 1.0)" for key in keys) or "(0::BIGINT, 'n', 1.0)"
    doubled = len(set(keys)) < len(keys)
    if doubled:
        with pytest.raises(BadInput, match="One key stands"):
            write(lake, "upsert", values)
    else:
        write(lake, "upsert", values)
    write(lake, "replace", "(99, 'n', 1.0)")
    write(lake, "delete", "(99, 'n', 1.0)")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.permutations(range(8)), size=st.integers(1500, 2600), again=st.none() | st.integers(0, 10_000))
def test_keys_that_rise_in_parts_written_in_turns_are_told_apart(
    city: City, parts: list[int], size: int, again: int | None
) -> None:
    lake = lake_of(city)
    lake.declare(stations(), "system")
    listed = [f"SELECT {part * size} + range AS id, 'n' AS name, 1.0 AS pm25 FROM range({size})" for part in parts]
    if again is not None:
        listed.append(f"SELECT {again % (8 * size)}, 'again', 2.0")
    with lake.engine() as duck:
        if again is None:
            assert lake.upsert("air-stations", " UNION ALL ".join(listed), Commit("test"), duck=duck).inserted == 8 * size
        else:
            with pytest.raises(BadInput, match="One key stands 2 times"):
                lake.upsert("air-stations", " UNION ALL ".join(listed), Commit("test"), duck=duck)
    write(lake, "replace", "(99, 'n', 1.0)")
    write(lake, "delete", "(99, 'n', 1.0)")
