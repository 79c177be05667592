"""Masks (脱敏): what is done to an item's values before a reader sees them; plain data that becomes SQL for DuckDB.

Each mask says what it leaves; nothing else about a value may be learned from what comes out. So no mask raises on any
value of its type (an error would answer questions), nothing is left of a value that does not look as its type says, and
lengths are not told unless asked for. NULL stays NULL.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator
from pydantic import Field as Given
from sqlglot import exp, parse_one

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake.contracts import LAKE_TYPES, Field, FieldType
from sanqu.lake.engine import sql_text

DIALECT = "duckdb"
# More say nothing that fewer cannot say; the text of a query grows with each.
MOST_MASKS = 3
FIXED_FILL = 4
HASH_CHARACTERS = 32
# Smallest and largest value of the columns that hold whole numbers.
WHOLE_RANGE: dict[str, tuple[int, int]] = {"integer": (-(2**63), 2**63 - 1), "year": (-(2**31), 2**31 - 1)}
# Beyond this a bucket is finer than a DOUBLE tells apart.
COARSEST_NUMBER = "1e200"

Period = Literal["year", "quarter", "month", "week", "day", "hour"]


class _Mask(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Keep(_Mask):
    """Leaves the `first` and `last` characters; the middle is filled. What is too short for that is filled wholly.

    `fixed`: what is hidden is always four fills long, so that the length is not told; else one fill a character.
    """

    kind: Literal["keep"] = "keep"
    first: int = Given(default=0, ge=0, le=1000)
    last: int = Given(default=0, ge=0, le=1000)
    fill: str = Given(default="*", min_length=1, max_length=1)
    fixed: bool = True

    @field_validator("fill")
    @classmethod
    def _seen(cls, fill: str) -> str:
        if not fill.isprintable() or fill.isspace():
            raise ValueError("填充符应为一个可见字符 · the fill should be one visible character")
        return fill


class Hash(_Mask):
    """A token of 32 hex characters: the same for the same value under one secret, unlinkable under another."""

    kind: Literal["hash"] = "hash"


class Bucket(_Mask):
    """The lower bound of the bucket the value falls in: buckets are `width` wide, one begins at `origin`."""

    kind: Literal["bucket"] = "bucket"
    width: int | float = Given(ge=1e-9, le=1e15, allow_inf_nan=False)
    origin: int | float = Given(default=0, ge=-1e15, le=1e15, allow_inf_nan=False)


class Truncate(_Mask):
    """The begin of the period the date or time falls in; weeks begin on Monday."""

    kind: Literal["truncate"] = "truncate"
    to: Period


class Round(_Mask):
    """The number rounded to `digits` after the point, half away from zero; both parts of a point."""

    kind: Literal["round"] = "round"
    digits: int = Given(ge=-15, le=15)


class Drop(_Mask):
    """Nothing: an empty value of the same type."""

    kind: Literal["drop"] = "drop"


Mask = Annotated[Keep | Hash | Bucket | Truncate | Round | Drop, Given(discriminator="kind")]
_MASK: TypeAdapter[Keep | Hash | Bucket | Truncate | Round | Drop] = TypeAdapter(Mask)

# Which types a mask takes. A hash hides neither of two values, and JSON has many texts for one value.
FITS: dict[str, frozenset[FieldType]] = {
    "keep": frozenset({"string", "integer", "year", "yearmonth", "any"}),
    "hash": frozenset({
        "string", "integer", "number", "date", "time", "datetime", "year", "yearmonth", "geopoint", "any",
    }),
    "bucket": frozenset({"integer", "number", "year"}),
    "truncate": frozenset({"date", "datetime"}),
    "round": frozenset({"integer", "number", "year", "geopoint"}),
    "drop": frozenset(get_args(FieldType)),
}  # fmt: skip
BECOMES: dict[str, FieldType] = {"keep": "string", "hash": "string"}


def parse_masks(raw: list[dict[str, Any]], field: Field) -> tuple[Mask, ...]:
    """The masks that `raw` states, in the order they are applied to `field`.

    Raises `BadInput` naming item, mask and reason where one is misspelt or does not fit the type the one before leaves.
    """
    if len(raw) > MOST_MASKS:
        raise _misfit(field, "…", f"最多 {MOST_MASKS} 个", f"{MOST_MASKS} at most")
    masks: list[Mask] = []
    kind: FieldType = field.type
    for stated in raw:
        mask = _parse(stated, field)
        kind = _after(mask, kind, field)
        masks.append(mask)
    return tuple(masks)


def masked_type(masks: tuple[Mask, ...], field: Field) -> str:
    """The lake's type of `field` after `masks`; raises `BadInput` where they do not fit."""
    kind: FieldType = field.type
    for mask in masks:
        kind = _after(mask, kind, field)
    return LAKE_TYPES[kind]


