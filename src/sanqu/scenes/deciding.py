"""Decision tables as models (决策表模型): a `.dmn` beside the SQL of a scene becomes one SELECT over the model or dataset that it names.

The cells are those of the room of cases (`sanqu.cases.dmn`). A row comes out for each key of the source and each rule of the table:
whether the rule is met, and which of its conditions are not. A figure that is missing is neither met nor unmet: it is unknown, and
said by its label; that is where this differs from a case, whose forms ask for what a table needs.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from lxml import etree

from sanqu.cases.conditions import LITERALS, holds, parse_condition
from sanqu.cases.dmn import COMPARED, INPUT, INTERVAL, NOT, Rule, Table, parted, read_decisions, test_of
from sanqu.ground.errors import BadInput, Conflict
from sanqu.ground.i18n import Lang, Text
from sanqu.lake import quote_ident

# Attributes of ours at the decision and its inputs (DMN 1.3 lets a file have them).
SPACE = "urn:sanqu:dmn"
SOURCE = re.compile(r"[a-z][a-z0-9_]{0,59}")
COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
POLICIES = ("COLLECT", "RULE ORDER", "UNIQUE", "FIRST")
# What the table says of each row beside its outputs.
SAID = ("place", "conditions", "conditions_en", "note", "note_en", "rule", "met", "hit", "hits", "unmet", "unsure", "short", "missing", "missing_en", "unknown", "unknown_en")
SIGNS: dict[type[ast.AST], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
# Figures are cut after two digits: what is short of a limit never reads as if it were not.
CUT, KEPT = "'(\\.\\d\\d)\\d+$'", "'\\1'"
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
WRITTEN_DAY = re.compile(r"date\(\s*[\"']([^\"']*)[\"']\s*\)")
READ = {"<=": "≤", ">=": "≥", "!=": "≠"}
# What cells say, in words.
YES, NO, NOTHING = Text(zh="须为“是”", en="must be yes"), Text(zh="须为“否”", en="must be no"), Text(zh="须为空", en="must be empty")
OR, AND, TO, IS_NOT = Text(zh=" 或 ", en=" or "), Text(zh=" 且 ", en=" and "), Text(zh=" 至 ", en=" to "), Text(zh="不是", en="not")


@dataclass(frozen=True)
class Decided:
    """A decision table as a query: `table` says that it is kept as a table, by `key`."""

    sql: str
    title: Text
    table: bool
    key: tuple[str, ...]
    # The rules themselves in words: a query over nothing, so that anybody may read them.
    rules: str


def read_model(xml: str, name: str) -> Decided:
    """The query of the one decision table in a file; raises `BadInput` naming the rule or column that cannot stand."""
    tables = read_decisions(xml, name)
    if len(tables) != 1:
        raise _unfit(name, f"一个模型一张决策表，这里有 {len(tables)} 张", f"a model is one decision table; here are {len(tables)}")
    [table] = tables.values()
    decision = next(etree.fromstring(xml.encode(), _parser()).iter("{*}decision"))
    source, key, carry = (decision.get(f"{{{SPACE}}}{one}", "") for one in ("source", "key", "carry"))
    keys, carried = _columns(key, name), _columns(carry, name)
    if SOURCE.fullmatch(source) is None or not keys:
        raise _unfit(name, "决策要写明来源和主键：sanqu:source、sanqu:key", "the decision says its source and key: sanqu:source, sanqu:key")
    if table.policy not in POLICIES or table.aggregation:
        raise _unfit(name, f"模型的命中策略是 {'、'.join(POLICIES)}，不带汇总", f"the hit policy of a model is one of {', '.join(POLICIES)}, without aggregation")
    if strange := sorted((set(SAID) & set(table.outputs)) | (set(keys) & set(table.outputs))):
        raise _unfit(name, f"输出不能叫 {'、'.join(strange)}", f"no output may be called {', '.join(strange)}")
    ids = [rule.id for rule in table.rules]
    if not all(ids) or len(set(ids)) < len(ids):
        raise _unfit(name, "每行规则要有自己的 id", "each rule needs an id of its own")
    english = tuple(one.get(f"{{{SPACE}}}label-en") or label for one, label in zip(decision.iter("{*}input"), table.labels, strict=True))
    domains = [_domain(one, name) for one in decision.iter("{*}input")]
    _refuse_contradictions(table, domains, name)
    title = Text(zh=table.title, en=decision.get(f"{{{SPACE}}}title-en") or table.title)
    kept = decision.get(f"{{{SPACE}}}refresh", "view") == "table"
    notes = [[_text_of(one) for one in rule.findall("{*}annotationEntry")] for rule in decision.iter("{*}rule")]
    return Decided(_query(table, source, keys, carried, english, name), title, kept, (*keys, "rule") if kept else (), _told(table, english, notes))


def _text_of(entry: Any) -> str:
    return "".join(entry.itertext()).strip()


def _told(table: Table, english: Sequence[str], notes: Sequence[Sequence[str]]) -> str:
    """One row a rule: what it asks in either language, its outputs as they are written, its annotations (the first, and the second in English)."""
    rows = []
    for place, (rule, said) in enumerate(zip(table.rules, notes, strict=True), 1):
        asked = [[f"{label} {_shown(cell, lang)}" for label, cell, test in zip(labels, rule.cells, rule.when, strict=True) if test] for labels, lang in _tongues(table, english)]
        cells = [rule.id, "；".join(asked[0]), "; ".join(asked[1]), said[0] if said else "", said[1] if len(said) > 1 else "", *(then.strip("\"'") for then in rule.then)]
        rows.append(f"({place}, {', '.join(_literal(cell) for cell in cells)})")
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS rules(place, rule, conditions, conditions_en, note, note_en, {', '.join(quote_ident(one) for one in table.outputs)})"


def _tongues(table: Table, english: Sequence[str]) -> tuple[tuple[Sequence[str], Lang], ...]:
    """What the inputs are called, in either language."""
    return (table.labels, "zh"), (english, "en")


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)


def _columns(said: str, thing: str) -> tuple[str, ...]:
    found = tuple(one.strip() for one in said.split(",") if one.strip())
    if strange := [one for one in found if COLUMN.fullmatch(one) is None]:
        raise _unfit(thing, f"列名不合规：{strange[0][:60]}", f"this is no name of a column: {strange[0][:60]}")
    return found


def _domain(given: Any, name: str) -> str:
    """The test that an input's own `inputValues` says; empty where it may be anything."""
    found = given.find("{*}inputValues/{*}text")
    return test_of("".join(found.itertext()).strip(), f"{name} inputValues") if found is not None else ""


