"""Versions of the open list (开放清单): what the city opens, frozen at a moment, and what changed between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from sanqu.catalog.browse import every
from sanqu.catalog.records import Dataset, text_of
from sanqu.catalog.units import units_by_code
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import PUBLIC, Asker
from sanqu.ground.people.units import Unit

ADD = "INSERT INTO catalog_openlist (label, at, actor, datasets, note_zh, note_en) VALUES (%s, %s, %s, 0, %s, %s) RETURNING id"
ADD_ENTRIES = "COPY catalog_openlist_entry (list, dataset, name, entry) FROM STDIN"
SET_SIZE = "UPDATE catalog_openlist SET datasets = %s WHERE id = %s"
LIST = """
SELECT id, label, at, actor, datasets, note_zh, note_en FROM catalog_openlist
WHERE %(label)s::text IS NULL OR label = %(label)s OR id::text = %(label)s ORDER BY id DESC
"""
ENTRIES = "SELECT dataset, name, entry FROM catalog_openlist_entry WHERE list = %s ORDER BY name LIMIT %s OFFSET %s"
# What two entries are compared by, besides their items.
COMPARED = ("title", "unit", "opening", "sharing", "grade", "freshness", "licence", "subjects", "formats")
MOST_ENTRIES = 2_000_000


@dataclass(frozen=True)
class OpenList:
    """A version of the open list: `label` is the year or another name."""

    id: int
    label: str
    at: datetime
    actor: str
    datasets: int
    note: Text


@dataclass(frozen=True)
class Entry:
    """A dataset as it stood on a list; `entry` holds title, unit, opening, sharing, grade, freshness, items, …"""

    dataset: UUID
    name: str
    entry: Mapping[str, Any]

    @property
    def title(self) -> Text:
        """The title it had."""
        return Text.model_validate(self.entry["title"])


@dataclass(frozen=True)
class Changed:
    """A dataset on both lists that is not the same: per word what it was and is, and its items."""

    before: Entry
    after: Entry
    words: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    items_added: tuple[str, ...] = ()
    items_removed: tuple[str, ...] = ()
    items_changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """What changed from one list to another (年度动态调整)."""

    old: OpenList
    new: OpenList
    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[Changed, ...]
    unchanged: int


def _entry(dataset: Dataset, unit: Unit | None) -> dict[str, Any]:
    return {
        "title": dataset.title.model_dump(), "unit": dataset.unit, "unit_title": (unit.title if unit else Text()).model_dump(),
        "opening": dataset.opening, "sharing": dataset.sharing, "grade": dataset.grade, "freshness": dataset.freshness,
        "licence": dataset.licence, "subjects": list(dataset.subjects), "origin": dataset.origin, "sample": dataset.sample,
        "formats": sorted({resource.format for resource in dataset.resources if resource.format}),
        "items": [{"name": i.name, "title": i.title.model_dump(), "type": i.type, "unit": i.unit} for i in dataset.items],
    }  # fmt: skip


def publish_open_list(city: City, label: str, asker: Asker, note: Text | None = None) -> OpenList:
    """Freeze what the public may know of as a version of the open list, named by the year or otherwise.

    Raises `Refused` for anyone but an administrator, `Conflict` for a label that is used.
    """
    if not asker.is_admin:
        raise Refused(
            "catalog.openlist-admin",
            Text(zh="只有管理员可以发布开放清单", en="Only an administrator may publish the open list"),
            Text(zh="请管理员发布", en="Ask an administrator"),
        )
    label = label.strip()
    if not label or len(label) > 100:
        raise BadInput(
            "catalog.openlist-label",
            Text(zh="清单要有名称，如 2026", en="The list needs a name, such as 2026"),
            Text(zh="填写 1 到 100 字", en="Give 1 to 100 characters"),
        )
    said = note or Text()
    try:
        with city.db.connection() as conn:
            made = conn.execute(ADD, (label, now(), asker.label, said.zh, said.en)).fetchone()
            assert made is not None
            units: dict[str, Unit] = {}
            count = 0
            with conn.cursor() as cursor, cursor.copy(ADD_ENTRIES) as copy:
                for dataset in every(city, PUBLIC):
                    if dataset.unit not in units:
                        with city.db.connection() as other:
                            units |= units_by_code(other, [dataset.unit])
                    copy.write_row((made["id"], dataset.id, dataset.name, Jsonb(_entry(dataset, units.get(dataset.unit)))))
                    count += 1
            conn.execute(SET_SIZE, (count, made["id"]))
            append(conn, kind="catalog.openlist", actor=asker.label, subject=f"openlist:{label}", facts={"datasets": count})
    except UniqueViolation as fault:
        raise Conflict(
            "catalog.openlist-exists",
            Text(zh="已有同名清单", en="There is a list of that name"),
            Text(zh="换一个名称；发布过的清单不改", en="Choose another name; published lists do not change"),
            label,
        ) from fault
    return open_list(city, label)


def _list(row: Mapping[str, Any]) -> OpenList:
    return OpenList(row["id"], row["label"], row["at"], row["actor"], row["datasets"], text_of(row["note_zh"], row["note_en"]))


def open_lists(city: City) -> list[OpenList]:
    """Every version, the newest first."""
    return [_list(row) for row in city.db.all(LIST, {"label": None})]


def open_list(city: City, label: str) -> OpenList:
    """The version of this label (or number); raises `NotFound`."""
    row = city.db.one(LIST, {"label": label})
    if row is None:
        raise not_found(Text(zh="开放清单", en="open list"), label)
    return _list(row)


def entries(city: City, list_: OpenList, *, limit: int = MOST_ENTRIES, offset: int = 0) -> list[Entry]:
    """The datasets on a version, by name."""
    return [Entry(row["dataset"], row["name"], row["entry"]) for row in city.db.all(ENTRIES, (list_.id, limit, offset))]


def compare(before: Entry, after: Entry) -> Changed | None:
    """What changed about a dataset between two lists, or None."""
    words = {w: (before.entry.get(w), after.entry.get(w)) for w in COMPARED if before.entry.get(w) != after.entry.get(w)}
    old = {item["name"]: item for item in before.entry.get("items", [])}
    new = {item["name"]: item for item in after.entry.get("items", [])}
    changed = Changed(
        before, after, words,
        tuple(name for name in new if name not in old), tuple(name for name in old if name not in new),
        tuple(name for name in new if name in old and new[name] != old[name]),
    )  # fmt: skip
    return changed if changed.words or changed.items_added or changed.items_removed or changed.items_changed else None


def diff(city: City, old: str, new: str) -> Difference:
    """What changed from the version `old` to the version `new`: datasets added, removed, changed, down to their items."""
    first, second = open_list(city, old), open_list(city, new)
    before = {entry.dataset: entry for entry in entries(city, first)}
    after = {entry.dataset: entry for entry in entries(city, second)}
    both = [(before[id_], entry) for id_, entry in after.items() if id_ in before]
    changed = tuple(found for pair in both if (found := compare(*pair)) is not None)
    return Difference(
        first, second,
        tuple(entry for id_, entry in after.items() if id_ not in before),
        tuple(entry for id_, entry in before.items() if id_ not in after),
        changed, len(both) - len(changed),
    )  # fmt: skip
