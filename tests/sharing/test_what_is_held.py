"""What the open doors hold on to: snapshots past upkeep and contracts, keys that must not leave, memory that ends."""

from __future__ import annotations

import asyncio
import base64
import threading
import time

import httpx
import orjson
import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import PUBLIC
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing import downloads
from sanqu.sharing.cache import Answer, Answers
from sanqu.sharing.downloads import write_xlsx
from sanqu.sharing.views import REMEMBER_SECONDS, view_of


def wells(*more: dict[str, object], **law: object) -> Contract:
    fields = [{"name": "id", "type": "integer"}, {"name": "depth", "type": "number"}, *more]
    said = {"name": "wells", "title": {"zh": "水井", "en": "Wells"}, "steward": "3308", "primaryKey": ["id"], "fields": fields}
    return Contract.from_descriptor(said | law)


def put(city: City, values: str, name: str = "wells") -> None:
    with lake_of(city).engine() as duck:
        lake_of(city).upsert(name, f"SELECT * FROM (VALUES {values}) AS t(id, depth)", Commit("test"), duck=duck)


@pytest.fixture
def dug(city: City) -> City:
    """A city with an open dataset of three wells."""
    with city.db.connection() as conn:
        save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    register_contract(city, wells(), "system", state="published")
    put(city, "(1, 10.0), (2, 20.0), (3, 30.0)")
    return city


def test_a_dataset_that_rested_longer_than_snapshots_are_kept_can_still_be_read(dug: City, site: httpx.Client) -> None:
    register_contract(dug, wells(name="springs"), "system", state="published")
    put(dug, "(7, 1.0)", "springs")
    lake_of(dug).maintain(keep_days=0)
    answer = site.get("/api/open/wells")
    assert answer.status_code == 200, answer.text
    assert [row["id"] for row in answer.json()["rows"]] == [1, 2, 3]
    assert site.get("/open/wells.csv").status_code == 200
    assert "20" in site.get("/datasets/wells").text


def test_a_contract_that_gained_an_item_is_read_before_anything_is_written_under_it(dug: City, site: httpx.Client) -> None:
    register_contract(dug, wells({"name": "note", "type": "string"}), "system", state="published")
    answer = site.get("/api/open/wells")
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"][0] == {"id": 1, "depth": 10.0, "note": None}


def test_a_snapshot_from_before_an_item_was_there_says_so(dug: City, site: httpx.Client) -> None:
    before = site.get("/api/open/wells").json()["snapshot"]
    register_contract(dug, wells({"name": "note", "type": "string"}), "system", state="published")
    time.sleep(REMEMBER_SECONDS * 2)
    asked = {"snapshot": before}
    for path in ("/api/open/wells", "/open/wells.csv"):
        answer = site.get(path, params=asked)
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] == "rows.snapshot-items"
    assert site.get("/api/open/wells", params=asked | {"items": "id,depth"}).status_code == 200


def test_a_key_that_may_not_leave_does_not_leave_in_the_cursor_either(city: City, site: httpx.Client) -> None:
    with city.db.connection() as conn:
        save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    fields = [{"name": "id", "type": "integer", "grade": "L3"}, {"name": "depth", "type": "number"}]
    register_contract(city, wells(fields=fields), "system", state="published")
    put(city, "(330801001, 1.0), (330801002, 2.0), (330801003, 3.0)")
    seen, url = [], "/api/open/wells?limit=1"
    while url:
        said = site.get(url).json()
        seen += said["rows"]
        url = said["next"]
        if url:
            cursor = httpx.URL(url).params["after"]
            place = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            assert not [value for value in place if value in (330801001, 330801002, 330801003)]
    assert sorted(row["depth"] for row in seen) == [1.0, 2.0, 3.0]


def test_answers_are_counted_with_what_they_are_kept_under(city: City) -> None:
    answers = Answers(city)
    answers.MOST_BYTES = 1 << 20  # type: ignore[misc]
    for n in range(20_000):
        answers.put(("count", n, "x" * 100), Answer(b"1", ""))
    assert len(answers) < 10_000


def test_a_dataset_of_which_no_item_may_leave_shows_no_row_anywhere(city: City, site: httpx.Client) -> None:
    with city.db.connection() as conn:
        save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    fields = [{"name": "id", "type": "integer", "grade": "L3"}, {"name": "depth", "type": "number", "grade": "L3"}]
    register_contract(city, wells(fields=fields), "system", state="published")
    put(city, "(330801001, 77123.0)")
    for path in ("/api/open/wells", "/open/wells.csv", "/open/wells.xlsx", "/datasets/wells"):
        answer = site.get(path)
        assert "77123" not in answer.text and "330801001" not in answer.text
        assert answer.status_code == (200 if path.startswith("/datasets") else 403)


def test_a_workbook_that_nobody_reads_leaves_no_file(dug: City) -> None:
    view = view_of(dug, PUBLIC, "wells")
    folder = dug.settings.home / "tmp"
    before = set(folder.rglob("*.xlsx"))
    write_xlsx(dug, view, view.snapshot).close()
    assert set(folder.rglob("*.xlsx")) == before == set()


def test_a_download_that_is_left_lying_gives_the_engine_back(dug: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "STALLED_SECONDS", 0.3)
    with lake_of(dug).engine() as duck:
        many = "SELECT i AS id, random() AS depth FROM range(400000) AS t(i)"
        lake_of(dug).upsert("wells", many, Commit("test"), duck=duck)
    view = view_of(dug, PUBLIC, "wells")

    async def leave_it() -> None:
        pieces = downloads.stream_copy(dug, view, view.snapshot, "csv")
        await anext(pieces)
        await anext(pieces)
        for _ in range(100):
            if not [thread for thread in threading.enumerate() if thread.name == "sanqu-download"]:
                break
            await asyncio.sleep(0.1)
        assert not [thread for thread in threading.enumerate() if thread.name == "sanqu-download"]
        with pytest.raises(BrokenPipeError):
            await anext(pieces)

    asyncio.run(leave_it())
