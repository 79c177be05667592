"""Lines watched in a real browser: a row that changes at its source appears by itself, a fault is named on the map."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Page, expect

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import Contract
from sanqu.lines.keeping import line_of, save_line
from sanqu.lines.live.standing import standing_of
from sanqu.lines.records import Line
from sanqu.sharing.subscribers.deliver import delivering
from tests.conftest import database_url
from tests.live.conftest import Flow, rows, until
from tests.sharing.test_subscriptions import Receiver, receiver

__all__ = ["receiver"]


def contract(name: str) -> Contract:
    return Contract.from_descriptor(
        {
            "name": name, "title": {"zh": "水位", "en": "Water levels"}, "description": {"zh": "各站水位", "en": "Levels by station"},
            "steward": "330802", "primaryKey": ["id"], "grade": "L1", "opening": "unconditional", "freshness": "PT5M",
            "fields": [
                {"name": "id", "type": "integer", "title": {"zh": "编号", "en": "Number"}, "constraints": {"required": True}},
                {"name": "station", "type": "string", "title": {"zh": "站点", "en": "Station"}},
                {"name": "level", "type": "number", "title": {"zh": "水位", "en": "Level"}, "unit": "m"},
            ],
        }
    )  # fmt: skip


@pytest.fixture
def flow(quzhou: City) -> Iterator[Flow]:
    made = Flow(quzhou)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def source(source_database: psycopg.Connection) -> psycopg.Connection:
    """Another department's database, with three stations."""
    source_database.execute("CREATE TABLE levels (id int PRIMARY KEY, station text, level float8)")
    source_database.execute("INSERT INTO levels VALUES (1, '衢江', 60.25), (2, '江山港', 88.5), (3, '乌溪江', 71)")
    return source_database


def make(city: City, name: str, source: dict[str, str], **more: object) -> Line:
    register_contract(city, contract(name), "system", state="published")
    return save_line(city, Line.from_descriptor({"name": name, "dataset": name, "title": {"zh": f"水位 {name}", "en": f"Levels {name}"}, "source": source, **more}), SYSTEM)


def test_a_row_that_changes_at_its_source_appears_without_a_reload(
    page: Page, quzhou: City, source: psycopg.Connection, flow: Flow, postgres: str
) -> None:
    make(quzhou, "levels-seen", {"kind": "postgres", "url": database_url(postgres, source.info.dbname), "table": "levels"})
    until(lambda: len(rows(quzhou, "levels-seen")) == 3)
    page.goto("/datasets/levels-seen?tab=live")
    expect(page.locator("[data-status][data-live=yes]")).to_be_visible()
    page.evaluate("window.stayed = true")
    source.execute("UPDATE levels SET level = 60.5 WHERE id = 1")
    expect(page.get_by_role("cell", name="60.5")).to_be_visible()
    expect(page.get_by_role("cell", name="江山港")).to_have_count(1)
    source.execute("DELETE FROM levels WHERE id = 3")
    expect(page.get_by_role("cell", name="乌溪江")).to_have_count(0)
    # The way of the change, leg by leg.
    expect(page.locator("[data-way] .leg")).to_have_count(4)
    assert page.evaluate("window.stayed") is True


def test_a_subscription_that_is_not_delivered_is_named_on_the_map_with_its_cause(
    admin: Page, quzhou: City, flow: Flow, receiver: Receiver
) -> None:
    quzhou.settings = quzhou.settings.model_copy(update={"subscription_tries": 1})
    make(quzhou, "levels-quiet", {"kind": "push"}, lane="general")
    make(quzhou, "levels-told", {"kind": "push"}, lane="governance")
    save_line(quzhou, line_of(quzhou, "levels-quiet").model_copy(update={"enabled": False}), SYSTEM)
    answer = admin.request.post("/api/subscriptions", data={"dataset": "levels-told", "kind": "webhook", "target": receiver.url})
    assert answer.status == 201, answer.text()
    receiver.answer = lambda n: (500, {}) if n == 2 else (200, {})
    admin.goto("/live")
    told = admin.locator("[data-readers='levels-told']")
    expect(told).to_contain_text("已投 0 次")
    with delivering(quzhou):
        for number in (1, 2):
            assert admin.request.post("/api/live/levels-told", data={"id": number, "level": 1.5}).status == 202
            until(lambda number=number: len(receiver.got) == number)
        # Without a reload: the letter that was given up, why, and a mark on the leg.
        expect(told.locator(".why")).to_contain_text("HTTP 500")
        expect(told).to_contain_text("死信 1")
        expect(admin.locator("[data-reads='levels-told'][data-state=late]")).to_be_attached()
        expect(admin.locator("[data-sum=untold]")).to_have_text("1")
    admin.reload()
    # Trouble first; what rests is folded.
    assert admin.locator("section.lane").evaluate_all("all => all.map(one => one.dataset.lane)") == ["governance", "general"]
    expect(admin.locator("details.resting .st-line[data-line='levels-quiet']")).to_be_hidden()
    admin.goto("/live?state=trouble")
    expect(admin.locator(".st-line")).to_have_count(1)
    told.get_by_role("link", name="127.0.0.1").click()
    expect(admin.locator("main")).to_contain_text("HTTP 500")


