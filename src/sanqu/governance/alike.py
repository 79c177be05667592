"""Finds the event that another one repeats: the same matter, near in place and time, told in like words; and complaints that come back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sanqu.governance.places import METRES_A_DEGREE, metres_between
from sanqu.ground.database import Connection

# Two reports of one thing: at most so far apart, in so many hours, in words this much alike (0 to 1).
METRES = 300.0
HOURS = 72
ALIKE = 0.25
# Right beside each other, a report that says next to nothing is still the same.
BESIDE_METRES = 60.0
# A complaint that comes back within so many days after it was closed, from the same person or the same spot.
REPEAT_DAYS = 30
SPOT_METRES = 100.0
MOST = 50

NEAR = """
SELECT number, lon, lat, title, text FROM governance_event
WHERE matter = %(matter)s AND lon BETWEEN %(west)s AND %(east)s AND lat BETWEEN %(south)s AND %(north)s
  AND reported > %(since)s AND closed IS NULL AND state IN ('reported','dispatching','handling','verifying')
ORDER BY reported DESC LIMIT %(most)s
"""
CLOSED = """
SELECT number, lon, lat, reporter FROM governance_event
WHERE matter = %(matter)s AND closed > %(since)s
  AND (reporter = %(reporter)s AND reporter LIKE 'user:%%'
       OR lon BETWEEN %(west)s AND %(east)s AND lat BETWEEN %(south)s AND %(north)s)
ORDER BY closed DESC LIMIT %(most)s
"""


@dataclass(frozen=True)
class Report:
    """What is compared: the matter, the point (longitude, latitude), the words, who says it and when."""

    matter: str
    point: tuple[float, float] | None
    words: str
    reporter: str
    at: datetime


def likeness(a: str, b: str) -> float:
    """How alike two texts are, 0 to 1: the share of pairs of neighbouring letters that both have (Dice); the order is no matter."""
    one, other = _pairs(a), _pairs(b)
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def _pairs(text: str) -> set[str]:
    kept = "".join(letter for letter in text.lower() if letter.isalnum())
    return {kept[i : i + 2] for i in range(len(kept) - 1)}


def best_match(report: Report, others: Iterable[tuple[str, tuple[float, float], str]]) -> str | None:
    """Of (number, point, words), the number of the one that `report` most looks the same as; None where none does."""
    best: tuple[float, str] | None = None
    for number, point, words in others:
        assert report.point is not None
        metres, like = metres_between(report.point, point), likeness(report.words, words)
        if metres > METRES or (like < ALIKE and (metres > BESIDE_METRES or (_tells(report.words) and _tells(words)))):
            continue
        score = like + 1 - metres / METRES
        if best is None or score > best[0]:
            best = score, number
    return best[1] if best else None


def _tells(words: str) -> bool:
    return len(_pairs(words)) >= 6


def find_same(conn: Connection, report: Report) -> str | None:
    """The number of an open event that `report` seems to repeat; None without a place, for then all streets look the same."""
    if report.point is None:
        return None
    rows = conn.execute(
        NEAR, {"matter": report.matter, "since": report.at - timedelta(hours=HOURS), "most": MOST, **_box(report.point, METRES)}
    )
    return best_match(report, [(str(r["number"]), (r["lon"], r["lat"]), f"{r['title']} {r['text']}") for r in rows])


def find_earlier(conn: Connection, report: Report) -> str | None:
    """The number of the closed event that comes back with `report`: same matter, and the same person or the same spot."""
    box: dict[str, Any] = (
        _box(report.point, SPOT_METRES) if report.point else dict.fromkeys(("west", "east", "south", "north"), None)
    )
    since = report.at - timedelta(days=REPEAT_DAYS)
    rows = conn.execute(
        CLOSED, {"matter": report.matter, "since": since, "reporter": report.reporter, "most": MOST, **box}
    ).fetchall()
    for row in rows:
        same = row["reporter"] == report.reporter and report.reporter.startswith("user:")
        if same or (
            report.point and row["lon"] is not None and metres_between(report.point, (row["lon"], row["lat"])) <= SPOT_METRES
        ):
            return str(row["number"])
    return None


def _box(point: tuple[float, float], metres: float) -> dict[str, float]:
    lon, lat = point
    high = metres / METRES_A_DEGREE
    wide = high / max(math.cos(math.radians(lat)), 0.01)
    return {"west": lon - wide, "east": lon + wide, "south": lat - high, "north": lat + high}
