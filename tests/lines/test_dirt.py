"""Dirty files: each bad row in quarantine with its place and reason, each bad file refused with a clear error."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import lake_of
from sanqu.lines.quarantine import count_quarantine, drop, list_quarantine, mend
from sanqu.lines.records import Run, RunState
from sanqu.lines.replay import replay

from .conftest import HEAD, SHOPS, balanced, rows

Load = Callable[..., Run]


def test_good_rows_go_on_and_each_bad_row_says_where_and_why(city: City, load: Load) -> None:
    run = load(
        HEAD
        + "1,甲店,2021/3/5,12.5,是,shop\n"
        + "2,,2021-03-05,1,true,shop\n"
        + "x,乙店,2021-02-30,-1,maybe,castle\n"
        + "3, 丙店 ,20210305,NA,0,\n"
    )
    assert (run.state, run.read, run.inserted, run.quarantined) == (RunState.DONE, 4, 2, 2)
    assert balanced(run)
    day = datetime.date(2021, 3, 5)
    assert rows(city) == [(1, "甲店", day, 12.5, True, "shop"), (3, "丙店", day, None, False, None)]
    second, third = list_quarantine(city, line="shops")
    assert second.place == {"line": 3}
    assert [(f.item, f.rule) for f in second.faults] == [("name", "required")]
    assert third.raw == {"id": "x", "name": "乙店", "opened": "2021-02-30", "area": "-1", "open": "maybe", "kind": "castle"}
    assert [(f.item, f.rule, f.value) for f in third.faults] == [
        ("id", "type", "x"), ("opened", "type", "2021-02-30"), ("area", "minimum", "-1"), ("open", "type", "maybe"), ("kind", "enum", "castle"),
    ]  # fmt: skip
    assert "最小值" in third.faults[2].explanation.zh
    assert "below the minimum" in third.faults[2].explanation.en


def test_a_second_run_adds_nothing_and_a_changed_file_only_what_changed(city: City, load: Load) -> None:
    load(HEAD + "1,a,,,,\n2,b,,,,\n3,,,,,\n")
    again = load(HEAD + "1,a,,,,\n2,b,,,,\n3,,,,,\n")
    assert (again.skipped, again.read, again.rows_written) == (1, 0, 0)
    changed = load(HEAD + "1,a,,,,\n2,c,,,,\n3,,,,,\n4,d,,,,\n")
    assert (changed.inserted, changed.updated, changed.unchanged, changed.quarantined) == (1, 1, 1, 1)
    assert count_quarantine(city, line="shops") == 1


def test_exact_doubles_collapse_and_conflicting_keys_are_quarantined_naming_the_first(city: City, load: Load) -> None:
    run = load(HEAD + "1,a,,,,\n2,b,,,,\n1,a,,,,\n2,c,,,,\n1,z,,,,\n")
    assert (run.read, run.inserted, run.collapsed, run.quarantined) == (5, 2, 1, 2)
    first, second = list_quarantine(city, line="shops")
    assert [f.rule for f in first.faults] == ["key-duplicate"]
    assert first.faults[0].want == "line 3"
    assert second.faults[0].want == "line 2"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_encodings_and_delimiters_are_found(city: City, load: Load, encoding: str, delimiter: str) -> None:
    content = "编号,名称,开业日期,area,open,kind\n1,衢州柑橘店,2021年3月5日,1,是,shop\n2,江山店,,,,\n".replace(",", delimiter)
    run = load(content.encode(encoding))
    assert (run.state, run.inserted, run.quarantined) == (RunState.DONE, 2, 0)
    assert rows(city)[0][:3] == (1, "衢州柑橘店", datetime.date(2021, 3, 5))


def test_broken_lines_nul_bytes_and_open_quotes_go_to_quarantine_with_their_line(city: City, load: Load) -> None:
    run = load(
        (HEAD + "1,a,,,,\n2,b\n3,c,,,,,extra\n4,n\x00l,,,,\n5,\"open,,,,\n6,f,,,,\n7,\"two\nlines\",,,,\n8,h,,,,\n").encode() + b"9,\xff\xfe,,,,\n"
    )
    assert run.cause is None
    assert {row[0] for row in rows(city)} == {1, 6, 7, 8}
    assert balanced(run)
    found = {(next(iter(q.place.values())), q.faults[0].rule) for q in list_quarantine(city, line="shops")}
    assert found == {(3, "columns"), (4, "columns"), (5, "control-character"), (6, "quotes"), (11, "encoding")}


def test_in_a_large_file_read_by_several_threads_each_bad_row_keeps_its_line(city: City, load: Load) -> None:
    filled = 1_000_000
    body = "".join(f"{n},{'shop with a long name' if n % 100_000 == 7 else 'shop'},2021-01-01,{n},true,shop\n" for n in range(filled))
    run = load(HEAD + body + f"{filled - 1},late double,,,,\n")
    assert (run.read, run.inserted, run.quarantined) == (filled + 1, filled - 10, 11)
    found = list_quarantine(city, line="shops")
    assert [q.place for q in found] == [{"line": int(q.items["id"] or 0) + 2} for q in found[:-1]] + [{"line": filled + 2}]
    assert found[-1].faults[0].want == f"line {filled + 1}"


@pytest.mark.parametrize("megabytes", [20, 40])
def test_a_line_beyond_the_limit_is_set_aside_and_the_rest_is_read(city: City, load: Load, megabytes: int) -> None:
    run = load(HEAD + "1,a,,,,\n2," + "x" * (megabytes << 20) + ",,,,\n3,c,,,,\n")
    assert (run.read, run.inserted, run.quarantined) == (3, 2, 1)
    (row,) = list_quarantine(city, line="shops")
    assert (row.place, row.faults[0].rule) == ({"line": 3}, "line-size")


def test_old_macintosh_line_ends_lose_no_digit(city: City, load: Load) -> None:
    run = load(HEAD + "1,a,,,,\r\n2,b,,,,\n10,c,,,,\r11,d,,,,")
    assert run.quarantined == 0
    assert [row[0] for row in rows(city)] == [1, 2, 10, 11]


def test_a_missing_required_column_refuses_the_file_naming_the_columns_found(city: City, load: Load) -> None:
    run = load("id,opened\n1,2021-01-01\n")
    assert run.state == RunState.FAILED
    assert run.cause is not None
    assert "name" in run.cause["what"]["en"]
    assert "opened" in run.cause["what"]["en"]
    assert rows(city) == []


def test_an_extra_column_is_noted_or_refused(city: City, load: Load) -> None:
    content = HEAD.strip() + ",more\n1,a,,,,,x\n"
    run = load(content)
    assert run.inserted == 1
    assert "more" in " ".join(note.en for note in run.notes)
    refused = load(content + "\n", extra="refuse")
    assert refused.state == RunState.FAILED


def test_empty_truncated_and_missing_files_say_so(city: City, load: Load, tmp_path: Path) -> None:
    assert load("").cause["code"] == "lines.empty"  # type: ignore[index]
    assert load(b"PAR1 not really", name="x.parquet").cause["code"] == "lines.unreadable"  # type: ignore[index]
    assert load('[{"id": 1, "name"', name="x.json").cause["code"] == "lines.unreadable"  # type: ignore[index]
    gone = load(source={"kind": "file", "path": str(tmp_path / "gone.csv")})
    assert gone.cause is not None
    assert gone.cause["code"] == "lines.no-file"


def test_one_bad_file_of_a_folder_stops_no_other(city: City, load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(HEAD + "1,a,,,,\n")
    (folder / "b.csv").write_text("nothing\n1\n")
    (folder / "c.csv").write_text(HEAD + "2,b,,,,\n")
    run = load(source={"kind": "file", "path": str(folder)})
    assert (run.state, run.units, run.inserted) == (RunState.FAILED, 2, 2)
    (folder / "b.csv").write_text(HEAD + "3,c,,,,\n")
    run = load(source={"kind": "file", "path": str(folder / "*.csv")})
    assert (run.state, run.units, run.skipped, run.inserted) == (RunState.DONE, 1, 2, 1)


def test_mended_rows_pass_the_same_checks_and_are_replayed_once(city: City, load: Load) -> None:
    load(HEAD + "1,a,,,,\nx,b,,,,\ny,c,,,,\nz,d,,,,\n")
    first, second, third = list_quarantine(city, line="shops")
    mend(city, first.id, {"id": "2"}, SYSTEM)
    mend(city, second.id, {"id": "still wrong"}, SYSTEM)
    drop(city, third.id, SYSTEM)
    counts = replay(city, "shops")
    assert (counts.read, counts.inserted, counts.quarantined) == (2, 1, 1)
    assert [row[0] for row in rows(city)] == [1, 2]
    assert [q.state.value for q in list_quarantine(city, line="shops")] == ["replayed", "waiting", "dropped"]
    assert replay(city, "shops").read == 0
    assert lake_of(city).count("shops") == 2


def test_unique_items_and_foreign_keys_are_looked_up(city: City, load: Load) -> None:
    load(HEAD + "1,a,,,,\n2,b,,,,\n")
    visits = {
        "name": "visits", "title": "v", "steward": "330800", "primaryKey": ["no"],
        "fields": [{"name": "no"}, {"name": "shop", "type": "integer"}, {"name": "ticket", "constraints": {"unique": True}}],
        "foreignKeys": [{"fields": ["shop"], "dataset": "shops", "reference_fields": ["id"]}],
    }  # fmt: skip
    run = load("no,shop,ticket\na,1,t1\nb,9,t2\nc,2,t1\nd,,\n", visits, name="v.csv")
    assert (run.inserted, run.quarantined) == (2, 2)
    assert sorted(q.faults[0].rule for q in list_quarantine(city, line="visits")) == ["foreign-key", "unique"]
    later = load("no,shop,ticket\ne,1,t1\n", visits, name="w.csv")
    assert later.quarantined == 1


def test_append_without_keys_carries_a_file_once_and_refuses_a_changed_one(city: City, load: Load) -> None:
    plain = {**SHOPS, "name": "log", "primaryKey": []}
    assert load(HEAD + "1,a,,,,\n1,a,,,,\n", plain).inserted == 2
    assert load(HEAD + "1,a,,,,\n1,a,,,,\n", plain).skipped == 1
    assert load(HEAD + "1,a,,,,\n1,a,,,,\n2,b,,,,\n", plain).cause["code"] == "lines.unit-changed"  # type: ignore[index]
    grown = load(HEAD + "1,a,,,,\n1,a,,,,\n2,b,,,,\n", plain, changed="append")
    assert grown.inserted == 3