def test_the_map_names_the_cause_of_a_fault_and_shows_when_it_flows_again(
    admin: Page, quzhou: City, source: psycopg.Connection, flow: Flow, postgres: str
) -> None:
    url = database_url(postgres, source.info.dbname)
    make(quzhou, "levels-map", {"kind": "postgres", "url": url, "table": "levels"}, lane="livelihood")
    make(quzhou, "levels-push", {"kind": "push"}, lane="finance")
    until(lambda: standing_of(quzhou, "levels-map").state == "flowing")
    admin.goto("/live")
    track = admin.locator(".net .st-line[data-line='levels-map']")
    expect(track.locator("[data-show=state]")).to_have_text("在流")
    admin.evaluate("window.stayed = true")
    # The database is shut: it takes nobody, and hangs up on who is there.
    name = source.info.dbname
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    source.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active")
    expect(track.locator("[data-show=state]")).to_have_text("停了", timeout=20_000)
    expect(track).to_have_attribute("data-leg", "in")
    expect(track.locator(".why")).to_contain_text("自动再试")
    expect(track.locator(".why")).to_contain_text("not currently accepting connections")
    expect(admin.locator("tbody tr[data-line='levels-map'] .why")).to_contain_text("not currently accepting connections")
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    expect(track.locator("[data-show=state]")).to_have_text("在流", timeout=40_000)
    assert admin.evaluate("window.stayed") is True
    # The table beside the map: by lane, and as a file.
    admin.get_by_label("领域专线").select_option("finance")
    expect(admin.locator("tbody tr")).to_have_count(1)
    with admin.expect_download() as got:
        admin.get_by_role("link", name="导出 CSV").click()
    text = got.value.path().read_text("utf-8-sig")
    assert [line.split(",")[0] for line in text.splitlines()] == ["line", "levels-push"]


def test_a_device_is_added_on_the_lines_page_sends_and_its_rows_are_seen_on_their_way(admin: Page, quzhou: City, flow: Flow) -> None:
    make(quzhou, "levels-device", {"kind": "push"}, lane="livelihood")
    admin.goto("/live/levels-device")
    admin.get_by_label("设备名称").fill("station-7")
    admin.get_by_role("button", name="添加设备").click()
    secret = admin.locator("#secret").inner_text()
    admin.goto("/live/levels-device")
    expect(admin.locator("#secret")).to_have_count(0)
    mark = base64.b64encode(f"station-7:{secret}".encode()).decode()
    sent = admin.request.post("/api/live/levels-device", data={"id": 7, "station": "衢江", "level": 61.5}, headers={"Authorization": f"Basic {mark}"})
    assert sent.status == 202, sent.text()
    expect(admin.locator(".way").first).to_be_visible(timeout=10_000)
    assert rows(quzhou, "levels-device") == [(7, "衢江", 61.5)]
    admin.get_by_role("button", name="停用").click()
    expect(admin.get_by_role("button", name="启用")).to_be_visible()
    admin.get_by_role("button", name="移除").click()
    expect(admin.get_by_text("还没有设备")).to_be_visible()


def test_the_workbench_does_not_offer_to_run_what_flows_by_itself(admin: Page, quzhou: City) -> None:
    make(quzhou, "levels-rest", {"kind": "push"})
    admin.goto("/workbench")
    row = admin.get_by_role("row").filter(has_text="levels-rest")
    expect(row.get_by_role("button", name="运行")).to_have_count(0)
    row.get_by_role("link", name="状态").click()
    expect(admin).to_have_url(re.compile("/live/levels-rest$"))
    admin.goto("/workbench/lines/levels-rest")
    expect(admin).to_have_url(re.compile("/live/levels-rest$"))
    assert admin.request.post("/api/lines/levels-rest/run").json()["code"] == "lines.live"


def test_an_administrator_sets_the_lanes(admin: Page) -> None:
    admin.goto("/admin/lanes")
    card = admin.locator("form", has_text="金融")
    card.get_by_label("份额").fill("7")
    card.get_by_label("每秒行数上限").fill("500")
    card.get_by_role("button", name="保存").click()
    answer = admin.request.get("/api/lanes").json()
    assert {"name": "finance", "weight": 7, "rows_per_second": 500} in answer
