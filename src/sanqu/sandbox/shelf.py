"""What a room's queries may name: the datasets granted to it, what is open to everyone, and what was brought along."""

from __future__ import annotations

from dataclasses import dataclass

from sanqu.catalog.search import Ask, search
from sanqu.ground.city import City
from sanqu.ground.errors import NotFound
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import PUBLIC
from sanqu.lake.contracts import Use
from sanqu.sandbox.inside import Inside
from sanqu.sandbox.records import Room
from sanqu.sandbox.uploads import PREFIX, uploads_of
from sanqu.sharing.grants import list_grants
from sanqu.sharing.law import Basis, DatasetLaw, bases_of, known_law, law_book

# Open datasets that the editor knows by name; all others may be named as well.
LISTED = 60
# What may stand in a query that passes by rule, and words of SQL that the editor completes.
FUNCTIONS = (
    "count", "sum", "avg", "lower", "upper", "left", "right", "length", "substring", "trim", "year", "month", "day", "quarter",
    "date_trunc", "floor", "ceil", "round", "abs", "coalesce", "nullif",
)  # fmt: skip
KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "JOIN", "LEFT JOIN", "ON", "AS", "AND", "OR", "NOT",
    "IN", "BETWEEN", "LIKE", "IS NULL", "IS NOT NULL", "DESC", "DISTINCT",
)  # fmt: skip


@dataclass(frozen=True)
class ShelvedItem:
    """One item as the room may use it."""

    name: str
    title: Text
    type: str
    uses: tuple[Use, ...]
    masks: tuple[str, ...]


@dataclass(frozen=True)
class Shelved:
    """One table: a dataset on its ground, or an upload (`ground` is `own`)."""

    name: str
    title: Text
    ground: str
    clause: str
    purpose: str
    items: tuple[ShelvedItem, ...]


def shelf_of(city: City, room: Room) -> list[Shelved]:
    """What the room may use: what was granted to it first, then what was brought along, then what is open."""
    granted = sorted({one.grant.dataset for one in list_grants(city, assignees=[room.assignee], state="active", limit=1000)})
    hits = search(city, Ask("", {"state": ["published"], "opening": ["unconditional"]}, limit=LISTED), PUBLIC).hits
    names = [*granted, *(hit.dataset.name for hit in hits if hit.dataset.contract and hit.dataset.name not in granted)]
    found = [shelved for name in names if (shelved := _shelved(city, room, name)) is not None]
    own = [
        Shelved(
            PREFIX + one.name, Text(zh=one.name, en=one.name), "own", "", "",
            tuple(ShelvedItem(column, Text(), type_.lower(), ("plain",), ()) for column, type_ in one.columns.items()),
        )
        for one in uploads_of(city, room)
    ]  # fmt: skip
    return [*(one for one in found if one.ground != "open"), *own, *(one for one in found if one.ground == "open")]


def _shelved(city: City, room: Room, name: str) -> Shelved | None:
    asker = Inside(rooms=frozenset({str(room.id)}))
    version, _ = law_book(city).current([name])
    tree = law_book(city).tree(version)
    try:
        law = known_law(city, version, asker, name)
    except NotFound:
        return None
    bases = [(purpose, basis) for purpose in room.purposes for basis in bases_of(law, asker, purpose, tree)]
    if not bases:
        return None
    purpose, widest = max(bases, key=lambda one: (one[1].ground == "grant", len(one[1].rules)))
    return Shelved(name, law.dataset.title, widest.ground, widest.clause, purpose, _items(law, widest))


def _items(law: DatasetLaw, basis: Basis) -> tuple[ShelvedItem, ...]:
    return tuple(
        ShelvedItem(
            item, law.contract.field(item).title, law.contract.field(item).type, rule.uses, tuple(m.kind for m in rule.masks)
        )
        for item, rule in basis.rules.items()
    )


def words_of(shelf: list[Shelved]) -> dict[str, list[str]]:
    """What the editor completes: tables, the items of each, functions, words of SQL."""
    tables = {one.name: [item.name for item in one.items] for one in shelf}
    return {"tables": list(tables), "functions": list(FUNCTIONS), "keywords": list(KEYWORDS)} | {
        f"items:{name}": items for name, items in tables.items()
    }
