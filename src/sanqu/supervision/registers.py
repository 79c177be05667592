"""The two lists of double-random inspection: items (抽查事项清单) and inspectors (执法人员库), with whom they must avoid (回避)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg.errors import ForeignKeyViolation
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import path_of
from sanqu.supervision.records import REASONS, Credit, Item, Publishing, Reason, Targets

CERTIFICATE = re.compile(r"[A-Za-z0-9-]{4,40}")

SAVE_ITEM = """
INSERT INTO supervision_item (code, position, body) VALUES (%s, %s, %s)
ON CONFLICT (code) DO UPDATE SET position = excluded.position, body = excluded.body, active = true
"""
RETIRE_ITEMS = "UPDATE supervision_item SET active = false WHERE code <> ALL(%s)"
ITEMS = "SELECT body FROM supervision_item WHERE active OR %s ORDER BY position"
ITEM = "SELECT body FROM supervision_item WHERE code = %s"
COLUMNS = "s.certificate, s.name, s.unit, s.person, s.items, s.valid_until, s.away_from, s.away_until, s.active, s.sample"
SAVE_INSPECTOR = """
INSERT INTO supervision_inspector (certificate, name, unit, person, items, valid_until, away_from, away_until, active, sample)
VALUES (%(certificate)s, %(name)s, %(unit)s, %(person)s, %(items)s, %(valid_until)s, %(away_from)s, %(away_until)s, %(active)s, %(sample)s)
ON CONFLICT (certificate) DO UPDATE SET name = excluded.name, unit = excluded.unit, person = excluded.person, items = excluded.items,
    valid_until = excluded.valid_until, away_from = excluded.away_from, away_until = excluded.away_until, active = excluded.active
"""
WANTED = "(%(unit)s::text IS NULL OR s.unit = %(unit)s) AND (%(text)s::text IS NULL OR s.name ILIKE %(like)s OR s.certificate ILIKE %(like)s)"
LIST = f"SELECT {COLUMNS} FROM supervision_inspector s WHERE {WANTED} ORDER BY s.unit, s.certificate LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n FROM supervision_inspector s WHERE {WANTED}"
ONE = f"SELECT {COLUMNS} FROM supervision_inspector s WHERE s.certificate = %s"
AVOID = """
INSERT INTO supervision_avoidance (inspector, unit, target, reason, actor, at)
VALUES (%(inspector)s, %(unit)s, %(target)s, %(reason)s, %(actor)s, %(at)s) ON CONFLICT DO NOTHING
"""
AVOIDANCES = "SELECT inspector, unit, target, reason FROM supervision_avoidance ORDER BY id"


@dataclass(frozen=True)
class Inspector:
    """One inspector (执法人员); certified for `items`, for all where it names none; away from the first day to the last."""

    certificate: str
    name: str
    unit: str
    person: int | None = None
    items: tuple[str, ...] = ()
    valid_until: date | None = None
    away_from: date | None = None
    away_until: date | None = None
    active: bool = True
    sample: bool = False

    def may_go(self, on: date, items: Iterable[str]) -> bool:
        """Whether the inspector works on that day, with a certificate in force for at least one of the items."""
        away = self.away_from is not None and self.away_from <= on and (self.away_until is None or on <= self.away_until)
        certified = not self.items or bool(set(self.items) & set(items))
        return self.active and not away and certified and (self.valid_until is None or on <= self.valid_until)


@dataclass(frozen=True)
class Avoidance:
    """That an inspector, or everybody of a unit, must not inspect a target."""

    inspector: str | None
    unit: str | None
    target: str
    reason: str


@dataclass(frozen=True)
class Pack:
    """What a city pack says of supervision: items, where targets and their credit come from, the dataset of results."""

    items: tuple[Item, ...]
    targets: Targets
    credit: Credit | None
    results: Publishing | None


def read_supervision(said: Mapping[str, Any]) -> Pack:
    """The file supervision.toml of a city pack; raises `BadInput` naming the field that does not fit."""
    try:
        credit = Credit.model_validate(said["credit"]) if said.get("credit") else None
        items = tuple(map(Item.model_validate, said.get("item", [])))
        results = Publishing.model_validate(said["results"]) if said.get("results") else None
        return Pack(items, Targets.model_validate(said.get("targets", {})), credit, results)
    except ValidationError as fault:
        place = f"{fault.title}.{'.'.join(str(part) for part in fault.errors()[0]['loc'])}"
        raise BadInput(
            "supervision.pack", Text(zh=f"supervision.toml 的 {place} 不合规", en=f"{place} of supervision.toml does not fit"),
            Text(zh="改正 supervision.toml", en="Mend supervision.toml"), place,
        ) from fault  # fmt: skip


def save_items(conn: Connection, items: Iterable[Item]) -> None:
    """Make these the list of items; what is not among them is planned no more."""
    given = list(items)
    with conn.cursor() as cursor:
        cursor.executemany(SAVE_ITEM, [(one.code, place, Jsonb(one.model_dump())) for place, one in enumerate(given)])
    conn.execute(RETIRE_ITEMS, ([one.code for one in given],))


def list_items(city: City, *, retired: bool = False) -> list[Item]:
    """The list of items in its order; with `retired`, also those that are planned no more."""
    return [Item.model_validate(row["body"]) for row in city.db.all(ITEMS, (retired,))]


def find_items(conn: Connection, codes: Iterable[str]) -> list[Item]:
    """The items of these codes; raises `NotFound`."""
    found = []
    for code in codes:
        row = conn.execute(ITEM, (code,)).fetchone()
        if row is None:
            raise not_found(Text(zh="抽查事项", en="item of inspection"), code[:80])
        found.append(Item.model_validate(row["body"]))
    return found


def check_runs(conn: Connection, asker: Asker, unit: str) -> None:
    """Raise `Refused` unless the asker answers for the unit's inspections: its steward, one above, or an administrator."""
    path = path_of(conn, unit, active=True)
    if path is None:
        raise not_found(Text(zh="机构", en="unit"), unit[:64])
    if not asker.may_steward(path):
        raise Refused(
            "supervision.steward", Text(zh="这由牵头单位的数据管理员办理", en="This is done by a steward of the unit in the lead"),
            Text(zh="请该单位或上级的数据管理员办理", en="Ask a steward of that unit or above"), unit,
        )  # fmt: skip


