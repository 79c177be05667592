"""A table of PostgreSQL, as it is and with every change from then on (logical replication, pgoutput)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

from sanqu.ground.errors import BadInput, SanquError
from sanqu.ground.i18n import Text
from sanqu.lines.live.envelope import Change, Place
from sanqu.lines.live.gather.first_load import Loaded, load_first
from sanqu.lines.live.gather.outlet import Gathering, Writer
from sanqu.lines.live.gather.pgoutput import UNCHANGED, Begin, Commit, Reader, Relation, RowChange, Truncate
from sanqu.lines.live.gather.replication import Replication, SlotLost, source_away
from sanqu.lines.live.rows import Matcher
from sanqu.lines.live.standing import keep_source, note_clock, place_of, set_state, standing_of
from sanqu.lines.records import Line
from sanqu.lines.sources.reach import without_password

log = logging.getLogger(__name__)

# A started message waits no longer than this for more changes.
FLUSH_SECONDS = 0.02
KEPT_SECONDS = 0.5
FETCH = 5_000
THERE = "SELECT c.relreplident, c.relkind FROM pg_class c WHERE c.oid = %s::regclass"
PUBLISHED = "SELECT 1 FROM pg_publication WHERE pubname = %s"
SLOT = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s"
DROP_TRIES = 30
CLOCK = "SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms"


def gather(gathering: Gathering) -> None:
    """Load the table where that was not done, then bring its changes until told to stop; runs in a thread of its own.

    Raises `BadInput` when columns no longer fit the contract, `Unavailable` while the source is away.
    """
    line = gathering.line
    try:
        standing = standing_of(gathering.city, line.name)
        # What belongs to another source was left there, and is taken away by whoever keeps order.
        said = standing.source if standing.source.get("origin", line.origin) == line.origin else {}
        publication = said.get("publication") or f"sanqu_{uuid4().hex[:12]}"
        slot = said.get("slot") or ""
        if not said.get("loaded"):
            slot = _load(gathering, publication, slot)
        _follow(gathering, slot, publication)
    except SlotLost as fault:
        # The source threw away what we had not seen: what it holds now is loaded in one piece.
        log.warning("live %s: loaded anew, the source lost our place: %s", line.name, fault)
        keep_source(gathering.city, line.name, loaded=False)
    except (psycopg.Error, OSError) as fault:
        raise source_away(str(fault), without_password(line.source.url)) from fault


def _load(gathering: Gathering, publication: str, old_slot: str) -> str:
    """Make a slot and load what its snapshot shows, in one piece: no change lies between them, none in both."""
    line = gathering.line
    url = _libpq(line.source.url)
    with psycopg.connect(url, autocommit=True) as conn:
        _publish(conn, gathering, publication)
        if old_slot:
            _drop_slot(conn, old_slot)
    slot = f"sanqu_{uuid4().hex[:12]}"
    keep_source(gathering.city, line.name, slot=slot, publication=publication, loaded=False, origin=line.origin)
    with closing(Replication(url, without_password(line.source.url))) as replication:
        start, snapshot = replication.make_slot(slot)
        with _seen(url, snapshot) as conn, conn.cursor("sanqu_load") as cursor:
            cursor.itersize = FETCH
            cursor.execute(sql.SQL("SELECT * FROM {}").format(_table(line.source.table)))
            names = [column.name for column in cursor.description or ()]
            load_first(gathering, Loaded(names, _texts(cursor), (start, 0), slot))
    keep_source(gathering.city, line.name, loaded=True, origin=line.origin)
    return slot


def _drop_slot(conn: psycopg.Connection[Any], slot: str) -> None:
    """Take a slot of ours away; a process that died without a word may still seem to stream from it."""
    for _ in range(DROP_TRIES):
        row = conn.execute(SLOT, (slot,)).fetchone()
        if row is None:
            return
        if row[0] is None:
            with suppress(psycopg.errors.ObjectInUse):
                conn.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
                return
        conn.execute("SELECT pg_terminate_backend(%s)", (row[0],))
        time.sleep(0.1)
    raise psycopg.errors.ObjectInUse(f"replication slot {slot} is in use")


def leave(line: Line, said: Mapping[str, Any]) -> None:
    """Take away what the line left at its source, where it would keep the log from being forgotten; raises `psycopg.Error`."""
    with psycopg.connect(_libpq(line.source.url), autocommit=True, connect_timeout=10) as conn:
        if said.get("slot"):
            _drop_slot(conn, str(said["slot"]))
        if said.get("publication"):
            conn.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(str(said["publication"]))))


@contextmanager
def _seen(url: str, snapshot: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url) as conn:
        conn.adapters.register_loader("text", _Bare)
        for name in ("bool", "int2", "int4", "int8", "float4", "float8", "numeric", "date", "time", "timetz", "timestamp", "timestamptz",
                     "interval", "json", "jsonb", "uuid", "bytea", "inet", "cidr"):  # fmt: skip
            conn.adapters.register_loader(name, _Bare)
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        yield conn


class _Bare(psycopg.adapt.Loader):
    """Values as PostgreSQL writes them: the same text that replication gives."""

    def load(self, data: Any) -> str:
        return bytes(data).decode()


def _texts(cursor: psycopg.Cursor[Any]) -> Iterator[list[str | None]]:
    for row in cursor:
        yield [None if value is None else str(value) for value in row]


def _publish(conn: psycopg.Connection[Any], gathering: Gathering, publication: str) -> None:
    table, name = gathering.line.source.table, gathering.line.name
    try:
        row = conn.execute(THERE, (table,)).fetchone()
    except psycopg.errors.UndefinedTable as fault:
        raise BadInput(
            "live.no-table",
            Text(zh=f"来源没有表 {table}", en=f"The source has no table {table}"),
            Text(zh="核对 source.table，必要时带上模式名", en="Check source.table; with its schema where it needs one"),
            name,
        ) from fault
    identity, kind = (bytes(x).decode() if isinstance(x, bytes) else str(x) for x in row or ("", ""))
    if kind not in ("r", "p"):
        raise BadInput(
            "live.no-table",
            Text(zh=f"{table} 不是表，没有变更日志", en=f"{table} is no table and has no log of changes"),
            Text(zh="换一张表，或用批量专线读视图", en="Name a table, or read the view with a batch line"),
            name,
        )
    if identity == "n":
        raise BadInput(
            "live.no-identity",
            Text(zh=f"{table} 的 REPLICA IDENTITY 为 NOTHING，改删看不出是哪一行", en=f"{table} has REPLICA IDENTITY NOTHING: no change says which row"),
            Text(zh="在来源执行 ALTER TABLE … REPLICA IDENTITY DEFAULT", en="At the source: ALTER TABLE … REPLICA IDENTITY DEFAULT"),
            name,
        )
    if conn.execute(PUBLISHED, (publication,)).fetchone() is None:
        conn.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(sql.Identifier(publication), _table(table)))


def _table(said: str) -> sql.Identifier:
    return sql.Identifier(*said.split(".", 1))


def _libpq(url: str) -> str:
    """The address without the name of SQLAlchemy's driver."""
    scheme, _, rest = url.partition("://")
    return f"{scheme.split('+')[0].replace('postgres', 'postgresql') if scheme.startswith('postgres:') else scheme.split('+')[0]}://{rest}"


