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
from sanqu.lines.keeping import line_of, save_line
from sanqu.lines.records import Line

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


def write_here(page: Page, text: str) -> None:
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


def test_a_steward_changes_a_line_in_the_browser_by_the_same_checks_as_a_new_one(steward: Page, quzhou: City) -> None:
    write(steward, "/workbench/new-dataset", CONTRACT)
    file = inbox(quzhou, "wells.csv", "id,depth\n1,2\n")
    write(steward, "/workbench/new-line", f'name = "wells"\ndataset = "wells"\n[source]\nkind = "file"\npath = "{file}"\n')
    steward.get_by_role("link", name="修改专线").click()
    said = steward.locator("textarea").input_value()
    assert Line.from_toml(said) == line_of(quzhou, "wells")
    # What a new line would be refused for is refused, and the text stays.
    write_here(steward, said.replace('kind = "file"', 'kind = "fil"'))
    expect(steward.get_by_role("alert")).to_contain_text("source.kind")
    write_here(steward, said.replace("wells.csv", "../../../etc/passwd"))
    expect(steward.get_by_role("alert")).to_contain_text("只有管理员")
    write_here(steward, said.replace('name = "wells"', 'name = "other"'))
    expect(steward.get_by_role("alert")).to_contain_text("名称不能改")
    write_here(steward, 'schedule = "0 2 * * *"\n' + said)
    expect(steward.get_by_role("heading", level=1)).to_contain_text("wells")
    assert line_of(quzhou, "wells").schedule == "0 2 * * *"
    # Somebody else changes it while the form is open.
    steward.goto("/workbench/lines/wells/edit")
    save_line(quzhou, line_of(quzhou, "wells").model_copy(update={"schedule": "0 3 * * *"}), SYSTEM)
    write_here(steward, said)
    expect(steward.get_by_role("alert")).to_contain_text("别人改过")
    # It may become a live one, with steps; from there it is changed likewise.
    live = 'dataset = "wells"\ninput = [{ name = "id", type = "integer" }, { name = "depth", type = "number" }]\n[source]\nkind = "push"\n'
    write_here(steward, live + "[[steps]]\nname = \"deep\"\nsql = '''\nSELECT id, depth\nFROM input WHERE depth > 10'''\n")
    expect(steward).to_have_url(re.compile("/live/wells$"))
    steward.get_by_role("link", name="修改专线").click()
    expect(steward.locator("textarea")).to_have_value(re.compile("SELECT id, depth\nFROM input WHERE depth > 10"))
    write_here(steward, steward.locator("textarea").input_value().replace("FROM input", "FROM nowhere"))
    expect(steward.get_by_role("alert")).to_be_visible()


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
