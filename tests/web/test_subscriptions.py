"""From a dataset's page to a receiver that is told, a dead letter and its replay, in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from sanqu.ground.city import City
from sanqu.lake import Commit, lake_of
from sanqu.sharing.subscribers.deliver import deliver
from tests.sharing.test_subscriptions import Receiver, receiver, seen

__all__ = ["receiver"]


def write(city: City, tonnes: float) -> None:
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("citrus-harvest", f"SELECT '镇1' AS town, 2018 AS year, {tonnes}::DOUBLE AS tonnes", Commit("test"), duck=duck)


def test_subscribe_see_a_delivery_fail_and_send_it_again(admin: Page, quzhou: City, receiver: Receiver) -> None:
    quzhou.settings = quzhou.settings.model_copy(update={"subscription_tries": 1})
    admin.goto("/datasets/citrus-harvest?tab=api")
    admin.get_by_role("link", name="订阅变更").click()
    admin.get_by_label("送到").fill("out of place")
    admin.get_by_label("产量").check()
    admin.get_by_role("button", name="订阅", exact=True).click()
    expect(admin.get_by_role("alert")).to_contain_text("不合规")
    expect(admin.get_by_label("产量")).to_be_checked()
    admin.get_by_label("送到").fill(receiver.url)
    admin.get_by_role("button", name="订阅", exact=True).click()
    expect(admin.locator("#secret")).to_have_text(re.compile(r"^whsec_.{40,}"))
    receiver.answer = lambda n: (500, {}) if n == 2 else (200, {})
    admin.get_by_role("button", name="试投").click()
    expect(admin.get_by_role("status")).to_contain_text("收下了")
    expect(admin.locator("#secret")).to_have_count(0)
    number = int(admin.url.split("/")[-2])
    write(quzhou, 1234)
    deliver(quzhou, number)
    admin.goto("/me")
    admin.locator("main").get_by_role("link", name="订阅").click()
    expect(admin.locator(".lamp.yellow")).to_be_visible()
    admin.locator("tbody").get_by_role("link", name="1", exact=True).click()
    expect(admin.locator("#letters + .scroll")).to_contain_text("HTTP 500")
    admin.get_by_role("button", name="重投").click()
    deliver(quzhou, number)
    admin.reload()
    expect(admin.locator(".lamp.green")).to_be_visible()
    assert receiver.changes[-1]["row"] == {"tonnes": 1234.0} and receiver.ids[1] == receiver.ids[2]
    admin.get_by_role("button", name="暂停").click()
    expect(admin.get_by_role("button", name="继续")).to_be_visible()
    assert seen(quzhou, number).state == "paused"
    admin.get_by_role("button", name="退订").click()
    expect(admin.locator("main")).to_contain_text("还没有订阅")
