"""The pages of affairs in a real browser: consent and filing on a phone, departments, certificates, a rating; every page in both languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sanqu.affairs.certificates import certificates_of
from sanqu.affairs.filings import find_filing, my_filings
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.sessions import make_link
from sanqu.samples import generate
from tests.affairs.conftest import DIVISIONS, SHOP, Hall, picture
from tests.web.conftest import browser, sign_in

__all__ = ["browser"]

PHONE = {"width": 390, "height": 844}
UNLABELLED = """() => [...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')]
    .filter((one) => !one.labels.length && !one.getAttribute('aria-label')).map((one) => one.name || one.outerHTML)"""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
Entering = Callable[..., Page]


@pytest.fixture
def base(hall: Hall, serve: Callable[[City], str]) -> str:
    """The address of the city."""
    return serve(hall.city)


def _link(hall: Hall, asker: Asker) -> str:
    assert asker.user_id is not None
    with hall.city.db.connection() as conn:
        return make_link(conn, asker.user_id, SYSTEM)


@pytest.fixture
def enter(browser: Browser, hall: Hall, base: str) -> Iterator[Entering]:
    """Opens a tab for somebody, or for nobody; a script error fails the test."""
    opened, faults = list[BrowserContext](), list[str]()

    def open_tab(asker: Asker | None = None, phone: bool = False) -> Page:
        context = browser.new_context(base_url=base, locale="zh-CN", viewport=PHONE if phone else None)  # type: ignore[arg-type]
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        return page if asker is None else sign_in(page, hall.city, asker)

    yield open_tab
    for context in opened:
        context.close()
    assert faults == []


def test_a_founder_files_on_a_phone_and_takes_the_licence(enter: Entering, hall: Hall) -> None:
    page = enter(hall.founder, phone=True)
    page.goto("/affairs")
    page.get_by_role("link", name="企业开办").click()
    page.get_by_role("link", name="办理", exact=True).click()
    page.get_by_role("button", name="同意，替我填好").click()
    expect(page.get_by_text("已由城市填好 4 项")).to_be_visible()
    assert page.evaluate(UNLABELLED) == [] and page.evaluate(WIDER) <= 0
    expect(page.get_by_label("申请人姓名")).not_to_have_value("")
    # What does not apply is not asked.
    expect(page.get_by_label("租期至")).to_be_hidden()
    for label, name in (("企业类型", "company_kind"), ("房屋来源", "premises_owned"), ("刻制印章", "seals"), ("开户银行", "bank")):
        page.get_by_label(label).select_option(str(SHOP[name]))
    for label, name in (("企业名称", "company_name"), ("注册资本", "capital_10k"), ("经营范围", "business")):
        page.get_by_label(label).fill(str(SHOP[name]))
    page.get_by_role("button", name="提交", exact=True).click()
    # What is missing is said at its field, and what was typed is still there.
    expect(page.locator("main .wrong")).to_have_text("必填")
    expect(page.get_by_label("企业名称")).to_have_value(str(SHOP["company_name"]))
    page.get_by_label("拟用工人数").fill("3")
    page.get_by_role("button", name="提交", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("办理中")
    (filing,), _ = my_filings(hall.city, hall.founder)
    bureau = enter(hall.officers["sjj"])
    bureau.goto(f"/affairs/filings/{filing.number}")
    bureau.get_by_label("结果").select_option("done")
    bureau.get_by_role("button", name="提交").click()
    expect(bureau.get_by_label("结果")).to_have_count(0)
    hall.grant_all(filing)
    page.reload()
    page.get_by_role("link", name="营业执照").click()
    expect(page.get_by_text("签名核验通过")).to_be_visible()
    page.goto(f"/affairs/filings/{filing.number}")
    page.get_by_label("非常满意", exact=True).check()
    page.get_by_role("button", name="评价").click()
    expect(page.get_by_text("评价：5 分")).to_be_visible()


def test_the_window_files_for_a_person_who_follows_by_code(enter: Entering, hall: Hall) -> None:
    window = enter(hall.officers["zwfw"])
    window.goto("/affairs/window")
    assert window.evaluate(UNLABELLED) == []
    window.get_by_label("办什么").first.select_option("insurance-statement")
    # Somebody without an account.
    window.get_by_label("公民身份号码").fill(_stranger(hall))
    window.get_by_label("本人同意").check()
    window.get_by_role("button", name="开始").click()
    window.get_by_label("用途说明").fill("入学")
    window.get_by_role("button", name="提交", exact=True).click()
    code = window.locator("#code").inner_text()
    person = enter(phone=True)
    person.goto("/affairs/code")
    person.get_by_label("查询码").fill(code.lower())
    person.get_by_role("button", name="跟进").click()
    expect(person.get_by_role("heading", level=1)).to_contain_text("办理中")
    assert person.evaluate(WIDER) <= 0


def _stranger(hall: Hall) -> str:
    mother = hall.subject(hall.mother).value
    known = {hall.subject(one).value for one in (hall.mother, hall.founder, hall.owner, hall.retiree)}
    rows = generate("residents", DIVISIONS).to_pylist()
    return next(str(row["id_number"]) for row in rows if row["id_number"] not in known and row["id_number"] != mother)


def test_every_page_is_there_in_both_languages(hall: Hall, base: str) -> None:
    hall.agree(hall.founder, "insurance-statement")
    filing = hall.file(hall.founder, "insurance-statement", reason="贷款").filing
    hall.act(hall.officers["rsj"], filing, "handle-matter", result_matter="done")
    filing = find_filing(hall.city, hall.founder, filing.number)
    hall.agree(hall.founder, "food-permit")
    said = {"company_name": "样例小吃店", "food_kind": "热食类", "permit_premises": "样例路 1 号"}
    with_photo = hall.file(hall.founder, "food-permit", None, {"layout": picture()}, **said).filing
    (one,) = certificates_of(hall.city, filing)
    pages = [
        "/affairs", "/affairs?q=退休", "/affairs?q=nothing", "/affairs/matters", "/affairs/matters/food-permit", "/affairs/open-shop", "/affairs/food-permit/apply", "/affairs/mine",
        "/affairs/window", f"/affairs/filings/{filing.number}", f"/affairs/filings/{with_photo.number}", "/affairs/code", "/affairs/saved", "/affairs/ratings",
        "/affairs/ratings?by=unit", "/affairs/subsidies", "/certificates", f"/certificates/{one.number}", f"/certificates/{one.number}?code={one.code}", f"/cases/{filing.number}",
    ]  # fmt: skip
    with httpx.Client(base_url=base, follow_redirects=True, timeout=30) as client:
        client.post(f"/sign-in/{_link(hall, hall.admin)}")
        for lang in ("zh", "en"):
            for path in pages:
                answer = client.get(path, params=None, headers={"cookie": f"sanqu_lang={lang}; sanqu_session={client.cookies.get('sanqu_session')}"})
                assert answer.status_code == 200, (path, answer.text[:300])
                assert "affairs." not in answer.text.replace("/affairs.", ""), path
        # The window sees the photos that it has to look at.
        assert f"/api/cases/{with_photo.number}/files/" in client.get(f"/affairs/filings/{with_photo.number}").text
        assert client.get(f"/certificates/{one.number}.pdf?code={one.code}").content.startswith(b"%PDF")
        assert client.get(f"/certificates/{one.number}.pdf?code=AAAA").status_code == 404
        assert client.get("/affairs/matters.csv").text.count("\n") == 21
        assert client.get("/affairs/filings.csv").text.count("\n") == 3
    with httpx.Client(base_url=base, timeout=30) as public:
        assert public.get(f"/affairs/filings/{filing.number}").status_code == 401
        assert public.get("/api/affairs/things/open-shop").json()["form"]["properties"]["company_name"]["title"] == "企业名称"
        assert public.get(f"/api/affairs/certificates/{one.number}").json()["genuine"] is True
