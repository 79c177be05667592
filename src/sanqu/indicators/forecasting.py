"""Forecasts (预测) of indicators, with intervals: what happens if things go on as they did, and how likely a target is then.

Few figures: a random walk with drift (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2 and 5.5), with Student's t
for what so few figures leave open. From eight figures without a gap on: statsforecast (AutoETS, or AutoARIMA where there are two
seasons and more), where it is installed (`sanqu[forecast]`). Each is held against the naive forecast on figures it had not seen.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import pairwise
from statistics import NormalDist
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.jobs import defer, job
from sanqu.indicators.keeping import figures_of, list_indicators, targets_of
from sanqu.indicators.paths import Direction
from sanqu.indicators.periods import PARTS, Period

ENOUGH = 8
# Two-sided quantiles of Student's t for 80 and 95 %, by degrees of freedom.
T80 = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440)
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447)
AHEAD: dict[str, int] = {"A": 3, "Q": 8, "M": 12}
SAVE = """
INSERT INTO indicator_forecast (code, digest, body, at) VALUES (%s, %s, %s, %s)
ON CONFLICT (code) DO UPDATE SET digest = excluded.digest, body = excluded.body, at = excluded.at
"""
KNOWN = "SELECT code, digest FROM indicator_forecast"
ONE = "SELECT body FROM indicator_forecast WHERE code = %s"
DROP = "DELETE FROM indicator_forecast WHERE code = %s"


@dataclass(frozen=True)
class Ahead:
    """One period ahead: the value, and the bounds within which 80 and 95 of a hundred would lie; None where nothing can be said of them."""

    period: str
    value: float
    low80: float | None
    high80: float | None
    low95: float | None
    high95: float | None


@dataclass(frozen=True)
class Forecast:
    """A forecast, what it was made from, and how it did on figures that it had not seen.

    `error` is the mean absolute error of forecasts one period ahead, `naive` that of saying the last figure again. `chance` is how likely
    the last target is reached in its period, from 0 to 1.
    """

    method: str
    count: int
    since: str
    until: str
    ahead: tuple[Ahead, ...]
    error: float | None = None
    naive: float | None = None
    target: float | None = None
    target_period: str = ""
    chance: float | None = None


def forecast(figures: Mapping[Period, float], *, until: Period | None = None, aim: float | None = None, direction: Direction = "up") -> Forecast | None:
    """The forecast of an indicator's figures of one kind of period, up to `until` (the target's period) at least; None with fewer than two."""
    kind = max(PARTS, key=lambda one: sum(period.kind == one for period in figures))
    known = sorted((period, value) for period, value in figures.items() if period.kind == kind)
    if len(known) < 2:
        return None
    last = known[-1][0]
    steps = max(AHEAD[kind], _distance(last, until) if until is not None and until.kind == kind and until > last else 0)
    values, whole = [value for _, value in known], _distance(known[0][0], last) == len(known) - 1
    if len(known) >= ENOUGH and whole and find_spec("statsforecast") is not None:
        method, ahead = _by_library(values, steps, PARTS[kind])
        error, naive = _errors(values, lambda past: _by_library(past, 1, PARTS[kind])[1][0][0])
    else:
        gaps = [_distance(one, other) for (one, _), (other, _) in pairwise(known)]
        method, ahead = "drift", _drift(values, gaps, steps)
        error, naive = _errors(values, lambda past: past[-1] + (past[-1] - past[0]) / max(len(past) - 1, 1)) if whole else (None, None)
    told = tuple(Ahead(str(last.plus(at + 1)), *one) for at, one in enumerate(ahead))
    chance = None if aim is None or until is None else _chance(told, str(until), aim, direction)
    return Forecast(method, len(known), str(known[0][0]), str(last), told, error, naive, aim if chance is not None else None, str(until) if chance is not None else "", chance)


Band = tuple[float, float | None, float | None, float | None, float | None]


def _distance(one: Period, other: Period) -> int:
    """How many periods later the other is."""
    return round((other.end - one.end) * PARTS[one.kind])


def _drift(values: Sequence[float], gaps: Sequence[int], steps: int) -> list[Band]:
    """A random walk with drift; figures may lack periods between them. With two figures nothing can be said of an interval."""
    length = sum(gaps)
    slope = (values[-1] - values[0]) / length
    left = [(after - before - slope * gap) / math.sqrt(gap) for before, after, gap in zip(values, values[1:], gaps, strict=False)]
    freedom = len(values) - 2
    spread = math.sqrt(sum(one * one for one in left) / freedom) if freedom > 0 else None
    found: list[Band] = []
    for step in range(1, steps + 1):
        middle = values[-1] + slope * step
        if spread is None:
            found.append((middle, None, None, None, None))
            continue
        width = spread * math.sqrt(step * (1 + step / length))
        t80, t95 = T80[min(freedom, len(T80)) - 1], T95[min(freedom, len(T95)) - 1]
        found.append((middle, middle - t80 * width, middle + t80 * width, middle - t95 * width, middle + t95 * width))
    return found


def _by_library(values: Sequence[float], steps: int, season: int) -> tuple[str, list[Band]]:
    """statsforecast's own choice of model; imported only here, since it takes seconds and most processes never need it."""
    import numpy as np
    from statsforecast.models import AutoARIMA, AutoETS  # type: ignore[import-untyped]

    seasonal = season > 1 and len(values) >= 2 * season + 2
    name, model = ("AutoARIMA", AutoARIMA(season_length=season)) if seasonal else ("AutoETS", AutoETS(season_length=1))
    given = model.forecast(y=np.asarray(values, dtype=float), h=steps, level=[80, 95])
    rows = zip(given["mean"], given["lo-80"], given["hi-80"], given["lo-95"], given["hi-95"], strict=True)
    return name, [tuple(float(one) for one in row) for row in rows]  # type: ignore[misc]


