"""Lists the catalogue without a question: one dataset, names, suggestions, and the whole list as a stream."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.keeping import DATASET
from sanqu.catalog.records import DATASET_COLUMNS, Dataset, dataset_by_key, text_of, with_resources
from sanqu.catalog.search import SHOWN_FACETS, Ask, Found, Sort, search
from sanqu.ground.city import City
from sanqu.ground.errors import not_found
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.people.askers import PUBLIC, Asker

NAMES = """
SELECT name FROM catalog_dataset WHERE state = ANY(%(states)s) AND audience && %(asker)s
ORDER BY name LIMIT %(limit)s OFFSET %(offset)s
"""
SUGGEST = """
SELECT name, title_zh, title_en FROM catalog_dataset
WHERE state = 'published' AND audience && %(asker)s
  AND (name ILIKE %(like)s OR title_zh ILIKE %(like)s OR title_en ILIKE %(like)s)
ORDER BY used DESC, name LIMIT %(limit)s
"""
# Keyset paging: each page costs the same however deep it is.
PAGE = f"""
SELECT {DATASET_COLUMNS} FROM catalog_dataset
WHERE state = 'published' AND audience && %(asker)s AND name > %(after)s
  AND (%(unit)s::text[] IS NULL OR unit = ANY(%(unit)s)) AND (%(subject)s::text[] IS NULL OR subjects && %(subject)s)
  AND (%(opening)s::text[] IS NULL OR opening = ANY(%(opening)s)) AND (%(tag)s::text[] IS NULL OR tags && %(tag)s)
  AND (%(origin)s::text[] IS NULL OR origin = ANY(%(origin)s)) AND (%(grade)s::text[] IS NULL OR grade = ANY(%(grade)s))
ORDER BY name LIMIT %(limit)s
"""
COUNT = "SELECT count(*) AS n FROM catalog_dataset WHERE state = 'published' AND audience && %s"
PAGE_ROWS = 500
EXPORTED = (
    ("name", "名称", "name"), ("title", "标题", "title"), ("about", "摘要", "description"), ("unit", "责任单位", "unit"),
    ("subjects", "主题", "subjects"), ("opening", "开放类型", "opening"), ("sharing", "共享类型", "sharing"),
    ("grade", "分级", "grade"), ("tags", "标签", "tags"), ("licence", "许可", "licence"), ("freshness", "更新周期", "freshness"),
    ("items", "数据项", "items"), ("modified", "更新时间", "modified"),
)  # fmt: skip


def show(city: City, key: str, asker: Asker = PUBLIC) -> Dataset:
    """The dataset with this name or id; raises `NotFound` also when the asker may not know of it."""
    with city.db.connection() as conn:
        found = dataset_by_key(conn, key, tokens_of(asker))
    if found is None:
        raise not_found(DATASET, key)
    return found


def browse(
    city: City,
    asker: Asker = PUBLIC,
    *,
    filters: Mapping[str, Sequence[str]] | None = None,
    sort: Sort = "newest",
    limit: int = 20,
    offset: int = 0,
    facets: Sequence[str] = SHOWN_FACETS,
) -> Found:
    """A page of the list with facet counts, sorted; published only unless `filters` names states."""
    wanted = {"state": ["published"], **(filters or {})}
    return search(city, Ask("", wanted, sort=sort, limit=limit, offset=offset, facets=facets), asker)


def names_page(
    city: City, asker: Asker, *, states: Sequence[str] = ("published",), limit: int | None = None, offset: int = 0
) -> list[str]:
    """Names of datasets in order, all or a page."""
    wanted = {"states": list(states), "asker": tokens_of(asker), "limit": limit, "offset": offset}
    return [str(row["name"]) for row in city.db.all(NAMES, wanted)]


def suggest(city: City, text: str, asker: Asker = PUBLIC, limit: int = 10) -> list[tuple[str, Text]]:
    """Name and title of datasets whose name or title holds `text`, the most used first."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = city.db.all(SUGGEST, {"asker": tokens_of(asker), "like": f"%{escaped}%", "limit": limit})
    return [(str(row["name"]), text_of(row["title_zh"], row["title_en"])) for row in rows]


def count(city: City, asker: Asker = PUBLIC) -> int:
    """How many published datasets the asker may know of."""
    row = city.db.one(COUNT, (tokens_of(asker),))
    return int(row["n"]) if row else 0


def every(
    city: City, asker: Asker = PUBLIC, *, filters: Mapping[str, Sequence[str]] | None = None, after: str = "",
    most: int | None = None,
) -> Iterator[Dataset]:  # fmt: skip
    """Every published dataset the asker may know of, by name, read page by page; `after` a name, at most `most`."""
    chosen: dict[str, Any] = {
        name: list(filters[name]) if filters and filters.get(name) else None
        for name in ("unit", "subject", "opening", "tag", "origin", "grade")
    }
    given = 0
    while most is None or given < most:
        limit = PAGE_ROWS if most is None else min(PAGE_ROWS, most - given)
        with city.db.connection() as conn:
            rows = conn.execute(PAGE, {**chosen, "asker": tokens_of(asker), "after": after, "limit": limit}).fetchall()
            page = with_resources(conn, rows)
        yield from page
        given += len(page)
        if len(page) < limit:
            return
        after = page[-1].name


def export_csv(city: City, asker: Asker = PUBLIC, *, filters: Mapping[str, Sequence[str]] | None = None, lang: Lang = "zh") -> Iterator[str]:
    """The list as CSV, a page of rows at a time; cells that a spreadsheet would run as formulas are made text."""
    yield "\ufeff" + _csv_line([zh if lang == "zh" else en for _, zh, en in EXPORTED])
    for dataset in every(city, asker, filters=filters):
        yield _csv_line([_cell(dataset, name, lang) for name, _, _ in EXPORTED])


def _cell(dataset: Dataset, name: str, lang: Lang) -> str:
    value = getattr(dataset, name)
    if isinstance(value, Text):
        return value.in_(lang)
    if name == "items":
        return "、".join(item.title.in_(lang) or item.name for item in dataset.items)
    if isinstance(value, tuple):
        return "、".join(value)
    return "" if value is None else str(value)


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    # OWASP, “CSV injection”: a quote in front keeps =, +, -, @, tab and CR from being run.
    csv.writer(line, lineterminator="\r\n").writerow([f"'{c}" if c[:1] in tuple("=+-@\t\r") else c for c in cells])
    return line.getvalue()
