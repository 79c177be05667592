"""A steward's day at the workbench, in a real browser: a dataset, a line, its bad rows, the publication."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from sanqu.cli.worker import register_jobs
from sanqu.ground.city import City
from sanqu.ground.jobs import work
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.sessions import make_link
from sanqu.lake import lake_of

CONTRACT = """
name = "wells"
title = { zh = "水井", en = "Wells" }
description = { zh = "水井的深度", en = "How deep wells are" }
steward = "330802"
primaryKey = ["id"]
[[fields]]
name = "id"
type = "integer"
constraints = { required = true }
[[fields]]
name = "depth"
type = "number"
title = { zh = "深度", en = "Depth" }
constraints = { minimum = 0 }
"""


@pytest.fixture
def steward(browser: Browser, quzhou: City, serve: Callable[[City], str]) -> Iterator[Page]:
    """A steward of Kecheng, signed in."""
    with quzhou.db.connection() as conn:
        link = make_link(conn, add_person(conn, SYSTEM, "li", "李四", [("steward", "330802")]))
    context = browser.new_context(base_url=serve(quzhou), locale="zh-CN")
    page = context.new_page()
    page.goto(f"/sign-in/{link}")
    page.get_by_role("button", name="以此链接登录").click()
    yield page
    context.close()


def worker(city: City) -> threading.Thread:
    """A worker in a thread of its own, for the browser's loop runs in this one."""
    register_jobs()
    thread = threading.Thread(target=work, args=(city,), kwargs={"until_idle": True})
    thread.start()
    return thread


def in_background(city: City) -> None:
    worker(city).join(60)


def inbox(city: City, name: str, text: str) -> Path:
    file = city.settings.home.resolve() / "inbox" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "utf-8")
    return file


def write(page: Page, path: str, text: str) -> None:
    page.goto(path)
    page.locator("textarea").fill(text)
    page.get_by_role("button", name="保存").click()


def test_from_a_contract_to_published_rows_with_a_bad_one_mended(steward: Page, quzhou: City) -> None:
    write(steward, "/workbench/new-dataset", CONTRACT)
    expect(steward.get_by_role("heading", level=1)).to_contain_text("水井")
    file = inbox(quzhou, "wells.csv", "编号,深度,备注\n1,12.5,a\n2,-3,b\n3,,c\n")
    line = f'name = "wells"\ndataset = "wells"\ncolumns = {{ "编号" = "id" }}\n[source]\nkind = "file"\npath = "{file}"\n'
    write(steward, "/workbench/new-line", line)
    steward.get_by_role("button", name="运行").click()
    in_background(quzhou)
    steward.goto("/workbench/lines/wells")
    expect(steward.get_by_text("完成")).to_be_visible()

    steward.goto("/workbench/quarantine?line=wells")
    expect(steward.locator("article")).to_have_count(1)
    expect(steward.locator("article")).to_contain_text("depth")
    steward.get_by_label("depth").fill("3")
    steward.get_by_role("button", name="保存改正").click()
    steward.get_by_role("button", name="重放已改正的行").click()
    expect(steward.get_by_role("status")).to_contain_text("已写入 1 行")
    assert lake_of(quzhou).count("wells") == 3

    steward.goto("/workbench")
    steward.get_by_role("button", name="发布").click()
    steward.wait_for_url("**/datasets/wells")
    assert len(steward.request.get("/api/open/wells").json()["rows"]) == 3


def test_a_contract_that_contradicts_itself_is_refused_beside_the_text(steward: Page) -> None:
    write(steward, "/workbench/new-dataset", CONTRACT.replace('["id"]', '["nothing"]'))
    expect(steward.get_by_role("alert")).to_contain_text("primaryKey.nothing")
    expect(steward.locator("textarea")).to_contain_text("nothing")
    write(steward, "/workbench/new-dataset", "name = ")
    expect(steward.get_by_role("alert")).to_contain_text("TOML")


def test_a_steward_declares_nothing_for_another_unit(steward: Page) -> None:
    write(steward, "/workbench/new-dataset", CONTRACT.replace('"330802"', '"3308"'))
    expect(steward.get_by_role("alert")).to_be_visible()


def test_a_run_that_fails_says_why_on_the_page(steward: Page, quzhou: City) -> None:
    write(steward, "/workbench/new-dataset", CONTRACT)
    file = inbox(quzhou, "broken.csv", "深度\n1\n")
    write(steward, "/workbench/new-line", f'name = "wells"\ndataset = "wells"\n[source]\nkind = "file"\npath = "{file}"\n')
    steward.get_by_role("button", name="运行").click()
    in_background(quzhou)
    steward.goto("/workbench/lines/wells")
    expect(steward.locator(".note.bad")).to_contain_text("id")


def test_the_page_follows_a_run_while_it_goes(steward: Page, quzhou: City) -> None:
    write(steward, "/workbench/new-dataset", CONTRACT)
    rows = "\n".join(f"{i},1" for i in range(300_000))
    file = inbox(quzhou, "many.csv", f"id,depth\n{rows}\n")
    write(steward, "/workbench/new-line", f'name = "wells"\ndataset = "wells"\n[source]\nkind = "file"\npath = "{file}"\n')
    steward.get_by_role("button", name="运行").click()
    expect(steward.get_by_text("排队中")).to_be_visible()
    working = worker(quzhou)
    expect(steward.get_by_text("完成")).to_be_visible(timeout=30_000)
    working.join(60)
    expect(steward.get_by_role("cell", name=re.compile("300,000")).first).to_be_visible()
