"""Samples of health and care: clinics, and visits to the elderly counted by town and month."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from sanqu.samples.places import NUMBER, TEXT, WHOLE, YEAR, YES_NO, Division, point_in, table, towns

MONTHS = [f"{year}-{month:02}" for year in (2024, 2025) for month in range(1, 13)]
SERVICES = ("助餐", "助浴", "助洁", "助医", "探访关爱")
LEVELS = {"村卫生室": 7, "社区卫生服务站": 4, "诊所": 5, "乡镇卫生院": 2, "社区卫生服务中心": 1, "综合医院": 1}


def clinics(divisions: Sequence[Division], seed: int) -> Any:
    """Medical institutions: level, beds, staff, whether insurance pays there."""
    rows: list[tuple[Any, ...]] = []
    for town in towns(divisions):
        draw = random.Random(f"clinics {seed} {town.code}")
        for number in range(1, draw.randint(5, 11) + 1):
            level = draw.choices(list(LEVELS), list(LEVELS.values()))[0]
            big = level in ("乡镇卫生院", "社区卫生服务中心", "综合医院")
            lon, lat = point_in(draw, town)
            rows.append((
                f"CL{town.code}{number:02}", f"{town.name}样例{level}{number}", level, town.code, town.name, town.county_name,
                draw.randint(20, 400 if level == "综合医院" else 60) if big else 0, draw.randint(12, 120) if big else draw.randint(1, 6),
                draw.random() < 0.9, draw.random() < (0.8 if big else 0.25), draw.randint(1978, 2022), lon, lat,
            ))  # fmt: skip
    return table({
        "clinic_id": TEXT, "clinic": TEXT, "level": TEXT, "town_code": TEXT, "town": TEXT, "county": TEXT,
        "beds": WHOLE, "medical_staff": WHOLE, "insurance": YES_NO, "online_booking": YES_NO, "founded": YEAR,
        "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip


def elder_care_visits(divisions: Sequence[Division], seed: int) -> Any:
    """Visits and home services for the elderly by town, month and service; totals only, never a person.

    Fewer than ten people make no row, so that nobody can be recognised in a small town.
    """
    rows: list[tuple[Any, ...]] = []
    for town in towns(divisions):
        draw = random.Random(f"care {seed} {town.code}")
        size = draw.uniform(0.2, 2.2)
        for month in MONTHS:
            for service in SERVICES:
                people = int(size * draw.uniform(12, 60))
                if people < 10:
                    continue
                rows.append((
                    town.code, town.name, town.county_name, month, service, people,
                    int(people * draw.uniform(1.2, 4.5)), round(people * draw.uniform(0.8, 2.6), 1),
                ))  # fmt: skip
    return table({
        "town_code": TEXT, "town": TEXT, "county": TEXT, "month": TEXT, "service": TEXT, "people": WHOLE,
        "visits": WHOLE, "hours": NUMBER,
    }, rows)  # fmt: skip
