"""A contract as vectorised SQL: text columns in, typed items and the list of faults out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake import Contract, Field, quote_ident
from sanqu.lines.wording import word_fault

__all__ = ["Checks", "Texture", "compile_checks", "literal", "word_fault"]

# What counts as empty room around a value, besides the ASCII space.
WIDE_SPACES = " \t\r\n\u00a0\u3000\ufeff"
TRUE_WORDS = ("true", "t", "yes", "y", "1", "是", "真", "有", "√")
FALSE_WORDS = ("false", "f", "no", "n", "0", "否", "假", "无", "×")
CONTROLS = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"
FULL_WIDTH, HALF_WIDTH = "０１２３４５６７８９．，－＋％：／", "0123456789.,-+%:/"
FAULT_TYPE = "STRUCT(item VARCHAR, value VARCHAR, rule VARCHAR, want VARCHAR)"


@dataclass(frozen=True)
class Texture:
    """What is known of the text to come: the less can be in it, the less must be checked."""

    wide_spaces: bool = True
    # Any space at all; without one nothing has to be trimmed.
    spaces: bool = True
    # The engine takes 1_000 for a number; nobody else does.
    underscores: bool = True
    controls: bool = True
    # Bytes that did not decode stand in the text as U+FFFD.
    replaced: bool = False


@dataclass(frozen=True)
class Checks:
    """The compiled contract: `typed(relation)` gives the items and `_faults` (NULL for a good row)."""

    contract: Contract
    items: tuple[str, ...]
    _clean: str
    _values: str
    _bad: str
    _faults: str

    def staged(self, relation: str, width: int) -> str:
        """SQL: every item typed, `_faults`, and `_cells` as they came where there are faults; for `width` columns `c0`, `c1`, …"""
        names = ", ".join(quote_ident(name) for name in self.items)
        cells, kept = ", ".join(f"CAST(_c{i} AS VARCHAR)" for i in range(width)), ", ".join(f"c{i} AS _c{i}" for i in range(width))
        return (
            f"SELECT {names}, CASE WHEN _bad THEN {self._faults} END AS _faults, CASE WHEN _bad THEN [{cells}] END AS _cells FROM "
            f"(SELECT *, {self._bad} AS _bad FROM (SELECT *, {self._values} FROM (SELECT {kept}, {self._clean} FROM ({relation}))))"
        )

    def sifted(self, relation: str) -> str:
        """SQL: every item typed, and `_bad`: whether the row has a fault. To plan it takes half as long as `staged`."""
        names = ", ".join(quote_ident(name) for name in self.items)
        return (
            f"SELECT {names}, CAST(NULL AS {FAULT_TYPE}[]) AS _faults, CAST(NULL AS VARCHAR[]) AS _cells, {self._bad} AS _bad FROM "
            f"{self._typed(relation)}"
        )

    def guarded(self, relation: str) -> str:
        """SQL: every item typed; the query breaks off at the first row with a fault (see `FAULT_SIGN`)."""
        names = ", ".join(quote_ident(name) for name in self.items)
        # random() keeps the optimiser from pushing the check below the projection and casting every value twice.
        return (
            f"SELECT {names} FROM (SELECT *, ({self._bad}) AND random() >= 0 AS _bad FROM {self._typed(relation)}) "
            f"WHERE CASE WHEN _bad THEN error('{FAULT_SIGN}') ELSE true END"
        )

    def any_bad(self, relation: str) -> str:
        """SQL: whether one row of `relation` has a fault."""
        return f"SELECT coalesce(bool_or({self._bad}), false) FROM {self._typed(relation)}"

    def _typed(self, relation: str) -> str:
        """SQL: the rows of `relation` with every item typed beside its raw text."""
        return f"(SELECT *, {self._values} FROM (SELECT {self._clean} FROM ({relation})))"


FAULT_SIGN = "sanqu: a row has a fault"


def literal(value: object) -> str:
    """`value` as an SQL literal: contracts and source columns are data, and the engine takes no parameters inside views."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def one_of(what: str, listed: Sequence[str]) -> str:
    """SQL: `what` is among `listed` literals. (A longer IN list becomes a join, run for every row whatever stands around it.)"""
    if len(listed) <= 3:
        return "(" + " OR ".join(f"{what} = {one}" for one in listed) + ")"
    return f"list_contains([{', '.join(listed)}], {what})"