# ---- the query ----


def _query(table: Table, source: str, keys: Sequence[str], carried: Sequence[str], english: Sequence[str], name: str) -> str:
    held = [quote_ident(one) for one in dict.fromkeys((*keys, *carried))]
    inputs = [f"{_sql(parse_condition(one, name), f'{name}: {one}', '')} AS in_{n}" for n, one in enumerate(table.inputs)]
    # Outputs may name any column of the source, and see it as it stands there.
    tests = [_choice(table, lambda rule, n=n: _test(rule.when[n], f"in_{n}", f"{name}: {rule.id}")) for n in range(len(table.inputs))]  # type: ignore[misc]
    gaps = [_choice(table, lambda rule, n=n: _gap(rule.when[n], f"in_{n}")) for n in range(len(table.inputs))]  # type: ignore[misc]
    outputs = [f"{_choice(table, lambda rule, n=n: _output(rule.then[n], f'{name}: {rule.id}'))} AS {quote_ident(output)}" for n, output in enumerate(table.outputs)]  # type: ignore[misc]
    rules = ", ".join(f"({place}, {_literal(rule.id)})" for place, rule in enumerate(table.rules, 1))
    asked = f"SELECT s.*, {', '.join(inputs)} FROM {quote_ident(source)} AS s"
    judged = f"SELECT {', '.join([*held, 'r.place', 'r.rule', *(f'in_{n}' for n in range(len(inputs))), *(f'{test} AS is_{n}' for n, test in enumerate(tests)), *(f'CAST({gap} AS DOUBLE) AS gap_{n}' for n, gap in enumerate(gaps)), *outputs])} FROM asked CROSS JOIN (VALUES {rules}) AS r(place, rule)"
    every = range(len(table.inputs))
    met = " AND ".join(f"is_{n}" for n in every) or "true"
    told = [
        f"({met}) AS met", f"({' + '.join(f'CASE WHEN NOT is_{n} THEN 1 ELSE 0 END' for n in every) or '0'}) AS unmet", f"({' + '.join(f'CASE WHEN is_{n} IS NULL THEN 1 ELSE 0 END' for n in every) or '0'}) AS unsure",
        f"{_short(len(table.inputs))} AS short", *(f"{_sentence(table, labels, lang)} AS {name}" for name, (labels, lang) in zip(("missing", "missing_en"), _tongues(table, english), strict=True)),
        f"{_names(table.labels, '、')} AS unknown", f"{_names(english, ', ')} AS unknown_en",
    ]  # fmt: skip
    counted = f"SELECT {', '.join([*held, 'place', 'rule', *told, *(quote_ident(output) for output in table.outputs)])} FROM judged"
    by = ", ".join(quote_ident(one) for one in keys)
    hits = f"sum(CASE WHEN met THEN 1 ELSE 0 END) OVER (PARTITION BY {by})"
    return (
        f"WITH asked AS ({asked}), judged AS ({judged}), counted AS ({counted})\n"
        f"SELECT {', '.join([*held, 'rule', 'met', f'{_hit(table, by, hits)} AS hit', f'CAST({hits} AS INTEGER) AS hits', 'unmet', 'unsure', 'short', 'missing', 'missing_en', 'unknown', 'unknown_en', *(quote_ident(output) for output in table.outputs)])} FROM counted"
    )


