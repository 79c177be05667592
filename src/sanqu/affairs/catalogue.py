"""The catalogue (事项目录): matters with their guides, and the things (一件事) that bring several of them into one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as Given

from sanqu.affairs.records import AWAY
from sanqu.cases.conditions import parse_condition
from sanqu.cases.forms import Field as FormField
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.i18n import Text

Who = Literal["person", "enterprise"]
# With room for the city before a matter of a partner.
CODE = r"^[a-z][a-z0-9-]{0,59}$"
# The process of a matter that is applied for on its own.
ALONE = "affairs-matter"

SAVE = """
INSERT INTO affairs_entry (kind, code, position, body) VALUES (%s, %s, %s, %s)
ON CONFLICT (kind, code) DO UPDATE SET position = excluded.position, body = excluded.body, active = true
"""
DROP = "UPDATE affairs_entry SET active = false WHERE kind = %s AND code <> ALL(%s)"
ALL = "SELECT kind, code, body, active FROM affairs_entry ORDER BY position"
ELSEWHERE = """
SELECT p.code AS partner, p.title_zh, p.title_en, o.body, o.active AND p.active AS active
FROM affairs_partner p LEFT JOIN affairs_offer o ON o.partner = p.code ORDER BY p.code, o.position
"""


class Item(BaseModel):
    """One field (字段) of forms. `source` is the item of a dataset that holds it, such as `residents.name`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Given(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    title: Text
    about: Text = Text()
    type: Literal["text", "long", "choice", "number", "date", "boolean"] = "text"
    options: tuple[str, ...] = ()
    required: bool = True
    when: str = ""
    most: int = Given(default=200, ge=1, le=4000)
    source: str = Given(default="", pattern=r"^([a-z0-9-]+\.[a-z0-9_]+)?$")

    @property
    def dataset(self) -> str:
        """The dataset that holds it; empty where none does."""
        return self.source.partition(".")[0]

    def as_field(self) -> FormField:
        """The field as forms of cases check it."""
        return FormField.model_validate({
            "name": self.name, "type": self.type, "title": self.title, "about": self.about, "required": self.required, "when": self.when,
            "options": [{"value": one} for one in self.options], "most": self.most,
        })  # fmt: skip


class Material(BaseModel):
    """One material (材料). It is asked `when` a condition over the form holds, unless `held`, a dataset, has a row of the applicant.

    `made_by` is the matter whose result it is: where that is part of the same thing, nobody has to bring it. `rule` is a condition over the form, what is held (`residents.name`) and `today` that must hold; `why` says what is wrong
    where it does not. A material of the kind `statement` is said by the form itself and needs no paper.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Given(pattern=CODE)
    title: Text
    kind: Literal["paper", "statement"] = "paper"
    held: str = ""
    made_by: str = ""
    when: str = ""
    rule: str = ""
    why: Text = Text()


class Days(BaseModel):
    """Working days: what the law allows, and what is promised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    legal: int = Given(ge=0, le=999)
    promised: float = Given(ge=0, le=999)


class Visits(BaseModel):
    """How often one had to come before, and now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: int = Given(ge=0, le=20)
    now: int = Given(default=0, ge=0, le=20)


class Result(BaseModel):
    """What one is given (结果): a certificate, valid for `years` (None: without end), on which `shows` stand, fields of the form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Text
    prefix: str = Given(pattern=r"^[A-Z]{2,4}$")
    years: int | None = None
    shows: tuple[str, ...] = ()


class Matter(BaseModel):
    """One matter (事项) with its guide (办事指南). `cross`: it is offered to partner cities (跨省通办); `city`: the one that handles it, empty: here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Given(pattern=CODE)
    group: Text
    title: Text
    about: Text = Text()
    who: Who = "person"
    may: Text = Text()
    legal: tuple[Text, ...] = ()
    department: str = Given(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    days: Days
    visits: Visits
    fee: Text = Text(zh="不收费", en="free of charge")
    items: tuple[str, ...] = ()
    materials: tuple[Material, ...] = ()
    result: Result | None = None
    # Whether it can be applied for on its own.
    alone: bool = False
    cross: bool = False
    city: str = ""
    keywords: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The code as names in forms and processes can be written."""
        return self.code.replace("-", "_")


class Thing(BaseModel):
    """One thing (一件事): matters that are applied for in one form and handled in one process.

    `promised` is `1wd`, `4wh` or `60wm`; `facts` names a function that works out more for the rules (`knowing.py`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Given(pattern=CODE)
    title: Text
    about: Text = Text()
    who: Who = "person"
    matters: tuple[str, ...] = Given(min_length=1)
    process: str = Given(pattern=r"^[a-z][a-z0-9-]{0,62}$")
    promised: str = Given(pattern=r"^\d{1,3}(wd|wh|wm)$")
    facts: str = ""
    # Conditions over the form and what is held that must hold, whatever the material.
    rules: tuple[Material, ...] = ()
    city: str = ""
    keywords: tuple[str, ...] = ()


class StandingGrant(BaseModel):
    """A dataset that the window may read for things, on the consent of whose data it is; `ground` is the legal one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    items: tuple[str, ...] = Given(min_length=1)
    things: tuple[str, ...] = Given(min_length=1)
    ground: str


class Catalogue(BaseModel):
    """What a city pack says of matters and things (`affairs.toml`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: str
    item: tuple[Item, ...] = ()
    matter: tuple[Matter, ...] = ()
    thing: tuple[Thing, ...] = ()
    grant: tuple[StandingGrant, ...] = ()
    programme: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Offered:
    """A thing with its matters, and the fields of its one form; the form is the union of what the matters ask."""

    thing: Thing
    matters: tuple[Matter, ...]
    items: tuple[Item, ...]

    @property
    def code(self) -> str:
        """The thing's code, which is also the purpose for which data are read."""
        return self.thing.code

    @property
    def materials(self) -> tuple[Material, ...]:
        """The materials of all matters, each once: what one matter was given another need not ask."""
        return tuple({one.code: one for matter in self.matters for one in matter.materials}.values())

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets that may hold something of the form or of its materials."""
        named = [item.dataset for item in self.items] + [one.held for one in self.materials]
        return tuple(dict.fromkeys(one for one in named if one))

    @property
    def legal_days(self) -> int:
        """The longest of the matters' legal limits: as if all were applied for at once."""
        return max(matter.days.legal for matter in self.matters)

    @property
    def visits_before(self) -> int:
        """How often one had to come for all of them."""
        return sum(matter.visits.before for matter in self.matters)

    def items_of(self, matter: Matter) -> tuple[Item, ...]:
        """The fields that a matter asks."""
        return tuple(item for item in self.items if item.name in matter.items)


def read_catalogue(said: Mapping[str, Any]) -> Catalogue:
    """The catalogue of a city pack; raises `BadInput` naming the place that does not fit."""
    try:
        found = Catalogue.model_validate(said)
    except ValidationError as fault:
        raise _unfit(".".join(str(part) for part in fault.errors()[0]["loc"]), str(fault.errors()[0]["msg"])) from fault
    _check_names(found)
    return found


def _check_names(found: Catalogue) -> None:
    items = {item.name for item in found.item}
    matters = {matter.code: matter for matter in found.matter}
    for matter in found.matter:
        if strange := sorted({*matter.items, *(matter.result.shows if matter.result else ())} - items):
            raise _unfit(f"{matter.code}.items", f"there is no field {strange[0]}")
        if matter.cross and not matter.alone:
            raise _unfit(f"{matter.code}.cross", "other cities may file only what is applied for on its own")
        if matter.city:
            raise _unfit(f"{matter.code}.city", "matters of other cities come from those cities")
    for thing in found.thing:
        if thing.city:
            raise _unfit(f"{thing.code}.city", "matters of other cities come from those cities")
        if strange := sorted(set(thing.matters) - matters.keys()):
            raise _unfit(f"{thing.code}.matters", f"there is no matter {strange[0]}")
        if thing.code in matters and matters[thing.code].alone:
            raise _unfit(thing.code, "a matter of that code is applied for on its own")
    for one in (*(m for matter in found.matter for m in matter.materials), *(m for thing in found.thing for m in thing.rules)):
        for condition in (one.when, one.rule):
            if condition:
                parse_condition(condition, one.code)


def _unfit(place: str, why: str) -> BadInput:
    return BadInput(
        "affairs.catalogue",
        Text(zh=f"事项目录的 {place} 不合规：{why}", en=f"{place} of the catalogue does not fit: {why}"),
        Text(zh="改正 affairs.toml", en="Mend affairs.toml"),
        place[:80],
    )


def save_catalogue(conn: Connection, found: Catalogue) -> None:
    """Make this the catalogue; what is not in it is offered no more, and filings of it go on."""
    _save(conn, "item", [(one.name, one) for one in found.item])
    _save(conn, "matter", [(one.code, one) for one in found.matter])
    _save(conn, "thing", [(one.code, one) for one in found.thing])


def _save(conn: Connection, kind: str, given: Sequence[tuple[str, BaseModel]]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(SAVE, [(kind, code, place, Jsonb(one.model_dump())) for place, (code, one) in enumerate(given)])
    conn.execute(DROP, (kind, [code for code, _ in given]))


@dataclass(frozen=True)
class Offer:
    """The whole catalogue as it stands in a city: what is offered now, and what was."""

    items: Mapping[str, Item]
    matters: Mapping[str, Matter]
    things: Mapping[str, Thing]
    retired: frozenset[str]
    # What partner cities handle, and what these are called.
    away: Mapping[str, Offered]
    cities: Mapping[str, Text]

    def offered(self) -> list[Offered]:
        """What may be applied for: things, then matters that stand alone, then those of partner cities."""
        alone = [matter.code for matter in self.matters.values() if matter.alone]
        return [self.find(code) for code in (*self.things, *alone, *self.away) if code not in self.retired]

    def find(self, code: str) -> Offered:
        """The thing `code`, or the matter that is applied for on its own, here or in a partner city; raises `NotFound`."""
        if code in self.away:
            return self.away[code]
        thing = self.things.get(code) or self._alone(code)
        if thing is None:
            raise not_found(Text(zh="可以办理的事", en="thing that can be applied for"), code[:80])
        matters = tuple(self.matters[one] for one in thing.matters)
        names = dict.fromkeys(name for matter in matters for name in matter.items)
        return Offered(thing, matters, tuple(self.items[name] for name in names))

    def _alone(self, code: str) -> Thing | None:
        matter = self.matters.get(code)
        return _as_thing(matter, ALONE) if matter is not None and matter.alone else None

    def titles(self) -> dict[str, Text]:
        """The titles of all that was ever offered, by code."""
        things = [*self.things.values(), *(one.thing for one in self.away.values())]
        return {matter.code: matter.title for matter in self.matters.values()} | {thing.code: thing.title for thing in things}

    def matter(self, code: str) -> Matter:
        """The matter `code`; raises `NotFound`."""
        found = self.away[code].matters[0] if code in self.away else self.matters.get(code)
        if found is None:
            raise not_found(Text(zh="事项", en="matter"), code[:80])
        return found


def catalogue_of(city: City) -> Offer:
    """The catalogue of the city."""
    rows = city.db.all(ALL)
    elsewhere = city.db.all(ELSEWHERE)
    away = [(_away(row["body"]), bool(row["active"])) for row in elsewhere if row["body"]]
    by_kind = {kind: {str(row["code"]): row["body"] for row in rows if row["kind"] == kind} for kind in ("item", "matter", "thing")}
    return Offer(
        {code: Item.model_validate(body) for code, body in by_kind["item"].items()},
        {code: Matter.model_validate(body) for code, body in by_kind["matter"].items()},
        {code: Thing.model_validate(body) for code, body in by_kind["thing"].items()},
        frozenset([str(row["code"]) for row in rows if not row["active"] and row["kind"] != "item"] + [one.code for one, active in away if not active]),
        {one.code: one for one, _ in away},
        {str(row["partner"]): Text(zh=row["title_zh"], en=row["title_en"]) for row in elsewhere},
    )


def _away(body: Mapping[str, Any]) -> Offered:
    """A matter that a partner city handles, as it was kept."""
    matter = Matter.model_validate(body["matter"])
    return Offered(_as_thing(matter, AWAY), (matter,), tuple(Item.model_validate(one) for one in body["items"]))


def _as_thing(matter: Matter, process: str) -> Thing:
    return Thing(
        code=matter.code, title=matter.title, about=matter.about, who=matter.who, matters=(matter.code,), process=process,
        promised=f"{max(1, round(matter.days.promised))}wd", city=matter.city, keywords=matter.keywords,
    )  # fmt: skip


def search(found: Iterable[Offered], text: str = "", who: str = "") -> list[Offered]:
    """What has every word of `text` in a title, description or keyword, for a person or an enterprise."""
    words = text.lower().split()
    return [one for one in found if (not who or one.thing.who == who) and all(word in _said_by(one) for word in words)]


def _said_by(one: Offered) -> str:
    texts = [one.thing.title, one.thing.about, *(text for matter in one.matters for text in (matter.title, matter.group))]
    more = [*one.thing.keywords, *(word for matter in one.matters for word in matter.keywords)]
    return " ".join([*(f"{text.zh} {text.en}" for text in texts), *more]).lower()
