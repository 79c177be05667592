"""Decision tables (DMN): rows of conditions and what follows from them; every cell is in the room's own tiny language.

The standard is OMG DMN 1.3, decision tables (clause 8), with the unary tests of S-FEEL (clause 9): `-`, literals, `a, b`,
`not(a)`, `< 5`, `[1..5]`, `]1..5[`, and `?` for the value itself. Hit policies: UNIQUE, FIRST, ANY, RULE ORDER, COLLECT
(with SUM, MIN, MAX, COUNT).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from lxml import etree
from pydantic import BaseModel, ConfigDict

from sanqu.cases.conditions import holds, parse_condition, value_of
from sanqu.ground.errors import BadInput, Conflict
from sanqu.ground.i18n import Text

Policy = Literal["UNIQUE", "FIRST", "ANY", "RULE ORDER", "COLLECT"]
Aggregation = Literal["", "SUM", "MIN", "MAX", "COUNT"]
LARGEST = 1_000_000
MOST_RULES = 2000
MODEL = re.compile(r"https?://www\.omg\.org/spec/DMN/\d{8}/(MODEL/)?(dmn\.xsd)?")
# The value of the input within a cell: no process can call one of its own names so.
INPUT = "input_value"
INTERVAL = re.compile(r"([\[\](])\s*(.+?)\s*\.\.\s*(.+?)\s*([\[\])])", re.S)
COMPARED = re.compile(r"(<=|>=|!=|<|>|=)\s*(.+)", re.S)
NOT = re.compile(r"not\s*\((.*)\)", re.S)
OUTPUT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


class Rule(BaseModel):
    """One row: a condition for each input (empty: any), an expression for each output (empty: none)."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    when: tuple[str, ...]
    then: tuple[str, ...]
    # The cells of the conditions as they were written.
    cells: tuple[str, ...] = ()


