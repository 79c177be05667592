"""Devices on the city's own MQTT listener and at other brokers, other buses, files that grow."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

from sanqu.catalog.keeping import register_contract
from sanqu.ground.broker import start_nats
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Commit, Contract, lake_of
from sanqu.lines.live.devices import add_device, remove_device
from sanqu.lines.live.standing import standing_of
from sanqu.lines.live.stream import connect
from sanqu.lines.quarantine import list_quarantine
from tests.live.conftest import READINGS, Flow, make_line, rows, until
from tests.servers import mosquitto_server

BY_TOPIC = {**READINGS, "name": "air", "fields": [*READINGS["fields"], {"name": "topic", "type": "string"}]}


def publish(
    port: int, topic: str, messages: list[str], login: tuple[str, str] | None = None, protocol: int = mqtt.MQTTv311,
    properties: Properties | None = None,
) -> bool:  # fmt: skip
    """Publish with QoS 1 as a device; whether every message was acknowledged."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    if login:
        client.username_pw_set(*login)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [client.publish(topic, one, qos=1, properties=properties) for one in messages]
    try:
        for one in sent:
            one.wait_for_publish(5)
        return all(one.is_published() for one in sent)
    except (RuntimeError, ValueError):
        return False
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def own_bus(city: City) -> Iterator[int]:
    """The city with a NATS in its own home, as `sanqu up` starts it; gives the port of its MQTT listener."""
    url, process = start_nats(city.settings.home)
    city.bus.url = url
    running = json.loads((city.settings.home / "nats" / "running.json").read_text())
    yield int(str(running["mqtt"]).rpartition(":")[2])
    assert process is not None
    process.terminate()
    process.wait(10)


def test_a_device_publishes_to_its_line_and_to_nothing_else(city: City, own_bus: int) -> None:
    line = make_line(city, BY_TOPIC, source={"kind": "mqtt", "topic": "quzhou/air/+"})
    secret = add_device(city, line, "station-7", SYSTEM)
    flow = Flow(city)
    flow.start()
    until(lambda: standing_of(city, "air").state == "flowing")
    reading = '{"id": 1, "station": "7", "value": 3.5}'
    assert until(lambda: publish(own_bus, "quzhou/air/7", [reading], ("station-7", secret)))
    until(lambda: rows(city, "air", "id, value, topic") == [(1, 3.5, "quzhou/air/7")])
    publish(own_bus, "quzhou/water/7", ['{"id": 2, "station": "7"}'], ("station-7", secret))
    publish(own_bus, "quzhou/air/8", ['{"id": 3, "station": "8"}', "not json"], ("station-7", secret))
    until(lambda: [row[0] for row in rows(city, "air")] == [1, 3])
    assert until(lambda: list_quarantine(city, line="air"))[0].faults[0].rule == "json"
    remove_device(city, line, "station-7", SYSTEM)

    def is_shut() -> bool:
        try:
            return not publish(own_bus, "quzhou/air/7", [reading], ("station-7", secret))
        except OSError:
            return True

    until(is_shut)
    flow.stop()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_messages_of_another_broker_are_kept_while_nobody_is_here(city: City, protocol: str) -> None:
    with mosquitto_server() as port:
        source = {"kind": "mqtt", "topic": "air/#", "url": f"mqtt://127.0.0.1:{port}", "params": {"protocol": protocol}}
        make_line(city, BY_TOPIC, source=source)
        first = Flow(city)
        first.start()
        until(lambda: standing_of(city, "air").state == "flowing")
        publish(port, "air/1", [f'{{"id": {n}, "station": "s", "value": {n}}}' for n in range(50)], protocol=mqtt.MQTTv5)
        until(lambda: len(rows(city, "air")) == 50)
        first.stop()
        publish(port, "air/2", [f'{{"id": {n}, "station": "s"}}' for n in range(50, 80)])
        second = Flow(city)
        second.start()
        until(lambda: len(rows(city, "air")) == 80)
        second.stop()


