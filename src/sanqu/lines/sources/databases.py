"""SQL databases as sources: a table or a query, streamed in batches, continued by a cursor column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sanqu.ground.errors import BadInput, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lines.sources import tables
from sanqu.lines.sources.reach import Fence, without_password
from sanqu.lines.sources.units import Opening, Reading, Unit

FETCH = 10_000
PREFIXES = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}


def engine_url(url: str) -> str:
    """`url` with the driver we carry, where it names none."""
    scheme, rest = url.split("://", 1) if "://" in url else ("", url)
    return f"{PREFIXES.get(scheme, scheme)}://{rest}"


def _within(fence: Fence | None, url: str) -> sa.URL:
    """`url` for the driver; within a fence with the address that was judged, so that the name is not looked up again.

    Raises `Refused` for an address that is shut, `Unavailable` for a name that leads nowhere.
    """
    named = sa.engine.make_url(engine_url(url))
    if fence is None:
        return named
    postgres = named.get_backend_name() == "postgresql"
    try:
        address = fence.addresses(named.host or "", named.port or (5432 if postgres else 3306))[0]
    except OSError as fault:
        raise Unavailable(
            "lines.no-host",
            Text(zh=f"找不到主机 {named.host}", en=f"There is no host {named.host}"),
            Text(zh="核对 source.url 里的主机名", en="Check the host in source.url"),
            without_password(url),
        ) from fault
    # PostgreSQL checks a certificate against the name and speaks to the address.
    return named.update_query_dict({"hostaddr": address}) if postgres else named.set(host=address)


def units(opening: Opening) -> Iterator[Unit]:
    """Without a cursor one unit holds all; with one, batches in its order, each of them a position to go on from."""
    source = opening.line.source
    try:
        engine = sa.create_engine(_within(opening.fence, source.url), poolclass=sa.NullPool)
        with engine.connect().execution_options(stream_results=True, max_row_buffer=FETCH) as conn:
            result = conn.execute(_statement(conn, opening))
            columns = tuple(str(name) for name in result.keys())  # noqa: SIM118  (a result is no mapping)
            rows: Iterator[Sequence[Any]] = (row for part in result.partitions(FETCH) for row in part)
            if opening.line.cursor:
                yield from _batches(opening, columns, rows)
            else:
                yield _unit(opening, source.table or "query", columns, rows, None)
    except (sa.exc.SQLAlchemyError, ImportError) as fault:
        said = str(getattr(fault, "orig", None) or fault)[:400]
        kind = Unavailable if isinstance(fault, sa.exc.OperationalError | sa.exc.InterfaceError) else BadInput
        raise kind(
            "lines.database",
            Text(zh=f"来源数据库没有给出数据：{said}", en=f"The source database did not give the rows: {said}"),
            Text(
                zh="核对 source.url、表名与查询，以及账号的读取权限",
                en="Check source.url, the table or query, and the right to read",
            ),
            without_password(source.url),
        ) from fault


def _statement(conn: sa.Connection, opening: Opening) -> sa.sql.expression.Executable:
    source, cursor = opening.line.source, opening.line.cursor
    since = opening.since.get("cursor")
    if source.table:
        schema, _, name = source.table.rpartition(".")
        origin: Any = sa.Table(name, sa.MetaData(), schema=schema or None, autoload_with=conn)
    else:
        # A colon before a word would be taken for a parameter.
        body = re.sub(r"(?<!:):(?=\w)", r"\\:", source.query.rstrip().rstrip(";"))
        if not cursor:
            return sa.text(body)
        names = list(conn.execute(sa.text(f"SELECT * FROM ({body}) AS given WHERE 1 = 0")).keys())
        origin = sa.text(body).columns(*(sa.column(str(name)) for name in names)).subquery("given")
    query = sa.select(origin)
    if cursor:
        if cursor not in origin.c:
            raise BadInput(
                "lines.no-cursor",
                Text(zh=f"来源没有游标列“{cursor}”", en=f"The source has no cursor column “{cursor}”"),
                Text(zh=f"有：{'、'.join(map(str, origin.c.keys()))}", en=f"There are: {', '.join(map(str, origin.c.keys()))}"),
                opening.line.name,
            )
        column = origin.c[cursor]
        if since is not None:
            # With keys, rows that share the last value are read again (and change nothing); without, they would double.
            value: Any = sa.literal(since)
            if not isinstance(column.type, sa.types.NullType):
                value = _typed(conn, since, column.type)
            query = query.where(column >= value if opening.line.mode == "upsert" else column > value)
        query = query.where(column.is_not(None)).order_by(column)
    return query


def _typed(conn: sa.Connection, since: Any, kind: sa.types.TypeEngine[Any]) -> Any:
    """`since` (text) as a value of the cursor column: numbers by Python, times by the database's own cast."""
    with suppress(ValueError, NotImplementedError):
        if kind.python_type is int:
            return sa.literal(int(str(since)), kind)
        if issubclass(kind.python_type, datetime):
            return sa.literal(datetime.fromisoformat(str(since)), kind)
        if kind.python_type is date:
            return sa.literal(date.fromisoformat(str(since)), kind)
        if kind.python_type is str:
            return sa.literal(str(since))
    return sa.cast(sa.literal(str(since)), kind)


def _batches(opening: Opening, columns: tuple[str, ...], rows: Iterator[Sequence[Any]]) -> Iterator[Unit]:
    """Units of about `batch` rows, never parting rows that share a cursor value."""
    at = columns.index(opening.line.cursor)
    batch: list[Sequence[Any]] = []
    for row in rows:
        if len(batch) >= opening.line.source.batch and row[at] != batch[-1][at]:
            yield _unit(opening, _batch_name(opening, batch[0][at]), columns, iter(batch), batch[-1][at])
            batch = []
        batch.append(row)
    if batch:
        yield _unit(opening, _batch_name(opening, batch[0][at]), columns, iter(batch), batch[-1][at])


def _batch_name(opening: Opening, first: Any) -> str:
    return f"{opening.line.source.table or 'query'} {opening.line.cursor} ≥ {tables.cell_text(first)}"


def _unit(opening: Opening, name: str, columns: tuple[str, ...], rows: Iterator[Sequence[Any]], last: Any) -> Unit:
    digest = sha1(repr(columns).encode(), usedforsecurity=False)
    spool = opening.folder / f"rows-{sha1(name.encode(), usedforsecurity=False).hexdigest()[:12]}.parquet"

    def told() -> Iterator[list[str | None]]:
        for row in rows:
            said = [tables.cell_text(cell) for cell in row]
            digest.update(repr(said).encode("utf-8", "surrogatepass"))
            yield said

    count = tables.write_texts(spool, columns, told())
    return Unit(
        name=name,
        fingerprint=f"rows:{count}:{digest.hexdigest()}",
        open=partial(_open, opening, spool, columns),
        weight=max(1, count),
        position={} if last is None else {"cursor": tables.cell_text(last)},
    )


@contextmanager
def _open(opening: Opening, spool: Path, columns: tuple[str, ...]) -> Iterator[Reading]:
    reading = tables.open_parquet(opening.duck, spool)
    yield Reading(**{**reading.__dict__, "columns": columns})
    spool.unlink(missing_ok=True)
