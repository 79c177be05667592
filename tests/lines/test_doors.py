"""Lines over HTTP and on the command line: who may, what is shown, what a second run is told."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from typer.testing import CliRunner

from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import work
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import RoleName, add_person
from sanqu.ground.people.units import Unit, save_units
from sanqu.lines.commands import app
from sanqu.lines.keeping import line_of, runs
from sanqu.lines.records import Run
from sanqu.lines.run import run_line

from .conftest import HEAD

Load = Callable[..., Run]


@pytest.fixture
def keys(city: City) -> dict[str, dict[str, str]]:
    """Headers of an administrator, a steward of the unit, and a steward of another one."""
    found = {}
    units = [
        Unit("3308", None, "city", "city", Text(zh="衢州")),
        Unit("330800", "3308", "department", "city", Text(zh="局")),
        Unit("330802", "3308", "county", "county", Text(zh="柯城")),
    ]
    said: tuple[tuple[str, RoleName, str], ...] = (
        ("admin", "admin", "3308"), ("mine", "steward", "330800"), ("other", "steward", "330802"),
    )  # fmt: skip
    with city.db.connection() as conn:
        save_units(conn, units)
        for login, role, unit in said:
            person = add_person(conn, SYSTEM, login, login, [(role, unit)])
            found[login] = {"Authorization": make_key(conn, SYSTEM, person, login)}
    return found


def test_only_stewards_of_the_unit_see_and_change_lines(
    city: City, load: Load, site: httpx.Client, keys: dict[str, dict[str, str]]
) -> None:
    load(HEAD + "1,a,,,,\nx,=b,,,,\n")
    assert site.get("/api/lines").status_code == 401
    assert site.get("/api/lines", headers=keys["other"]).json() == []
    assert site.get("/api/lines/shops", headers=keys["other"]).status_code == 403
    (shown,) = site.get("/api/lines", headers=keys["mine"]).json()
    assert (shown["line"]["name"], shown["last_run"]["inserted"], shown["waiting"]) == ("shops", 1, 1)
    rows = site.get("/api/lines/shops/quarantine", headers=keys["mine"]).json()
    assert (rows["count"], rows["rows"][0]["faults"][0]["rule"]) == (1, "type")
    number = rows["rows"][0]["id"]
    assert site.post(f"/api/lines/quarantine/{number}/mend", json={"id": "2"}, headers=keys["other"]).status_code == 403
    assert site.post(f"/api/lines/quarantine/{number}/mend", json={"nothing": "2"}, headers=keys["mine"]).status_code == 400
    assert site.post(f"/api/lines/quarantine/{number}/mend", json={"id": "2"}, headers=keys["mine"]).json()["state"] == "mended"
    assert site.post("/api/lines/shops/replay", headers=keys["mine"]).json()["inserted"] == 1
    assert "不是整数" in site.get("/api/lines/shops/quarantine.csv", headers=keys["mine"]).text
    assert "is not a whole number" in site.get("/api/lines/shops/quarantine.csv?lang=en", headers=keys["mine"]).text
    assert site.get("/api/lines/shops/runs.csv", headers=keys["mine"]).text.count("\n") == 2
    body = {"name": "evil", "dataset": "shops", "source": {"kind": "file", "path": "/etc/passwd"}}
    assert site.post("/api/lines", json=body, headers=keys["mine"]).status_code == 403


@pytest.mark.parametrize(
    "url",
    [
        "CITY",
        "postgresql://postgres@%2Ftmp%2Fcity%2Fpostgres/postgres",
        "postgresql://postgres@db.example.cn/postgres?host=/tmp/city/postgres",
        "postgresql:///postgres",
        "postgresql://u@localhost/d",
        "postgresql://u@127.1/d",
        "postgresql://u@0x7f.1/d",
        "postgresql://u@[::1]/d",
        "postgresql://u@a,b/d",
        "mysql://u@db.example.cn/d?read_default_file=/etc/mysql/my.cnf",
        "sqlite:////etc/x.db",
        "duckdb:///x",
    ],
)
def test_a_steward_reads_no_database_of_this_machine(
    city: City, load: Load, site: httpx.Client, keys: dict[str, dict[str, str]], url: str
) -> None:
    load(HEAD + "1,a,,,,\n")
    source = {"kind": "sql", "url": url.replace("CITY", city.settings.database_url), "query": "SELECT login AS id FROM person"}
    answer = site.post("/api/lines", json={"name": "thief", "dataset": "shops", "source": source}, headers=keys["mine"])
    assert (answer.status_code, answer.json()["code"]) == (403, "lines.foreign-database")


@pytest.mark.parametrize("url", ["postgresql://u:p@db.example.cn:5432/d?sslmode=require", "mysql://u@10.1.2.3/d?charset=utf8mb4"])
def test_a_steward_names_a_database_of_another_machine(
    load: Load, site: httpx.Client, keys: dict[str, dict[str, str]], url: str
) -> None:
    load(HEAD + "1,a,,,,\n")
    body = {"name": "guest", "dataset": "shops", "source": {"kind": "sql", "url": url, "table": "t"}}
    assert site.post("/api/lines", json=body, headers=keys["mine"]).status_code == 201


def test_a_run_asked_for_over_http_is_done_by_the_worker_and_watched(
    city: City, load: Load, site: httpx.Client, keys: dict[str, dict[str, str]]
) -> None:
    load(HEAD + "1,a,,,,\n")
    assert site.post("/api/lines/shops/run", headers=keys["mine"]).json() == {"line": "shops", "queued": True}
    work(city, until_idle=True)
    last = runs(city, line="shops")[0]
    assert (last.skipped, last.actor[:5]) == (1, "user:")
    told = site.get(f"/api/lines/runs/{last.id}/progress", headers=keys["mine"])
    assert told.headers["content-type"].startswith("text/event-stream")
    assert '"state":"done"' in told.text


def test_passwords_are_not_shown_and_not_lost(
    city: City, load: Load, site: httpx.Client, keys: dict[str, dict[str, str]]
) -> None:
    load(source={"kind": "sql", "url": "postgresql://me:secret@127.0.0.1:1/x", "table": "t"})
    shown = site.get("/api/lines/shops", headers=keys["admin"]).json()
    assert "secret" not in str(shown["line"])
    site.put("/api/lines/shops", json={**shown["line"], "title": "别名"}, headers=keys["admin"]).raise_for_status()
    kept = line_of(city, "shops")
    assert (kept.source.url, kept.title.zh) == ("postgresql://me:secret@127.0.0.1:1/x", "别名")
    assert "secret" not in str(runs(city, line="shops")[0].cause)


def test_every_command_helps_with_an_example() -> None:
    for command in ("list", "add", "run", "runs", "quarantine", "replay"):
        said = CliRunner().invoke(app, [command, "--help"])
        assert said.exit_code == 0
        assert "sanqu line" in said.stdout


def test_a_steward_names_files_from_the_inbox_of_the_city(
    city: City, load: Load, site: httpx.Client, keys: dict[str, dict[str, str]]
) -> None:
    load(HEAD)
    inbox = city.settings.home / "inbox"
    inbox.mkdir()
    (inbox / "shops.csv").write_text(HEAD + "7,a,,,,\n")
    made = {"name": "shops", "dataset": "shops", "source": {"kind": "file", "path": "inbox/shops.csv"}}
    assert site.put("/api/lines/shops", json=made, headers=keys["mine"]).status_code == 200
    assert run_line(city, "shops").inserted == 1
    outside = {**made, "source": {"kind": "file", "path": "inbox/../keys/ledger.key"}}
    assert site.put("/api/lines/shops", json=outside, headers=keys["mine"]).status_code == 403
