"""Whole datasets as files: each format holds the same rows, and nothing in them runs."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import openpyxl
import pyarrow.parquet as pq
import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Change, Commit, Contract, lake_of
from sanqu.sharing.usage import uses_of

NASTY = ["=1+1", "+86", "-5 度", "@cmd", "平常", 'say "hi", ok', "two\nlines", ""]


def words(**law: Any) -> Contract:
    fields = [{"name": "id", "type": "integer"}, {"name": "word", "type": "string"}, {"name": "level", "type": "number"}]
    said = {"name": "words", "title": {"zh": "词语", "en": "Words"}, "steward": "3308", "primaryKey": ["id"], "fields": fields}
    return Contract.from_descriptor(said | law)


def put(city: City, values: list[str | None]) -> Change:
    with lake_of(city).engine() as duck:
        duck.execute("CREATE OR REPLACE TEMP TABLE given (id BIGINT, word VARCHAR, level DOUBLE)")
        if values:
            duck.executemany("INSERT INTO given VALUES (?, ?, ?)", [[i, value, -i / 2] for i, value in enumerate(values)])
        return lake_of(city).replace("words", "FROM given", Commit("test"), duck=duck)


@pytest.fixture
def library(city: City) -> City:
    """A city with an open dataset of words that a spreadsheet would like to run."""
    with city.db.connection() as conn:
        save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    register_contract(city, words(), "system", state="published")
    put(city, [*NASTY, None])
    return city


def test_csv_starts_with_the_utf8_mark_and_runs_nothing(library: City, site: httpx.Client) -> None:
    answer = site.get("/open/words.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert "words.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["word"] for row in rows] == ["'=1+1", "'+86", "'-5 度", "'@cmd", "平常", 'say "hi", ok', "two\nlines", "", ""]
    assert rows[1]["level"] == "-0.5"


def test_json_and_parquet_hold_every_value_as_it_is(library: City, site: httpx.Client) -> None:
    from_json = site.get("/open/words.json").json()
    from_parquet = pq.read_table(io.BytesIO(site.get("/open/words.parquet").content)).to_pylist()
    assert [row["word"] for row in from_json] == [*NASTY, None]
    assert from_json == from_parquet


def test_a_workbook_holds_text_as_text(library: City, site: httpx.Client) -> None:
    book = openpyxl.load_workbook(io.BytesIO(site.get("/open/words.xlsx").content))
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    assert rows[0] == ("id", "word", "level")
    assert rows[1] == (0, "'=1+1", 0)
    assert rows[5][1] == "平常"
    assert all(cell.data_type != "f" for row in book.worksheets[0].iter_rows() for cell in row)


def test_an_empty_dataset_downloads_as_an_empty_file_of_its_form(library: City, site: httpx.Client) -> None:
    put(library, [])
    assert site.get("/open/words.csv").content.decode("utf-8-sig").strip() == "id,word,level"
    assert site.get("/open/words.json").json() == []
    assert pq.read_table(io.BytesIO(site.get("/open/words.parquet").content)).num_rows == 0


def test_a_past_snapshot_downloads_as_it_was(library: City, site: httpx.Client) -> None:
    before = lake_of(library).snapshots("words")[0].id
    put(library, ["new"])
    assert len(site.get(f"/open/words.json?snapshot={before}").json()) == len(NASTY) + 1
    refused = site.get("/open/words.json?snapshot=999999")
    assert refused.status_code == 400
    assert "999999" in refused.json()["title"]


def test_what_is_not_open_is_not_downloaded(library: City, site: httpx.Client) -> None:
    register_contract(library, words(opening="restricted"), "system")
    assert site.get("/open/words.csv").status_code == 403
    register_contract(library, words(opening="none", sharing="none"), "system")
    assert site.get("/open/words.csv").status_code == 404
    assert site.get("/open/words.exe").status_code == 422


def test_a_reader_who_hangs_up_stops_the_engine_and_the_next_one_is_served(library: City, site: httpx.Client) -> None:
    put(library, ["x" * 200] * 20_000)
    with site.stream("GET", "/open/words.csv") as answer:
        next(answer.iter_raw(100))
    assert len(site.get("/open/words.csv").text.splitlines()) == 20_001


def test_reading_a_dataset_is_counted_as_use(library: City, site: httpx.Client) -> None:
    for path in ("/open/words.csv", "/api/open/words", "/datasets/words"):
        assert site.get(path).status_code == 200
    uses_of(library).write_down()
    row = library.db.one("SELECT used FROM catalog_dataset WHERE name = 'words'")
    assert row == {"used": 3}
