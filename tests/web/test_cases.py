"""A case in the browser: its form, its drawing, a signature that is drawn, a task that is forwarded."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from sanqu.cases.processes import declare_process
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from tests.cases.drawing import flows, process, user


def test_a_case_is_signed_and_handed_on_in_the_browser(admin: Page, quzhou: City) -> None:
    declare_process(quzhou, "tried", process(user("look", unit="case_unit", due="4wh"), user("mend", unit="case_unit"), flows("s>look", "look>mend", "mend>e")), SYSTEM)
    case = start_case(quzhou, SYSTEM, "tried", "道口积水", unit="330802")
    admin.goto(f"/cases/{case.number}")
    admin.get_by_text("加照片或签名").click()
    box = admin.locator("form[data-sign] canvas")
    box.scroll_into_view_if_needed()
    place = box.bounding_box()
    assert place is not None
    admin.mouse.move(place["x"] + 30, place["y"] + 90)
    admin.mouse.down()
    admin.mouse.move(place["x"] + 160, place["y"] + 40)
    admin.mouse.move(place["x"] + 260, place["y"] + 110)
    admin.mouse.up()
    admin.get_by_role("button", name="签名", exact=True).click()
    picture = admin.locator("figure img")
    expect(picture).to_have_count(1)
    admin.get_by_text("流程图：办到哪里、每步用时").click()
    expect(admin.locator("svg.bpmn g.now")).to_have_count(1)
    task = admin.get_by_role("region", name="look")
    task.get_by_text("转办", exact=True).first.click()
    task.get_by_label("转给机构").fill("3308")
    task.locator("form[action$='/forward']").get_by_label("原因").fill("请市里协调")
    task.locator("form[action$='/forward']").get_by_role("button").click()
    expect(admin.get_by_text("请市里协调")).to_be_visible()
    expect(admin.get_by_role("region", name="look")).to_contain_text("衢州市")
