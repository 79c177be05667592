"""What holds for every message, row, lane and latency."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from sanqu.lake import Contract
from sanqu.lines.checks import compile_checks
from sanqu.lines.live.envelope import CHANGES, OPS, Change, Unread, chunked, decode, encode_changes
from sanqu.lines.live.gather.pgoutput import Reader
from sanqu.lines.live.lanes import Lane, Turns
from sanqu.lines.live.meters import BUCKETS, bucket_of, quantile
from sanqu.lines.live.rows import Matcher, cell_text, natives, text_table

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
SCALAR = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=12)
ROW = st.dictionaries(TEXT, JSON, max_size=5)
CHANGE = st.builds(Change, st.sampled_from(sorted(OPS)), ROW, st.none() | st.tuples(st.integers(0, 2**62), st.integers(0, 2**31)))


@given(st.lists(CHANGE, min_size=1, max_size=8))
def test_changes_come_out_of_a_message_as_they_went_in(changes: list[Change]) -> None:
    assert list(decode(encode_changes(changes), CHANGES)) == changes


@given(st.lists(ROW, max_size=30), st.integers(1, 10), st.integers(1, 400))
def test_rows_are_cut_into_messages_of_the_size_allowed_always_the_same(rows: list[dict[str, Any]], most: int, size: int) -> None:
    payloads = list(chunked(rows, most, size))
    assert payloads == list(chunked(rows, most, size))
    assert [one.values for payload in payloads for one in decode(payload, None) if isinstance(one, Change)] == rows
    assert all(payload.count(b"\n") < most for payload in payloads)
    assert all(len(payload) <= size + most or b"\n" not in payload for payload in payloads)


@given(st.binary(max_size=300) | JSON.map(orjson.dumps), st.sampled_from([None, CHANGES, "x"]))
def test_whatever_a_message_holds_is_a_row_or_told(payload: bytes, form: str | None) -> None:
    for one in decode(payload, form):
        if isinstance(one, Unread):
            assert isinstance(one.text, str)
        else:
            assert one.op in OPS and isinstance(one.values, dict)
            assert one.place is None or all(type(part) is int for part in one.place)


@given(st.lists(st.binary(max_size=60) | st.tuples(st.sampled_from([b"R", b"I", b"U", b"D", b"B", b"C", b"T"]), st.binary(max_size=60)).map(b"".join), max_size=5))
def test_what_is_no_message_of_a_source_is_refused_as_such(messages: list[bytes]) -> None:
    reader = Reader()
    for data in messages:
        with suppress(ValueError):
            reader.read(data)


@given(st.lists(st.floats(0, 5_000_000), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_a_quantile_lies_within_a_bucket_of_the_true_one(latencies: list[float], share: float) -> None:
    counts = [0] * BUCKETS
    for one in latencies:
        counts[bucket_of(one)] += 1
    told = quantile(counts, share)
    true = sorted(latencies)[max(0, math.ceil(share * len(latencies)) - 1)]
    assert told is not None
    assert true <= told * 1.000001 or true <= 1 or bucket_of(true) == BUCKETS - 1
    assert told <= max(1.0, true) * 2**0.2500001


@given(st.floats() | st.integers(-(10**400), 0))
def test_a_latency_that_cannot_be_still_has_a_bucket(said: float) -> None:
    with suppress(ValueError, OverflowError):
        assert 0 <= bucket_of(said) < BUCKETS


VALUES = [
    ("BIGINT", st.integers(-(2**63), 2**63 - 1)), ("DOUBLE", st.floats(allow_nan=False, allow_infinity=False)), ("BOOLEAN", st.booleans()),
    ("DECIMAL(18,4)", st.decimals(-(10**12), 10**12, places=4)), ("DATE", st.dates()), ("TIMESTAMP", st.datetimes()), ("VARCHAR", TEXT),
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(VALUES).flatmap(lambda one: st.tuples(st.just(one[0]), st.lists(one[1] | st.none(), min_size=1, max_size=8))))
def test_cells_are_read_back_as_the_values_they_were(said: tuple[str, list[Any]]) -> None:
    kind, values = said
    duck = duckdb.connect()
    duck.register("cells", text_table([[cell_text(value)] for value in values], 1))
    back = [row[0] for row in duck.execute(f"SELECT CAST(c0 AS {kind}) FROM cells").fetchall()]
    duck.close()
    assert back == [Decimal(value) if isinstance(value, Decimal) else value for value in values]


MOMENT = st.datetimes().map(lambda at: at.isoformat()) | st.from_regex(r"[0-2]\d{3}-[01]\d-[0-3]\d[T ][0-2]\d:[0-6]\d(:[0-6]\d(\.\d{1,7})?)?(Z|[+]08:00)?", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(MOMENT | st.none(), min_size=1, max_size=5))
def test_a_moment_that_is_taken_as_it_came_is_the_one_its_text_says(said: list[str | None]) -> None:
    contract = Contract.from_descriptor({"name": "x", "title": "x", "steward": "s", "fields": [{"name": "at", "type": "datetime"}]})
    taken = natives(contract, Matcher(contract.fields, {}), [{"at": one} for one in said]).get("at")
    duck = duckdb.connect()
    duck.register("cells", text_table([[one] for one in said], 1))
    read = duck.execute(compile_checks(contract, {"at": "c0"}).staged("SELECT * FROM cells", 1)).fetchall()
    duck.close()
    assert taken is None or [(one, None) for one in taken.to_pylist()] == [(row[0], row[1]) for row in read]


@given(st.datetimes())
def test_a_moment_as_machines_write_it_is_taken_as_it_came(at: datetime) -> None:
    contract = Contract.from_descriptor({"name": "x", "title": "x", "steward": "s", "fields": [{"name": "at", "type": "datetime"}]})
    assert natives(contract, Matcher(contract.fields, {}), [{"at": at.isoformat()}])["at"].to_pylist() == [at]


def served(weights: dict[str, int], rounds: int, rested: dict[str, int]) -> dict[str, int]:
    """How often each lane got the one turn there is, when all want it always from their `rested` round on."""

    async def run() -> dict[str, int]:
        turns, counts, total = Turns(1), dict.fromkeys(weights, 0), 0

        async def lane(name: str, weight: int) -> None:
            nonlocal total
            while total < rested[name]:
                await asyncio.sleep(0)
            while total < rounds:
                async with turns.turn(name):
                    total += 1
                    counts[name] += total > max(rested.values())
                    await asyncio.sleep(0)
                turns.note(Lane(name, weight), 1.0)

        await asyncio.gather(*(lane(name, weight) for name, weight in weights.items()))
        return counts

    return asyncio.run(run())


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(0, 60))
def test_lanes_that_always_want_get_equal_turns_and_none_saves_up(lanes: int, late: int) -> None:
    # The first lane rested while the others carried: it gets its share from then on, and no more.
    names = [f"l{number}" for number in range(lanes)]
    counts = served(dict.fromkeys(names, 1), 40 * lanes + late, {name: late if name == "l0" else 0 for name in names})
    assert max(counts.values()) - min(counts.values()) <= 3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=3, max_size=5))
def test_of_lanes_that_wait_the_heavier_come_no_less_often(weights: list[int]) -> None:
    said = {f"l{number}": weight for number, weight in enumerate(weights)}
    counts = served(said, 40 * len(weights), dict.fromkeys(said, 0))
    for one, weight in said.items():
        assert counts[one] > 0
        assert all(counts[one] + 3 >= counts[other] for other in said if said[other] <= weight)
