"""Opens files of rows: CSV, Excel, JSON, Parquet, each as text columns the engine reads."""

from __future__ import annotations

import csv
import itertools
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lines.checks import Texture, literal
from sanqu.lines.records import Source
from sanqu.lines.sources import text as texts
from sanqu.lines.sources.units import Opening, Reading, Reject

LARGE = 32 << 20
_numbers = itertools.count(1)

FORMATS = {
    ".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".tab": "tsv", ".xlsx": "excel", ".xls": "excel", ".xlsm": "excel",
    ".xlsb": "excel", ".ods": "excel", ".et": "excel", ".json": "json", ".geojson": "json", ".ndjson": "ndjson",
    ".jsonl": "ndjson", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
RULE_OF_REJECT = {
    "MISSING COLUMNS": "columns", "TOO MANY COLUMNS": "columns", "UNQUOTED VALUE": "quotes",
    "LINE SIZE OVER MAXIMUM": "line-size", "INVALID ENCODING": "encoding", "INVALID STATE": "quotes",
}  # fmt: skip


def format_of(file: Path, source: Source) -> str:
    """The format of `file`: as the line says, else by its first bytes, else by its name."""
    if source.format:
        return source.format
    with file.open("rb") as stream:
        head = stream.read(8)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "excel"
    by_name = FORMATS.get(file.suffix.lower())
    if by_name in ("excel", "parquet"):
        raise _unreadable(file, "它不是这种格式的文件", "it is not a file of that kind")
    if by_name:
        return by_name
    return "json" if head.lstrip()[:1] in (b"{", b"[") else "csv"


@contextmanager
def open_file(opening: Opening, file: Path, source: Source) -> Iterator[Reading]:
    """The rows of `file`; raises `BadInput` naming what cannot be read."""
    kind = format_of(file, source)
    if kind in ("csv", "tsv"):
        yield open_csv(opening, file, source, "\t" if kind == "tsv" else source.delimiter)
    elif kind == "excel":
        yield open_excel(opening, file, source)
    elif kind == "parquet":
        yield open_parquet(opening.duck, file)
    elif kind == "ndjson":
        yield open_ndjson(opening, file, source)
    else:
        spool = opening.folder / f"json-{next(_numbers)}.ndjson"
        spool_document(file, source.records, source.encoding, spool)
        yield open_ndjson(opening, spool, source)


def open_csv(opening: Opening, file: Path, source: Source, delimiter: str) -> Reading:
    """A CSV or TSV in any usual encoding; what the reader would lose without a word is found and told here."""
    longest = opening.city.settings.max_line_mb << 20
    encoding = source.encoding or texts.encoding_of(file)
    replaced, clean = False, file
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "utf-8-sig", "ascii"):
        clean = opening.folder / f"utf8-{next(_numbers)}.csv"
        replaced = texts.transcode(file, encoding, clean)
    seen = texts.scan(clean, longest)
    with clean.open("r", encoding="utf-8-sig", errors="replace", newline="") as stream:
        delimiter = delimiter or texts.sniff_delimiter(stream.read(1 << 16))
    fixed: texts.Repaired | None = None
    if seen.lone_cr or seen.too_long or (seen.quotes and _odd_quotes(opening.duck, clean, longest)):
        target = opening.folder / f"repaired-{next(_numbers)}.csv"
        fixed = texts.repair(clean, target, delimiter, longest)
        clean = target
    header = texts.first_record(clean, delimiter, longest)
    columns = tuple(header) if source.header else tuple(str(i + 1) for i in range(len(header)))
    number = next(_numbers)
    typed = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(columns)))
    options = (
        f"header={'true' if source.header else 'false'}, auto_detect=false, delim={literal(delimiter)}, quote='\"', escape='\"', "
        f"max_line_size={longest}, columns={{{typed}}}"
    )
    path = literal(str(clean))
    head = 1 if source.header else 0
    every_line: list[bool] = []
    blank = cache(lambda: not every_line and texts.has_blank_lines(clean))

    def records(read: int) -> int | None:
        if fixed:
            return fixed.records - head + len(fixed.rejects)
        there = texts.count_lines(clean) - head
        if there == read:
            # Each line was a row: so none is blank, and that need not be looked for.
            every_line.append(True)
        return None if blank() or replaced else there

    found: list[int] = []

    def rejects() -> list[Reject]:
        told = list(fixed.rejects) if fixed else []
        for line, raw, kind, message in _told(opening.duck, number):
            found.append(line)
            rule = RULE_OF_REJECT.get(kind, "unreadable")
            told.append(Reject(place_of_line(line), raw, rule, message))
        found.sort()
        return told

    def place_of_line(line: int) -> dict[str, Any]:
        if fixed and 0 < line <= len(fixed.lines):
            return {"line": fixed.lines[line - 1]}
        return {"record": line} if blank() else {"line": line}

    def place(n: int) -> dict[str, Any]:
        return place_of_line(_among(found, n + head))

    return Reading(
        columns=columns,
        rows=f"SELECT * FROM read_csv({path}, {options}, store_rejects=true, rejects_limit=0, "
        f"rejects_table='rejects_{number}', rejects_scan='rejects_scan_{number}')",
        strict=f"SELECT * FROM read_csv({path}, {options})",
        texture=Texture(
            wide_spaces=seen.wide_spaces,
            spaces=seen.spaces,
            underscores=seen.underscores,
            controls=seen.controls,
            replaced=replaced,
        ),
        place=place,
        rejects=rejects,
        records=records,
        # What was left out before the reader came is told on the way through the stage only.
        large=seen.size > LARGE and not (fixed and fixed.rejects),
        split=lambda raw: next(csv.reader([raw], delimiter=delimiter), []),
    )


