"""The catalogue's own JSON and its commands."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from sanqu.catalog import commands
from sanqu.catalog.harvest import Source, add_source, runs
from sanqu.catalog.openlist import publish_open_list
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import work

from .conftest import PEOPLE, Put, Served


def test_search_filters_and_marks_over_http(town: City, put: Put, served: Served) -> None:
    put("a", "柑橘产量", subjects=("agriculture",))
    put("b", "柑橘价格", opening="restricted")
    put("c", "内部柑橘", opening="none")
    found = requests.get(f"{served.url}/api/catalog/search", params={"q": "柑橘", "opening": ["unconditional", "restricted"]}, timeout=10).json()
    assert found["total"] == 2 and found["hits"][0]["marked"]["title"]["zh"].startswith("<mark>柑橘</mark>")
    assert {v["value"]: v["count"] for v in found["facets"]["opening"]} == {"unconditional": 1, "restricted": 1}
    one = requests.get(f"{served.url}/api/catalog/search", params={"subject": "agriculture"}, timeout=10).json()
    assert [h["name"] for h in one["hits"]] == ["a"]
    staff = requests.get(f"{served.url}/api/catalog/search", params={"q": "柑橘"}, headers={"Authorization": served.officer_key}, timeout=10).json()
    assert staff["total"] == 3
    assert requests.get(f"{served.url}/api/catalog/datasets/c", timeout=10).status_code == 404
    shown = requests.get(f"{served.url}/api/catalog/datasets/a", timeout=10).json()
    assert shown["schema_org"]["@type"] == "Dataset" and shown["title"]["zh"] == "柑橘产量"
    assert requests.get(f"{served.url}/api/catalog/search", params={"offset": 10**9}, timeout=10).json()["code"] == "catalog.too-deep"
    assert requests.get(f"{served.url}/api/catalog/search", params={"sort": "nonsense"}, timeout=10).status_code == 422


def test_the_list_is_exported_whole_and_harmless(town: City, put: Put, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from sanqu.catalog import browse

    monkeypatch.setattr(browse, "PAGE_ROWS", 3)
    for i in range(8):
        put(f"d{i}", '=HYPERLINK("http://evil")' if i == 0 else f"数据,{i}")
    text = requests.get(f"{served.url}/api/catalog/datasets.csv", timeout=10).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["名称"] for row in rows] == [f"d{i}" for i in range(8)] and rows[0]["标题"].startswith("'=")
    english = requests.get(f"{served.url}/api/catalog/datasets.csv?lang=en&unit=3308-agri", timeout=10).content.decode("utf-8-sig")
    assert english.startswith("name,title")


def test_open_lists_are_published_and_compared_over_http(town: City, put: Put, served: Served) -> None:
    put("a", "甲")
    publish_open_list(town, "2025", PEOPLE.admin)
    put("b", "乙")
    url = f"{served.url}/api/catalog/openlists"
    assert requests.post(url, json={"label": "2026"}, timeout=10).status_code == 401
    assert requests.post(url, json={"label": "2026"}, headers={"Authorization": served.officer_key}, timeout=10).status_code == 403
    assert requests.post(url, json={"label": "2026"}, headers={"Authorization": served.key}, timeout=10).json()["datasets"] == 2
    assert [v["label"] for v in requests.get(url, timeout=10).json()] == ["2026", "2025"]
    assert [e["name"] for e in requests.get(f"{url}/2025/diff/2026", timeout=10).json()["added"]] == ["b"]
    assert [e["name"] for e in requests.get(f"{url}/2025", timeout=10).json()] == ["a"]


def test_a_harvest_is_ordered_over_http_and_done_in_the_background(town: City, served: Served, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("title,description\nAlpha,one\nBeta,two\n")
    headers = {"Authorization": served.key}
    source = {"name": "list", "title": {"zh": "清单"}, "kind": "csv", "url": str(file), "unit": "3308"}
    assert requests.post(f"{served.url}/api/catalog/harvest", json=source, timeout=10).status_code == 401
    far = source | {"url": "http://127.0.0.1:9/list.csv"}
    assert requests.post(f"{served.url}/api/catalog/harvest", json=far | {"unit": "no"}, headers=headers, timeout=10).status_code == 404
    assert requests.post(f"{served.url}/api/catalog/harvest", json=far, headers=headers, timeout=10).status_code == 201
    assert requests.post(f"{served.url}/api/catalog/harvest", json=source, headers=headers, timeout=10).status_code == 400
    add_source(town, Source("list", Text(zh="清单"), "csv", str(file), "3308"), "test")
    started = requests.post(f"{served.url}/api/catalog/harvest/list/run", headers=headers, timeout=10)
    assert started.status_code == 202 and started.json()["job"]
    work(town, until_idle=True)
    assert runs(town, "list")[0].state == "done" and runs(town, "list")[0].added == 2
    shown = requests.get(f"{served.url}/api/catalog/harvest", headers=headers, timeout=10).json()
    assert shown["sources"][0]["datasets"] == 2 and shown["runs"][0]["state"] == "done"
    assert requests.get(f"{served.url}/api/catalog/harvest/runs/{shown['runs'][0]['id']}/failures", headers=headers, timeout=10).json() == []


def test_addresses_in_ckans_form_lead_to_ours(served: Served) -> None:
    for path, target in (("/dataset/x", "/datasets/x"), ("/organization/3308", "/units/3308"), ("/group/agriculture", "/datasets?subject=agriculture")):
        answer = requests.get(served.url + path, allow_redirects=False, timeout=10)
        assert answer.status_code == 303 and answer.headers["location"] == target


def test_the_whole_application_serves_the_catalogue(town: City, put: Put) -> None:
    from fastapi.testclient import TestClient

    from sanqu.web.app import make_app

    put("a", "柑橘")
    client = TestClient(make_app(town))
    assert client.get("/catalog.ttl").status_code == 200 and client.get("/dataset/a.jsonld").status_code == 200
    assert client.get("/api/3/action/package_list").json()["result"] == ["a"]
    assert client.get("/api/action/status_show").json()["success"] is True
    assert client.get("/dataset/a/datapackage.json").json()["name"] == "a"
    assert client.get("/api/catalog/search?q=柑橘").json()["total"] == 1


def test_commands_search_harvest_and_compare(town: City, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr(commands, "open_city", lambda _home: nullcontext(town))
    put("a", "柑橘产量")
    run = CliRunner().invoke
    assert "a" in run(commands.app, ["search", "柑橘"]).output
    assert run(commands.app, ["openlist", "publish", "2025"]).exit_code == 0
    file = tmp_path / "list.csv"
    file.write_text("title,description\nAlpha,one\n,broken\n")
    assert run(commands.app, ["harvest", "add", "list", "csv", str(file), "--unit", "3308"]).exit_code == 0
    done = run(commands.app, ["harvest", "run", "list"])
    assert done.exit_code == 0 and "added 1" in done.output and "title" in done.output
    assert "done" in run(commands.app, ["harvest", "list"]).output
    assert run(commands.app, ["openlist", "publish", "2026"]).exit_code == 0
    assert "+1 -0 ~0 =1" in run(commands.app, ["openlist", "diff", "2025", "2026"]).output
    assert "2026" in run(commands.app, ["openlist", "list"]).output
    assert run(commands.app, ["quality"]).exit_code == 0 and "2" in run(commands.app, ["reindex"]).output
    assert Text(zh="x")
