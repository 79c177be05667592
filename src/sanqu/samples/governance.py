"""Samples of governing: what the hotline hears, what the grid finds, what permits are given. No person appears."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sanqu.samples.places import DAY, MOMENT, NUMBER, TEXT, WHOLE, YES_NO, Division, counties, point_in, table, towns

# Matter → (kinds, usual hours to close, weight).
MATTERS: dict[str, tuple[tuple[str, ...], float, int]] = {
    "城市管理": (("违章停车", "占道经营", "噪声扰民", "垃圾清运"), 40, 28),
    "住房建设": (("物业管理", "房屋漏水", "工地扬尘", "老旧小区改造"), 96, 18),
    "交通运输": (("公交线路", "道路破损", "红绿灯设置", "出租车服务"), 72, 16),
    "市场监管": (("消费退款", "食品安全", "价格争议", "虚假宣传"), 80, 15),
    "人力社保": (("社保咨询", "工资支付", "就业补贴"), 60, 9),
    "医疗卫生": (("就诊服务", "医保报销", "疫苗接种"), 36, 6),
    "教育": (("入学政策", "校外培训"), 52, 4),
    "生态环境": (("油烟扰民", "污水排放", "异味"), 66, 4),
}
HOTLINE_FROM, HOTLINE_ROWS = datetime(2025, 1, 1), 12_000
GRID_FROM, GRID_ROWS = datetime(2025, 7, 1), 9_000
GRID_KINDS = ("安全隐患", "矛盾纠纷", "环境卫生", "公共设施", "民生服务", "消防通道", "森林防火", "防汛巡查")
PERMITS = {
    "食品经营许可": "市场监管局", "卫生许可": "卫生健康局", "建筑工程施工许可": "住房和城乡建设局", "排污许可": "生态环境局",
    "道路运输经营许可": "交通运输局", "林木采伐许可": "自然资源和规划局", "取水许可": "水利局", "人力资源服务许可": "人力资源和社会保障局",
    "特种设备使用登记": "市场监管局", "城市道路占用许可": "综合行政执法局",
}  # fmt: skip


def hotline_requests(divisions: Sequence[Division], seed: int) -> Any:
    """Requests to 12345 in 2025: matter, town, state, hours to close, rating."""
    draw, places = random.Random(f"hotline {seed}"), towns(divisions)
    matters, weights = list(MATTERS), [weight for _, _, weight in MATTERS.values()]
    moments = sorted(HOTLINE_FROM + timedelta(minutes=draw.randrange(365 * 24 * 60)) for _ in range(HOTLINE_ROWS if places else 0))
    rows: list[tuple[Any, ...]] = []
    for number, at in enumerate(moments, 1):
        town, matter = draw.choice(places), draw.choices(matters, weights)[0]
        kinds, usual, _ = MATTERS[matter]
        closed = at < datetime(2025, 12, 20) or draw.random() < 0.6
        hours = round(min(draw.lognormvariate(0, 0.6) * usual, 720.0), 1) if closed else None
        rows.append((
            f"H2025{number:06}", at, matter, draw.choice(kinds), draw.choices(("电话", "网站", "小程序", "转办"), (6, 1, 3, 1))[0],
            town.code, town.name, town.county_name, "已办结" if closed else "办理中", hours,
            None if hours is None else hours > 120,
            (draw.choices((5, 4, 3, 2, 1), (50, 25, 12, 7, 6))[0] if draw.random() < 0.4 else None) if closed else None,
        ))  # fmt: skip
    return table({
        "request_id": TEXT, "received_at": MOMENT, "matter": TEXT, "kind": TEXT, "channel": TEXT, "town_code": TEXT,
        "town": TEXT, "county": TEXT, "state": TEXT, "hours": NUMBER, "late": YES_NO, "rating": WHOLE,
    }, rows)  # fmt: skip


def grid_events(divisions: Sequence[Division], seed: int) -> Any:
    """Events that grid rounds reported in half a year, each with a point and who took it up."""
    draw, places = random.Random(f"grid {seed}"), towns(divisions)
    rows: list[tuple[Any, ...]] = []
    for number in range(1, GRID_ROWS + 1 if places else 1):
        town, kind = draw.choice(places), draw.choices(GRID_KINDS, (9, 5, 8, 6, 7, 4, 2, 2))[0]
        lon, lat = point_in(draw, town)
        at = GRID_FROM + timedelta(minutes=draw.randrange(184 * 24 * 60))
        level = draw.choices(("村级", "乡镇级", "县级"), (70, 25, 5))[0]
        hours = draw.lognormvariate(2.2 if level == "村级" else 3.4, 0.7)
        rows.append((
            f"G{number:06}", at, kind, level, town.code, town.name, town.county_name, f"{town.code}-{draw.randint(1, 24):02}",
            draw.choices(("巡查发现", "感知设备", "群众反映"), (7, 1, 3))[0], at + timedelta(minutes=int(hours * 60)), lon, lat,
        ))  # fmt: skip
    return table({
        "event_id": TEXT, "reported_at": MOMENT, "kind": TEXT, "level": TEXT, "town_code": TEXT, "town": TEXT,
        "county": TEXT, "grid": TEXT, "found_by": TEXT, "closed_at": MOMENT, "lon": NUMBER, "lat": NUMBER,
    }, rows)  # fmt: skip


def permits_issued(divisions: Sequence[Division], seed: int) -> Any:
    """Permits given in three years: matter, who gave it, days promised and taken."""
    draw, places = random.Random(f"permits {seed}"), counties(divisions)
    rows: list[tuple[Any, ...]] = []
    for number in range(1, 6001 if places else 1):
        county, matter = draw.choice(places), draw.choices(list(PERMITS), (20, 9, 6, 4, 9, 3, 2, 3, 6, 5))[0]
        promised = draw.choice((1, 3, 5, 7, 10))
        given = date(2023, 1, 1) + timedelta(days=draw.randrange(1096))
        rows.append((
            f"XK{given.year}{number:06}", matter, f"{county.name}{PERMITS[matter]}", county.code, county.name, f"样例主体{number:05}",
            given, given + timedelta(days=365 * draw.choice((1, 3, 5))), promised, min(promised, draw.randint(0, 6)),
            draw.random() < 0.86, draw.choices(("有效", "注销", "撤销"), (94, 5, 1))[0],
        ))  # fmt: skip
    return table({
        "permit_id": TEXT, "matter": TEXT, "given_by": TEXT, "county_code": TEXT, "county": TEXT, "holder": TEXT,
        "given_on": DAY, "valid_until": DAY, "days_promised": WHOLE, "days_taken": WHOLE, "online": YES_NO, "state": TEXT,
    }, rows)  # fmt: skip
