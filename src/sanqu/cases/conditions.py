"""A tiny language for the conditions of a process: names, literals, comparisons, and, or, not, in; nothing else is ever run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from sanqu.ground.errors import BadInput, Conflict
from sanqu.ground.i18n import Text

LONGEST = 500
# What editors of other languages write for the same.
LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None}
ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.Eq, ast.NotEq,
    ast.In, ast.NotIn, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple, *ORDERINGS,
)  # fmt: skip


def parse_condition(text: str, thing: str) -> ast.expr:
    """The syntax tree of `text`, once it is sure to hold nothing but the tiny language.

    `thing` is what the condition belongs to. Raises `BadInput` naming it and the condition.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval") if len(text) <= LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is None or not all(_is_allowed(node) for node in ast.walk(tree)):
        raise BadInput(
            "cases.condition",
            Text(zh=f"条件不合规：{text[:80]}", en=f"The condition does not fit: {text[:80]}"),
            Text(
                zh="只能用名称、数、文字、== != < <= > >= in、and or not",
                en="Use names, numbers, texts, == != < <= > >= in, and or not only",
            ),
            thing,
        )
    return tree.body


def _is_allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, str | int | float)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int | float)
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
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, names, thing)
        case ast.UnaryOp():
            return -_value(node.operand, names, thing)
        case ast.BoolOp(op=ast.And()):
            return all(_value(part, names, thing) for part in node.values)
        case ast.BoolOp():
            return any(_value(part, names, thing) for part in node.values)
        case ast.Compare():
            return _compared(node, names, thing)
    raise AssertionError(f"{type(node).__name__} was let through")


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
