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
from typing import Literal

import duckdb

from sanqu.ground.city import City
from sanqu.lake import Lake, lake_of
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
# What one sheet holds (ECMA-376); rows beyond it go on the next sheet.
SHEET_ROWS = 1_048_575
UTF8_MARK = b"\xef\xbb\xbf"


def select_for(city: City, view: View, snapshot: int, format_: FileFormat) -> str:
    """The SELECT behind a file: the readable items at `snapshot`."""
    contract = view.opened.contract
    table = lake_of(city).at_snapshot(contract.name, snapshot)
    columns = (
        ", ".join(safe_column(contract, item) for item in view.opened.items)
        if format_ == "csv"
        else ", ".join('"' + item.replace('"', '""') + '"' for item in view.opened.items)
    )
    return f"SELECT {columns} FROM {table}"


async def stream_copy(city: City, view: View, snapshot: int, format_: FileFormat) -> AsyncIterator[bytes]:
    """The bytes of a CSV, JSON or Parquet file as the engine writes them, through a pipe.

    An asker who hangs up closes the pipe, which stops the engine. A CSV starts with the UTF-8 mark, so that
    spreadsheets read Chinese.
    """
    statement = select_for(city, view, snapshot, format_)
    reading, writing = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        # A larger pipe means fewer turns between writer and reader (Linux only).
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, CHUNK)
    faults: list[BaseException] = []
    writer = threading.Thread(
        target=_copy_into, args=(lake_of(city), statement, format_, writing, faults), name="sanqu-download", daemon=True
    )
    writer.start()
    try:
        if format_ == "csv":
            yield UTF8_MARK
        while chunk := await asyncio.to_thread(os.read, reading, CHUNK):
            yield chunk
        if faults:
            # The answer has begun; breaking it off is the only honest sign that it is not whole.
            raise faults[0]
    finally:
        os.close(reading)


def _copy_into(lake: Lake, statement: str, format_: str, writing: int, faults: list[BaseException]) -> None:
    try:
        with lake.engine() as duck:
            duck.execute("SET preserve_insertion_order = true")
            duck.execute(f"COPY ({statement}) TO '/dev/fd/{writing}' ({COPY_OPTIONS[format_]})")
    except duckdb.Error as fault:
        if "Broken pipe" not in str(fault):
            log.warning("download broke off: %s", fault)
            faults.append(fault)
    finally:
        os.close(writing)


def write_xlsx(city: City, view: View, snapshot: int) -> Path:
    """A workbook in a temporary file, written row by row; the caller removes it."""
    import xlsxwriter

    contract = view.opened.contract
    folder = city.settings.home.resolve() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".xlsx", dir=folder)
    os.close(handle)
    options = {
        "constant_memory": True, "default_date_format": "yyyy-mm-dd", "tmpdir": str(folder), "nan_inf_to_errors": True,
        # Text stays text: nothing in a cell is computed or linked.
        "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
    }  # fmt: skip
    with xlsxwriter.Workbook(name, options) as book:
        titles = list(view.opened.items)
        sheet, line = None, 0
        for row in _rows(city, select_for(city, view, snapshot, "xlsx")):
            if sheet is None or line > SHEET_ROWS:
                sheet = book.add_worksheet(contract.name[:24] if sheet is None else None)
                sheet.write_row(0, 0, titles)
                line = 1
            sheet.write_row(line, 0, [safe_cell(value) for value in row])
            line += 1
        if sheet is None:
            book.add_worksheet(contract.name[:24]).write_row(0, 0, titles)
    return Path(name)


def _rows(city: City, statement: str) -> Iterator[tuple[object, ...]]:
    with lake_of(city).engine() as duck:
        answered = duck.execute(statement)
        while batch := answered.fetchmany(4096):
            yield from batch


async def stream_file(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a temporary file, which goes when they are sent or the asker hangs up."""
    try:
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
    finally:
        path.unlink(missing_ok=True)
