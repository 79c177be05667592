"""Proposes a binding (绑定建议): which datasets and columns of this city may stand for those of a scene, with a score and why.

A proposal is looked at by a person; nothing is bound by itself. Names, titles, types, units, code lists and the values themselves
count; values are read through the door as whoever asks, from the scene's samples on one side and the city's rows on the other.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq  # type: ignore[import-untyped]

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract, lake_of, quote_ident
from sanqu.lake.contracts import Field as Item
from sanqu.scenes.binding import NUMBERS, Bound, Column
from sanqu.scenes.package import Scene
from sanqu.scenes.samples import make_samples
from sanqu.scenes.units import factor
from sanqu.sharing.door import Question, ask

LOOKED = 300
# So many columns are worth a question to the door; a dataset that shares nothing is not read.
LIKELY, GOOD = 0.28, 0.45
WEIGHTS = {"name": 0.40, "type": 0.15, "unit": 0.15, "values": 0.30}


@dataclass(frozen=True)
class Guess:
    """What may fill an item: the column, a score from 0 to 1, what speaks for it, and how values would be read."""

    item: str
    column: Column
    score: float
    why: tuple[Text, ...]


@dataclass(frozen=True)
class Proposal:
    """What may stand for a dataset of the scene: the best first; `missing` are needed items for which nothing was found."""

    dataset: str
    score: float
    guesses: tuple[Guess, ...]
    missing: tuple[str, ...] = field(default=())

    @property
    def bound(self) -> Bound:
        """The proposal as a binding."""
        return Bound(dataset=self.dataset, columns={one.item: one.column for one in self.guesses})


def propose(city: City, asker: Asker, scene: Scene, most: int = 3) -> dict[str, list[Proposal]]:
    """For each dataset of a scene the best of the city's datasets that the asker may know of; empty where nothing is like it."""
    lake = lake_of(city)
    given = {name: lake.contract(name) for name in lake.contracts() if name not in scene.contracts}
    samples = _sample_values(scene)
    seen: dict[str, dict[str, list[object]] | None] = {}
    found: dict[str, list[Proposal]] = {}
    for name, wanted in scene.contracts.items():
        ranked = sorted(((likeness(wanted, other), other) for other in given.values()), key=lambda one: -one[0])
        proposals = []
        for like, other in ranked[: most * 3]:
            if like < LIKELY:
                break
            if other.name not in seen:
                seen[other.name] = _values(city, asker, other)
            values = seen[other.name]
            if values is not None:
                proposals.append(match(wanted, other, samples.get(name, {}), values))
        found[name] = sorted((one for one in proposals if one.guesses), key=lambda one: -one.score)[:most]
    return found


def likeness(wanted: Contract, other: Contract) -> float:
    """How alike two contracts are by names, types and units alone: the mean of each item's best."""
    best = [max((_said(item, column)[0] for column in other.fields), default=0.0) for item in wanted.fields]
    titles = _alike(wanted.title.zh, other.title.zh)
    return 0.75 * sum(best) / max(len(best), 1) + 0.25 * titles


def match(wanted: Contract, other: Contract, samples: Mapping[str, Sequence[object]], values: Mapping[str, Sequence[object]]) -> Proposal:
    """The best column for each item, no column twice, the surest pair first."""
    pairs = []
    for item in wanted.fields:
        for column in other.fields:
            score, why, read = _judge(item, column, samples.get(item.name, ()), values.get(column.name, ()))
            if score >= GOOD:
                pairs.append((score, item.name, column.name, why, read))
    pairs.sort(key=lambda one: (-one[0], one[1], one[2]))
    guesses: dict[str, Guess] = {}
    taken: set[str] = set()
    for score, item_name, column_name, why, read in pairs:
        if item_name not in guesses and column_name not in taken:
            guesses[item_name] = Guess(item_name, read, round(score, 2), tuple(why))
            taken.add(column_name)
    needed = [item.name for item in wanted.fields if item.constraints.required or item.name in wanted.primaryKey]
    missing = tuple(name for name in needed if name not in guesses)
    whole = sum(one.score for one in guesses.values()) / max(len(wanted.fields), 1)
    return Proposal(other.name, round(whole * (1 - 0.5 * len(missing) / max(len(needed), 1)), 2), tuple(guesses[item.name] for item in wanted.fields if item.name in guesses), missing)


