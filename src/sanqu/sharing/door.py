"""The door (数据之门): who, what for, which query; Arrow or a refusal that explains itself. There is no second way in."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.ground.city import City
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.lake.allowed import OWN, refused
from sanqu.sharing.decide import Decision, decide
from sanqu.sharing.differing import check_and_keep, told_by
from sanqu.sharing.evidence import Read, digest_of_table, note_reads, note_refusal
from sanqu.sharing.grants import note_rows, take_read
from sanqu.sharing.rewrite import mark
from sanqu.sharing.runner import Statement, runners_of

# Lists of subjects are read whole: they are counted, never shown.
MOST_GROUPS = 5001
REPEAT_SECONDS, MOST_REPEATS = 60.0, 10_000


@dataclass(frozen=True)
class Question:
    """One read: SQL with named parameters (`$name`), its purpose, the most rows wanted, the way it came.

    `repeated`: a program asks this over and over; the ledger hears of it when the answer is another one, and once a minute.
    """

    sql: str
    purpose: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    via: str = "sql"
    repeated: bool = False


class _Repeats:
    """What programs of this process were told when they asked last, and when the ledger heard of it (steady clock)."""

    def __init__(self, _city: City) -> None:
        self._told: dict[tuple[str, str, str], tuple[str, float]] = {}

    def is_old(self, asker: Asker, question: Question, digest: str) -> bool:
        """Whether the ledger knows of just this answer since less than a minute; from here on it does."""
        key, at = (asker.label, question.purpose, question.sql), time.monotonic()
        before = self._told.get(key)
        if before is not None and before[0] == digest and at - before[1] < REPEAT_SECONDS:
            return True
        if len(self._told) > MOST_REPEATS:
            self._told.clear()
        self._told[key] = (digest, at)
        return False


@dataclass(frozen=True)
class Answer:
    """Rows as Arrow, whether there were more, what decided, the digest that the ledger keeps of them, each dataset's snapshot."""

    table: pa.Table
    more: bool
    decision: Decision
    digest: str
    snapshots: Mapping[str, int] = field(default_factory=dict)


def ask(city: City, asker: Asker, question: Question) -> Answer:
    """The answer to a question; raises `Refused` naming item, clause and smallest grant, and notes either in the ledger.

    Raises `BadInput` for what is no query or breaks a limit, `NotFound` for an unknown dataset, `Conflict` (429) for a
    quota that is used up.
    """
    decision, snapshots = decide(city, asker, question.purpose, question.sql)
    return answer(city, asker, question, decision, snapshots)


def answer(city: City, asker: Asker, question: Question, decision: Decision, snapshots: Mapping[str, int]) -> Answer:
    """The answer to a question that was decided a moment ago, as its datasets stood at `snapshots`; raises as `ask`."""
    if decision.plan is None:
        _note_refusal(city, asker, question, decision)
        raise decision.refusal()
    most = _take_quota(city, decision, question.rows or city.settings.query_rows)
    ran = runners_of(city).run(_statements(city, question, decision, snapshots, most))
    plan = decision.plan
    told = [told_by(cell, one.table) for cell, one in zip(plan.cells, ran[:-1], strict=True)]
    check_and_keep(city, asker.label, told)
    told_last = ran[-1]
    digest = digest_of_table(told_last.table)
    if not (question.repeated and city.part(_Repeats, _Repeats).is_old(asker, question, digest)):
        note_answer(city, asker, question, decision, told_last.table.num_rows, digest)
    return Answer(told_last.table, told_last.more, decision, digest, snapshots)


def explain(city: City, asker: Asker, question: Question) -> Decision:
    """What the door would say, without running anything; asking for reasons leaves no trace."""
    return decide(city, asker, question.purpose, question.sql)[0]


def _statements(
    city: City, question: Question, decision: Decision, snapshots: Mapping[str, int], most: int
) -> list[Statement]:  # fmt: skip
    plan = decision.plan
    assert plan is not None
    for name in question.params:
        if name.lower().startswith(OWN) or not name.isidentifier():
            raise refused("这样的参数名", "a parameter of this name", name)
    params = dict(question.params) | dict(plan.params)
    texts = [*((cell.sql, MOST_GROUPS) for cell in plan.cells), (plan.sql, most)]
    return statements_of(city, decision, snapshots, texts, params)


def statements_of(
    city: City, decision: Decision, snapshots: Mapping[str, int], texts: Iterable[tuple[str, int]], params: Mapping[str, Any]
) -> list[Statement]:  # fmt: skip
    """Rewritten texts, each with its most rows, over the tables of `decision` as they stood at `snapshots`."""
    tables = {
        mark(table.dataset): lake_of(city).at_snapshot(table.contract, snapshots.get(table.dataset)) for table in decision.tables
    }
    return [Statement(sql, _used(sql, params), most, tables) for sql, most in texts]


def _used(sql: str, params: Mapping[str, Any]) -> dict[str, Any]:
    # The engine refuses parameters that a statement does not name.
    return {name: value for name, value in params.items() if f"${name}" in sql}


def _take_quota(city: City, decision: Decision, most: int) -> int:
    granted = {table.granted.id: table.granted for table in decision.tables if table.granted is not None}
    for one in granted.values():
        with city.db.connection() as conn:
            left = take_read(conn, one)
        most = most if left is None else min(most, left)
    return most


def note_answer(city: City, asker: Asker, question: Question, decision: Decision, rows: int, digest: str) -> None:
    """Note in the ledger that the asker was given this answer."""
    reads = [
        Read(
            table.dataset, table.basis.clause, {one.item: one.contexts for one in table.items},
            table.granted.number if table.granted else None,
        )
        for table in decision.tables
    ]  # fmt: skip
    note_reads(
        city, asker, reads, purpose=question.purpose, version=decision.version, via=question.via, query=question.sql, rows=rows,
        result=digest,
    )  # fmt: skip
    for table in decision.tables:
        if table.granted is not None:
            with city.db.connection() as conn:
                note_rows(conn, table.granted, rows)


def _note_refusal(city: City, asker: Asker, question: Question, decision: Decision) -> None:
    closed = {f"{dataset}.{one.item}": one.clause for dataset, one in decision.closed}
    note_refusal(
        city, asker, dict.fromkeys(dataset for dataset, _ in decision.closed), purpose=question.purpose,
        version=decision.version, via=question.via, query=question.sql, closed=closed,
    )  # fmt: skip
