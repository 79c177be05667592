"""Harvests from portals, files and lists: everything arrives once, failures are named, cuts are gone on from."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sanqu.catalog.browse import count, show
from sanqu.catalog.harvest import Source, add_source, failures, fetch, runs, source_by_name
from sanqu.catalog.harvest.run import harvest
from sanqu.catalog.search import Ask, search
from sanqu.ground.city import City
from sanqu.ground.errors import Conflict, NotFound
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import PUBLIC

from .conftest import PEOPLE, SHARED, Put, Served

DUMP = SHARED / "data" / "catalog_dump.json"
TAOYUAN = SHARED / "data" / "catalog_zh_taoyuan.csv"


@dataclass
class Portal:
    """A small server: CKAN's package_search and Socrata's catalogue over the same records, with faults to order."""

    packages: list[dict[str, Any]] = field(default_factory=list)
    socrata: dict[str, Any] = field(default_factory=dict)
    fault: Callable[[str, int, int], int | None] = lambda path, start, rows: None
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, bytes]:
        def number(name: str, default: int) -> int:
            return int(query.get(name, [str(default)])[0])

        if path == "/api/3/action/package_search":
            start, rows = number("start", 0), number("rows", 10)
        else:
            start, rows = number("offset", 0), number("limit", 100)
        self.asked.append((path, start, rows))
        fault = self.fault(path, start, rows)
        if fault is not None:
            return fault, b"broken"
        if path == "/api/3/action/package_search":
            return 200, json.dumps({"success": True, "result": {"count": len(self.packages), "results": self.packages[start : start + rows]}}).encode()
        if path == "/api/catalog/v1":
            return 200, json.dumps({**self.socrata, "results": self.socrata["results"][start : start + rows]}).encode()
        return 404, b"no"


@pytest.fixture
def portal() -> Iterator[Portal]:
    made = Portal()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, body = made.answer(parts.path, parse_qs(parts.query))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)


def packages(n: int) -> list[dict[str, Any]]:
    return [
        {"id": f"id-{i}", "name": f"p-{i}", "title": f"Dataset {i}", "notes": "<p>About &amp; <b>more</b></p>", "tags": [{"name": "air"}], "license_id": "cc-by",
         "organization": {"title": "Somewhere"}, "metadata_created": "2020-01-02T03:04:05", "metadata_modified": "2024-01-02T03:04:05",
         "resources": [{"url": f"http://x.example/{i}.csv", "format": "csv", "name": "r"}]}
        for i in range(n)
    ]  # fmt: skip


def ckan(town: City, portal: Portal, **options: Any) -> Source:
    return add_source(town, Source("portal", Text(zh="门户"), "ckan", portal.url, "3308-traffic", {"rows": 10, **options}), "test")


def test_a_ckan_site_arrives_once_and_is_searchable(town: City, portal: Portal) -> None:
    portal.packages = packages(35)
    ckan(town, portal)
    run = harvest(town, "portal", "user:1")
    assert (run.state, run.seen, run.added, run.failed, run.total) == ("done", 35, 35, 0, 35)
    found = search(town, Ask("dataset 7"))
    first = found.hits[0].dataset
    assert first.about.en == "About & more" and first.licence == "cc-by" and first.origin == "portal" and first.resources[0].format == "CSV"
    assert found.facets["origin"][0].value == "portal" and first.created.year == 2020
    again = harvest(town, "portal")
    assert (again.state, again.unchanged, again.added, again.changed) == ("done", 35, 0, 0)
    assert again.id != run.id and len(runs(town, "portal")) == 2 and source_by_name(town, "portal").datasets == 35


def test_changed_records_change_and_vanished_ones_are_withdrawn(town: City, portal: Portal) -> None:
    portal.packages = packages(12)
    ckan(town, portal)
    harvest(town, "portal")
    portal.packages[3]["title"] = "Renamed"
    gone = portal.packages.pop(5)
    run = harvest(town, "portal")
    assert (run.changed, run.withdrawn, run.unchanged) == (1, 1, 10)
    assert count(town) == 11 and search(town, Ask("renamed")).total == 1
    withdrawn = search(town, Ask(filters={"state": ["withdrawn"]}), PEOPLE.admin).hits[0].dataset
    assert str(withdrawn.title) == gone["title"]
    portal.packages.append(gone)
    back = harvest(town, "portal")
    assert back.changed == 1 and count(town) == 12 and show(town, withdrawn.name).state == "published"


def test_bad_records_are_named_and_do_not_stop_the_run(town: City, portal: Portal) -> None:
    portal.packages = packages(30)
    portal.packages[4] = {"id": "untitled", "name": "", "title": ""}
    portal.packages[7] = {"id": "shapeless", "title": "x", "resources": 5}
    portal.packages[9]["title"] = "n\x00ul \ud800 lone"
    portal.fault = lambda path, start, rows: 500 if start <= 13 < start + rows else None
    ckan(town, portal)
    run = harvest(town, "portal")
    named = {failure.record: failure.reason.en for failure in failures(town, run.id)}
    assert run.state == "done" and run.failed == 3 and run.added == 27
    assert set(named) == {"untitled", "shapeless", "#13"} and "500" in named["#13"] and "title" in named["untitled"]
    portal.fault = lambda path, start, rows: None
    assert harvest(town, "portal").added == 1


def test_a_run_that_was_cut_goes_on_where_it_stopped(town: City, portal: Portal) -> None:
    portal.packages = packages(40)
    ckan(town, portal)
    portal.fault = lambda path, start, rows: 403 if start >= 20 else None
    cut = harvest(town, "portal")
    assert cut.state == "failed" and cut.added == 20 and cut.cause and "403" in cut.cause["what"]["en"] and cut.cause["todo"]["zh"]
    portal.fault = lambda path, start, rows: None
    portal.asked.clear()
    done = harvest(town, "portal")
    assert done.id == cut.id and done.state == "done" and done.added == 40 and done.cause is None
    assert min(start for _, start, _ in portal.asked) == 20 and count(town) == 40


def test_a_killed_process_loses_and_doubles_nothing(town: City, portal: Portal) -> None:
    portal.packages = packages(40)
    ckan(town, portal)

    class Killed(BaseException):
        pass

    def kill(path: str, start: int, rows: int) -> int | None:
        return None

    portal.fault = kill
    from sanqu.catalog.harvest import run as module

    taken = module._take_in
    calls = 0

    def dying(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Killed
        taken(*args)

    module._take_in = dying  # type: ignore[assignment]
    try:
        with pytest.raises(Killed):
            harvest(town, "portal")
    finally:
        module._take_in = taken
    assert runs(town, "portal")[0].state == "running" and count(town) == 20
    assert harvest(town, "portal").added == 40 and count(town) == 40


def test_an_exhausted_budget_pauses_with_the_next_step(town: City, portal: Portal) -> None:
    portal.packages = packages(30)
    ckan(town, portal)
    run = harvest(town, "portal", budget=0)
    assert run.state == "paused" and run.cause and run.cause["code"] == "harvest.out-of-time"
    assert harvest(town, "portal").state == "done"


def test_an_emptied_or_wrong_source_withdraws_nothing(town: City, portal: Portal) -> None:
    portal.packages = packages(5)
    ckan(town, portal)
    harvest(town, "portal")
    portal.packages = []
    run = harvest(town, "portal")
    assert run.state == "failed" and run.cause and run.cause["code"] == "harvest.empty" and count(town) == 5
    add_source(town, Source("wrong", Text(zh="错"), "ckan", portal.url + "/nothing", "3308-traffic"), "test")
    assert harvest(town, "wrong").state == "failed"
    add_source(town, Source("away", Text(zh="无"), "ckan", "http://127.0.0.1:9", "3308-traffic"), "test")
    away = harvest(town, "away")
    assert away.state == "failed" and away.cause and away.cause["code"] == "harvest.away"
    with pytest.raises(NotFound):
        harvest(town, "unknown")


def test_a_source_that_hangs_or_drips_ends_within_the_budget(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import time

    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=trickle, args=(client,), daemon=True).start()

    def trickle(client: socket.socket) -> None:
        try:
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
            while not stop.wait(0.05):
                client.sendall(b" ")
        except OSError:
            pass

    threading.Thread(target=drip, daemon=True).start()
    add_source(town, Source("slow", Text(zh="慢"), "ckan", f"http://127.0.0.1:{listener.getsockname()[1]}", "3308"), "test")
    monkeypatch.setattr(fetch, "ANSWER_SECONDS", 0.6)
    started = time.monotonic()
    run = harvest(town, "slow", budget=3)
    assert time.monotonic() - started < 15 and run.state in ("failed", "paused") and run.cause and run.cause["todo"]["en"]
    stop.set()
    listener.close()


def test_two_runs_of_one_source_at_once_are_refused(town: City, portal: Portal) -> None:
    from sanqu.catalog.harvest.run import _alone

    ckan(town, portal)
    with _alone(town, "portal"), pytest.raises(Conflict):
        harvest(town, "portal")


def test_another_sanqu_is_harvested_over_ckan_and_over_dcat(make_city: Callable[[], City], served: Served, put: Put, town: City) -> None:
    from sanqu.ground.people.units import save_units

    from .conftest import UNITS

    for i in range(7):
        put(f"d{i}", f"柑橘 {i}", f"Citrus {i}", freshness="P1D", tags=("果",), subjects=("agriculture",), licence="cc-by")
    put("hidden", "内部", opening="none")
    other = make_city()
    with other.db.connection() as conn:
        save_units(conn, UNITS)
    add_source(other, Source("by-ckan", Text(zh="一"), "ckan", served.url, "3308", {"rows": 3}), "test")
    add_source(other, Source("by-dcat", Text(zh="二"), "dcat", f"{served.url}/catalog.ttl", "3308", {"rows": 3}), "test")
    add_source(other, Source("by-jsonld", Text(zh="三"), "dcat", f"{served.url}/catalog.jsonld", "3308"), "test")
    for name in ("by-ckan", "by-dcat", "by-jsonld"):
        run = harvest(other, name)
        assert (run.state, run.added, run.failed) == ("done", 7, 0), (name, run)
        one = next(h.dataset for h in search(other, Ask("citrus 3", filters={"origin": [name]})).hits)
        assert one.title == Text(zh="柑橘 3", en="Citrus 3") and one.freshness == "P1D" and one.tags == ("果",) and one.licence == "cc-by"
        assert one.extras["publisher"] in ("市农业农村局", "Agriculture Bureau")
        assert harvest(other, name).unchanged == 7


def test_a_dcat_file_that_is_broken_says_where(town: City, tmp_path: Path) -> None:
    file = tmp_path / "broken.ttl"
    file.write_text("@prefix dcat: <http://www.w3.org/ns/dcat#> .\n<http://a> a dcat:Dataset ;;; oops")
    add_source(town, Source("broken", Text(zh="坏"), "dcat", str(file), "3308"), "test")
    run = harvest(town, "broken")
    assert run.state == "failed" and run.cause and run.cause["code"] == "harvest.not-rdf"
    file.write_text(json.dumps({"@context": "http://169.254.169.254/", "@id": "x"}))
    add_source(town, Source("remote", Text(zh="外"), "dcat", str(file.rename(tmp_path / "r.jsonld")), "3308"), "test")
    remote = harvest(town, "remote")
    assert remote.state == "failed" and remote.cause and remote.cause["code"] == "harvest.remote-context"


def test_the_dump_of_four_portals_arrives_whole(town: City, portal: Portal) -> None:
    if not DUMP.is_file():
        pytest.skip(f"the dump is not at {DUMP}")
    portal.socrata = json.loads(DUMP.read_text())
    options = {"subjects": {"Transportation": "traffic"}}
    add_source(town, Source("four", Text(zh="四城门户"), "socrata", f"{portal.url}/api/catalog/v1", "3308-traffic", options), "test")
    add_source(town, Source("file", Text(zh="四城文件"), "socrata", str(DUMP), "3308-traffic"), "test")
    ids = {(one["metadata"]["domain"], one["resource"]["id"]) for one in portal.socrata["results"]}
    for name in ("four", "file"):
        run = harvest(town, name)
        assert (run.state, run.seen, run.failed) == ("done", 1780, 0)
        assert run.added == len(ids)
        assert run.added + run.unchanged == 1780
    assert search(town, Ask("building permits", filters={"origin": ["four"]})).total > 3
    assert not any("<" in h.dataset.about.en and "</" in h.dataset.about.en for h in search(town, Ask("data", limit=200)).hits)
    assert {v.value for v in search(town, Ask(filters={"origin": ["four"]})).facets["subject"]} == {"traffic"}


def test_a_chinese_list_arrives_by_its_columns(town: City) -> None:
    if not TAOYUAN.is_file():
        pytest.skip(f"the list is not at {TAOYUAN}")
    add_source(town, Source("taoyuan", Text(zh="桃园清单"), "csv", str(TAOYUAN), "3308", {"columns": {"url": "資料連結網址"}}), "test")
    run = harvest(town, "taoyuan")
    assert run.state == "done" and run.seen == run.total and run.added + run.failed + run.unchanged == run.seen and run.added > 1300
    for failure in failures(town, run.id):
        assert failure.record and failure.place and failure.reason.en
    found = search(town, Ask("登革热病例"), PUBLIC)
    first = search(town, Ask("登革热确诊")).hits[0].dataset
    assert found.total and "登革熱" in first.title.zh and first.freshness == "P1M" and first.extras["publisher"] == "衛生局"
    assert first.licence == "ogdl-tw-1.0" and any(item.name == "感染地" for item in first.items)
    assert harvest(town, "taoyuan").unchanged == run.seen - run.failed


def test_a_list_without_the_column_says_which(town: City, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes("名称,说明\n甲,乙\n".encode("gb18030"))
    add_source(town, Source("list", Text(zh="清单"), "csv", str(file), "3308"), "test")
    run = harvest(town, "list")
    assert run.state == "failed" and run.cause and "名称" in run.cause["todo"]["zh"]
    add_source(town, Source("list", Text(zh="清单"), "csv", str(file), "3308", {"columns": {"title": "名称", "about": "说明"}}), "test")
    assert harvest(town, "list").added == 1
    assert search(town, Ask("甲")).total == 1
    assert copy.copy(run).id
