"""Values of answers as people read them and as charts take them."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sanqu.ground.i18n import Lang, say

# Digits shown where the author does not say how many.
MOST_DIGITS = 2


def plain(value: Any) -> Any:
    """The value as JSON takes it; what no number is, is none."""
    match value:
        case Decimal():
            # Sums of whole numbers come as decimals without digits.
            return int(value) if value.is_finite() and value.as_tuple().exponent == 0 else plain(float(value))
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.isoformat(sep=" ", timespec="minutes" if value.second == 0 else "seconds")
        case date() | time():
            return value.isoformat()
        case bytes():
            return f"{len(value)} B"
        case dict():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)


def number_of(value: Any) -> float | None:
    """The value as a number, None where it is none."""
    told = plain(value)
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else None


def shown(value: Any, lang: Lang = "zh", digits: int | None = None) -> str:
    """The value as people read it: thousands apart, no more digits than said, a dash for nothing."""
    told = plain(value)
    match told:
        case None | "":
            return "—"
        case bool():
            return say("scenes.yes" if told else "scenes.no", lang)
        case int() if digits is None:
            return f"{told:,}"
        case int() | float():
            return _number(float(told), digits)
        case _:
            return str(told)


def _number(value: float, digits: int | None) -> str:
    if digits is not None:
        return f"{value:,.{digits}f}"
    said = f"{value:,.{MOST_DIGITS if abs(value) >= 0.1 or value == 0 else 4}f}"
    return said.rstrip("0").rstrip(".") if "." in said else said
