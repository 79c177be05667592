"""Figures of parts (分县、分行业、分梯队): beside the whole, by each dimension that an indicator declares; ranked, compared, summed up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM
from sanqu.indicators.compare import contributions, growth, ranks, shares
from sanqu.indicators.paths import Direction
from sanqu.indicators.periods import PARTS, Period, parse_period
from sanqu.indicators.records import Figure

NEWEST = """
SELECT DISTINCT ON (code, dimension, member, period) code, dimension, member, period, revision, value, basis, at FROM indicator_part
WHERE code = ANY(%s) ORDER BY code, dimension, member, period, revision DESC
"""
ADD = "INSERT INTO indicator_part (code, dimension, member, period, revision, value, basis) VALUES (%s, %s, %s, %s, %s, %s, %s)"
# Whole and parts of something that adds up may differ by what rounding leaves.
TOLERANCE = 0.005

# By dimension and member: its figures by period.
Key = tuple[str, str]
Parts = dict[Key, dict[Period, Figure]]
Found = Mapping[Key, Mapping[Period, tuple[float, dict[str, Any]]]]


@dataclass(frozen=True)
class Part:
    """One part in one period: growth as shares, its share of the sum, its place among its peers now and a year (or period) before, the points
    of growth that it gave to the whole. None where there is nothing to say it from."""

    member: str
    value: float
    on_year: float | None
    on_period: float | None
    share: float | None
    rank: int
    rank_before: int | None
    contribution: float | None


@dataclass(frozen=True)
class Table:
    """All parts of one dimension in one period, the best first; `gap` is their sum less the whole, where both should be the same."""

    dimension: str
    period: Period
    rows: tuple[Part, ...]
    total: float | None
    gap: float | None


def parts_of(city: City, codes: list[str]) -> dict[str, Parts]:
    """The figures of parts of each indicator as they stand; what was taken back is not among them."""
    found: dict[str, Parts] = {code: {} for code in codes}
    for row in city.db.all(NEWEST, (codes,)):
        if row["value"] is not None:
            period = parse_period(row["period"], row["code"])
            figure = Figure(period, row["value"], row["revision"], row["at"], row["basis"])
            found[row["code"]].setdefault((row["dimension"], row["member"]), {})[period] = figure
    return found


def revise_parts(conn: Connection, code: str, standing: Mapping[Key, Mapping[Period, Figure]], found: Found) -> int:
    """Keep what differs from what stands as further revisions; what is no longer said is taken back. Gives how many."""
    added = 0
    for key in sorted(standing.keys() | found.keys()):
        old, new = standing.get(key, {}), found.get(key, {})
        for period in sorted(old.keys() | new.keys()):
            was, now_ = old.get(period), new.get(period)
            if was is not None and now_ is not None and was.value == now_[0]:
                continue
            row = conn.execute(
                "SELECT coalesce(max(revision), 0) + 1 AS next FROM indicator_part WHERE (code, dimension, member, period) = (%s, %s, %s, %s)",
                (code, *key, str(period)),
            ).fetchone()  # fmt: skip
            assert row is not None
            conn.execute(ADD, (code, *key, str(period), row["next"], None if now_ is None else now_[0], Jsonb({} if now_ is None else now_[1])))
            added += 1
    if added:
        append(conn, kind="indicators.parts", actor=SYSTEM.label, subject=f"indicator:{code}", facts={"figures": added})
    return added


def table_of(parts: Parts, dimension: str, direction: Direction, *, additive: bool, whole: Mapping[Period, float], period: Period | None = None) -> Table | None:
    """The parts of a dimension in `period` (the newest that there is); None without any figure."""
    mine = {member: {when: one.value for when, one in figures.items()} for (name, member), figures in parts.items() if name == dimension}
    periods = sorted({when for figures in mine.values() for when in figures})
    if not periods:
        return None
    when = period if period in periods else periods[-1]
    now_ = {member: figures[when] for member, figures in mine.items() if when in figures}
    before_at = when.year_before if any(when.year_before in figures for figures in mine.values()) else when.before
    before = {member: figures[before_at] for member, figures in mine.items() if before_at in figures}
    placed, placed_before = ranks(list(now_.items()), direction), ranks(list(before.items()), direction)
    share, gave = (shares(now_), contributions(now_, before) if before else {}) if additive else ({}, {})
    rows = [
        Part(
            member, value, growth(value, mine[member].get(when.year_before)), None if PARTS[when.kind] == 1 else growth(value, mine[member].get(when.before)),
            share.get(member), placed[member], placed_before.get(member), gave.get(member),
        )
        for member, value in now_.items()
    ]  # fmt: skip
    total = sum(now_.values()) if additive else None
    gap = None if total is None or when not in whole else total - whole[when]
    shown = gap if gap is not None and abs(gap) > TOLERANCE * max(1.0, abs(whole[when])) else None
    return Table(dimension, when, tuple(sorted(rows, key=lambda one: (one.rank, one.member))), total, shown)


def periods_of(parts: Parts, dimension: str) -> list[Period]:
    """The periods for which a dimension has figures, the newest first."""
    return sorted({when for (name, _), figures in parts.items() if name == dimension for when in figures}, reverse=True)
