"""The pages of governance in a real browser: a resident reports on a phone, the town, the roads and the worker act, the resident rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sanqu.governance.events import Wanted, list_events
from sanqu.governance.households import HouseholdText, plan_of, sample_households, save_household
from sanqu.governance.photos import photos_of
from sanqu.governance.villages import confirm, follow, open_vote, publish_notice
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.keys import make_key
from tests.governance.conftest import HERE, County, picture
from tests.web.conftest import browser, sign_in

__all__ = ["browser"]

Entering = Callable[..., Page]
PHONE = {"width": 390, "height": 844}
UNLABELLED = """() => [...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')]
    .filter((one) => !one.labels.length && !one.getAttribute('aria-label')).map((one) => one.name || one.outerHTML)"""
SHELL_IS_KEPT = """() => navigator.serviceWorker.controller !== null
    || new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', () => done(true)))"""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def base(county: County, serve: Callable[[City], str]) -> str:
    """The address of the city."""
    return serve(county.city)


@pytest.fixture
def enter(browser: Browser, county: County, base: str) -> Iterator[Entering]:
    """Opens a tab for somebody, or for nobody; a script error fails the test."""
    opened, faults = list[BrowserContext](), list[str]()

    def open_tab(asker: Asker | None = None, phone: bool = False) -> Page:
        context = browser.new_context(base_url=base, locale="zh-CN", viewport=PHONE if phone else None)  # type: ignore[arg-type]
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        return page if asker is None else sign_in(page, county.city, asker)

    yield open_tab
    for context in opened:
        context.close()
    assert faults == []


def test_a_resident_reports_by_phone_and_it_goes_round_to_the_rating(enter: Entering, county: County) -> None:
    wang = enter(county.wang, phone=True)
    wang.goto("/my/report")
    assert wang.evaluate(UNLABELLED) == [] and wang.evaluate(WIDER) <= 0
    wang.get_by_label("事项").select_option("noise")
    wang.get_by_label("噪声种类").select_option("trade")
    wang.get_by_label("事项").select_option("road")
    # What the other matter asked is gone, and is not sent.
    expect(wang.get_by_label("噪声种类")).to_be_hidden()
    wang.get_by_label("情况说明").fill("村口路面有个大坑")
    wang.get_by_label("经度").fill(str(HERE[0]))
    wang.get_by_label("纬度").fill(str(HERE[1]))
    wang.get_by_label("照片").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": picture()})
    wang.get_by_role("button", name="上报").click()
    expect(wang.get_by_role("heading", level=1)).to_contain_text("待受理")
    expect(wang.locator("main img")).to_have_js_property("naturalWidth", 32)
    number = wang.url.rsplit("/", 1)[1]

    town = enter(county.town)
    town.goto("/governance")
    town.get_by_role("link", name="1 未办结").click()
    town.get_by_role("link", name="道路破损").click()
    assert town.evaluate(UNLABELLED) == []
    town.locator("select[name=decision]").select_option("accept")
    town.get_by_role("button", name="提交").click()
    expect(town.get_by_role("heading", level=1)).to_contain_text("办理中")
    roads = enter(county.roads)
    roads.goto(f"/events/{number}")
    roads.get_by_role("button", name="提交").click()
    roads.locator("select[name=result]").select_option("done")
    roads.locator("textarea[name=answer]").fill("已修补")
    roads.get_by_role("button", name="提交").click()
    expect(roads.get_by_role("heading", level=1)).to_contain_text("待核验")
    county.act(county.worker, county_event(county, number), "verify", verdict="solved")
    wang.reload()
    wang.get_by_label("非常满意", exact=True).check()
    wang.get_by_role("button", name="评价").click()
    expect(wang.get_by_text("您的评价：5 分")).to_be_visible()
    town.goto("/governance")
    expect(town.locator("a.card", has_text="评价")).to_contain_text("5.00")
    assert town.evaluate(UNLABELLED) == []


def county_event(county: County, number: str):
    return list_events(county.city, county.admin, Wanted(text=number))[0][0]


def test_without_an_account_a_report_is_followed_and_rated_by_its_code(enter: Entering, county: County, base: str) -> None:
    page = enter(phone=True)
    page.goto("/my")
    page.get_by_role("link", name="我要求助").click()
    page.get_by_label("情况说明").fill("轮椅坏了")
    page.get_by_label("经度").fill("12")
    page.get_by_label("纬度").fill("12")
    page.get_by_role("button", name="上报").click()
    # What is wrong is said, and what was typed is still there.
    expect(page.get_by_role("alert")).to_contain_text("本市之外")
    expect(page.get_by_label("情况说明")).to_have_value("轮椅坏了")
    page.get_by_label("经度").fill(str(HERE[0]))
    page.get_by_label("纬度").fill(str(HERE[1]))
    page.get_by_role("button", name="上报").click()
    code = page.locator("#code").inner_text()
    (event,) = list_events(county.city, county.admin, Wanted())[0]
    county.act(county.town, event, "accept", decision="accept")
    county.act(county.town, event, "handle", result="done", answer="已送去新轮椅")
    county.act(county.worker, event, "verify", verdict="solved")
    page.goto("/my/events")
    page.get_by_label("查询码").fill(code.lower())
    page.get_by_role("button", name="跟进").click()
    expect(page.get_by_text("已送去新轮椅")).to_be_visible()
    page.get_by_label("满意", exact=True).check()
    page.get_by_role("button", name="评价").click()
    expect(page.get_by_text("您的评价：4 分")).to_be_visible()
    with httpx.Client(base_url=base) as guesser:
        answers = {guesser.post("/my/code", data={"code": f"AAAA{n}"}).status_code for n in range(12)}
        assert answers == {404, 429}
        # From one address without an account, some a minute.
        assert [guesser.post("/my/report", data={"matter": "none"}).status_code for _ in range(7)][-1] == 429


def test_a_villager_reads_a_notice_and_votes(enter: Entering, county: County) -> None:
    village = "330802001001"
    follow(county.city, county.wang, village, "villager")
    assert county.wang.user_id is not None
    confirm(county.city, county.above, village, county.wang.user_id)
    publish_notice(county.city, county.above, village, "周五停水", "上午九点到十二点")
    open_vote(county.city, county.above, village, "修路还是修桥", ["修路", "修桥"], secret=True, days=3)
    page = enter(county.wang, phone=True)
    page.goto("/my")
    expect(page.get_by_text("上午九点到十二点")).to_be_visible()
    assert page.evaluate(UNLABELLED) == [] and page.evaluate(WIDER) <= 0
    page.get_by_role("link", name="修路还是修桥").click()
    page.get_by_label("修桥").check()
    page.get_by_role("button", name="投票").click()
    expect(page.locator("#receipt")).to_be_visible()
    page.goto(page.url)
    expect(page.get_by_text("您已投票")).to_be_visible()
    above = enter(county.above)
    above.goto(f"/my/manage/{village}")
    assert above.evaluate(UNLABELLED) == []


def test_lists_are_filtered_exported_and_say_when_nothing_fits(enter: Entering, county: County) -> None:
    county.report()
    page = enter(county.town)
    page.goto("/events?state=closed")
    expect(page.get_by_text("没有符合条件的事件")).to_be_visible()
    page.goto("/events?since=nonsense")
    expect(page.get_by_text("日期不合规")).to_be_visible()
    page.goto("/events")
    assert page.evaluate(UNLABELLED) == []
    with page.expect_download() as got:
        page.get_by_role("link", name="导出 CSV").click()
    assert "330802001" in got.value.path().read_text("utf-8")
    wang = enter(county.wang)
    wang.goto("/governance")
    expect(wang.get_by_text("这一页给在机构任职的人")).to_be_visible()


def test_a_visit_typed_without_a_signal_arrives_once_when_there_is_one(enter: Entering, county: County) -> None:
    with county.city.db.connection() as conn:
        sample_households(conn, ["330802001001-g1"], 1)
    page = enter(county.worker, phone=True)
    page.goto("/grid")
    assert page.evaluate(UNLABELLED) == [] and page.evaluate(WIDER) <= 0
    expect(page.locator("#households")).to_contain_text("样例户主")
    page.evaluate(SHELL_IS_KEPT)
    page.context.set_offline(True)
    page.reload()
    # The page itself and what it shows come from the device.
    expect(page.locator("#signal")).to_contain_text("离线")
    expect(page.locator("#households")).to_contain_text("样例户主")
    page.locator("#visit textarea[name=text]").fill("身体好，想吃豆腐")
    page.get_by_role("button", name="保存走访").click()
    expect(page.locator("#waiting")).to_have_text("1 条待送出")
    page.reload()
    expect(page.locator("#waiting")).to_have_text("1 条待送出")
    assert visits(county) == []
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.post_data or "") if one.url.endswith("/api/grid/visits") else None)
    page.context.set_offline(False)
    expect(page.locator("#waiting")).to_have_text("都已送达")
    assert visits(county) == ["身体好，想吃豆腐"]
    # Sent again, as a phone does that never heard the answer; and once more with another text.
    again = "(body) => fetch('/api/grid/visits', {method: 'POST', headers: {'Content-Type': 'application/json'}, body}).then((a) => a.json())"
    assert page.evaluate(again, sent[0])["state"] == "again" and visits(county) == ["身体好，想吃豆腐"]
    assert page.evaluate(again, sent[0].replace("豆腐", "鱼"))["state"] == "beside" and len(visits(county)) == 2
    # Somebody else changes a household that is being changed without a signal: both texts stay, and the page says so.
    page.context.set_offline(True)
    page.get_by_role("button", name="更改").first.click()
    page.locator("#household textarea[name=remark]").fill("添了一个孩子")
    page.get_by_role("button", name="保存", exact=True).first.click()
    expect(page.locator("#waiting")).to_have_text("1 条待送出")
    first = plan_of(county.city, county.above, "330802001001-g1")["households"][0]
    said = {
        "id": uuid4(),
        "household": first["id"],
        "grid": "330802001001-g1",
        "base": 1,
        "body": first["body"] | {"remark": "搬走一人"},
    }
    save_household(county.city, county.above, HouseholdText.model_validate(said))
    page.context.set_offline(False)
    expect(page.locator("#said")).to_contain_text("别人先改了这户")
    expect(page.locator("#households li").first).to_contain_text("待核对")
    above = enter(county.above)
    above.goto(f"/grid/households/{first['id']}")
    expect(above.get_by_text("添了一个孩子")).to_be_visible()
    above.goto("/grid/plan")
    assert above.evaluate(UNLABELLED) == []


