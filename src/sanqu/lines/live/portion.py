"""A line's part of a round: its messages as checked rows on the engine, then in the lake, the last word of each key."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.ground.city import City
from sanqu.lake import Change as Written
from sanqu.lake import Contract, Hand, lake_of, quote_ident
from sanqu.lake.tables import table_of
from sanqu.lines.checks import Checks, compile_checks
from sanqu.lines.live.envelope import AT, CHANGES, FORM, TERMINALS, TOO_DEEP, TRACE, Change, Unread, decode, given_trace
from sanqu.lines.live.fit import filled_by, refuse_unfit, refuse_ungiven
from sanqu.lines.live.jt808 import custom_items
from sanqu.lines.live.positions import Position
from sanqu.lines.live.rows import Matcher, cell_text, natives, text_table, typed_table
from sanqu.lines.live.steps import Ran, Steps, input_contract
from sanqu.lines.live.tap import Message
from sanqu.lines.quarantine import Refusal, keep_refusals
from sanqu.lines.records import Fault, Line
from sanqu.lines.staging import Stage, iter_rows
from sanqu.lines.wording import word_fault

_numbers = itertools.count(1)
# Sources whose changes our own gatherers put together: only there may a message say that a row goes, or that all do.
WITH_CHANGES = ("postgres", "mysql", "feed", "tail")


@dataclass(frozen=True)
class Shape:
    """What is made once for a line and its contract: how rows are matched and checked.

    `contract` is what the rows of the source must be: that of the dataset (`target`), or the line's `input` where steps follow.
    `beside` are the datasets that its steps fill besides.
    """

    line: Line
    contract: Contract
    target: Contract
    beside: tuple[Contract, ...]
    matcher: Matcher
    checks: Checks
    keys: Checks | None
    # The checks for rows that bring some items with their types, by which.
    typed: dict[frozenset[str], Checks] = field(default_factory=dict)
    # What its steps look things up in, as copied beside it.
    copies: dict[str, int] = field(default_factory=dict)

    def checks_for(self, typed: frozenset[str]) -> Checks:
        """The checks where the items `typed` came with their types."""
        if not typed:
            return self.checks
        if typed not in self.typed:
            columns = {name: f"c{index}" for index, name in enumerate(self.contract.names)}
            self.typed[typed] = compile_checks(self.contract, columns, typed=typed)
        return self.typed[typed]

    @classmethod
    def of(cls, line: Line, target: Contract, beside: Sequence[Contract] = ()) -> Shape:
        """The shape of a line; raises `BadInput` for a pattern the engine cannot use."""
        contract = input_contract(line, target.steward) if line.steps else target
        columns = {name: f"c{index}" for index, name in enumerate(contract.names)}
        key = None
        if contract.primaryKey:
            # Taken out by key: nothing but the key is said, and nothing else is checked.
            only = contract.model_copy(
                update={"fields": tuple(item for item in contract.fields if item.name in contract.primaryKey), "foreignKeys": ()}
            )
            key = compile_checks(only, columns)
        return cls(line, contract, target, tuple(beside), Matcher(contract.fields, line.columns), compile_checks(contract, columns), key)


def open_shape(city: City, line: Line, duck: duckdb.DuckDBPyConnection) -> Shape:
    """The shape of a line under the contracts of now, with the state of its steps made ready; raises `BadInput` naming what does not fit."""
    lake = lake_of(city)
    shape = Shape.of(line, lake.contract(line.dataset), [lake.contract(name) for name in line.datasets[1:]])
    given = Steps(city, line).open(duck, shape.contract) if line.steps else None
    refuse_unfit(line, shape.target, None if given is None else given[line.dataset])
    for one in shape.beside:
        refuse_ungiven(line, one, given[one.name] if given else ())
    return shape


@dataclass
class Row:
    """One row of a portion: its message and its place in it, what to do, and the values as they came."""

    seq: int
    number: int
    op: str
    values: Mapping[str, Any]
    matcher: Matcher

    @cached_property
    def cells(self) -> list[str | None]:
        """Its values as text, for each item; most rows bring types and need none. Raises `TypeError` for values nested too deep."""
        return self.matcher.cells(self.values)


@dataclass
class Portion:
    """What was taken of a line's stream for one round."""

    shape: Shape
    start: Position
    end: Position
    rows: list[Row] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    # Rows that an earlier round had carried already, or the source's first load.
    known: int = 0
    clears: bool = False
    # The least and greatest moment (ms) at which rows came to be at their source, and each message's with its rows.
    ages: list[tuple[int, int]] = field(default_factory=list)
    # The traces of its messages, and how many brought none: those share one that begins at their arrival.
    traces: list[str] = field(default_factory=list)
    untraced: int = 0
    # When JetStream kept the newest message (ms).
    kept: int = 0
    # By how much (ms) a clock of the source is ahead of ours, where a row shows it.
    ahead: int = 0

    @property
    def line(self) -> Line:
        """The line."""
        return self.shape.line


