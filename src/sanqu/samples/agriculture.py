"""Samples of farming: citrus orchards and what they yield."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from sanqu.samples.places import NUMBER, TEXT, WHOLE, YEAR, YES_NO, Division, Place, point_in, table, towns

# Variety → tonnes a hectare in a good year.
VARIETIES = {"椪柑": 26.0, "温州蜜柑": 24.0, "胡柚": 28.0, "红美人": 18.0, "鸡尾葡萄柚": 25.0}
YEARS = range(2016, 2026)
ORCHARDS = 1200


def _varieties_of(town: Place) -> list[str]:
    known = random.Random(f"varieties {town.code}").sample(sorted(VARIETIES), 3)
    # 胡柚 is the fruit of 常山.
    return ["胡柚", *[v for v in known if v != "胡柚"]][:3] if town.county == "330822" else known


def citrus_orchards(divisions: Sequence[Division], seed: int) -> Any:
    """Orchards by town: variety, area, trees, water and slope."""
    draw, places = random.Random(f"orchards {seed}"), towns(divisions)
    rows: list[tuple[Any, ...]] = []
    for number in range(1, ORCHARDS + 1 if places else 1):
        town = draw.choice(places)
        hectares = round(min(draw.lognormvariate(0.9, 0.8), 60.0), 2)
        lon, lat = point_in(draw, town)
        rows.append((
            f"OR{number:05}", town.code, town.name, town.county_name, draw.choice(_varieties_of(town)), hectares,
            int(hectares * draw.uniform(700, 1000)), draw.randint(1985, 2023),
            draw.choices(("滴灌", "喷灌", "沟灌", "无"), (2, 2, 4, 3))[0], draw.random() < 0.12,
            round(draw.uniform(60, 420), 0), lon, lat,
        ))  # fmt: skip
    return table({
        "orchard_id": TEXT, "town_code": TEXT, "town": TEXT, "county": TEXT, "variety": TEXT, "area_ha": NUMBER,
        "trees": WHOLE, "planted_year": YEAR, "irrigation": TEXT, "digital_farm": YES_NO, "elevation_m": NUMBER,
        "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip


def citrus_harvest(divisions: Sequence[Division], seed: int) -> Any:
    """Yearly harvest by town and variety; citrus bears heavily every other year (大小年)."""
    rows: list[tuple[Any, ...]] = []
    for town in towns(divisions):
        draw = random.Random(f"harvest {seed} {town.code}")
        for variety in _varieties_of(town):
            area, turn = draw.uniform(4, 190), draw.randint(0, 1)
            for year in YEARS:
                area *= draw.uniform(0.96, 1.05)
                heavy = 1.08 if (year + turn) % 2 else 0.88
                # A frost winter, the same for all.
                frost = 0.72 if year == 2016 else 1.0
                tonnes = area * VARIETIES[variety] * heavy * frost * draw.uniform(0.9, 1.05)
                price = {"红美人": 14.0, "鸡尾葡萄柚": 6.0}.get(variety, 3.2) * draw.uniform(0.8, 1.2) / heavy
                rows.append((
                    town.code, town.name, town.county_name, year, variety, round(area, 1), round(tonnes, 1),
                    round(price, 2), round(draw.uniform(0.05, 0.55), 3),
                ))  # fmt: skip
    return table({
        "town_code": TEXT, "town": TEXT, "county": TEXT, "year": YEAR, "variety": TEXT, "area_ha": NUMBER,
        "harvest_t": NUMBER, "price_yuan_kg": NUMBER, "online_share": NUMBER,
    }, rows)  # fmt: skip
