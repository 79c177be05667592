"""Subscriptions: changes brought to a real receiver, in order, signed, until it takes them, and never more than the law lets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nats.js.api import StreamConfig

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.keys import make_key, revoke_key
from sanqu.ground.people.persons import RoleName, add_person, asker_for, set_roles
from sanqu.lake import lake_of
from sanqu.lake.upkeep import thin
from sanqu.lines.live.stream import connect
from sanqu.sharing.grants import Quota, withdraw_grant
from sanqu.sharing.subscribers import keeping
from sanqu.sharing.subscribers.deliver import MOST_ROWS, deliver, delivering, pause_after, send_test
from sanqu.sharing.subscribers.post import retry_after
from sanqu.sharing.subscribers.records import Subscription, Wish
from sanqu.web.metrics import exposition
from tests.live.conftest import until
from tests.sharing.conftest import Granting
from tests.sharing.test_feed import ROAD, SHOP, take_out, write


class Receiver:
    """A program that takes deliveries on a port of its own; `answer` says what it does with the n-th."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[int], tuple[int, dict[str, str]]] = lambda _: (204, {})
        self.counting = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with receiver.counting:
                    receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                    number = len(receiver.got)
                status, headers = receiver.answer(number)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/in"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def told(self) -> list[dict[str, Any]]:
        """What was said, in the order in which it came."""
        return [json.loads(body) for _, body in self.got]

    @property
    def changes(self) -> list[dict[str, Any]]:
        return [change for said in self.told for change in said["data"]["changes"]]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def town(county: City) -> City:
    """The county; a delivery is tried three times, quickly."""
    quick = {"subscription_tries": 3, "subscription_pause": 0.05, "subscription_timeout": 1.0}
    county.settings = county.settings.model_copy(update=quick)
    return county


def person(city: City, login: str, role: RoleName, unit: str) -> Asker:
    with city.db.connection() as conn:
        found = asker_for(conn, add_person(conn, SYSTEM, login, login, [(role, unit)]))
    assert found is not None
    return found


def subscribed(city: City, asker: Asker, target: str, dataset: str = "shops", **said: Any) -> int:
    """A subscription whose target an administrator approved: receivers of tests are on this machine."""
    if asker.is_admin or said.get("kind") == "nats":
        return keeping.subscribe(city, asker, Wish(dataset=dataset, target=target, **said))[0]
    number, _ = keeping.subscribe(city, asker, Wish(dataset=dataset, target="https://example.org/in", **said))
    with city.db.connection() as conn:
        conn.execute("UPDATE sharing_subscription SET target = %s, approved = 'test' WHERE id = %s", (target, number))
    return number


def seen(city: City, number: int) -> Subscription:
    return keeping.subscriptions_of(city, only=number)[0]


def entries(city: City, kind: str) -> list[dict[str, Any]]:
    integrate(city)
    return [entry.facts for entry in read_entries(city, kind=kind)]


@pytest.fixture
def admin(town: City) -> Asker:
    return person(town, "admin", "admin", "3308")


