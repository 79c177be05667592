"""Messages of vehicle terminals: frames with their escapes and checksums, positions, batches; whatever is broken is named."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.lines.live.jt808 import (
    BATCH,
    POSITION,
    BadFrame,
    Frame,
    code_said,
    escape,
    positions_in,
    read_frame,
    split,
    unescape,
    write_batch,
    write_frame,
    write_position,
)

# A message of a real shape: 12 digits, an escaped serial number (0x007e), mileage and fuel.
KNOWN = "7e02000026123456789012007d02000000010000000200ba7f0e07e4f11c0028003c00001810151010100104000000640202007d01137e"

frames = st.builds(
    Frame, st.integers(0, 0xFFFF), st.from_regex(r"[1-9][0-9]{0,11}", fullmatch=True), st.integers(0, 0xFFFF), st.binary(max_size=300), st.sampled_from([2013, 2019]),
)  # fmt: skip
points = st.fixed_dictionaries({
    "at": st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(lambda at: at.replace(microsecond=0).isoformat()),
    "lat": st.floats(-90, 90).map(lambda v: round(v, 6) + 0.0), "lon": st.floats(-180, 180).map(lambda v: round(v, 6) + 0.0), "speed": st.integers(0, 2000).map(lambda v: v / 10),
    "direction": st.integers(0, 359), "altitude": st.integers(0, 5000), "ignition": st.booleans(), "located": st.booleans(), "load": st.sampled_from(["empty", "half", "full"]),
    "alarms": st.sampled_from(["", "overspeed", "overspeed fatigue", "rollover"]), "lift": st.integers(0, 1),
})  # fmt: skip


def test_a_known_message_is_read_byte_by_byte() -> None:
    [inner], rest = split(bytes.fromhex(KNOWN))
    frame = read_frame(inner)
    assert (frame.kind, frame.terminal, frame.serial, rest) == (POSITION, "123456789012", 126, b"\x7e")
    [row] = positions_in(frame)
    assert row == {
        "terminal": "123456789012", "at": "2018-10-15T10:10:10", "lat": 12.222222, "lon": 132.444444, "altitude": 40, "speed": 6.0, "direction": 0, "ignition": False,
        "located": True, "load": "empty", "alarms": "emergency", "mileage": 10.0, "fuel": 12.5,
    }  # fmt: skip
    assert write_frame(frame) == bytes.fromhex(KNOWN)


@given(st.binary())
def test_what_is_escaped_is_read_back_and_holds_no_mark(data: bytes) -> None:
    assert unescape(escape(data)) == data
    assert b"\x7e" not in escape(data)


@given(st.lists(frames, min_size=1, max_size=5), st.binary(max_size=20), st.data())
def test_frames_are_found_however_the_network_cuts_them(sent: list[Frame], noise: bytes, data: st.DataObject) -> None:
    stream = noise.replace(b"\x7e", b"") + b"".join(write_frame(one) for one in sent)
    found, buffer = [], b""
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        whole, buffer = split(buffer + stream[:cut])
        found += [read_frame(one) for one in whole]
        stream = stream[cut:]
    assert found == sent


@given(frames, st.data())
def test_a_byte_that_changed_on_the_way_is_noticed(frame: Frame, data: st.DataObject) -> None:
    inner = bytearray(unescape(write_frame(frame)[1:-1]))
    place = data.draw(st.integers(0, len(inner) - 1))
    inner[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadFrame):
        read_frame(escape(bytes(inner)))


@given(st.lists(points, min_size=1, max_size=4))
def test_positions_that_were_kept_are_read_back(said: list[dict[str, object]]) -> None:
    body = write_batch([write_position(one, {"lift": 0xF1}) for one in said])
    assert positions_in(Frame(BATCH, "13900000001", 1, body), {0xF1: "lift"}) == [{"terminal": "13900000001", **one} for one in said]


@given(st.binary(max_size=120), st.sampled_from([POSITION, BATCH]))
def test_any_bytes_are_positions_or_a_named_fault(body: bytes, kind: int) -> None:
    try:
        rows = positions_in(Frame(kind, "1", 1, body))
    except BadFrame:
        return
    assert all({"at", "lat", "lon", "speed"} <= set(row) for row in rows)


def test_a_terminal_without_satellites_says_no_moment() -> None:
    body = bytearray(write_position({"at": "2026-11-27T08:00:00", "lat": 0, "lon": 0, "speed": 0, "located": False}))
    body[22:28] = bytes(6)
    [row] = positions_in(Frame(POSITION, "1", 1, bytes(body)))
    assert row["at"] is None and row["located"] is False


def test_a_code_is_said_as_either_year_says_it() -> None:
    assert code_said(Frame(0x0102, "1", 1, b"abc", 2013)) == "abc" == code_said(Frame(0x0102, "1", 1, b"\x03abc" + bytes(35), 2019))
