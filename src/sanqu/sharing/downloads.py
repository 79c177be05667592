"""Whole datasets as files: CSV, JSON, Parquet and XLSX, streamed so that memory does not grow with the table."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

import duckdb

from sanqu.ground.city import City
from sanqu.ground.errors import Busy
from sanqu.ground.i18n import Text
from sanqu.lake import Lake, lake_of
from sanqu.sharing.evidence import note_view, rows_left
from sanqu.sharing.rows import unreadable
from sanqu.sharing.safe import safe_cell, safe_column
from sanqu.sharing.views import View

log = logging.getLogger(__name__)

FileFormat = Literal["csv", "json", "parquet", "xlsx"]
FILE_FORMATS: tuple[FileFormat, ...] = ("csv", "json", "parquet", "xlsx")
MEDIA: dict[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
COPY_OPTIONS = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json, ARRAY true", "parquet": "FORMAT parquet, COMPRESSION zstd"}
CHUNK = 1 << 20
# How long an asker may leave a download lying before it is given up.
STALLED_SECONDS = 120.0
# What one sheet holds (ECMA-376); rows beyond it go on the next sheet.
SHEET_ROWS = 1_048_575
UTF8_MARK = b"\xef\xbb\xbf"


def select_for(city: City, view: View, snapshot: int, format_: FileFormat) -> str:
    """The SELECT behind a file: the readable items at `snapshot`."""
    contract = view.contract
    columns = (
        ", ".join(safe_column(contract, item) for item in view.items)
        if format_ == "csv"
        else ", ".join('"' + item.replace('"', '""') + '"' for item in view.items)
    )
    return f"SELECT {columns} FROM {_table_of(city, view, snapshot)}"


def _table_of(city: City, view: View, snapshot: int) -> str:
    return view.over(lake_of(city).at_snapshot(view.table, snapshot))


def enter(city: City, view: View, snapshot: int, format_: FileFormat) -> None:
    """Raise the reason why `snapshot` cannot be read, now and not inside a file; else note the download as evidence.

    The snapshot may have expired or had other items; the rows may be more than the quota of a grant leaves.
    """
    left = rows_left(city, view)
    try:
        with lake_of(city).engine() as duck:
            view.prepare(duck)
            # That the items are there at `snapshot` is seen without reading them; the count comes from what the lake knows.
            duck.execute(f"{select_for(city, view, snapshot, format_)} LIMIT 0")
            counted = duck.execute(f"SELECT count(*) FROM {_table_of(city, view, snapshot)}").fetchone()
    except duckdb.Error as fault:
        raise unreadable(view.table, snapshot, fault) from fault
    rows = int(counted[0]) if counted else 0
    if left is not None and rows > left:
        raise Busy(
            "sharing.quota",
            Text(
                zh=f"文件有 {rows} 行，授权今天还可读 {left} 行",
                en=f"The file has {rows} rows; the grant leaves {left} for today",
            ),
            Text(zh="用行接口分页读取，或申请更大的额度", en="Read it by pages, or apply for a larger quota"),
            view.dataset.name,
        )
    note_view(city, view, via=f"file.{format_}", items=view.items, rows=rows, query=f"snapshot {snapshot}")


async def stream_copy(city: City, view: View, snapshot: int, format_: FileFormat) -> AsyncIterator[bytes]:
    """The bytes of a CSV, JSON or Parquet file as the engine writes them, through a pipe.

    An asker who hangs up, or takes nothing for `STALLED_SECONDS`, closes the pipe, which stops the engine: a download
    holds a thread and a connection to the database. A CSV starts with the UTF-8 mark, so that
    spreadsheets read Chinese.
    """
    statement = select_for(city, view, snapshot, format_)
    reading, writing = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        # A larger pipe means fewer turns between writer and reader (Linux only).
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, CHUNK)
    faults: list[BaseException] = []
    writer = threading.Thread(
        target=_copy_into, args=(lake_of(city), view, statement, format_, writing, faults), name="sanqu-download", daemon=True
    )
    writer.start()
    loop = asyncio.get_running_loop()
    ahead = _ReadAhead(reading, loop)
    try:
        if format_ == "csv":
            yield UTF8_MARK
        while chunk := await ahead.next():
            stalled = loop.call_later(STALLED_SECONDS, ahead.close)
            yield chunk
            stalled.cancel()
        if faults:
            # The answer has begun; breaking it off is the only honest sign that it is not whole.
            raise faults[0]
    finally:
        ahead.close()


class _ReadAhead:
    """Reads a pipe a little ahead of whoever is sent its bytes, in a thread of its own.

    The engine stands still while it cannot write; what it writes in small pieces is put together, as each costs a turn of
    the event loop. The thread alone closes its end: a number that is closed is given out again, and a read that began
    late would take bytes of someone else's download.
    """

    CHUNKS = 6

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number, self._loop = number, loop
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(self.CHUNKS)
        self._closed = False
        threading.Thread(target=self._read, name="sanqu-download-ahead", daemon=True).start()

    async def next(self) -> bytes:
        """The next bytes, empty at the end; raises `BrokenPipeError` once closed."""
        chunk = await self._chunks.get()
        if self._closed:
            raise BrokenPipeError("the download was given up")
        return chunk

    def close(self) -> None:
        """Give the download up, on the loop; the engine meets a broken pipe at its next write."""
        self._closed = True
        # A thread that waits for room goes on, and sees.
        while not self._chunks.empty():
            self._chunks.get_nowait()

    def _read(self) -> None:
        try:
            while not self._closed and (chunk := self._fill()):
                self._put(chunk)
        finally:
            os.close(self._number)
            self._put(b"")

    def _fill(self) -> bytes:
        pieces, size = [], 0
        while size < CHUNK and not self._closed and (piece := os.read(self._number, CHUNK - size)):
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    def _put(self, chunk: bytes) -> None:
        # When the city stops, its loop goes away under us: then nobody waits for bytes any more.
        with suppress(RuntimeError, TimeoutError):
            asyncio.run_coroutine_threadsafe(self._chunks.put(chunk), self._loop).result(2 * STALLED_SECONDS)


def _copy_into(lake: Lake, view: View, statement: str, format_: str, writing: int, faults: list[BaseException]) -> None:
    try:
        with lake.engine() as duck:
            view.prepare(duck)
            duck.execute("SET preserve_insertion_order = true")
            duck.execute(f"COPY ({statement}) TO '/dev/fd/{writing}' ({COPY_OPTIONS[format_]})")
    except duckdb.Error as fault:
        if "Broken pipe" not in str(fault):
            log.warning("download broke off: %s", fault)
            faults.append(fault)
    finally:
        os.close(writing)


def write_xlsx(city: City, view: View, snapshot: int) -> BinaryIO:
    """A workbook, written row by row into a file that has no name any more: it goes when it is closed, read or not."""

    folder = city.settings.home.resolve() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".xlsx", dir=folder)
    os.close(handle)
    try:
        _fill_workbook(city, view, snapshot, Path(name))
        return Path(name).open("rb")
    finally:
        Path(name).unlink()


def _fill_workbook(city: City, view: View, snapshot: int, file: Path) -> None:
    import xlsxwriter

    contract = view.contract
    options = {
        "constant_memory": True, "default_date_format": "yyyy-mm-dd", "tmpdir": str(file.parent), "nan_inf_to_errors": True,
        # Text stays text: nothing in a cell is computed or linked.
        "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
    }  # fmt: skip
    with xlsxwriter.Workbook(str(file), options) as book:
        titles = list(view.items)
        sheet, line = None, 0
        for row in _rows(city, view, select_for(city, view, snapshot, "xlsx")):
            if sheet is None or line > SHEET_ROWS:
                sheet = book.add_worksheet(contract.name[:24] if sheet is None else None)
                sheet.write_row(0, 0, titles)
                line = 1
            sheet.write_row(line, 0, [safe_cell(value) for value in row])
            line += 1
        if sheet is None:
            book.add_worksheet(contract.name[:24]).write_row(0, 0, titles)


def _rows(city: City, view: View, statement: str) -> Iterator[tuple[object, ...]]:
    with lake_of(city).engine() as duck:
        view.prepare(duck)
        answered = duck.execute(statement)
        while batch := answered.fetchmany(4096):
            yield from batch


async def stream_file(file: BinaryIO) -> AsyncIterator[bytes]:
    """The bytes of an open file, which is closed when they are sent or the asker hangs up."""
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
