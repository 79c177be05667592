"""Vehicle terminals at a line: over TCP they register, say their code and are answered when their positions are kept; by push as bytes."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.lines.keeping import save_line
from sanqu.lines.live.devices import add_device
from sanqu.lines.live.jt808 import (
    AUTHENTICATE,
    BATCH,
    HEARTBEAT,
    POSITION,
    REGISTER,
    Frame,
    read_frame,
    split,
    write_batch,
    write_frame,
    write_position,
)
from sanqu.lines.live.push import PushDoor, push_frames
from sanqu.lines.quarantine import list_quarantine
from sanqu.lines.records import Line
from tests.live.conftest import Flow, make_line, rows, until

TRUCKS: dict[str, Any] = {
    "name": "trucks", "title": {"zh": "车"}, "steward": "330800", "primaryKey": ["terminal", "at"],
    "fields": [{"name": "terminal", "type": "string"}, {"name": "at", "type": "datetime"}, {"name": "speed", "type": "number"}, {"name": "lift", "type": "integer"}],
}  # fmt: skip


def position(minute: int, **more: Any) -> bytes:
    return write_position({"at": f"2026-11-27T08:{minute:02}:00", "lat": 28.97, "lon": 118.87, "speed": 41.5, "lift": 1, **more}, {"lift": 0xF1})


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Terminal:
    """A terminal that plays its part."""

    def __init__(self, port: int, number: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 5)
        self._number, self._serial, self._rest = number, 0, b""

    def send(self, kind: int, body: bytes = b"", parts: int = 1, part: int = 1, number: str = "") -> Frame:
        """Say something and hear the answer."""
        self._serial += 1
        self._socket.sendall(b"noise" + write_frame(Frame(kind, number or self._number, self._serial, body, 2013, part, parts)))
        while True:
            frames, self._rest = split(self._rest + self._socket.recv(4096))
            if frames:
                return read_frame(frames[0])

    def result(self, *said: Any, **more: Any) -> int:
        """The platform's result: 0 done, 1 failed, 2 wrong, 3 not known."""
        return int(self.send(*said, **more).body[4])


def test_terminals_register_say_their_code_and_are_answered_when_kept(city: City, flow: Flow) -> None:
    port = free_port()
    line = make_line(city, TRUCKS, source={"kind": "jt808", "listen": f"127.0.0.1:{port}", "params": {"lift": "0xF1"}})
    add_device(city, line, "13900000001", SYSTEM)

    def meet() -> Terminal | None:
        try:
            return Terminal(port, "013900000001")
        except OSError:
            return None

    terminal: Terminal = until(meet)
    assert terminal.send(REGISTER, number="13955555555").body[2] == 4  # No such terminal
    answer = terminal.send(REGISTER)
    code = answer.body[3:]
    assert (answer.kind, answer.body[2], len(code)) == (0x8100, 0, 16)
    assert terminal.result(POSITION, position(0)) == 1  # The code first
    assert terminal.result(AUTHENTICATE, b"0" * 16) == 1
    assert terminal.result(AUTHENTICATE, code) == 0
    assert (terminal.result(HEARTBEAT), terminal.result(0x0900, b"x")) == (0, 3)
    assert terminal.result(POSITION, position(1)) == 0
    assert terminal.result(POSITION, b"short") == 2
    batch = write_batch([position(2), position(3, speed=0.0)])
    assert terminal.result(BATCH, batch[:40], parts=2, part=1) == 0
    assert terminal.result(BATCH, batch[40:], parts=2, part=2) == 0
    assert terminal.result(POSITION, position(4), number="13900000002") == 1  # Another's name
    found = until(lambda: len(rows(city, "trucks")) == 3 and rows(city, "trucks", '"at", terminal, speed, lift'))
    assert [(str(at)[11:16], *rest) for at, *rest in found] == [("08:01", "13900000001", 41.5, 1), ("08:02", "13900000001", 41.5, 1), ("08:03", "13900000001", 0.0, 1)]


def test_a_gateway_pushes_messages_as_bytes_and_broken_ones_wait_in_quarantine(city: City, flow: Flow) -> None:
    line = make_line(city, TRUCKS, source={"kind": "push", "format": "jt808", "params": {"lift": "0xF1"}})
    good, late = (write_frame(Frame(POSITION, "13900000001", n, position(n), 2019)) for n in (1, 2))
    broken = bytearray(good)
    broken[20] ^= 1

    async def send() -> None:
        door = PushDoor(city)
        await push_frames(door, line, good + late)
        await push_frames(door, line, bytes(broken))
        await push_frames(door, line, write_frame(Frame(POSITION, "13900000001", 3, position(3)[:22] + bytes(6))))
        await door.aclose()

    asyncio.run(send())
    until(lambda: len(rows(city, "trucks")) == 2)
    refused = until(lambda: (found := list_quarantine(city, line="trucks")) and len(found) == 2 and found)
    assert {(one.faults[0].rule, one.faults[0].item) for one in refused} == {("json", ""), ("required", "at")}


def test_only_an_administrator_opens_a_port(city: City) -> None:
    make_line(city, TRUCKS, source={"kind": "push"})
    steward = Asker(name="s", user_id=7, held=(Role("steward", "330800", "/330800/"),))
    with pytest.raises(Refused):
        save_line(city, Line.from_descriptor({"name": "t", "dataset": "trucks", "source": {"kind": "jt808", "listen": "127.0.0.1:8808"}}), steward)