@dataclass(frozen=True)
class Told:
    """What a round did with a portion."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    collapsed: int = 0
    refused: int = 0
    late: int = 0

    @property
    def written(self) -> int:
        """Rows that the lake took in or out."""
        return self.inserted + self.updated + self.deleted


def read_portion(shape: Shape, start: Position, epoch: str, messages: Sequence[Message]) -> Portion:
    """Read the messages of a line that come after `start`, in order."""
    held = start.place_in(shape.line)
    end = replace(start, epoch=epoch, origin=shape.line.origin, seq=max(messages[-1].seq, start.seq if start.epoch == epoch else 0))
    portion = Portion(shape, start, end)
    items = custom_items(shape.line.source.params) if shape.line.source.format == TERMINALS else {}
    for message in messages:
        if start.epoch == epoch and message.seq <= start.seq:
            continue
        before = len(portion.rows)
        topic = _topic(shape.line, message.subject)
        for number, one in enumerate(decode(message.payload, _form(shape.line, message), items), 1):
            if isinstance(one, Unread):
                portion.refusals.append(_unread(message.seq, number, one))
            elif one.place is not None and held is not None and one.place <= held:
                portion.known += 1
            else:
                held = one.place if one.place is not None else held
                _add(portion, message.seq, number, one if topic is None else with_topic(one, topic))
        portion.ages.append((_moment_of(message), max(0, len(portion.rows) - before)))
        portion.kept = max(portion.kept, message.kept)
        portion.ahead = max(portion.ahead, (_said_at(message) or 0) - message.kept)
        if trace := given_trace(message.headers.get(TRACE)):
            portion.traces.append(trace)
        else:
            portion.untraced += 1
    portion.end = replace(portion.end, place=held)
    return portion


def _form(line: Line, message: Message) -> str | None:
    form = message.headers.get(FORM)
    if line.source.format == TERMINALS:
        return TERMINALS
    return form if form != CHANGES or line.source.kind in WITH_CHANGES else None


def _moment_of(message: Message) -> int:
    """When a message's rows came to be (ms): what it says itself, if that is a moment before it was kept."""
    said = _said_at(message)
    # Whoever says later has a clock that is ahead: by it rows would have been seen before they were there.
    return message.kept if said is None else min(said, message.kept)


