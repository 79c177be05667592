"""Tables of a page: sorted, searched and cut into pages on the server, and given away as files of exactly that."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sanqu.scenes.showing.asking import Outcome
from sanqu.scenes.showing.values import MOST_DIGITS, number_of, plain
from sanqu.scenes.writing.page import Block
from sanqu.sharing.safe import safe_cell

PAGE_ROWS = 15


@dataclass(frozen=True)
class View:
    """How a reader looks at a table: by which column (`-` before it: the largest first), which page, which words it must hold."""

    sort: str = ""
    page: int = 1
    find: str = ""


@dataclass(frozen=True)
class Shown:
    """The rows on this page of a table; `total` fit the words, `pages` is how many pages they fill."""

    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]
    total: int
    page: int
    pages: int
    view: View
    numeric: frozenset[str]
    digits: Mapping[str, int]
    most: Mapping[str, float]


def view_of(block: Block, told: Mapping[str, str]) -> View:
    """What the address says of a table; what it says wrongly is not heard."""
    page = told.get(f"{block.id}.page", "1")
    return View(
        told.get(f"{block.id}.sort", str(block.options.get("sort", "")))[:100], int(page) if page.isdecimal() and len(page) < 7 else 1, told.get(f"{block.id}.find", "")[:100],
    )  # fmt: skip


def columns_of(block: Block, outcome: Outcome) -> tuple[str, ...]:
    """The columns that a table shows; of a pair for two languages (`name`, `name_en`) the one that says both."""
    return block.columns("columns") or tuple(name for name in outcome.columns if not (name.endswith("_en") and name.removesuffix("_en") in outcome.columns))


def chosen_rows(block: Block, outcome: Outcome, view: View) -> list[Mapping[str, Any]]:
    """All rows that fit, in the order asked for; empty values come last."""
    columns, rows = columns_of(block, outcome), list[Mapping[str, Any]](outcome.rows)
    if view.find:
        wanted = view.find.casefold()
        rows = [row for row in rows if any(wanted in str(plain(row[name])).casefold() for name in columns)]
    by = view.sort.removeprefix("-")
    if by in outcome.columns:
        there = [row for row in rows if row[by] is not None]
        there.sort(key=lambda row: _order(row[by]), reverse=view.sort.startswith("-"))
        rows = there + [row for row in rows if row[by] is None]
    return rows


def _order(value: Any) -> tuple[int, float, str]:
    number = number_of(value)
    return (0, number, "") if number is not None else (1, 0.0, str(value))


def show_table(block: Block, outcome: Outcome, told: Mapping[str, str]) -> Shown:
    """The page of the table that the reader looks at."""
    view, columns = view_of(block, told), columns_of(block, outcome)
    rows, size = chosen_rows(block, outcome, view), max(1, int(block.number("page") or PAGE_ROWS))
    pages = max(1, -(-len(rows) // size))
    page = max(1, min(view.page, pages))
    numeric = frozenset(name for name in columns if _is_numeric(rows, name))
    bars = {name: max((number_of(row[name]) or 0.0 for row in rows), default=0.0) for name in block.columns("bars") if name in columns}
    seen = rows[(page - 1) * size : page * size]
    return Shown(columns, seen, len(rows), page, pages, view, numeric, {name: _digits(block, seen, name) for name in numeric}, bars)


def _digits(block: Block, rows: Sequence[Mapping[str, Any]], name: str) -> int:
    """As many digits as the column needs, so that its points stand below each other: those told, else two at most."""
    told = [number for row in rows if (number := number_of(row[name])) is not None]
    if all(number.is_integer() for number in told):
        return 0
    most = int(block.number("digits", MOST_DIGITS) or 0)
    return next((digits for digits in range(most) if all(abs(round(number, digits) - number) < 1e-9 for number in told)), most)


def _is_numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    told = [row[name] for row in rows[:200] if row[name] is not None]
    return bool(told) and all(number_of(value) is not None for value in told)


def to_csv(block: Block, outcome: Outcome, told: Mapping[str, str], heads: Sequence[str]) -> str:
    """The table as the reader sees it, all of its pages, as CSV; text that a spreadsheet would compute gets a quote in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows(_cells(block, outcome, told))
    return out.getvalue()


def to_xlsx(block: Block, outcome: Outcome, told: Mapping[str, str], heads: Sequence[str]) -> bytes:
    """The same as a workbook."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "nan_inf_to_errors": True}
    with xlsxwriter.Workbook(out, options) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, heads)
        for line, row in enumerate(_cells(block, outcome, told), 1):
            sheet.write_row(line, 0, row)
    return out.getvalue()


def _cells(block: Block, outcome: Outcome, told: Mapping[str, str]) -> list[list[Any]]:
    columns = columns_of(block, outcome)
    rows = chosen_rows(block, outcome, view_of(block, told))
    return [[_cell(row[name]) for name in columns] for row in rows]


def _cell(value: Any) -> Any:
    told = plain(value)
    return safe_cell(told if not isinstance(told, list | dict) else str(told))
