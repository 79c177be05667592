"""Carries one unit of a source into the lake: reads, checks, quarantines, commits; whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from sanqu.ground.errors import BadInput, SanquError
from sanqu.ground.i18n import Text
from sanqu.lake import Change, Commit, lake_of
from sanqu.lines.binding import Bound, bind
from sanqu.lines.checks import FAULT_SIGN, Checks, compile_checks
from sanqu.lines.quarantine import Refusal, keep_refusals
from sanqu.lines.records import Counts, Fault
from sanqu.lines.sources.units import Opening, Reading, Reject, Unit
from sanqu.lines.staging import Stage
from sanqu.lines.wording import word_fault

SAMPLE_ROWS = 20_000
# A unit of which most rows are refused, and so many, is the wrong file or the wrong contract.
MANY_REFUSED = 100_000


@dataclass(frozen=True)
class Carried:
    """What carrying a unit did; `cursor` is the greatest value of the line's cursor in it."""

    counts: Counts
    snapshot: int
    notes: tuple[Text, ...] = ()
    cursor: str | None = None


def carry(opening: Opening, unit: Unit, run: int) -> Carried:
    """Bring `unit` into the dataset; quarantined rows are written first, so that a crash loses none.

    Raises `BadInput` when the unit as a whole does not fit, and leaves nothing of it.
    """
    with unit.open() as reading:
        bound = bind(opening.contract, opening.line, reading.columns)
        checks = compile_checks(opening.contract, bound.sql(opening.contract), reading.texture)
        notes = tuple(_at(unit, note) for note in (*reading.notes, *bound.notes))
        if _may_go_straight(opening, reading):
            opening.say(Text(zh=f"装载 {unit.name}", en=f"Loading {unit.name}"))
            straight = _carry_straight(opening, unit, run, reading, checks)
            if straight is not None:
                return Carried(straight.counts, straight.snapshot, notes)
        return _carry_staged(opening, unit, run, reading, bound, checks, notes)


def _at(unit: Unit, note: Text) -> Text:
    return Text(zh=f"{unit.name}：{note.zh}", en=f"{unit.name}: {note.en}")


def _may_go_straight(opening: Opening, reading: Reading) -> bool:
    contract, line = opening.contract, opening.line
    looked_up = contract.foreignKeys or any(item.constraints.unique for item in contract.fields)
    if not reading.large or looked_up or line.cursor:
        return False
    # Where rows are there already, each must be looked for: the source would be read once for its keys and once for its rows.
    return line.mode == "append" or (line.mode == "upsert" and not lake_of(opening.city).count(line.dataset))


def _carry_straight(opening: Opening, unit: Unit, run: int, reading: Reading, checks: Checks) -> Carried | None:
    """One pass from text to lake, for large units without a fault; None when there is one (and nothing was written)."""
    duck, name = opening.duck, opening.line.dataset
    try:
        sample = duck.execute(checks.any_bad(f"SELECT * FROM ({reading.strict}) LIMIT {SAMPLE_ROWS}")).fetchone()
        if sample and sample[0]:
            return None
        commit = _commit(opening, unit, run, {"quarantined": 0, "collapsed": 0})
        source = checks.guarded(reading.strict)
        lake = lake_of(opening.city)
        if opening.line.mode == "upsert":
            change = lake.upsert(name, source, commit, duck=duck)
        else:
            change = lake.append(name, source, commit, duck=duck)
    except duckdb.Error:
        return None
    except BadInput as fault:
        if fault.code == "lake.key-twice" or (fault.code == "lake.refused" and _broken_row(fault)):
            return None
        raise
    read = change.inserted + change.updated + change.unchanged
    return Carried(Counts(read=read, inserted=change.inserted, updated=change.updated, unchanged=change.unchanged), change.snapshot)


def _broken_row(fault: SanquError) -> bool:
    said = f"{fault.what.en} {fault.__cause__}"
    return FAULT_SIGN in said or "CSV Error" in said or "CSV Parser" in said or "Invalid unicode" in said


def _commit(opening: Opening, unit: Unit, run: int, counts: Mapping[str, Any]) -> Commit:
    line = opening.line
    return Commit(
        author=f"line:{line.name}",
        message=f"{line.name}: {unit.name}",
        position={"run": run, "unit": unit.name, "fingerprint": unit.fingerprint, "counts": dict(counts), **unit.position},
    )


