"""Messages of vehicle terminals (道路运输车辆卫星定位系统 终端通讯协议, JT/T 808—2013 and —2019): frames, headers, positions.

A frame stands between two bytes 0x7e. Between them 0x7d 0x02 stands for 0x7e and 0x7d 0x01 for 0x7d; the last byte is the exclusive or
of all before it. Numbers are big-endian; the terminal's number and times are BCD, times in GMT+8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import xor
from typing import Any

MARK = 0x7E
REGISTER, UNREGISTER, AUTHENTICATE, HEARTBEAT, POSITION, BATCH = 0x0100, 0x0003, 0x0102, 0x0002, 0x0200, 0x0704
ANSWER, REGISTERED = 0x8001, 0x8100
# A frame that does not end within so many bytes is none: a body has at most 1023, each of which may be two.
LONGEST = 4096
VERSIONED = 1 << 14
# What the bits of the alarm word say (table 24 of 2019, table 24 of 2013); those of later use are left out.
ALARMS = {
    0: "emergency", 1: "overspeed", 2: "fatigue", 3: "danger", 4: "gnss-fault", 5: "antenna-cut", 6: "antenna-short", 7: "low-power", 8: "power-cut",
    9: "display-fault", 10: "speech-fault", 11: "camera-fault", 12: "card-fault", 13: "overspeed-warning", 14: "fatigue-warning", 18: "driving-overtime",
    19: "parking-overtime", 20: "area", 21: "route", 22: "route-time", 23: "off-route", 24: "speed-sensor-fault", 25: "oil", 26: "stolen",
    27: "illegal-ignition", 28: "illegal-move", 29: "collision", 30: "rollover", 31: "illegal-door",
}  # fmt: skip
LOADS = {0: "empty", 1: "half", 3: "full"}
# Additional items of a position with a fixed place in the standard: their names, struct formats and factors.
ITEMS: dict[int, tuple[str, str, float]] = {
    0x01: ("mileage", ">I", 0.1), 0x02: ("fuel", ">H", 0.1), 0x03: ("recorder_speed", ">H", 0.1), 0x30: ("signal", ">B", 1), 0x31: ("satellites", ">B", 1),
}  # fmt: skip


def custom_items(params: Mapping[str, Any]) -> dict[int, str]:
    """The maker's own items of a position, from a source's `params`: `{ lift = "0xF1" }`."""
    return {int(str(number), 0): name for name, number in params.items() if str(number).lower().startswith("0x")}


class BadFrame(ValueError):
    """Bytes that are no message, and why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: its kind, the terminal's number without leading zeros, its serial number, its body; `year` of the standard.

    `part` of `parts` where a message came in several frames.
    """

    kind: int
    terminal: str
    serial: int
    body: bytes
    year: int = 2013
    part: int = 1
    parts: int = 1


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """The frames that are whole in a buffer, without their marks and still escaped, and what is left of it.

    What stands before the first mark is noise and goes.
    """
    *whole, rest = buffer.split(b"\x7e")
    frames = [one for one in (whole[1:] if whole else []) if one]
    if not whole:
        return [], b""
    return frames, b"\x7e" + rest if len(rest) <= LONGEST else b""


def escape(data: bytes) -> bytes:
    """Bytes as they stand in a frame.

    >>> escape(bytes.fromhex("307e087d55")).hex()
    '307d02087d0155'
    """
    return data.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")


def unescape(data: bytes) -> bytes:
    """What was escaped; raises `BadFrame` for an escape that says nothing."""
    if b"\x7d" not in data:
        return data
    first, *rest = data.split(b"\x7d")
    if any(part[:1] not in (b"\x01", b"\x02") for part in rest):
        raise BadFrame("an escape (0x7d) that stands for nothing")
    return first + b"".join((b"\x7d" if part[0] == 1 else b"\x7e") + part[1:] for part in rest)


def read_frame(inner: bytes) -> Frame:
    """The message between two marks; raises `BadFrame` naming what is wrong."""
    data = unescape(inner)
    if len(data) < 13:
        raise BadFrame("too short for a header")
    if reduce(xor, data[:-1]) != data[-1]:
        raise BadFrame("the checksum is another")
    kind, properties = struct.unpack_from(">HH", data)
    if properties & 0x1C00:
        raise BadFrame("an encrypted body")
    year, at = (2019, 5) if properties & VERSIONED else (2013, 4)
    width = 10 if year == 2019 else 6
    head = at + width + 2 + (4 if properties & 0x2000 else 0)
    size = properties & 0x03FF
    if len(data) != head + size + 1:
        raise BadFrame(f"a body of {len(data) - head - 1} bytes, not of {size}")
    terminal = bcd(data[at : at + width]).lstrip("0") or "0"
    (serial,) = struct.unpack_from(">H", data, at + width)
    parts, part = struct.unpack_from(">HH", data, at + width + 2) if properties & 0x2000 else (1, 1)
    if not 1 <= part <= parts:
        raise BadFrame(f"part {part} of {parts}")
    return Frame(kind, terminal, serial, data[head:-1], year, part, parts)


def write_frame(frame: Frame) -> bytes:
    """A message as it goes over the wire, with its marks."""
    width = 10 if frame.year == 2019 else 6
    properties = len(frame.body) | (0x2000 if frame.parts > 1 else 0) | (VERSIONED if frame.year == 2019 else 0)
    head = struct.pack(">HH", frame.kind, properties) + (b"\x01" if frame.year == 2019 else b"") + to_bcd(frame.terminal, width) + struct.pack(">H", frame.serial)
    data = head + (struct.pack(">HH", frame.parts, frame.part) if frame.parts > 1 else b"") + frame.body
    return b"\x7e" + escape(data + bytes([reduce(xor, data)])) + b"\x7e"


def bcd(data: bytes) -> str:
    """BCD as its digits; raises `BadFrame` for what is no digit.

    >>> bcd(bytes.fromhex("013900000001"))
    '013900000001'
    """
    digits = data.hex()
    if not digits.isdecimal():
        raise BadFrame(f"{digits} is no BCD")
    return digits


def to_bcd(digits: str, width: int) -> bytes:
    """Digits as BCD of so many bytes, with zeros before them."""
    return bytes.fromhex(digits.rjust(width * 2, "0"))


def read_time(data: bytes) -> str | None:
    """A moment (GMT+8, BCD YYMMDDhhmmss) as ISO 8601 without a zone; None for what is no moment, as terminals say without satellites."""
    said = data.hex()
    if not said.isdecimal():
        return None
    try:
        return datetime(2000 + int(said[:2]), int(said[2:4]), int(said[4:6]), int(said[6:8]), int(said[8:10]), int(said[10:12])).isoformat()
    except ValueError:
        return None


def read_position(body: bytes, custom: Mapping[int, str] = {}) -> dict[str, Any]:
    """A position (8.18, table 23): degrees, metres, km/h, degrees from north; raises `BadFrame`.

    `custom` names additional items of the maker's own (0xE1 to 0xFF; each a number), such as `{0xF1: "lift"}`. Items that are not
    known are left out. `alarms` are the names of the bits, with blanks between.
    """
    if len(body) < 28:
        raise BadFrame(f"a position of {len(body)} bytes")
    alarm, status, lat, lon, altitude, speed, direction = struct.unpack_from(">IIIIHHH", body)
    row: dict[str, Any] = {
        "at": read_time(body[22:28]), "lat": round(lat / 1e6 * (-1 if status & 4 else 1), 6), "lon": round(lon / 1e6 * (-1 if status & 8 else 1), 6),
        "altitude": altitude, "speed": round(speed / 10, 1), "direction": direction, "ignition": bool(status & 1), "located": bool(status & 2),
        "load": LOADS.get(status >> 8 & 3), "alarms": " ".join(name for bit, name in ALARMS.items() if alarm >> bit & 1) if alarm else "",
    }  # fmt: skip
    for item, value in _items(body[28:]):
        if item in ITEMS:
            name, form, factor = ITEMS[item]
            if len(value) == struct.calcsize(form):
                row[name] = round(struct.unpack(form, value)[0] * factor, 1)
        elif item in custom:
            row[custom[item]] = int.from_bytes(value, "big")
    return row


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(data):
        item, size = data[at], data[at + 1]
        if at + 2 + size > len(data):
            raise BadFrame(f"additional item 0x{item:02x} is cut off")
        yield item, data[at + 2 : at + 2 + size]
        at += 2 + size


def write_position(row: Mapping[str, Any], custom: Mapping[str, int] = {}) -> bytes:
    """A position as `read_position` reads it; for those who play terminals. `custom` are numbers of additional items of one byte."""
    lat, lon = float(row["lat"]), float(row["lon"])
    load = {"half": 1, "full": 3}.get(str(row.get("load")), 0)
    status = int(bool(row.get("ignition", True))) | int(bool(row.get("located", True))) << 1 | (lat < 0) << 2 | (lon < 0) << 3 | load << 8
    said = str(row.get("alarms", "")).split()
    alarm = sum(1 << bit for bit, name in ALARMS.items() if name in said)
    at = datetime.fromisoformat(str(row["at"]))
    body = struct.pack(
        ">IIIIHHH", alarm, status, round(abs(lat) * 1e6), round(abs(lon) * 1e6), int(row.get("altitude", 0)), round(float(row["speed"]) * 10), int(row.get("direction", 0))
    )  # fmt: skip
    body += bytes.fromhex(at.strftime("%y%m%d%H%M%S"))
    if "mileage" in row:
        body += b"\x01\x04" + struct.pack(">I", round(float(row["mileage"]) * 10))
    return body + b"".join(bytes([number, 1, int(row[name])]) for name, number in custom.items() if row.get(name) is not None)


def positions_in(frame: Frame, custom: Mapping[int, str] = {}) -> list[dict[str, Any]]:
    """The positions that a message holds, with the terminal's number: one, or those it kept while it was out of reach; raises `BadFrame`."""
    if frame.kind == POSITION:
        bodies = [frame.body]
    elif frame.kind == BATCH:
        bodies = _batch(frame.body)
    else:
        return []
    return [{"terminal": frame.terminal, **read_position(body, custom)} for body in bodies]


