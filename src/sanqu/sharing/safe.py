"""Text that a spreadsheet would take for a formula is marked on its way out (CSV injection, OWASP)."""

from __future__ import annotations

from sanqu.lake import Contract, quote_ident

# = + - @ and the control characters tab and carriage return start a formula; a leading quote makes them text.
FORMULA_STARTS = "61, 43, 45, 64, 9, 13"


def safe_text(expression: str) -> str:
    """SQL that gives the text of `expression`, with a quote in front where a spreadsheet would compute it."""
    return f"CASE WHEN ord({expression}) IN ({FORMULA_STARTS}) THEN '''' || {expression} ELSE {expression} END"


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
