"""Units of measure (计量单位) that datasets of two cities may differ in, and the factor between them.

A short table of our own: libraries of units know neither 亩 nor 斤 nor 万元, and money is no unit to them.
Factors: 法定计量单位使用方法, GB 3100-1993; 1 亩 = 10000/15 m², 1 斤 = 0.5 kg.
"""

from __future__ import annotations

# Each unit in its base: m², kg, m, 元, 1, s, kWh.
UNITS: dict[str, tuple[str, float]] = {
    "m²": ("area", 1), "m2": ("area", 1), "平方米": ("area", 1), "亩": ("area", 10000 / 15), "mu": ("area", 10000 / 15), "公顷": ("area", 1e4), "ha": ("area", 1e4),
    "km²": ("area", 1e6), "km2": ("area", 1e6), "平方公里": ("area", 1e6), "万亩": ("area", 1e8 / 15),
    "kg": ("mass", 1), "公斤": ("mass", 1), "千克": ("mass", 1), "斤": ("mass", 0.5), "jin": ("mass", 0.5), "g": ("mass", 0.001), "克": ("mass", 0.001), "t": ("mass", 1000), "吨": ("mass", 1000), "万吨": ("mass", 1e7),
    "m": ("length", 1), "米": ("length", 1), "km": ("length", 1000), "公里": ("length", 1000), "cm": ("length", 0.01), "mm": ("length", 0.001), "里": ("length", 500),
    "元": ("money", 1), "yuan": ("money", 1), "万元": ("money", 1e4), "亿元": ("money", 1e8), "分": ("money", 0.01),
    "%": ("share", 0.01), "‰": ("share", 0.001), "1": ("share", 1),
    "s": ("time", 1), "秒": ("time", 1), "min": ("time", 60), "分钟": ("time", 60), "h": ("time", 3600), "小时": ("time", 3600), "d": ("time", 86400), "天": ("time", 86400),
    "kWh": ("energy", 1), "千瓦时": ("energy", 1), "度": ("energy", 1), "MWh": ("energy", 1000), "万千瓦时": ("energy", 1e4),
    "元/kg": ("price", 1), "元/公斤": ("price", 1), "元/斤": ("price", 2), "元/吨": ("price", 0.001),
}  # fmt: skip


def factor(from_: str, to: str) -> float | None:
    """What a figure in `from_` is multiplied with to be one in `to`; None where the two are not of one kind or not known.

    >>> factor("斤", "kg"), round(factor("m²", "亩") or 0, 6), factor("kg", "亩")
    (0.5, 0.0015, None)
    """
    if from_.strip() == to.strip():
        return 1.0
    one, other = UNITS.get(from_.strip()), UNITS.get(to.strip())
    if one is None or other is None or one[0] != other[0]:
        return None
    return one[1] / other[1]
