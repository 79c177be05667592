"""One's own data brought into a room: a CSV becomes a table that only queries of that room can name."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of, quote_ident
from sanqu.lake.writes import retried
from sanqu.sandbox.records import Room, Upload, upload_of_row

LIST = "SELECT room, name, lake_table, columns, rows, person, created FROM sandbox_upload WHERE room = %s ORDER BY name"
ADD = """
INSERT INTO sandbox_upload (room, name, lake_table, columns, rows, person) VALUES (%s, %s, %s, %s, %s, %s)
RETURNING room, name, lake_table, columns, rows, person, created
"""
DROP = "DELETE FROM sandbox_upload WHERE room = %s AND name = %s RETURNING lake_table"
# In a query an upload is called so, and no dataset: whoever reads the query sees what is whose.
PREFIX = "my_"
NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")
LARGEST, MOST_ROWS, MOST_COLUMNS, MOST_UPLOADS = 20 * 1024 * 1024, 500_000, 200, 20
# What DuckDB's reader finds in a CSV, as the lake's types; all else stays text.
TYPES = {"BIGINT": "BIGINT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP"}


def uploads_of(city: City, room: Room) -> list[Upload]:
    """What was brought into a room."""
    return [upload_of_row(row) for row in city.db.all(LIST, (room.id,))]


def table_in_lake(upload: Upload) -> str:
    """The upload's table, as SQL."""
    return f"lake.main.{quote_ident(upload.lake_table)}"


def add_upload(city: City, asker: Asker, room: Room, name: str, csv: bytes) -> Upload:
    """Keep a CSV (UTF-8, a header line) as `my_<name>`; raises `BadInput` for what is no such file, `Conflict` for a name in use."""
    name = name.strip().lower().removeprefix(PREFIX)
    if not NAME.fullmatch(name):
        raise _bad("名称只用小写字母、数字、_，最长 40", "a name has lower-case letters, digits and _, at most 40", name)
    there = uploads_of(city, room)
    if len(csv) > LARGEST or len(there) >= MOST_UPLOADS:
        raise _bad("文件最大 20 MB，一个房间最多 20 份", "a file has at most 20 MB, a room at most 20 files", name)
    if name in {one.name for one in there}:
        raise Conflict(
            "sandbox.upload-there",
            Text(zh="这个名称已有一份", en="There is one of this name"),
            Text(zh="先删去它，或换一个名称", en="Delete it first, or choose another name"),
            name,
        )
    # No dataset can be called so: its name has no slash.
    table = f"room/{room.id}/{name}"
    columns, rows = _write(city, table, csv, name)
    given = (room.id, name, table, Jsonb(columns), rows, asker.user_id)
    with city.db.connection() as conn:
        row = conn.execute(ADD, given).fetchone()
        facts = {"name": name, "rows": rows}
        append(conn, kind="sandbox.upload", actor=asker.label, subject=f"room:{room.id}", facts=facts)
    assert row is not None
    return upload_of_row(row)


def _write(city: City, table: str, csv: bytes, name: str) -> tuple[list[tuple[str, str]], int]:
    try:
        csv.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise _bad("不是 UTF-8 文本", "it is not UTF-8 text", name) from fault
    folder = city.settings.home / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".csv") as file, lake_of(city).engine() as duck:
        file.write(csv)
        file.flush()
        try:
            reader = duck.read_csv(str(Path(file.name)), header=True)
            duck.execute(f"CREATE OR REPLACE TEMP TABLE brought AS SELECT * FROM reader LIMIT {MOST_ROWS + 1}")
        except Exception as fault:
            if not type(fault).__module__.endswith("duckdb"):
                raise
            raise _bad("不是带表头的 CSV", "it is no CSV with a header line", name) from fault
        found = reader.description
        columns = _columns([str(one[0]) for one in found], [str(one) for one in reader.types], name)
        rows = int((duck.execute("SELECT count(*) FROM brought").fetchone() or (0,))[0])
        if rows > MOST_ROWS:
            raise _bad(f"最多 {MOST_ROWS} 行", f"at most {MOST_ROWS} rows", name)
        casts = ", ".join(
            f"CAST({quote_ident(str(old[0]))} AS {type_}) AS {quote_ident(new)}"
            for old, (new, type_) in zip(found, columns, strict=True)
        )
        target = f"lake.main.{quote_ident(table)}"

        def make() -> None:
            duck.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT {casts} FROM brought")

        retried(table, make)
    return columns, rows


def _columns(names: Iterable[str], types: Iterable[str], thing: str) -> list[tuple[str, str]]:
    columns = [(name.strip().lower(), TYPES.get(type_, "VARCHAR")) for name, type_ in zip(names, types, strict=True)]
    given = [name for name, _ in columns]
    if not given or len(given) > MOST_COLUMNS or len(set(given)) < len(given):
        raise _bad("表头为空、重名或列太多", "the header is empty, names a column twice or has too many", thing)
    for name in given:
        if not name or len(name) > 100 or '"' in name or "\0" in name or name.startswith("_sanqu"):
            raise _bad(f"列名“{name[:40]}”不可用", f"the column “{name[:40]}” cannot be named so", thing)
    return columns


def drop_upload(city: City, asker: Asker, room: Room, name: str) -> None:
    """Take an upload out of the room; raises `NotFound`."""
    with city.db.connection() as conn:
        row = conn.execute(DROP, (room.id, name.removeprefix(PREFIX))).fetchone()
        if row is None:
            raise not_found(Text(zh="上传的数据", en="upload"), name)
        append(conn, kind="sandbox.upload-gone", actor=asker.label, subject=f"room:{room.id}", facts={"name": name})
        with lake_of(city).engine() as duck:
            retried(name, lambda: duck.execute(f"DROP TABLE IF EXISTS lake.main.{quote_ident(row['lake_table'])}"))


def _bad(zh: str, en: str, thing: str) -> BadInput:
    return BadInput(
        "sandbox.upload",
        Text(zh=f"这份数据收不下：{zh}", en=f"This data cannot be taken in: {en}"),
        Text(zh="改正后再上传", en="Mend it and upload again"),
        thing,
    )
