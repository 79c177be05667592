"""Rooms over HTTP: what a notebook does with a key, and that nothing comes out but what has left."""

from __future__ import annotations

import io
import os
import re
from unittest.mock import patch

import httpx
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from sanqu.ground.pages import environment

from .conftest import Hut, key_of

TOWNS = "SELECT town, count(*) AS n FROM residents GROUP BY town ORDER BY town"


def test_a_notebook_asks_and_gets_states_and_arrow(hut: Hut, site_of_hut: httpx.Client) -> None:
    key, rooms = key_of(hut.city, hut.wang), f"/api/rooms/{hut.room.id}"
    facts = site_of_hut.get(rooms, headers=key).json()
    assert [table["name"] for table in facts["tables"]] == ["residents", "taxes", "visits", "shops"]
    assert facts["budget"] == {"given": "3", "left": "3", "epsilon": "0.1", "queries_left": 30}

    said = site_of_hut.post(f"{rooms}/explain", headers=key, json={"sql": TOWNS}).json()
    assert said["allowed"] and said["waits"] is None
    result = site_of_hut.post(f"{rooms}/ask", headers=key, json={"sql": TOWNS}).json()
    assert result["state"] == "passed"
    rows = site_of_hut.get(result["get"], headers=key, params={"format": "arrow"})
    assert pa.ipc.open_stream(io.BytesIO(rows.content)).read_all().num_rows == 3
    assert rows.headers["X-Sanqu-Digest"] == result["digest"]
    assert site_of_hut.get(result["get"], headers=key, params={"format": "csv"}).text.splitlines()[1] == "330802001,100"

    noisy = {"sql": "SELECT avg(income) AS m FROM residents", "bounds": {"income": [0, 2000]}}
    assert site_of_hut.post(f"{rooms}/private/price", headers=key, json=noisy).json()["left"] == "2.9"
    first, again = (site_of_hut.post(f"{rooms}/private", headers=key, json=noisy).json() for _ in range(2))
    assert (first["paid"], again["paid"], again["id"]) == (True, False, first["id"])
    assert again["budget"]["queries_left"] == 29

    brought = site_of_hut.post(f"{rooms}/uploads", headers=key, json={"name": "list", "csv": "id,kind\nA1,x\n"})
    assert brought.status_code == 201 and brought.json()["name"] == "my_list"
    assert site_of_hut.delete(f"{rooms}/uploads/my_list", headers=key).status_code == 204


def test_what_waits_is_a_state_and_nothing_else(hut: Hut, site_of_hut: httpx.Client) -> None:
    key, steward = key_of(hut.city, hut.wang), key_of(hut.city, hut.civil)
    said = site_of_hut.post(f"/api/rooms/{hut.room.id}/ask", headers=key, json={"sql": "SELECT name FROM residents"}).json()
    assert said["state"] == "waiting" and not {"rows", "digest", "get", "more"} & said.keys()
    result = f"/api/rooms/results/{said['id']}"
    for path in ("rows", "look"):
        refused = site_of_hut.get(f"{result}/{path}", headers=key)
        assert refused.status_code == 403 and "person" not in refused.text
    assert site_of_hut.post(f"{result}/approve", headers=key, json={"reason": "mine"}).status_code == 403

    assert [one["id"] for one in site_of_hut.get("/api/rooms/waiting", headers=steward).json()["results"]] == [said["id"]]
    assert len(site_of_hut.get(f"{result}/look", headers=steward).json()["rows"]) == 300
    assert site_of_hut.post(f"{result}/approve", headers=steward, json={"reason": "open anyway"}).json()["state"] == "approved"
    assert [one["id"] for one in site_of_hut.get("/api/rooms", headers=key).json()["news"]] == [said["id"]]
    assert site_of_hut.get(result, headers=key).json()["cause"]["reason"] == "open anyway"
    assert site_of_hut.get("/api/rooms", headers=key).json()["news"] == []
    assert len(site_of_hut.get(f"{result}/rows", headers=key).json()["rows"]) == 300


def test_strangers_and_the_public_find_no_room(hut: Hut, site_of_hut: httpx.Client) -> None:
    hut.ask(TOWNS)
    outsider = key_of(hut.city, hut.outsider)
    for path in ("", "/results"):
        assert site_of_hut.get(f"/api/rooms/{hut.room.id}{path}", headers=outsider).status_code == 404
        assert site_of_hut.get(f"/api/rooms/{hut.room.id}{path}").status_code == 401
    assert site_of_hut.post(f"/api/rooms/{hut.room.id}/ask", headers=outsider, json={"sql": TOWNS}).status_code == 404
    assert site_of_hut.get("/api/rooms", headers=outsider).json() == {"rooms": [], "news": []}


def test_a_steward_makes_a_room_and_closes_it(hut: Hut, site_of_hut: httpx.Client) -> None:
    steward, key = key_of(hut.city, hut.civil), key_of(hut.city, hut.wang)
    said = {"title": "care", "unit": "civil", "purposes": ["study"], "budget": 1}
    assert site_of_hut.post("/api/rooms", headers=key, json=said).status_code == 403
    room = site_of_hut.post("/api/rooms", headers=steward, json=said).json()
    people = site_of_hut.post(f"/api/rooms/{room['id']}/members", headers=steward, json={"login": "wang"}).json()["members"]
    assert [one["login"] for one in people] == ["wang"]
    assert site_of_hut.post(f"/api/rooms/{room['id']}/members", headers=key, json={"login": "li"}).status_code == 403
    assert site_of_hut.post(f"/api/rooms/{room['id']}/close", headers=steward).json()["state"] == "closed"
    assert site_of_hut.post(f"/api/rooms/{room['id']}/ask", headers=key, json={"sql": TOWNS}).status_code == 403
    assert site_of_hut.delete(f"/api/rooms/{room['id']}/members/{people[0]['id']}", headers=steward).status_code == 204


def test_the_example_for_notebooks_runs_as_it_stands(hut: Hut, site_of_hut: httpx.Client) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    code = environment().get_template("sandbox/notebook.py.txt").render(base=str(site_of_hut.base_url).rstrip("/"), room=hut.room)
    told: list[str] = []
    with patch.dict(os.environ, {"SANQU_KEY": key_of(hut.city, hut.wang)["Authorization"]}):
        exec(code, {"print": lambda *said: told.append(" ".join(map(str, said)))})
    assert told[0].startswith("passed") and "330802001  100" in told[1]
    assert re.search(r"mean\n0 +\d", told[2]) and told[2].endswith(" 29")
