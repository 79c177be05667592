"""Every kind of source: workbooks, JSON, Parquet, web, pages, databases, CKAN, another city."""

from __future__ import annotations

import datetime
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import openpyxl
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanqu.ground.city import City
from sanqu.lake import Contract, lake_of
from sanqu.lines.quarantine import list_quarantine
from sanqu.lines.records import Run, RunState
from sanqu.lines.sources import web
from sanqu.lines.sources.files import register_sample
from tests.servers import mariadb_server

from .conftest import HEAD, SHOPS, rows

Load = Callable[..., Run]
ROWS = [
    {"id": n, "name": f"店{n}", "opened": "2021-03-05", "area": n / 2, "open": n % 2 == 0, "kind": "shop"} for n in range(1, 26)
]


def test_a_workbook_gives_the_sheet_the_line_names(city: City, load: Load, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["说明"])  # type: ignore[union-attr]
    sheet = book.create_sheet("商铺")
    sheet.append(["编号", "名称", "开业日期", "area", "open", "kind"])
    sheet.append([1, "甲", datetime.date(2021, 3, 5), 1.5, True, "shop"])
    sheet.append([None] * 6)
    sheet.append(["x", "乙", None, None, None, None])
    book.save(tmp_path / "b.xlsx")
    run = load(source={"kind": "file", "path": str(tmp_path / "b.xlsx"), "sheet": "商铺"})
    assert (run.cause, run.inserted, run.quarantined) == (None, 1, 1)
    assert rows(city) == [(1, "甲", datetime.date(2021, 3, 5), 1.5, True, "shop")]
    assert list_quarantine(city)[0].place == {"sheet": "商铺", "row": 4}
    refused = load(source={"kind": "file", "path": str(tmp_path / "b.xlsx"), "sheet": "别的"})
    assert refused.cause is not None
    assert "商铺" in refused.cause["todo"]["zh"]


def test_json_ndjson_and_parquet_are_read(city: City, load: Load, tmp_path: Path) -> None:
    assert load(json.dumps({"data": {"items": ROWS[:10]}}), name="a.json", source={"records": "data.items"}).inserted == 10
    lines = "\n".join([json.dumps(one, ensure_ascii=False) for one in ROWS[10:15]] + ["{broken", "[1]", ""])
    run = load(lines.encode("gbk"), name="b.ndjson")
    assert (run.inserted, run.quarantined) == (5, 2)
    assert [q.place for q in list_quarantine(city)] == [{"line": 6}, {"line": 7}]
    pq.write_table(pa.Table.from_pylist(ROWS[15:]), tmp_path / "c.parquet")
    assert load(source={"kind": "file", "path": str(tmp_path / "c.parquet")}).inserted == 10
    assert lake_of(city).count("shops") == 25