def test_what_is_published_on_the_own_bus_flows(city: City, flow: Flow) -> None:
    make_line(city, BY_TOPIC, source={"kind": "nats", "subject": "city.air.>"})
    until(lambda: standing_of(city, "air").state == "flowing")
    time.sleep(0.5)

    async def send() -> None:
        client = await connect(city.bus.url, "test")
        for n in range(10):
            await client.publish(f"city.air.{n}", json.dumps({"id": n, "station": "s"}).encode())
        await client.close()

    asyncio.run(send())
    until(lambda: rows(city, "air", "id, topic")[-1:] == [(9, "city.air.9")])


def test_a_stream_of_another_bus_is_taken_over(city: City, flow: Flow, tmp_path: Path) -> None:
    url, process = start_nats(tmp_path / "other")
    assert process is not None

    async def send(first: int) -> None:
        client = await connect(url, "test")
        js = client.jetstream()
        await js.add_stream(name="AIR", subjects=["air.>"])
        for n in range(first, first + 100):
            await js.publish("air.x", json.dumps({"id": n, "station": "s"}).encode())
        await client.close()

    asyncio.run(send(0))
    make_line(city, READINGS, source={"kind": "nats", "subject": "air.>", "url": url})
    until(lambda: len(rows(city)) == 100)
    asyncio.run(send(100))
    until(lambda: len(rows(city)) == 200)
    process.terminate()
    process.wait(10)


@pytest.fixture
def grow(city: City, tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "log.ndjson", mode: str = "a") -> Path:
        file = tmp_path / name
        with file.open(mode, encoding="utf-8") as out:
            out.write(text)
        return file

    return write


def test_a_file_is_followed_as_it_grows_and_when_another_takes_its_place(city: City, grow: Callable[..., Path]) -> None:
    file = grow('{"id": 1, "station": "a"}\n{"id": 2, "station"')
    make_line(city, {**READINGS, "primaryKey": []}, source={"kind": "tail", "path": str(file)})
    first = Flow(city)
    first.start()
    until(lambda: [row[0] for row in rows(city)] == [1])
    grow(': "b"}\n')
    until(lambda: [row[0] for row in rows(city)] == [1, 2])
    first.stop()
    grow('{"id": 3, "station": "c"}\n')
    second = Flow(city)
    second.start()
    until(lambda: [row[0] for row in rows(city)] == [1, 2, 3])
    file.rename(file.with_suffix(".old"))
    grow('{"id": 4, "station": "d"}\n')
    until(lambda: [row[0] for row in rows(city)] == [1, 2, 3, 4])
    second.stop()


def test_a_table_as_text_is_followed_by_its_header(city: City, flow: Flow, grow: Callable[..., Path]) -> None:
    file = grow("id,station,value\n1,衢江,2.5\n", name="log.csv")
    make_line(city, READINGS, source={"kind": "tail", "path": str(file)})
    until(lambda: rows(city, columns="id, station, value") == [(1, "衢江", 2.5)])
    grow('2,"a, b",\n3,,1\n', name="log.csv")
    until(lambda: rows(city, columns="id, station, value") == [(1, "衢江", 2.5), (2, "a, b", None)])
    assert until(lambda: list_quarantine(city, line="readings"))[0].items["id"] == "3"


def test_a_dataset_of_another_city_is_followed(
    city: City, make_city: Callable[[], City], serve: Callable[[City], str], flow: Flow, tmp_path: Path
) -> None:
    other = make_city()
    with other.db.connection() as conn:
        save_units(conn, [Unit("330800", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    register_contract(other, Contract.from_descriptor(READINGS), "system", state="published")
    lake, rows_of = lake_of(other), "SELECT n AS id, 's' AS station, n::DOUBLE AS value, NULL::TIMESTAMP AS \"at\" FROM range({}, {}) t(n)"
    with lake.engine() as duck:
        lake.upsert("readings", rows_of.format(0, 300), Commit("test"), duck=duck)
        make_line(city, READINGS, source={"kind": "feed", "url": serve(other), "dataset": "readings"})
        until(lambda: len(rows(city)) == 300)
        lake.upsert("readings", rows_of.format(290, 320), Commit("test"), duck=duck)
        lake.delete("readings", "SELECT 5::BIGINT AS id", Commit("test"), duck=duck)
        until(lambda: rows(city) == rows(other))
