"""What is wrong with a page (页面检查): its own faults, columns that its queries do not give, texts in one language only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sanqu.ground.errors import SanquError
from sanqu.ground.i18n import Text
from sanqu.scenes.writing.page import Block, Fault, Page
from sanqu.scenes.writing.prose import places_in

# What a query gives, by its SQL; None where it cannot be known.
Columns = Callable[[str], Sequence[str] | None]


def problems(page: Page, columns_of: Columns | None = None) -> list[Fault]:
    """Everything that is wrong with a page, in the order of its lines; those not `serious` leave it working.

    With `columns_of`, what components and prose name is looked for among what the queries give; what it raises is a fault of the query.
    """
    found = [*page.faults, *_one_language(page)]
    if columns_of is not None:
        found += _columns(page, columns_of)
    return sorted(found, key=lambda fault: fault.line)


def missing_columns(block: Block, given: Sequence[str]) -> list[str]:
    """The columns that a component names and its query does not give."""
    kind = block.kind
    if kind is None:
        return []
    named = [name for key, option in kind.options.items() if option.kind in ("column", "columns") for name in block.columns(key)]
    return [name for name in dict.fromkeys(named) if name not in given]


def _one_language(page: Page) -> Iterator[Fault]:
    for block in page.blocks.values():
        told = [(key, value) for key, value in block.options.items() if isinstance(value, Text)]
        for key, value in told:
            if bool(value.zh) != bool(value.en):
                yield Fault(block.line, Text(zh=f"{block.id} 的 {key} 只有一种语言", en=f"{key} of {block.id} is in one language only"), serious=False)


def _columns(page: Page, columns_of: Columns) -> Iterator[Fault]:
    given: dict[str, Sequence[str] | None] = {}
    for query in page.queries.values():
        try:
            given[query.name] = columns_of(query.sql)
        except SanquError as fault:
            given[query.name] = None
            yield Fault(query.line, Text(zh=f"查询 {query.name}：{fault.what.zh}", en=f"Query {query.name}: {fault.what.in_('en')}"))
    for block in page.blocks.values():
        known = given.get(block.query)
        for name in missing_columns(block, known) if known is not None else ():
            yield Fault(block.line, Text(zh=f"查询 {block.query} 没有列 {name}；有 {'、'.join(known or ())}", en=f"The query {block.query} gives no column {name}; it gives {', '.join(known or ())}"))
    for query_name, column, line in places_in(page):
        known = given.get(query_name)
        if query_name not in page.queries:
            yield Fault(line, Text(zh=f"没有查询 {query_name}", en=f"There is no query {query_name}"))
        elif known is not None and column not in known:
            yield Fault(line, Text(zh=f"查询 {query_name} 没有列 {column}", en=f"The query {query_name} gives no column {column}"))