def _errors(values: Sequence[float], say: Any) -> tuple[float | None, float | None]:
    """Mean absolute errors one period ahead on the last quarter of the figures: of the method, and of saying the last figure again."""
    held = min(4, len(values) // 3)
    if held < 1 or len(values) - held < 2:
        return None, None
    pairs = [(float(say(values[:at])), values[at], values[at - 1]) for at in range(len(values) - held, len(values))]
    return sum(abs(said - came) for said, came, _ in pairs) / held, sum(abs(came - before) for _, came, before in pairs) / held


def _chance(ahead: Sequence[Ahead], period: str, aim: float, direction: Direction) -> float | None:
    """How likely the aim is met in its period, were the forecast normal with the spread that its 80 % say."""
    one = next((each for each in ahead if each.period == period), None)
    if one is None or one.low80 is None or one.high80 is None:
        return None
    spread = (one.high80 - one.low80) / 2 / 1.2816
    if spread <= 0:
        return 1.0 if (one.value >= aim if direction == "up" else one.value <= aim) else 0.0
    above = 1 - NormalDist(one.value, spread).cdf(aim)
    return round(above if direction == "up" else 1 - above, 3)


@job("indicators.forecast", every="37 * * * *")
def forecast_all(city: City) -> int:
    """Make the forecasts of indicators whose figures or targets changed; gives how many."""
    indicators = list_indicators(city)
    codes = [one.code for one in indicators]
    figures, targets = figures_of(city, codes), targets_of(city, codes)
    known = {row["code"]: row["digest"] for row in city.db.all(KNOWN)}
    made = 0
    for one in indicators:
        values = {period: figure.value for period, figure in figures[one.code].items()}
        last = max(targets[one.code], default=None)
        told = [[str(period), value] for period, value in sorted(values.items())] + [[str(last), targets[one.code][last].value] if last else []]
        digest = hashlib.sha256(json.dumps([told, bool(find_spec("statsforecast"))]).encode()).hexdigest()
        if known.get(one.code) == digest:
            continue
        found = forecast(values, until=last, aim=targets[one.code][last].value if last else None, direction=one.direction) if values else None
        with city.db.connection() as conn:
            if found is None:
                conn.execute(DROP, (one.code,))
            else:
                conn.execute(SAVE, (one.code, digest, Jsonb(asdict(found)), now()))
                made += 1
    with city.db.connection() as conn:
        defer(conn, "indicators.plan-to-lake", once="indicators.plan-to-lake")
    return made


def forecast_of(city: City, code: str) -> Forecast | None:
    """The newest forecast of an indicator."""
    row = city.db.one(ONE, (code,))
    return None if row is None else Forecast(**{**row["body"], "ahead": tuple(Ahead(**one) for one in row["body"]["ahead"])})
