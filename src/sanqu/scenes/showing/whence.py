"""Where a block comes from (数从哪里来): datasets, snapshots and their times, the query as asked, the clause that allowed it, the digest."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

from sanqu.ground.city import City
from sanqu.lake import lake_of
from sanqu.scenes.showing.asking import Outcome, Reader
from sanqu.scenes.showing.values import plain
from sanqu.scenes.writing.page import Block


class Moments:
    """When snapshots were committed; one never changes, so it is looked up once."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._known: dict[int, datetime | None] = {}
        self._lock = threading.Lock()

    def of(self, snapshot: int) -> datetime | None:
        """The moment, None for a snapshot that is kept no longer."""
        with self._lock:
            if snapshot in self._known:
                return self._known[snapshot]
        at = lake_of(self._city).committed_at(snapshot)
        with self._lock:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[snapshot] = at
        return at


def whence(reader: Reader, block: Block, outcome: Outcome) -> dict[str, Any]:
    """What stands behind a block, as JSON takes it."""
    decision, answer = outcome.decision, outcome.answer
    moments = reader.city.part(Moments, Moments)
    query = reader.page.queries.get(outcome.query)
    return {
        "scene": reader.stage.name, "page": reader.page.name, "block": block.id, "title": block.words("title").model_dump(),
        "query": outcome.query, "written": query.sql.strip() if query else "", "asked": outcome.sql, "params": {key: plain(value) for key, value in outcome.params.items()},
        "asked_at": plain(outcome.at.astimezone()), "purpose": reader.page.purpose, "asker": reader.asker.label,
        "law": decision.version if decision else None, "allowed": decision.allowed if decision else None,
        "rows": answer.table.num_rows if answer else None, "more": answer.more if answer else None, "digest": answer.digest if answer else None,
        "datasets": [
            {
                "dataset": table.dataset, "title": table.title.model_dump(), "snapshot": number, "snapshot_at": plain(at.astimezone()) if (at := moments.of(number)) else None,
                "ground": table.basis.ground, "clause": table.basis.clause, "grant": table.granted.number if table.granted else None,
                "rows": list(table.units) if table.units is not None else "all", "least_group": table.least,
                "items": [{"item": one.item, "uses": list(one.contexts), "masks": list(one.masks)} for one in table.items],
            }
            for table in (decision.tables if decision else ())
            for number in [outcome.snapshots.get(table.dataset, 0)]
        ],
        "fault": outcome.fault.problem(reader.lang) if outcome.fault else None,
    }  # fmt: skip
