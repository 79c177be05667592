"""What issue 3 must show, in a browser: one question by every way, told the same; from the refusal to the grant; the receipt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from typer.testing import CliRunner

from sanqu.cli.main import app
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.sessions import make_link
from sanqu.sandbox.rooms import NewRoom, add_member, make_room
from sanqu.sharing.door import Question, ask, explain
from sanqu.sharing.my_data import identify
from tests.web.conftest import browser

from .conftest import Granting
from .staff import Staff, settle

__all__ = ["browser"]

SQL = "SELECT name, town FROM residents WHERE age > 60 ORDER BY name"
Opening = Callable[[Asker], Page]


@pytest.fixture
def staff(county: City) -> Staff:
    return settle(county)


@pytest.fixture
def base(county: City, serve: Callable[[City], str]) -> str:
    return serve(county)


@pytest.fixture
def open_as(county: City, browser: Browser, base: str) -> Iterator[Opening]:
    """A tab of somebody who has signed in; a script error on any page fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def sign_in(asker: Asker) -> Page:
        context = browser.new_context(base_url=base, locale="zh-CN")
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda fault: faults.append(str(fault)))
        with county.db.connection() as conn:
            link = make_link(conn, asker.user_id or 0)
        tab.goto(f"/sign-in/{link}")
        tab.get_by_role("button", name="以此链接登录").click()
        return tab

    yield sign_in
    for context in contexts:
        context.close()
    assert faults == []


def by_command(city: City, *said: str) -> tuple[int, str]:
    """What `sanqu` answers in a terminal."""
    settings = city.settings
    env = {"SANQU_HOME": str(settings.home), "SANQU_DATABASE_URL": settings.database_url, "SANQU_NATS_URL": settings.nats_url}
    with pytest.MonkeyPatch.context() as patch:
        # A command is imported when it is named on the command line.
        patch.setattr(sys, "argv", ["sanqu", *said])
        ran = CliRunner().invoke(app, list(said), env=env)
    return ran.exit_code, ran.output + str(ran.exception or "")


def by_page(page: Page, button: str, sql: str = SQL, purpose: str = "relief") -> None:
    page.goto("/ask")
    page.get_by_label("SQL").fill(sql)
    page.get_by_label("用途").fill(purpose)
    page.get_by_role("button", name=button).click()


@pytest.fixture
def room(county: City, staff: Staff, grant: Granting) -> int:
    """A room of which the officer is a member, with an item that says nothing of names."""
    number = make_room(county, staff.above, NewRoom(title="老人补助", unit="3308", purposes=("relief",))).id
    add_member(county, staff.above, number, "wang")
    grant("residents", f"room:{number}", age="plain")
    return number


def test_one_officer_asks_one_question_by_every_way_and_is_told_the_same(
    county: City, staff: Staff, base: str, open_as: Opening, room: int, grant: Granting
) -> None:
    with county.db.connection() as conn:
        key = {"Authorization": make_key(conn, SYSTEM, staff.wang.user_id or 0, "k")}
    question = {"sql": SQL, "purpose": "relief"}
    decision = explain(county, staff.wang, Question(SQL, "relief"))
    (dataset, closed), *_ = decision.closed
    assert (dataset, closed.item, closed.clause) == ("residents", "name", "sharing=conditional")

    by_api = httpx.post(f"{base}/api/ask", json=question, headers=key)
    explained = httpx.post(f"{base}/api/explain", json=question, headers=key).json()
    assert by_api.status_code == 403
    assert by_api.json()["facts"]["closed"] == explained["closed"] == orjson.loads(orjson.dumps(decision.as_facts()))["closed"]
    assert by_api.json()["facts"]["smallest_grants"] == explained["smallest_grants"]
    code, said = by_command(county, "explain", SQL, "--as", "wang", "--purpose", "relief")
    assert code == 0, said
    assert "✗ residents.name" in said and closed.clause in said
    code, said = by_command(county, "ask", SQL, "--as", "wang", "--purpose", "relief")
    assert code != 0 and closed.clause in said
    in_room = httpx.post(f"{base}/api/rooms/{room}/explain", json=question, headers=key).json()
    assert (in_room["allowed"], in_room["closed"][0]) == (False, explained["closed"][0])
    wanted = {one["item"]: one["uses"] for one in in_room["smallest_grants"][0]["items"]}
    assert wanted.items() >= {one["item"]: one["uses"] for one in explained["smallest_grants"][0]["items"]}.items()

    wang = open_as(staff.wang)
    by_page(wang, "先说明")
    answer = wang.locator("#answer")
    expect(answer).to_contain_text("residents.name")
    expect(answer).to_contain_text(closed.clause)
    expect(answer.get_by_role("heading", name="够用的最小授权")).to_be_visible()

    # From the button to an application, filled in with what is enough.
    answer.get_by_role("button", name="申请这份最小授权").click()
    expect(wang.get_by_label("name", exact=True)).to_be_checked()
    expect(wang.get_by_label("income", exact=True)).not_to_be_checked()
    wang.get_by_label("授予").select_option(f"user:{staff.wang.user_id}")
    wang.get_by_label("理由").fill("核对六十岁以上老人的补助")
    wang.get_by_role("button", name="提交申请").click()
    expect(wang.get_by_role("heading", level=1)).to_contain_text("居民 · relief")
    number = wang.url.rsplit("/", 1)[1]

    clerk = open_as(staff.clerk)
    clerk.goto("/cases")
    clerk.get_by_role("link", name="核对材料").click()
    clerk.locator("select[name=complete]").select_option("yes")
    clerk.get_by_role("button", name="提交", exact=True).click()
    expect(clerk.get_by_role("region", name="审核决定")).to_contain_text("由上述机构或人员办理")

    li = open_as(staff.li)
    li.goto("/cases")
    expect(li.locator("header .count")).to_have_text("1")
    li.get_by_role("link", name="审核决定").click()
    li.get_by_role("link", name="审核决定").click()
    expect(li.get_by_label("name", exact=True)).to_be_checked()
    li.locator("select[name=decision]").select_option("refuse")
    li.get_by_role("button", name="提交决定").click()
    expect(li.get_by_role("alert")).to_contain_text("法律依据")
    expect(li.locator("select[name=decision]")).to_have_value("refuse")
    li.locator("select[name=decision]").select_option("grant")
    li.get_by_role("button", name="提交决定").click()
    expect(li.get_by_role("heading", level=1)).to_contain_text("已办结")

    # The applicant is told, and the same query runs, by every way, and is told the same.
    wang.goto("/cases/notices")
    wang.get_by_role("link", name="已办结（已授权）").click()
    assert wang.url.endswith(number)
    wang.get_by_role("link", name="运行这条查询").click()
    wang.get_by_role("button", name="读取").click()
    expect(wang.locator("#answer table")).to_contain_text("person 147")
    mine = ask(county, staff.wang, Question(SQL, "relief"))
    rows = mine.table.to_pylist()
    assert rows and {row["town"] for row in rows} <= {"330802001", "330802002"}
    allowed = httpx.post(f"{base}/api/ask", json=question, headers=key).json()
    assert (allowed["rows"], allowed["digest"]) == (rows, mine.digest)
    expect(wang.locator("#answer")).to_contain_text(mine.digest[:16])
    code, said = by_command(county, "ask", SQL, "--as", "wang", "--purpose", "relief", "--json")
    assert code == 0, said
    assert [orjson.loads(line) for line in said.splitlines()] == rows
    by_rows = httpx.get(f"{base}/api/open/residents?items=name,town&age__gt=60&sort=name&_purpose=relief&limit=1000", headers=key)
    assert by_rows.json()["rows"] == rows

    # In a room the same grant allows the same; what would leave it row by row waits for the steward.
    grant("residents", f"room:{room}", name="plain", town="plain", age="plain", unit="330802")
    in_room = httpx.post(f"{base}/api/rooms/{room}/explain", json=question, headers=key).json()
    assert in_room["allowed"] is explain(county, staff.wang, Question(SQL, "relief")).allowed is True
    assert in_room["waits"] is not None


def test_a_resident_sees_who_read_and_the_receipt_verifies_with_no_database(
    county: City, staff: Staff, open_as: Opening, tmp_path: Path
) -> None:
    with county.db.connection() as conn:
        identify(conn, SYSTEM, staff.chen.user_id or 0, "person", "ID0007")
    ask(county, staff.li, Question("SELECT name FROM residents", "relief", via="sql"))
    chen = open_as(staff.chen)
    chen.goto("/my-data")
    chen.get_by_role("link", name="居民").click()
    expect(chen.get_by_role("cell", name=staff.li.label)).to_be_visible()
    with chen.expect_download() as download:
        chen.get_by_role("link", name="回执").last.click()
    file = tmp_path / "receipt.json"
    download.value.save_as(file)
    env = {name: value for name, value in os.environ.items() if not name.startswith("SANQU_")}
    verify = [sys.executable, "-m", "sanqu.ground.ledger", "verify"]
    good = subprocess.run([*verify, str(file)], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stdout + good.stderr
    said = orjson.loads(file.read_bytes())
    said["body"] = said["body"].replace('"relief"', '"other"')
    file.write_bytes(orjson.dumps(said))
    bad = subprocess.run([*verify, str(file)], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert bad.returncode != 0

    # What is wrong in one's own row is said from the same page.
    chen.get_by_role("link", name="数据有误").click()
    chen.get_by_label("数据项").select_option("town")
    chen.get_by_label("应为").fill("330802002")
    chen.get_by_label("证据").fill("户口簿")
    chen.get_by_role("button", name="提出校核").click()
    expect(chen.get_by_role("heading", level=1)).to_contain_text("居民 · town")
    chen.goto("/cases?tray=mine")
    expect(chen.get_by_role("link", name="居民 · town")).to_be_visible()
