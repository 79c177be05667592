"""Whole datasets as files: CSV, JSON, Parquet and XLSX, streamed so that memory does not grow with the table."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
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
    end = _ReadingEnd(reading)
    loop = asyncio.get_running_loop()
    try:
        if format_ == "csv":
            yield UTF8_MARK
        while chunk := await asyncio.to_thread(end.read):
            stalled = loop.call_later(STALLED_SECONDS, end.close)
            yield chunk
            stalled.cancel()
        if faults:
            # The answer has begun; breaking it off is the only honest sign that it is not whole.
            raise faults[0]
    finally:
        end.close()


class _ReadingEnd:
    """The reading end of a pipe, which any thread may close while another reads from it.

    The number of a closed file is given out again: a read that began late would take bytes of someone else's download.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._reading = self._closed = False

    def read(self) -> bytes:
        """The next bytes, empty at the end; raises `BrokenPipeError` once closed.

        What the engine writes in small pieces is put together: each costs a turn of the event loop.
        """
        with self._lock:
            if self._closed:
                raise BrokenPipeError("the download was given up")
            self._reading = True
        try:
            return self._fill()
        finally:
            with self._lock:
                self._reading = False
                if self._closed:
                    os.close(self._number)

    def _fill(self) -> bytes:
        pieces, size = [], 0
        while size < CHUNK and not self._closed and (piece := os.read(self._number, CHUNK - size)):
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Close the pipe, now or as soon as the read that is under way returns."""
        with self._lock:
            if not self._closed:
                self._closed = True
                if not self._reading:
                    os.close(self._number)


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
