"""Masks in a real DuckDB: what each leaves, and that nothing else comes out, whatever the value."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import struct
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from sanqu.ground.errors import BadInput
from sanqu.lake.contracts import LAKE_TYPES, Field
from sanqu.sharing.masks import FITS, MOST_MASKS, apply_masks, masked_type, parse_masks

COLUMN = exp.column("v", quoted=True)
SECRET = exp.Placeholder(this="secret")
# What a column holds and Python cannot say.
OUTERMOST: dict[str, tuple[str, ...]] = {
    "date": ("infinity", "-infinity", "5877642-06-25 (BC)", "5881580-07-10", "9999-12-31", "0001-01-01"),
    "datetime": ("infinity", "-infinity", "290309-12-22 (BC) 00:00:00", "294247-01-10 04:00:54.775806", "9999-12-31 23:59:59"),
    "number": ("infinity", "-infinity", "nan", "-nan", "1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", "-0.0"),
    "integer": (str(-(2**63)), str(2**63 - 1), "0", "-1"),
    "year": (str(-(2**31)), str(2**31 - 1), "0"),
    "time": ("00:00:00", "23:59:59.999999", "24:00:00"),
    "boolean": ("true", "false"),
}
TEXTS = (
    "",
    " ",
    "张",
    "衢州市",
    "👨‍👩‍👧",
    "e\u0301\u0301",
    "a\0b",
    "'; DROP",
    "\\",
    "%s$1",
    "\n",
    "x" * 5000,
    "[,]",
    "118.87,28.97",
    "1e999,1",
)
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "keep": [{"first": 1}, {"first": 3, "last": 4, "fixed": False, "fill": "某"}, {"fill": "'"}, {"last": 1000}],
    "hash": [{}],
    "bucket": [{"width": 10}, {"width": 10**15, "origin": -(10**15)}, {"width": 1, "origin": 7}],
    "truncate": [{"to": "year"}, {"to": "quarter"}, {"to": "month"}, {"to": "week"}],
    "round": [{"digits": -1}, {"digits": -15}],
    "drop": [{}],
}  # fmt: skip


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def field(kind: str) -> Field:
    return Field(name="v", type=kind)  # type: ignore[arg-type]


def masked(
    duck: duckdb.DuckDBPyConnection, values: list[Any], kind: str, *raw: dict[str, Any], secret: str = "a secret"
) -> list[Any]:
    """What a reader sees of a column of `values`; fails where the type is another than the masks say."""
    item = field(kind)
    masks = parse_masks(list(raw), item)
    duck.execute(f'CREATE OR REPLACE TEMP TABLE held (n INTEGER, "v" {LAKE_TYPES[kind]})')
    duck.execute(
        f"INSERT INTO held VALUES {', '.join(['(?, ?)'] * len(values))}", [x for pair in enumerate(values) for x in pair]
    )
    seen = apply_masks(COLUMN, masks, item, SECRET).sql("duckdb")
    assert secret not in seen
    params = {"secret": secret} if "$secret" in seen else {}
    rows = duck.execute(f"SELECT {seen} AS seen, typeof(seen), seen IS NULL FROM held ORDER BY n", params).fetchall()
    assert {row[1] for row in rows} <= {masked_type(masks, item)}
    return [row[0] for row in rows]


def mask(kind: str, **how: Any) -> dict[str, Any]:
    return {"kind": kind, **how}


# keep


def test_keep_shows_the_ends_and_four_fills_whatever_the_length(duck: duckdb.DuckDBPyConnection) -> None:
    seen = masked(duck, ["13812345678", "138123456789999", None], "string", mask("keep", first=3, last=4))
    assert seen == ["138****5678", "138****9999", None]


def test_keep_fills_as_many_characters_as_there_were_where_asked_to(duck: duckdb.DuckDBPyConnection) -> None:
    seen = masked(duck, ["欧阳海燕", "张三", "王"], "string", mask("keep", first=1, fill="某", fixed=False))
    assert seen == ["欧某某某", "张某", "某"]


def test_keep_shows_nothing_of_a_value_it_could_not_hide_anything_of(duck: duckdb.DuckDBPyConnection) -> None:
    short = ["", "1", "1234567"]
    assert masked(duck, short, "string", mask("keep", first=3, last=4)) == ["****"] * 3
    assert masked(duck, short, "string", mask("keep", first=3, last=4, fixed=False)) == ["", "*", "*" * 7]


def test_keep_takes_a_phone_that_lies_as_a_number(duck: duckdb.DuckDBPyConnection) -> None:
    assert masked(duck, [13812345678], "integer", mask("keep", first=3, last=4)) == ["138****5678"]


@given(text=st.text(max_size=30), first=st.integers(0, 12), last=st.integers(0, 12), fixed=st.booleans())
@settings(max_examples=200, deadline=None)
def test_keep_lets_no_more_characters_through_than_it_states(
    duck: duckdb.DuckDBPyConnection, text: str, first: int, last: int, fixed: bool
) -> None:
    [seen] = masked(duck, [text], "string", mask("keep", first=first, last=last, fill="■", fixed=fixed))
    hidden = len(text) - first - last
    if hidden <= 0:
        assert seen == "■" * (4 if fixed else len(text))
    else:
        assert seen == text[:first] + "■" * (4 if fixed else hidden) + text[len(text) - last :]


@given(pair=st.tuples(st.text(max_size=40), st.text(max_size=40)), first=st.integers(0, 3), last=st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_keep_tells_no_lengths_apart(duck: duckdb.DuckDBPyConnection, pair: tuple[str, str], first: int, last: int) -> None:
    one, other = ("衢州三" + middle + "end" for middle in ("x" + pair[0], "y" + pair[1]))
    seen = masked(duck, [one, other], "string", mask("keep", first=first, last=last))
    assert seen[0] == seen[1]


# hash


@given(value=st.text(max_size=80), secret=st.text(min_size=1, max_size=90).filter(lambda s: "\0" not in s))
@settings(max_examples=150, deadline=None)
def test_a_hash_is_the_first_half_of_hmac_sha256(duck: duckdb.DuckDBPyConnection, value: str, secret: str) -> None:
    item = field("string")
    query = apply_masks(COLUMN, parse_masks([mask("hash")], item), item, SECRET).sql("duckdb")
    row = duck.execute(f'SELECT {query} FROM (SELECT CAST($value AS VARCHAR) AS "v")', {"value": value, "secret": secret})
    found = row.fetchone()
    assert found == (hmac.new(secret.encode(), value.encode(), hashlib.sha256).hexdigest()[:32],)


@given(values=st.lists(st.text(max_size=20), min_size=2, max_size=10))
@settings(max_examples=100, deadline=None)
def test_hashes_are_equal_where_values_are_and_never_across_secrets(duck: duckdb.DuckDBPyConnection, values: list[str]) -> None:
    ours = masked(duck, values, "string", mask("hash"), secret="grant one")
    theirs = masked(duck, values, "string", mask("hash"), secret="grant two")
    for n, value in enumerate(values):
        assert [seen == ours[n] for seen in ours] == [other == value for other in values]
    assert not set(ours) & set(theirs)


def test_equal_values_have_one_hash_whatever_they_look_like(duck: duckdb.DuckDBPyConnection) -> None:
    assert len(set(masked(duck, [0.0, "-0.0"], "number", mask("hash")))) == 1
    seen = masked(duck, ["2024-02-29", date(2024, 2, 29)], "date", mask("hash"))
    assert seen == [hmac.new(b"a secret", b"2024-02-29", hashlib.sha256).hexdigest()[:32]] * 2


def test_without_a_secret_there_is_no_token(duck: duckdb.DuckDBPyConnection) -> None:
    item = field("string")
    query = apply_masks(COLUMN, parse_masks([mask("hash")], item), item, exp.Null()).sql("duckdb")
    assert duck.execute(f"SELECT {query} FROM (SELECT 'x' AS v)").fetchone() == (None,)


# bucket


def test_a_bucket_gives_its_lower_bound(duck: duckdb.DuckDBPyConnection) -> None:
    ages = [0, 9, 10, 37, -1, -10, None]
    assert masked(duck, ages, "integer", mask("bucket", width=10)) == [0, 0, 10, 30, -10, -10, None]
    assert masked(duck, [4, 5, 14], "integer", mask("bucket", width=10, origin=5)) == [-5, 5, 5]
    assert masked(duck, [1999], "year", mask("bucket", width=25)) == [1975]


def test_a_bucket_of_tenths_begins_on_tenths(duck: duckdb.DuckDBPyConnection) -> None:
    tenths = [n / 10 for n in range(-200, 200)]
    assert masked(duck, tenths, "number", mask("bucket", width=0.1)) == tenths
    assert masked(duck, [0.29, 0.2999], "number", mask("bucket", width=0.01)) == [0.29, 0.29]


@given(
    value=st.integers(-(2**63), 2**63 - 1), width=st.integers(1, 10**15), origin=st.integers(-(10**15), 10**15)
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_a_bucket_of_whole_numbers_is_exact(duck: duckdb.DuckDBPyConnection, value: int, width: int, origin: int) -> None:
    [seen] = masked(duck, [value], "integer", mask("bucket", width=width, origin=origin))
    assert seen == max(-(2**63), (value - origin) // width * width + origin)


@given(
    value=st.floats(-1e9, 1e9), width=st.sampled_from([0.001, 0.25, 1, 7, 100, 12345.678]), origin=st.sampled_from([0, 0.5, -3])
)
@settings(max_examples=200, deadline=None)
def test_what_is_bucketed_stays_where_it_is_and_is_near(
    duck: duckdb.DuckDBPyConnection, value: float, width: float, origin: float
) -> None:
    how = mask("bucket", width=width, origin=origin)
    [once] = masked(duck, [value], "number", how)
    [twice] = masked(duck, [value], "number", how, how)
    assert once == twice
    # A value within rounding of a bound lies on it.
    near = width * 1e-8 + abs(value) * 4e-15
    assert once - near <= value < once + width + near


# truncate, round, drop


def test_dates_and_times_are_cut_to_the_begin_of_their_period(duck: duckdb.DuckDBPyConnection) -> None:
    day, moment = date(2024, 8, 15), datetime(2024, 8, 15, 13, 47, 9, 123456)
    begins = {"year": date(2024, 1, 1), "quarter": date(2024, 7, 1), "month": date(2024, 8, 1), "week": date(2024, 8, 12)}
    for period, begin in begins.items():
        assert masked(duck, [day, None], "date", mask("truncate", to=period)) == [begin, None]
        assert masked(duck, [moment], "datetime", mask("truncate", to=period)) == [datetime(begin.year, begin.month, begin.day)]
    assert masked(duck, [moment], "datetime", mask("truncate", to="hour")) == [datetime(2024, 8, 15, 13)]
    assert masked(duck, [date(9999, 12, 31)], "date", mask("truncate", to="month")) == [date(9999, 12, 1)]


def test_numbers_are_rounded_and_tell_no_side_of_zero(duck: duckdb.DuckDBPyConnection) -> None:
    assert masked(duck, [28.96587, -1.25, None], "number", mask("round", digits=1)) == [29.0, -1.3, None]
    [zero] = masked(duck, [-0.04], "number", mask("round", digits=1))
    assert struct.pack("d", zero) == struct.pack("d", 0.0)
    assert masked(duck, [15, -15, 14, 2**63 - 1, -(2**63)], "integer", mask("round", digits=-1)) == [
        20, -20, 10, 2**63 - 1, -(2**63),
    ]  # fmt: skip
    assert math.isnan(masked(duck, [math.nan], "number", mask("round", digits=-2))[0])


def test_both_parts_of_a_point_are_rounded_and_what_is_no_point_is_hidden(duck: duckdb.DuckDBPyConnection) -> None:
    points = ["118.87654,28.97123", " 118.87654 , -28.97123", "[118.87654, 28.97123]", "home: 3 Bei Men", "118.87654", "", None]
    seen = masked(duck, points, "geopoint", mask("round", digits=2))
    assert seen == ["118.88,28.97", "118.88,-28.97", "[118.88,28.97]", None, None, None, None]
    assert json.loads(seen[2]) == [118.88, 28.97]


def test_drop_leaves_nothing(duck: duckdb.DuckDBPyConnection) -> None:
    for kind in LAKE_TYPES:
        held = OUTERMOST.get(kind, ("x",))
        assert masked(duck, list(held), kind, mask("drop")) == [None] * len(held)


# together


def test_masks_apply_in_the_order_they_are_written(duck: duckdb.DuckDBPyConnection) -> None:
    keep, hashed = mask("keep", first=3), mask("hash")
    joined = masked(duck, ["330802xxx", "330802yyy"], "string", keep, hashed)
    assert joined[0] == joined[1] == hmac.new(b"a secret", b"330****", hashlib.sha256).hexdigest()[:32]
    shortened = masked(duck, ["330802xxx", "330802yyy"], "string", hashed, keep)
    assert shortened[0] != shortened[1]
    assert all(len(seen) == 7 and seen.endswith("****") for seen in shortened)
    month = masked(duck, [date(2024, 8, 15), date(2024, 8, 1)], "date", mask("truncate", to="month"), hashed)
    assert month[0] == month[1]


def test_a_mask_takes_any_expression_for_its_column(duck: duckdb.DuckDBPyConnection) -> None:
    item = field("integer")
    two = exp.Add(this=exp.Literal.number(7), expression=exp.Literal.number(8))
    query = apply_masks(two, parse_masks([mask("bucket", width=10)], item), item, SECRET).sql("duckdb")
    assert duck.execute(f"SELECT {query}").fetchone() == (10,)


def test_an_item_may_bear_any_name(duck: duckdb.DuckDBPyConnection) -> None:
    for name in ("_value", "_secret", 'a"b', "姓名", "select"):
        item = Field(name=name)
        query = apply_masks(exp.column(name, quoted=True), parse_masks([mask("keep", first=1), mask("hash")], item), item, SECRET)
        named = exp.column(name, quoted=True).sql("duckdb")
        row = duck.execute(f"SELECT {query.sql('duckdb')} FROM (SELECT 'abcdef' AS {named})", {"secret": "k"}).fetchone()
        assert row == (hmac.new(b"k", b"a****", hashlib.sha256).hexdigest()[:32],)


@pytest.mark.parametrize("kind", sorted(LAKE_TYPES))
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_no_mask_raises_on_any_value_of_its_type_and_null_stays_null(
    duck: duckdb.DuckDBPyConnection, kind: str, name: str
) -> None:
    item = field(kind)
    held = [None, *OUTERMOST.get(kind, TEXTS)]
    for how in SETTINGS[name]:
        if kind not in FITS[name]:
            with pytest.raises(BadInput):
                parse_masks([mask(name, **how)], item)
            continue
        # As text: Python cannot hold the outermost dates.
        query = apply_masks(COLUMN, parse_masks([mask(name, **how)], item), item, SECRET).sql("duckdb")
        duck.execute(f'CREATE OR REPLACE TEMP TABLE held ("v" {LAKE_TYPES[kind]})')
        duck.execute(f"INSERT INTO held VALUES {', '.join(['(?)'] * len(held))}", held)
        params = {"secret": "k"} if "$secret" in query else {}
        seen = duck.execute(f"SELECT CAST({query} AS VARCHAR) FROM held", params).fetchall()
        assert seen[0] == (None,) and len(seen) == len(held)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=40),
    "geopoint": st.one_of(st.text("0123456789.,-+[] eE", max_size=24), st.text(max_size=20)),
    "number": st.floats(),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "year": st.integers(-(2**31), 2**31 - 1),
    "date": st.dates(),
    "datetime": st.datetimes(),
}
MASKS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "keep": st.builds(mask, st.just("keep"), first=st.integers(0, 9), last=st.integers(0, 9), fixed=st.booleans()),
    "hash": st.just(mask("hash")),
    "bucket": st.builds(mask, st.just("bucket"), width=st.integers(1, 10**15), origin=st.integers(-(10**15), 10**15)),
    "truncate": st.builds(mask, st.just("truncate"), to=st.sampled_from(["year", "quarter", "month", "week"])),
    "round": st.builds(mask, st.just("round"), digits=st.integers(-15, -1)),
    "drop": st.just(mask("drop")),
}


@given(data=st.data(), kind=st.sampled_from(sorted(VALUES)))
@settings(max_examples=200, deadline=None)
def test_any_masks_that_fit_together_take_any_value_and_give_the_type_they_say(
    duck: duckdb.DuckDBPyConnection, data: st.DataObject, kind: str
) -> None:
    values = data.draw(st.lists(VALUES[kind], min_size=1, max_size=4))
    chosen: list[dict[str, Any]] = []
    now = kind
    for _ in range(data.draw(st.integers(1, MOST_MASKS))):
        fitting = [name for name, kinds in FITS.items() if now in kinds]
        chosen.append(data.draw(MASKS[data.draw(st.sampled_from(fitting))]))
        now = "string" if chosen[-1]["kind"] in ("keep", "hash") else now
    seen = masked(duck, [None, *values], kind, *chosen)
    assert seen[0] is None and len(seen) == len(values) + 1
    if chosen[-1]["kind"] == "drop":
        assert set(seen) == {None}


@given(
    moment=st.datetimes(max_value=datetime(9999, 11, 30)),
    period=st.sampled_from(["year", "quarter", "month", "week", "day", "hour"]),
)
@settings(max_examples=100, deadline=None)
def test_what_is_truncated_stays_where_it_is(duck: duckdb.DuckDBPyConnection, moment: datetime, period: str) -> None:
    how = mask("truncate", to=period)
    [once] = masked(duck, [moment], "datetime", how)
    [twice] = masked(duck, [moment], "datetime", how, how)
    assert once == twice and isinstance(once, datetime)
    assert once <= moment < once + timedelta(days=367)


# what is refused


@pytest.mark.parametrize(
    ("kind", "raw", "said"),
    [
        ("number", [mask("keep", first=1)], "keep"),
        ("boolean", [mask("hash")], "hash"),
        ("string", [mask("bucket", width=5)], "bucket"),
        ("integer", [mask("hash"), mask("bucket", width=5)], "bucket"),
        ("integer", [mask("bucket", width=0.5)], "whole"),
        ("number", [mask("bucket", width=0)], "width"),
        ("number", [mask("bucket", width=math.nan)], "width"),
        ("integer", [mask("round", digits=0)], "digits"),
        ("number", [mask("round", digits=True)], "digits"),
        ("date", [mask("truncate", to="day")], "day"),
        ("time", [mask("truncate", to="hour")], "truncate"),
        ("string", [mask("keep", first=-1)], "first"),
        ("string", [mask("keep", fill="**")], "fill"),
        ("string", [mask("keep", fill="\n")], "fill"),
        ("string", [mask("keep", frist=1)], "frist"),
        ("string", [mask("rot13")], "rot13"),
        ("string", [{}], "kind"),
        ("string", ["hash"], "?"),
        ("string", [mask("hash")] * (MOST_MASKS + 1), str(MOST_MASKS)),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_with_item_mask_and_reason(kind: str, raw: list[Any], said: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_masks(raw, Field(name="手机号", type=kind))  # type: ignore[arg-type]
    assert refusal.value.facts["item"] == "手机号"
    for lang in ("zh", "en"):
        told = refusal.value.in_(lang)  # type: ignore[arg-type]
        assert "手机号" in told
    assert said in refusal.value.in_("en")


def test_masks_that_were_parsed_for_another_type_are_not_applied() -> None:
    masks = parse_masks([mask("truncate", to="year")], field("date"))
    with pytest.raises(BadInput):
        apply_masks(COLUMN, masks, field("string"), SECRET)


def test_masks_are_plain_data_that_reads_back(duck: duckdb.DuckDBPyConnection) -> None:
    item = field("integer")
    masks = parse_masks([mask("bucket", width=10), mask("hash")], item)
    again = json.loads(json.dumps([one.model_dump() for one in masks]))
    assert parse_masks(again, item) == masks
