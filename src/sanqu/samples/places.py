"""Where sample things lie: the city's towns, and points well inside their county."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

# (code, name, level, parent)
Division = tuple[str, str, str, str]

# Circles (longitude, latitude, radius in degrees) that lie wholly inside each county; the first is its widest place.
INSIDE: dict[str, tuple[tuple[float, float, float], ...]] = {
    "330802": ((118.786, 29.031, 0.075), (118.885, 28.903, 0.037), (118.759, 28.921, 0.034), (118.867, 28.958, 0.021)),
    "330803": ((118.957, 29.126, 0.079), (118.881, 28.733, 0.080), (119.026, 28.896, 0.065), (118.995, 29.004, 0.046)),
    "330822": ((118.578, 28.975, 0.093), (118.425, 28.886, 0.072), (118.637, 29.110, 0.052), (118.527, 28.863, 0.020)),
    "330824": ((118.343, 29.198, 0.166), (118.109, 29.148, 0.058), (118.160, 29.059, 0.047), (118.556, 29.287, 0.041)),
    "330825": ((119.203, 29.029, 0.093), (119.198, 28.862, 0.076), (119.136, 29.158, 0.051), (119.110, 28.787, 0.032)),
    "330881": ((118.607, 28.648, 0.152), (118.607, 28.399, 0.096), (118.694, 28.832, 0.033), (118.425, 28.756, 0.029)),
}


@dataclass(frozen=True)
class Place:
    """A county or town with a point inside its county (WGS 84) and how far around it things may lie, in degrees."""

    code: str
    name: str
    county: str
    county_name: str
    lon: float
    lat: float
    around: float


def counties(divisions: Sequence[Division]) -> tuple[Place, ...]:
    """The counties that a circle is known for, in order of code."""
    found = []
    for code, name, level, _ in sorted(divisions):
        if level == "county" and code in INSIDE:
            lon, lat, around = INSIDE[code][0]
            found.append(Place(code, name, code, name, lon, lat, around))
    return tuple(found)


def towns(divisions: Sequence[Division]) -> tuple[Place, ...]:
    """The towns of those counties in order of code; each has a steady point, which is made up."""
    names = {place.code: place.name for place in counties(divisions)}
    found = []
    for code, name, level, parent in sorted(divisions):
        if level == "town" and parent in names:
            draw = random.Random(code)
            lon, lat, radius = draw.choice(INSIDE[parent])
            x, y = _within(draw, lon, lat, radius * 0.7)
            found.append(Place(code, name, parent, names[parent], x, y, radius * 0.3))
    return tuple(found)


def point_in(draw: random.Random, place: Place) -> tuple[float, float]:
    """A point near `place`, inside its county: (longitude, latitude), about a metre fine."""
    lon, lat = _within(draw, place.lon, place.lat, place.around)
    return round(lon, 5), round(lat, 5)


def _within(draw: random.Random, lon: float, lat: float, radius: float) -> tuple[float, float]:
    angle, far = draw.uniform(0, 2 * math.pi), radius * math.sqrt(draw.random())
    return lon + far * math.cos(angle), lat + far * math.sin(angle)


TEXT, WHOLE, NUMBER, YES_NO = pa.string(), pa.int64(), pa.float64(), pa.bool_()
DAY, MOMENT, YEAR = pa.date32(), pa.timestamp("us"), pa.int32()


def table(columns: Mapping[str, Any], rows: Sequence[tuple[Any, ...]]) -> Any:
    """`rows` as a pyarrow Table with `columns` of name → type."""
    turned = zip(*rows, strict=True) if rows else ((),) * len(columns)
    arrays = [pa.array(values, kind) for values, kind in zip(turned, columns.values(), strict=True)]
    return pa.table(dict(zip(columns, arrays, strict=True)))