def test_what_changed_is_delivered_signed_and_the_position_moves_with_the_answer(town: City, admin: Asker, receiver: Receiver) -> None:
    number, secret = keeping.subscribe(town, admin, Wish(dataset="shops", target=receiver.url))
    last = write(town, "shops", SHOP.format(no=1, turnover=99))
    deliver(town, number)
    ((headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    said = json.loads(body)
    assert said["type"] == "dataset.changed" and said["data"]["changes"][0]["row"]["turnover"] == 99.0
    one = seen(town, number)
    assert one.position == last and (one.deliveries, one.rows, one.lag, one.lamp) == (1, 1, 0.0, "green")
    deliver(town, number)
    assert len(receiver.got) == 1


def test_while_the_deliverer_runs_changes_come_in_order_within_a_moment(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url, items=("no", "turnover"))
    with delivering(town):
        began = time.monotonic()
        for turnover in range(1, 6):
            write(town, "shops", SHOP.format(no=1, turnover=turnover))
        until(lambda: receiver.changes and receiver.changes[-1]["row"] == {"no": 1, "turnover": 5.0})
        assert time.monotonic() - began < 10
        take_out(town, "shops", 1)
        until(lambda: receiver.changes[-1] == {"op": "drop", "row": {"no": 1}})
    turnovers = [change["row"]["turnover"] for change in receiver.changes[:-1]]
    assert turnovers == sorted(turnovers)
    spans = [(said["data"]["after"], said["data"]["snapshot"]) for said in receiver.told]
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
    assert seen(town, number).lag == 0.0


def test_a_delivery_that_is_not_taken_comes_again_under_the_same_id_before_any_other(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url)
    receiver.answer = lambda n: (500, {}) if n < 3 else (200, {})
    start = seen(town, number).position
    write(town, "shops", SHOP.format(no=1, turnover=1))
    deliver(town, number)
    write(town, "shops", SHOP.format(no=2, turnover=2))
    behind = seen(town, number)
    assert behind.position == start and behind.lag > 0 and behind.lamp == "yellow"
    assert behind.cause is not None and "500" in behind.cause["what"]["en"] and behind.tries == 1
    with delivering(town):
        until(lambda: len(receiver.got) == 4)
    assert len(set(receiver.ids[:3])) == 1 and receiver.ids[3] != receiver.ids[0]
    assert [change["row"]["no"] for change in receiver.changes] == [1, 1, 1, 2]


def test_a_receiver_that_does_not_answer_in_time_is_tried_again(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url)

    def slowly(n: int) -> tuple[int, dict[str, str]]:
        time.sleep(1.5 if n == 1 else 0)
        return 200, {}

    receiver.answer = slowly
    write(town, "shops", SHOP.format(no=1, turnover=1))
    deliver(town, number)
    assert "ReadTimeout" in str(seen(town, number).cause)
    with delivering(town):
        until(lambda: seen(town, number).deliveries == 1)
    assert len(set(receiver.ids)) == 1


def test_patience_that_a_receiver_asks_for_is_given(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url)
    receiver.answer = lambda _: (503, {"Retry-After": "120"})
    write(town, "shops", SHOP.format(no=1, turnover=1))
    deliver(town, number)
    next_try = seen(town, number).next_try
    assert next_try is not None and next_try - datetime.now(UTC) > timedelta(seconds=110)


def test_after_so_many_tries_it_is_a_dead_letter_and_the_rest_goes_on_until_it_is_sent_again(
    town: City, admin: Asker, receiver: Receiver
) -> None:
    number = subscribed(town, admin, receiver.url)
    receiver.answer = lambda n: (500, {}) if n <= 3 else (200, {})
    with delivering(town):
        write(town, "shops", SHOP.format(no=1, turnover=1))
        until(lambda: seen(town, number).dead == 1)
        write(town, "shops", SHOP.format(no=2, turnover=2))
        write(town, "shops", SHOP.format(no=1, turnover=11))
        until(lambda: 11.0 in [change["row"]["turnover"] for change in receiver.changes])
        (letter,) = keeping.dead_letters(town, admin, number)
        assert letter.id == receiver.ids[0] and letter.tries == 3 and letter.cause is not None and "500" in letter.cause["what"]["zh"]
        assert seen(town, number).lamp == "yellow"
        measured, labels = "".join(exposition(town)), f'{{subscription="{number}",dataset="shops",kind="webhook"'
        assert f"sanqu_subscription_dead_letters{labels}}} 1\n" in measured
        assert f"sanqu_subscription_deliveries_total{labels}}} {seen(town, number).deliveries}\n" in measured
        assert f'sanqu_subscription_state{labels},state="on"}} 1\n' in measured
        assert keeping.replay(town, admin, number, letter.id) == 1
        until(lambda: receiver.ids[-1] == letter.id)
    # The row as it stands by now: what was told of it meanwhile is not undone.
    assert [change["row"]["turnover"] for change in receiver.told[-1]["data"]["changes"]] == [11.0]
    assert seen(town, number).dead == 0
    assert entries(town, "sharing.dead-letter")[0]["letter"] == letter.id
    with pytest.raises(NotFound):
        keeping.replay(town, admin, number, letter.id)


def test_dead_letters_are_replayed_all_at_once_in_their_order_or_forgotten(town: City, admin: Asker, receiver: Receiver) -> None:
    town.settings = town.settings.model_copy(update={"subscription_tries": 1})
    number = subscribed(town, admin, receiver.url)
    receiver.answer = lambda _: (404, {})
    for no in (1, 2, 3):
        write(town, "shops", SHOP.format(no=no, turnover=no))
        deliver(town, number)
    dead = [letter.id for letter in keeping.dead_letters(town, admin, number)]
    assert dead == receiver.ids
    keeping.drop_letter(town, admin, number, dead[1])
    receiver.answer = lambda _: (200, {})
    assert keeping.replay(town, admin, number) == 2
    with delivering(town):
        until(lambda: len(receiver.got) == 5)
    assert receiver.ids[3:] == [dead[0], dead[2]]


def test_paused_nothing_is_told_and_resumed_all_of_it(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url)
    with delivering(town):
        assert keeping.pause(town, admin, number).lamp == ""
        last = write(town, "shops", SHOP.format(no=1, turnover=1))
        time.sleep(0.7)
        assert receiver.got == [] and seen(town, number).lag > 0
        (measured,) = (row for row in exposition(town) if row.startswith("sanqu_subscription_lag_seconds{"))
        assert f'subscription="{number}"' in measured and float(measured.rsplit(" ", 1)[1]) > 0.5
        keeping.resume(town, admin, number)
        until(lambda: seen(town, number).position >= last)
    assert [change["row"]["no"] for change in receiver.changes] == [1]


def test_a_grant_masks_what_is_told_and_withdrawn_stops_it_with_the_clause(town: City, grant: Granting, receiver: Receiver) -> None:
    officer = person(town, "wang", "officer", "330802")
    given = grant("residents", f"user:{officer.user_id}", name="plain", masks={"name": [{"kind": "keep", "first": 1}]})
    number = subscribed(town, officer, receiver.url, "residents", purpose="relief", items=("name",))
    row = "SELECT '{id}' AS id, '{name}' AS name, '330802001' AS town, 30::BIGINT AS age, 1.0 AS income, 'd' AS diagnosis"
    write(town, "residents", row.format(id="ID0003", name="zhang san"))
    deliver(town, number)
    ((_, body),) = receiver.got
    assert b"zhang" not in body and receiver.changes[0]["row"]["name"].startswith("z")
    (read,) = [facts for facts in entries(town, "sharing.read") if facts["via"] == "webhook"]
    assert read["grant"] == given.number and read["rows"] == 1 and read["purpose"] == "relief"
    with town.db.connection() as conn:
        withdraw_grant(conn, SYSTEM, given.id)
    write(town, "residents", row.format(id="ID0003", name="li si"))
    deliver(town, number)
    stopped = seen(town, number)
    assert len(receiver.got) == 1 and (stopped.state, stopped.lamp) == ("stopped", "red")
    assert stopped.cause is not None and stopped.next_try is not None and "sharing=conditional" in json.dumps(stopped.cause)
    assert entries(town, "sharing.subscription-stopped") == [{"subscription": number, "cause": stopped.cause["code"]}]
    grant("residents", f"user:{officer.user_id}", name="plain")
    keeping.resume(town, officer, number)
    deliver(town, number)
    assert receiver.changes[-1]["row"]["name"] == "li si" and seen(town, number).state == "on"


def test_a_quota_that_is_used_up_stops_it_with_nothing_told_in_part(town: City, grant: Granting, receiver: Receiver) -> None:
    officer = person(town, "wang", "officer", "330802")
    grant("residents", f"user:{officer.user_id}", name="plain", quota=Quota(rows=3))
    number = subscribed(town, officer, receiver.url, "residents", purpose="relief", items=("name",))
    rows = "SELECT 'ID000' || i AS id, 'new ' || i AS name, '330802001' AS town, 30::BIGINT AS age, 1.0 AS income, 'd' AS diagnosis FROM range({n}) t(i)"
    write(town, "residents", rows.format(n=4))
    deliver(town, number)
    stopped = seen(town, number)
    assert receiver.got == [] and stopped.state == "stopped" and stopped.cause is not None and stopped.cause["code"] == "sharing.quota"
    assert stopped.next_try is not None and stopped.lag > 0


def test_only_rows_of_the_own_town_are_told_and_none_once_the_role_is_gone(town: City, receiver: Receiver) -> None:
    officer = person(town, "zhou", "officer", "330802001")
    number = subscribed(town, officer, receiver.url, "roads")
    write(town, "roads", ROAD.format(no=501, town="330803001"))
    deliver(town, number)
    assert receiver.got == [] and seen(town, number).lag == 0.0
    write(town, "roads", ROAD.format(no=500, town="330802001"))
    deliver(town, number)
    assert [change["row"]["no"] for change in receiver.changes] == [500] and "plan" not in receiver.changes[0]["row"]
    with town.db.connection() as conn:
        set_roles(conn, SYSTEM, officer.user_id or 0, [])
    write(town, "roads", ROAD.format(no=502, town="330802001"))
    deliver(town, number)
    assert len(receiver.got) == 1 and seen(town, number).state == "stopped"


def test_a_subscription_ends_with_the_key_that_made_it(town: City, receiver: Receiver) -> None:
    officer = person(town, "wu", "officer", "330802")
    with town.db.connection() as conn:
        make_key(conn, officer, officer.user_id or 0, "program")
        key = conn.execute("SELECT id FROM api_key").fetchone()
        assert key is not None
        holder = asker_for(conn, officer.user_id or 0, int(key["id"]))
    assert holder is not None
    number = subscribed(town, holder, receiver.url)
    with town.db.connection() as conn:
        revoke_key(conn, officer, int(key["id"]))
    write(town, "shops", SHOP.format(no=1, turnover=1))
    deliver(town, number)
    cause = seen(town, number).cause
    assert receiver.got == [] and cause is not None and cause["code"] == "subscriptions.nobody"


def test_what_changed_too_long_ago_to_be_kept_is_told_as_reload(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url)
    last = [write(town, "shops", SHOP.format(no=1, turnover=turnover)) for turnover in range(4)][-1]
    lake_of(town).maintain(keep_days=0)
    deliver(town, number)
    (said,) = receiver.told
    assert said["type"] == "dataset.reload" and said["data"]["snapshot"] >= last
    write(town, "shops", SHOP.format(no=2, turnover=77))
    deliver(town, number)
    assert [change["row"]["turnover"] for change in receiver.changes] == [77.0]


def test_too_much_is_told_as_reload(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url)
    last = write(town, "shops", f"SELECT i AS no, '330802001' AS town, 1.0::DOUBLE AS turnover, 'ID0003' AS owner FROM range({MOST_ROWS + 1}) t(i)")
    deliver(town, number)
    (said,) = receiver.told
    assert said["type"] == "dataset.reload" and said["data"]["reload"] and said["data"]["changes"] == [] and said["data"]["snapshot"] == last
    assert seen(town, number).position == last


def test_a_receiver_that_is_gone_for_good_stops_it_until_somebody_resumes(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url)
    receiver.answer = lambda n: (410, {}) if n == 1 else (200, {})
    write(town, "shops", SHOP.format(no=1, turnover=1))
    with delivering(town):
        until(lambda: seen(town, number).state == "stopped")
        assert seen(town, number).next_try is None
        keeping.resume(town, admin, number)
        until(lambda: seen(town, number).deliveries == 1)
    assert len(set(receiver.ids)) == 1


def test_a_redirect_is_not_followed(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url)
    receiver.answer = lambda _: (307, {"Location": receiver.url + "/elsewhere"})
    write(town, "shops", SHOP.format(no=1, turnover=1))
    deliver(town, number)
    assert len(receiver.got) == 1 and "307" in str(seen(town, number).cause)


def test_this_machine_is_shut_to_all_but_administrators_until_one_approves(town: City, admin: Asker, receiver: Receiver) -> None:
    officer = person(town, "wang", "officer", "330802")
    with pytest.raises(Refused):
        keeping.subscribe(town, officer, Wish(dataset="shops", target=receiver.url))
    number, _ = keeping.subscribe(town, officer, Wish(dataset="shops", target="https://example.org/in"))
    # As a name does that leads here a moment later.
    with town.db.connection() as conn:
        conn.execute("UPDATE sharing_subscription SET target = %s WHERE id = %s", (receiver.url, number))
    write(town, "shops", SHOP.format(no=1, turnover=1))
    deliver(town, number)
    stopped = seen(town, number)
    assert receiver.got == [] and stopped.state == "stopped" and stopped.cause is not None and stopped.cause["code"] == "lines.closed-address"
    with pytest.raises(Refused):
        send_test(town, number)
    with pytest.raises(Refused):
        keeping.approve(town, officer, number)
    assert keeping.approve(town, admin, number).state == "on"
    deliver(town, number)
    assert len(receiver.got) == 1


@pytest.mark.parametrize("target", ["ftp://example.org", "https://user:word@example.org", "nowhere", "https://", "http://[::1", "file:///etc/passwd"])
def test_an_address_that_cannot_be_is_refused(town: City, admin: Asker, target: str) -> None:
    with pytest.raises(BadInput):
        keeping.subscribe(town, admin, Wish(dataset="shops", target=target))


@pytest.mark.parametrize("subject", ["live.readings", "lake.write.shops", "out", "out.", "out.>", "out.*.x", "$JS.API.STREAM.DELETE.x", "out.a b", "sharing.x"])
def test_subjects_of_the_city_and_of_lines_are_shut(town: City, admin: Asker, subject: str) -> None:
    with pytest.raises(BadInput):
        keeping.subscribe(town, admin, Wish(dataset="shops", kind="nats", target=subject))


def test_a_subject_is_told_and_a_stream_that_takes_it_keeps_it_once(town: City, admin: Asker, nats: str) -> None:
    officer = person(town, "wang", "officer", "330802")
    number = subscribed(town, admin, "out.shops.kept", kind="nats")
    with pytest.raises(Conflict):
        subscribed(town, officer, "out.shops.kept", kind="nats")

    async def listen() -> list[Any]:
        client = await connect(nats, "test")
        try:
            js = client.jetstream()
            await js.add_stream(StreamConfig(name="KEPT", subjects=["out.shops.kept"]))
            write(town, "shops", SHOP.format(no=1, turnover=5))
            await asyncio.to_thread(deliver, town, number)
            kept = (await js.stream_info("KEPT")).state.messages
            message = await js.get_msg("KEPT", 1)
            await js.delete_stream("KEPT")
            heard = await client.subscribe("out.shops.kept")
            await client.flush()
            write(town, "shops", SHOP.format(no=1, turnover=6))
            await asyncio.to_thread(deliver, town, number)
            again = await heard.next_msg(5)
            await js.add_stream(StreamConfig(name="LIVE-somebody", subjects=["out.shops.kept"]))
            write(town, "shops", SHOP.format(no=1, turnover=7))
            await asyncio.to_thread(deliver, town, number)
            into_line = (await js.stream_info("LIVE-somebody")).state.messages
            await js.delete_stream("LIVE-somebody")
            return [kept, json.loads(message.data or b""), json.loads(again.data), again.headers, into_line]
        finally:
            await client.close()

    kept, first, second, headers, into_line = asyncio.run(listen())
    assert (kept, into_line) == (1, 0)
    assert [said["data"]["changes"][0]["row"]["turnover"] for said in (first, second)] == [5.0, 6.0]
    assert headers["webhook-id"].startswith("msg_") and headers["Sanqu-Part"] == "1/1"
    cause = seen(town, number).cause
    assert cause is not None and cause["code"] == "subscriptions.subject-of-line"


def test_snapshots_that_somebody_still_needs_are_not_thinned(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url)
    start = seen(town, number).position
    keeping.pause(town, admin, number)
    assert keeping._stands_at(town) is None
    write(town, "shops", SHOP.format(no=1, turnover=1))
    assert keeping._stands_at(town) == start
    assert thin(town) == 0


def test_killed_in_the_middle_of_it_nothing_is_skipped(town: City, admin: Asker, receiver: Receiver) -> None:
    number = subscribed(town, admin, receiver.url, items=("no", "turnover"))
    settings = town.settings
    environment = {
        **os.environ, "SANQU_DATABASE_URL": settings.database_url, "SANQU_NATS_URL": settings.nats_url, "SANQU_MEMORY_LIMIT": "1GB",
        "SANQU_SUBSCRIPTION_PAUSE": "0.2",
    }  # fmt: skip
    command = [sys.executable, "-m", "sanqu", "live", "--home", str(settings.home)]
    held = threading.Event()

    def answer(n: int) -> tuple[int, dict[str, str]]:
        # The first is taken in and never acknowledged: its sender is killed meanwhile.
        if n == 1:
            held.wait(20)
        return 200, {}

    receiver.answer = answer
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        write(town, "shops", SHOP.format(no=1, turnover=1))
        until(lambda: len(receiver.got) == 1, 60)
        write(town, "shops", SHOP.format(no=2, turnover=2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        held.set()
        last = write(town, "shops", SHOP.format(no=3, turnover=3))
        assert seen(town, number).deliveries == 0
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: seen(town, number).position >= last, 60)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert receiver.ids[1] == receiver.ids[0]
    by_id = {said_id: said["data"]["changes"] for said_id, said in zip(receiver.ids, receiver.told, strict=True)}
    assert [change["row"]["no"] for changes in by_id.values() for change in changes] == [1, 2, 3]


def test_two_processes_do_not_deliver_the_same_at_once(town: City, admin: Asker, receiver: Receiver) -> None:
    subscribed(town, admin, receiver.url)
    receiver.answer = lambda _: (time.sleep(0.2), (200, {}))[1]
    with delivering(town), delivering(town):
        for no in (1, 2, 3):
            write(town, "shops", SHOP.format(no=no, turnover=1))
        until(lambda: {change["row"]["no"] for change in receiver.changes} == {1, 2, 3})
        time.sleep(0.5)
    assert len(set(receiver.ids)) == len(receiver.ids)


def test_over_http_one_sees_and_changes_only_ones_own(town: City, site_of_county: httpx.Client, receiver: Receiver) -> None:
    def key_of(asker: Asker) -> dict[str, str]:
        with town.db.connection() as conn:
            return {"Authorization": make_key(conn, asker, asker.user_id or 0, "k")}

    boss, other = key_of(person(town, "admin", "admin", "3308")), key_of(person(town, "wang", "officer", "330802"))
    assert site_of_county.post("/api/subscriptions", json={"dataset": "shops", "target": receiver.url}).status_code == 401
    made = site_of_county.post("/api/subscriptions", json={"dataset": "shops", "target": receiver.url}, headers=boss)
    assert made.status_code == 201 and made.json()["secret"].startswith("whsec_")
    path = f"/api/subscriptions/{made.json()['id']}"
    assert "secret" not in site_of_county.get(path, headers=boss).json()
    for method, way in (("GET", ""), ("POST", "/pause"), ("POST", "/test"), ("DELETE", ""), ("GET", "/letters"), ("POST", "/letters/replay")):
        assert site_of_county.request(method, path + way, headers=other).status_code == 404
    assert site_of_county.get("/api/subscriptions", headers=other).json() == {"count": 0, "subscriptions": []}
    assert site_of_county.post(path + "/test", headers=boss).json() == {"state": "taken"}
    assert receiver.told[0]["type"] == "subscription.test"
    receiver.answer = lambda _: (500, {})
    assert site_of_county.post(path + "/test", headers=boss).status_code == 503
    assert site_of_county.post(path + "/pause", headers=boss).json()["state"] == "paused"
    listed = site_of_county.get("/api/subscriptions?dataset=shops&state=paused&limit=1", headers=boss).json()
    assert listed["count"] == 1 and listed["subscriptions"][0]["lamp"] == "grey"
    assert site_of_county.post("/api/subscriptions", json={"dataset": "residents", "target": receiver.url}, headers=other).status_code == 403
    assert site_of_county.delete(path, headers=boss).status_code == 204
    assert site_of_county.get(path, headers=boss).status_code == 404


@given(tries=st.integers(1, 1000), first=st.floats(0.01, 600), chance=st.floats(0, 1))
def test_pauses_grow_and_end_at_ten_minutes(tries: int, first: float, chance: float) -> None:
    pause = pause_after(tries, first, chance)
    assert 0 < pause < 721
    assert pause_after(tries, first, chance) <= pause_after(tries + 1, first, chance)


@given(said=st.text(max_size=40) | st.integers(0, 10**9).map(str))
@example(said="²")
def test_whatever_retry_after_says_is_a_wait_within_an_hour_or_nothing(said: str) -> None:
    found = retry_after({"retry-after": said}, datetime.now(UTC))
    assert found is None or 0 <= found <= 3600


def test_retry_after_may_be_a_moment() -> None:
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert retry_after({"retry-after": "Sun, 01 Mar 2026 12:01:00 GMT"}, at) == 60.0
    assert retry_after({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, at) == 0.0
