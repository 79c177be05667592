"""A tiny language for processes: names, literals, comparisons, arithmetic, a few functions; scripts add assignments and `if`.

Nothing else is ever run: there is no import, no attribute of a Python object, no loop, no call but of the functions named here.
`a.b` is the value under `b` of the object `a`. Since nothing repeats, a text of bounded length takes a bounded time; numbers,
texts and lists are bounded too.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from textwrap import dedent
from typing import Any

from sanqu.ground.errors import BadInput, Conflict
from sanqu.ground.i18n import Text

LONGEST = 500
LONGEST_SCRIPT = 4000
MOST_PARSED = 4096
LARGEST_NUMBER = 1e15
LARGEST_VALUE = 64_000
# What a script may not set: the case says them.
FIXED = frozenset({"case_unit", "case_subject", "case_applicant"})
# What editors of other languages write for the same.
LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None}
ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.Eq, ast.NotEq,
    ast.In, ast.NotIn, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple, ast.BinOp, ast.IfExp, ast.Subscript, ast.Dict, *ORDERINGS,
    *ARITHMETIC,
)  # fmt: skip


def _pick(of: Any, name: Any) -> list[Any]:
    return [one.get(name) for one in of if isinstance(one, Mapping)] if isinstance(of, list) else []


def _count(of: Any, value: Any) -> int:
    return of.count(value) if isinstance(of, list) else 0


def _length(of: Any) -> int:
    return len(of) if isinstance(of, list | str | dict) else 0


def _numbers(of: Any) -> list[int | float]:
    return [one for one in of if isinstance(one, int | float)] if isinstance(of, list) else []


def _number(said: Any) -> int | float | None:
    try:
        found = float(said)
    except (TypeError, ValueError):
        return None
    return int(found) if found.is_integer() else found


# `pick(opinions, 'verdict')` lists what each object says; `count(list, value)` how often a value is in a list.
FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "len": (1, _length),
    "pick": (2, _pick),
    "count": (2, _count),
    "sum": (1, lambda of: sum(_numbers(of))),
    "min": (1, lambda of: min(_numbers(of), default=None)),
    "max": (1, lambda of: max(_numbers(of), default=None)),
    "abs": (1, lambda of: abs(of) if isinstance(of, int | float) else None),
    "round": (1, lambda of: round(of) if isinstance(of, int | float) else None),
    "number": (1, _number),
    "text": (1, lambda of: "" if of is None else str(of) if isinstance(of, str | int | float) else None),
    # Dates are texts such as 2026-10-09, which stand in the order of time.
    "date": (1, lambda of: of if isinstance(of, str) else None),
}


def parse_condition(text: str, thing: str) -> ast.expr:
    """The syntax tree of `text`, once it is sure to hold nothing but the tiny language.

    `thing` is what the condition belongs to. Raises `BadInput` naming it and the condition.
    """
    tree = _parsed(text)
    if tree is None:
        raise BadInput(
            "cases.condition",
            Text(zh=f"条件不合规：{text[:80]}", en=f"The condition does not fit: {text[:80]}"),
            Text(
                zh=f"只能用名称、数、文字、== != < <= > >= in、and or not、+ - * / // %、… if … else …，和函数 {'、'.join(FUNCTIONS)}",
                en="Use names, numbers, texts, == != < <= > >= in, and or not, + - * / // %, … if … else …, and the functions "
                + ", ".join(FUNCTIONS),
            ),
            thing,
        )
    return tree


@lru_cache(MOST_PARSED)
def _parsed(text: str) -> ast.expr | None:
    """The syntax tree of `text`; None for what is not in the language. A process asks the same again and again."""
    try:
        tree = ast.parse(text.strip(), mode="eval") if len(text) <= LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree.body if tree is not None and all(_is_allowed(node) for node in ast.walk(tree)) else None


def _is_allowed(node: ast.AST) -> bool:
    """Whether one node is in the language; what it is made of is looked at on its own."""
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, str | int | float)
    if isinstance(node, ast.Name):
        return not node.id.startswith("_")
    if isinstance(node, ast.Dict):
        return all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in node.keys)
    if isinstance(node, ast.Attribute):
        return not node.attr.startswith("_")
    if isinstance(node, ast.Call):
        known = FUNCTIONS.get(node.func.id) if isinstance(node.func, ast.Name) else None
        return known is not None and len(node.args) == known[0] and not node.keywords
    return isinstance(node, ALLOWED)


def value_of(text: str, names: Mapping[str, Any], thing: str) -> Any:
    """What `text` says when names stand for `names`; a name that is not there is None.

    Raises `BadInput` for what is not in the language, `Conflict` where two values cannot be put in an order.
    """
    return _value(parse_condition(text, thing), names, thing)


def holds(text: str, names: Mapping[str, Any], thing: str) -> bool:
    """Whether the condition `text` is met; raises as `value_of`."""
    return bool(value_of(text, names, thing))


def _value(node: ast.expr, names: Mapping[str, Any], thing: str) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return LITERALS[node.id] if node.id in LITERALS else names.get(node.id)
        case ast.List() | ast.Tuple():
            return [_value(part, names, thing) for part in node.elts]
        case ast.Dict():
            said = zip(node.keys, node.values, strict=True)
            return {key.value: _value(value, names, thing) for key, value in said if isinstance(key, ast.Constant)}
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, names, thing)
        case ast.UnaryOp():
            return _calculated(ast.Sub(), 0, _value(node.operand, names, thing), thing)
        case ast.BinOp():
            return _calculated(node.op, _value(node.left, names, thing), _value(node.right, names, thing), thing)
        case ast.IfExp():
            return _value(node.body if _value(node.test, names, thing) else node.orelse, names, thing)
        case ast.Attribute():
            return _part(_value(node.value, names, thing), node.attr)
        case ast.Subscript():
            return _part(_value(node.value, names, thing), _value(node.slice, names, thing))
        case ast.Call(func=ast.Name(id=name)):
            function = FUNCTIONS[name][1]
            return _bounded(function(*(_value(part, names, thing) for part in node.args)), thing)
        case ast.BoolOp(op=ast.And()):
            return all(_value(part, names, thing) for part in node.values)
        case ast.BoolOp():
            return any(_value(part, names, thing) for part in node.values)
        case ast.Compare():
            return _compared(node, names, thing)
    raise AssertionError(f"{type(node).__name__} was let through")


def _part(of: Any, key: Any) -> Any:
    if isinstance(of, Mapping):
        return of.get(key) if isinstance(key, str) else None
    if isinstance(of, list) and isinstance(key, int) and -len(of) <= key < len(of):
        return of[key]
    return None


def _calculated(op: ast.operator, left: Any, right: Any, thing: str) -> Any:
    texts = (isinstance(left, str) and isinstance(right, str)) or (isinstance(left, list) and isinstance(right, list))
    if isinstance(op, ast.Add) and texts:
        return _bounded(left + right, thing)
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        raise _uncountable(f"{type(left).__name__}, {type(right).__name__}", thing)
    if isinstance(op, ast.Div | ast.FloorDiv | ast.Mod) and right == 0:
        raise _uncountable("0", thing)
    match op:
        case ast.Add():
            found: int | float = left + right
        case ast.Sub():
            found = left - right
        case ast.Mult():
            found = left * right
        case ast.Div():
            found = left / right
        case ast.FloorDiv():
            found = left // right
        case _:
            found = left % right
    return _bounded(found, thing)


def _bounded(value: Any, thing: str) -> Any:
    if (
        (isinstance(value, int | float)
        and abs(value) > LARGEST_NUMBER)
        or (isinstance(value, str | list)
        and len(value) > LARGEST_VALUE)
    ):
        raise _uncountable("…", thing)
    return value


def _uncountable(what: str, thing: str) -> Conflict:
    return Conflict(
        "cases.calculation",
        Text(zh=f"算不出来：{what}", en=f"This cannot be calculated: {what}"),
        Text(zh="改正流程里的式子，或填写的值", en="Mend the expression of the process, or what was given"),
        thing,
    )


def parse_script(text: str, thing: str) -> list[ast.stmt]:
    """The statements of a script, once it is sure to hold nothing but assignments to names and `if`.

    Raises `BadInput` naming `thing` and the line that does not fit.
    """
    try:
        tree = ast.parse(dedent(text).strip()) if len(text) <= LONGEST_SCRIPT else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    unfit = _unfit_statement(tree.body) if tree is not None else 1
    if tree is None or unfit is not None:
        line = text.strip().splitlines()[(unfit or 1) - 1][:80] if text.strip() else ""
        raise BadInput(
            "cases.script",
            Text(zh=f"脚本第 {unfit} 行不合规：{line}", en=f"Line {unfit} of the script does not fit: {line}"),
            Text(
                zh=f"脚本只能给名称赋值和用 if，至多 {LONGEST_SCRIPT} 个字符",
                en=f"A script assigns to names and uses if, in at most {LONGEST_SCRIPT} characters; nothing else",
            ),
            thing,
        )
    return tree.body


def _unfit_statement(body: Sequence[ast.stmt]) -> int | None:
    """The line of the first statement that is not in the language."""
    for one in body:
        if isinstance(one, ast.If) and _is_expression(one.test):
            unfit = _unfit_statement([*one.body, *one.orelse])
            if unfit is not None:
                return unfit
        elif not isinstance(one, ast.Pass) and not _is_assignment(one):
            return one.lineno
    return None


def _is_assignment(one: ast.stmt) -> bool:
    if isinstance(one, ast.AugAssign):
        return isinstance(one.op, ARITHMETIC) and _is_settable(one.target) and _is_expression(one.value)
    return isinstance(one, ast.Assign) and len(one.targets) == 1 and _is_settable(one.targets[0]) and _is_expression(one.value)


def _is_settable(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and not target.id.startswith("_") and target.id not in FIXED | LITERALS.keys()


def _is_expression(node: ast.expr) -> bool:
    return all(_is_allowed(part) for part in ast.walk(node))


def run_script(text: str, names: Mapping[str, Any], thing: str) -> dict[str, Any]:
    """What a script sets, when names stand for `names`; raises `BadInput` as `parse_script`, `Conflict` as `value_of`."""
    added: dict[str, Any] = {}
    _run(parse_script(text, thing), dict(names), added, thing)
    return added


def _run(body: Sequence[ast.stmt], names: dict[str, Any], added: dict[str, Any], thing: str) -> None:
    for one in body:
        if isinstance(one, ast.If):
            _run(one.body if _value(one.test, names, thing) else one.orelse, names, added, thing)
        elif isinstance(one, ast.Assign | ast.AugAssign):
            target = one.targets[0] if isinstance(one, ast.Assign) else one.target
            assert isinstance(target, ast.Name)
            value = _value(one.value, names, thing)
            if isinstance(one, ast.AugAssign):
                value = _calculated(one.op, names.get(target.id), value, thing)
            names[target.id] = added[target.id] = value


def _compared(node: ast.Compare, names: Mapping[str, Any], thing: str) -> bool:
    left = _value(node.left, names, thing)
    for op, part in zip(node.ops, node.comparators, strict=True):
        right = _value(part, names, thing)
        if not _compare(op, left, right, thing):
            return False
        left = right
    return True


def _compare(op: ast.cmpop, left: Any, right: Any, thing: str) -> bool:
    match op:
        case ast.Eq():
            return bool(left == right)
        case ast.NotEq():
            return bool(left != right)
        case ast.In():
            return _is_in(left, right)
        case ast.NotIn():
            return not _is_in(left, right)
    # What was not said is neither more nor less than anything.
    return False if left is None or right is None else _ordered(op, left, right, thing)


def _is_in(left: Any, right: Any) -> bool:
    return left in right if isinstance(right, list) or (isinstance(right, str) and isinstance(left, str)) else False


def _ordered(op: ast.cmpop, left: Any, right: Any, thing: str) -> bool:
    try:
        match op:
            case ast.Lt():
                return bool(left < right)
            case ast.LtE():
                return bool(left <= right)
            case ast.Gt():
                return bool(left > right)
        return bool(left >= right)
    except TypeError as fault:
        raise Conflict(
            "cases.condition-types",
            Text(
                zh=f"条件比较了不可比的值：{type(left).__name__} 与 {type(right).__name__}",
                en=f"A condition puts values in an order that have none: {type(left).__name__} and {type(right).__name__}",
            ),
            Text(zh="改正流程的条件，或填写的值的类型", en="Mend the condition of the process, or the type of what was given"),
            thing,
        ) from fault
