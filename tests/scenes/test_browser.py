"""Pages of scenes in a real browser: charts that move with the data, where they come from, a wall, a phone, and readers who see little."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sanqu.ground.city import City
from tests.governance.test_access import FAINT, walk
from tests.governance.test_pages import UNLABELLED, WIDER
from tests.scenes.hall import Hall
from tests.web.conftest import browser

__all__ = ["browser"]

PAGE = "/scenes/gallery/all"
DRAWN = "() => [...document.querySelectorAll('.chart')].every((box) => box.dataset.state === 'drawn')"
NEW = "SELECT 2 AS id, '柯城区' AS county, '制造' AS class, DATE '2025-01-01' AS month, {value} AS value, 1::BIGINT AS staff"
Opening = Callable[..., Page]


@pytest.fixture
def tab(browser: Browser, hall: Hall, serve: Callable[[City], str]) -> Iterator[Opening]:
    """Opens tabs of the public; a script error on any page fails the test."""
    site, faults, contexts = serve(hall.city), list[str](), []

    def open_tab(path: str, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True) -> Page:
        context = browser.new_context(
            base_url=site, viewport={"width": width, "height": height}, locale="zh-CN", color_scheme="dark" if dark else "light", reduced_motion="reduce", java_script_enabled=scripts,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.goto(path)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert faults == []


def test_charts_are_drawn_and_a_figure_moves_while_one_looks(tab: Opening, hall: Hall) -> None:
    page = tab(PAGE)
    page.wait_for_function(DRAWN)
    expect(page.locator("[data-live-status]")).to_have_text("实时")
    total = page.locator("#total .figure-value")
    before = total.inner_text()
    hall.put(NEW.format(value=8_000_000))
    expect(total).not_to_have_text(before)
    expect(total).to_have_text(re.compile("^8,2"))
    # The chart took the new figures without being made anew.
    page.wait_for_function("() => JSON.stringify(document.querySelector('#rank .chart').sanquChart.getOption().series[0].data).includes('80')")


def test_where_a_figure_comes_from_is_one_click_away(tab: Opening) -> None:
    page = tab(PAGE)
    page.locator("#rank .whence").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("gallery-output")
    expect(dialog).to_contain_text("SELECT county, sum(value)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_table_is_turned_and_searched_without_the_page(tab: Opening) -> None:
    page = tab(PAGE)
    table = page.locator("#table_1")
    table.get_by_role("link", name="下一页").click()
    expect(table).to_contain_text("第 2 / 2 页")
    table.get_by_role("searchbox").fill("开化")
    table.get_by_role("button", name="查找").click()
    expect(table.locator("tbody tr")).to_have_count(1)
    assert "table_1.find" in page.url


def test_without_scripts_figures_and_tables_are_there(tab: Opening) -> None:
    page = tab(PAGE, scripts=False)
    expect(page.locator("#people .figure-value")).not_to_be_empty()
    expect(page.locator("#table_1 tbody tr")).to_have_count(4)
    page.locator("#table_1").get_by_role("link", name="下一页").click()
    expect(page.locator("#table_1 tbody tr")).to_have_count(2)


def test_a_wall_goes_on_by_arrows_and_stops_by_space(tab: Opening) -> None:
    page = tab("/cockpit", 1920, 1080)
    page.wait_for_function("() => [...document.querySelectorAll('.on .chart')].every((box) => box.dataset.state === 'drawn')")
    screens = page.locator(".one-screen")
    expect(screens.nth(0)).to_be_visible()
    expect(page.locator("[data-clock]")).not_to_be_empty()
    page.keyboard.press("ArrowRight")
    expect(screens.nth(1)).to_be_visible()
    expect(screens.nth(0)).to_be_hidden()
    page.keyboard.press("Space")
    expect(page.get_by_text("已暂停")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(screens.nth(0)).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollHeight <= innerHeight")


@pytest.mark.parametrize(("path", "width", "dark"), [(PAGE, 390, False), (PAGE, 1280, True), (f"{PAGE}?lang=en", 1280, False), (f"{PAGE}?screen=1", 1920, False)])
def test_nothing_is_faint_unnamed_or_wider_than_its_screen(tab: Opening, path: str, width: int, dark: bool) -> None:
    page = tab(path, width, 1080 if width > 1900 else 844, dark)
    page.wait_for_function("() => document.readyState === 'complete'")
    assert page.evaluate(FAINT) == []
    assert page.evaluate(UNLABELLED) == []
    assert page.evaluate(WIDER) <= 0


def test_everything_is_reached_by_tab(tab: Opening) -> None:
    walk(tab("/scenes/gallery/all"))
