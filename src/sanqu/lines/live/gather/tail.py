"""A file that grows by lines (CSV or NDJSON): each line once it is whole, from where the lake stands; a new file under the name from its start."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from sanqu.ground.errors import BadInput, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lines.live.envelope import Change, Place
from sanqu.lines.live.gather.outlet import Gathering, Writer
from sanqu.lines.live.standing import keep_source, place_of, set_state, standing_of

READ_BYTES = 1024 * 1024
LOOK_SECONDS = 0.1


@dataclass
class _File:
    """The file as it is read now: which of those that had the name it is, its mark, where reading stands, the header."""

    generation: int
    mark: str
    offset: int
    header: tuple[str, ...]


def gather(gathering: Gathering) -> None:
    """Follow the file until told to stop; runs in a thread of its own. Raises `Unavailable` while there is no file."""
    path = Path(gathering.line.source.path)
    writer = Writer(gathering)
    set_state(gathering.city, gathering.line.name, "flowing")
    while not gathering.stopping():
        try:
            with path.open("rb") as stream:
                _follow(gathering, stream, writer, path)
        except OSError as fault:
            raise Unavailable(
                "live.no-file",
                Text(zh=f"文件读不到：{fault.strerror}", en=f"The file cannot be read: {fault.strerror}"),
                Text(zh="等来源写出它；出现后自动继续", en="It goes on by itself once the source has written it"),
                str(path),
            ) from fault


def _follow(gathering: Gathering, stream: io.BufferedReader, writer: Writer, path: Path) -> None:
    file = _found(gathering, stream)
    longest = gathering.city.settings.max_line_mb * 1024 * 1024
    rest = b""
    while not gathering.stopping():
        stream.seek(file.offset + len(rest))
        read = stream.read(READ_BYTES)
        *whole, rest = (rest + read).split(b"\n")
        for line in whole:
            _take(gathering, file, writer, line)
            file.offset += len(line) + 1
        if len(rest) > longest:
            raise _too_long(gathering, file.offset)
        if not read:
            writer.flush()
            writer.tend()
            if _is_another(stream, path):
                if rest.strip():
                    _take(gathering, file, writer, rest)
                writer.settle()
                return
            time.sleep(LOOK_SECONDS)


def _mark_of(stream: io.BufferedReader) -> str:
    """What tells one file from another that has its name: a moved or rewritten file has another number."""
    return str(os.fstat(stream.fileno()).st_ino)


def _is_another(stream: io.BufferedReader, path: Path) -> bool:
    """Whether another file stands under the name now, or this one was cut."""
    here = os.fstat(stream.fileno())
    try:
        there = path.stat()
    except OSError:
        return False
    return there.st_ino != here.st_ino or here.st_size < stream.tell()


def _found(gathering: Gathering, stream: io.BufferedReader) -> _File:
    """Where to go on: in the same file after what the lake has, in another one at its start."""
    standing = standing_of(gathering.city, gathering.line.name)
    mark, known = _mark_of(stream), standing.source
    place = place_of(standing, gathering.line) or ()
    generation = int(known.get("generation", 0))
    size = os.fstat(stream.fileno()).st_size
    offset = int(place[1]) if place and place[0] == generation else 0
    if known.get("mark") != mark or known.get("origin", gathering.line.origin) != gathering.line.origin or offset > size:
        generation, offset = generation + 1, 0
        keep_source(gathering.city, gathering.line.name, mark=mark, generation=generation, origin=gathering.line.origin)
    header: tuple[str, ...] = ()
    if gathering.line.source.format in ("csv", "tsv", "") and not _is_json(gathering):
        first = _first_line(gathering, stream)
        header = tuple(_cells(first.decode("utf-8-sig", "replace"), gathering))
        offset = max(offset, len(first))
    return _File(generation, mark, offset, header)


def _first_line(gathering: Gathering, stream: io.BufferedReader) -> bytes:
    """The header, once it is whole."""
    while True:
        stream.seek(0)
        first = stream.readline()
        if first.endswith(b"\n") or gathering.stopping():
            return first
        time.sleep(LOOK_SECONDS)


def _is_json(gathering: Gathering) -> bool:
    source = gathering.line.source
    return source.format in ("json", "ndjson") or source.path.endswith((".ndjson", ".jsonl", ".json"))


def _cells(text: str, gathering: Gathering) -> list[str]:
    delimiter = gathering.line.source.delimiter or ("\t" if gathering.line.source.format == "tsv" else ",")
    return next(iter(csv.reader([text.rstrip("\r\n")], delimiter=delimiter)), [])


def _take(gathering: Gathering, file: _File, writer: Writer, line: bytes) -> None:
    text = line.strip()
    if not text:
        return
    place: Place = (file.generation, file.offset + len(line) + 1)
    at = int(time.time() * 1000)
    writer.add(Change("put", dict(_values(gathering, file, text.decode("utf-8", "replace"))), place), at, len(line))


def _values(gathering: Gathering, file: _File, text: str) -> Iterator[tuple[str, object]]:
    if _is_json(gathering):
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError:
            said = None
        # What is no object fills no item: it is refused with what it said.
        yield from said.items() if isinstance(said, dict) else [("", text)]
        return
    yield from zip(file.header, (cell or None for cell in _cells(text, gathering)), strict=False)


def _too_long(gathering: Gathering, offset: int) -> BadInput:
    return BadInput(
        "live.line-size",
        Text(zh=f"从第 {offset} 字节起的一行太长", en=f"The line that begins at byte {offset} is too long"),
        Text(zh="核对文件；或提高 max_line_mb", en="Check the file, or raise max_line_mb"),
        gathering.line.source.path,
        facts={"offset": offset},
    )