def _said_at(message: Message) -> int | None:
    """When a message says that its rows came to be (ms)."""
    said = message.headers.get(AT, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else None


def _topic(line: Line, subject: str) -> str | None:
    """The topic or subject that a device published to, where the city's own bus took it."""
    if line.source.url or line.source.kind not in ("mqtt", "nats"):
        return None
    return subject if line.source.kind == "nats" else subject.replace("//", "\0").replace(".", "/").replace("\0", ".")


def with_topic(one: Change, topic: str) -> Change:
    """A row with the topic it came by as the value `topic`, where it has none of its own."""
    return one if "topic" in one.values else Change(one.op, {**one.values, "topic": topic}, one.place)


def _add(portion: Portion, seq: int, number: int, one: Change) -> None:
    if one.op == "clear":
        # All that came before goes; what comes after stays.
        portion.rows.clear()
        portion.clears = True
        return
    row = Row(seq, number, one.op, one.values, portion.shape.matcher)
    try:
        if any(isinstance(value, dict | list) for value in one.values.values()):
            _ = row.cells
        portion.rows.append(row)
    except TypeError:
        portion.refusals.append(_unread(seq, number, Unread(f"{{{', '.join(map(str, one.values))}: {TOO_DEEP}")))


def _unread(seq: int, number: int, one: Unread) -> Refusal:
    fault = Fault(item="", value=one.text, rule="json", explanation=word_fault("json", one.text, ""))
    return Refusal({"message": seq, "row": number}, {"": one.text}, {}, (fault,))


def unit_of(epoch: str) -> str:
    """The unit under which rows of a stream are quarantined; a stream that was made anew is another one."""
    return f"stream {epoch}"


class Work:
    """A portion at work on the engine; `close` drops its tables."""

    def __init__(self, city: City, duck: duckdb.DuckDBPyConnection, portion: Portion, run: int) -> None:
        self.city, self.duck, self.portion, self.run = city, duck, portion, run
        self._name = f"_live_{next(_numbers)}"
        self._puts: Stage | None = None
        self._drops: Stage | None = None
        # Which rows of the portion lie in a stage, in its order; by the stage's number.
        self._picked: dict[int, list[int]] = {}
        self._unread = len(portion.refusals)

    def close(self) -> None:
        """Drop what was made."""
        for stage in (self._puts, self._drops):
            if stage is not None:
                stage.close()

    def check(self) -> None:
        """Check every row; those with faults are refusals of the portion from here on."""
        self._complete_parts()
        shape = self.portion.shape
        native = {} if any(row.op != "put" for row in self.portion.rows) else natives(shape.contract, shape.matcher, [row.values for row in self.portion.rows])
        self._puts = self._stage(shape.contract, shape.checks_for(frozenset(native)), lambda op: op != "drop", "p", native)
        self._drops = self._stage(shape.keys.contract, shape.keys, lambda op: op == "drop", "d", {}) if shape.keys else None
        self._collapse()
        if self._puts is not None:
            self._puts.find_late_faults(self.city, self.portion.line.mode)
        for stage in self._stages():
            self._refuse(stage)
        self.keep(self.portion.refusals)
        if self.portion.line.steps:
            Steps(self.city, self.portion.line, shape.copies).bring(self.duck)

    def keep(self, refusals: Sequence[Refusal]) -> int:
        """Put refused rows into the quarantine, each once however often its message is met."""
        end = self.portion.end
        return keep_refusals(self.city, self.portion.line, self.run, unit_of(end.epoch), refusals)

    def _stages(self) -> Iterator[Stage]:
        yield from (stage for stage in (self._puts, self._drops) if stage is not None)

    def _collapse(self) -> None:
        """Of each key the last word in the portion counts."""
        key = ", ".join(quote_ident(name) for name in self.portion.shape.contract.primaryKey)
        stages = list(self._stages())
        if not key or not stages:
            return
        said = " UNION ALL ".join(
            f"SELECT {key}, s._n, o._place, {stage.number} AS _stage FROM {stage.table} s JOIN {name} o ON o._n = s._n WHERE {stage.is_good}"
            for stage, name in ((stage, self._register_order(stage)) for stage in stages)
        )
        last = f"row_number() OVER (PARTITION BY {key} ORDER BY _place DESC) AS _last"
        over = f"SELECT _n, _stage FROM (SELECT _n, _stage, {last} FROM ({said})) WHERE _last > 1"
        self.duck.execute(f"CREATE OR REPLACE TEMP TABLE _sanqu_over AS {over}")
        for stage in stages:
            stage.supersede(f"SELECT _n FROM _sanqu_over WHERE _stage = {stage.number}")
            self.duck.unregister(self._order_name(stage))

    @staticmethod
    def _order_name(stage: Stage) -> str:
        return f"_order_{stage.number}"

    def _register_order(self, stage: Stage) -> str:
        places = self._picked[stage.number]
        table = pa.table({"_n": pa.array(range(1, len(places) + 1), pa.int64()), "_place": pa.array(places, pa.int64())})
        self.duck.register(self._order_name(stage), table)
        return self._order_name(stage)

    def _complete_parts(self) -> None:
        """Values that a change left out, because they did not change, are those of the row before."""
        rows, contract = self.portion.rows, self.portion.shape.contract
        if not any(row.op == "part" for row in rows):
            return
        places = [contract.names.index(name) for name in contract.primaryKey]
        last: dict[tuple[str | None, ...], list[str | None]] = {}
        keys = self.portion.shape.matcher
        for row in rows:
            key = tuple(row.cells[place] for place in places)
            if row.op == "part":
                given = keys.keys_of(tuple(row.values))
                before = last.get(key) or self._standing(contract, key)
                if before is not None:
                    row.cells = [cell if given[n] is not None else before[n] for n, cell in enumerate(row.cells)]
            last[key] = row.cells

    def _standing(self, contract: Contract, key: tuple[str | None, ...]) -> list[str | None] | None:
        match = " AND ".join(f"CAST({quote_ident(name)} AS VARCHAR) = ?" for name in contract.primaryKey)
        columns = ", ".join(quote_ident(name) for name in contract.names)
        found = self.duck.execute(f"SELECT {columns} FROM {table_of(contract.name)} WHERE {match}", list(key)).fetchone()
        return None if found is None else [cell_text(value) for value in found]

    def _stage(self, contract: Contract, checks: Checks, wanted: Callable[[str], bool], mark: str, native: Mapping[str, pa.Array]) -> Stage | None:
        names = self.portion.shape.contract.names
        picked = [(number, row) for number, row in enumerate(self.portion.rows) if wanted(row.op)]
        if not picked:
            return None
        table = typed_table([row.values for _, row in picked], self.portion.shape.matcher, names, native) if native else text_table([row.cells for _, row in picked], len(names))
        name = f"{self._name}{mark}"
        self.duck.register(name, table)
        stage = Stage(self.duck, contract)
        try:
            stage.fill_few(checks, f"SELECT * FROM {name}", len(names))
        finally:
            self.duck.unregister(name)
        self._picked[stage.number] = [number for number, _ in picked]
        return stage

    def _refuse(self, stage: Stage) -> None:
        if not stage.refused():
            return
        found = self.duck.execute(
            f"SELECT _n, _faults FROM {stage.table} WHERE _faults IS NOT NULL "
            f"UNION ALL SELECT _n, list(fault) FROM {stage.aside} WHERE kind = 'bad' GROUP BY _n ORDER BY 1"
        )
        for number, faults in iter_rows(found):
            self.portion.refusals.append(self._refusal(stage, self._row(stage, int(number)), faults))

    def _row(self, stage: Stage, number: int) -> Row:
        return self.portion.rows[self._picked[stage.number][number - 1]]

    def _refusal(self, stage: Stage, row: Row, faults: Iterable[Mapping[str, str | None]]) -> Refusal:
        told = []
        for fault in faults:
            want = fault["want"] or ""
            if want.startswith("#"):
                other = self._row(stage, int(want[1:]))
                want = f"message {other.seq} row {other.number}"
            told.append(_worded(fault, want))
        items = dict(zip(self.portion.shape.contract.names, row.cells, strict=True))
        raw = {key: _told(value) for key, value in row.values.items()}
        return Refusal({"message": row.seq, "row": row.number}, raw, items, tuple(told))

    def write(self, hand: Hand) -> Told:
        """Put the rows into the lake, inside the joint transaction of `hand`; may be asked again after a conflict."""
        if self.portion.line.steps:
            return self._write_steps(hand)
        contract = self.portion.shape.contract
        deleted = hand.clear(contract).deleted if self.portion.clears else 0
        put = _put(hand, contract, self._puts)
        if self._drops is not None:
            deleted += hand.delete(contract, self._drops.good()).deleted
        collapsed = sum(stage.collapsed() for stage in self._stages())
        return self._told(put, deleted, collapsed, len(self.portion.refusals))

    def _told(self, put: Written, deleted: int, collapsed: int, refused: int, late: int = 0) -> Told:
        return Told(
            read=len(self.portion.rows) + self._unread, inserted=put.inserted, updated=put.updated, deleted=deleted,
            unchanged=put.unchanged, collapsed=collapsed, refused=refused, late=late,
        )  # fmt: skip

    def _write_steps(self, hand: Hand) -> Told:
        """Rows go through the steps; what comes out is checked as rows of the dataset, and refused rows wait as all others do."""
        if self._puts is None:
            return self._told(Written(0), 0, 0, len(self.portion.refusals))
        shape = self.portion.shape
        steps = Steps(self.city, self.portion.line, shape.copies)
        mirrors = {name: mirror for name in steps.known if (mirror := hand.mirror(name))}
        ran = steps.run(self.duck, self._puts.good(), self.portion.start.marks, mirrors)
        self.portion.end = replace(self.portion.end, marks=ran.marks)
        self.portion.ahead = max(self.portion.ahead, int(ran.ahead * 1000))
        beside = [self._put_outcome(hand, one, ran) for one in shape.beside]
        put, collapsed, refused = self._put_outcome(hand, shape.target, ran)
        return self._told(put, 0, collapsed, len(self.portion.refusals) + refused + sum(one[2] for one in beside), ran.late)

    def _put_outcome(self, hand: Hand, target: Contract, ran: Ran) -> tuple[Written, int, int]:
        """Check what a step gave as rows of a dataset and put them there; gives what was written, collapsed and newly refused."""
        if not ran.counts[target.name]:
            return Written(0), 0, 0
        rows, stage = ran.rows[target.name], Stage(self.duck, target)
        try:
            kinds = {str(column[0]): str(column[1]) for column in self.duck.execute(f"DESCRIBE {rows}").fetchall()}
            names = list(kinds)
            given = {item.name: filled_by(item, names) for item in target.fields}
            columns = {item: None if name is None else f"c{names.index(name)}" for item, name in given.items()}
            typed = {item.name for item in target.fields if kinds.get(given[item.name] or "") == item.lake_type}
            kept = {given[item] for item in typed}
            cells = ", ".join(f"{quote_ident(name) if name in kept else f'CAST({quote_ident(name)} AS VARCHAR)'} AS c{number}" for number, name in enumerate(names))
            stage.fill_few(compile_checks(target, columns, typed=typed), f"SELECT {cells} FROM ({rows})", len(names))
            if target.primaryKey:
                stage.keep_last()
            stage.find_late_faults(self.city, "upsert" if target.primaryKey else "append")
            texts = ", ".join(f"CAST({quote_ident(name)} AS VARCHAR) AS c{number}" for number, name in enumerate(names))
            refused = self.keep(list(self._refused_outcomes(stage, f"SELECT {texts} FROM ({rows})", names)))
            return _put(hand, target, stage), stage.collapsed(), refused
        finally:
            stage.close()

    def _refused_outcomes(self, stage: Stage, source: str, names: Sequence[str]) -> Iterator[Refusal]:
        into = stage.contract.name
        place = {"message": self.portion.end.seq, "step": next((step.name for step in self.portion.line.steps if step.into == into), self.portion.line.steps[-1].name)}
        for number, faults, cells in stage.refused_rows(source, len(names)):
            raw = dict(zip(names, cells, strict=True))
            items = {item: raw.get(item) for item in stage.contract.names}
            yield Refusal({**place, "row": number}, raw, items, tuple(_worded(one, str(one["want"] or "")) for one in faults))


def _told(value: Any) -> str | None:
    try:
        return cell_text(value)
    except TypeError:
        return TOO_DEEP


def _put(hand: Hand, contract: Contract, stage: Stage | None) -> Written:
    if stage is None:
        return Written(0)
    return hand.merge(contract, stage.good()) if contract.primaryKey else hand.append(contract, stage.good())


def _worded(said: Mapping[str, str | None], want: str) -> Fault:
    rule = said["rule"] or ""
    return Fault(item=said["item"] or "", value=said["value"], rule=rule, want=want, explanation=word_fault(rule, said["value"], want))
