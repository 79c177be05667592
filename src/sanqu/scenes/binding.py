"""A binding (绑定): which dataset and columns of this city stand for those that a scene was written for; with units and codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlglot import exp, parse_one

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake import Contract
from sanqu.lake.contracts import Field as Item
from sanqu.scenes.units import factor

DIALECT = "duckdb"
NUMBERS = frozenset({"integer", "number"})


class Column(BaseModel):
    """What fills an item: a column, times `factor` (or from `unit` to the item's own), its values read by `codes`; or a `constant`.

    Values that `codes` does not name stay as they are, unless `strict`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str = ""
    constant: str | float | bool | None = None
    unit: str = ""
    factor: float | None = None
    codes: dict[str, str] = Field(default_factory=dict)
    strict: bool = False

    @model_validator(mode="after")
    def _one_of_two(self) -> Column:
        if bool(self.column) == (self.constant is not None):
            raise ValueError("an item is filled by a column or by a constant")
        return self


class Bound(BaseModel):
    """One dataset of the scene: the dataset of the city, and what fills each item; items that are not named are empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    columns: dict[str, Column]

    @model_validator(mode="before")
    @classmethod
    def _short(cls, said: Any) -> Any:
        """`item = "column"` is short for `item = { column = "column" }`."""
        if isinstance(said, Mapping) and isinstance(said.get("columns"), Mapping):
            return {**said, "columns": {name: {"column": one} if isinstance(one, str) else one for name, one in said["columns"].items()}}
        return said


Binding = Mapping[str, Bound]


def read_binding(said: Mapping[str, Any], thing: str = "") -> dict[str, Bound]:
    """A binding from TOML or JSON, dataset by dataset; raises `BadInput` naming what does not fit."""
    found = {}
    for name, one in said.items():
        try:
            found[name] = Bound.model_validate(one)
        except ValidationError as fault:
            first = fault.errors()[0]
            where = ".".join([name, *(str(part) for part in first["loc"])])
            raise BadInput(
                "scenes.binding", Text(zh=f"绑定不合规：{where}：{first['msg']}", en=f"The binding does not fit: {where}: {first['msg']}"),
                Text(zh="见 docs/writing-a-scene.md", en="See docs/writing-a-scene.md"), thing or name,
            ) from fault  # fmt: skip
    return found


def write_binding(binding: Binding) -> str:
    """A binding as TOML, as a person edits it."""
    lines: list[str] = []
    for name, bound in binding.items():
        lines += [f"[{_key(name)}]", f"dataset = {_literal(bound.dataset)}", "", f"[{_key(name)}.columns]"]
        for item, column in bound.columns.items():
            lines.append(f"{_key(item)} = {_column(column)}")
        lines.append("")
    return "\n".join(lines)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isascii() and name.replace("_", "").replace("-", "").isalnum() else _literal(name)


def _column(column: Column) -> str:
    said: list[str] = []
    if column.column:
        said.append(f"column = {_literal(column.column)}")
    if column.constant is not None:
        said.append(f"constant = {_literal(column.constant)}")
    if column.unit:
        said.append(f"unit = {_literal(column.unit)}")
    if column.factor is not None:
        said.append(f"factor = {column.factor!r}")
    if column.codes:
        said.append("codes = { " + ", ".join(f"{_literal(one)} = {_literal(other)}" for one, other in column.codes.items()) + " }")
    if column.strict:
        said.append("strict = true")
    return _literal(column.column) if len(said) == 1 and column.column else "{ " + ", ".join(said) + " }"


def _literal(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def same(contract: Contract) -> Bound:
    """The binding of a dataset to itself."""
    return Bound(dataset=contract.name, columns={item.name: Column(column=item.name) for item in contract.fields})


def is_same(bound: Bound) -> bool:
    """Whether nothing is renamed or converted, so that the dataset stands for itself."""
    return all(one == Column(column=name) for name, one in bound.columns.items())


def check_bound(name: str, bound: Bound, wanted: Contract, given: Contract) -> list[Text]:
    """What is wrong with a binding: items or columns that are not there, units that do not convert, needed items left empty."""
    found: list[Text] = []
    needed = {item.name for item in wanted.fields if item.constraints.required} | set(wanted.primaryKey)
    for missing in sorted(needed - set(bound.columns)):
        found.append(Text(zh=f"{name}.{missing} 必填，还没有绑定", en=f"{name}.{missing} is needed and not bound"))
    for item, column in bound.columns.items():
        if item not in wanted.names:
            found.append(Text(zh=f"场景的 {name} 没有 {item}", en=f"{name} of the scene has no {item}"))
        elif column.column and column.column not in given.names:
            found.append(Text(zh=f"{bound.dataset} 没有列 {column.column}", en=f"{bound.dataset} has no column {column.column}"))
        else:
            found += _check_units(name, wanted.field(item), column, given)
    return found


def _check_units(name: str, item: Item, column: Column, given: Contract) -> list[Text]:
    source = column.unit or (given.field(column.column).unit if column.column else "") or ""
    if column.factor is None and source and item.unit and factor(source, item.unit) is None:
        return [Text(zh=f"{name}.{item.name}：{source} 不能换算成 {item.unit}", en=f"{name}.{item.name}: {source} cannot be converted to {item.unit}")]
    return []


def select_of(bound: Bound, wanted: Contract, given: Contract | None) -> exp.Select:
    """The rows of the city's dataset as the scene's contract has them, as SQL."""
    columns = [exp.alias_(_expression(item, bound.columns.get(item.name), given), item.name, quoted=True) for item in wanted.fields]
    return exp.select(*columns).from_(exp.Table(this=exp.to_identifier(bound.dataset, quoted=True)))


def _expression(item: Item, column: Column | None, given: Contract | None) -> exp.Expr:
    if column is None:
        return exp.cast(exp.null(), item.lake_type, dialect=DIALECT)
    if column.constant is not None:
        return exp.cast(exp.convert(column.constant), item.lake_type, dialect=DIALECT)
    source = given.field(column.column) if given is not None and column.column in given.names else None
    value: exp.Expr = exp.column(exp.to_identifier(column.column, quoted=True))
    if column.codes:
        text = exp.cast(value.copy(), "VARCHAR", dialect=DIALECT)
        case = exp.Case()
        for one, other in column.codes.items():
            case = case.when(exp.EQ(this=text.copy(), expression=exp.Literal.string(one)), exp.Literal.string(other))
        value = case if column.strict else case.else_(text)
    times = _times(item, column, source)
    if times != 1.0:
        value = exp.Mul(this=exp.cast(value, "DOUBLE", dialect=DIALECT), expression=parse_one(repr(times), dialect=DIALECT))
    if column.codes or times != 1.0 or source is None or source.lake_type != item.lake_type:
        value = exp.cast(value, item.lake_type, dialect=DIALECT)
    return value


def _times(item: Item, column: Column, source: Item | None) -> float:
    if column.factor is not None:
        return column.factor
    unit = column.unit or (source.unit if source is not None else "") or ""
    return (factor(unit, item.unit) or 1.0) if unit and item.unit and item.type in NUMBERS else 1.0


