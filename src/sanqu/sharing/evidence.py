"""What the ledger keeps of each decision: who, what for, under which law, which items, how much, and digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.ground.city import City
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker


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
