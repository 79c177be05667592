"""Freshness against the contract's promise (鲜度承诺): minute by minute kept or broken, and how fast the allowance burns.

A minute is broken when the data are older than `freshness` of the contract at its end, or when rows of that minute took longer
than that from source to lake (p99). 99 minutes of 100 should be kept. The burn rate is the share of broken minutes over the
1 in 100 that may be: over an hour 14.4 or more (9 broken minutes) or over six hours 6 or more (22) is an alert.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sanqu.cases.notices import colleagues, tell
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.ledger import append
from sanqu.lines.live.meters import minutes_of
from sanqu.lines.live.standing import Standing

OBJECTIVE = 0.99
FAST, SLOW = 14.4, 6.0
# A source of these says by itself that nothing changed; what others do not send is missing.
TOLD_BY_SOURCE = frozenset({"postgres", "mysql", "feed", "tail"})
DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
DAYS = (365, 30, 7, 1)
KEEP_DAYS = 14

NOTE = """
INSERT INTO live_promise (line, minute, kept) VALUES (%s, %s, %s)
ON CONFLICT (line, minute) DO UPDATE SET kept = live_promise.kept AND excluded.kept
"""
BROKEN = """
SELECT line, count(*) FILTER (WHERE NOT kept AND minute > now() - interval '1 hour') AS hour, count(*) FILTER (WHERE NOT kept) AS six
FROM live_promise WHERE minute > now() - interval '6 hours' GROUP BY line
"""
FORGET = "DELETE FROM live_promise WHERE minute < %s"
WATCHED = """
SELECT l.name, l.body -> 'source' ->> 'kind' AS kind, l.body -> 'title' AS title, c.body ->> 'steward' AS steward,
    c.body ->> 'freshness' AS freshness, k.state, k.backlog, k.carried, k.changed
FROM lines_line l JOIN live_line k ON k.line = l.name JOIN lake_dataset d ON d.name = l.dataset
JOIN lake_contract c ON c.name = d.name AND c.version = d.version WHERE l.enabled
"""
RAISE = "INSERT INTO live_alert (line) VALUES (%s) ON CONFLICT DO NOTHING RETURNING line"
END = "DELETE FROM live_alert WHERE line = %s RETURNING line"


@dataclass(frozen=True)
class Burn:
    """How fast a line's allowance of broken minutes goes: over the last hour and the last six, 1 being just allowed."""

    hour: float
    six: float

    @property
    def alert(self) -> str:
        """`fast`, `slow`, or empty."""
        return "fast" if self.hour >= FAST else "slow" if self.six >= SLOW else ""


def seconds_of(duration: str | None) -> float | None:
    """How long an ISO 8601 duration is (a month 30 days, a year 365); None for what is none."""
    found = DURATION.fullmatch(duration or "")
    if found is None or not any(found.groups()):
        return None
    years, months, weeks, days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    whole = sum(part * length for part, length in zip((years, months, weeks, days), DAYS, strict=True))
    return whole * 86_400 + hours * 3600 + minutes * 60 + seconds


def age_of(kind: str, state: str, backlog: int, carried: datetime | None, since: datetime, at: datetime) -> float:
    """How old (seconds) a line's data are at `at`: nothing, where its source itself says that there is nothing newer."""
    if kind in TOLD_BY_SOURCE and state == "flowing" and backlog == 0:
        return 0.0
    return max(0.0, (at - (carried or since)).total_seconds())


def age_of_line(kind: str, one: Standing, at: datetime) -> float:
    """How old (seconds) the data of a line that stands so are."""
    return age_of(kind, one.state, one.backlog, one.carried, one.changed, at)


def burns(city: City) -> dict[str, Burn]:
    """How fast the allowance of each line burns that broke its promise lately."""
    allowed = 1 - OBJECTIVE
    return {
        str(row["line"]): Burn(int(row["hour"]) / 60 / allowed, int(row["six"]) / 360 / allowed) for row in city.db.all(BROKEN)
    }


@job("lines.promises", every="* * * * *")
def keep_watch(city: City) -> None:
    """Write down which lines keep their promise now; tell the stewards of one that burns too fast, and when it is kept again."""
    at = now()
    for row in city.db.all(WATCHED):
        promised = seconds_of(row["freshness"])
        if promised is not None:
            _note(city, str(row["name"]), age_of(row["kind"], row["state"], row["backlog"], row["carried"], row["changed"], at), promised, at)
    found = burns(city)
    for row in city.db.all(WATCHED):
        if seconds_of(row["freshness"]) is not None:
            _tell(city, row, found.get(str(row["name"]), Burn(0, 0)), at)
    with city.db.connection() as conn:
        conn.execute(FORGET, (at - timedelta(days=KEEP_DAYS),))


def _note(city: City, line: str, age: float, promised: float, at: datetime) -> None:
    slowest = max((one.p99 or 0 for one in minutes_of(city, line, 1)), default=0.0)
    kept = age <= promised and slowest / 1000 <= promised
    with city.db.connection() as conn:
        conn.execute(NOTE, (line, at.replace(second=0, microsecond=0), kept))


def _tell(city: City, row: dict[str, object], burn: Burn, at: datetime) -> None:
    name, link = str(row["name"]), f"/live/{row['name']}"
    with city.db.connection() as conn:
        if burn.alert and conn.execute(RAISE, (name,)).fetchone() is not None:
            facts = {"promised": row["freshness"], "hour": round(burn.hour, 1), "six": round(burn.six, 1)}
            append(conn, kind="live.promise-broken", actor="system", subject=f"line:{name}", facts=facts)
            said = Text(
                zh=f"专线 {name} 没有守住鲜度承诺 {row['freshness']}，请看原因",
                en=f"The line {name} does not keep its promise of {row['freshness']}; see the cause",
            )
            tell(conn, colleagues(conn, str(row["steward"] or ""), "steward"), at, said, link)
        elif not burn.alert and conn.execute(END, (name,)).fetchone() is not None:
            said = Text(zh=f"专线 {name} 又守住了鲜度承诺", en=f"The line {name} keeps its promise of freshness again")
            tell(conn, colleagues(conn, str(row["steward"] or ""), "steward"), at, said, link)
