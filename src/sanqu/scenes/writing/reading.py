"""Reads a page file: front matter, named queries, components, prose. It never raises: what is wrong stands in the page's faults."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from sanqu.cases.forms import read_form
from sanqu.ground.errors import SanquError
from sanqu.ground.i18n import Lang, Text
from sanqu.scenes.writing.components import COMMON, COMPONENTS, Option
from sanqu.scenes.writing.page import Block, Fault, Input, Page, Prose, Query, Screen

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([^`]*)\Z")
LANGUAGE = re.compile(r":::[ \t]*(zh|en)?[ \t]*\Z")
TOLD = re.compile(r"""([\w.-]+)(?:=("(?:[^"\\]|\\.)*"|\S*))?""")
CHINESE = re.compile(r"[\u3400-\u9fff]")
AT_LINE = re.compile(r"line (\d+)")
HEAD = frozenset({"title", "order", "audience", "unit", "purpose", "refresh", "pace", "inputs", "screen", "screens"})
INPUT = frozenset({"title", "kind", "query", "value", "label", "options", "default", "none"})
SCREEN = frozenset({"areas", "columns", "rows", "seconds", "title"})
# Words of the address that are the page's own.
TAKEN = frozenset({"lang", "screen", "embed", "why", "block", "export", "format", "at"})
# Fences that show text as it is.
LISTINGS = frozenset({"", "text", "json", "toml", "csv", "bash", "sh", "python", "http", "yaml", "xml"})


def read_page(text: str, name: str) -> Page:
    """The page that `text` says; `name` is that of its file without `.md`."""
    return _Reading(name).read(text.replace("\r\n", "\n").replace("\r", "\n"))


