"""Org units (组织机构): divisions from the city down to the grid, and departments at each level, as one tree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from psycopg.errors import UniqueViolation

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker

Kind = Literal["city", "county", "town", "village", "grid", "department", "enterprise"]
KINDS: tuple[Kind, ...] = ("city", "county", "town", "village", "grid", "department", "enterprise")
CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LONGEST_TITLE = 200

ADD = """
INSERT INTO org_unit (code, parent, kind, level, title_zh, title_en, path)
VALUES (%(code)s, %(parent)s, %(kind)s, %(level)s, %(title_zh)s, %(title_en)s, %(path)s)
"""
COLUMNS = "code, parent, kind, level, title_zh, title_en, about_zh, about_en, path, state"
UPSERT = """
INSERT INTO org_unit (code, parent, kind, level, title_zh, title_en, about_zh, about_en, path)
VALUES (%(code)s, %(parent)s, %(kind)s, %(level)s, %(title_zh)s, %(title_en)s, %(about_zh)s, %(about_en)s, %(path)s)
ON CONFLICT (code) DO UPDATE SET parent = excluded.parent, kind = excluded.kind, level = excluded.level,
    title_zh = excluded.title_zh, title_en = excluded.title_en, about_zh = excluded.about_zh,
    about_en = excluded.about_en, path = excluded.path
WHERE (org_unit.parent, org_unit.kind, org_unit.level, org_unit.title_zh, org_unit.title_en,
       org_unit.about_zh, org_unit.about_en, org_unit.path)
      IS DISTINCT FROM (excluded.parent, excluded.kind, excluded.level, excluded.title_zh, excluded.title_en,
       excluded.about_zh, excluded.about_en, excluded.path)
