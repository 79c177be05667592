"""A room in a real browser: SQL with suggestions, explained, run, passed or waiting, decided by the steward, downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract
from tests.sandbox.conftest import Hut, built, county, grant, grant_all, hut
from tests.web.conftest import sign_in

__all__ = ["built", "county", "grant", "grant_all", "hut"]

Entering = Callable[[Asker], Page]
# The first answer of a city waits for its sealed process and for the library of the noise.
FIRST = 60_000


@pytest.fixture
def enter(browser: Browser, hut: Hut, serve: Callable[[City], str]) -> Iterator[Entering]:
    """Opens a tab for somebody who is signed in; a script error fails the test."""
    base, opened, faults = serve(hut.city), list[BrowserContext](), list[str]()

    def open_tab(asker: Asker) -> Page:
        context = browser.new_context(base_url=base, locale="zh-CN", accept_downloads=True)
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        sign_in(page, hut.city, asker)
        page.goto(f"/rooms/{hut.room.id}")
        return page

    yield open_tab
    for context in opened:
        context.close()
    assert faults == []


def write(page: Page, sql: str) -> None:
    page.get_by_label("SQL").fill(sql)


def run(page: Page, button: str = "运行") -> None:
    page.get_by_role("button", name=button, exact=True).click()


WORKS = {
    "name": "road-works", "title": {"zh": "道路施工", "en": "Road works"}, "steward": "civil", "primaryKey": ["no"],
    "fields": [{"name": "no", "type": "integer"}, {"name": "metres", "type": "number"}],
}  # fmt: skip


def test_the_editor_completes_tables_items_and_functions(enter: Entering, hut: Hut) -> None:
    register_contract(hut.city, Contract.from_descriptor(WORKS), "system", state="published")
    page = enter(hut.wang)
    editor = page.get_by_role("combobox", name="SQL")
    editor.press_sequentially("SELECT cou")
    expect(page.get_by_role("option", name="count(")).to_be_visible()
    editor.press("Tab")
    editor.press_sequentially("*) AS n FROM res")
    expect(page.get_by_role("option", name="residents")).to_be_visible()
    editor.press("Enter")
    editor.press_sequentially("r WHERE r.in")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(1)
    editor.press("Enter")
    expect(editor).to_have_value("SELECT count(*) AS n FROM residents r WHERE r.income ")
    editor.fill("")
    editor.press_sequentially('SELECT count(*) AS n FROM road-')
    editor.press("Tab")
    expect(editor).to_have_value('SELECT count(*) AS n FROM "road-works" ')
    editor.press_sequentially("w WHERE w.me")
    editor.press("Tab")
    expect(editor).to_have_value('SELECT count(*) AS n FROM "road-works" w WHERE w.metres ')
    editor.press("Control+ ")
    expect(page.get_by_role("listbox")).to_be_visible()
    editor.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()


def test_a_figure_is_explained_passes_and_is_downloaded(enter: Entering, hut: Hut) -> None:
    page = enter(hut.wang)
    write(page, "SELECT town, count(*) AS n FROM residents GROUP BY town ORDER BY town")
    run(page, "先说明")
    expect(page.locator("#answer")).to_contain_text("每格主体够多时直接通过", timeout=FIRST)
    page.get_by_label("SQL").press("Control+Enter")
    expect(page.locator("[data-state=passed]")).to_contain_text("自动规则都通过", timeout=FIRST)
    expect(page.locator("#answer td").nth(1)).to_have_text("100")
    with page.expect_download() as got:
        page.get_by_role("link", name="下载 CSV").click()
    assert got.value.path().read_text("utf-8-sig").splitlines()[1] == "330802001,100"


def test_what_waits_is_decided_by_the_steward_and_the_member_is_told(enter: Entering, hut: Hut) -> None:
    page = enter(hut.wang)
    write(page, "SELECT name, income FROM residents ORDER BY income DESC LIMIT 3")
    run(page, "先说明")
    expect(page.locator("#answer")).to_contain_text("要等责任单位批准", timeout=FIRST)
    run(page)
    waiting = page.locator("[data-state=waiting]")
    expect(waiting).to_contain_text("要人看过才能离开", timeout=FIRST)
    expect(waiting).not_to_contain_text("1299")
    address = waiting.get_by_role("link").first.get_attribute("href")

    steward = enter(hut.civil)
    steward.goto("/rooms")
    steward.get_by_role("link", name="有 1 个结果等您批准").click()
    steward.locator("a.card").click()
    expect(steward.locator("main")).to_contain_text("person 299", timeout=FIRST)
    steward.get_by_label("理由").fill("已公示的名单")
    steward.get_by_role("button", name="批准离开").click()
    expect(steward.locator("h1")).to_contain_text("已批准", timeout=FIRST)

    page.goto("/rooms")
    expect(page.get_by_role("status")).to_contain_text("已公示的名单")
    page.goto(str(address))
    with page.expect_download() as got:
        page.get_by_role("link", name="下载 CSV").click()
    assert "person 299,1299.0" in got.value.path().read_text("utf-8-sig")
    page.goto("/rooms")
    expect(page.get_by_role("status")).to_have_count(0)


def test_the_gauge_moves_with_noise_and_not_when_the_same_is_asked_again(enter: Entering, hut: Hut) -> None:
    page = enter(hut.wang)
    expect(page.locator("#gauge")).to_contain_text("还可问 30 次")
    write(page, "SELECT avg(income) AS mean FROM residents")
    page.get_by_role("radio", name="加噪声").check()
    page.get_by_label("上下界").fill("income: 0 .. 20000")
    run(page, "先说明")
    expect(page.locator("#answer")).to_contain_text("这次要花 ε 0.1", timeout=FIRST)
    expect(page.locator("#gauge")).to_contain_text("还可问 30 次")
    run(page)
    expect(page.locator("#answer")).to_contain_text("花了 ε 0.1", timeout=FIRST)
    expect(page.locator("#gauge")).to_contain_text("还可问 29 次")
    expect(page.locator("#gauge [role=meter]")).to_have_attribute("aria-valuenow", "97")
    run(page)
    expect(page.locator("#answer")).to_contain_text("这次不花")
    expect(page.locator("#gauge")).to_contain_text("还可问 29 次")


def test_a_model_is_asked_for_and_waits(enter: Entering, hut: Hut) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'sanqu[sandbox]'")
    page = enter(hut.wang)
    write(page, "SELECT age, income FROM residents")
    page.get_by_role("radio", name="训练模型").check()
    page.get_by_label("目标列").fill("income")
    run(page)
    expect(page.locator("[data-state=waiting]")).to_contain_text("模型的参数", timeout=FIRST)
    address = page.locator("[data-state=waiting] a").first.get_attribute("href")
    steward = enter(hut.civil)
    steward.goto(str(address))
    expect(steward.locator("pre").last).to_contain_text("coefficients", timeout=FIRST)


def test_a_form_that_does_not_fit_says_which_field(enter: Entering, hut: Hut) -> None:
    page = enter(hut.wang)
    write(page, "SELECT avg(income) AS mean FROM residents")
    page.get_by_role("radio", name="加噪声").check()
    page.get_by_label("上下界").fill("income 0 20000")
    run(page)
    expect(page.locator("#answer .note.bad")).to_contain_text("bounds", timeout=FIRST)


def test_a_steward_makes_a_room_lets_people_in_and_a_member_brings_data(enter: Entering, hut: Hut) -> None:
    steward = enter(hut.civil)
    steward.goto("/rooms")
    steward.get_by_text("开一个房间").first.click()
    steward.get_by_label("名称").fill("收入研究")
    steward.get_by_label("用途（逗号分隔）").fill("研究，统计")
    steward.get_by_role("button", name="开一个房间").click()
    steward.get_by_label("登录名").fill("wang")
    steward.get_by_role("button", name="加成员").click()
    expect(steward.get_by_role("row", name="wang")).to_be_visible()
    address = steward.url.partition("?")[0]

    page = enter(hut.wang)
    page.goto(f"{address}?tab=data")
    page.get_by_label("名称").fill("list")
    page.get_by_label("CSV").set_input_files({"name": "list.csv", "mimeType": "text/csv", "buffer": b"id,kind\nA1,x\n"})
    page.get_by_role("button", name="带入").click()
    expect(page.get_by_role("cell", name="my_list")).to_be_visible()
    page.goto(f"{address}?tab=notebook")
    expect(page.locator("#example")).to_contain_text("/api/rooms")
