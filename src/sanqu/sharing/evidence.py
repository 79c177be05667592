"""What the ledger keeps of each decision: who, what for, under which law, which items, how much, and digests."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.ground.city import City
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.sharing.grants import note_rows, take_read
from sanqu.sharing.views import View


@dataclass(frozen=True)
class Read:
    """One dataset's part in a decision: the clause it was read under and what was done with each item."""

    dataset: str
    clause: str
    items: Mapping[str, Sequence[str]] = field(default_factory=dict)
    grant: int | None = None


def digest_of_text(text: str) -> str:
    """SHA-256 of a query's text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_table(table: pa.Table) -> str:
    """SHA-256 over an answer as an Arrow stream, in hex; the same rows in the same order give the same digest."""
    hashed = hashlib.sha256()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks(), max_chunksize=4096)
    hashed.update(sink.getvalue())
    return hashed.hexdigest()


def note_reads(
    city: City, asker: Asker, reads: Iterable[Read], *, purpose: str, version: int, via: str, query: str, rows: int, result: str
) -> None:
    """One entry for each dataset read; the answer leaves only after this has committed."""
    with city.db.connection() as conn:
        for read in reads:
            facts = {
                "purpose": purpose, "law": version, "via": via, "clause": read.clause, "grant": read.grant,
                "items": {item: sorted(uses) for item, uses in sorted(read.items.items())},
                "rows": rows, "query": digest_of_text(query), "result": result,
            }  # fmt: skip
            append(conn, kind="sharing.read", actor=asker.label, subject=f"dataset:{read.dataset}", facts=facts)


def note_refusal(
    city: City,
    asker: Asker,
    datasets: Iterable[str],
    *,
    purpose: str,
    version: int,
    via: str,
    query: str,
    closed: Mapping[str, str],
) -> None:
    """One entry for each dataset that a refused query named; `closed` maps `dataset.item` to the clause."""
    with city.db.connection() as conn:
        for dataset in datasets:
            facts = {
                "purpose": purpose, "law": version, "via": via, "query": digest_of_text(query),
                "closed": {item: clause for item, clause in sorted(closed.items()) if item.startswith(f"{dataset}.")},
            }  # fmt: skip
            append(conn, kind="sharing.refused", actor=asker.label, subject=f"dataset:{dataset}", facts=facts)


class Tally:
    """Reads of what is open to everyone, counted: one entry a minute for each dataset and way, not one for each read."""

    EVERY_SECONDS = 60.0

    def __init__(self, city: City) -> None:
        self._city = city
        self._counted: Counter[tuple[str, str, str, int]] = Counter()
        self._rows: Counter[tuple[str, str, str, int]] = Counter()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def count(self, actor: str, dataset: str, via: str, version: int, rows: int) -> None:
        """One read more of `dataset`."""
        with self._lock:
            self._counted[actor, dataset, via, version] += 1
            self._rows[actor, dataset, via, version] += rows
            if self._timer is None:
                self._timer = threading.Timer(self.EVERY_SECONDS, self.write_down)
                self._timer.daemon = True
                self._timer.start()

    def write_down(self) -> None:
        """Put what was counted in the ledger."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
            rows, self._rows = self._rows, Counter()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if not counted:
            return
        with self._city.db.connection() as conn:
            for (actor, dataset, via, version), reads in counted.items():
                facts = {
                    "clause": "opening=unconditional", "via": via, "law": version, "reads": reads,
                    "rows": rows[actor, dataset, via, version],
                }  # fmt: skip
                append(conn, kind="sharing.reads", actor=actor, subject=f"dataset:{dataset}", facts=facts)

    def close(self) -> None:
        """Nothing counted is lost when the city stops."""
        self.write_down()


def tally_of(city: City) -> Tally:
    """What this process counts of open reads."""
    return city.part(Tally, Tally)


def rows_left(city: City, view: View) -> int | None:
    """Count a read against the quota of the view's grant; how many rows may still be read today, None for any number.

    Raises `Conflict` (429) when the quota is used up.
    """
    if view.basis.granted is None:
        return None
    with city.db.connection() as conn:
        return take_read(conn, view.basis.granted)


def note_view(city: City, view: View, *, via: str, items: Iterable[str], rows: int, query: str = "", result: str = "") -> None:
    """Note a structured read: in the ledger at once, or counted where it is open to everyone anyway."""
    if view.shared_by_all:
        tally_of(city).count(view.asker.label, view.dataset.name, via, view.version, rows)
        return
    granted = view.basis.granted
    read = Read(view.dataset.name, view.basis.clause, dict.fromkeys(items, ("plain",)), granted.number if granted else None)
    note_reads(
        city, view.asker, [read], purpose=view.purpose, version=view.version, via=via, query=query, rows=rows, result=result
    )
    if granted is not None:
        with city.db.connection() as conn:
            note_rows(conn, granted, rows)