class _Kept:
    """Up to where changes are in the lake: only that far may the source forget."""

    def __init__(self, gathering: Gathering, follower: _Follower) -> None:
        self._gathering, self._follower = gathering, follower
        self._looked = 0.0
        self._place: Place = (0, 0)

    def __call__(self, end: int) -> int:
        """The place up to which all is safe; `end` is how far the source has read its log (0: not said).

        While nothing of this table is on its way, what others wrote until `end` need not be kept for us: the log of a busy
        database would pile up at the source behind a table in which nothing happens.
        """
        place = self._look()
        return max(place[0], end) if self._follower.is_between() and self._follower.last <= place else place[0]

    def _look(self) -> Place:
        if time.monotonic() - self._looked > KEPT_SECONDS:
            self._looked = time.monotonic()
            # While our own database is away the source keeps what it has for us.
            with suppress(psycopg.Error, SanquError):
                line = self._gathering.line
                self._place = max(self._place, place_of(standing_of(self._gathering.city, line.name), line) or (0, 0))
        return self._place


def _follow(gathering: Gathering, slot: str, publication: str) -> None:
    line = gathering.line
    writer = Writer(gathering)
    skew = _clock_skew(line.source.url)
    note_clock(gathering.city, line.name, skew)
    follower = _Follower(gathering, writer, skew)
    set_state(gathering.city, line.name, "flowing")
    with closing(Replication(_libpq(line.source.url), without_password(line.source.url))) as replication:
        for payload in replication.stream(slot, publication, _Kept(gathering, follower), lambda: not gathering.stopping()):
            if payload is not None:
                follower.take(payload)
            since = writer.waiting_since
            if since is not None and (payload is None or time.monotonic() - since > FLUSH_SECONDS):
                writer.flush()
            writer.tend()
    writer.settle()


