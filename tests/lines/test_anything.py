"""Whatever text comes: its encoding and delimiter are found, and every row is written, collapsed or in quarantine."""

from __future__ import annotations

import csv
import io
import math
import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanqu.lake import Contract
from sanqu.lines.checks import compile_checks
from sanqu.lines.sources import text

CHINESE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=12)


@given(st.lists(CHINESE, min_size=4, max_size=40), st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"]))
@settings(max_examples=150)
def test_the_encoding_of_chinese_text_reads_it_back(words: list[str], encoding: str) -> None:
    said = "编号,名称\n" + "\n".join(f"1,{word}" for word in words)
    try:
        data = said.encode(encoding)
    except UnicodeEncodeError:
        return
    found = text.find_encoding(data)
    if encoding in ("gbk", "gb18030"):
        assert found in ("gb18030", "utf-8")
        # A text of pure ASCII bytes reads the same in both.
        assert data.decode("gb18030") == said
    assert data.decode(found) == said or found == "utf-8"


CELLS = st.text(st.characters(codec="utf-8", exclude_characters='\x00"\r\n'), max_size=8)


@given(st.sampled_from(text.DELIMITERS), st.integers(2, 6), st.data())
@settings(max_examples=150)
def test_the_delimiter_of_a_regular_file_is_found(delimiter: str, width: int, data: st.DataObject) -> None:
    cell = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=6)
    rows = data.draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=2, max_size=20))
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    assert text.sniff_delimiter(out.getvalue()) == delimiter


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=15), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_a_repaired_file_keeps_every_line_or_tells_of_it(rows: list[list[str]], end: str) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows(rows)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.csv"
        file.write_bytes(out.getvalue().encode())
        done = text.repair(file, Path(folder) / "b.csv", ",", 1 << 20)
    blank = sum(1 for row in rows if not ",".join(row).strip())
    assert done.records + len(done.rejects) >= len(rows) - blank
    assert len(done.lines) == done.records


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "date": st.dates(min_value=date(1, 1, 1)),
    "datetime": st.datetimes(min_value=datetime(1, 1, 1)).map(lambda at: at.replace(microsecond=0)),
    "string": st.text(st.characters(min_codepoint=33, exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))),
    "year": st.integers(1000, 9999),
}


def _check(kind: str, raw: list[str | None]) -> list[tuple[Any, Any]]:
    contract = Contract.from_descriptor({"name": "x", "title": "x", "steward": "s", "fields": [{"name": "v", "type": kind}]})
    checks = compile_checks(contract, {"v": "c0"})
    with duckdb.connect() as duck:
        duck.execute("CREATE TABLE r (c0 VARCHAR)")
        duck.executemany("INSERT INTO r VALUES (?)", [[one] for one in raw] or [[None]])
        return [(row[0], row[1]) for row in duck.execute(checks.staged("SELECT * FROM r", 1)).fetchall()]


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_values_survive_being_written_and_read(kind: str) -> None:
    @given(st.lists(VALUES[kind], min_size=1, max_size=20))
    @settings(max_examples=25, deadline=None)
    def survive(values: list[Any]) -> None:
        told = [str(value).lower() if kind == "boolean" else str(value) for value in values]
        told = [value.isoformat(sep=" ") if isinstance(value, datetime) else one for value, one in zip(values, told, strict=True)]
        for value, (found, faults) in zip(values, _check(kind, told), strict=True):
            if value == "":
                continue
            assert faults is None, (value, faults)
            assert found == value or (isinstance(value, float) and math.isclose(found, value, rel_tol=1e-15))

    survive()


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_any_text_becomes_a_value_or_a_fault_and_never_nothing(kind: str) -> None:
    @given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=12), min_size=1, max_size=20))
    @settings(max_examples=25, deadline=None)
    def kept(raw: list[str]) -> None:
        for one, (found, faults) in zip(raw, _check(kind, list(raw)), strict=True):
            blank = not one.strip(" \t\r\n\u00a0\u3000\ufeff")
            assert (found is None and faults is None) == blank, (one, found, faults)

    kept()