def compile_checks(contract: Contract, columns: Mapping[str, str | None], texture: Texture | None = None, typed: Collection[str] = ()) -> Checks:
    """The checks of `contract` over text; `columns` gives for each item the SQL of its raw text, None where the source has none.

    What `typed` names has the item's own type already: it is not read from text again. Raises `BadInput` for a pattern the engine
    cannot use.
    """
    texture = texture or Texture()
    parts = [(_Given if item.name in typed else _Item)(contract, item, columns.get(item.name), texture, index) for index, item in enumerate(contract.fields)]
    conditions = [fault for part in parts for fault in part.faults()]
    listed = ", ".join(
        f"CASE WHEN {condition} THEN CAST({{'item': {literal(item)}, 'value': {raw}, 'rule': {literal(rule)}, "
        f"'want': {literal(want)}}} AS {FAULT_TYPE}) END"
        for item, raw, rule, want, condition in conditions
    )
    return Checks(
        contract,
        contract.names,
        ", ".join(part.clean() for part in parts),
        ", ".join(f"{part.value()} AS {quote_ident(part.item.name)}" for part in parts),
        # CASE stops at the first broken rule and looks at fewer rows with each; OR would work out every rule for every row.
        f"CASE {' '.join(f'WHEN {condition} THEN true' for *_, condition in conditions)} ELSE false END"
        if conditions
        else "false",
        f"list_filter([{listed}], lambda f: f IS NOT NULL)" if listed else "NULL",
    )