def _among(left_out: Sequence[int], n: int) -> int:
    """The place of the `n`-th of those that are there, when the places `left_out` (in order) stand between them."""
    place, before = n, -1
    while (passed := bisect_right(left_out, place)) != before:
        place, before = n + passed, passed
    return place


ODD_QUOTES = """
SELECT bool_or((strlen(l) - strlen(replace(l, '"', ''))) % 2 = 1)
FROM read_csv({path}, header=false, auto_detect=false, delim='\x01', quote='', escape='', columns={{'l': 'VARCHAR'}},
              ignore_errors=true, max_line_size={longest}) WHERE contains(l, '"')
"""


def _odd_quotes(duck: duckdb.DuckDBPyConnection, file: Path, longest: int) -> bool:
    row = duck.execute(ODD_QUOTES.format(path=literal(str(file)), longest=longest)).fetchone()
    return bool(row and row[0])


def _told(duck: duckdb.DuckDBPyConnection, number: int) -> list[tuple[int, str, str, str]]:
    query = (
        f"SELECT line, any_value(csv_line), first(error_type ORDER BY column_idx), first(error_message ORDER BY column_idx) "
        f"FROM rejects_{number} GROUP BY line, byte_position IS NULL, line_byte_position ORDER BY line"
    )
    return [(int(line), str(raw or ""), str(kind), str(said)) for line, raw, kind, said in duck.execute(query).fetchall()]


def open_parquet(duck: duckdb.DuckDBPyConnection, file: Path, place: Callable[[int], dict[str, Any]] | None = None) -> Reading:
    """A Parquet file; nested columns become JSON text."""
    path = literal(str(file))
    try:
        described = duck.execute(f"DESCRIBE SELECT * FROM read_parquet({path})").fetchall()
    except duckdb.Error as fault:
        # Below the first line stands the engine's own query.
        said = str(fault).splitlines()[0]
        raise _unreadable(file, said, said) from fault
    columns = tuple(str(row[0]) for row in described)
    nested = ("STRUCT", "MAP", "UNION")
    texted = ", ".join(
        (f"CAST(to_json({_ident(name)}) AS VARCHAR)" if str(row[1]).startswith(nested) or str(row[1]).endswith("]")
         else f"CAST({_ident(name)} AS VARCHAR)") + f" AS c{index}"
        for index, (name, row) in enumerate(zip(columns, described, strict=True))
    )  # fmt: skip
    rows = duck.execute(f"SELECT count(*) FROM read_parquet({path})").fetchone()
    return Reading(
        columns=columns,
        rows=f"SELECT {texted} FROM read_parquet({path})",
        strict=f"SELECT {texted} FROM read_parquet({path})",
        texture=Texture(),
        place=place or (lambda n: {"row": n}),
        records=lambda _read: int(rows[0]) if rows else None,
        large=file.stat().st_size > LARGE,
    )


