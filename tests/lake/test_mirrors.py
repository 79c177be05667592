"""Mirrors: what a line writes many times a second is looked up in a copy beside it, which says what the lake says."""

from __future__ import annotations

import random
from collections.abc import Iterator

import duckdb
import pytest

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput
from sanqu.lake import Commit, Contract, Hand, Mirrors, lake_of

FIELDS = [{"name": "id", "type": "integer"}, {"name": "level", "type": "number"}]
GAUGES = Contract.from_descriptor({"name": "gauges", "title": {"zh": "水位", "en": "Gauges"}, "steward": "3308", "primaryKey": ["id"], "fields": FIELDS})
Rows = list[tuple[int, float]]


class Line:
    """One who writes to `gauges` again and again, with mirrors of its own."""

    def __init__(self, city: City, duck: duckdb.DuckDBPyConnection, conn: Connection) -> None:
        self.city, self.duck, self.conn, self.mirrors = city, duck, conn, Mirrors()

    def put(self, *rows: tuple[int, float], then: Exception | None = None) -> tuple[Rows, Rows]:
        """Write rows; gives what its mirror said before and after, in the same transaction."""

        def work(hand: Hand) -> tuple[Rows, Rows]:
            before = self._seen(hand)
            hand.merge(GAUGES, f"SELECT * FROM (VALUES {', '.join(map(str, rows))}) AS t(id, level)")
            after = self._seen(hand)
            if then:
                raise then
            return before, after

        return lake_of(self.city).together(Commit("line"), ["gauges"], work, duck=self.duck, conn=self.conn, mirrors=self.mirrors).result

    def _seen(self, hand: Hand) -> Rows:
        return self.duck.execute(f"SELECT id, level FROM {hand.mirror('gauges')} ORDER BY id").fetchall()


@pytest.fixture
def line(city: City) -> Iterator[Line]:
    """The line, at an empty dataset."""
    lake_of(city).declare(GAUGES, "system")
    with lake_of(city).engine() as duck, city.db.own_connection() as conn:
        yield Line(city, duck, conn)


def there(city: City) -> Rows:
    with lake_of(city).engine() as duck:
        return duck.execute("SELECT id, level FROM lake.main.gauges ORDER BY id").fetchall()


def test_a_mirror_says_what_was_written_in_this_transaction_and_those_before(city: City, line: Line) -> None:
    assert line.put((1, 1.0), (2, 2.0)) == ([], [(1, 1.0), (2, 2.0)])
    assert line.put((2, 2.5), (3, 3.0)) == ([(1, 1.0), (2, 2.0)], [(1, 1.0), (2, 2.5), (3, 3.0)])
    assert there(city) == [(1, 1.0), (2, 2.5), (3, 3.0)]


def test_a_transaction_that_is_undone_is_undone_in_the_mirror_too(city: City, line: Line) -> None:
    line.put((1, 1.0))
    with pytest.raises(BadInput):
        line.put((1, 9.0), (2, 2.0), then=BadInput("no", GAUGES.title, GAUGES.title))
    assert line.put((3, 3.0)) == ([(1, 1.0)], [(1, 1.0), (3, 3.0)])
    assert there(city) == [(1, 1.0), (3, 3.0)]


def test_what_others_write_in_between_is_seen_whatever_way_they_write(city: City, line: Line) -> None:
    lake, draw, expected = lake_of(city), random.Random(7), dict[int, float]()
    with lake.engine() as other:
        for step in range(40):
            rows = {draw.randrange(12): float(step) for _ in range(draw.randint(1, 4))}
            source = f"SELECT * FROM (VALUES {', '.join(map(str, rows.items()))}) AS t(id, level)"
            match draw.choice(["line", "line", "line", "upsert", "delete", "replace"]):
                case "line":
                    before, after = line.put(*rows.items())
                    assert before == sorted(expected.items())
                    expected |= rows
                    assert after == sorted(expected.items())
                case "upsert":
                    lake.upsert("gauges", source, Commit("other"), duck=other)
                    expected |= rows
                case "delete":
                    lake.delete("gauges", f"SELECT id FROM ({source})", Commit("other"), duck=other)
                    expected = {key: level for key, level in expected.items() if key not in rows}
                case "replace":
                    lake.replace("gauges", source, Commit("other"), duck=other)
                    expected = dict(rows)
            assert there(city) == sorted(expected.items())


def test_two_lines_of_one_dataset_see_each_other(city: City, line: Line) -> None:
    with lake_of(city).engine() as duck, city.db.own_connection() as conn:
        second = Line(city, duck, conn)
        line.put((1, 1.0))
        assert second.put((2, 2.0)) == ([(1, 1.0)], [(1, 1.0), (2, 2.0)])
        assert line.put((2, 2.5)) == ([(1, 1.0), (2, 2.0)], [(1, 1.0), (2, 2.5)])


def test_one_who_writes_first_in_the_same_transaction_without_looking_is_seen_by_the_next(city: City, line: Line) -> None:
    line.put((1, 1.0))

    def work(hand: Hand) -> Rows:
        hand.merge(GAUGES, "SELECT 2 AS id, 2.0 AS level")
        there = hand.mirror("gauges") or "lake.main.gauges"
        return line.duck.execute(f"SELECT id, level FROM {there} ORDER BY id").fetchall()

    joint = lake_of(city).together(Commit("line"), ["gauges"], work, duck=line.duck, conn=line.conn, mirrors=line.mirrors)
    assert joint.result == [(1, 1.0), (2, 2.0)]
    assert line.put((3, 3.0))[0] == [(1, 1.0), (2, 2.0)]


def test_a_dataset_whose_items_changed_is_mirrored_with_its_new_items(city: City, line: Line) -> None:
    line.put((1, 1.0))
    lake_of(city).declare(GAUGES.model_copy(update={"fields": (*GAUGES.fields, GAUGES.fields[1].model_copy(update={"name": "flow"}))}), "system")

    def work(hand: Hand) -> list[tuple[object, ...]]:
        return line.duck.execute(f"SELECT id, level, flow FROM {hand.mirror('gauges')}").fetchall()

    joint = lake_of(city).together(Commit("line"), ["gauges"], work, duck=line.duck, conn=line.conn, mirrors=line.mirrors)
    assert joint.result == [(1, 1.0, None)]
