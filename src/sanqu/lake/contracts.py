"""The contract (数据契约) of a dataset: a Frictionless Table Schema plus the city's law."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic import Field as Given

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

FieldType = Literal[
    "string", "integer", "number", "boolean", "date", "time", "datetime", "year", "yearmonth",
    "object", "array", "geopoint", "geojson", "any",
]  # fmt: skip
Grade = Literal["L1", "L2", "L3", "L4"]
Sharing = Literal["unconditional", "conditional", "none"]
Opening = Literal["unconditional", "restricted", "none"]
# What may be done with an item's values, after SCQL's column control: read as they are, compared with another such
# item, matched in a join with another such item, named by a group, or added up over enough subjects.
Use = Literal["plain", "compare", "join", "group", "aggregate"]
USES: tuple[Use, ...] = ("plain", "compare", "join", "group", "aggregate")
# What an item's values name: a person or an enterprise (whose data a row is), or a unit of the org tree (where it belongs).
Identifies = Literal["person", "enterprise", "unit"]

# How each Table Schema type lies in the lake. Dates and times without a zone are the city's (UTC+8) or UTC as the
# contract's description says; they are stored as given.
LAKE_TYPES: dict[str, str] = {
    "string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE",
    "time": "TIME", "datetime": "TIMESTAMP", "year": "INTEGER", "yearmonth": "VARCHAR", "object": "VARCHAR",
    "array": "VARCHAR", "geopoint": "VARCHAR", "geojson": "VARCHAR", "any": "VARCHAR",
}  # fmt: skip
ORDERED_TYPES = frozenset({"integer", "number", "date", "time", "datetime", "year", "yearmonth"})
DATASET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
ITEM_NAME_LIMIT = 120
# DuckLake's own columns, and the row number that SQL sees.
RESERVED = frozenset({"row_id", "rowid", "begin_snapshot", "end_snapshot", "snapshot_id", "change_type"})
# What lines call the columns beside the items while they check rows.
BESIDE_ITEMS = re.compile(r"_(n|bad|faults|cells|[rqc]\d+)")
DURATION = re.compile(r"P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?")


def quote_ident(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Constraints(BaseModel):
    """What a value must satisfy (Table Schema, `constraints`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    required: bool = False
    unique: bool = False
    minLength: int | None = Given(default=None, ge=0)  # noqa: N815  (the names are Table Schema's)
    maxLength: int | None = Given(default=None, ge=0)  # noqa: N815
    minimum: float | str | None = None
    maximum: float | str | None = None
    pattern: str | None = None
    enum: tuple[str | float | bool, ...] | None = None


class Field(BaseModel):
    """One item (数据项) of a dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: FieldType = "string"
    title: Text = Text()
    description: Text = Text()
    format: str = "default"
    unit: str | None = None
    grade: Grade | None = None
    uses: tuple[Use, ...] = ("plain",)
    identifies: Identifies | None = None
    constraints: Constraints = Constraints()
    aliases: tuple[str, ...] = ()

    @property
    def lake_type(self) -> str:
        """The type of the column that holds this item."""
        return LAKE_TYPES[self.type]


class ForeignKey(BaseModel):
    """A promise that values of `fields` are found in `reference_fields` of another dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: tuple[str, ...]
    dataset: str
    reference_fields: tuple[str, ...]


class Contract(BaseModel):
    """What a dataset promises: items, key, steward, and the law over it.

    `freshness` is an ISO 8601 duration: how old the newest data may be. `sample` marks generated data (样例).
    `least_group` is how many subjects a group must hold before figures about it are given (最小分组).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: Text
    description: Text = Text()
    fields: tuple[Field, ...]
    primaryKey: tuple[str, ...] = ()  # noqa: N815
    missingValues: tuple[str, ...] = ("",)  # noqa: N815
    steward: str
    grade: Grade = "L1"
    sharing: Sharing = "unconditional"
    opening: Opening = "unconditional"
    # How many subjects (persons, enterprises) a group must hold before a figure about it is given.
    least_group: int = Given(default=5, ge=2, le=10_000)
    freshness: str | None = None
    sample: bool = False
    subject: str | None = None
    tags: tuple[str, ...] = ()
    source: str | None = None
    foreignKeys: tuple[ForeignKey, ...] = ()  # noqa: N815

    @classmethod
    def from_descriptor(cls, descriptor: dict[str, Any]) -> Self:
        """The contract a JSON or TOML descriptor states; raises `BadInput` naming what does not fit or contradicts."""
        try:
            return cls.model_validate(descriptor)
        except ValidationError as fault:
            first = fault.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise _contradiction(str(descriptor.get("name", "?")), place, first["msg"], first["msg"]) from fault

    def descriptor(self) -> dict[str, Any]:
        """The contract as JSON; `from_descriptor` reads it back."""
        return self.model_dump(mode="json", exclude_defaults=True) | {"name": self.name}

    def field(self, name: str) -> Field:
        """The item called `name`; raises `BadInput`."""
        for item in self.fields:
            if item.name == name:
                return item
        raise _contradiction(self.name, name, "没有这个数据项", "there is no such item")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the items, in order."""
        return tuple(item.name for item in self.fields)

    def grade_of(self, name: str) -> Grade:
        """The grade of the item `name`: its own, else the dataset's."""
        return self.field(name).grade or self.grade

    @property
    def subject_items(self) -> tuple[str, ...]:
        """The items that say whose data a row is: the person's, else the enterprise's, else the key."""
        for kind in ("person", "enterprise"):
            found = tuple(item.name for item in self.fields if item.identifies == kind)
            if found:
                return found[:1]
        return self.primaryKey

    @property
    def unit_item(self) -> str | None:
        """The item that says to which unit of the org tree a row belongs."""
        return next((item.name for item in self.fields if item.identifies == "unit"), None)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for check in (_check_names, _check_key, _check_law, _check_constraints):
            check(self)
        return self


def _contradiction(contract: str, place: str, zh: str, en: str) -> BadInput:
    return BadInput(
        "contract.contradiction",
        Text(zh=f"数据契约的 {place} 不成立：{zh}", en=f"{place} of the contract does not hold: {en}"),
        Text(zh="改正这一处后重试", en="Mend this place and try again"),
        contract,
        facts={"at": place},
    )


def _check_names(contract: Contract) -> None:
    if not DATASET_NAME.fullmatch(contract.name):
        raise _contradiction(contract.name, "name", "只用小写字母、数字、-、_", "use lower-case letters, digits, - and _ only")
    if not contract.fields:
        raise _contradiction(contract.name, "fields", "至少要有一个数据项", "there must be at least one item")
    folded = Counter(item.name.casefold() for item in contract.fields)
    for item in contract.fields:
        if not item.name or len(item.name) > ITEM_NAME_LIMIT or item.name.casefold().startswith("_sanqu"):
            raise _contradiction(contract.name, f"fields.{item.name}", "名称不可用", "the name cannot be used")
        if item.name.casefold() in RESERVED or BESIDE_ITEMS.fullmatch(item.name.casefold()):
            raise _contradiction(
                contract.name, f"fields.{item.name}", "这个名称由数据湖自己使用", "the lake keeps this name for itself"
            )
        if folded[item.name.casefold()] > 1:
            raise _contradiction(contract.name, f"fields.{item.name}", "重名（不分大小写）", "named twice (case aside)")


def _check_key(contract: Contract) -> None:
    for name in contract.primaryKey:
        if name not in contract.names:
            raise _contradiction(contract.name, f"primaryKey.{name}", "主键不是数据项", "the key is not an item")
    if len(set(contract.primaryKey)) != len(contract.primaryKey):
        raise _contradiction(contract.name, "primaryKey", "主键重复", "an item stands in the key twice")
    for link in contract.foreignKeys:
        if len(link.fields) != len(link.reference_fields) or not set(link.fields) <= set(contract.names):
            raise _contradiction(contract.name, "foreignKeys", "外键与数据项不对应", "the link does not match the items")


def _check_law(contract: Contract) -> None:
    if contract.grade == "L4" and contract.opening != "none":
        raise _contradiction(contract.name, "opening", "L4 数据禁止开放", "L4 data never opens")
    if contract.grade in ("L3", "L4") and contract.opening == "unconditional":
        raise _contradiction(
            contract.name,
            "opening",
            f"{contract.grade} 数据不能无条件开放",
            f"{contract.grade} data cannot open without conditions",
        )
    if contract.sharing == "none" and contract.opening == "unconditional":
        raise _contradiction(contract.name, "sharing", "不予共享却无条件开放", "not shared, yet open without conditions")
    for item in contract.fields:
        if not item.uses:
            raise _contradiction(contract.name, f"fields.{item.name}.uses", "至少一种用法", "name at least one use")
        if "aggregate" in item.uses and "plain" not in item.uses and not contract.subject_items:
            raise _contradiction(
                contract.name,
                f"fields.{item.name}.uses",
                "只可汇总的数据项需要主键，或一个标明主体的数据项（identifies）",
                "an item for aggregates only needs a key, or an item that identifies the subject",
            )
    if contract.freshness is not None and not DURATION.fullmatch(contract.freshness):
        raise _contradiction(
            contract.name, "freshness", "应为 ISO 8601 时长，如 P1D", "should be an ISO 8601 duration such as P1D"
        )


def _check_constraints(contract: Contract) -> None:
    for item in contract.fields:
        rule, place = item.constraints, f"fields.{item.name}.constraints"
        if rule.minLength is not None and rule.maxLength is not None and rule.minLength > rule.maxLength:
            raise _contradiction(contract.name, place, "最短长于最长", "the shortest is longer than the longest")
        if (rule.minimum is not None or rule.maximum is not None) and item.type not in ORDERED_TYPES:
            raise _contradiction(contract.name, place, f"{item.type} 没有大小", f"{item.type} has no order")
        for bound in (rule.minimum, rule.maximum):
            if isinstance(bound, str) and item.type in ("integer", "number", "year"):
                raise _contradiction(contract.name, place, "界限应为数", "a bound should be a number")
        comparable = rule.minimum is not None and rule.maximum is not None and type(rule.minimum) is type(rule.maximum)
        if comparable and rule.minimum > rule.maximum:  # type: ignore[operator]
            raise _contradiction(contract.name, place, "最小大于最大", "the minimum exceeds the maximum")
        if rule.pattern is not None:
            try:
                re.compile(rule.pattern)
            except re.error as fault:
                raise _contradiction(contract.name, f"{place}.pattern", str(fault), str(fault)) from fault
        if item.name in contract.primaryKey and item.type in ("object", "array", "geojson"):
            raise _contradiction(
                contract.name, f"primaryKey.{item.name}", f"{item.type} 不能作主键", f"{item.type} cannot be a key"
            )