class _Item:
    """The SQL of one item."""

    def __init__(self, contract: Contract, item: Field, source: str | None, texture: Texture, index: int) -> None:
        self.contract, self.item, self.texture = contract, item, texture
        self.source = source if source is not None else "CAST(NULL AS VARCHAR)"
        self.raw, self.quick, self.name = f"_r{index}", f"_q{index}", quote_ident(item.name)
        rule = item.constraints
        self.required = rule.required or item.name in contract.primaryKey
        self.textual = item.lake_type == "VARCHAR"
        self.formatted = item.format not in ("default", "any", "") and item.type in ("date", "datetime", "time")
        self.missing = tuple(word for word in contract.missingValues if word)

    def clean(self) -> str:
        """The raw text as `_rN`, kept as it came so that a fault can show it, and `_qN`: trimmed, or cast the quick way."""
        if self.textual or self.formatted:
            return f"{self.source} AS {self.raw}, {self._trim(self.source)} AS {self.quick}"
        return f"{self.source} AS {self.raw}, {_TYPED[self.item.type].quick.format(raw=self.source)} AS {self.quick}"

    def _trim(self, of: str) -> str:
        if self.texture.wide_spaces:
            return f"trim({of}, {literal(WIDE_SPACES)})"
        return f"trim({of})" if self.texture.spaces else of

    def _said(self, trimmed: str) -> str:
        """SQL: trimmed text, NULL where it means that there is nothing."""
        if self.missing:
            none = one_of(trimmed, [literal(word) for word in ("", *self.missing)])
            return f"CASE WHEN NOT {none} THEN {trimmed} END"
        return f"nullif({trimmed}, '')"

    def value(self) -> str:
        """SQL of the typed value, NULL where missing or wrong."""
        if self.formatted:
            formats = ", ".join(literal(one) for one in self.item.format.split("|"))
            return f"CAST(try_strptime({self._said(self.quick)}, [{formats}]) AS {self.item.lake_type})"
        if self.textual:
            normal = _NORMAL.get(self.item.type)
            return normal(self._said(self.quick), self.item) if normal else self._said(self.quick)
        typed = _TYPED[self.item.type]
        # A word such as -999 may look like a number and still mean "none".
        guard = f" AND NOT {one_of(self.raw, [literal(word) for word in self.missing])}" if self.missing else ""
        test = typed.test.format(raw=self.raw, quick=self.quick)
        if typed.underscored and self.texture.underscores:
            test += f" AND NOT contains({self.raw}, '_')"
        slow = typed.slow(self._said(self._trim(self.raw)), self.item)
        return f"CASE WHEN {self.raw} IS NULL THEN NULL WHEN ({test}){guard} THEN {self.quick} ELSE {slow} END"

    def faults(self) -> list[tuple[str, str, str, str, str]]:
        """Every rule: item, SQL of the value to show, rule, what is wanted, SQL that is true when the rule is broken."""
        item, rule, name = self.item, self.item.constraints, self.name
        said = f"({self._said(self._trim(self.raw))}) IS NOT NULL"
        found: list[tuple[str, str, str, str, str]] = []

        def add(kind: str, want: object, condition: str) -> None:
            found.append((item.name, self.raw, kind, str(want), condition))

        if not self.textual or item.type in _NORMAL:
            add("type", item.type if item.format in ("default", "") else item.format,
                f"CASE WHEN {name} IS NULL AND {self.raw} IS NOT NULL THEN {said} END")  # fmt: skip
        if self.required:
            add("required", "", f"CASE WHEN {name} IS NULL THEN NOT coalesce({said}, false) END")
        for kind, bound, sign in (("minimum", rule.minimum, "<"), ("maximum", rule.maximum, ">")):
            if bound is not None:
                add(kind, bound, f"{name} {sign} CAST({literal(bound)} AS {item.lake_type})")
        if rule.minLength is not None:
            add("minLength", rule.minLength, f"length({self._as_text()}) < {rule.minLength}")
        if rule.maxLength is not None:
            add("maxLength", rule.maxLength, f"length({self._as_text()}) > {rule.maxLength}")
        if rule.pattern is not None:
            _refuse_pattern(self.contract.name, item.name, rule.pattern)
            add("pattern", rule.pattern, f"NOT regexp_full_match({self._as_text()}, {literal(rule.pattern)})")
        if rule.enum is not None:
            allowed = one_of(name, [f"CAST({literal(one)} AS {item.lake_type})" for one in rule.enum])
            add("enum", ", ".join(str(one) for one in rule.enum), f"NOT {allowed}")
        if item.type == "string" and item.format in _STRING_FORMATS:
            add("format", item.format, f"NOT regexp_full_match({name}, {literal(_STRING_FORMATS[item.format])})")
        if self.textual and self.texture.controls:
            add("control-character", "", f"regexp_matches({name}, {literal(CONTROLS)})")
        if self.textual and self.texture.replaced:
            add("encoding", "", f"contains({name}, chr(65533))")
        return found

    def _as_text(self) -> str:
        return self.name if self.textual else self._said(self._trim(self.raw))


class _Given(_Item):
    """The SQL of one item whose values have their type already."""

    def clean(self) -> str:
        """The value as it came."""
        return f"{self.source} AS {self.raw}, {self.source} AS {self.quick}"

    def _said(self, trimmed: str) -> str:
        return super()._said(trimmed) if self.textual else trimmed

    def _trim(self, of: str) -> str:
        return super()._trim(of) if self.textual else of

    def value(self) -> str:
        """The value; no number that is none."""
        if self.textual:
            return super().value()
        return f"CASE WHEN isfinite({self.quick}) THEN {self.quick} END" if self.item.lake_type == "DOUBLE" else self.quick

    def _as_text(self) -> str:
        return self.name if self.textual else f"CAST({self.name} AS VARCHAR)"


def _refuse_pattern(contract: str, item: str, pattern: str) -> None:
    import duckdb

    try:
        duckdb.execute("SELECT regexp_full_match('', ?)", [pattern]).fetchone()
    except duckdb.Error as fault:
        raise BadInput(
            "lines.pattern",
            Text(zh=f"数据项 {item} 的 pattern 无法使用：{fault}", en=f"The pattern of {item} cannot be used: {fault}"),
            Text(
                zh="改写成 RE2 支持的正则式（没有环视与反向引用）",
                en="Write it as RE2 takes it (no look-around, no back-references)",
            ),
            contract,
            facts={"item": item, "pattern": pattern},
        ) from fault


