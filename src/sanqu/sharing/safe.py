"""Text that a spreadsheet would take for a formula is marked on its way out (CSV injection, OWASP)."""

from __future__ import annotations

from sanqu.lake import Contract, quote_ident

# What starts a formula: = + - @ and the control characters tab and carriage return; a leading quote makes them text.
FORMULA_STARTS = "'=+-@' || chr(9) || chr(13)"


def safe_text(expression: str) -> str:
    """SQL that gives the text of `expression`, with a quote in front where a spreadsheet would compute it.

    All of them stand before the letters, so that for most text one comparison is enough. (A list after IN would become
    a join: half of the time of a scan.)
    """
    starts_formula = f"{expression} <> '' AND contains({FORMULA_STARTS}, left({expression}, 1))"
    return f"CASE WHEN {expression} >= 'A' THEN {expression} WHEN {starts_formula} THEN '''' || {expression} ELSE {expression} END"


def safe_column(contract: Contract, item: str) -> str:
    """SQL that gives item `item` as a spreadsheet may read it; only text can be taken for a formula."""
    column = quote_ident(item)
    if contract.field(item).lake_type != "VARCHAR":
        return column
    return f"{safe_text(column)} AS {column}"


def safe_cell(value: object) -> object:
    """The same for one value in Python."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
