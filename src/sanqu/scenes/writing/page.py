"""A page (页面) as its author wrote it: plain data, without anything of the city that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sanqu.ground.i18n import Lang, Text
from sanqu.scenes.writing.components import COMPONENTS, Component

Audience = Literal["public", "staff", "unit"]
InputKind = Literal["select", "text", "date", "number", "period"]


@dataclass(frozen=True)
class Fault:
    """What is wrong on a line of a page; one that is not serious leaves the page working."""

    line: int
    what: Text
    serious: bool = True


@dataclass(frozen=True)
class Query:
    """A named query (查询), in SQL over the scene's models and datasets, with `$name` for an input."""

    name: str
    sql: str
    line: int


@dataclass(frozen=True)
class Prose:
    """Markdown, for readers of one language or of both."""

    id: str
    text: str
    line: int
    lang: Lang | None = None


@dataclass(frozen=True)
class Block:
    """One component with what it was told."""

    id: str
    component: str
    options: Mapping[str, Any]
    line: int
    faults: tuple[Fault, ...] = ()

    @property
    def kind(self) -> Component | None:
        """What it is, None for what no component is called."""
        return COMPONENTS.get(self.component)

    @property
    def query(self) -> str:
        """The name of the query that it shows."""
        return str(self.options.get("query", ""))

    @property
    def span(self) -> int:
        """How many of twelve columns it takes."""
        told = self.options.get("span")
        if isinstance(told, int | float):
            return max(1, min(12, int(told)))
        return self.kind.span if self.kind else 12

    def words(self, name: str) -> Text:
        """An option that is a text in each language."""
        told = self.options.get(name, "")
        return told if isinstance(told, Text) else Text(zh=str(told), en=str(told))

    def columns(self, name: str) -> tuple[str, ...]:
        """An option that names columns."""
        told = self.options.get(name, ())
        return (told,) if isinstance(told, str) else tuple(told)

    def number(self, name: str, otherwise: float | None = None) -> float | None:
        """An option that is a number."""
        told = self.options.get(name)
        return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else otherwise

    def flag(self, name: str) -> bool:
        """An option that is said or not."""
        return self.options.get(name) is True


@dataclass(frozen=True)
class Input:
    """An input (筛选项): what a reader may choose; queries see it as the parameter `$name`, never as text of the query."""

    name: str
    kind: InputKind
    title: Text
    line: int
    query: str = ""
    value: str = ""
    label: str = ""
    options: tuple[tuple[str, Text], ...] = ()
    default: str = ""
    none: Text = field(default_factory=Text)


@dataclass(frozen=True)
class Screen:
    """One screen of the cockpit (大屏): a grid whose areas are blocks, shown for so many seconds."""

    areas: tuple[str, ...]
    columns: str = ""
    rows: str = ""
    seconds: float = 30
    title: Text = field(default_factory=Text)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks in the order of the grid."""
        return tuple(dict.fromkeys(name for row in self.areas for name in row.split() if name != "."))


@dataclass(frozen=True)
class Page:
    """A page: what stands at its head, its queries, and its parts in their order."""

    name: str
    title: Text
    order: int = 100
    audience: Audience = "public"
    unit: str = ""
    purpose: str = ""
    refresh: int = 0
    # Between two drawings of what moves lie so many seconds at least.
    pace: int = 0
    inputs: tuple[Input, ...] = ()
    queries: Mapping[str, Query] = field(default_factory=dict)
    parts: tuple[Prose | Block, ...] = ()
    screens: tuple[Screen, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def blocks(self) -> dict[str, Block]:
        """The components by id."""
        return {part.id: part for part in self.parts if isinstance(part, Block)}
