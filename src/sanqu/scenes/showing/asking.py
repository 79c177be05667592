"""Asks what a page asks: each query once, through the door, as whoever reads, all of them at the same snapshots."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, SanquError, not_found
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.people.askers import Asker
from sanqu.scenes.showing.stages import Stage
from sanqu.scenes.wording import english_of, in_english
from sanqu.scenes.writing.page import Input, Page
from sanqu.sharing.decide import Decision
from sanqu.sharing.door import Answer, Question
from sanqu.sharing.kept import Decided, decided, kept_answers
from sanqu.sharing.law import law_book

# Queries of one process that are asked or waited for at the same time. The door bounds the engines itself; there are more threads than
# those, so that answers that are known already do not wait behind slow ones.
AT_ONCE = 24
LONGEST_INPUT = 200


@dataclass(frozen=True)
class Reader:
    """Who reads which page, in which language, with which inputs."""

    city: City
    asker: Asker
    stage: Stage
    page: Page
    lang: Lang
    params: Mapping[str, Any] = field(default_factory=dict)


class Named(str):
    """What is shown to a reader of English, with what stands in the data for those who compare with it."""

    __slots__ = ("stands",)

    def __new__(cls, english: str, stands: str) -> Self:
        """The English word, and what stands in the data."""
        made = super().__new__(cls, english)
        made.stands = stands
        return made

    stands: str


def stands(value: Any) -> Any:
    """What stands in the data where a name is shown."""
    return value.stands if isinstance(value, Named) else value


@dataclass(frozen=True)
class Outcome:
    """What became of a query: its answer, or why there is none; the text as the door was asked, and when."""

    query: str
    sql: str
    params: Mapping[str, Any]
    at: datetime
    answer: Answer | None = None
    decision: Decision | None = None
    fault: SanquError | None = None
    lang: Lang = "zh"
    # What counties and words of the scene are in English, for a reader of English.
    english: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows, by column; to a reader of English, `name_en` stands in for `name`, and English words for those that are known."""
        found: list[dict[str, Any]] = self.answer.table.to_pylist() if self.answer is not None else []
        if self.lang != "en":
            return found
        pairs = [name for name in self.columns if f"{name}_en" in self.columns]
        told = [row | {name: row[f"{name}_en"] for name in pairs} for row in found] if pairs else found
        return [{name: self._named(value) if isinstance(value, str) else value for name, value in row.items()} for row in told]

    def _named(self, value: str) -> str:
        said = in_english(value, self.english)
        return value if said == value else Named(said, value)

    @property
    def columns(self) -> list[str]:
        """The columns that came."""
        return list(self.answer.table.column_names) if self.answer is not None else []

    @property
    def snapshots(self) -> dict[str, int]:
        """The snapshot of each dataset that was read."""
        if self.answer is None or self.decision is None:
            return {}
        return {table.dataset: self.answer.snapshots.get(table.dataset, 0) for table in self.decision.tables}

    @property
    def snapshot(self) -> int:
        """The newest of them."""
        return max(self.snapshots.values(), default=0)


def params_of(page: Page, given: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a page from what stands in its address; what is not given is the default, or an empty text.

    Raises `BadInput` for a value that is no date or number, or too long.
    """
    return {one.name: _value(one, given.get(one.name, one.default)) for one in page.inputs}


def _value(one: Input, said: str) -> Any:
    said = said.strip()
    try:
        if len(said) > LONGEST_INPUT:
            raise ValueError("long")
        match one.kind:
            case "number":
                return (float(said) if not said.lstrip("-").isdigit() else int(said)) if said else None
            case "date":
                return datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat() if said else None
            case _:
                return said
    except ValueError as fault:
        raise BadInput(
            "scenes.input", Text(zh=f"筛选项“{one.title.zh}”的值不合规", en=f"The value of “{one.title.in_('en')}” does not fit"),
            Text(zh="改正后再看", en="Mend it and look again"), one.name, status=422,
        ) from fault  # fmt: skip


class Asking:
    """The queries of one reading: each is asked once, however many blocks show it, and all at the snapshots of the first."""

    def __init__(self, reader: Reader, at: Mapping[str, int] | None = None) -> None:
        self.reader = reader
        self._at = dict(at or {})
        self._asked: dict[str, Future[Outcome]] = {}
        self._lock = threading.Lock()
        self._pool = reader.city.part(_Pool, _Pool)

    @cached_property
    def _english(self) -> dict[str, str]:
        return english_of(self.reader.city, self.reader.stage.words) if self.reader.lang == "en" else {}

    def begin(self, names: Iterable[str]) -> None:
        """Ask these queries, without waiting."""
        for name in names:
            self._future(name)

    def outcome(self, name: str) -> Outcome:
        """What became of a query; waits for it."""
        return self._future(name).result()

    async def wait(self, name: str) -> Outcome:
        """The same, without a thread that waits."""
        return await asyncio.wrap_future(self._future(name))

    def _future(self, name: str) -> Future[Outcome]:
        with self._lock:
            found = self._asked.get(name)
            if found is None:
                found = self._asked[name] = self._pool.submit(self._ask, name)
            return found

    def _ask(self, name: str) -> Outcome:
        reader, at = self.reader, now()
        sql, params, decision = "", dict[str, Any](), None
        try:
            one = self.decide(name)
            sql, params, decision = one.question.sql, dict(one.question.params), one.decision
            answer = kept_answers(reader.city).answer(reader.asker, one)
        except SanquError as fault:
            return Outcome(name, sql, params, at, None, decision, fault, reader.lang, self._english)
        return Outcome(name, sql, params, at, answer, decision, None, reader.lang, self._english)

    def decide(self, name: str) -> Decided:
        """What the door says of a query, at the snapshots of this reading; raises as the door."""
        reader = self.reader
        query = reader.page.queries.get(name)
        if query is None:
            raise not_found(Text(zh="查询", en="query"), name)
        sql = reader.stage.sql(query.sql)
        params = {key: value for key, value in reader.params.items() if f"${key}" in sql}
        one = decided(reader.city, reader.asker, Question(sql, reader.page.purpose, params, via="page"), self._at)
        with self._lock:
            # Whoever reads a dataset first says at which snapshot all of them read it.
            for table in one.decision.tables:
                self._at.setdefault(table.dataset, one.snapshots.get(table.dataset, 0))
            at = dict(self._at)
        return Decided(one.question, one.decision, {**one.snapshots, **{key: at[key] for key in one.snapshots if key in at}}, one.rights)


class _Pool:
    """The threads that ask for pages."""

    def __init__(self, _city: City) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sanqu-page")

    def submit(self, work: Any, *told: Any) -> Future[Any]:
        """Do something in one of them."""
        return self._threads.submit(work, *told)

    def close(self) -> None:
        """Let go of what waits."""
        with contextlib.suppress(RuntimeError):
            self._threads.shutdown(wait=False, cancel_futures=True)


def law_now(city: City) -> int:
    """The number of the law."""
    return law_book(city).current([])[0]
