"""Figures that differ from an earlier figure by a few subjects tell about those few: such an answer is not given (差分)."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyroaring import BitMap64

from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.i18n import Text
from sanqu.sharing.rewrite import Cells

EARLIER = "SELECT cells FROM sharing_answered WHERE asker = %s AND dataset = %s ORDER BY id DESC LIMIT %s"
KEEP = "INSERT INTO sharing_answered (asker, dataset, digest, cells) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
# How many earlier answers a new one is held against, and how many groups one answer may have. What could no longer be
# held against what was told before is not told: nothing is forgotten.
MOST_EARLIER, MOST_CELLS = 2000, 5000
# The largest system of sets that is solved for one answer: sets by sets by their parts.
MOST_WORK = 400_000_000
SIZE = struct.Struct(">I")
# A subject's number is its upper 40 bits; below stands the value that it had.
VALUE_BITS = 24
# How many subjects of a set are looked at before its whole difference to another is worked out.
GLANCE = 5000
# How many sets one whole number says membership of.
WORD = 60


@dataclass(frozen=True)
class Told:
    """The sets of subjects behind the figures of one column of an answer; `about` says which figures compare with which."""

    dataset: str
    about: str
    least: int
    cells: tuple[Any, ...]


def told_by(cells: Cells, table: pa.Table) -> Told:
    """The sets of subjects that a query for them gave; groups too small to be told are left out."""
    if table.num_rows > MOST_CELLS:
        raise Refused(
            "sharing.cells",
            Text(zh=f"受限数据项的分组多于 {MOST_CELLS} 个", en=f"There are more than {MOST_CELLS} groups over restricted items"),
            Text(zh="用更粗的分组", en="Group more coarsely"),
            cells.dataset,
        )
    column = table.column(0).to_pylist() if table.num_columns else []
    # In order, a set is made in half the time.
    sets = [BitMap64(sorted(set(numbers) - {None})) for numbers in column if numbers]
    enough = tuple(one for one in sets if _at_least(one, cells.least))
    return Told(cells.dataset, f"{cells.dataset}.{cells.kind}", cells.least, enough)


def check_and_keep(city: City, asker: str, told: Sequence[Told]) -> None:
    """Keep who stands behind the figures now given to `asker`; raises `Refused` when they would tell about a few.

    Each figure is held against every other: two whose subjects are not the same must differ by at least the least
    group, and no sum and difference of several may be about fewer. A person with several keys is one asker. Checking
    and keeping are one transaction per asker.
    """
    if not told:
        return
    person = asker.partition("/")[0]
    with city.db.connection() as conn:
        conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"told:{person}",))
        for about in sorted({one.about for one in told}):
            mine = [one for one in told if one.about == about]
            dataset, least = mine[0].dataset, max(one.least for one in mine)
            rows = conn.execute(EARLIER, (person, about, MOST_EARLIER)).fetchall()
            earlier = {key: one for row in rows for key, one in _unpack(bytes(row["cells"])).items()}
            fresh = [one for key, one in _distinct(cells for one in mine for cells in one.cells).items() if key not in earlier]
            if not fresh:
                continue
            if len(rows) >= MOST_EARLIER:
                raise _too_much(dataset)
            _refuse_near(dataset, least, fresh, list(earlier.values()))
            _refuse_solvable(dataset, least, [*earlier.values(), *fresh])
            packed = _pack(fresh)
            conn.execute(KEEP, (person, about, hashlib.sha256(packed).digest(), packed))


def _distinct(sets: Iterable[Any]) -> dict[bytes, Any]:
    return {bytes(one.serialize()): one for one in sets if len(one)}


def _at_least(numbers: Any, least: int) -> bool:
    """Whether at least `least` subjects are among the numbers."""
    if len(numbers) < least:
        return False
    seen: set[int] = set()
    for number in numbers:
        seen.add(number >> VALUE_BITS)
        if len(seen) >= least:
            return True
    return False


def _refuse_near(dataset: str, least: int, fresh: Sequence[Any], earlier: Sequence[Any]) -> None:
    for at, one in enumerate(fresh):
        for other in (*earlier, *fresh[:at]):
            if not _are_far(one, other, least):
                raise _near(dataset, least)


def _are_far(one: Any, other: Any, least: int) -> bool:
    """Whether two sets are the same, or differ by at least `least` subjects."""
    larger, smaller = (one, other) if len(one) > len(other) else (other, one)
    seen: set[int] = set()
    # Sets that differ by many show it soon; only of others is the whole difference worked out.
    for number in islice(larger, GLANCE):
        if number not in smaller:
            seen.add(number >> VALUE_BITS)
            if len(seen) >= least:
                return True
    apart = one.symmetric_difference(other)
    return not len(apart) or _at_least(apart, least)


def _near(dataset: str, least: int) -> Refused:
    return Refused(
        "sharing.differencing",
        Text(
            zh="这个结果与已给过的结果只差几个主体，相减会说出他们的值",
            en="This result differs from what was given before by only a few subjects; subtracting would tell their values",
        ),
        Text(
            zh="用与上次相同的范围，或差别更大的范围",
            en="Ask over the same range as before, or over one that differs by more",
        ),
        dataset,
        facts={"least_group": least},
    )


def _too_much(dataset: str) -> Refused:
    return Refused(
        "sharing.told-enough",
        Text(
            zh="关于这个数据项已给过太多不同的结果，新的结果是否会说出个人的值已无法算清",
            en="So many different results about this item were given that it cannot be worked out what one more would tell",
        ),
        Text(zh="用问过的分组再问，或请责任单位给出结果", en="Ask by groups asked for before, or ask the steward for the result"),
        dataset,
    )


def _refuse_solvable(dataset: str, least: int, sets: Sequence[Any]) -> None:
    """Raise `Refused` where sums and differences of the sets single out a few subjects.

    The sets fall into parts that no set divides. Where every part is large nothing small can be singled out; else the
    system is solved (Chin and Özsoyoğlu 1982): a combination that is left on small parts alone must be about enough.
    """
    large, small = _parts(sets, least)
    if not small:
        return
    columns = [*large, *small]
    if len(sets) ** 2 * len(columns) > MOST_WORK:
        raise _too_much(dataset)
    system = _System(len(columns))
    for number in range(len(sets)):
        system.add([(signature >> number) & 1 for signature in columns])
    for left in system.beyond(len(large)):
        if len(set[int]().union(*(small[columns[column]] for column in left))) < least:
            raise _near(dataset, least)


def _parts(sets: Sequence[Any], least: int) -> tuple[list[int], dict[int, set[int]]]:
    """What the sets divide their subjects into, each part named by the sets that hold it, as bits.

    Parts of at least `least` subjects, and of the others the subjects.
    """
    words = [f"w{at}" for at in range((len(sets) + WORD - 1) // WORD)]
    held = pa.concat_tables(_membership(one, number, words) for number, one in enumerate(sets))
    held = held.group_by("element").aggregate([(word, "sum") for word in words]).rename_columns(["element", *words])
    subjects = pc.shift_right(held["element"], pa.scalar(VALUE_BITS, pa.uint64()))
    held = held.append_column("subject", subjects).group_by([*words, "subject"]).aggregate([])
    sizes = held.group_by(words).aggregate([("subject", "count")])
    enough = pc.greater_equal(sizes["subject_count"], least)
    small: dict[int, set[int]] = {}
    for row in held.join(sizes.filter(pc.invert(enough)), words, join_type="inner").to_pylist():
        small.setdefault(_signature(row, words), set()).add(row["subject"])
    return [_signature(row, words) for row in sizes.filter(enough).to_pylist()], small


def _membership(one: Any, number: int, words: Sequence[str]) -> pa.Table:
    """The elements of set `number`, each with its bit in one of the words."""
    elements = pa.array(list(one), pa.uint64())
    bits = {word: 1 << number % WORD if at == number // WORD else 0 for at, word in enumerate(words)}
    return pa.table({"element": elements, **{word: pa.repeat(pa.scalar(bit, pa.int64()), len(elements)) for word, bit in bits.items()}})


def _signature(row: Mapping[str, int], words: Sequence[str]) -> int:
    return sum(row[word] << at * WORD for at, word in enumerate(words))


class _System:
    """Rows of whole numbers modulo a prime, in echelon form; a row is one long integer, 64 bits for each column."""

    PRIME = 2**31 - 1

    def __init__(self, columns: int) -> None:
        self._ones = _packed([1] * columns)
        self._low, self._high = self._ones * self.PRIME, self._ones * (2**33 - 1)
        self._rows: dict[int, int] = {}

    def add(self, row: Sequence[int]) -> None:
        """Take a row of zeros and ones into the system."""
        left = _packed(row)
        while left:
            first = _first(left)
            pivot = self._rows.get(first)
            if pivot is None:
                self._rows[first] = self._times(left, pow(_at(left, first), -1, self.PRIME))
                return
            left = self._minus(left, _at(left, first), pivot)

    def beyond(self, column: int) -> list[list[int]]:
        """The columns of each row that is zero before `column`, after those rows are freed of each other's first columns."""
        firsts = sorted(first for first in self._rows if first >= column)
        rows = {first: self._rows[first] for first in firsts}
        for first in reversed(firsts):
            for other in firsts:
                if other < first and (factor := _at(rows[other], first)):
                    rows[other] = self._minus(rows[other], factor, rows[first])
        return [_columns(row) for row in rows.values()]

    def _minus(self, row: int, factor: int, other: int) -> int:
        return self._reduced(row + (self.PRIME - factor) * other)

    def _times(self, row: int, factor: int) -> int:
        return self._reduced(row * factor)

    def _reduced(self, row: int) -> int:
        # 2**31 is 1 modulo the prime: what is above is added to what is below, in all columns at once.
        for _ in range(2):
            row = (row & self._low) + ((row >> 31) & self._high)
        over = ((row + self._ones) >> 31) & self._ones
        return row - over * self.PRIME


def _first(row: int) -> int:
    return ((row & -row).bit_length() - 1) // 64


def _at(row: int, column: int) -> int:
    return (row >> 64 * column) & (2**64 - 1)


def _packed(row: Sequence[int]) -> int:
    return int.from_bytes(b"".join(value.to_bytes(8, "little") for value in row), "little")


def _columns(row: int) -> list[int]:
    """The columns that are not zero."""
    body = row.to_bytes((row.bit_length() + 63) // 64 * 8, "little")
    return [at // 8 for at in range(0, len(body), 8) if body[at : at + 8] != bytes(8)]


def _pack(cells: Sequence[Any]) -> bytes:
    out = io.BytesIO()
    for one in cells:
        body = one.serialize()
        out.write(SIZE.pack(len(body)))
        out.write(body)
    return out.getvalue()


def _unpack(packed: bytes) -> dict[bytes, Any]:
    """The sets that `_pack` wrote, each by its bytes."""
    cells, at = {}, 0
    while at < len(packed):
        (size,) = SIZE.unpack_from(packed, at)
        at += SIZE.size
        body = packed[at : at + size]
        cells[body] = BitMap64.deserialize(body)
        at += size
    return cells
