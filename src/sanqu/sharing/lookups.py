"""Answers many lookups at once: keys that arrive while the database is answering go to it together, in one question."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from sanqu.ground.city import City
from sanqu.sharing.interfaces import being_made
from sanqu.sharing.mirror import mirror_table
from sanqu.sharing.views import View

MOST_AT_ONCE = 500


def select_many(view: View) -> sql.Composed:
    """The statement that finds an array of keys: each key and its row as JSON, written by the database."""
    key = sql.Identifier(view.law.contract.primaryKey[0])
    shown = sql.SQL(", ").join(map(sql.Identifier, view.items))
    row = sql.SQL("(SELECT row_to_json(shown)::text FROM (SELECT {}) shown)").format(shown)
    return sql.SQL("SELECT {}, {} FROM {} WHERE {} = ANY(%s)").format(key, row, mirror_table(view.dataset.name), key)


class Lookups:
    """The lookups of one event loop; for views that show the copy as it lies, by keys of one item."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._conn: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._waiting: dict[tuple[str, int, tuple[str, ...]], dict[Any, list[asyncio.Future[bytes | None]]]] = defaultdict(dict)
        self._views: dict[tuple[str, int, tuple[str, ...]], View] = {}
        self._busy = False
        self._task: asyncio.Task[None] | None = None

    async def row(self, view: View, key: Any) -> bytes | None:
        """The row of `key` as JSON, or None; raises `Unavailable` while the copy is being made."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes | None] = loop.create_future()
        kind = (view.dataset.name, view.version, view.items)
        self._views[kind] = view
        self._waiting[kind].setdefault(key, []).append(waiting)
        if not self._busy:
            self._busy = True
            self._task = loop.create_task(self._work())
        return await waiting

    async def _work(self) -> None:
        try:
            while self._waiting:
                kind, keys = self._waiting.popitem()
                rest = dict(list(keys.items())[MOST_AT_ONCE:])
                if rest:
                    self._waiting[kind] = rest
                    keys = {key: keys[key] for key in list(keys)[:MOST_AT_ONCE]}
                await self._answer(self._views[kind], keys)
        finally:
            self._busy = False
            if len(self._views) > 1000:
                self._views.clear()

    async def _answer(self, view: View, keys: dict[Any, list[asyncio.Future[bytes | None]]]) -> None:
        try:
            found = await self._ask(view, list(keys))
        except Exception as fault:
            told = being_made(view.dataset.name) if isinstance(fault, psycopg.errors.UndefinedTable) else fault
            for one in (one for waiting in keys.values() for one in waiting if not one.done()):
                one.set_exception(told)
            return
        for key, waiting in keys.items():
            for one in waiting:
                if not one.done():
                    one.set_result(found.get(key))

    async def _ask(self, view: View, keys: list[Any]) -> dict[Any, bytes]:
        conn = await self._connected()
        try:
            async with conn.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(select_many(view), (keys,), prepare=True)
                return {key: text.encode() for key, text in await cursor.fetchall()}
        except psycopg.OperationalError:
            with contextlib.suppress(psycopg.Error):
                await conn.close()
            self._conn = None
            raise

    async def _connected(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        if self._conn is None or self._conn.closed:
            self._conn = await psycopg.AsyncConnection.connect(self._city.db.url, autocommit=True)
        return self._conn

    async def aclose(self) -> None:
        """Give the connection back."""
        if self._conn is not None:
            await self._conn.close()
            self._conn = None


def lookups_of(city: City) -> Lookups:
    """The lookups of this process's event loop."""
    return city.part(Lookups, Lookups)