def _half(text: str) -> str:
    return f"translate({text}, {literal(FULL_WIDTH)}, {literal(HALF_WIDTH)})"


# Thousands stand in groups of three, or of four as Chinese writers have it; anything else with a comma is no number.
GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$|^[+-]?\d{1,4}(,\d{4})+(\.\d+)?$"
PLAIN_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def _digits(text: str, item: Field) -> str:
    half = _half(text)
    if item.unit in ("%", "percent", "％"):
        half = f"regexp_replace({half}, '\\s*%$', '')"
    return f"CASE WHEN regexp_matches({half}, {literal(GROUPED)}) THEN replace({half}, ',', '') ELSE {half} END"


def _slow_integer(text: str, item: Field) -> str:
    digits = _digits(text, item)
    return (
        f"CASE WHEN regexp_matches({digits}, '^[+-]?\\d+(\\.0*)?$') "
        f"THEN TRY_CAST(regexp_replace({digits}, '\\.0*$', '') AS BIGINT) END"
    )


def _slow_number(text: str, item: Field) -> str:
    digits = _digits(text, item)
    cast = f"TRY_CAST({digits} AS DOUBLE)"
    return f"CASE WHEN regexp_matches({digits}, {literal(PLAIN_NUMBER)}) AND isfinite({cast}) THEN {cast} END"


def _slow_year(text: str, _item: Field) -> str:
    return f"TRY_CAST(nullif(regexp_extract({_half(text)}, '^(\\d{{4}})(年|年度|\\.0)?$', 1), '') AS INTEGER)"


def _slow_boolean(text: str, _item: Field) -> str:
    yes, no = (one_of(f"lower({text})", [literal(word) for word in words]) for words in (TRUE_WORDS, FALSE_WORDS))
    return f"CASE WHEN {yes} THEN true WHEN {no} THEN false END"


DATE_PARTS = r"^(\d{4})[年./-](\d{1,2})[月./-](\d{1,2})日?(?:[ T]0{1,2}:00(?::00(?:\.0+)?)?Z?)?$"
TIME_PARTS = (
    r"^(\d{4})[年./-](\d{1,2})[月./-](\d{1,2})日?(?:\s*|T)(\d{1,2})[:时点](\d{1,2})(?:[:分](\d{1,2}(?:\.\d{1,9})?))?[分秒]?$"
)
ZONED = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|[+-]\d{2}(:?\d{2})?)$"


def _slow_date(text: str, _item: Field) -> str:
    half = _half(text)
    parts = f"regexp_replace({half}, {literal(DATE_PARTS)}, '\\1-\\2-\\3')"
    return (
        f"CASE WHEN regexp_matches({half}, '^\\d{{8}}$') THEN CAST(try_strptime({half}, '%Y%m%d') AS DATE) "
        f"WHEN regexp_matches({half}, {literal(DATE_PARTS)}) THEN TRY_CAST({parts} AS DATE) END"
    )


def _slow_datetime(text: str, item: Field) -> str:
    half = _half(text)
    parts = f"regexp_replace({half}, {literal(TIME_PARTS)}, '\\1-\\2-\\3 \\4:\\5:')"
    seconds = f"coalesce(nullif(regexp_extract({half}, {literal(TIME_PARTS)}, 6), ''), '00')"
    offset = f"regexp_extract({half}, '([+-])(\\d{{2}}):?(\\d{{2}})?$', ['sign', 'h', 'm'])"
    # Times with an offset are stored in UTC.
    shift = (
        f"to_minutes(CASE WHEN right({half}, 1) = 'Z' THEN 0 ELSE CASE ({offset}).sign WHEN '-' THEN 1 ELSE -1 END * "
        f"(60 * TRY_CAST(({offset}).h AS INTEGER) + coalesce(TRY_CAST(({offset}).m AS INTEGER), 0)) END)"
    )
    local = f"TRY_CAST(regexp_replace({half}, '\\s*(Z|[+-]\\d{{2}}(:?\\d{{2}})?)$', '') AS TIMESTAMP)"
    return (
        f"CASE WHEN regexp_matches({half}, {literal(ZONED)}) THEN {local} + {shift} "
        f"WHEN regexp_matches({half}, '^\\d{{14}}$') THEN try_strptime({half}, '%Y%m%d%H%M%S') "
        f"WHEN regexp_matches({half}, {literal(TIME_PARTS)}) THEN TRY_CAST({parts} || {seconds} AS TIMESTAMP) "
        f"ELSE CAST({_slow_date(text, item)} AS TIMESTAMP) END"
    )