def _clock_skew(url: str) -> int:
    """How far the source's clock is ahead of ours, in ms."""
    with psycopg.connect(_libpq(url), autocommit=True) as conn:
        before = time.time()
        row = conn.execute(CLOCK).fetchone()
        return int(float(row[0]) - (before + time.time()) / 2 * 1000) if row else 0


class _Follower:
    """Messages of replication as changes of the line."""

    def __init__(self, gathering: Gathering, writer: Writer, skew: int) -> None:
        self._gathering, self._writer, self._skew = gathering, writer, skew
        self._reader = Reader()
        self._matcher = Matcher(gathering.contract.fields, gathering.line.columns)
        self._commit = self._at = self._number = 0
        self._inside = False
        # The place of the last change that was taken.
        self.last: Place = (0, 0)

    def is_between(self) -> bool:
        """Whether no transaction of the source is on its way."""
        return not self._inside

    def take(self, payload: bytes) -> None:
        """Take one message."""
        message = self._reader.read(payload)
        if isinstance(message, RowChange):
            self._row(message, len(payload))
        elif isinstance(message, Begin):
            self._commit, self._at, self._number, self._inside = message.commit, message.at - self._skew, 0, True
        elif isinstance(message, Relation):
            self._check_columns(message)
        elif isinstance(message, Truncate):
            self._add("clear", {}, 20)
        elif isinstance(message, Commit):
            self._inside = False

    def _row(self, change: RowChange, size: int) -> None:
        if change.kind == "delete":
            self._add("drop", change.before or {}, size)
            return
        after = change.after or {}
        keys = self._reader.relations[change.relation].keys
        if change.before is not None and any(change.before.get(key) != after.get(key) for key in keys):
            self._add("drop", change.before, size)
        given = {name: value for name, value in after.items() if value is not UNCHANGED}
        self._add("part" if len(given) < len(after) else "put", given, size)

    def _add(self, op: Any, values: Any, size: int) -> None:
        self._number += 1
        self.last = (self._commit, self._number)
        self._writer.add(Change(op, values, self.last), self._at, size)

    def _check_columns(self, relation: Relation) -> None:
        """Raise `BadInput` when an item that must be there is filled by no column any more."""
        check_columns(self._gathering, self._matcher, relation.columns)


def check_columns(gathering: Gathering, matcher: Matcher, columns: tuple[str, ...]) -> None:
    """Raise `BadInput` naming the item that must be given and that no column of the source fills."""
    contract = gathering.contract
    keys = matcher.keys_of(columns)
    for item, key in zip(contract.fields, keys, strict=True):
        if key is None and (item.constraints.required or item.name in contract.primaryKey):
            raise BadInput(
                "live.columns",
                Text(
                    zh=f"来源的表结构变了：没有列填 {item.name}；现有列：{', '.join(columns)}",
                    en=f"The source's table has changed: no column fills {item.name}; its columns: {', '.join(columns)}",
                ),
                Text(
                    zh="在专线的 columns 里重新对应，或改契约；改好后从停下的地方继续",
                    en="Match it in columns of the line, or change the contract; the line goes on where it stopped",
                ),
                gathering.line.name,
                facts={"columns": list(columns), "item": item.name},
            )