def apply_masks(column: exp.Expr, masks: tuple[Mask, ...], field: Field, secret: exp.Expr) -> exp.Expr:
    """`column` as a reader with `masks` sees it: an expression of type `masked_type(masks, field)`.

    `secret` yields the grant's secret as VARCHAR; only `hash` asks for it. The engine folds it into its plan, so a plan
    with a hash in it is not for readers' eyes. Raises `BadInput` where the masks do not fit.
    """
    left = masked_type(masks, field)
    if any(isinstance(mask, Drop) for mask in masks):
        return exp.cast(exp.Null(), left, dialect=DIALECT)
    kind: FieldType = field.type
    value = column.copy()
    for mask in masks:
        after = _after(mask, kind, field)
        value = _filled(_template(mask, kind), value, secret)
        kind = after
    return value


def _parse(stated: dict[str, Any], field: Field) -> Mask:
    try:
        return _MASK.validate_python(stated)
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        reason = f"{place} {first['msg']}".strip()
        named = stated.get("kind", "?") if isinstance(stated, dict) else "?"
        raise _misfit(field, str(named)[:40], reason, reason) from fault


def _after(mask: Mask, kind: FieldType, field: Field) -> FieldType:
    """The type that `mask` leaves of `kind`; raises `BadInput`."""
    if kind not in FITS[mask.kind]:
        raise _misfit(field, mask.kind, f"不用于类型 {kind}", f"it is not for the type {kind}")
    if isinstance(mask, Truncate) and kind == "date" and mask.to in ("day", "hour"):
        raise _misfit(field, mask.kind, f"日期截到 {mask.to} 什么也没有隐去", f"a date cut to {mask.to} hides nothing")
    if isinstance(mask, Round) and kind in WHOLE_RANGE and mask.digits >= 0:
        raise _misfit(field, mask.kind, "整数的 digits 应小于 0", "digits should be below 0 for whole numbers")
    if isinstance(mask, Bucket) and kind in WHOLE_RANGE and not (_whole(mask.width) and _whole(mask.origin)):
        raise _misfit(field, mask.kind, "整数的 width 与 origin 应为整数", "width and origin should be whole for whole numbers")
    return BECOMES.get(mask.kind, kind)


def _whole(number: float) -> bool:
    return float(number).is_integer()


def _misfit(field: Field, mask: str, zh: str, en: str) -> BadInput:
    fitting = ", ".join(name for name, types in FITS.items() if field.type in types)
    return BadInput(
        "masks.misfit",
        Text(
            zh=f"数据项 {field.name} 不能这样脱敏（{mask}）：{zh}", en=f"The item {field.name} cannot be masked so ({mask}): {en}"
        ),
        Text(zh=f"类型 {field.type} 可用：{fitting}", en=f"For the type {field.type} there are: {fitting}"),
        field.name,
        facts={"item": field.name, "mask": mask, "reason": en},
    )


# From here on: masks as SQL over `_value` and `_secret`.


def _filled(template: exp.Expr, value: exp.Expr, secret: exp.Expr) -> exp.Expr:
    tree = template.copy()
    value = value if isinstance(value, exp.Column) else exp.Paren(this=value)
    for place in list(tree.find_all(exp.Column)):
        place.replace((value if place.name == "_value" else secret).copy())
    return tree


@cache
def _template(mask: Mask, kind: FieldType) -> exp.Expr:
    return parse_one(_sql(mask, kind), dialect=DIALECT)


def _sql(mask: Mask, kind: FieldType) -> str:
    match mask:
        case Keep():
            return _keep(mask)
        case Hash():
            return _hash(kind)
        case Bucket():
            return _bucket_whole(mask, kind) if kind in WHOLE_RANGE else _bucket_number(mask)
        case Truncate():
            # The first and last dates that a column can hold have no begin of a period: nothing is left of them.
            return f"TRY(CAST(date_trunc('{mask.to}', _value) AS {LAKE_TYPES[kind]}))"
        case Round():
            return _round(mask, kind)
        case Drop():
            return f"CAST(NULL AS {LAKE_TYPES[kind]})"