def _slow_time(text: str, _item: Field) -> str:
    half = _half(text)
    return f"CASE WHEN regexp_matches({half}, '^\\d{{1,2}}:\\d{{2}}(:\\d{{2}}(\\.\\d+)?)?$') THEN TRY_CAST({half} AS TIME) END"


@dataclass(frozen=True)
class _Typed:
    """A type: the quick cast of {raw}, the test that {quick} may be taken at its word, and the careful way for the rest."""

    quick: str
    test: str
    slow: Callable[[str, Field], str]
    # Whether the quick cast reads underscores inside numbers.
    underscored: bool = False


_TYPED: dict[str, _Typed] = {
    # TRY_CAST alone rounds 1.5 to 2 and reads 0x10: only text that reads back the same is taken.
    "integer": _Typed("TRY_CAST({raw} AS BIGINT)", "CAST({quick} AS VARCHAR) = {raw}", _slow_integer),
    "number": _Typed("TRY_CAST({raw} AS DOUBLE)", "isfinite({quick})", _slow_number, underscored=True),
    "year": _Typed("TRY_CAST({raw} AS INTEGER)", "CAST({quick} AS VARCHAR) = {raw} AND strlen({raw}) = 4", _slow_year),
    "boolean": _Typed("{raw} = 'true'", "{raw} IN ('true', 'false')", _slow_boolean),
    # Ten bytes hold no time of day, which a cast would cut off without a word.
    "date": _Typed("TRY_CAST({raw} AS DATE)", "strlen({raw}) = 10 AND {quick} BETWEEN '0001-01-01' AND '9999-12-31'", _slow_date),
    # Nineteen bytes with a colon before the seconds hold no offset, which a cast would ignore.
    "datetime": _Typed(
        "TRY_CAST({raw} AS TIMESTAMP)",
        "strlen({raw}) = 19 AND substr({raw}, 17, 1) = ':' AND {quick} BETWEEN '0001-01-01' AND '9999-12-31 23:59:59'",
        _slow_datetime,
    ),
    "time": _Typed("TRY_CAST({raw} AS TIME)", "strlen({raw}) = 8 AND {quick} IS NOT NULL", _slow_time),
}


def _yearmonth(text: str, _item: Field) -> str:
    half = f"regexp_replace({_half(text)}, '^(\\d{{4}})[年./-]?(\\d{{1,2}})月?$', '\\1-0\\2')"
    month = f"regexp_replace({half}, '-0(\\d{{2}})$', '-\\1')"
    return f"CASE WHEN regexp_matches({month}, '^\\d{{4}}-(0[1-9]|1[0-2])$') THEN {month} END"


def _json(kind: str) -> Callable[[str, Field], str]:
    def value(text: str, _item: Field) -> str:
        valid = f"CASE WHEN json_valid({text}) THEN json_type({text}) END"
        return f"CASE WHEN ({valid}) = '{kind}' THEN {text} END"

    return value


def _geopoint(text: str, _item: Field) -> str:
    half = _half(text)
    lon = f"abs(TRY_CAST(trim(split_part({half}, ',', 1)) AS DOUBLE)) <= 180"
    lat = f"abs(TRY_CAST(trim(split_part({half}, ',', 2)) AS DOUBLE)) <= 90"
    return f"CASE WHEN length({half}) - length(replace({half}, ',', '')) = 1 AND {lon} AND {lat} THEN {half} END"


# Types kept as text, but not any text.
_NORMAL: dict[str, Callable[[str, Field], str]] = {
    "yearmonth": _yearmonth,
    "object": _json("OBJECT"),
    "array": _json("ARRAY"),
    "geojson": _json("OBJECT"),
    "geopoint": _geopoint,
}

_STRING_FORMATS = {
    "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:\S+",
    "uuid": r"[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
}