def _hit(table: Table, by: str, hits: str) -> str:
    """Which met rules the hit policy takes: all; the only one (several are none); the first, unknown while one before it is."""
    if table.policy == "UNIQUE":
        return f"CASE WHEN met AND {hits} > 1 THEN false ELSE met END"
    if table.policy == "FIRST":
        window = f"OVER (PARTITION BY {by} ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        before, unsure = (f"coalesce(max(CASE WHEN {test} THEN 1 ELSE 0 END) {window}, 0) > 0" for test in ("met", "met IS NULL"))
        return f"CASE WHEN {before} THEN false WHEN met AND {unsure} THEN NULL ELSE met END"
    return "met"


def _choice(table: Table, of: Callable[[Rule], str]) -> str:
    """What `of` says of each rule, by its place; what all say alike stands once."""
    said = [of(rule) for rule in table.rules]
    if len(set(said)) == 1:
        return str(said[0])
    return f"CASE r.place {' '.join(f'WHEN {place} THEN {one}' for place, one in enumerate(said, 1) if one != 'NULL')} END"


def _test(condition: str, value: str, thing: str) -> str:
    return _sql(parse_condition(condition, thing), thing, value) if condition else "true"


def _output(cell: str, thing: str) -> str:
    return _sql(parse_condition(cell, thing), thing, "") if cell else "NULL"


def _gap(condition: str, value: str) -> str:
    """How far a number is from what a test asks for, as a share of that; NULL where the test is not of one number or one range."""
    limits = _limits(parse_condition(condition, "")) if condition else None
    if not limits:
        return "NULL"
    parts = [f"({limit!r} - {value}) / {abs(limit)!r}" if op in (ast.Gt, ast.GtE) else f"({value} - {limit!r}) / {abs(limit)!r}" for op, limit in limits]
    return parts[0] if len(parts) == 1 else f"greatest({', '.join(parts)})"