def open_ndjson(opening: Opening, file: Path, source: Source) -> Reading:
    """One JSON object a line; lines that are none are told as rejects."""
    longest = opening.city.settings.max_line_mb << 20
    encoding = source.encoding or texts.encoding_of(file)
    replaced = False
    if encoding.lower() not in ("utf-8", "utf8", "ascii"):
        clean = opening.folder / f"utf8-{next(_numbers)}.ndjson"
        replaced = texts.transcode(file, encoding, clean)
        file = clean
    seen = texts.scan(file, longest)
    long_lines: list[Reject] = []
    if seen.too_long or seen.lone_cr:
        target = opening.folder / f"repaired-{next(_numbers)}.ndjson"
        with file.open("rb") as lines, target.open("wb") as out:
            # A blank line keeps the place of one that was left out.
            at = 0
            for number, line in texts.read_lines(lines, longest, long_lines, file.name):
                out.write(b"\n" * (number - at - 1) + line + b"\n")
                at = number
        file = target
    lines_sql = (
        f"SELECT row_number() OVER () AS _n, trim(l) AS l FROM read_csv({literal(str(file))}, header=false, auto_detect=false, "
        f"delim='\x01', quote='', escape='', columns={{'l': 'VARCHAR'}}, ignore_errors=true, max_line_size={longest})"
    )
    sound = "CASE WHEN json_valid(l) THEN json_type(l) END = 'OBJECT'"
    keys = opening.duck.execute(
        f"SELECT k FROM (SELECT unnest(json_keys(l)) AS k, _n FROM ({lines_sql}) WHERE {sound}) GROUP BY k ORDER BY min(_n), k"
    ).fetchall()
    columns = tuple(str(row[0]) for row in keys)
    picked = ", ".join(f"json_extract_string(l, {literal(_pointer(key))}) AS c{index}" for index, key in enumerate(columns))
    bad_sql = f"SELECT _n, l FROM ({lines_sql}) WHERE l IS NOT NULL AND l <> '' AND NOT coalesce({sound}, false) ORDER BY _n"
    left_out = f"SELECT _n FROM ({lines_sql}) WHERE NOT coalesce({sound}, false) ORDER BY _n"
    gaps = cache(lambda: [int(row[0]) for row in opening.duck.execute(left_out).fetchall()])
    rows = f"SELECT {picked} FROM ({lines_sql}) WHERE {sound}" if picked else "SELECT 1 WHERE false"

    def rejects() -> list[Reject]:
        bad = opening.duck.execute(bad_sql).fetchall()
        return [*long_lines, *(Reject({"line": int(n)}, str(line), "json") for n, line in bad)]

    return Reading(
        columns=columns,
        rows=rows,
        strict=rows,
        texture=Texture(replaced=replaced),
        place=lambda n: {"line": _among(gaps(), n)},
        rejects=rejects,
    )


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def spool_document(file: Path, records: str, encoding: str, into: Path) -> int:
    """Write the list at `records` of a JSON document as one object a line; returns how many."""
    try:
        body = json.loads(file.read_text(encoding or texts.encoding_of(file)))
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise _unreadable(file, f"JSON 在此中断或不合语法：{fault}", f"the JSON breaks off or is wrong here: {fault}") from fault
    return spool_objects(find_records(body, records, file.name), into)


