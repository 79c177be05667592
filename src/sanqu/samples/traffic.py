"""Samples of getting about: bus stops, parking, charging, and trucks that carry muck."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sanqu.samples.places import DAY, MOMENT, NUMBER, TEXT, WHOLE, YES_NO, Division, counties, point_in, table, towns

# As many trucks and firms as the report of 2022 counts on the platform.
TRUCKS, FIRMS, POINTS_EACH = 433, 37, 24
TRUCK_DAY = datetime(2025, 12, 15, 7)
STREETS = ("新桥街", "荷花中路", "府东街", "三江中路", "浙西大道", "九华大道", "花园大道", "仙霞中路", "锦西大道", "白云南大道")


def bus_stops(divisions: Sequence[Division], seed: int) -> Any:
    """Stops in every town, more of them in streets (街道) than in the hills."""
    rows: list[tuple[Any, ...]] = []
    for town in towns(divisions):
        draw = random.Random(f"stops {seed} {town.code}")
        for number in range(1, (30 if town.name.endswith("街道") else 12) + 1):
            lon, lat = point_in(draw, town)
            rows.append((
                f"BS{town.code}{number:03}", f"{draw.choice(STREETS)}样例站{number}", town.code, town.name, town.county_name,
                "、".join(f"{line}路" for line in sorted(draw.sample(range(1, 90), draw.randint(1, 4)))),
                draw.random() < 0.7, draw.random() < 0.35, lon, lat,
            ))  # fmt: skip
    return table({
        "stop_id": TEXT, "stop": TEXT, "town_code": TEXT, "town": TEXT, "county": TEXT, "lines": TEXT,
        "shelter": YES_NO, "live_board": YES_NO, "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip


def parking_lots(divisions: Sequence[Division], seed: int) -> Any:
    """Public car parks: places, those with a charger, price."""
    draw, places = random.Random(f"parking {seed}"), towns(divisions)
    rows: list[tuple[Any, ...]] = []
    for number in range(1, 481 if places else 1):
        town, spaces = draw.choice(places), int(min(draw.lognormvariate(4.6, 0.7), 1500)) + 12
        kind = draw.choices(("路外公共", "路内泊位", "商业配套", "医院学校", "景区"), (5, 4, 3, 2, 1))[0]
        lon, lat = point_in(draw, town)
        rows.append((
            f"PK{number:04}", f"{town.name}样例停车场{number}", town.code, town.name, town.county_name, kind, spaces,
            int(spaces * draw.uniform(0, 0.15)), draw.choice((0.0, 0.0, 2.0, 3.0, 5.0)), draw.random() < 0.55, lon, lat,
        ))  # fmt: skip
    return table({
        "lot_id": TEXT, "lot": TEXT, "town_code": TEXT, "town": TEXT, "county": TEXT, "kind": TEXT, "spaces": WHOLE,
        "charging_spaces": WHOLE, "yuan_per_hour": NUMBER, "seamless_pay": YES_NO, "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip


def charging_piles(divisions: Sequence[Division], seed: int) -> Any:
    """Chargers for electric cars: power, plug standard and state."""
    draw, places = random.Random(f"piles {seed}"), towns(divisions)
    rows: list[tuple[Any, ...]] = []
    for station in range(1, 161 if places else 1):
        town = draw.choice(places)
        lon, lat = point_in(draw, town)
        opened, operator = date(2019, 1, 1) + timedelta(days=draw.randrange(2500)), f"样例充电运营商{draw.randint(1, 9)}"
        for pile in range(1, draw.randint(2, 12) + 1):
            quick = draw.random() < 0.6
            rows.append((
                f"CP{station:04}-{pile:02}", f"CP{station:04}", town.code, town.name, town.county_name, operator,
                "直流" if quick else "交流", draw.choice((60, 120, 180)) if quick else 7,
                draw.choices(("正常", "维护", "停用"), (90, 7, 3))[0], opened, lon, lat,
            ))  # fmt: skip
    return table({
        "pile_id": TEXT, "station_id": TEXT, "town_code": TEXT, "town": TEXT, "county": TEXT, "operator": TEXT,
        "current": TEXT, "power_kw": NUMBER, "state": TEXT, "opened_on": DAY, "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip


def muck_truck_points(divisions: Sequence[Division], seed: int) -> Any:
    """Positions of 433 trucks of 37 firms, every five minutes for two hours, going round inside their county."""
    places = counties(divisions)[:2]
    rows: list[tuple[Any, ...]] = []
    for truck in range(1, TRUCKS + 1 if places else 1):
        draw = random.Random(f"truck {seed} {truck}")
        home = places[truck % len(places)]
        # A loop between site and dump, within three fifths of the circle known to lie inside the county.
        angle, radius = draw.uniform(0, 2 * math.pi), home.around * draw.uniform(0.2, 0.6)
        for step in range(POINTS_EACH):
            moving = step % 8 not in (0, 1)
            angle += 0.22 if moving else 0.0
            speed = draw.uniform(18, 58) if moving else 0.0
            rows.append((
                f"T{truck:04}", TRUCK_DAY + timedelta(minutes=5 * step, seconds=truck % 60), f"样例运输企业{truck % FIRMS + 1:02}",
                round(home.lon + radius * math.cos(angle), 6), round(home.lat + radius * math.sin(angle), 6),
                round(speed, 1), round(math.degrees(-angle) % 360, 0), step % 16 < 8, home.name,
            ))  # fmt: skip
    return table({
        "truck_id": TEXT, "at": MOMENT, "firm": TEXT, "lon": NUMBER, "lat": NUMBER, "speed_kmh": NUMBER,
        "heading": NUMBER, "loaded": YES_NO, "county": TEXT,
    }, rows)  # fmt: skip