class Site(BaseHTTPRequestHandler):
    """A portal: a file that dies half-way, pages of several kinds, CKAN, another city."""

    body = (HEAD + "".join(f"{n},{'店' * 10},2021-03-05,1,true,shop\n" for n in range(20_000))).encode()
    died = 0
    ranges = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        said = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path == "/file.csv":
            self._file()
        elif parts.path == "/page":
            at, size = int(said["page"]), int(said["per_page"])
            self._json({"items": ROWS[(at - 1) * size : at * size]})
        elif parts.path == "/token":
            at = int(said.get("after", "0"))
            self._json({"items": ROWS[at : at + 10], "next": at + 10 if at + 10 < len(ROWS) else None})
        elif parts.path == "/since":
            self._json([one for one in ROWS if str(one["id"]).zfill(3) > said["since"].zfill(3)])
        elif parts.path == "/api/open/shops":
            at = int(said.get("after", "0"))
            following = f"/api/open/shops?after={at + 10}" if at + 10 < len(ROWS) else None
            self._json({"rows": ROWS[at : at + 10], "next": following})
        elif parts.path == "/api/3/action/resource_show":
            self._json({"result": {"datastore_active": said["id"] == "store", "url": "/file.csv"}})
        elif parts.path == "/api/3/action/datastore_search":
            at, size = int(said["offset"]), int(said["limit"])
            self._json({"result": {"records": [{"_id": i, **one} for i, one in enumerate(ROWS)][at : at + size]}})
        else:
            self.send_error(404)

    def _json(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _file(self) -> None:
        start = 0
        asked = self.headers.get("Range")
        if asked and type(self).ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        else:
            self.send_response(200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(self.body) - start))
        self.end_headers()
        part = self.body[start:]
        if type(self).died > 0:
            type(self).died -= 1
            part = part[: len(part) // 2]
            self.close_connection = True
        self.wfile.write(part)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(web, "PAUSE_SECONDS", 0.001)
    Site.died, Site.ranges = 0, True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_dies_goes_on_or_starts_again(city: City, load: Load, portal: str, ranges: bool) -> None:
    Site.died, Site.ranges = 3, ranges
    run = load(source={"kind": "url", "url": f"{portal}/file.csv"})
    assert (run.cause, run.inserted) == (None, 20_000)
    assert load(source={"kind": "url", "url": f"{portal}/file.csv"}).skipped == 1


def test_a_download_that_keeps_dying_leaves_nothing_and_says_how_far_it_came(city: City, load: Load, portal: str) -> None:
    Site.died, Site.ranges = 99, False
    run = load(source={"kind": "url", "url": f"{portal}/file.csv"})
    assert run.state == RunState.FAILED
    assert run.cause is not None
    assert run.cause["code"] == "lines.source-died"
    assert run.cause["facts"]["bytes"] > 0
    assert lake_of(city).count("shops") == 0


def test_of_a_broken_file_is_said_what_is_wrong_and_not_what_the_engine_was_asked(load: Load, tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + bytes(range(200)) + b"PAR1")
    run = load(source={"kind": "file", "path": str(tmp_path / "broken.parquet")})
    assert run.cause is not None
    assert run.cause["code"] == "lines.unreadable"
    assert "SELECT" not in run.cause["what"]["en"]


def test_an_address_that_is_refused_says_so(load: Load, portal: str) -> None:
    run = load(source={"kind": "url", "url": f"{portal}/nowhere.csv"})
    assert run.cause is not None
    assert "404" in run.cause["what"]["en"]


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "api", "url": "/page", "paging": "page", "page_size": 7, "records": "items"},
        {"kind": "api", "url": "/token", "paging": "cursor", "next_path": "next", "cursor_param": "after", "records": "items"},
        {"kind": "ckan", "url": "", "resource": "store", "page_size": 8},
        {"kind": "sanqu", "url": "", "dataset": "shops"},
    ],
    ids=["pages", "cursor", "ckan datastore", "another city"],
)
def test_paged_interfaces_are_read_to_the_end(city: City, load: Load, portal: str, source: dict[str, Any]) -> None:
    run = load(source={**source, "url": portal + source["url"]})
    assert (run.cause, run.read, run.inserted) == (None, 25, 25)


def test_a_ckan_file_is_downloaded_where_there_is_no_datastore(load: Load, portal: str) -> None:
    assert load(source={"kind": "ckan", "url": portal, "resource": "file"}).inserted == 20_000


def test_an_interface_is_asked_from_the_cursor_on(city: City, load: Load, portal: str) -> None:
    source = {"kind": "api", "url": f"{portal}/since", "params": {"since": "{cursor}"}}
    assert load(source=source, cursor="id").inserted == 25
    second = load(source=source, cursor="id")
    assert second.read == 0


