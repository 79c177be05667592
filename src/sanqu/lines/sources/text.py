"""Text as it comes from offices: finds its encoding and delimiter, and repairs what would mislead the reader."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lines.sources.units import Reject

CHUNK = 4 << 20
SAMPLE = 1 << 20
DELIMITERS = (",", "\t", ";", "|")
# More undecodable bytes than this share of the non-ASCII ones: it is another encoding, not a broken byte.
BROKEN_SHARE = 0.05
KEPT_OF_LONG_LINE = 2000
# A quoted value may run over this many lines; a longer one is a quote that nobody closed.
QUOTED_LINES = 1000


def find_encoding(head: bytes) -> str:
    """The encoding of a text that begins with `head`: utf-8-sig, utf-8, gb18030 (which reads GBK and GB 2312), utf-16.

    Raises `BadInput` when none fits.
    """
    for mark, name in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            return name
    if len(head) >= 4:
        for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
            if head[offset::2].count(0) > 0.3 * len(head) / 2 and head[1 - offset :: 2].count(0) < 0.05 * len(head) / 2:
                return name
    if head.isascii():
        return "utf-8"
    loud = len(head) - sum(map(len, re.findall(rb"[\x00-\x7f]+", head)))
    if _broken(head, "utf-8") <= BROKEN_SHARE * loud:
        return "utf-8"
    if _broken(head, "gb18030") <= BROKEN_SHARE * loud:
        return "gb18030"
    # Nothing fits, but hardly anything is broken: the few lines go to quarantine.
    if loud <= BROKEN_SHARE * len(head):
        return "utf-8"
    raise BadInput(
        "lines.encoding",
        Text(zh="认不出文件的编码", en="The encoding of the file was not recognised"),
        Text(zh="在专线的 source.encoding 里写明，如 big5", en="Name it in source.encoding of the line, such as big5"),
    )


def _broken(head: bytes, encoding: str) -> int:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    # The last character may be cut in two by the end of the sample: not final.
    return decoder.decode(head).count("\ufffd")


def encoding_of(file: Path) -> str:
    """The encoding of `file`, judged where it first is not plain ASCII."""
    with file.open("rb") as stream:
        first = chunk = stream.read(SAMPLE)
        while chunk and chunk.isascii() and b"\0" not in chunk:
            chunk = stream.read(SAMPLE)
        try:
            return find_encoding(first if not first.isascii() or not chunk else chunk.lstrip(bytes(range(0x80, 0xC0))))
        except BadInput as fault:
            raise BadInput(fault.code, fault.what, fault.todo, file.name) from fault


def transcode(file: Path, encoding: str, into: Path) -> bool:
    """Write `file` as UTF-8 to `into`, a chunk at a time; returns whether some bytes did not decode (U+FFFD stands there)."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    except LookupError as fault:
        raise BadInput(
            "lines.encoding",
            Text(zh=f"没有叫 {encoding} 的编码", en=f"There is no encoding called {encoding}"),
            Text(zh="改 source.encoding，或去掉它以自动识别", en="Change source.encoding, or leave it out to have it found"),
            file.name,
        ) from fault
    replaced = False
    with file.open("rb") as source, into.open("w", encoding="utf-8", newline="") as target:
        while chunk := source.read(CHUNK):
            text = decoder.decode(chunk)
            replaced = replaced or "\ufffd" in text
            target.write(text)
        text = decoder.decode(b"", final=True)
        replaced = replaced or "\ufffd" in text
        target.write(text)
    return replaced


def fingerprint_of(file: Path, *, whole: bool) -> str:
    """What changes when the content does: a digest of all bytes, or (`whole` false) of size, times and both ends."""
    digest = hashlib.sha1(usedforsecurity=False)
    seen = file.stat()
    with file.open("rb") as stream:
        if whole:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
            return f"sha1:{digest.hexdigest()}"
        digest.update(stream.read(1 << 16))
        stream.seek(max(0, seen.st_size - (1 << 16)))
        digest.update(stream.read())
    return f"stat:{seen.st_size}:{seen.st_mtime_ns}:{seen.st_ctime_ns}:{digest.hexdigest()}"


@dataclass(frozen=True)
class Scan:
    """What one pass over the bytes of a UTF-8 text tells about how it must be read."""

    size: int
    quotes: bool
    controls: bool
    lone_cr: bool
    wide_spaces: bool
    spaces: bool
    underscores: bool
    too_long: bool


CONTROL_BYTES = bytes([*range(9), 11, 12, *range(14, 32), 127])
NOT_CONTROL = bytes(sorted(set(range(256)) - set(CONTROL_BYTES)))
# Spaces other than the ASCII one, each by its first byte, which is quick to look for.
WIDE_SPACES = ((b"\t", b"\t"), (b"\xc2", b"\xc2\xa0"), (b"\xe3", b"\xe3\x80\x80"), (b"\xef", b"\xef\xbb\xbf"))


def scan(file: Path, longest: int) -> Scan:
    """Look once over `file` (UTF-8) for what decides how it must be read; `longest` is the longest line allowed, in bytes."""
    size = since_newline = 0
    quotes = controls = lone_cr = wide = spaces = underscores = too_long = False
    last = b""
    with file.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            quotes = quotes or b'"' in chunk
            controls = controls or bool(chunk.translate(None, NOT_CONTROL))
            if b"\r" in chunk or last == b"\r":
                joined = last + chunk if last == b"\r" else chunk
                complete = joined[:-1] if joined.endswith(b"\r") else joined
                lone_cr = lone_cr or complete.count(b"\r") != complete.count(b"\r\n")
            spaces = spaces or b" " in chunk
            underscores = underscores or b"_" in chunk
            wide = wide or any(first in chunk and whole in chunk for first, whole in WIDE_SPACES)
            first, final = chunk.find(b"\n"), chunk.rfind(b"\n")
            since_newline += len(chunk) if first < 0 else first
            too_long = too_long or since_newline > longest or (longest < CHUNK and _long_inside(chunk, longest))
            since_newline = since_newline if first < 0 else len(chunk) - final - 1
            last = chunk[-1:]
    return Scan(size, quotes, controls, lone_cr or last == b"\r", wide, spaces, underscores, too_long or since_newline > longest)


