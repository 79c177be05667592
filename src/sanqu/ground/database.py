"""PostgreSQL as the rooms see it: short connections from a pool, rows as dicts, one transaction a `with`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text

Connection = psycopg.Connection[DictRow]


class Database:
    """A pool of connections to the city's PostgreSQL.

    `url` is a libpq URL. Connections are made when first needed, so a `Database` costs nothing until used.
    """

    def __init__(self, url: str, most: int = 12) -> None:
        self.url = url
        self._most = most
        self._pool: ConnectionPool[Connection] | None = None
        self._opening = threading.Lock()

    def _opened(self) -> ConnectionPool[Connection]:
        with self._opening:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self.url,
                    min_size=0,
                    max_size=self._most,
                    kwargs={"row_factory": dict_row},
                    connection_class=psycopg.Connection[DictRow],
                    timeout=20,
                    max_idle=60,
                    open=True,
                    # A pooled connection may have died with its server; a dead one is never handed out.
                    check=ConnectionPool.check_connection,
                )
            return self._pool

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the `with`, rolled back when it raises.

        Raises `Unavailable` when PostgreSQL does not answer.
        """
        try:
            with self._opened().connection() as conn:
                yield conn
        except PoolTimeout as fault:
            raise Unavailable(
                "database.away",
                Text(zh="数据库没有响应", en="The database does not answer"),
                Text(zh="检查 PostgreSQL 是否在运行，磁盘是否已满", en="Check that PostgreSQL runs and the disk is not full"),
            ) from fault

    @contextmanager
    def own_connection(self, *, autocommit: bool = True) -> Iterator[Connection]:
        """A connection outside the pool, for locks held long and for LISTEN."""
        with psycopg.connect(self.url, row_factory=dict_row, autocommit=autocommit) as conn:
            yield conn

    def one(self, query: str, params: tuple[Any, ...] | dict[str, Any] = ()) -> dict[str, Any] | None:
        """The first row of `query`, or None."""
        with self.connection() as conn:
            return conn.execute(query, params).fetchone()

    def all(self, query: str, params: tuple[Any, ...] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """Every row of `query`."""
        with self.connection() as conn:
            return conn.execute(query, params).fetchall()

    def close(self) -> None:
        """Give every connection back."""
        with self._opening:
            if self._pool is not None:
                self._pool.close()
                self._pool = None