def test_an_event_reported_without_a_signal_arrives_once_with_its_photos(enter: Entering, county: County) -> None:
    page = enter(county.worker, phone=True)
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"longitude": HERE[0], "latitude": HERE[1], "accuracy": 8})
    page.goto("/grid")
    page.evaluate(SHELL_IS_KEPT)
    page.context.set_offline(True)
    page.reload()
    expect(page.locator("#signal")).to_contain_text("离线")
    page.locator("#event-panel summary").click()
    assert page.evaluate(UNLABELLED) == [] and page.evaluate(WIDER) <= 0
    form = page.locator("#event")
    form.get_by_label("事项").select_option("noise")
    form.get_by_label("噪声种类").select_option("trade")
    form.get_by_label("情况说明").fill("夜里音响太吵")
    form.get_by_role("button", name="用我现在的位置").click()
    expect(form.get_by_label("经度")).to_have_value(f"{HERE[0]:.6f}")
    form.get_by_label("照片").set_input_files([{"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": picture()} for n in "ab"])
    form.get_by_role("button", name="上报").click()
    expect(page.locator("#waiting")).to_have_text("1 条待送出")
    expect(form.get_by_label("情况说明")).to_have_value("")
    # One without coordinates is noted at the grid; one that the city refuses stays, with the reason.
    form.get_by_label("事项").select_option("road")
    form.get_by_label("情况说明").fill("路面有坑")
    form.get_by_role("button", name="上报").click()
    expect(page.locator("#waiting")).to_have_text("2 条待送出")
    form.get_by_label("情况说明").fill("在城外")
    form.get_by_label("经度").fill("12")
    form.get_by_label("纬度").fill("12")
    form.get_by_role("button", name="上报").click()
    expect(page.locator("#waiting")).to_have_text("3 条待送出")
    page.reload()
    expect(page.locator("#outbox li")).to_have_count(3)
    expect(page.locator("#outbox li").first).to_contain_text("夜里音响太吵 · 2 张照片")
    assert list_events(county.city, county.admin, Wanted())[1] == 0
    page.context.set_offline(False)
    expect(page.locator("#waiting")).to_have_text("1 条待送出")
    expect(page.locator("#said")).to_contain_text("本市之外")
    page.on("dialog", lambda asked: asked.accept())
    page.locator("#outbox").get_by_role("button", name="删除").click()
    expect(page.locator("#waiting")).to_have_text("都已送达")
    found = {one.matter: one for one in list_events(county.city, county.admin, Wanted())[0]}
    assert {one.source for one in found.values()} == {"grid"} and found.keys() == {"noise", "road"}
    assert (found["noise"].lon, found["noise"].attributes) == (HERE[0], {"kind": "trade"}) and len(photos_of(county.city, found["noise"])) == 2
    assert (found["road"].grid, found["road"].lon) == ("330802001001-g1", None)


