"""One item, one source (一数一源): datasets that claim the same item are found by name and by values; one is made the source."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sanqu.cases.steps import within
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, SanquError, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract, Field, lake_of, quote_ident

log = logging.getLogger(__name__)

# The smallest hashes of an item's values: enough to tell how much two sets of any size share (k minimum values).
SKETCH = 512
# Fewer different values than this overlap by chance: codes of a few kinds, years.
LEAST_VALUES = 30
# How much of the smaller set must be in the other: less where the items are called the same.
SHARED_SAME_NAME, SHARED = 0.2, 0.7
TYPES = frozenset({"string", "integer", "date", "datetime", "any"})

LOCAL = """
SELECT k.name, k.contract, k.quality, k.unit FROM catalog_dataset k JOIN lake_dataset l ON l.name = k.contract
WHERE k.state = 'published' AND l.rows > 0 ORDER BY k.name
"""
KEEP = """
INSERT INTO sharing_rival (dataset, item, other, other_item, same_name, overlap, proposed) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (dataset, item, other, other_item) DO UPDATE
SET same_name = excluded.same_name, overlap = excluded.overlap, proposed = excluded.proposed, found = now()
"""
GONE = "DELETE FROM sharing_rival WHERE decided IS NULL AND found < %s"
COLUMNS = "id, dataset, item, other, other_item, same_name, overlap, proposed, source, reason, actor, decided"
LIST = f"""
SELECT {COLUMNS} FROM sharing_rival
WHERE (%(open)s::boolean IS NULL OR (decided IS NULL) = %(open)s) AND (%(dataset)s::text IS NULL OR %(dataset)s IN (dataset, other))
ORDER BY decided NULLS FIRST, overlap DESC, id LIMIT %(limit)s OFFSET %(offset)s
"""
ONE = f"SELECT {COLUMNS} FROM sharing_rival WHERE id = %s"
DECIDE = "UPDATE sharing_rival SET source = %s, reason = %s, actor = %s, decided = now() WHERE id = %s"
PATHS = "SELECT k.name, u.path FROM catalog_dataset k JOIN org_unit u ON u.code = k.unit WHERE k.name = ANY(%s)"


@dataclass(frozen=True)
class Sketch:
    """The values of one item: how many different ones, and the smallest hashes of them."""

    dataset: str
    field: Field
    is_key: bool
    quality: float
    distinct: int
    smallest: tuple[int, ...]


@dataclass(frozen=True)
class Rival:
    """Two items that claim the same; `overlap` is the share of the smaller set of values found in the other."""

    id: int
    dataset: str
    item: str
    other: str
    other_item: str
    same_name: bool
    overlap: float
    proposed: str
    source: str | None
    reason: str
    actor: str | None
    decided: Any


def shared(one: Sketch, other: Sketch) -> float:
    """The share of the smaller set of values that is also in the other, estimated from the sketches."""
    if not one.smallest or not other.smallest:
        return 0.0
    mine, theirs = set(one.smallest), set(other.smallest)
    least = sorted(mine | theirs)[:SKETCH]
    both = sum(value in mine and value in theirs for value in least) / len(least)
    in_both = both * (one.distinct + other.distinct) / (1 + both)
    return min(1.0, in_both / min(one.distinct, other.distinct))


def sketches_of(city: City, dataset: str, contract: Contract, quality: float) -> list[Sketch]:
    """A sketch of every item with enough different values to tell."""
    found = []
    with lake_of(city).engine() as duck:
        table = lake_of(city).at_snapshot(contract.name, None)
        for field in contract.fields:
            if field.type not in TYPES:
                continue
            column = quote_ident(field.name)
            row = duck.execute(
                f"WITH v AS (SELECT DISTINCT hash(CAST({column} AS VARCHAR)) AS h FROM {table} WHERE {column} IS NOT NULL) "
                f"SELECT (SELECT count(*) FROM v), (SELECT list(h) FROM (SELECT h FROM v ORDER BY h LIMIT {SKETCH}))"
            ).fetchone()
            if row and row[0] >= LEAST_VALUES:
                key = contract.primaryKey == (field.name,)
                found.append(Sketch(dataset, field, key, quality, int(row[0]), tuple(row[1])))
    return found


def same_name(one: Field, other: Field) -> bool:
    """Whether two items are called the same, by name or by title."""
    names = {one.name.casefold(), *(alias.casefold() for alias in one.aliases)}
    if other.name.casefold() in names:
        return True
    titles = {one.title.zh.strip(), one.title.en.strip().casefold()} - {""}
    return bool(titles & {other.title.zh.strip(), other.title.en.strip().casefold()})


def find_rivals(city: City) -> int:
    """Compare every pair of items of different datasets and keep those that claim the same; returns how many."""
    began = city.db.one("SELECT now() AS at")
    sketches: list[Sketch] = []
    contracts: dict[str, Contract] = {}
    for row in city.db.all(LOCAL):
        try:
            contracts[row["name"]] = lake_of(city).contract(row["contract"])
            sketches += sketches_of(city, row["name"], contracts[row["name"]], float(row["quality"] or 0))
        except SanquError:
            log.warning("%s could not be compared", row["name"], exc_info=True)
    kept = 0
    with city.db.connection() as conn:
        for one, other in itertools.combinations(sketches, 2):
            if one.dataset == other.dataset or _refers(contracts, one, other) or _refers(contracts, other, one):
                continue
            named, part = same_name(one.field, other.field), shared(one, other)
            if part >= (SHARED_SAME_NAME if named else SHARED):
                first, second = sorted((one, other), key=lambda s: (s.dataset, s.field.name))
                conn.execute(
                    KEEP,
                    (first.dataset, first.field.name, second.dataset, second.field.name, named, part, _propose(first, second)),
                )
                kept += 1
        conn.execute(GONE, (began["at"] if began else None,))
    return kept


def _refers(contracts: Mapping[str, Contract], one: Sketch, other: Sketch) -> bool:
    """Whether the contract of `one` already says that its item is taken from `other`."""
    return any(
        link.dataset == other.dataset
        and (one.field.name, other.field.name) in zip(link.fields, link.reference_fields, strict=True)
        for link in contracts[one.dataset].foreignKeys
    )


def _propose(one: Sketch, other: Sketch) -> str:
    """The likelier source: where the item is the key, else the better kept, else the one with more values."""
    ranked = sorted((one, other), key=lambda s: (s.is_key, s.quality, s.distinct), reverse=True)
    return ranked[0].dataset


def _rival(row: Mapping[str, Any]) -> Rival:
    return Rival(**{name: row[name] for name in COLUMNS.split(", ")})


def list_rivals(
    city: City, *, undecided: bool | None = None, dataset: str | None = None, limit: int = 50, offset: int = 0
) -> list[Rival]:  # fmt: skip
    """The pairs, those to be decided first."""
    wanted = {"open": undecided, "dataset": dataset, "limit": limit, "offset": offset}
    return [_rival(row) for row in city.db.all(LIST, wanted)]


def may_ask(city: City, asker: Asker, rival: Rival) -> bool:
    """Whether the asker may have the source decided: as steward of one of the two, or of a unit above."""
    return any(asker.may_steward(str(row["path"])) for row in city.db.all(PATHS, ([rival.dataset, rival.other],)))


def may_decide(city: City, asker: Asker, rival: Rival) -> bool:
    """Whether the asker answers for both datasets: as steward of a unit above both, or as administrator."""
    paths = [str(row["path"]) for row in city.db.all(PATHS, ([rival.dataset, rival.other],))]
    return len(paths) == 2 and all(asker.may_steward(path) for path in paths)


def find_rival(city: City, id_: int) -> Rival:
    """One pair; raises `NotFound`."""
    row = city.db.one(ONE, (id_,))
    if row is None:
        raise not_found(Text(zh="一数一源的争议", en="claim to a source"), str(id_))
    return _rival(row)


def decide_source(
    city: City, asker: Asker, id_: int, source: str, reason: str, *, conn: Connection | None = None
) -> Rival:  # fmt: skip
    """Make one of two datasets the source of the item, in the caller's transaction when `conn` is given; in the ledger of both.

    Raises `NotFound`, `Refused` for one who does not answer for both, `BadInput` for another dataset or no reason.
    """
    rival = find_rival(city, id_)
    if not may_decide(city, asker, rival):
        raise Refused(
            "sharing.source",
            Text(zh="只有同时管辖两个数据集的机构可以裁定", en="Only a unit above both datasets may decide"),
            Text(zh="请上级数据管理员裁定", en="Ask a steward above both"),
            f"{rival.dataset} {rival.other}",
        )
    if source not in (rival.dataset, rival.other) or not reason.strip():
        raise BadInput(
            "sharing.source-choice",
            Text(zh="要选两个数据集之一，并写明理由", en="Choose one of the two datasets and give a reason"),
            Text(zh="改正后再提交", en="Mend it and send again"),
            source[:100],
        )
    with within(city, conn) as held:
        held.execute(DECIDE, (source, reason.strip(), asker.label, id_))
        facts = {"item": rival.item, "other": f"{rival.other}.{rival.other_item}", "source": source, "reason": reason.strip()}
        for dataset in (rival.dataset, rival.other):
            append(held, kind="sharing.source", actor=asker.label, subject=f"dataset:{dataset}", facts=facts)
        row = held.execute(ONE, (id_,)).fetchone()
    return _rival(row) if row is not None else rival


def sources_named(rivals: Iterable[Rival], dataset: str) -> dict[str, tuple[str, str]]:
    """For each item of `dataset` that another dataset is the source of: that dataset and item."""
    named = {}
    for one in rivals:
        if one.source == one.other and one.dataset == dataset:
            named[one.item] = (one.other, one.other_item)
        elif one.source == one.dataset and one.other == dataset:
            named[one.other_item] = (one.dataset, one.item)
    return named


@job("sharing.rivals", every="11 4 * * 0")
def find_rivals_weekly(city: City) -> None:
    """Every Sunday, look for items that two datasets claim."""
    find_rivals(city)