def _limits(node: ast.expr) -> list[tuple[type[ast.cmpop], float]] | None:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        parts = [_limits(part) for part in node.values]
        return [one for part in parts for one in part or []] if all(parts) else None
    if not isinstance(node, ast.Compare) or len(node.ops) != 1 or not isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        return None
    left, right = node.left, node.comparators[0]
    sign = -1 if isinstance(right, ast.UnaryOp) and isinstance(right.op, ast.USub) else 1
    number = right.operand if isinstance(right, ast.UnaryOp) else right
    if not (isinstance(left, ast.Name) and left.id == INPUT and isinstance(number, ast.Constant) and isinstance(number.value, int | float)) or not number.value:
        return None
    return [(type(node.ops[0]), sign * float(number.value))]


def _short(inputs: int) -> str:
    """The greatest gap of the conditions that are not met; NULL where one of them is not of numbers."""
    if not inputs:
        return "0.0"
    worded = " OR ".join(f"(NOT is_{n} AND gap_{n} IS NULL)" for n in range(inputs))
    gaps = ", ".join(f"CASE WHEN NOT is_{n} THEN gap_{n} ELSE 0 END" for n in range(inputs))
    return f"(CASE WHEN {worded} THEN NULL ELSE greatest(0.0, {gaps}) END)"


def _sentence(table: Table, labels: Sequence[str], lang: Lang) -> str:
    """The conditions that are not met, with what stands there instead."""
    parts = []
    for n, label in enumerate(labels):
        cells = " ".join(f"WHEN {_literal(rule.id)} THEN {_literal(_shown(rule.cells[n], lang))}" for rule in table.rules if rule.when[n])
        if not cells:
            continue
        now = f"CASE WHEN lower(CAST(in_{n} AS VARCHAR)) IN ('true', 'false') THEN '' ELSE {_literal(Text(zh='（现为 ', en=' (is ').in_(lang))} || left(regexp_replace(CAST(in_{n} AS VARCHAR), {CUT}, {KEPT}), 40) || {_literal(Text(zh='）', en=')').in_(lang))} END"
        parts.append(f"CASE WHEN NOT is_{n} THEN {_literal(label + ' ')} || CASE rule {cells} ELSE '' END || {now} END")
    return f"concat_ws({_literal(Text(zh='；', en='; ').in_(lang))}, {', '.join(parts)})" if parts else "''"


def _names(labels: Sequence[str], between: str) -> str:
    parts = [f"CASE WHEN is_{n} IS NULL THEN {_literal(label)} END" for n, label in enumerate(labels)]
    return f"concat_ws({_literal(between)}, {', '.join(parts)})" if parts else "''"


def _shown(cell: str, lang: Lang) -> str:
    """A cell as people read it: signs and words in place of the marks of its language.

    >>> _shown('not("D", "E")', "zh"), _shown("[0..3]", "en"), _shown(">= 4, ]1..2]", "en")
    ('不是 (D 或 E)', '0 to 3', '≥ 4 or > 1 and ≤ 2')
    """
    denied = NOT.fullmatch(cell.strip())
    parts = [part.strip() for part in parted(denied[1] if denied else cell, ",")]
    said = OR.in_(lang).join(_part(part, lang) for part in parts)
    return f"{IS_NOT.in_(lang)} {f'({said})' if len(parts) > 1 else said}" if denied else said


def _part(part: str, lang: Lang) -> str:
    between, compared = INTERVAL.fullmatch(part), COMPARED.fullmatch(part)
    if between is not None:
        low, high = _plain(between[2]), _plain(between[3])
        if (between[1], between[4]) == ("[", "]"):
            return f"{low}{TO.in_(lang)}{high}"
        return f"{'≥' if between[1] == '[' else '>'} {low}{AND.in_(lang)}{'≤' if between[4] == ']' else '<'} {high}"
    if compared is not None:
        return f"{READ.get(compared[1], compared[1])} {_plain(compared[2])}"
    return {"true": YES, "false": NO, "null": NOTHING}.get(part, Text(zh=_plain(part))).in_(lang)


