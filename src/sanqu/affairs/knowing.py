"""What more is worked out for the rules of a thing, and shown to the applicant before they send anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sanqu.affairs.retirement import month_after, months_needed, retirement_of
from sanqu.ground.i18n import Text


@dataclass(frozen=True)
class Known:
    """Names for the rules, and lines for the page."""

    names: Mapping[str, Any]
    lines: tuple[Text, ...] = ()


NOTHING = Known({})


def _retirement(names: Mapping[str, Any]) -> Known:
    try:
        born, sex, post = date.fromisoformat(str(names["applicant_born"])), str(names["applicant_sex"]), str(names["post"])
    except (KeyError, ValueError):
        return NOTHING
    found = retirement_of(born, sex, post)
    wish = _day(names.get("retire_on"))
    needed = months_needed((wish or found.legal).year)
    # Any day of the latest month will do.
    latest = month_after(found.latest, 1)
    line = Text(
        zh=f"法定退休时间 {found.legal:%Y年%m月}；可以弹性选择 {found.earliest:%Y年%m月} 至 {found.latest:%Y年%m月}；届时须缴满 {needed} 个月",
        en=f"By law {found.legal:%Y-%m}; by choice from {found.earliest:%Y-%m} to {found.latest:%Y-%m}; {needed} months paid are needed",
    )
    names_found = {"months_needed": needed, "earliest_on": found.earliest.isoformat(), "latest_on": _eve(latest), "legal_on": found.legal.isoformat()}
    return Known(names_found, (line,))


def _day(said: Any) -> date | None:
    try:
        return date.fromisoformat(str(said))
    except ValueError:
        return None


def _eve(day: date) -> str:
    return date.fromordinal(day.toordinal() - 1).isoformat()


KNOWING: dict[str, Callable[[Mapping[str, Any]], Known]] = {"retirement": _retirement}


def known_of(facts: str, names: Mapping[str, Any]) -> Known:
    """What is worked out for a thing that names `facts`; nothing for others."""
    return KNOWING[facts](names) if facts in KNOWING else NOTHING
