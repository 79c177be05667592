"""Organisations as the catalogue shows them: org units with how many datasets each publishes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sanqu.catalog.records import Dataset, text_of, unit_paths
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import Kind, Unit

BY_CODES = """
SELECT code, parent, kind, level, title_zh, title_en, about_zh, about_en, path, state FROM org_unit
WHERE code = ANY(%s)
"""
# Every department and enterprise is an organisation; a division is one when it has datasets.
LIST = """
SELECT u.code, u.parent, u.kind, u.level, u.title_zh, u.title_en, u.about_zh, u.about_en, u.path, u.state,
       coalesce(c.n, 0) AS datasets
FROM org_unit u
LEFT JOIN (SELECT unit, count(*) AS n FROM catalog_dataset
           WHERE state = 'published' AND audience && %(asker)s GROUP BY unit) c ON c.unit = u.code
WHERE (u.kind IN ('department', 'enterprise') OR u.parent IS NULL OR c.n > 0)
  AND (u.state = 'active' OR %(closed)s) AND (%(codes)s::text[] IS NULL OR u.code = ANY(%(codes)s))
  AND (%(text)s::text IS NULL OR u.code ILIKE '%%' || %(text)s || '%%' OR u.title_zh ILIKE '%%' || %(text)s || '%%'
       OR u.title_en ILIKE '%%' || %(text)s || '%%')
ORDER BY CASE WHEN %(by_size)s THEN -coalesce(c.n, 0) ELSE 0 END, u.code LIMIT %(limit)s OFFSET %(offset)s
"""


@dataclass(frozen=True)
class Organisation:
    """A unit and how many of its published datasets the asker may know of."""

    unit: Unit
    datasets: int


def _unit(row: dict[str, Any]) -> Unit:
    return Unit(
        row["code"], row["parent"], cast(Kind, row["kind"]), row["level"], text_of(row["title_zh"], row["title_en"]),
        text_of(row["about_zh"], row["about_en"]), row["path"], row["state"],
    )  # fmt: skip


def units_by_code(conn: Connection, codes: Iterable[str]) -> dict[str, Unit]:
    """The units with these codes."""
    return {row["code"]: _unit(row) for row in conn.execute(BY_CODES, (list(set(codes)),))}


def organisations(
    conn: Connection,
    audience: Sequence[str],
    *,
    codes: Sequence[str] | None = None,
    text: str | None = None,
    by_size: bool = False,
    closed: bool = False,
    limit: int = 1000,
    offset: int = 0,
) -> list[Organisation]:
    """Departments, enterprises, the city, and divisions that publish; by code, or the largest first."""
    wanted = {
        "asker": list(audience), "codes": list(codes) if codes is not None else None, "text": text or None,
        "by_size": by_size, "closed": closed, "limit": limit, "offset": offset,
    }  # fmt: skip
    return [Organisation(_unit(row), row["datasets"]) for row in conn.execute(LIST, wanted)]


def path_of(city: City, dataset: Dataset) -> str:
    """Where the unit that answers for a dataset stands among all units; "/?/" for one that is not known."""
    with city.db.connection() as conn:
        return unit_paths(conn, [dataset.unit]).get(dataset.unit, "/?/")


def is_steward(city: City, dataset: Dataset, asker: Asker) -> bool:
    """Whether the asker answers for the dataset."""
    path = path_of(city, dataset)
    return path != "/?/" and asker.may_steward(path)
