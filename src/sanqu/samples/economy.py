"""Samples of the economy: enterprises with made-up names, their credit, and visitors of scenic areas."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sanqu.samples.places import DAY, NUMBER, TEXT, WHOLE, YEAR, YES_NO, Division, counties, point_in, table, towns

# GB/T 4754-2017: code → (name, weight).
INDUSTRIES = {
    "C3985": ("电子专用材料制造", 12), "C3972": ("半导体分立器件制造", 4), "C3973": ("集成电路制造", 5),
    "C3982": ("电子电路制造", 6), "C3841": ("锂离子电池制造", 5), "C3921": ("通信系统设备制造", 4), "C3983": ("敏感元件及传感器制造", 5),
    "I6513": ("应用软件开发", 16), "I6531": ("信息系统集成服务", 11), "I6550": ("信息处理和存储支持服务", 7),
    "I6432": ("互联网生活服务平台", 6), "I6420": ("互联网信息服务", 7), "F5292": ("互联网零售", 18),
}  # fmt: skip
ENTERPRISES = 2000
CREDIT = ("A", "B", "C", "D", "E")
SCENIC = {
    "330802": ("孔氏南宗家庙", "水亭门历史文化街区"), "330803": ("药王山", "天脊龙门"), "330822": ("三衢石林", "梅树底"),
    "330824": ("根宫佛国", "钱江源"), "330825": ("龙游石窟", "民居苑"), "330881": ("江郎山", "廿八都古镇"),
}  # fmt: skip
VISITS_FROM, VISIT_DAYS = date(2024, 1, 1), 731


def _enterprise(seed: int, number: int, places: Sequence[Any]) -> tuple[Any, ...]:
    draw = random.Random(f"enterprise {seed} {number}")
    code = draw.choices(list(INDUSTRIES), [weight for _, weight in INDUSTRIES.values()])[0]
    town = draw.choice(places)
    makes = code.startswith("C")
    staff = max(2, int(draw.lognormvariate(3.0 if makes else 2.0, 1.0)))
    revenue = staff * draw.lognormvariate(4.2, 0.5)
    # 规上: industry from 20 million yuan of revenue, services from 10 million (in 10 000 yuan).
    large = revenue >= (2000 if makes else 1000)
    lon, lat = point_in(draw, town)
    return (
        f"E{number:05}", f"样例企业{number:05}号", code, INDUSTRIES[code][0], town.code, town.name, town.county_name,
        draw.randint(1998, 2024), staff, round(revenue, 1), large,
        draw.randint(0, 3 if not large else 40) if draw.random() < 0.4 else 0, draw.random() < (0.35 if large else 0.05), lon, lat,
    )  # fmt: skip


def enterprises(divisions: Sequence[Division], seed: int) -> Any:
    """Digital-economy enterprises: industry, town, staff, revenue; every name is made up."""
    places = towns(divisions)
    rows = [_enterprise(seed, number, places) for number in range(1, ENTERPRISES + 1 if places else 1)]
    return table({
        "enterprise_id": TEXT, "name": TEXT, "industry_code": TEXT, "industry": TEXT, "town_code": TEXT, "town": TEXT,
        "county": TEXT, "founded": YEAR, "staff": WHOLE, "revenue_10k_yuan": NUMBER, "above_scale": YES_NO,
        "patents": WHOLE, "high_tech": YES_NO, "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip


def credit_ratings(divisions: Sequence[Division], seed: int) -> Any:
    """Yearly public credit rating of those enterprises, with what lowered it."""
    rows: list[tuple[Any, ...]] = []
    for number in range(1, ENTERPRISES + 1 if counties(divisions) else 1):
        draw = random.Random(f"credit {seed} {number}")
        usual = draw.gauss(820, 70)
        for year in (2023, 2024, 2025):
            penalties = draw.choices((0, 1, 2, 3), (88, 8, 3, 1))[0]
            score = round(max(300.0, min(1000.0, usual + draw.gauss(0, 25) - 80 * penalties)))
            grade = CREDIT[sum(score < limit for limit in (850, 750, 650, 550))]
            rows.append((f"E{number:05}", year, score, grade, penalties, grade == "E" or penalties == 3))
    return table({
        "enterprise_id": TEXT, "year": YEAR, "score": WHOLE, "grade": TEXT, "penalties": WHOLE, "watched": YES_NO,
    }, rows)  # fmt: skip


def tourism_visits_daily(divisions: Sequence[Division], seed: int) -> Any:
    """Visitors of scenic areas each day of two years: weekends, the May and October weeks, a rainy day now and then."""
    rows: list[tuple[Any, ...]] = []
    for county in counties(divisions):
        for place in SCENIC[county.code]:
            draw = random.Random(f"visits {seed} {place}")
            usual = draw.uniform(700, 3200)
            for number in range(VISIT_DAYS):
                day = VISITS_FROM + timedelta(days=number)
                week = 2.1 if day.weekday() >= 5 else 1.0
                feast = 4.2 if (day.month, day.day) in {(5, d) for d in range(1, 6)} | {(10, d) for d in range(1, 8)} else 1.0
                season = 1 + 0.35 * math.sin((day.timetuple().tm_yday - 60) / 365.25 * 2 * math.pi)
                visitors = int(usual * max(week, feast) * season * draw.uniform(0.55, 1.3))
                away = draw.uniform(0.35, 0.75)
                rows.append((place, county.name, day, visitors, int(visitors * away), round(visitors * draw.uniform(18, 46) / 10_000, 2)))
    return table({
        "place": TEXT, "county": TEXT, "day": DAY, "visitors": WHOLE, "from_elsewhere": WHOLE, "tickets_10k_yuan": NUMBER,
    }, rows)  # fmt: skip
