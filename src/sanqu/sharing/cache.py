"""Answers that can be given again: a snapshot never changes, so neither does what was asked of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from sanqu.ground.city import City


@dataclass(frozen=True)
class Answer:
    """A finished answer: body, media type, and the headers that go with it."""

    body: bytes
    media_type: str
    headers: tuple[tuple[str, str], ...] = ()


# What an answer takes besides its body and the text of its key: objects, headers, a place in the table.
EACH_BYTES = 1024


class Answers:
    """The most recent answers, up to a number of bytes; what they are kept under counts, for askers choose it."""

    MOST_BYTES = 64 * 1024 * 1024
    LARGEST = 1024 * 1024

    def __init__(self, _city: City) -> None:
        self._kept: OrderedDict[object, tuple[int, Answer]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: object) -> Answer | None:
        """The answer kept under `key`."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
            return kept[1]

    def put(self, key: object, answer: Answer) -> None:
        """Keep an answer, unless it is large."""
        size = len(answer.body) + len(repr(key)) + EACH_BYTES
        if size > self.LARGEST:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += size - (before[0] if before else 0)
            self._kept[key] = (size, answer)
            while self._bytes > self.MOST_BYTES:
                _, (freed, _answer) = self._kept.popitem(last=False)
                self._bytes -= freed

    def __len__(self) -> int:
        """How many answers are kept."""
        with self._lock:
            return len(self._kept)

    def forget(self) -> None:
        """Forget every answer."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


def answers_of(city: City) -> Answers:
    """The answers this process keeps."""
    return city.part(Answers, Answers)