def _keep(mask: Keep) -> str:
    text, fill, shown = "CAST(_value AS VARCHAR)", sql_text(mask.fill), mask.first + mask.last
    if mask.fixed:
        all_hidden = middle = sql_text(mask.fill * FIXED_FILL)
    else:
        all_hidden, middle = f"repeat({fill}, length({text}))", f"repeat({fill}, length({text}) - {shown})"
    return (
        f"CASE WHEN length({text}) > {shown} THEN left({text}, {mask.first}) || {middle} || right({text}, {mask.last}) "
        f"WHEN {text} IS NOT NULL THEN {all_hidden} END"
    )


def _hash(kind: FieldType) -> str:
    """HMAC-SHA256 (RFC 2104) of the value's text, its first half.

    The secret is brought to SHA-256's block of 64 bytes as the RFC says: hashed where longer, filled with zeros.
    """
    secret = "CAST(_secret AS VARCHAR)"
    short = f"CASE WHEN octet_length(encode({secret})) > 64 THEN sha256({secret}) ELSE hex(encode({secret})) END"
    block = f"CAST(unhex(rpad({short}, 128, '0')) AS BIT)"
    inner, outer = (f"CAST(xor({block}, CAST(unhex(repeat('{byte}', 64)) AS BIT)) AS BLOB)" for byte in ("36", "5c"))
    # Equal numbers have equal texts: there are two zeros.
    text = f"CAST(_value{' + 0.0' if kind == 'number' else ''} AS VARCHAR)"
    return f"left(sha256({outer} || unhex(sha256({inner} || encode({text})))), {HASH_CHARACTERS})"


def _bucket_whole(mask: Bucket, kind: FieldType) -> str:
    width, origin = int(mask.width), int(mask.origin)
    # In 128 bits nothing overflows; `%` leaves the sign of what is divided.
    distance = f"(CAST(_value AS HUGEINT) - ({origin}))"
    return _in_range(f"CAST(_value AS HUGEINT) - (({distance} % {width}) + {width}) % {width}", kind)


def _bucket_number(mask: Bucket) -> str:
    # Width and origin as whole numbers over a power of ten: the third bucket of 0.1 begins at 0.3, not beside it.
    width, origin = Decimal(str(mask.width)), Decimal(str(mask.origin))
    places = max(0, *(-int(number.as_tuple().exponent) for number in (width, origin)))
    scale = Decimal(10) ** places
    steps, begin, scaled = (f"CAST({int(number)} AS DOUBLE)" for number in (width * scale, origin * scale, scale))
    distance = f"((_value * {scaled} - {begin}) / {steps})"
    # A value within rounding of a bound lies on it.
    number = f"floor({distance} + abs({distance}) * 1e-15 + 1e-9)"
    return f"CASE WHEN abs(_value) < {COARSEST_NUMBER} THEN ({number} * {steps} + {begin}) / {scaled} ELSE _value END"


def _round(mask: Round, kind: FieldType) -> str:
    if kind == "geopoint":
        return _round_point(mask.digits)
    if kind in WHOLE_RANGE:
        width = 10**-mask.digits
        whole = "CAST(_value AS HUGEINT)"
        return _in_range(f"(({whole} + sign({whole}) * {width // 2}) // {width}) * {width}", kind)
    # Adding zero takes the sign off a zero, which would tell on which side the value was.
    return f"CASE WHEN isfinite(_value) THEN round(_value, {mask.digits}) + 0.0 ELSE _value END"


def _round_point(digits: int) -> str:
    part = r"\s*([+-]?\d{1,3}(?:\.\d*)?)\s*"
    pattern = sql_text(rf"^\s*(\[?){part},{part}(\]?)\s*$")
    opening, lon, lat, closing = (f"regexp_extract(_value, {pattern}, {group})" for group in (1, 2, 3, 4))
    lon, lat = (f"CAST(round(TRY_CAST({half} AS DOUBLE), {digits}) + 0.0 AS VARCHAR)" for half in (lon, lat))
    return f"{opening} || {lon} || ',' || {lat} || {closing}"


def _in_range(whole: str, kind: FieldType) -> str:
    least, most = WHOLE_RANGE[kind]
    # `greatest` and `least` pass over NULL.
    return f"CASE WHEN _value IS NOT NULL THEN CAST(greatest(CAST({least} AS HUGEINT), least(CAST({most} AS HUGEINT), {whole})) AS {LAKE_TYPES[kind]}) END"
