"""Replays mended rows: through the same checks, and then into the dataset."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.lake import Commit, Contract, lake_of
from sanqu.lines.checks import Texture, compile_checks
from sanqu.lines.keeping import line_of, refuse_stranger
from sanqu.lines.locks import hold_line
from sanqu.lines.quarantine import COLUMNS
from sanqu.lines.records import Counts, Fault, Line, Quarantined
from sanqu.lines.sources.tables import write_texts
from sanqu.lines.staging import Stage, iter_rows
from sanqu.lines.wording import word_fault

TAKE = f"SELECT {COLUMNS} FROM lines_quarantine WHERE line = %s AND state = 'mended' ORDER BY id LIMIT 100000"
DONE = "UPDATE lines_quarantine SET state = 'replayed', changed = now() WHERE id = ANY(%s) AND state = 'mended'"
BACK = "UPDATE lines_quarantine SET state = 'waiting', faults = %s, rules = %s, changed = now() WHERE id = %s AND state = 'mended'"


def replay(city: City, name: str, asker: Asker = SYSTEM) -> Counts:
    """Check the mended rows of line `name` again and write those that pass; the others wait with their new faults.

    Raises `NotFound`, `Refused`, and `Conflict` while the line runs.
    """
    line = line_of(city, name)
    refuse_stranger(city, line.dataset, asker)
    lake = lake_of(city)
    contract = lake.contract(line.dataset)
    with hold_line(city, line):
        _settle_written(city, line)
        rows = [Quarantined.model_validate(row) for row in city.db.all(TAKE, (name,))]
        if not rows:
            return Counts()
        with lake.engine() as duck, _folder(city) as folder:
            stage = Stage(duck, contract)
            _fill(stage, folder / "mended.parquet", contract, rows)
            stage.find_doubles()
            stage.find_late_faults(city, line.mode)
            bad = _faults(stage, rows)
            passed = [row.id for row in rows if row.id not in bad]
            good, collapsed = stage.good_count(), stage.collapsed()
            commit = Commit(f"{_author(line)}", f"{name}: {good} mended rows", {"rows": passed, "at": now().isoformat()})
            if not good:
                counts = Counts(read=len(rows), collapsed=collapsed, quarantined=len(bad))
                snapshot = None
            else:
                change = (
                    lake.upsert(line.dataset, stage.good(), commit, duck=duck, keys_are_unique=True)
                    if contract.primaryKey
                    else lake.append(line.dataset, stage.good(), commit, duck=duck)
                )
                snapshot = change.snapshot
                counts = Counts(
                    read=len(rows), inserted=change.inserted, updated=change.updated, unchanged=change.unchanged,
                    collapsed=collapsed, quarantined=len(bad),
                )  # fmt: skip
            stage.close()
        with city.db.connection() as conn:
            conn.execute(DONE, (passed,))
            for number, faults in bad.items():
                told = [fault.model_dump(mode="json") for fault in faults]
                conn.execute(BACK, (Jsonb(told), sorted({fault.rule for fault in faults}), number))
            facts = {**counts.model_dump(), "snapshot": snapshot}
            append(conn, kind="lines.replay", actor=asker.label, subject=f"dataset:{line.dataset}", facts=facts)
    return counts


def _author(line: Line) -> str:
    return f"line:{line.name}:replay"


def _settle_written(city: City, line: Line) -> None:
    """Rows of a replay that was cut off between the lake's commit and ours are in the lake: say so."""
    seen = lake_of(city).last_commit(_author(line))
    if seen is not None:
        with city.db.connection() as conn:
            changed = "SELECT id FROM lines_quarantine WHERE id = ANY(%s) AND state = 'mended' AND changed <= %s"
            ids = [r["id"] for r in conn.execute(changed, (seen.position.get("rows", []), seen.position.get("at"))).fetchall()]
            conn.execute(DONE, (ids,))


def _fill(stage: Stage, spool: Path, contract: Contract, rows: list[Quarantined]) -> None:
    names = list(contract.names)
    values: list[dict[str, Any]] = [{**row.items, **(row.mended or {})} for row in rows]
    write_texts(spool, names, ([_text(one.get(name)) for name in names] for one in values))
    checks = compile_checks(contract, {name: f"c{index}" for index, name in enumerate(names)}, Texture(replaced=False))
    stage.fill(checks.staged(f"SELECT * FROM read_parquet('{spool}')", len(names)))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _faults(stage: Stage, rows: list[Quarantined]) -> dict[int, tuple[Fault, ...]]:
    found = stage.duck.execute(
        f"SELECT _n, _faults FROM {stage.table} WHERE _faults IS NOT NULL "
        f"UNION ALL SELECT _n, list(fault) FROM {stage.aside} WHERE kind = 'bad' GROUP BY _n"
    )
    bad: dict[int, tuple[Fault, ...]] = {}
    for number, faults in iter_rows(found):
        told = []
        for said in faults:
            want = said["want"] or ""
            want = f"row {rows[int(want[1:]) - 1].id}" if want.startswith("#") else want
            told.append(
                Fault(item=said["item"], value=said["value"], rule=said["rule"], want=want,
                      explanation=word_fault(said["rule"], said["value"], want))
            )  # fmt: skip
        bad[rows[int(number) - 1].id] = tuple(told)
    return bad


@contextmanager
def _folder(city: City) -> Iterator[Path]:
    base = city.settings.home.resolve() / "tmp"
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="replay-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
