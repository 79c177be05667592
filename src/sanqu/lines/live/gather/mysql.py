"""A table of MySQL or MariaDB, as it is and with every change from then on (binlog in row format)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pymysql
from pymysql.cursors import SSCursor
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import HeartbeatLogEvent, QueryEvent, RotateEvent, XidEvent
from pymysqlreplication.row_event import DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent

from sanqu.ground.errors import BadInput, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lines.live.envelope import Change, Op
from sanqu.lines.live.gather.first_load import Loaded, load_first
from sanqu.lines.live.gather.outlet import Gathering, Writer
from sanqu.lines.live.gather.postgres import check_columns
from sanqu.lines.live.rows import Matcher, cell_text
from sanqu.lines.live.standing import is_loaded, keep_source, note_clock, place_of, set_state, standing_of
from sanqu.lines.sources.reach import without_password

FLUSH_SECONDS = 0.02
# How often the source says that it is there while nothing changes: a started message is sent then.
HEARTBEAT_SECONDS = 0.1
SILENT_SECONDS = 60
# The log no longer holds our place (1236), or never did.
LOST = (1236,)


def gather(gathering: Gathering) -> None:
    """Load the table where that was not done, then bring its changes until told to stop; runs in a thread of its own.

    Raises `BadInput` when columns no longer fit the contract, `Unavailable` while the source is away.
    """
    name = gathering.line.name
    try:
        if not is_loaded(standing_of(gathering.city, name), gathering.line):
            _load(gathering)
        _follow(gathering)
    except pymysql.Error as fault:
        if fault.args and fault.args[0] in LOST:
            keep_source(gathering.city, name, loaded=False)
            return
        raise _away(gathering, fault) from fault
    except OSError as fault:
        raise _away(gathering, fault) from fault


def _settings(url: str) -> dict[str, Any]:
    said = urlsplit(url)
    return {
        "host": said.hostname or "localhost", "port": said.port or 3306, "user": unquote(said.username or ""),
        "passwd": unquote(said.password or ""), "connect_timeout": 10, "charset": "utf8mb4",
        # A source that fell silent, without a word, is away.
        "read_timeout": SILENT_SECONDS,
    }  # fmt: skip


def _schema_and_table(gathering: Gathering) -> tuple[str, str]:
    schema, _, table = gathering.line.source.table.rpartition(".")
    return schema or urlsplit(gathering.line.source.url).path.lstrip("/"), table


def _load(gathering: Gathering) -> None:
    """Load what one consistent view shows, with the place in the log to which it belongs."""
    with _seen(gathering) as (conn, file, position), conn.cursor(SSCursor) as cursor:
        schema, table = _schema_and_table(gathering)
        cursor.execute(f"SELECT * FROM {_quoted(schema)}.{_quoted(table)}")
        names = [str(column[0]) for column in cursor.description or ()]
        prefix, number = _parted(file)
        keep_source(gathering.city, gathering.line.name, prefix=prefix, digits=len(file) - len(prefix))
        load_first(gathering, Loaded(names, _texts(cursor), (number, position, 0), uuid4().hex[:12]))
    keep_source(gathering.city, gathering.line.name, loaded=True, origin=gathering.line.origin)


@contextmanager
def _seen(gathering: Gathering) -> Iterator[tuple[Any, str, int]]:
    with closing(pymysql.connect(**_settings(gathering.line.source.url))) as conn, conn.cursor() as cursor:
        _check_log(gathering, cursor)
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if _is_mariadb(cursor):
            # MariaDB tells the place that belongs to the view, without a lock.
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            cursor.execute("SHOW STATUS LIKE 'binlog_snapshot_%'")
            said = {str(row[0]).lower(): row[1] for row in cursor.fetchall()}
            yield conn, str(said["binlog_snapshot_file"]), int(said["binlog_snapshot_position"])
            return
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        try:
            cursor.execute("SHOW BINARY LOG STATUS")
        except pymysql.ProgrammingError:
            cursor.execute("SHOW MASTER STATUS")
        row = cursor.fetchone()
        cursor.execute("UNLOCK TABLES")
        yield conn, str(row[0]), int(row[1])


def _check_log(gathering: Gathering, cursor: Any) -> None:
    """Raise `BadInput` saying what the source must be set to."""
    cursor.execute("SHOW VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image')")
    said = {str(row[0]).lower(): str(row[1]).upper() for row in cursor.fetchall()}
    for name, wanted in (("log_bin", "ON"), ("binlog_format", "ROW"), ("binlog_row_image", "FULL")):
        if said.get(name, "") not in (wanted, "1" if wanted == "ON" else wanted):
            raise BadInput(
                "live.binlog",
                Text(zh=f"来源的 {name} 是 {said.get(name)}，应为 {wanted}", en=f"{name} of the source is {said.get(name)}; it should be {wanted}"),
                Text(zh="请来源的管理员改设置并重启它", en="Ask whoever runs it to set it and restart"),
                gathering.line.name,
                facts={"setting": name},
            )


def _is_mariadb(cursor: Any) -> bool:
    cursor.execute("SELECT VERSION()")
    return "mariadb" in str(cursor.fetchone()[0]).lower()


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _parted(file: str) -> tuple[str, int]:
    """A log file as its prefix and its number, which grows."""
    prefix, _, number = file.rpartition(".")
    return prefix + ".", int(number)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if isinstance(value, set | frozenset):
        return ",".join(sorted(map(str, value)))
    return cell_text(value)


def _texts(cursor: Any) -> Iterator[Sequence[str | None]]:
    for row in cursor:
        yield [_text(value) for value in row]


class _Reader:
    """The log from where the lake stands, at the start of a transaction."""

    def __init__(self, gathering: Gathering) -> None:
        standing = standing_of(gathering.city, gathering.line.name)
        place = place_of(standing, gathering.line) or (0, 4, 0)
        said = standing.source
        file = f"{said['prefix']}{int(place[0]):0{int(said['digits'])}}"
        schema, table = _schema_and_table(gathering)
        settings = _settings(gathering.line.source.url)
        with closing(pymysql.connect(**settings)) as conn, conn.cursor() as cursor:
            mariadb = _is_mariadb(cursor)
            cursor.execute("SELECT unix_timestamp(now(6))")
            self.skew = int((float(cursor.fetchone()[0]) - time.time()) * 1000)
        self.stream = BinLogStreamReader(
            connection_settings=settings, server_id=uuid4().int % 2**31 + 1, log_file=file, log_pos=int(place[1]), resume_stream=True,
            blocking=True, only_schemas=[schema], only_tables=[table], is_mariadb=mariadb, slave_heartbeat=HEARTBEAT_SECONDS,
            only_events=[WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent, XidEvent, QueryEvent, RotateEvent, HeartbeatLogEvent],
            use_column_name_cache=True, enable_logging=False,
        )  # fmt: skip


def _follow(gathering: Gathering) -> None:
    reader, writer = _Reader(gathering), Writer(gathering)
    note_clock(gathering.city, gathering.line.name, reader.skew)
    follower = _Follower(gathering, writer, reader.skew)
    set_state(gathering.city, gathering.line.name, "flowing")
    with closing(reader.stream) as stream:
        follower.begin(stream.log_file, stream.log_pos)
        for event in stream:
            if gathering.stopping():
                break
            follower.take(event, stream)
            since = writer.waiting_since
            if since is not None and (isinstance(event, HeartbeatLogEvent) or time.monotonic() - since > FLUSH_SECONDS):
                writer.flush()
            writer.tend()
    writer.settle()


class _Follower:
    """Events of the log as changes of the line; a place is (file, start of the transaction, number in it)."""

    def __init__(self, gathering: Gathering, writer: Writer, skew: int) -> None:
        self._gathering, self._writer, self._skew = gathering, writer, skew
        self._matcher = Matcher(gathering.contract.fields, gathering.line.columns)
        self._shapes: set[tuple[str, ...]] = set()
        self._file = self._start = self._number = 0
        self._table = _schema_and_table(gathering)[1]

    def begin(self, file: str, position: int) -> None:
        """A transaction begins here."""
        self._file, self._start, self._number = _parted(file)[1], position, 0

    def take(self, event: Any, stream: Any) -> None:
        """Take one event."""
        if isinstance(event, RotateEvent):
            self.begin(event.next_binlog, event.position)
        elif isinstance(event, XidEvent):
            self.begin(stream.log_file, stream.log_pos)
        elif isinstance(event, QueryEvent):
            self._query(event, stream)
        elif not isinstance(event, HeartbeatLogEvent):
            at = int(event.timestamp * 1000) - self._skew
            for row in event.rows:
                self._row(event, row, at)

    def _query(self, event: Any, stream: Any) -> None:
        said = event.query.decode("utf-8", "replace") if isinstance(event.query, bytes) else str(event.query)
        words = said.strip().strip("`").upper().split()
        if words[:1] == ["TRUNCATE"] and self._table.upper() in said.upper().replace("`", ""):
            self._add("clear", {}, 0)
        if words[:1] != ["BEGIN"]:
            self.begin(stream.log_file, stream.log_pos)

    def _row(self, event: Any, row: Mapping[str, Any], at: int) -> None:
        if isinstance(event, DeleteRowsEvent):
            self._add("drop", self._key(row["values"]), at)
        elif isinstance(event, UpdateRowsEvent):
            before, after = self._key(row["before_values"]), self._values(row["after_values"])
            if any(before[name] != after.get(name) for name in before):
                self._add("drop", before, at)
            self._add("put", after, at)
        else:
            self._add("put", self._values(row["values"]), at)

    def _values(self, values: Mapping[str, Any]) -> dict[str, str | None]:
        shape = tuple(values)
        if shape not in self._shapes:
            check_columns(self._gathering, self._matcher, shape)
            self._shapes.add(shape)
        return {name: _text(value) for name, value in values.items()}

    def _key(self, values: Mapping[str, Any]) -> dict[str, str | None]:
        """The columns that fill the key of the dataset."""
        contract = self._gathering.contract
        keys = self._matcher.keys_of(tuple(values))
        names = {key for item, key in zip(contract.fields, keys, strict=True) if item.name in contract.primaryKey and key is not None}
        return {name: _text(values[name]) for name in names}

    def _add(self, op: Op, values: Mapping[str, Any], at: int) -> None:
        self._number += 1
        self._writer.add(Change(op, values, (self._file, self._start, self._number)), at, 60 + 20 * len(values))


def _away(gathering: Gathering, fault: Exception) -> Unavailable:
    said = str(fault.args[-1] if fault.args else fault)[:300]
    return Unavailable(
        "live.source-away",
        Text(zh=f"来源数据库不给出变更：{said}", en=f"The source gives no changes: {said}"),
        Text(
            zh="检查来源是否在运行，账号有无 REPLICATION SLAVE、REPLICATION CLIENT 与 SELECT 权限；恢复后自动继续",
            en="Check that it runs and that the account has REPLICATION SLAVE, REPLICATION CLIENT and SELECT; the line goes on by itself",
        ),
        without_password(gathering.line.source.url),
    )
