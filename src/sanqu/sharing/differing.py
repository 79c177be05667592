"""Figures that differ from an earlier figure by a few subjects tell about those few: such an answer is not given (差分)."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from pyroaring import BitMap64

from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.i18n import Text

EARLIER = "SELECT cells FROM sharing_answered WHERE asker = %s AND dataset = %s ORDER BY id DESC LIMIT %s"
KEEP = "INSERT INTO sharing_answered (asker, dataset, digest, cells) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
# How many earlier answers a new one is held against, and how many groups one answer may have.
MOST_EARLIER, MOST_CELLS = 2000, 5000
SIZE = struct.Struct(">I")


@dataclass(frozen=True)
class Told:
    """The subjects behind each figure of one column of an answer about `dataset`."""

    dataset: str
    least: int
    cells: tuple[Any, ...]


def told_by(dataset: str, least: int, table: pa.Table) -> Told:
    """The sets of subjects that a query for them gave; groups too small to be told are left out."""
    if table.num_rows > MOST_CELLS:
        raise Refused(
            "sharing.cells",
            Text(zh=f"受限数据项的分组多于 {MOST_CELLS} 个", en=f"There are more than {MOST_CELLS} groups over restricted items"),
            Text(zh="用更粗的分组", en="Group more coarsely"),
            dataset,
        )
    column = table.column(0).to_pylist() if table.num_columns else []
    sets = [BitMap64(set(hashes) - {None}) for hashes in column if hashes]
    return Told(dataset, least, tuple(one for one in sets if len(one) >= least))


def check_and_keep(city: City, asker: str, told: Sequence[Told]) -> None:
    """Keep who stands behind the figures now given to `asker`; raises `Refused` when they differ too little.

    Each figure is held against every other, and against all groups of one answer together: two figures whose subjects
    are not the same must differ by at least the least group. Checking and keeping are one transaction per asker.
    """
    if not told:
        return
    with city.db.connection() as conn:
        conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"told:{asker}",))
        for dataset in sorted({one.dataset for one in told}):
            mine = [one for one in told if one.dataset == dataset]
            least = max(one.least for one in mine)
            fresh = [cells for one in mine for cells in _with_union(one.cells)]
            rows = conn.execute(EARLIER, (asker, dataset, MOST_EARLIER)).fetchall()
            earlier = [cells for row in rows for cells in _unpack(bytes(row["cells"]))]
            _refuse_near(dataset, least, fresh, [*earlier, *fresh])
            packed = _pack(fresh)
            conn.execute(KEEP, (asker, dataset, hashlib.sha256(packed).digest(), packed))


def _with_union(cells: Sequence[Any]) -> list[Any]:
    union = BitMap64()
    for one in cells:
        union |= one
    distinct = {bytes(one.serialize()): one for one in [*cells, union] if len(one)}
    return list(distinct.values())


def _refuse_near(dataset: str, least: int, fresh: Sequence[Any], others: Sequence[Any]) -> None:
    for one in fresh:
        for other in others:
            apart = len(one.symmetric_difference(other))
            if 0 < apart < least:
                raise Refused(
                    "sharing.differencing",
                    Text(
                        zh="这个结果与已给过的一个结果只差几个主体，两者相减会说出他们的值",
                        en="This result differs from one given before by only a few subjects; subtracting them would tell their values",
                    ),
                    Text(
                        zh="用与上次相同的范围，或差别更大的范围",
                        en="Ask over the same range as before, or over one that differs by more",
                    ),
                    dataset,
                    facts={"least_group": least},
                )


def _pack(cells: Sequence[Any]) -> bytes:
    out = io.BytesIO()
    for one in cells:
        body = one.serialize()
        out.write(SIZE.pack(len(body)))
        out.write(body)
    return out.getvalue()


def _unpack(packed: bytes) -> list[Any]:
    cells, at = [], 0
    while at < len(packed):
        (size,) = SIZE.unpack_from(packed, at)
        at += SIZE.size
        cells.append(BitMap64.deserialize(packed[at : at + size]))
        at += size
    return cells