def find_records(body: Any, path: str, thing: str) -> list[Any]:
    """The list of rows in a JSON `body`: at `path` (`data.items`), else the body itself, else the one list in it.

    A GeoJSON collection gives the properties of its features with `geometry` beside them.
    """
    found = body
    for part in path.split(".") if path else ():
        found = found.get(part) if isinstance(found, dict) else None
    if not path and isinstance(body, dict):
        if body.get("type") == "FeatureCollection":
            features = [one for one in body.get("features", []) if isinstance(one, dict)]
            return [{**(one.get("properties") or {}), "geometry": one.get("geometry")} for one in features]
        lists = [value for value in body.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else [body] if not lists else None
    if not isinstance(found, list):
        raise BadInput(
            "lines.no-records",
            Text(zh=f"在“{path or '顶层'}”找不到记录的列表", en=f"There is no list of records at “{path or 'the top'}”"),
            Text(zh="在 source.records 里写明它的路径，如 data.items", en="Say its path in source.records, such as data.items"),
            thing,
        )
    return found


def spool_objects(objects: Iterable[Any], into: Path) -> int:
    """Write JSON values one a line; returns how many."""
    count = 0
    with into.open("a", encoding="utf-8") as out:
        for one in objects:
            out.write(json.dumps(one, ensure_ascii=False) + "\n")
            count += 1
    return count


def open_excel(opening: Opening, file: Path, source: Source) -> Reading:
    """A sheet of a workbook: the one the line names, else the first; its first filled row is the heading."""
    import python_calamine as calamine

    try:
        with calamine.load_workbook(str(file)) as book:
            names = book.sheet_names
            wanted = source.sheet or (names[0] if names else "")
            if wanted not in names:
                raise BadInput(
                    "lines.no-sheet",
                    Text(zh=f"工作簿里没有工作表“{wanted}”", en=f"The workbook has no sheet “{wanted}”"),
                    Text(zh=f"有：{'、'.join(names)}", en=f"There are: {', '.join(names)}"),
                    file.name,
                )
            rows = book.get_sheet_by_name(wanted).to_python(skip_empty_area=False)
    except (calamine.CalamineError, OSError) as fault:
        raise _unreadable(file, f"不是完整的工作簿（{fault}）", f"it is no whole workbook ({fault})") from fault
    filled = [(number, row) for number, row in enumerate(rows, 1) if any(cell not in ("", None) for cell in row)]
    if not filled:
        raise BadInput(
            "lines.empty", Text(zh="工作表是空的", en="The sheet is empty"), Text(zh="核对来源", en="Check the source"), file.name
        )
    heading = (
        [cell_text(cell) or "" for cell in filled[0][1]] if source.header else [str(i + 1) for i in range(len(filled[0][1]))]
    )
    body = filled[1:] if source.header else filled
    spool = opening.folder / f"sheet-{next(_numbers)}.parquet"
    write_texts(spool, heading, ([cell_text(cell) for cell in row] for _, row in body))
    numbers = [number for number, _ in body]
    reading = open_parquet(opening.duck, spool, lambda n: {"sheet": wanted, "row": numbers[n - 1]})
    return Reading(**{**reading.__dict__, "columns": tuple(heading)})


def cell_text(cell: Any) -> str | None:
    """A value of a sheet or a database as the text its reader would write."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell).hex()
    if isinstance(cell, dict | list | tuple):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)


def write_texts(into: Path, columns: Sequence[str], rows: Iterable[Sequence[str | None]], batch: int = 20_000) -> int:
    """Write rows of text as Parquet, a batch at a time; returns how many."""
    schema = pa.schema([(f"c{index}", pa.string()) for index in range(len(columns))])
    count = 0
    with pq.ParquetWriter(into, schema) as writer:
        iterator = iter(rows)
        while chunk := list(itertools.islice(iterator, batch)):
            arrays = [pa.array([row[i] if i < len(row) else None for row in chunk], pa.string()) for i in range(len(columns))]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(chunk)
    return count


def _ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unreadable(file: Path, zh: str, en: str) -> BadInput:
    return BadInput(
        "lines.unreadable",
        Text(zh=f"文件读不出来：{zh[:300]}", en=f"The file cannot be read: {en[:300]}"),
        Text(zh="请来源单位重新给出完整的文件", en="Ask the source for the whole file again"),
        file.name,
    )


csv.field_size_limit(1 << 30)
