"""The change feed of a dataset (变更订阅) as one reader may see it: what came, what changed, what went, behind the same law as every read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import orjson

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of, quote_ident
from sanqu.lake.engine import sql_text
from sanqu.sharing.evidence import note_view, rows_left
from sanqu.sharing.rows import unreadable
from sanqu.sharing.views import View, view_of

# With more changed rows at once, a reader reads the dataset again: that is quicker for both.
MOST_CHANGES = 50_000

CHANGED = """
CREATE OR REPLACE TEMP TABLE _sanqu_feed AS
SELECT *, change_type IN ('insert', 'update_postimage') AS _after,
    {last} AS _last
FROM lake.table_changes({name}, {first}, {last_snapshot})
QUALIFY {within} <= {until}
"""
# Within one snapshot what was put in comes after what was taken out.
LAST = """row_number() OVER (PARTITION BY {key} ORDER BY snapshot_id DESC, change_type IN ('insert', 'update_postimage') DESC) = 1"""
# What changed first at or before a snapshot is told as it stands at the end; rows without a key stand for themselves.
WITHIN = "min(snapshot_id) OVER (PARTITION BY {key})"


@dataclass(frozen=True)
class Changed:
    """One row as it is now (`put`), or the key of one that is no more, or no more to be seen (`drop`)."""

    op: Literal["put", "drop"]
    row: dict[str, Any]


@dataclass(frozen=True)
class Feed:
    """What changed after snapshot `after` up to `snapshot`; `reload` says that it is too much to be told row by row."""

    dataset: str
    after: int
    snapshot: int
    changes: tuple[Changed, ...] = ()
    reload: bool = False

    def as_json(self) -> bytes:
        """The feed as it goes over the wire."""
        told = [{"op": one.op, "row": one.row} for one in self.changes]
        said = {"dataset": self.dataset, "after": self.after, "snapshot": self.snapshot, "reload": self.reload, "changes": told}
        return orjson.dumps(said, default=str)


def read_feed(
    city: City, asker: Asker, dataset: str, after: int | None, *, purpose: str = "", items: Iterable[str] = (), upto: int = 0,
    until: int | None = None, most: int = MOST_CHANGES, via: str = "feed",
) -> Feed:  # fmt: skip
    """What the asker may see of the changes after snapshot `after` (None: from now on); of each key, how it stands at the end.

    `upto` is a snapshot that is known to be there already. With `until`, only what had changed by that snapshot is told,
    as it stands now. More rows than `most` are not told one by one. Raises `NotFound`, `Refused`, and `BadInput` (410) where
    `after` is older than what the lake still tells.
    """
    wanted = tuple(items)
    view = view_of(city, asker, dataset, purpose, wanted)
    chosen = _chosen(view, wanted)
    end = max(view.snapshot, upto)
    if after is None or after >= end:
        return Feed(dataset, end if after is None else after, end if after is None else after)
    told = end if until is None else until
    changes = _changes(city, view, chosen, _Span(after, end, told, most))
    if changes:
        # Looking without finding anything uses no quota up.
        left = rows_left(city, view)
        if left is not None and len(changes) > left:
            raise _over_quota(view, len(changes), left)
        note_view(city, view, via=via, items=chosen, rows=len(changes), query=f"{after}–{told}")
    return Feed(dataset, after, told, tuple(changes or ()), changes is None)


@dataclass(frozen=True)
class _Span:
    """What is read: changes after `after`, as they stand at `end`, of what had changed by `until`; at most `most` rows."""

    after: int
    end: int
    until: int
    most: int


def _chosen(view: View, wanted: tuple[str, ...]) -> tuple[str, ...]:
    missing = [item for item in wanted if item not in view.items]
    if missing:
        raise BadInput(
            "feed.items",
            Text(zh=f"没有或不能读数据项 {missing[0]}", en=f"The item {missing[0]} is not there, or may not be read"),
            Text(zh=f"可读：{'、'.join(view.items)}", en=f"May be read: {', '.join(view.items)}"),
            view.dataset.name,
            facts={"item": missing[0]},
        )
    return wanted or view.items


def _changes(city: City, view: View, items: tuple[str, ...], span: _Span) -> list[Changed] | None:
    """The changes, None when there are too many."""
    key = tuple(item for item in view.law.contract.primaryKey)
    last = LAST.format(key=_listed(key)) if key else "true"
    within = WITHIN.format(key=_listed(key)) if key else WITHIN.format(key="snapshot_id")
    query = CHANGED.format(
        name=sql_text(view.table), first=span.after + 1, last_snapshot=span.end, last=last, within=within, until=span.until
    )
    with lake_of(city).engine() as duck:
        try:
            duck.execute(query)
        except duckdb.Error as fault:
            raise _expired(view, span.after, fault) from fault
        counted = duck.execute("SELECT count(*) FROM _sanqu_feed WHERE _last").fetchone()
        if counted and counted[0] > span.most:
            return None
        view.prepare(duck)
        puts = view.over("(SELECT * FROM _sanqu_feed WHERE _after AND _last)")
        told = [Changed("put", row) for row in _rows(duck, f"SELECT {_listed(items)} FROM {puts} ORDER BY rowid")]
        if key and set(key) <= set(view.items):
            before = view.over("(SELECT * FROM _sanqu_feed WHERE NOT _after)")
            gone = f"SELECT DISTINCT {_listed(key)} FROM {before} WHERE ({_listed(key)}) NOT IN (SELECT ({_listed(key)}) FROM {puts}) ORDER BY ALL"
            told += [Changed("drop", row) for row in _rows(duck, gone)]
        duck.execute("DROP TABLE _sanqu_feed")
    return told


def _listed(items: Iterable[str]) -> str:
    return ", ".join(map(quote_ident, items))


def _rows(duck: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    answered = duck.execute(query)
    names = [str(column[0]) for column in answered.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answered.fetchall()]


def _over_quota(view: View, wanted: int, left: int) -> Conflict:
    """Changes told in part would be lost in part: a reader who may not have all of them gets none."""
    return Conflict(
        "sharing.quota",
        Text(zh=f"有 {wanted} 行变更，授权今天只剩 {left} 行", en=f"{wanted} rows changed; the grant has {left} left for today"),
        Text(zh="明天再读，或申请更大的额度", en="Read again tomorrow, or apply for a larger quota"),
        view.dataset.name,
        facts={"rows": wanted, "left": left},
        status=429,
    )


def _expired(view: View, after: int, fault: duckdb.Error) -> SanquError:
    if "snapshot" not in str(fault).lower() and "does not exist" not in str(fault):
        return unreadable(view.dataset.name, after, fault)
    return BadInput(
        "feed.expired",
        Text(zh=f"快照 {after} 之后的变更已不再保留", en=f"What changed after snapshot {after} is no longer kept"),
        Text(zh="重新读取整个数据集，再从它的快照继续", en="Read the whole dataset again, and go on from its snapshot"),
        view.dataset.name,
        status=410,
        facts={"snapshot": view.snapshot},
    )
