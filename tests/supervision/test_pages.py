"""The pages of supervision in a real browser: a plan is made, committed, drawn; a visit is noted by phone; the public sees the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sanqu.ground.city import City
from sanqu.ground.people.askers import Asker
from sanqu.supervision.inspections import Wanted, list_inspections
from tests.supervision.conftest import Office
from tests.web.conftest import browser, sign_in

__all__ = ["browser"]

PHONE = {"width": 390, "height": 844}
UNLABELLED = """() => [...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')]
    .filter((one) => !one.labels.length && !one.getAttribute('aria-label')).map((one) => one.name || one.outerHTML)"""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def enter(browser: Browser, office: Office, serve: Callable[[City], str]) -> Iterator[Callable[..., Page]]:
    """Opens a tab for somebody, or for nobody; a script error fails the test."""
    opened, faults, base = list[BrowserContext](), list[str](), serve(office.city)

    def open_tab(asker: Asker | None = None, phone: bool = False) -> Page:
        context = browser.new_context(base_url=base, locale="zh-CN", viewport=PHONE if phone else None)  # type: ignore[arg-type]
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        return page if asker is None else sign_in(page, office.city, asker)

    yield open_tab
    for context in opened:
        context.close()
    assert faults == []


def test_a_plan_is_drawn_visited_by_phone_and_published(enter: Callable[..., Page], office: Office) -> None:
    chief = enter(office.chief)
    chief.goto("/supervision")
    chief.get_by_role("link", name="制定抽查计划").first.click()
    assert chief.evaluate(UNLABELLED) == []
    chief.get_by_label("计划名称").fill("秋季抽查")
    chief.get_by_role("checkbox", name="登记事项检查").check()
    chief.get_by_label("牵头单位").fill("3308-sjj")
    chief.get_by_label("每组抽").fill("1")
    chief.get_by_role("button", name="保存计划").click()
    expect(chief.get_by_role("heading", level=1)).to_contain_text("秋季抽查")
    chief.get_by_role("button", name="冻结名单并承诺").click()
    expect(chief.get_by_text("密封，抽取后公开")).to_be_visible()
    chief.get_by_label("见证码").fill("06 17 23")
    chief.get_by_role("button", name="抽取", exact=True).click()
    expect(chief.get_by_role("link", name="验证文件")).to_be_visible()
    expect(chief.locator("tbody tr")).to_have_count(2)

    one = list_inspections(office.city, office.officer, Wanted())[0][0]
    office.act(office.officer, one.case, "notify", visit_on="2026-12-01", announced=True)
    officer = enter(office.officer, phone=True)
    officer.goto(f"/cases/{one.case}")
    officer.get_by_role("link", name="现场检查", exact=True).click()
    expect(officer.get_by_role("heading", level=1)).to_have_text("现场检查")
    assert officer.evaluate(UNLABELLED) == [] and officer.evaluate(WIDER) <= 0
    officer.get_by_label("检查结果").select_option("none")
    officer.get_by_role("button", name="提交检查结果").click()
    # What is missing is named, and what was chosen is still chosen.
    expect(officer.get_by_role("alert")).to_contain_text("检查表未填")
    expect(officer.get_by_label("检查结果")).to_have_value("none")
    for answer in officer.get_by_label("符合").all():
        answer.check()
    box = officer.locator("canvas").bounding_box()
    assert box is not None
    officer.locator("canvas").scroll_into_view_if_needed()
    box = officer.locator("canvas").bounding_box()
    assert box is not None
    officer.mouse.move(box["x"] + 20, box["y"] + 20)
    officer.mouse.down()
    officer.mouse.move(box["x"] + 120, box["y"] + 60, steps=4)
    officer.mouse.up()
    officer.get_by_role("button", name="提交检查结果").click()
    officer.wait_for_url("**/cases/*")
    office.act(office.chief, one.case, "review", publish=True)
    public = enter(phone=True)
    public.goto("/inspections")
    expect(public.locator("tbody tr")).to_contain_text("未发现问题")
    assert public.evaluate(WIDER) <= 0
    public.get_by_role("link", name="抽取公示与验证").click()
    expect(public.get_by_role("link", name="验证文件")).to_be_visible()
    assert public.evaluate(WIDER) <= 0
    assert public.request.get("/inspections/draw.py").text().startswith('"""The draw')


def test_inspectors_are_kept_and_what_does_not_fit_is_said(enter: Callable[..., Page], office: Office) -> None:
    chief = enter(office.chief)
    chief.goto("/supervision/inspectors")
    assert chief.evaluate(UNLABELLED) == []
    expect(chief.locator("tbody tr")).to_have_count(9)
    form = chief.locator("form", has=chief.get_by_role("heading", name="登记或修改执法人员"))
    form.get_by_label("执法证号").fill("ZJ-0001")
    form.get_by_label("姓名").fill("执法员1（样例）")
    form.get_by_label("单位").fill("330802-sjj")
    form.get_by_role("button").click()
    # Another unit's inspectors are not the chief's to change.
    expect(chief.get_by_role("alert")).to_contain_text("牵头单位的数据管理员")
    chief.goto("/supervision/inspections")
    expect(chief.get_by_text("没有检查")).to_be_visible()