def count_lines(file: Path) -> int:
    """How many lines `file` has, whatever they hold."""
    lines, last = 0, b"\n"
    with file.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return lines + (last != b"\n")


def has_blank_lines(file: Path) -> bool:
    """Whether a line of `file` is empty."""
    last = b""
    with file.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            edge = last + chunk[:2]
            if b"\n\n" in chunk or b"\n\n" in edge or (b"\r" in chunk and b"\n\r\n" in last + chunk):
                return True
            last = chunk[-2:]
    return False


def _long_inside(chunk: bytes, longest: int) -> bool:
    return any(len(line) > longest for line in chunk.split(b"\n"))


def sniff_delimiter(head: str) -> str:
    """The delimiter of a text: the one that parts most lines of `head` into the same number of columns, more than one."""
    lines = [line for line in _outside_quotes(head).splitlines() if line.strip()][:200]
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count, default=0)
        if counts and counts[0] > 0:
            usual = counts[0] if counts.count(counts[0]) * 2 >= len(counts) else usual
        if usual:
            score = (counts.count(usual) / len(counts), usual)
            best, best_score = (delimiter, score) if score > best_score else (best, best_score)
    return best


def _outside_quotes(text: str) -> str:
    return re.sub(r'"(?:[^"]|"")*"', '""', text)


def first_record(file: Path, delimiter: str, limit: int) -> list[str]:
    """The cells of the first line that is not blank; raises `BadInput` for an empty file."""
    with file.open("r", encoding="utf-8-sig", errors="replace", newline="") as stream:
        head = stream.read(min(limit, SAMPLE))
    for record in csv.reader(io.StringIO(head), delimiter=delimiter):
        if any(cell.strip() for cell in record):
            return record
    raise BadInput(
        "lines.empty",
        Text(zh="文件是空的", en="The file is empty"),
        Text(zh="核对来源；表头也没有就无法对应数据项", en="Check the source; without a heading no column can be matched"),
        file.name,
    )


@dataclass
class Repaired:
    """A text made fit for the reader: how many records it holds, the line each began on, and the lines left out."""

    records: int = 0
    lines: array[int] = field(default_factory=lambda: array("L"))
    rejects: list[Reject] = field(default_factory=list)


def repair(file: Path, into: Path, delimiter: str, longest: int) -> Repaired:
    """Copy `file` line by line, leaving out over-long lines and quotes that nobody closes (told as rejects with their line)."""
    done = Repaired()
    sound = _sound_record(delimiter)
    with file.open("rb") as source, into.open("wb") as target:
        waiting: list[tuple[int, bytes]] = []
        lines = read_lines(source, longest, done.rejects, file.name)
        while True:
            number, line = waiting.pop(0) if waiting else next(lines, (0, b""))
            if not number:
                break
            record, taken = line, 1
            if line.count(b'"') % 2:
                ahead = [(number, line)]
                while record.count(b'"') % 2 and taken < QUOTED_LINES and len(record) < longest:
                    following = waiting[taken - 1] if taken - 1 < len(waiting) else next(lines, None)
                    if following is None:
                        break
                    if taken - 1 >= len(waiting):
                        waiting.append(following)
                    ahead.append(following)
                    record, taken = record + b"\n" + following[1], taken + 1
                if record.count(b'"') % 2 or not sound.fullmatch(record):
                    text = line.decode("utf-8", "replace")
                    done.rejects.append(Reject({"line": number}, text, "quotes", f"{file.name}:{number}"))
                    continue
                del waiting[: taken - 1]
            if not record.strip():
                continue
            target.write(record + b"\n")
            done.lines.append(number)
            done.records += 1
    return done


def _sound_record(delimiter: str) -> re.Pattern[bytes]:
    d = re.escape(delimiter.encode())
    cell = rb'\s*"(?:[^"]|"")*"\s*|[^"' + d + rb"\n][^" + d + rb"\n]*|"
    return re.compile(rb"(?:" + cell + rb")(?:" + d + rb"(?:" + cell + rb"))*")


def read_lines(source: IO[bytes], longest: int, rejects: list[Reject], name: str) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; over-long ones are told in `rejects`, and a bare carriage return ends a line."""
    number = 0
    while line := source.readline(longest + 2):
        number += 1
        if len(line) > longest and not line.endswith(b"\n"):
            size = len(line)
            while line and not line.endswith(b"\n"):
                line_end = source.readline(CHUNK)
                size += len(line_end)
                line = line[:KEPT_OF_LONG_LINE] if line_end and not line_end.endswith(b"\n") else line
                if not line_end or line_end.endswith(b"\n"):
                    break
            kept = line[:KEPT_OF_LONG_LINE].decode("utf-8", "replace")
            rejects.append(Reject({"line": number}, kept + "…", "line-size", f"{size:,} bytes > {longest:,}"))
            continue
        body = line.rstrip(b"\r\n")
        if number == 1:
            body = body.removeprefix(codecs.BOM_UTF8)
        # A carriage return alone ended lines on old machines, and misleads the reader inside others.
        for part in body.split(b"\r"):
            yield number, part
