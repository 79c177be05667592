"""Each page's main act, in a real browser."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from sanqu.catalog.keeping import register_contract
from sanqu.catalog.rules.watch import declare_rule_process
from sanqu.ground.city import City
from sanqu.ground.i18n import words
from sanqu.ground.ledger import integrate, read_entries
from sanqu.lake import Commit, Contract, lake_of
from tests.web.conftest import HARVEST

PAGES = ["/", "/datasets", "/datasets/citrus-harvest", "/units", "/units/330802", "/openlist", "/ledger", "/docs", "/sign-in"]
TABS = ["items", "quality", "lineage", "versions", "api"]


def test_a_resident_searches_in_english_and_opens_what_was_found(page: Page) -> None:
    page.goto("/")
    page.get_by_role("searchbox").fill("citrus")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name="柑橘产量").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("柑橘产量")
    expect(page.get_by_role("heading", level=1)).to_contain_text("样例")
    expect(page.locator(".chart svg")).to_be_visible()
    expect(page.get_by_role("cell", name="镇1").first).to_be_visible()


def test_the_chart_shows_what_the_reader_chooses(page: Page) -> None:
    page.goto("/datasets/citrus-harvest")
    page.get_by_label("横轴").select_option("town")
    page.wait_for_url("**x=town*")
    expect(page.locator(".chart svg")).to_contain_text("镇5")


def test_of_many_categories_the_chart_names_the_largest(page: Page, quzhou: City) -> None:
    rows = ", ".join(f"('乡镇{t:02}', 2024, {1000 * t})" for t in range(1, 41))
    with lake_of(quzhou).engine() as duck:
        source = f"SELECT * FROM (VALUES {rows}) AS t(town, year, tonnes)"
        lake_of(quzhou).upsert("citrus-harvest", source, Commit("test"), duck=duck)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/datasets/citrus-harvest?x=town&y=tonnes")
    expect(page.get_by_text("产量合计 · 按乡镇 · 最大的 12 个，共 45 个")).to_be_visible()
    names = page.locator(".chart svg text").filter(has_text="乡镇")
    expect(names).to_have_count(12)
    boxes = sorted(box["y"] for name in names.all() if (box := name.bounding_box()))
    assert min(below - above for above, below in pairwise(boxes)) >= 12


def test_the_tabs_of_a_dataset_stand_in_one_row_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/datasets/citrus-harvest")
    tops = {box["y"] for tab in page.locator(".tabs a").all() if (box := tab.bounding_box())}
    assert len(tops) == 1
    assert page.locator(".tabs").evaluate("tabs => tabs.scrollWidth <= tabs.clientWidth")


def test_on_a_phone_the_menu_shows_where_one_is(admin: Page) -> None:
    admin.set_viewport_size({"width": 375, "height": 740})
    admin.goto("/admin/people?lang=en")
    box = admin.locator("header nav [aria-current]").bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= 375


def test_the_menu_stands_under_headings_and_marks_where_one_is(admin: Page) -> None:
    admin.goto("/workbench")
    groups = admin.locator("header").get_by_role("group")
    assert [one.get_attribute("aria-label") for one in groups.all()] == ["数据", "共享开放", "服务", "治理与场景", "运行管理"]
    assert groups.get_by_role("link").count() == 18
    assert admin.locator("header .group.here").get_attribute("aria-label") == "运行管理"
    admin.context.clear_cookies()
    admin.goto("/datasets/citrus-harvest?lang=en")
    assert [one.get_attribute("aria-label") for one in groups.all()] == ["Data", "Sharing", "Public service", "Governance and scenes"]
    assert admin.locator("header nav [aria-current]").inner_text() == "Datasets"


def test_on_a_phone_all_of_the_menu_opens_and_closes_by_touch_or_key(admin: Page) -> None:
    admin.set_viewport_size({"width": 390, "height": 844})
    admin.goto("/indicators")
    button, menu = admin.get_by_role("button", name="菜单"), admin.locator("#menu")
    assert menu.evaluate("menu => menu.scrollWidth > menu.clientWidth")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for link in menu.get_by_role("link").all() if (box := link.bounding_box()))
    menu.get_by_role("link", name="管理").focus()
    admin.keyboard.press("Escape")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    menu.get_by_role("link", name="双随机监管").click()
    admin.wait_for_url("**/supervision")


def test_changing_the_language_keeps_what_was_asked_for(page: Page) -> None:
    page.goto("/datasets?q=柑橘&subject=agriculture&lang=zh")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=3, name="Citrus harvest")).to_be_visible()
    assert "subject=agriculture" in page.url


def test_a_download_starts_from_the_page(page: Page) -> None:
    page.goto("/datasets/citrus-harvest")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).first.click()
    assert download.value.suggested_filename == "citrus-harvest.csv"


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_of_a_dataset_opens(page: Page, tab: str) -> None:
    page.goto(f"/datasets/citrus-harvest?tab={tab}")
    page.wait_for_load_state("networkidle")
    assert page.locator(".tabs [aria-current]").count() == 1
    expect(page.locator("main")).not_to_contain_text("…\n")


def test_facets_narrow_and_can_be_taken_off(page: Page) -> None:
    page.goto("/datasets")
    page.get_by_role("link", name="农业 1").click()
    page.wait_for_url("**subject=agriculture*")
    expect(page.get_by_text("找到 1 个数据集")).to_be_visible()
    page.locator(".facet a[aria-current]").click()
    page.wait_for_url(lambda url: "subject" not in url)


def test_the_reader_changes_the_language(page: Page) -> None:
    page.goto("/datasets/citrus-harvest")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Citrus harvest")
    page.goto("/units")
    expect(page.get_by_role("heading", level=1)).to_have_text("Organisations")


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_phone(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 375, "height": 740})
    page.goto(path)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_the_search_field_is_one_key_away(page: Page) -> None:
    page.goto("/units")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox").first).to_be_focused()


def test_a_link_signs_in_once_and_a_key_made_then_works(admin: Page, quzhou: City) -> None:
    expect(admin.get_by_role("heading", level=1)).to_have_text("管理员")
    admin.get_by_label("用途").fill("harvester")
    admin.get_by_role("button", name="生成密钥").click()
    key = admin.locator("#fresh").inner_text()
    answer = admin.request.get("/api/3/action/organization_list_for_user", headers={"Authorization": key})
    assert answer.ok
    assert admin.request.get("/api/open/citrus-harvest", headers={"Authorization": "sq_wrong"}).status == 401


def test_an_administrator_adds_a_steward_and_gives_a_link(admin: Page) -> None:
    admin.goto("/admin/people")
    form = admin.locator("form.fields")
    form.get_by_label("账号").fill("li")
    form.get_by_label("姓名").fill("李四")
    form.get_by_label("角色").select_option("steward")
    form.get_by_label("机构代码").fill("330802")
    form.get_by_role("button", name="新增人员").click()
    expect(admin.get_by_role("row", name="li 李四")).to_contain_text("数据管理员 @ 330802")
    admin.get_by_role("row", name="li 李四").get_by_role("button", name="登录链接").click()
    expect(admin.locator("#link")).to_contain_text("/sign-in/")


def test_units_can_be_found_and_exported_by_an_administrator(admin: Page) -> None:
    admin.goto("/admin/units?q=柯城")
    expect(admin.get_by_role("cell", name="柯城区")).to_be_visible()
    assert "柯城区" in admin.request.get("/admin/units.csv").text()


def test_the_open_list_is_published_and_compared(admin: Page) -> None:
    for label in ("2025", "2026"):
        admin.goto("/openlist")
        admin.get_by_label("版本名").fill(label)
        admin.get_by_role("button", name="发布当前清单").click()
    expect(admin.get_by_text("两版没有差别")).to_be_visible()


def test_quality_is_measured_and_shown(admin: Page) -> None:
    admin.goto("/datasets/citrus-harvest?tab=quality")
    admin.get_by_role("button", name="现在评").click()
    expect(admin.get_by_text("质量得分")).to_be_visible()


def test_a_steward_makes_a_quality_rule_and_sees_it_broken_with_its_query_and_task(admin: Page, quzhou: City) -> None:
    declare_rule_process(quzhou)
    admin.goto("/datasets/citrus-harvest?tab=quality")
    admin.get_by_text("新定规则").click()
    admin.get_by_label("规则（TOML").fill('kind = "unique"\nname = "one-town"\ntitle = { zh = "每镇一行", en = "One row a town" }\nitems = ["town"]')
    admin.get_by_role("button", name="保存并评估").click()
    expect(admin.locator("#rules").get_by_text("不成立")).to_be_visible()
    admin.get_by_text("所用查询与数字").click()
    expect(admin.get_by_text("HAVING").or_(admin.get_by_text("GROUP BY")).first).to_be_visible()
    admin.get_by_role("link", name="整改办件").click()
    expect(admin.get_by_text("核实并整改").first).to_be_visible()
    admin.goto("/datasets/citrus-harvest?tab=quality")
    admin.locator("#rules").get_by_role("button", name="去掉").click()
    expect(admin.get_by_text("还没有规则")).to_be_visible()


def test_the_public_sees_the_ledger_of_data_and_takes_a_proof(page: Page) -> None:
    page.goto("/ledger")
    expect(page.get_by_role("link", name="lake.contract").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="证明").first.click()
    assert download.value.suggested_filename.startswith("proof-")


def test_what_is_not_there_says_what_to_do(page: Page) -> None:
    answer = page.goto("/datasets/nothing-of-the-kind")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("alert")).to_contain_text("怎么办")
    assert page.request.get("/admin/people").status == 401


def test_another_sites_form_cannot_act_for_a_signed_in_reader(admin: Page) -> None:
    refused = admin.request.post("/me/keys", form={"name": "x"}, headers={"Origin": "https://evil.example"})
    assert refused.status == 403


def test_every_word_is_there_in_both_languages() -> None:
    lacking = [key for key, text in words().items() if not text.zh or not text.en]
    assert lacking == []


def test_the_ledger_says_nothing_of_a_dataset_the_reader_may_not_know_of(page: Page, quzhou: City) -> None:
    hidden = Contract.from_descriptor(HARVEST | {"name": "hidden-list", "opening": "none", "sharing": "none"})
    register_contract(quzhou, hidden, "system", state="published")
    page.goto("/ledger")
    expect(page.get_by_role("link", name="dataset:citrus-harvest").first).to_be_visible()
    assert "hidden-list" not in page.content()
    integrate(quzhou)
    entry = read_entries(quzhou, subject="dataset:hidden-list")[0]
    assert page.request.get(f"/api/ledger/{entry.index}/proof").status == 403


def test_a_guesser_of_passwords_is_slowed_down(page: Page) -> None:
    codes: list[int] = []
    # Where a guess takes seconds, some are allowed again meanwhile.
    while 429 not in codes and len(codes) < 60:
        codes.append(page.request.post("/sign-in", form={"login": "admin", "password": "guess"}).status)
    assert codes[:10] == [403] * 10
    assert codes[-1] == 429


def test_numbers_with_a_unit_of_their_own_each_are_counted_and_not_added_up(page: Page, quzhou: City) -> None:
    mixed = {
        "name": "printed-figures", "title": {"zh": "印出的数字", "en": "Printed figures"}, "steward": "330802", "primaryKey": ["id"],
        "fields": [{"name": "id", "type": "integer"}, {"name": "subject", "title": {"zh": "对象", "en": "Subject"}},
                   {"name": "value", "type": "number", "title": {"zh": "数值", "en": "Value"}}, {"name": "unit"}],
    }  # fmt: skip
    register_contract(quzhou, Contract.from_descriptor(mixed), "system", state="published")
    with lake_of(quzhou).engine() as duck:
        source = "SELECT * FROM (VALUES (1, '飞地', 2014, '年'), (2, '飞地', 3, '亿元')) AS t(id, subject, value, unit)"
        lake_of(quzhou).upsert("printed-figures", source, Commit("test"), duck=duck)
    page.goto("/datasets/printed-figures?y=value")
    expect(page.get_by_text("行数 · 按对象")).to_be_visible()
    expect(page.locator("select[name=y] option")).to_have_count(1)


def test_a_part_of_a_page_opened_by_itself_leads_to_its_page(page: Page) -> None:
    for part in ("quality", "lineage"):
        page.goto(f"/datasets/citrus-harvest/{part}")
        page.wait_for_url(f"**/datasets/citrus-harvest?tab={part}")
        expect(page.get_by_role("heading", level=1)).to_contain_text("柑橘产量")