class Table(BaseModel):
    """One decision table (决策表)."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    policy: Policy = "UNIQUE"
    aggregation: Aggregation = ""
    inputs: tuple[str, ...]
    # What people call the inputs, in their order.
    labels: tuple[str, ...] = ()
    outputs: tuple[str, ...]
    rules: tuple[Rule, ...]


def read_decisions(xml: str, name: str) -> dict[str, Table]:
    """The decision tables of a DMN file by the ids of their decisions; raises `BadInput` naming the cell that does not fit."""
    if len(xml) > LARGEST:
        raise _unfit(name, "文件太大", "the file is too large")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(xml.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as fault:
        raise _unfit(name, f"不是合规的 XML：{fault}", f"this is no XML: {fault}") from fault
    if root.getroottree().docinfo.doctype or MODEL.fullmatch(etree.QName(root).namespace or "") is None:
        raise _unfit(name, "不是 DMN 文件", "this is no DMN file")
    tables = [_table(one, name) for one in root.iter("{*}decision")]
    if not tables:
        raise _unfit(name, "没有决策表", "there is no decision table")
    return {table.id: table for table in tables}


def decide(table: Table, names: Mapping[str, Any], thing: str) -> dict[str, Any] | list[dict[str, Any]] | None:
    """What `table` says when names stand for `names`: outputs by name; a list for RULE ORDER and COLLECT; None for no row.

    With an aggregation, the one output's sum, least, greatest or number. Raises `Conflict` when UNIQUE or ANY meets rows that
    do not agree, or values that cannot be compared.
    """
    values = [value_of(expression, names, thing) for expression in table.inputs]
    hits: list[dict[str, Any]] = []
    for rule in table.rules:
        tests = zip(rule.when, values, strict=True)
        if all(not test or holds(test, {**names, INPUT: value}, thing) for test, value in tests):
            hits.append({o: value_of(then, names, thing) for o, then in zip(table.outputs, rule.then, strict=True) if then})
            if table.policy == "FIRST":
                break
    if table.policy in ("RULE ORDER", "COLLECT"):
        return _aggregated(table, hits) if table.aggregation else hits
    if (table.policy == "UNIQUE" and len(hits) > 1) or any(hit != hits[0] for hit in hits[1:]):
        raise Conflict(
            "cases.decision",
            Text(
                zh=f"决策表 {table.title} 有 {len(hits)} 行同时成立", en=f"{len(hits)} rows of the table {table.id} hold at once"
            ),
            Text(zh="改正决策表，或改用 FIRST", en="Mend the table, or give it the hit policy FIRST"),
            thing,
        )
    return hits[0] if hits else None


def _aggregated(table: Table, hits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    output = table.outputs[0]
    said = [hit[output] for hit in hits if isinstance(hit.get(output), int | float)]
    match table.aggregation:
        case "COUNT":
            return {output: len(hits)}
        case "SUM":
            return {output: sum(said)}
        case "MIN":
            return {output: min(said, default=None)}
    return {output: max(said, default=None)}


def _table(decision: Any, name: str) -> Table:
    thing = f"{name}: {decision.get('id') or ''}"
    tables = decision.findall("{*}decisionTable")
    if not decision.get("id") or len(tables) != 1:
        raise _unfit(thing, "每项决策要有 id 和一张决策表", "each decision needs an id and one decision table")
    table = tables[0]
    policy, aggregation = table.get("hitPolicy", "UNIQUE"), table.get("aggregation", "")
    if policy not in get_args(Policy) or aggregation not in get_args(Aggregation):
        raise _unfit(thing, f"不支持命中策略 {policy} {aggregation}", f"the hit policy {policy} {aggregation} is not supported")
    inputs = tuple(_text(one, "{*}inputExpression/{*}text") or one.get("label", "") for one in table.findall("{*}input"))
    labels = tuple(one.get("label") or expression for one, expression in zip(table.findall("{*}input"), inputs, strict=True))
    outputs = tuple(str(one.get("name") or one.get("label") or "") for one in table.findall("{*}output"))
    for expression in inputs:
        parse_condition(expression, f"{thing} input")
    if not outputs or not all(OUTPUT_NAME.fullmatch(output) for output in outputs):
        raise _unfit(thing, "输出要有名称：字母、数字和 _", "outputs need names of letters, digits and _")
    if aggregation and len(outputs) != 1:
        raise _unfit(thing, "汇总只能有一个输出", "an aggregation has one output")
    rows = table.findall("{*}rule")
    if not rows or len(rows) > MOST_RULES:
        raise _unfit(thing, f"要有 1 至 {MOST_RULES} 行规则", f"there must be 1 to {MOST_RULES} rules")
    rules = tuple(_rule(row, len(inputs), len(outputs), f"{thing} row {i}") for i, row in enumerate(rows, 1))
    return Table(
        id=str(decision.get("id")), title=str(decision.get("name") or decision.get("id")), policy=policy, aggregation=aggregation,
        inputs=inputs, labels=labels, outputs=outputs, rules=rules,
    )  # fmt: skip


def _rule(row: Any, inputs: int, outputs: int, thing: str) -> Rule:
    when = [_text(one, "{*}text") for one in row.findall("{*}inputEntry")]
    then = [_text(one, "{*}text") for one in row.findall("{*}outputEntry")]
    if len(when) != inputs or len(then) != outputs:
        raise _unfit(thing, "格数与列数不同", "the row has not as many cells as there are columns")
    tests = tuple(test_of(cell, thing) for cell in when)
    for cell in then:
        if cell:
            parse_condition(cell, thing)
    return Rule(id=str(row.get("id", "")), when=tests, then=tuple(then), cells=tuple(when))


def test_of(cell: str, thing: str) -> str:
    """A unary test as a condition over `input_value`; empty for what is always met. Raises `BadInput` naming `thing`."""
    cell = cell.strip()
    if cell in ("", "-"):
        return ""
    negated = NOT.fullmatch(cell)
    if negated is not None:
        condition = f"not ({test_of(negated[1], thing)})"
    else:
        condition = " or ".join(f"({_one_test(part.strip())})" for part in parted(cell, ","))
    parse_condition(condition, thing)
    return condition


def _one_test(part: str) -> str:
    interval = INTERVAL.fullmatch(part)
    if interval is not None:
        low = ">=" if interval[1] == "[" else ">"
        high = "<=" if interval[4] == "]" else "<"
        return f"{INPUT} {low} {interval[2]} and {INPUT} {high} {interval[3]}"
    compared = COMPARED.fullmatch(part)
    if compared is not None:
        return f"{INPUT} {'==' if compared[1] == '=' else compared[1]} {compared[2]}"
    asked = parted(part, "?")
    if len(asked) > 1:
        return INPUT.join(asked)
    return f"{INPUT} == ({part})"


def parted(text: str, mark: str) -> list[str]:
    """`text` parted at `mark`, outside of quotes, brackets and parentheses (`?` also within these)."""
    parts, quote, depth = [""], "", 0
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([" and mark == ",":
            depth += 1
        elif letter in ")]" and mark == ",":
            depth -= 1
        elif letter == mark and depth <= 0:
            parts.append("")
            continue
        parts[-1] += letter
    return parts


def _text(element: Any, path: str) -> str:
    found = element.find(path)
    return "".join(found.itertext()).strip() if found is not None else ""


def _unfit(thing: str, zh: str, en: str) -> BadInput:
    return BadInput(
        "cases.table", Text(zh=f"决策表不能用：{zh}", en=f"The decision table cannot be used: {en}"),
        Text(zh="用 DMN 编辑器改正", en="Mend it with a DMN editor"), thing,
    )  # fmt: skip
