"""Samples of nature: air, water, weather and land."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from sanqu.samples.places import DAY, MOMENT, NUMBER, TEXT, WHOLE, Division, counties, point_in, table, towns

AIR_FROM, AIR_HOURS = datetime(2025, 11, 1), 60 * 24
WEATHER_FROM, WEATHER_DAYS = date(2024, 1, 1), 731
MONTHS = [f"{year}-{month:02}" for year in (2023, 2024, 2025) for month in range(1, 13)]
RIVERS = ("衢江", "常山港", "江山港", "灵山港", "乌溪江", "池淮溪", "马金溪", "芝溪")
WATER_GRADES = ("Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ", "Ⅴ")
LAND_USES = ("工业用地", "商服用地", "住宅用地", "公共管理与公共服务用地", "仓储用地")
# HJ 633-2012: individual index breakpoints and the 24 h limits of PM2.5, PM10 in µg/m³.
INDEX = (0, 50, 100, 150, 200, 300, 400, 500)
PM25 = (0, 35, 75, 115, 150, 250, 350, 500)
PM10 = (0, 50, 150, 250, 350, 420, 500, 600)


def _part_index(value: float, limits: Sequence[int]) -> int:
    for (low, high), (from_, to) in zip(pairwise(limits), pairwise(INDEX), strict=True):
        if value <= high:
            return math.ceil(from_ + (to - from_) * (value - low) / (high - low))
    return INDEX[-1]


def air_quality_hourly(divisions: Sequence[Division], seed: int) -> Any:
    """Two stations a county, each hour of sixty days; now and then a station is silent."""
    rows: list[tuple[Any, ...]] = []
    for county in counties(divisions):
        for which in (1, 2):
            draw = random.Random(f"air {seed} {county.code} {which}")
            station, (lon, lat) = f"AQ{county.code}{which:02}", point_in(draw, county)
            drift, silent = 0.0, 0
            for hour in range(AIR_HOURS):
                at = AIR_FROM + timedelta(hours=hour)
                drift = 0.988 * drift + draw.gauss(0, 2.2)
                silent = max(silent - 1, 0) or (draw.randint(2, 9) if draw.random() < 0.001 else 0)
                if silent:
                    continue
                rush = 6 * math.exp(-((at.hour - 8) ** 2) / 5) + 8 * math.exp(-((at.hour - 19) ** 2) / 6)
                pm25 = max(3.0, 30 + drift + rush + draw.gauss(0, 3))
                pm10 = pm25 * draw.uniform(1.3, 1.7)
                sun = max(0.0, math.sin((at.hour - 6) / 12 * math.pi))
                rows.append((
                    station, f"{county.name}样例站{which}", county.name, at, round(pm25), round(pm10),
                    round(draw.uniform(4, 9)), round(max(6, 22 + rush + draw.gauss(0, 4))),
                    round(max(8, 40 + 55 * sun + draw.gauss(0, 6))), round(draw.uniform(0.4, 1.0), 1),
                    max(_part_index(pm25, PM25), _part_index(pm10, PM10)), lon, lat,
                ))  # fmt: skip
    return table({
        "station_id": TEXT, "station": TEXT, "county": TEXT, "at": MOMENT, "pm25": NUMBER, "pm10": NUMBER,
        "so2": NUMBER, "no2": NUMBER, "o3": NUMBER, "co": NUMBER, "aqi": WHOLE, "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip


def weather_daily(divisions: Sequence[Division], seed: int) -> Any:
    """One station a county, each day of two years, with the plum rains of June."""
    rows: list[tuple[Any, ...]] = []
    for county in counties(divisions):
        draw, wet = random.Random(f"weather {seed} {county.code}"), False
        for number in range(WEATHER_DAYS):
            day = WEATHER_FROM + timedelta(days=number)
            season = math.cos((day.timetuple().tm_yday - 205) / 365.25 * 2 * math.pi)
            mean = 17.5 + 11.5 * season + draw.gauss(0, 2.6)
            often = 0.62 if day.month in (4, 5, 6) else 0.30
            wet = draw.random() < (often + 0.2 if wet else often - 0.1)
            rain = round(draw.expovariate(1 / (16 if day.month == 6 else 8)), 1) if wet else 0.0
            spread = draw.uniform(2, 5) if wet else draw.uniform(5, 9)
            rows.append((
                f"WX{county.code}", county.name, day, round(mean, 1), round(mean + spread, 1), round(mean - spread, 1),
                rain, min(100, max(35, round(70 + (14 if wet else -4) + draw.gauss(0, 7)))),
                round(abs(draw.gauss(1.6, 0.8)), 1), draw.choice(("东北", "东", "西南", "西", "北", "南")),
            ))  # fmt: skip
    return table({
        "station_id": TEXT, "county": TEXT, "day": DAY, "mean_c": NUMBER, "max_c": NUMBER, "min_c": NUMBER,
        "rain_mm": NUMBER, "humidity": WHOLE, "wind_ms": NUMBER, "wind_from": TEXT,
    }, rows)  # fmt: skip


def water_quality(divisions: Sequence[Division], seed: int) -> Any:
    """River sections, each month of three years, graded by GB 3838-2002 (permanganate, ammonia, phosphorus)."""
    draw, places = random.Random(f"water {seed}"), counties(divisions)
    rows: list[tuple[Any, ...]] = []
    for number in range(24 if places else 0):
        county = places[number % len(places)]
        river, base = RIVERS[number % len(RIVERS)], draw.uniform(0.7, 1.5)
        lon, lat = point_in(draw, county)
        for month in MONTHS:
            mn, nh, tp = base * draw.uniform(1.2, 2.4), base * draw.uniform(0.06, 0.42), base * draw.uniform(0.03, 0.11)
            grade = max(
                sum(mn > limit for limit in (2, 4, 6, 10)), sum(nh > limit for limit in (0.15, 0.5, 1.0, 1.5)),
                sum(tp > limit for limit in (0.02, 0.1, 0.2, 0.3)),
            )  # fmt: skip
            rows.append((
                f"WQ{number + 1:03}", f"{river}样例断面{number + 1}", river, county.name, month, round(draw.gauss(7.4, 0.25), 2),
                round(draw.gauss(8.6, 0.8), 2), round(mn, 2), round(nh, 3), round(tp, 3), WATER_GRADES[grade], lon, lat,
            ))  # fmt: skip
    return table({
        "section_id": TEXT, "section": TEXT, "river": TEXT, "county": TEXT, "month": TEXT, "ph": NUMBER,
        "oxygen_mgl": NUMBER, "permanganate_mgl": NUMBER, "ammonia_mgl": NUMBER, "phosphorus_mgl": NUMBER,
        "grade": TEXT, "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip


def land_parcels(divisions: Sequence[Division], seed: int) -> Any:
    """State land given for use: parcel, use, area and price."""
    draw, places = random.Random(f"land {seed}"), towns(divisions)
    rows: list[tuple[Any, ...]] = []
    for number in range(1, 801 if places else 1):
        town, use = draw.choice(places), draw.choices(LAND_USES, (5, 2, 3, 2, 1))[0]
        area = round(min(draw.lognormvariate(9.6, 0.8), 400_000.0), 1)
        dear = {"工业用地": 0.042, "仓储用地": 0.04, "商服用地": 0.31, "住宅用地": 0.62}.get(use, 0.0)
        lon, lat = point_in(draw, town)
        rows.append((
            f"LP{number:05}", town.code, town.name, town.county_name, use, area,
            "划拨" if not dear else draw.choice(("招拍挂", "招拍挂", "协议")),
            round(area * dear * draw.uniform(0.8, 1.25), 1) if dear else None,
            date(2020, 1, 1) + timedelta(days=draw.randrange(2192)), {"住宅用地": 70, "商服用地": 40}.get(use, 50), lon, lat,
        ))  # fmt: skip
    return table({
        "parcel_id": TEXT, "town_code": TEXT, "town": TEXT, "county": TEXT, "use": TEXT, "area_m2": NUMBER,
        "given_by": TEXT, "price_10k_yuan": NUMBER, "given_on": DAY, "term_years": WHOLE, "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip
