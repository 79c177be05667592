"""What the catalogue keeps: datasets, items, resources, subjects; as rows and as records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from psycopg.types.json import Jsonb

from sanqu.ground.database import Connection
from sanqu.ground.i18n import Text
from sanqu.lake.contracts import Contract, Field

State = Literal["draft", "published", "withdrawn", "deleted"]
Opening = Literal["unconditional", "restricted", "none"]
Sharing = Literal["unconditional", "conditional", "none"]
Grade = Literal["L1", "L2", "L3", "L4"]

STATES: tuple[State, ...] = ("draft", "published", "withdrawn", "deleted")
OPENINGS: tuple[Opening, ...] = ("unconditional", "restricted", "none")
SHARINGS: tuple[Sharing, ...] = ("unconditional", "conditional", "none")
GRADES: tuple[Grade, ...] = ("L1", "L2", "L3", "L4")
LOCAL = "local"
# The rule for names of contracts, which is CKAN's but for its least length of two.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Item:
    """One item (数据项) of a dataset, as the catalogue shows it."""

    name: str
    title: Text = Text()
    about: Text = Text()
    type: str = "string"
    unit: str = ""
    grade: str = ""
    required: bool = False

    def as_json(self) -> dict[str, Any]:
        """The item as it lies in `catalog_dataset.items`."""
        return {
            "name": self.name, "title": self.title.model_dump(), "about": self.about.model_dump(), "type": self.type,
            "unit": self.unit, "grade": self.grade, "required": self.required,
        }  # fmt: skip

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Item:
        """The item that `as_json` wrote."""
        return cls(
            str(said["name"]), Text.model_validate(said.get("title", "")), Text.model_validate(said.get("about", "")),
            str(said.get("type", "string")), str(said.get("unit") or ""), str(said.get("grade") or ""),
            bool(said.get("required")),
        )  # fmt: skip

    @classmethod
    def from_field(cls, said: Field) -> Item:
        """The item a contract's field describes."""
        return cls(
            said.name, said.title, said.description, said.type, said.unit or "", said.grade or "",
            said.constraints.required,
        )  # fmt: skip


