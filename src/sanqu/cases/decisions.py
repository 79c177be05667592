"""Decision tables deployed on their own (决策表): a step that names one takes the newest, so that a table may learn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sanqu.cases.dmn import Table, read_decisions
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
NEWEST = "SELECT name, version, title, dmn, actor, created FROM case_decision WHERE name = %s ORDER BY version DESC LIMIT 1"
ADD = "INSERT INTO case_decision (name, version, title, dmn, actor, created) VALUES (%s, %s, %s, %s, %s, %s)"
HAS = "SELECT 1 FROM case_decision WHERE name = %s"
# How many tables are kept as they were read; a text that is the same is the same table.
MOST_READ = 64
LIST = """
SELECT DISTINCT ON (name) name, version, title, dmn, actor, created FROM case_decision ORDER BY name, version DESC
"""


@dataclass(frozen=True)
class Deployed:
    """One version of a decision table."""

    name: str
    version: int
    title: str
    dmn: str
    actor: str
    created: datetime

    @property
    def table(self) -> Table:
        """The table in the file."""
        return _read(self.dmn, self.name)


def declare_decision(city: City, name: str, dmn: str, actor: Asker, *, conn: Connection | None = None) -> Deployed:
    """Keep the decision `name` of a DMN file as its newest version; the same file again changes nothing.

    Raises `Refused` unless `actor` is an administrator, `BadInput` for a file that does not fit or holds no such decision.
    """
    if not actor.is_admin:
        raise Refused(
            "cases.declare",
            Text(zh="只有管理员可以发布决策表", en="Only an administrator may declare a decision table"),
            Text(zh="请管理员发布", en="Ask an administrator to do it"),
            name[:80],
        )
    tables = read_decisions(dmn, name)
    if NAME.fullmatch(name) is None or name not in tables:
        raise BadInput(
            "cases.table",
            Text(zh=f"文件里没有决策 {name[:60]}", en=f"The file holds no decision {name[:60]}"),
            Text(zh=f"它有：{'、'.join(tables)}", en=f"It holds: {', '.join(tables)}"),
            name[:80],
        )
    if conn is not None:
        return _keep(conn, tables[name], dmn, actor)
    with city.db.connection() as own:
        return _keep(own, tables[name], dmn, actor)


def _keep(conn: Connection, table: Table, dmn: str, actor: Asker) -> Deployed:
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"case_decision:{table.id}",))
    row = conn.execute(NEWEST, (table.id,)).fetchone()
    if row is not None and row["dmn"] == dmn:
        return _deployed(row)
    found = Deployed(table.id, int(row["version"]) + 1 if row else 1, table.title, dmn, actor.label, now())
    conn.execute(ADD, (found.name, found.version, found.title, found.dmn, found.actor, found.created))
    append(conn, kind="cases.decision", actor=actor.label, subject=f"decision:{found.name}", facts={"version": found.version})
    return found


def has_decision(conn: Connection, name: str) -> bool:
    """Whether a decision table of that name is deployed."""
    return conn.execute(HAS, (name,)).fetchone() is not None


def newest_decision(conn: Connection, name: str) -> Deployed:
    """The newest version of a decision table; raises `NotFound`."""
    row = conn.execute(NEWEST, (name,)).fetchone()
    if row is None:
        raise not_found(Text(zh="决策表", en="decision table"), name)
    return _deployed(row)


def newest_table(conn: Connection, name: str) -> Table:
    """The newest version of a decision table, read; raises `NotFound`."""
    return newest_decision(conn, name).table


def find_table(conn: Connection, name: str) -> Table | None:
    """The newest version of a decision table, read, where one is deployed."""
    row = conn.execute(NEWEST, (name,)).fetchone()
    return _deployed(row).table if row is not None else None


@lru_cache(MOST_READ)
def _read(dmn: str, name: str) -> Table:
    return read_decisions(dmn, name)[name]


def list_decisions(city: City) -> list[Deployed]:
    """The newest version of every decision table."""
    return [_deployed(row) for row in city.db.all(LIST)]


def _deployed(row: dict[str, Any]) -> Deployed:
    return Deployed(str(row["name"]), int(row["version"]), str(row["title"]), str(row["dmn"]), str(row["actor"]), row["created"])
