"""A small city with data in it, and a real browser before its pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from sanqu.catalog.glossary import use_glossary
from sanqu.catalog.keeping import load_subjects, register_contract
from sanqu.catalog.records import Subject
from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.sessions import make_link
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Commit, Contract, lake_of
from tests.conftest import MakeCity, MakeMould, Mould

HARVEST = {
    "name": "citrus-harvest",
    "title": {"zh": "柑橘产量", "en": "Citrus harvest"},
    "description": {"zh": "各乡镇每年的柑橘产量", "en": "Tonnes of citrus by town and year"},
    "steward": "330802", "subject": "agriculture", "tags": ["柑橘"], "sample": True, "primaryKey": ["town", "year"],
    "fields": [
        {"name": "town", "type": "string", "title": {"zh": "乡镇", "en": "Town"}, "constraints": {"required": True}},
        {"name": "year", "type": "year", "title": {"zh": "年份", "en": "Year"}, "constraints": {"required": True}},
        {"name": "tonnes", "type": "number", "title": {"zh": "产量", "en": "Tonnes"}, "unit": "吨", "constraints": {"minimum": 0}},
    ],
}  # fmt: skip


def furnish(city: City) -> None:
    """Give an empty city units, a subject library and one dataset of sample rows."""
    with city.db.connection() as conn:
        save_units(
            conn,
            [
                Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")),
                Unit("330802", "3308", "county", "county", Text(zh="柯城区", en="Kecheng")),
            ],
        )
        keep_fact(conn, "city", {"code": "3308", "title": {"zh": "衢州", "en": "Quzhou"}, "home": [], "boundaries": ""})
    load_subjects(city, [Subject("agriculture", Text(zh="农业", en="Agriculture"), theme="AGRI")], "system")
    register_contract(city, Contract.from_descriptor(HARVEST), "system", state="published")
    rows = ", ".join(f"('镇{t}', {y}, {100 * t + y - 2000})" for t in range(1, 6) for y in range(2018, 2024))
    with lake_of(city).engine() as duck:
        source = f"SELECT * FROM (VALUES {rows}) AS t(town, year, tonnes)"
        lake_of(city).upsert("citrus-harvest", source, Commit("test"), duck=duck)


@pytest.fixture(scope="session")
def furnished_quzhou(make_mould: MakeMould) -> Mould:
    """The small city, made once."""
    return make_mould(furnish)


@pytest.fixture
def quzhou(make_city: MakeCity, furnished_quzhou: Mould) -> City:
    """A small city with data in it."""
    city = make_city(furnished_quzhou)
    use_glossary(city, [["柑橘", "柑", "citrus"]])
    return city


# Not for the whole session: while Playwright runs, an event loop runs in this thread and no other can.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        yield playwright.chromium.launch(executable_path=found, args=switches)


@pytest.fixture
def page(browser: Browser, quzhou: City, serve: Callable[[City], str]) -> Iterator[Page]:
    """A reader's tab on the city; a script error on any page fails the test."""
    context = browser.new_context(base_url=serve(quzhou), locale="zh-CN")
    tab = context.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    yield tab
    context.close()
    assert faults == []


def sign_in(page: Page, city: City, asker: Asker) -> Page:
    """A tab of a Chinese reader, signed in as `asker` by a one-time link."""
    assert asker.user_id is not None
    with city.db.connection() as conn:
        link = make_link(conn, asker.user_id, SYSTEM)
    page.goto(f"/sign-in/{link}")
    page.get_by_role("button", name="以此链接登录").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)
    return page


@pytest.fixture
def admin(page: Page, quzhou: City) -> Page:
    """The same tab, signed in by a one-time link as an administrator."""
    with quzhou.db.connection() as conn:
        asker = asker_for(conn, add_person(conn, SYSTEM, "admin", "管理员", [("admin", "3308")]))
    assert asker is not None
    return sign_in(page, quzhou, asker)