def _plain(said: str) -> str:
    """A value without the marks around it."""
    return " ".join(WRITTEN_DAY.sub(r"\1", said).replace('"', "").replace("'", "").split())


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# ---- the tiny language as SQL ----


def _sql(node: ast.expr, thing: str, value: str) -> str:
    """An expression as SQL; names are columns, `value` stands for the input. What is NULL stays unknown."""
    match node:
        case ast.Constant():
            return _constant(node.value)
        case ast.Name(id=name):
            return _constant(LITERALS[name]) if name in LITERALS else value if value and name == INPUT else quote_ident(name)
        case ast.UnaryOp(op=ast.Not()):
            return f"(NOT {_sql(node.operand, thing, value)})"
        case ast.UnaryOp():
            return f"(- {_sql(node.operand, thing, value)})"
        case ast.BoolOp():
            return "(" + (" AND " if isinstance(node.op, ast.And) else " OR ").join(_sql(part, thing, value) for part in node.values) + ")"
        case ast.BinOp(op=ast.Div()):
            return f"({_sql(node.left, thing, value)} / NULLIF({_sql(node.right, thing, value)}, 0))"
        case ast.BinOp() if type(node.op) in SIGNS:
            return f"({_sql(node.left, thing, value)} {SIGNS[type(node.op)]} {_sql(node.right, thing, value)})"
        case ast.IfExp():
            return f"(CASE WHEN {_sql(node.test, thing, value)} THEN {_sql(node.body, thing, value)} ELSE {_sql(node.orelse, thing, value)} END)"
        case ast.Compare():
            return _comparison(node, thing, value)
        case ast.Call(func=ast.Name(id=name)):
            return _call(name, node.args, thing, value)
    raise _unfit(thing, f"模型里不能用 {ast.unparse(node)[:60]}", f"a model cannot say {ast.unparse(node)[:60]}")


def _constant(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _literal(value) if isinstance(value, str) else repr(value)


def _comparison(node: ast.Compare, thing: str, value: str) -> str:
    parts = [node.left, *node.comparators]
    found = [_compared(left, op, right, thing, value) for (left, right), op in zip(itertools.pairwise(parts), node.ops, strict=True)]
    return f"({' AND '.join(found)})"


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr, thing: str, value: str) -> str:
    first = _sql(left, thing, value)
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(right, ast.List | ast.Tuple) or not right.elts:
            raise _unfit(thing, "in 后面是写出来的列表", "after `in` stands a list that is written out")
        return f"{first} {'NOT IN' if isinstance(op, ast.NotIn) else 'IN'} ({', '.join(_sql(one, thing, value) for one in right.elts)})"
    if isinstance(op, ast.Eq | ast.NotEq) and isinstance(right, ast.Constant | ast.Name) and _is_null(right):
        return f"{first} IS {'NOT ' if isinstance(op, ast.NotEq) else ''}NULL"
    return f"{first} {SIGNS[type(op)]} {_sql(right, thing, value)}"


def _is_null(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value is None) or (isinstance(node, ast.Name) and node.id in LITERALS and LITERALS[node.id] is None)