def _batch(body: bytes) -> list[bytes]:
    if len(body) < 3:
        raise BadFrame("a batch without its head")
    count, at = struct.unpack_from(">H", body)[0], 3
    found: list[bytes] = []
    while at + 2 <= len(body):
        size = struct.unpack_from(">H", body, at)[0]
        if at + 2 + size > len(body):
            raise BadFrame("a position of a batch is cut off")
        found.append(body[at + 2 : at + 2 + size])
        at += 2 + size
    if len(found) != count:
        raise BadFrame(f"a batch of {len(found)} positions, not of {count}")
    return found


def write_batch(bodies: list[bytes]) -> bytes:
    """Positions that were kept, as one body (0x0704, kind 1: from where there was no reception)."""
    return struct.pack(">HB", len(bodies), 1) + b"".join(struct.pack(">H", len(one)) + one for one in bodies)


def code_said(frame: Frame) -> str:
    """The code with which a terminal authenticates (8.8; in 2019 it has its length before it)."""
    body = frame.body[1 : 1 + frame.body[0]] if frame.year == 2019 and frame.body else frame.body
    return body.rstrip(b"\0").decode("gbk", "replace")


def answer_to(frame: Frame, result: int, serial: int) -> bytes:
    """The platform's general answer (0x8001): 0 done, 1 failed, 2 wrong, 3 not known."""
    return write_frame(Frame(ANSWER, frame.terminal, serial, struct.pack(">HHB", frame.serial, frame.kind, result), frame.year))


def registered(frame: Frame, code: str | None, serial: int) -> bytes:
    """The answer to a registration (0x8100): the code, or that there is no such terminal (4)."""
    return write_frame(Frame(REGISTERED, frame.terminal, serial, struct.pack(">HB", frame.serial, 4 if code is None else 0) + (code or "").encode("gbk"), frame.year))
