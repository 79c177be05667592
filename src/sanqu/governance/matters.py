"""The catalogue of matters (事项清单): what may be reported, who answers for it, how soon, what else is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.i18n import Text

Urgency = Literal["normal", "urgent"]

SAVE = """
INSERT INTO governance_matter (code, position, body) VALUES (%s, %s, %s)
ON CONFLICT (code) DO UPDATE SET position = excluded.position, body = excluded.body, active = true
"""
DROP = "UPDATE governance_matter SET active = false WHERE code <> ALL(%s)"
LIST = "SELECT body FROM governance_matter WHERE active OR %s ORDER BY position"
ONE = "SELECT body FROM governance_matter WHERE code = %s"


class Value(BaseModel):
    """One of the answers to an attribute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(min_length=1, max_length=60)
    title: Text


class Attribute(BaseModel):
    """What is asked besides text and place; `type` is a datatype of Open311 GeoReport v2."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    title: Text
    type: Literal["string", "number", "datetime", "text", "singlevaluelist", "multivaluelist"] = "string"
    required: bool = False
    values: tuple[Value, ...] = ()


class Days(BaseModel):
    """Working days to handle it; 0 is by the end of the day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    normal: int = Field(ge=0, le=999)
    urgent: int = Field(ge=0, le=999)


class Matter(BaseModel):
    """One matter (事项).

    `departments` are short names of units that answer for it, the first first (`jtj` is `330802-jtj`, else `3308-jtj`; `town` is
    the town where it happened); with none of them the town decides. `joint` act beside the one in the lead (联办).
    `public` matters are offered to everybody; of `private` ones the public list tells neither text nor place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    group: Text
    title: Text
    about: Text = Text()
    departments: tuple[str, ...] = ()
    joint: tuple[str, ...] = Field(default=(), max_length=2)
    days: Days
    keywords: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    public: bool = True
    private: bool = False

    def days_for(self, urgency: Urgency) -> int:
        """How many working days there are."""
        return self.days.urgent if urgency == "urgent" else self.days.normal


def read_matter(said: Mapping[str, Any]) -> Matter:
    """A matter as a city pack writes it; raises `BadInput` naming the field that does not fit."""
    try:
        return Matter.model_validate(said)
    except ValidationError as fault:
        place = ".".join(str(part) for part in fault.errors()[0]["loc"])
        raise BadInput(
            "governance.matter",
            Text(zh=f"事项的 {place} 不合规", en=f"{place} of the matter does not fit"),
            Text(zh="改正 matters.toml", en="Mend matters.toml"),
            str(said.get("code", ""))[:80],
        ) from fault


def save_matters(conn: Connection, matters: Iterable[Matter]) -> None:
    """Make these the catalogue; what is not among them is offered no more, and events of it go on."""
    given = list(matters)
    with conn.cursor() as cursor:
        cursor.executemany(SAVE, [(one.code, place, Jsonb(one.model_dump())) for place, one in enumerate(given)])
    conn.execute(DROP, ([one.code for one in given],))


def list_matters(city: City, *, retired: bool = False) -> list[Matter]:
    """The catalogue in its order; with `retired`, also what is offered no more."""
    return [Matter.model_validate(row["body"]) for row in city.db.all(LIST, (retired,))]


def find_matter(conn: Connection, code: str) -> Matter:
    """The matter `code`; raises `NotFound`."""
    row = conn.execute(ONE, (code,)).fetchone()
    if row is None:
        raise not_found(Text(zh="事项", en="matter"), code[:80])
    return Matter.model_validate(row["body"])


def check_attributes(matter: Matter, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of the matter's attributes, checked; raises `BadInput` naming the one that is missing or unfit."""
    known = {one.code: one for one in matter.attributes}
    if strange := sorted(given.keys() - known.keys()):
        raise _unfit(matter, strange[0], "没有这一项", "there is no such attribute")
    found: dict[str, Any] = {}
    for code, attribute in known.items():
        said = given.get(code)
        values = [
            str(one).strip() for one in (said if isinstance(said, list) else [said]) if one is not None and str(one).strip()
        ]
        if not values:
            if attribute.required:
                raise _unfit(matter, code, "必填", "is needed")
            continue
        _check_values(matter, attribute, values)
        found[code] = values if attribute.type == "multivaluelist" else values[0]
    return found


def _check_values(matter: Matter, attribute: Attribute, values: list[str]) -> None:
    if any(len(one) > 2000 for one in values) or (len(values) > 1 and attribute.type != "multivaluelist"):
        raise _unfit(matter, attribute.code, "太长，或不止一个值", "is too long, or more than one value")
    keys = {value.key for value in attribute.values}
    if attribute.type.endswith("valuelist") and not set(values) <= keys:
        raise _unfit(matter, attribute.code, f"应是 {'、'.join(sorted(keys))}", f"must be of {', '.join(sorted(keys))}")
    if attribute.type == "number":
        try:
            float(values[0])
        except ValueError as fault:
            raise _unfit(matter, attribute.code, "应是数", "must be a number") from fault


def _unfit(matter: Matter, code: str, zh: str, en: str) -> BadInput:
    return BadInput(
        "governance.attribute",
        Text(zh=f"{matter.title.zh} 的 {code}：{zh}", en=f"{code} of {matter.title.in_('en')} {en}"),
        Text(zh="按事项的要求改正", en="Mend it as the matter asks"),
        f"{matter.code}.{code}"[:80],
        facts={"attribute": code[:80]},
    )
