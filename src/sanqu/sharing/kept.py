"""Answers of the door that are given again (留存的回答): who has the same rights over the same snapshots is told the same rows.

The law decides each time, for each asker; only the rows are spared. What is kept is kept under the text that the engine ran, which
says everything that the rights come to: items, masks, rows in scope. Where that is not all (a grant's quota, figures that are guarded
against differences), an answer is the asker's own.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from sanqu.ground.city import City
from sanqu.ground.people.askers import Asker
from sanqu.sharing.decide import Decision, decide
from sanqu.sharing.door import Answer, Question, answer, note_answer

Key = tuple[object, ...]
# What an answer hangs on besides its snapshots may move on its own: the time of day, a random number.
KEEP_SECONDS = 300.0
# One who reads the same answer again and again stands in the ledger once in so long.
NOTE_SECONDS = 600.0


@dataclass(frozen=True)
class Decided:
    """A question that the door would answer: what it decided, the snapshots it would read, and what those with equal rights share."""

    question: Question
    decision: Decision
    snapshots: Mapping[str, int]
    rights: Key

    @property
    def key(self) -> Key:
        """What the answer is kept under."""
        return (*self.rights, tuple(sorted((table.dataset, self.snapshots.get(table.dataset, 0)) for table in self.decision.tables)))


def decided(city: City, asker: Asker, question: Question, at: Mapping[str, int] | None = None) -> Decided:
    """What the door says of a question now, without running it; of each dataset in `at`, that snapshot is read.

    Raises as `decide`; a refusal is in the decision.
    """
    decision, newest = decide(city, asker, question.purpose, question.sql)
    snapshots = {**newest, **{name: number for name, number in (at or {}).items() if name in newest}}
    return Decided(question, decision, snapshots, _rights(asker, question, decision))


def _rights(asker: Asker, question: Question, decision: Decision) -> Key:
    plan = decision.plan
    params = tuple(sorted((name, str(value)) for name, value in question.params.items() if f"${name}" in question.sql))
    if plan is None:
        return (question.sql, params, "refused", asker.label, decision.version)
    own = bool(plan.cells) or any(table.granted is not None for table in decision.tables)
    asked = (asker.label, asker.rooms, question.purpose, decision.version) if own else ()
    return (plan.sql, params, tuple(sorted(plan.params.items())), question.rows, *asked)


class KeptAnswers:
    """The answers of this process, up to a number of bytes; what is being asked is waited for, not asked twice."""

    MOST_BYTES = 128 * 1024 * 1024
    EACH_BYTES = 4096

    def __init__(self, city: City) -> None:
        self._city = city
        self._kept: OrderedDict[Key, tuple[float, Answer]] = OrderedDict()
        self._asking: dict[Key, Future[Answer]] = {}
        self._noted: OrderedDict[tuple[str, Key], float] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        # How often the door was asked, and how often it was spared.
        self.asked = 0
        self.spared = 0

    def answer(self, asker: Asker, one: Decided) -> Answer:
        """The answer to what was decided; raises as `ask`."""
        if one.decision.plan is None:
            return answer(self._city, asker, one.question, one.decision, one.snapshots)
        mine: Future[Answer] | None = None
        with self._lock:
            found = self._fresh(one.key)
            waiting = self._asking.get(one.key)
            if found is None and waiting is None:
                mine = self._asking[one.key] = Future()
                self.asked += 1
            else:
                self.spared += 1
        if mine is not None:
            return self._ask(asker, one, mine)
        told = found if found is not None else waiting.result() if waiting is not None else None
        assert told is not None
        self._note(asker, one, told)
        return Answer(told.table, told.more, one.decision, told.digest, told.snapshots)

    def forget(self) -> None:
        """Forget every answer."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _ask(self, asker: Asker, one: Decided, mine: Future[Answer]) -> Answer:
        try:
            told = answer(self._city, asker, one.question, one.decision, one.snapshots)
        except BaseException as fault:
            with self._lock:
                self._asking.pop(one.key, None)
            mine.set_exception(fault)
            raise
        with self._lock:
            self._asking.pop(one.key, None)
            self._put(one.key, told)
            self._noted[asker.label, one.rights] = time.monotonic()
        mine.set_result(told)
        return told

    def _fresh(self, key: Key) -> Answer | None:
        found = self._kept.get(key)
        if found is None or found[0] < time.monotonic() - KEEP_SECONDS:
            return None
        self._kept.move_to_end(key)
        return found[1]

    def _put(self, key: Key, told: Answer) -> None:
        before = self._kept.pop(key, None)
        self._bytes += _size(told) - (_size(before[1]) if before else 0)
        self._kept[key] = (time.monotonic(), told)
        while self._bytes > self.MOST_BYTES and len(self._kept) > 1:
            _, (_at, freed) = self._kept.popitem(last=False)
            self._bytes -= _size(freed)

    def _note(self, asker: Asker, one: Decided, told: Answer) -> None:
        """Note in the ledger who was told rows that are not open to everyone."""
        if all(table.basis.ground == "open" for table in one.decision.tables):
            return
        with self._lock:
            last = self._noted.get((asker.label, one.rights), float("-inf"))
            if last > time.monotonic() - NOTE_SECONDS:
                return
            self._noted[asker.label, one.rights] = time.monotonic()
            while len(self._noted) > 20_000:
                self._noted.popitem(last=False)
        note_answer(self._city, asker, one.question, one.decision, told.table.num_rows, told.digest)


def _size(told: Answer) -> int:
    return int(told.table.nbytes) + KeptAnswers.EACH_BYTES


def kept_answers(city: City) -> KeptAnswers:
    """The answers that this process keeps."""
    return city.part(KeptAnswers, KeptAnswers)


def ask_kept(city: City, asker: Asker, question: Question, at: Mapping[str, int] | None = None) -> Answer:
    """The answer to a question, without asking the engine again where somebody with the same rights had it; raises as `ask`."""
    return kept_answers(city).answer(asker, decided(city, asker, question, at))