def test_what_is_sent_again_is_one_event_and_brings_the_photos_that_had_not_arrived(county: County, base: str) -> None:
    assert county.worker.user_id is not None and county.wang.user_id is not None
    with county.city.db.connection() as conn:
        worker, resident = (make_key(conn, SYSTEM, one.user_id or 0, "phone") for one in (county.worker, county.wang))
    said = {"client_id": str(uuid4()), "matter": "road", "text": "路面有坑", "unit": "330802001001-g1"}
    files = [("photos", (f"{n}.jpg", picture(*HERE), "image/jpeg")) for n in "abc"]
    with httpx.Client(base_url=base, timeout=30) as phone:

        def send(key: str, *photos: tuple[str, tuple[str, bytes, str]]) -> httpx.Response:
            return phone.post("/api/grid/events", data=said, files=list(photos) or None, headers={"Authorization": key})

        # The city stopped when one of three had been kept.
        first, again, third = send(worker, files[0]), send(worker, *files), send(worker, *files)
        assert send(resident).status_code == 403
    assert (first.status_code, first.json()["state"], again.json()["state"]) == (201, "arrived", "again")
    (event,), count = list_events(county.city, county.admin, Wanted())
    assert count == 1 and third.json()["number"] == event.number == first.json()["number"]
    assert len(photos_of(county.city, event)) == 3
    # The unit was all that was said of the place; the photo, taken in it, says more.
    assert event.lon == pytest.approx(HERE[0], abs=1e-4)


def visits(county: County) -> list[str]:
    return [str(row["text"]) for row in county.city.db.all("SELECT text FROM governance_visit ORDER BY arrived")]