def test_sqlite_is_read_by_table_and_by_query(city: City, load: Load, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("CREATE TABLE shop (id INTEGER PRIMARY KEY, name TEXT, opened TEXT, area REAL, open INTEGER, kind TEXT)")
        db.executemany("INSERT INTO shop VALUES (?,?,?,?,?,?)", [tuple(one.values()) for one in ROWS])
    url = f"sqlite:///{tmp_path / 's.db'}"
    assert load(source={"kind": "sql", "url": url, "table": "shop"}).inserted == 25
    run = load(source={"kind": "sql", "url": url, "query": "SELECT * FROM shop WHERE name <> 'a:b' LIMIT 10"})
    assert (run.cause, run.unchanged) == (None, 10)
    failed = load(source={"kind": "sql", "url": url, "table": "nothing"})
    assert failed.state == RunState.FAILED


def test_postgres_is_followed_by_a_cursor_in_batches(city: City, load: Load) -> None:
    with psycopg.connect(city.settings.database_url, autocommit=True) as db:
        db.execute("CREATE TABLE shop (id int, name text, opened date, at timestamp DEFAULT now(), kind text)")
        db.execute("INSERT INTO shop SELECT g, 's' || g, '2021-03-05', timestamp '2024-01-01' + (g / 3) * interval '1 hour', 'shop' "
                   "FROM generate_series(1, 1000) g")  # fmt: skip
        log = {**SHOPS, "name": "log", "primaryKey": [], "fields": [*SHOPS["fields"], {"name": "at", "type": "datetime"}]}
        source = {"kind": "sql", "url": city.settings.database_url, "table": "shop", "batch": 100}
        first = load(contract=log, source=source, cursor="at")
        assert (first.cause, first.inserted) == (None, 1000)
        assert first.units > 5
        assert load(contract=log, source=source, cursor="at").read == 0
        db.execute("INSERT INTO shop VALUES (2000, 'new', '2021-03-05', timestamp '2025-01-01', 'shop')")
        assert load(contract=log, source=source, cursor="at").inserted == 1
    assert lake_of(city).count("log") == 1001


@pytest.fixture(scope="module")
def mariadb() -> Iterator[int]:
    """The port of a MariaDB of our own, with a user `root` without a password."""
    with mariadb_server() as port:
        yield port


def test_mariadb_is_read(city: City, load: Load, mariadb: int) -> None:
    import pymysql

    with pymysql.connect(host="127.0.0.1", port=mariadb, user="root", password="") as server, server.cursor() as cursor:
        cursor.execute("CREATE DATABASE shops CHARACTER SET utf8mb4")
        cursor.execute("CREATE TABLE shops.shop (id INT, name VARCHAR(20), opened DATE, area DECIMAL(8,2))")
        cursor.executemany(
            "INSERT INTO shops.shop VALUES (%s,%s,%s,%s)", [(n, f"店{n}", "2021-03-05", "1.50") for n in range(50)]
        )
        server.commit()
    url = f"mysql://root:@127.0.0.1:{mariadb}/shops?charset=utf8mb4"
    run = load(source={"kind": "sql", "url": url, "table": "shop"})
    assert (run.cause, run.inserted) == (None, 50)


def test_a_sample_is_generated_by_a_registered_callable(city: City, load: Load) -> None:
    register_sample("shops-sample", lambda _city, params: ROWS[: int(params["rows"])])
    assert load(source={"kind": "sample", "generator": "shops-sample", "params": {"rows": 5}}).inserted == 5


def test_replace_makes_the_source_the_whole_content(city: City, load: Load) -> None:
    load(HEAD + "1,a,,,,\n2,b,,,,\n", mode="replace")
    assert load(HEAD + "3,c,,,,\n", mode="replace").inserted == 1
    assert [row[0] for row in rows(city)] == [3]
    assert load(HEAD + "x,c,,,,\n", mode="replace").state == RunState.FAILED
    assert [row[0] for row in rows(city)] == [3]


def test_contracts_are_declared(city: City) -> None:
    assert lake_of(city).declare(Contract.from_descriptor(SHOPS), "test") == 1