def _call(name: str, args: Sequence[ast.expr], thing: str, value: str) -> str:
    if name in ("min", "max", "sum") and isinstance(args[0], ast.List | ast.Tuple) and args[0].elts:
        parts = [_sql(one, thing, value) for one in args[0].elts]
        if name == "sum":
            return f"({' + '.join(parts)})"
        # LEAST passes over what is NULL; of something unknown nobody knows which is the least.
        return f"(CASE WHEN {' OR '.join(f'{one} IS NULL' for one in parts)} THEN NULL ELSE {'least' if name == 'min' else 'greatest'}({', '.join(parts)}) END)"
    if name in ("abs", "round"):
        return f"{name}({_sql(args[0], thing, value)})"
    casts = {"number": "DOUBLE", "text": "VARCHAR", "date": "DATE"}
    if name in casts:
        if name == "date" and isinstance(args[0], ast.Constant) and not _is_day(args[0].value):
            raise _unfit(thing, f"没有这一天：{str(args[0].value)[:40]}", f"there is no such day: {str(args[0].value)[:40]}")
        return f"CAST({_sql(args[0], thing, value)} AS {casts[name]})"
    raise _unfit(thing, f"模型里不能用函数 {name}", f"a model cannot use the function {name}")


def _is_day(said: Any) -> bool:
    try:
        date.fromisoformat(str(said))
    except ValueError:
        return False
    return DAY.fullmatch(str(said)) is not None


# ---- rules that nothing could ever meet ----


def _refuse_contradictions(table: Table, domains: Sequence[str], name: str) -> None:
    """Raise `BadInput` naming the first rule whose tests of one input no value can meet: the least above the most, an end before its start, a word that the input never has."""
    for rule in table.rules:
        for expression in dict.fromkeys(table.inputs):
            places = [n for n, one in enumerate(table.inputs) if one == expression and rule.when[n]]
            tests = [rule.when[n] for n in places] + [domains[n] for n in places if domains[n]]
            if places and all(_is_closed(test) for test in tests) and not _can_hold(tests):
                said = " + ".join(rule.cells[n] for n in places)
                raise _unfit(f"{name}: {rule.id}", f"规则 {rule.id} 自相矛盾：{table.labels[places[0]]} {said}，没有任何值能满足", f"the rule {rule.id} contradicts itself: nothing can be {said} ({table.labels[places[0]]})")


def _is_closed(test: str) -> bool:
    """Whether a test speaks of nothing but its own input."""
    return all(not isinstance(node, ast.Name) or node.id == INPUT or node.id in LITERALS or node.id in ("date", "number", "text", "abs", "round", "min", "max", "sum", "len") for node in ast.walk(parse_condition(test, "")))


def _can_hold(tests: Sequence[str]) -> bool:
    """Whether some value meets all tests: at, just below and just above each literal, between two of them, something else, nothing."""
    return any(_all_hold(tests, value) for value in _candidates(tests))


def _all_hold(tests: Sequence[str], value: Any) -> bool:
    try:
        return all(holds(test, {INPUT: value}, "") for test in tests)
    except Conflict:
        return False


def _candidates(tests: Sequence[str]) -> Iterator[Any]:
    literals = [node.value for test in tests for node in ast.walk(parse_condition(test, "")) if isinstance(node, ast.Constant) and node.value is not None]
    negative = [-one for one in literals if isinstance(one, int | float) and not isinstance(one, bool)]
    numbers = sorted({float(one) for one in [*literals, *negative] if isinstance(one, int | float) and not isinstance(one, bool)})
    yield from (None, True, False, "\0")
    yield from numbers
    yield from (one + step for one in numbers for step in (-1e-6 * max(1.0, abs(one)), 1e-6 * max(1.0, abs(one)), -1e9, 1e9))
    yield from ((low + high) / 2 for low, high in itertools.pairwise(numbers))
    for one in literals:
        if isinstance(one, str):
            yield from (one, one + "\0")
            if _is_day(one) and date.min < date.fromisoformat(one) < date.max:
                yield from ((date.fromisoformat(one) + timedelta(days=step)).isoformat() for step in (-1, 1))


def _unfit(thing: str, zh: str, en: str) -> BadInput:
    return BadInput("scenes.decision", Text(zh=f"决策表不能作模型：{zh}", en=f"The decision table cannot be a model: {en}"), Text(zh="改正这个 DMN 文件", en="Mend the DMN file"), thing)