@dataclass(frozen=True)
class Resource:
    """One distribution of a dataset: a link, an uploaded file, or a table of the lake."""

    id: UUID
    dataset: UUID
    created: datetime
    modified: datetime
    name: str = ""
    about: str = ""
    url: str = ""
    format: str = ""
    mimetype: str = ""
    size: int | None = None
    position: int = 0
    lake_table: str | None = None
    file: str | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """One dataset (数据集) as the catalogue knows it; `contract` is its table in the lake, if it has one."""

    id: UUID
    name: str
    title: Text
    unit: str
    created: datetime
    modified: datetime
    about: Text = Text()
    state: State = "draft"
    opening: Opening = "none"
    sharing: Sharing = "conditional"
    grade: Grade = "L1"
    subjects: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    licence: str = ""
    freshness: str | None = None
    sample: bool = False
    origin: str = LOCAL
    source: str = ""
    contract: str | None = None
    items: tuple[Item, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)
    published: datetime | None = None
    quality: float | None = None
    used: int = 0
    seq: int = 0
    resources: tuple[Resource, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether anyone may download it without asking."""
        return self.state == "published" and self.opening == "unconditional"


@dataclass(frozen=True)
class Subject:
    """A subject library (主题库); `theme` is its EU data theme (`AGRI`), empty where none fits."""

    name: str
    title: Text
    about: Text = Text()
    theme: str = ""
    position: int = 0
    state: str = "active"
    datasets: int = 0


DATASET_COLUMNS = (
    "id, name, title_zh, title_en, about_zh, about_en, unit, state, opening, sharing, grade, subjects, tags, licence, "
    "freshness, sample, origin, source, contract, items, extras, created, modified, published, quality, used, seq"
)
RESOURCE_COLUMNS = (
    "id, dataset, name, about, url, format, mimetype, size, position, lake_table, file, extras, created, modified"
)
BY_IDS = f"SELECT {DATASET_COLUMNS} FROM catalog_dataset WHERE id = ANY(%(ids)s) AND audience && %(asker)s"
BY_NAME = f"""
SELECT {DATASET_COLUMNS} FROM catalog_dataset
WHERE (name = %(key)s OR id::text = %(key)s) AND audience && %(asker)s
ORDER BY (name = %(key)s) DESC LIMIT 1
"""
RESOURCES_OF = f"SELECT {RESOURCE_COLUMNS} FROM catalog_resource WHERE dataset = ANY(%s) ORDER BY dataset, position, created"
RESOURCE_BY_ID = f"SELECT {RESOURCE_COLUMNS} FROM catalog_resource WHERE id = %s"
UPSERT_DATASET = """
INSERT INTO catalog_dataset (id, name, title_zh, title_en, about_zh, about_en, unit, state, opening, sharing, grade,
    subjects, tags, licence, freshness, sample, origin, source, contract, items, extras, created, modified, published,
    quality, audience, seq)
VALUES (%(id)s, %(name)s, %(title_zh)s, %(title_en)s, %(about_zh)s, %(about_en)s, %(unit)s, %(state)s, %(opening)s,
    %(sharing)s, %(grade)s, %(subjects)s, %(tags)s, %(licence)s, %(freshness)s, %(sample)s, %(origin)s, %(source)s,
    %(contract)s, %(items)s, %(extras)s, %(created)s, %(modified)s, %(published)s, %(quality)s, %(audience)s, %(seq)s)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, title_zh = excluded.title_zh, title_en = excluded.title_en,
    about_zh = excluded.about_zh, about_en = excluded.about_en, unit = excluded.unit, state = excluded.state,
    opening = excluded.opening, sharing = excluded.sharing, grade = excluded.grade, subjects = excluded.subjects,
    tags = excluded.tags, licence = excluded.licence, freshness = excluded.freshness, sample = excluded.sample,
    origin = excluded.origin, source = excluded.source, contract = excluded.contract, items = excluded.items,
    extras = excluded.extras, modified = excluded.modified, published = excluded.published,
    quality = excluded.quality, audience = excluded.audience, seq = excluded.seq
"""
UPSERT_RESOURCE = """
INSERT INTO catalog_resource (id, dataset, name, about, url, format, mimetype, size, position, lake_table, file, extras,
    created, modified)
VALUES (%(id)s, %(dataset)s, %(name)s, %(about)s, %(url)s, %(format)s, %(mimetype)s, %(size)s, %(position)s,
    %(lake_table)s, %(file)s, %(extras)s, %(created)s, %(modified)s)
ON CONFLICT (id) DO UPDATE SET dataset = excluded.dataset, name = excluded.name, about = excluded.about,
    url = excluded.url, format = excluded.format, mimetype = excluded.mimetype, size = excluded.size,
    position = excluded.position, lake_table = excluded.lake_table, file = excluded.file, extras = excluded.extras,
    modified = excluded.modified
"""
FOREIGN_RESOURCES = """
SELECT r.id::text AS id FROM catalog_resource r JOIN unnest(%s::uuid[], %s::uuid[]) AS w (id, dataset) ON w.id = r.id
WHERE r.dataset <> w.dataset
"""
DROP_OTHER_RESOURCES = "DELETE FROM catalog_resource WHERE dataset = %s AND NOT (id = ANY(%s))"
# The row is held to the end of the transaction: numbers become visible in their own order.
NEXT_SEQ = "UPDATE catalog_clock SET seq = seq + 1 RETURNING seq"
HOLD = "SELECT seq FROM catalog_clock FOR UPDATE"
SEQ = "SELECT seq, epoch::text FROM catalog_clock"
UNIT_PATHS = "SELECT code, path FROM org_unit WHERE code = ANY(%s)"
SUBJECTS = """
SELECT s.name, s.title_zh, s.title_en, s.about_zh, s.about_en, s.theme, s.position, s.state,
       coalesce(c.n, 0) AS datasets
FROM catalog_subject s
LEFT JOIN (SELECT subject, count(*) AS n FROM catalog_dataset, unnest(subjects) AS subject
           WHERE %(counted)s AND state = 'published' AND audience && %(asker)s GROUP BY subject) c ON c.subject = s.name
WHERE (%(name)s::text IS NULL OR s.name = %(name)s) AND s.state = 'active'
ORDER BY s.position, s.name
"""
UPSERT_SUBJECT = """
INSERT INTO catalog_subject (name, title_zh, title_en, about_zh, about_en, theme, position, state)
VALUES (%(name)s, %(title_zh)s, %(title_en)s, %(about_zh)s, %(about_en)s, %(theme)s, %(position)s, %(state)s)
ON CONFLICT (name) DO UPDATE SET title_zh = excluded.title_zh, title_en = excluded.title_en,
    about_zh = excluded.about_zh, about_en = excluded.about_en, theme = excluded.theme,
    position = excluded.position, state = excluded.state
"""


def next_seq(conn: Connection) -> int:
    """The number of the change that this transaction makes; other writers of the catalogue wait for its end."""
    row = conn.execute(NEXT_SEQ).fetchone()
    assert row is not None
    return int(row["seq"])


def hold(conn: Connection) -> None:
    """Be the only writer of the catalogue until the transaction ends; for reading what is then written."""
    conn.execute(HOLD)


def _resource(row: Mapping[str, Any]) -> Resource:
    return Resource(**row)


def _dataset(row: Mapping[str, Any], resources: Iterable[Resource]) -> Dataset:
    plain = dict(row)
    title = Text(zh=plain.pop("title_zh"), en=plain.pop("title_en"))
    about = Text(zh=plain.pop("about_zh"), en=plain.pop("about_en"))
    items = tuple(Item.from_json(item) for item in plain.pop("items"))
    subjects, tags = tuple(plain.pop("subjects")), tuple(plain.pop("tags"))
    return Dataset(
        **plain, title=title, about=about, items=items, subjects=subjects, tags=tags, resources=tuple(resources)
    )


def with_resources(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Dataset]:
    """Rows of `catalog_dataset` as records, each with its resources, in the order given."""
    by_dataset: dict[UUID, list[Resource]] = {}
    for row in conn.execute(RESOURCES_OF, ([row["id"] for row in rows],)):
        by_dataset.setdefault(row["dataset"], []).append(_resource(row))
    return [_dataset(row, by_dataset.get(row["id"], ())) for row in rows]


def datasets_by_id(conn: Connection, ids: Sequence[UUID], audience: Sequence[str]) -> list[Dataset]:
    """The datasets with these ids that the audience may know of, in the order of `ids`."""
    rows = {row["id"]: row for row in conn.execute(BY_IDS, {"ids": list(ids), "asker": list(audience)})}
    return with_resources(conn, [rows[id_] for id_ in ids if id_ in rows])


def dataset_by_key(conn: Connection, key: str, audience: Sequence[str]) -> Dataset | None:
    """The dataset with this name or id, if the audience may know of it."""
    if "\x00" in key or not key.isprintable():
        return None
    row = conn.execute(BY_NAME, {"key": key, "asker": list(audience)}).fetchone()
    return with_resources(conn, [row])[0] if row else None


def resource_by_id(conn: Connection, id_: UUID) -> Resource | None:
    """The resource with this id; whether the asker may know of it is its dataset's law."""
    row = conn.execute(RESOURCE_BY_ID, (id_,)).fetchone()
    return _resource(row) if row else None


def unit_paths(conn: Connection, codes: Iterable[str]) -> dict[str, str]:
    """The path in the org tree of each unit that is there."""
    return {str(row["code"]): str(row["path"]) for row in conn.execute(UNIT_PATHS, (list(set(codes)),))}


def resources_elsewhere(conn: Connection, resources: Sequence[Resource]) -> list[str]:
    """The ids among `resources` that belong to another dataset."""
    params = ([r.id for r in resources], [r.dataset for r in resources])
    return [str(row["id"]) for row in conn.execute(FOREIGN_RESOURCES, params)]


def write_rows(conn: Connection, changed: Sequence[tuple[Dataset, Sequence[str], int]]) -> None:
    """Write datasets with their audience and change number, and exactly the resources they carry."""
    with conn.cursor() as cursor:
        cursor.executemany(UPSERT_DATASET, [_dataset_row(d, audience, seq) for d, audience, seq in changed])
        cursor.executemany(DROP_OTHER_RESOURCES, [(d.id, [r.id for r in d.resources]) for d, _, _ in changed])
        cursor.executemany(UPSERT_RESOURCE, [_resource_row(r) for d, _, _ in changed for r in d.resources])


def _dataset_row(dataset: Dataset, audience: Sequence[str], seq: int) -> dict[str, Any]:
    return {
        **{name: getattr(dataset, name) for name in (
            "id", "name", "unit", "state", "opening", "sharing", "grade", "licence", "freshness", "sample", "origin",
            "source", "contract", "created", "modified", "published", "quality",
        )},
        "title_zh": dataset.title.zh, "title_en": dataset.title.en,
        "about_zh": dataset.about.zh, "about_en": dataset.about.en,
        "subjects": list(dataset.subjects), "tags": list(dataset.tags),
        "items": Jsonb([item.as_json() for item in dataset.items]), "extras": Jsonb(dict(dataset.extras)),
        "audience": list(audience), "seq": seq,
    }  # fmt: skip


def _resource_row(resource: Resource) -> dict[str, Any]:
    row = {name: getattr(resource, name) for name in RESOURCE_COLUMNS.split(", ")}
    return row | {"extras": Jsonb(dict(resource.extras))}


def subjects(
    conn: Connection, audience: Sequence[str], name: str | None = None, *, counted: bool = True
) -> list[Subject]:
    """The subject libraries in order, each (if `counted`) with how many published datasets the audience may know of."""
    rows = conn.execute(SUBJECTS, {"asker": list(audience), "name": name, "counted": counted})
    return [
        Subject(
            row["name"], Text(zh=row["title_zh"], en=row["title_en"]), Text(zh=row["about_zh"], en=row["about_en"]),
            row["theme"], row["position"], row["state"], row["datasets"],
        )
        for row in rows
    ]  # fmt: skip


def write_subject(conn: Connection, subject: Subject) -> None:
    """Add or change a subject library."""
    conn.execute(
        UPSERT_SUBJECT,
        {
            "name": subject.name, "title_zh": subject.title.zh, "title_en": subject.title.en,
            "about_zh": subject.about.zh, "about_en": subject.about.en, "theme": subject.theme,
            "position": subject.position, "state": subject.state,
        },
    )  # fmt: skip


def items_of(contract: Contract) -> tuple[Item, ...]:
    """The items a contract describes."""
    return tuple(Item.from_field(said) for said in contract.fields)


def as_jsonable(value: Any) -> Any:
    """`value` as plain JSON (dates as text), for faces that speak JSON."""
    return json.loads(json.dumps(value, default=str, ensure_ascii=False))


def text_of(zh: object, en: object) -> Text:
    """A `Text` from two columns."""
    return Text(zh=cast(str, zh or ""), en=cast(str, en or ""))