def _carry_staged(
    opening: Opening, unit: Unit, run: int, reading: Reading, bound: Bound, checks: Checks, notes: tuple[Text, ...]
) -> Carried:
    opening.say(Text(zh=f"检查 {unit.name}", en=f"Checking {unit.name}"))
    stage = Stage(opening.duck, opening.contract)
    try:
        try:
            staged = stage.fill(checks.staged(reading.rows, len(reading.columns)))
        except duckdb.Error as fault:
            raise _unreadable(unit, fault) from fault
        rejects = reading.rejects()
        read = staged + len(rejects)
        there = reading.records(read)
        if there is not None and read != there:
            raise _rows_lost(unit, read, there)
        past, cursor = stage.leave_past(opening.line, opening.since)
        stage.find_doubles()
        stage.find_late_faults(opening.city, opening.line.mode)
        refused = stage.refused() + len(rejects)
        if refused > MANY_REFUSED and refused * 2 > read:
            raise _mostly_bad(unit, refused, read, stage.usual_fault())
        if refused:
            opening.say(Text(zh=f"隔离 {refused:,} 行", en=f"Quarantining {refused:,} rows"))
            keep_refusals(opening.city, opening.line, run, unit.name, _refusals(stage, reading, bound, rejects))
        good, collapsed = stage.good_count(), stage.collapsed()
        counts = {"read": read, "quarantined": refused, "collapsed": collapsed, "good": good}
        opening.say(Text(zh=f"写入 {good:,} 行", en=f"Writing {good:,} rows"))
        change = _write(opening, stage, _commit(opening, unit, run, counts), good, refused, unit)
    finally:
        stage.close()
    told = Counts(
        read=read,
        inserted=change.inserted,
        updated=change.updated,
        unchanged=change.unchanged + past,
        collapsed=collapsed,
        quarantined=refused,
    )
    return Carried(told, change.snapshot, notes, cursor)


def _write(opening: Opening, stage: Stage, commit: Commit, good: int, refused: int, unit: Unit) -> Change:
    lake, name, duck = lake_of(opening.city), opening.line.dataset, opening.duck
    if opening.line.mode == "replace":
        if refused and not good:
            raise _mostly_bad(unit, refused, refused, stage.usual_fault())
        return lake.replace(name, stage.good(), commit, duck=duck)
    if not good:
        return Change(lake.current_snapshot(duck))
    if opening.line.mode == "upsert":
        return lake.upsert(name, stage.good(), commit, duck=duck, keys_are_unique=True)
    return lake.append(name, stage.good(), commit, duck=duck)


def _refusals(stage: Stage, reading: Reading, bound: Bound, rejects: list[Reject]) -> Iterator[Refusal]:
    for reject in rejects:
        parts = reading.split(reject.raw) if reading.split else []
        items: dict[str, str | None] = {item: parts[at] for item, at in bound.columns.items() if at < len(parts)}
        fault = Fault(item="", value=reject.raw[:200], rule=reject.rule, want=reject.want,
                      explanation=word_fault(reject.rule, reject.raw[:200], reject.want))  # fmt: skip
        yield Refusal(dict(reject.place), {"": reject.raw}, items, (fault,))
    for number, faults, cells in stage.refused_rows(reading.rows, len(reading.columns)):
        raw = {name or f"#{i + 1}": cell for i, (name, cell) in enumerate(zip(reading.columns, cells, strict=True))}
        items = {item: cells[at] for item, at in bound.columns.items()}
        told = tuple(_told(reading, fault) for fault in faults)
        yield Refusal(reading.place(number), raw, items, told)


def _told(reading: Reading, fault: Mapping[str, str | None]) -> Fault:
    want = fault["want"] or ""
    if fault["rule"] in ("key-duplicate", "unique") and want.startswith("#"):
        want = " ".join(f"{kind} {at}" for kind, at in reading.place(int(want[1:])).items())
    item, rule = fault["item"] or "", fault["rule"] or ""
    return Fault(item=item, value=fault["value"], rule=rule, want=want, explanation=word_fault(rule, fault["value"], want))


def _unreadable(unit: Unit, fault: duckdb.Error) -> BadInput:
    said = str(fault).split("\n")[0][:300]
    return BadInput(
        "lines.unreadable",
        Text(zh=f"读到一半读不下去：{said}", en=f"It cannot be read to the end: {said}"),
        Text(zh="请来源单位重新给出完整的文件；没有写入任何半截的数据", en="Ask the source for the whole file; nothing half-read was written"),
        unit.name,
    )


def _rows_lost(unit: Unit, read: int, there: int) -> BadInput:
    return BadInput(
        "lines.rows-lost",
        Text(zh=f"文件有 {there:,} 行，只读出 {read:,} 行", en=f"The file holds {there:,} rows, but {read:,} could be read"),
        Text(zh="文件的引号或换行有误；请来源单位改为标准 CSV", en="Its quotes or line ends are wrong; ask for standard CSV"),
        unit.name,
        facts={"rows": there, "read": read},
    )


def _mostly_bad(unit: Unit, refused: int, read: int, usual: tuple[str, str, str] | None) -> BadInput:
    item, rule, value = usual or ("", "", "")
    said = word_fault(rule, value, "")
    return BadInput(
        "lines.mostly-bad",
        Text(
            zh=f"{read:,} 行中有 {refused:,} 行不合契约，多因 {item}：{said.zh}",
            en=f"{refused:,} of {read:,} rows do not fit the contract, mostly for {item}: {said.en}",
        ),
        Text(zh="核对是否是这个数据集的文件，或改正契约；没有写入任何行", en="Check that it is this dataset's file, or mend the contract; nothing was written"),
        unit.name,
        facts={"item": item, "rule": rule, "refused": refused, "read": read},
    )