def save_inspector(conn: Connection, asker: Asker, inspector: Inspector) -> None:
    """Add an inspector or change one (leave, certificate); raises `Refused`, `BadInput`, `NotFound` for a unit, person or item."""
    before = conn.execute(ONE, (inspector.certificate,)).fetchone()
    for unit in {inspector.unit, str(before["unit"]) if before else inspector.unit}:
        check_runs(conn, asker, unit)
    backwards = inspector.away_from and inspector.away_until and inspector.away_until < inspector.away_from
    if not CERTIFICATE.fullmatch(inspector.certificate) or not 0 < len(inspector.name.strip()) <= 60 or backwards:
        raise BadInput(
            "supervision.inspector", Text(zh="执法证号、姓名或请假日期不合规", en="The certificate, the name or the days of leave do not fit"),
            Text(zh="证号是 4 到 40 个字母、数字或 -；姓名必填；请假先起后止", en="A certificate has 4 to 40 letters, digits or -; a name is needed; leave begins before it ends"),
            inspector.certificate[:40],
        )  # fmt: skip
    find_items(conn, inspector.items)
    try:
        conn.execute(SAVE_INSPECTOR, {**inspector.__dict__, "name": inspector.name.strip(), "items": list(inspector.items)})
    except ForeignKeyViolation as fault:
        raise not_found(Text(zh="人员", en="person"), str(inspector.person)) from fault
    facts = {"unit": inspector.unit, "active": inspector.active}
    append(conn, kind="supervision.inspector", actor=asker.label, subject=f"inspector:{inspector.certificate}", facts=facts)


def avoid(
    conn: Connection, asker: Asker, target: str, reason: Reason, *, inspector: str | None = None, unit: str | None = None
) -> None:
    """Note that an inspector, or everybody of a unit, must not inspect a target; raises `Refused`, `BadInput`, `NotFound`."""
    if (inspector is None) == (unit is None) or reason not in REASONS or not 0 < len(target) <= 100:
        raise BadInput(
            "supervision.avoidance", Text(zh="回避关系不完整", en="The avoidance is not complete"),
            Text(zh="写明对象、理由，以及一名人员或一个单位", en="Say the target, the reason, and one inspector or one unit"), target[:80],
        )  # fmt: skip
    if inspector is not None:
        row = conn.execute(ONE, (inspector,)).fetchone()
        if row is None:
            raise not_found(Text(zh="执法人员", en="inspector"), inspector[:40])
        check_runs(conn, asker, str(row["unit"]))
    else:
        check_runs(conn, asker, str(unit))
    conn.execute(AVOID, {"inspector": inspector, "unit": unit, "target": target, "reason": reason, "actor": asker.label, "at": now()})
    # Whom somebody is related to is nobody else's business: the ledger says only that it was noted.
    append(conn, kind="supervision.avoidance", actor=asker.label, subject=f"inspector:{inspector}" if inspector else f"unit:{unit}")


def list_inspectors(city: City, unit: str | None = None, text: str | None = None, limit: int = 50, offset: int = 0) -> tuple[list[Inspector], int]:
    """A page of inspectors, of a unit or with a text in name or certificate; and how many there are."""
    wanted: dict[str, Any] = {"unit": unit or None, "text": text or None, "like": f"%{text or ''}%"}
    rows = city.db.all(LIST, {**wanted, "limit": limit, "offset": offset})
    counted = city.db.one(COUNT, wanted)
    return [inspector_from(row) for row in rows], int(counted["n"]) if counted else 0


def find_inspector(city: City, certificate: str) -> Inspector:
    """The inspector with this certificate; raises `NotFound`."""
    row = city.db.one(ONE, (certificate,))
    if row is None:
        raise not_found(Text(zh="执法人员", en="inspector"), certificate[:40])
    return inspector_from(row)


def avoidances(conn: Connection) -> list[Avoidance]:
    """Everything that must be avoided."""
    return [Avoidance(row["inspector"], row["unit"], str(row["target"]), str(row["reason"])) for row in conn.execute(AVOIDANCES)]


def inspector_from(row: dict[str, Any]) -> Inspector:
    """The inspector in a row."""
    return Inspector(**{**{name: row[name] for name in Inspector.__dataclass_fields__}, "items": tuple(row["items"])})