"""
ONE = f"SELECT {COLUMNS} FROM org_unit WHERE code = %s"
COUNTIES = "SELECT title_zh, title_en FROM org_unit WHERE kind = 'county' AND title_en <> ''"
PATH = "SELECT path FROM org_unit WHERE code = %s AND (state = 'active' OR NOT %s)"
CHILDREN = f"SELECT {COLUMNS} FROM org_unit WHERE parent IS NOT DISTINCT FROM %s ORDER BY code"
LIST = f"""
SELECT {COLUMNS} FROM org_unit
WHERE (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (%(under)s::text IS NULL OR path LIKE %(under)s || '%%')
  AND (%(text)s::text IS NULL OR code = %(text)s OR title_zh ILIKE '%%' || %(text)s || '%%'
       OR title_en ILIKE '%%' || %(text)s || '%%')
ORDER BY path LIMIT %(limit)s OFFSET %(offset)s
"""
COUNT = """
SELECT count(*) AS n FROM org_unit
WHERE (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (%(under)s::text IS NULL OR path LIKE %(under)s || '%%')
  AND (%(text)s::text IS NULL OR code = %(text)s OR title_zh ILIKE '%%' || %(text)s || '%%'
       OR title_en ILIKE '%%' || %(text)s || '%%')
"""


@dataclass(frozen=True)
class Unit:
    """One org unit; `path` holds the codes from the top down, `/3308/330802/`."""

    code: str
    parent: str | None
    kind: Kind
    level: str
    title: Text
    about: Text = Text()
    path: str = ""
    state: str = "active"


def _unit(row: dict[str, object]) -> Unit:
    return Unit(
        code=str(row["code"]),
        parent=cast(str | None, row["parent"]),
        kind=cast(Kind, row["kind"]),
        level=str(row["level"]),
        title=Text(zh=str(row["title_zh"]), en=str(row["title_en"])),
        about=Text(zh=str(row["about_zh"]), en=str(row["about_en"])),
        path=str(row["path"]),
        state=str(row["state"]),
    )


def paths_of(units: Iterable[Unit]) -> dict[str, str]:
    """The path of every unit; raises `BadInput` naming a unit whose parent is missing or that is above itself."""
    by_code = {unit.code: unit for unit in units}
    paths: dict[str, str] = {}
    for unit in by_code.values():
        chain: list[str] = []
        code: str | None = unit.code
        while code is not None and code not in paths:
            if code not in by_code or code in chain:
                raise BadInput(
                    "units.tree",
                    Text(zh="组织机构不成树：上级不存在或成环", en="The units are no tree: a parent is missing or a ring"),
                    Text(zh="改正这个机构的上级", en="Mend the parent of this unit"),
                    f"{unit.code} → {code}",
                )
            chain.append(code)
            code = by_code[code].parent
        above = "/" if code is None else paths[code]
        for step in reversed(chain):
            above = paths[step] = f"{above}{step}/"
    return paths


def save_units(conn: Connection, units: Iterable[Unit]) -> int:
    """Add or change units given as one whole tree, in the caller's transaction; returns how many were given."""
    units = list(units)
    paths = paths_of(units)
    rows = [
        {
            "code": unit.code, "parent": unit.parent, "kind": unit.kind, "level": unit.level,
            "title_zh": unit.title.zh, "title_en": unit.title.en, "about_zh": unit.about.zh,
            "about_en": unit.about.en, "path": paths[unit.code],
        }
        for unit in units
    ]  # fmt: skip
    with conn.cursor() as cursor:
        cursor.executemany(UPSERT, rows)
    return len(units)


def add_unit(conn: Connection, actor: Asker, code: str, above: Unit, kind: Kind, title: Text) -> None:
    """Add a unit right below `above`; raises `Conflict` for a code that is taken, `BadInput` for one that cannot be."""
    if CODE.fullmatch(code) is None or kind not in KINDS or not 0 < len(title.zh) <= LONGEST_TITLE:
        raise BadInput(
            "units.unfit",
            Text(zh="机构的代码、种类或名称不合规", en="The code, the kind or the title of the unit does not fit"),
            Text(
                zh="代码用小写字母、数字、- 和 _；名称必填",
                en="A code has lower-case letters, digits, - and _; the title is needed",
            ),
            code[:80],
        )
    level = above.level if kind in ("department", "enterprise") else kind
    row = {"code": code, "parent": above.code, "kind": kind, "level": level, "title_zh": title.zh, "title_en": title.en}
    try:
        conn.execute(ADD, {**row, "path": f"{above.path}{code}/"})
    except UniqueViolation as fault:
        raise Conflict(
            "units.taken",
            Text(zh="代码已被使用", en="The code is taken"),
            Text(zh="换一个代码；代码从不重用", en="Choose another; a code is never used again"),
            code,
        ) from fault
    append(conn, kind="people.unit-create", actor=actor.label, subject=f"unit:{code}")


def unit(city: City, code: str) -> Unit:
    """The unit `code`; raises `NotFound`."""
    row = city.db.one(ONE, (code,))
    if row is None:
        raise not_found(Text(zh="机构", en="unit"), code)
    return _unit(row)


def path_of(conn: Connection, code: str, *, active: bool = False) -> str | None:
    """The path of the unit `code`, by which rights are measured; None where there is none (none at work, with `active`)."""
    row = conn.execute(PATH, (code, active)).fetchone()
    return None if row is None else str(row["path"])


def children(city: City, code: str | None) -> list[Unit]:
    """The units right below `code`; with None, the top."""
    return [_unit(row) for row in city.db.all(CHILDREN, (code,))]


def ancestors(city: City, of: Unit) -> list[Unit]:
    """The units above `of`, the top first."""
    return [unit(city, code) for code in of.path.strip("/").split("/")[:-1]]


def counties_in_english(city: City) -> dict[str, str]:
    """What the city's counties (县、市、区) are called in English, by their Chinese names."""
    return {str(row["title_zh"]): str(row["title_en"]) for row in city.db.all(COUNTIES)}


def find_units(
    city: City, *, text: str | None = None, kind: str | None = None, under: str | None = None,
    limit: int = 50, offset: int = 0,
) -> tuple[list[Unit], int]:  # fmt: skip
    """A page of units whose code or title holds `text`, of one kind, below the path `under`; and how many there are."""
    wanted = {"text": text or None, "kind": kind or None, "under": under or None}
    rows = city.db.all(LIST, {**wanted, "limit": limit, "offset": offset})
    counted = city.db.one(COUNT, wanted)
    return [_unit(row) for row in rows], int(counted["n"]) if counted else 0