@dataclass
class _Reading:
    """A page as far as it is read."""

    name: str
    queries: dict[str, Query] = field(default_factory=dict)
    parts: list[Prose | Block] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def read(self, text: str) -> Page:
        lines = text.split("\n")
        head, start = self._front_matter(lines)
        for kind, info, body, line in _pieces(lines, start):
            if kind == "fence":
                self._fence(info, body, line)
            else:
                self._prose(body, line, cast(Lang | None, info or None))
        return self._page(head)

    def say(self, line: int, zh: str, en: str, *, serious: bool = True) -> None:
        self.faults.append(Fault(line, Text(zh=zh, en=en), serious))

    def _front_matter(self, lines: list[str]) -> tuple[dict[str, Any], int]:
        if not lines or lines[0].strip() != "+++":
            self.say(1, "页面以 +++ 开头的表头开始", "A page begins with a head between lines of +++")
            return {}, 0
        end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == "+++"), None)
        if end is None:
            self.say(1, "表头没有结束的 +++", "The head has no +++ at its end")
            return {}, 1
        return self._toml("\n".join(lines[1:end]), 2), end + 1

    def _toml(self, text: str, line: int) -> dict[str, Any]:
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError, ValueError) as fault:
            place = AT_LINE.search(str(fault))
            self.say(line + (int(place[1]) - 1 if place else 0), f"TOML 写法不对：{fault}", f"This is no TOML: {fault}")
            return {}

    def _prose(self, text: str, line: int, lang: Lang | None) -> None:
        if text.strip():
            self.parts.append(Prose(f"prose-{len(self.parts) + 1}", text, line, lang))

    def _fence(self, info: str, body: str, line: int) -> None:
        word, _, rest = info.strip().partition(" ")
        if word == "sql":
            self._query(rest.strip(), body, line)
        elif word in LISTINGS:
            self._prose(f"```{word}\n{body}\n```", line, None)
        else:
            self._block(word, rest, body, line)

    def _query(self, name: str, sql: str, line: int) -> None:
        if not NAME.match(name):
            self.say(line, f"查询要有名字（小写字母、数字和 _），写成 ```sql name；这里是“{name[:40]}”", f"A query has a name of lower-case letters, digits and _, as ```sql name; here stands “{name[:40]}”")
        elif name in self.queries:
            self.say(line, f"查询 {name} 在第 {self.queries[name].line} 行已经写过", f"The query {name} stands in line {self.queries[name].line} already")
        elif not sql.strip():
            self.say(line, f"查询 {name} 是空的", f"The query {name} is empty")
        else:
            self.queries[name] = Query(name, sql, line)

    def _block(self, component: str, rest: str, body: str, line: int) -> None:
        before = len(self.faults)
        told = _told(rest) | self._toml(body, line + 1)
        kind = COMPONENTS.get(component)
        id_ = self._id(component, told, line)
        if kind is not None and kind.asks and isinstance(told.get("sql"), str) and "query" not in told:
            # A query that one block alone needs may stand in it.
            told["query"] = self._own_query(id_, told.pop("sql"), line)
        if kind is None:
            self.say(line, f"没有组件 {component[:40]}；可用：{'、'.join(COMPONENTS)}", f"There is no component {component[:40]}; there are: {', '.join(COMPONENTS)}")
            options: dict[str, Any] = {}
        else:
            known = {**COMMON, **kind.options} | ({"query": Option("name", required=True)} if kind.asks else {})
            options = self._options(component, known, told, line)
        self.parts.append(Block(id_, component, options, line, tuple(self.faults[before:])))

    def _own_query(self, id_: str, sql: str, line: int) -> str:
        name = id_ if id_ not in self.queries else f"{id_[:36]}_sql"
        self._query(name, sql, line)
        return name

    def _options(self, component: str, known: Mapping[str, Option], told: Mapping[str, Any], line: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in told.items():
            if name not in known:
                self.say(line, f"{component} 没有选项 {name[:40]}；可用：{'、'.join(known)}", f"{component} has no option {name[:40]}; it has: {', '.join(known)}")
                continue
            fitted = _fit(known[name], value)
            if fitted is None:
                wanted = "、".join(known[name].choices) or known[name].kind
                self.say(line, f"{component} 的选项 {name} 不合规，应为 {wanted}", f"The option {name} of {component} does not fit; it should be {wanted}")
            else:
                found[name] = fitted
        for name, option in known.items():
            if option.required and name not in told:
                self.say(line, f"{component} 缺选项 {name}", f"{component} needs the option {name}")
        return found

    def _id(self, component: str, told: Mapping[str, Any], line: int) -> str:
        said = told.get("id")
        number = sum(one.component == component for one in self.parts if isinstance(one, Block)) + 1
        id_ = said if isinstance(said, str) and NAME.match(said) else f"{component if NAME.match(component) else 'block'}_{number}"
        if said is not None and id_ != said:
            self.say(line, "id 用小写字母、数字和 _", "An id has lower-case letters, digits and _")
        if id_ in self.ids:
            self.say(line, f"有两个块叫 {id_}", f"Two blocks are called {id_}")
            while id_ in self.ids:
                id_ += "_"
        self.ids.add(id_)
        return id_

    def _page(self, head: Mapping[str, Any]) -> Page:
        for strange in sorted(set(head) - HEAD):
            self.say(1, f"表头没有 {strange[:40]}", f"The head knows no {strange[:40]}")
        inputs = self._inputs(head.get("inputs", {}))
        blocks = [part for part in self.parts if isinstance(part, Block)]
        for block in blocks:
            if block.query and block.query not in self.queries:
                self.say(block.line, f"没有查询 {block.query}", f"There is no query {block.query}")
        for one in inputs:
            if one.query and one.query not in self.queries:
                self.say(one.line, f"筛选项 {one.name} 的查询 {one.query} 不存在", f"The query {one.query} of input {one.name} is not there")
        title = _words(head.get("title"))
        if title is None:
            self.say(1, "表头要有 title", "The head needs a title")
        elif not (title.zh and title.en):
            self.say(1, "title 缺一种语言", "The title is missing in one language", serious=False)
        audience = head.get("audience", "public")
        if audience not in ("public", "staff", "unit"):
            # Whoever cannot be told apart is shut out: a slip of the pen opens nothing.
            self.say(1, "audience 是 public、staff 或 unit", "audience is public, staff or unit")
            audience = "staff"
        page = Page(
            self.name, title or Text(zh=self.name), _whole(head.get("order"), 100), audience, str(head.get("unit", "")), str(head.get("purpose", "")),
            _whole(head.get("refresh"), 0), _whole(head.get("pace"), 0), inputs, dict(self.queries), tuple(self.parts), self._screens(head),
        )  # fmt: skip
        return replace(page, faults=tuple(self.faults))

    def _inputs(self, said: Any) -> tuple[Input, ...]:
        if not isinstance(said, dict):
            self.say(1, "inputs 写成 [inputs.名]", "Inputs are written as [inputs.name]")
            return ()
        return tuple(found for name, one in said.items() if (found := self._input(str(name), one)) is not None)

    def _input(self, name: str, said: Any) -> Input | None:
        if not NAME.match(name) or name in TAKEN or not isinstance(said, dict) or set(said) - INPUT:
            self.say(1, f"筛选项 {name[:40]} 的名字或选项不合规；名字用小写字母，选项有 {'、'.join(sorted(INPUT))}", f"The input {name[:40]} has a name or options that do not fit; options are {', '.join(sorted(INPUT))}")
            return None
        kind = said.get("kind", "select" if {"query", "options"} & set(said) else "text")
        if kind not in ("select", "text", "date", "number", "period") or (kind == "select" and not {"query", "options"} & set(said)):
            self.say(1, f"筛选项 {name} 的 kind 不合规；select 要有 query 或 options", f"The kind of input {name} does not fit; a select needs query or options")
            return None
        value = str(said.get("value", ""))
        if said.get("query") and not value:
            self.say(1, f"筛选项 {name} 要用 value 说明取哪一列", f"The input {name} needs value: the column it takes")
        return Input(
            name, kind, _words(said.get("title")) or Text(zh=name, en=name), 1, str(said.get("query", "")), value, str(said.get("label", value)),
            _choices(said.get("options", ())), str(said.get("default", "")), _words(said.get("none")) or Text(),
        )  # fmt: skip

    def _screens(self, head: Mapping[str, Any]) -> tuple[Screen, ...]:
        said = head.get("screens", []) if "screens" in head else [head["screen"]] if "screen" in head else []
        found = []
        for one in said if isinstance(said, list) else [said]:
            areas = one.get("areas") if isinstance(one, dict) else None
            if not isinstance(areas, list) or not all(isinstance(row, str) for row in areas) or not areas or set(one) - SCREEN or len({len(row.split()) for row in areas}) != 1:
                self.say(1, "大屏用 areas 说明格子：每行一样多的块名", "A screen says its grid in areas: rows with as many names of blocks each")
                continue
            screen = Screen(tuple(areas), _tracks(one.get("columns")), _tracks(one.get("rows")), float(_whole(one.get("seconds"), 30)), _words(one.get("title")) or Text())
            for name in screen.blocks:
                if name not in self.ids:
                    self.say(1, f"大屏上的 {name[:40]} 不是页面里的块", f"{name[:40]} on the screen is no block of the page")
            found.append(screen)
        return tuple(found)


def _pieces(lines: list[str], start: int) -> Iterator[tuple[str, str, str, int]]:
    """Fences and what stands between them: kind, info (or language), text, and the number of its first line."""
    lang, gathered, since, at = "", list[str](), start, start
    while at < len(lines):
        fence, language = FENCE.match(lines[at]), LANGUAGE.match(lines[at])
        if fence is None and language is None:
            gathered.append(lines[at])
            at += 1
            continue
        yield "prose", lang, "\n".join(gathered), since + 1
        if fence is not None:
            end = _end_of(lines, at, fence[1])
            yield "fence", fence[2], "\n".join(lines[at + 1 : end]), at + 1
            at = end
        elif language is not None:
            lang = language[1] or ""
        at += 1
        gathered, since = [], at
    yield "prose", lang, "\n".join(gathered), since + 1


def _end_of(lines: list[str], start: int, mark: str) -> int:
    """The line that closes a fence; one that is never closed goes to the end."""
    for number in range(start + 1, len(lines)):
        line = lines[number].strip()
        if len(line) >= len(mark) and set(line) == {mark[0]}:
            return number
    return len(lines)


def _told(text: str) -> dict[str, Any]:
    """`query=a y=b,c stack title="…" title.en="…"` as options."""
    found: dict[str, Any] = {}
    for name, value in TOLD.findall(text):
        said: Any = True if not value else _unquoted(value)
        whole, _, lang = name.partition(".")
        if lang in ("zh", "en"):
            before = found.get(whole)
            found[whole] = (before if isinstance(before, dict) else {"zh": before} if isinstance(before, str) else {}) | {lang: said}
        else:
            found[name] = said
    return found


def _unquoted(value: str) -> str:
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _fit(option: Option, value: Any) -> Any:
    """The value as the option takes it, None where it does not fit."""
    match option.kind:
        case "words":
            return _words(value)
        case "number":
            return _number(value)
        case "flag":
            return value if isinstance(value, bool) else {"true": True, "yes": True, "false": False, "no": False}.get(str(value))
        case "choice":
            return value if value in option.choices else None
        case "columns" | "names":
            parts = value.split(",") if isinstance(value, str) else value
            fits = isinstance(parts, list) and bool(parts) and all(isinstance(part, str) and part.strip() for part in parts)
            return tuple(part.strip() for part in parts) if fits else None
        case "fields":
            return _form_fields(value)
        case "heads":
            fits = isinstance(value, dict) and all(_words(one) is not None for one in value.values())
            return {str(key): _words(one) for key, one in value.items()} if fits else None
        case _:
            return value if isinstance(value, str) and value else None


def _form_fields(value: Any) -> Any:
    """The fields of a form: a list of them, or a JSON Schema."""
    try:
        return read_form(json.dumps(value), "form")
    except (SanquError, TypeError, ValueError, RecursionError):
        return None


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if abs(value) < 1e15 else None
    try:
        said = float(value)
    except (TypeError, ValueError):
        return None
    return (int(said) if said.is_integer() else said) if abs(said) < 1e15 else None


def _words(value: Any) -> Text | None:
    if isinstance(value, str):
        # What has no Chinese letters (%, ISO) is the same in both languages.
        return Text(zh=value) if CHINESE.search(value) else Text(zh=value, en=value)
    if isinstance(value, dict) and value and set(value) <= {"zh", "en"} and all(isinstance(one, str) for one in value.values()):
        return Text(**value)
    return None


def _choices(said: Any) -> tuple[tuple[str, Text], ...]:
    """Choices as a list of values, or as a table of values and what they are called."""
    if isinstance(said, dict):
        return tuple((str(value), _words(title) or Text(zh=str(value))) for value, title in said.items())
    return tuple((str(value), Text(zh=str(value), en=str(value))) for value in said) if isinstance(said, list) else ()


def _tracks(said: Any) -> str:
    """Widths of columns or heights of rows, of what CSS calls so; nothing else gets into a style."""
    return said if isinstance(said, str) and re.fullmatch(r"[0-9a-z%.,() ]{0,200}", said) else ""


def _whole(said: Any, otherwise: int) -> int:
    return int(said) if isinstance(said, int | float) and not isinstance(said, bool) and abs(said) < 1e9 else otherwise