def _said(item: Item, column: Item) -> tuple[float, list[Text]]:
    """What names, types and units say for a column, without its values."""
    why: list[Text] = []
    names = max(_alike(item.name, column.name), _alike(item.title.zh, column.title.zh), _alike(item.title.en, column.title.en), *(_alike(item.name, alias) for alias in column.aliases), 0.0)
    if names >= 0.6:
        why.append(Text(zh=f"名称相近（{names:.0%}）", en=f"names alike ({names:.0%})"))
    types = _types(item, column)
    unit = 0.5
    if item.unit or column.unit:
        times = factor(column.unit or "", item.unit or "") if item.unit and column.unit else None
        unit = 1.0 if times is not None else 0.0 if item.unit and column.unit else 0.3
        if times is not None and times != 1.0:
            why.append(Text(zh=f"{column.unit} 可换算成 {item.unit}", en=f"{column.unit} converts to {item.unit}"))
    return (WEIGHTS["name"] * names + WEIGHTS["type"] * types + WEIGHTS["unit"] * unit) / (1 - WEIGHTS["values"]) if types else 0.0, why


def _judge(item: Item, column: Item, samples: Sequence[object], values: Sequence[object]) -> tuple[float, list[Text], Column]:
    """Score, reasons and reading of one pair."""
    said, why = _said(item, column)
    read = Column(column=column.name)
    if not said:
        return 0.0, [], read
    shared, told = _values_alike(item, column, samples, values)
    if told is not None:
        why = [*why, told]
    score = said * (1 - WEIGHTS["values"]) + WEIGHTS["values"] * shared if samples and values else said
    return score, why, read


def _types(item: Item, column: Item) -> float:
    if item.type == column.type:
        return 1.0
    if {item.type, column.type} <= NUMBERS or {item.type, column.type} <= {"date", "datetime"}:
        return 0.8
    # Numbers may be codes, and anything can be read as text.
    return 0.6 if item.type == "string" else 0.0


def _values_alike(item: Item, column: Item, samples: Sequence[object], values: Sequence[object]) -> tuple[float, Text | None]:
    """How much the values of both have in common: the same texts, the same order of numbers, times that overlap."""
    if item.type in NUMBERS and column.type in NUMBERS:
        times = factor(column.unit or "", item.unit or "") if item.unit and column.unit else 1.0
        here, there = _middle(samples), _middle([value * (times or 1.0) for value in values if isinstance(value, int | float) and not isinstance(value, bool)])
        if here is None or there is None or here <= 0 or there <= 0:
            return 0.5, None
        ratio = min(here, there) / max(here, there)
        return ratio**0.5, Text(zh=f"中位数 {there:,.4g} 与样例 {here:,.4g}", en=f"median {there:,.4g} beside {here:,.4g} of the sample") if ratio > 0.3 else None
    mine, theirs = {str(one) for one in samples if one is not None}, {str(one) for one in values if one is not None}
    if item.constraints.enum:
        mine |= {str(one) for one in item.constraints.enum}
    if not mine or not theirs:
        return 0.3, None
    common = len(mine & theirs) / min(len(mine), len(theirs))
    return common, Text(zh=f"值重合 {common:.0%}", en=f"{common:.0%} of the values are the same") if common >= 0.2 else None


def _middle(values: Sequence[object]) -> float | None:
    numbers = sorted(float(one) for one in values if isinstance(one, int | float) and not isinstance(one, bool))
    return numbers[len(numbers) // 2] if numbers else None


def _alike(one: str, other: str) -> float:
    """How alike two names are, by what they have in common letter by letter."""
    a, b = one.lower().replace("_", "").replace("-", ""), other.lower().replace("_", "").replace("-", "")
    if not a or not b:
        return 0.0
    if a == b:
        return 1.0
    return max(difflib.SequenceMatcher(None, a, b).ratio(), 0.75 if min(len(a), len(b)) >= 2 and (a in b or b in a) else 0.0)


def _sample_values(scene: Scene) -> dict[str, dict[str, list[object]]]:
    """Some values of each item of the scene's samples."""
    with TemporaryDirectory() as folder:
        made = make_samples(scene, Path(folder))
        tables = {name: pq.read_table(path).slice(0, LOOKED) for name, path in made.items()}
    return {name: {column: table.column(column).to_pylist() for column in table.column_names} for name, table in tables.items()}


def _values(city: City, asker: Asker, contract: Contract) -> dict[str, list[object]] | None:
    """Some values of each column that the asker may read; None where there is nothing to read."""
    try:
        table = ask(city, asker, Question(f"SELECT * FROM {quote_ident(contract.name)} LIMIT {LOOKED}", "scene:bind", rows=LOOKED, via="scenes")).table
    except SanquError:
        return None
    return {column: table.column(column).to_pylist() for column in table.column_names}
