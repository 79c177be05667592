"""How much one address or one key may ask for in a minute (限流)."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from ipaddress import ip_address, ip_network

from fastapi import Request

from sanqu.ground.city import City
from sanqu.ground.errors import Busy
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

# Many people of one office share an address, so an address has more tries than one login from it.
TRIES_PER_MINUTE = 10
TRIES_PER_MINUTE_ADDRESS = 30
LONGEST_LOGIN = 100


class Buckets:
    """Token buckets, one per asker, the longest unused forgotten first."""

    MOST = 100_000

    def __init__(self, _city: City) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str, per_minute: int, at: float) -> float:
        """Take one request of `who` at monotonic second `at`; returns 0, or the seconds to wait when none is left."""
        with self._lock:
            left, since = self._left.pop(who, (float(per_minute), at))
            left = min(float(per_minute), left + (at - since) * per_minute / 60.0)
            granted = left >= 1.0
            self._left[who] = (left - 1.0 if granted else left, at)
            if len(self._left) > self.MOST:
                self._left.popitem(last=False)
        return 0.0 if granted else (1.0 - left) * 60.0 / per_minute


def address_of(request: Request, city: City) -> str:
    """The address that asks; from `X-Forwarded-For` only where the city trusts its proxy.

    Of an IPv6 address the first 64 bits: every household has all the others.
    """
    said = request.client.host if request.client else "local"
    if city.settings.trust_proxy:
        said = request.headers.get("x-forwarded-for", "").split(",")[-1].strip() or said
    try:
        address = ip_address(said)
    except ValueError:
        return said
    return str(ip_network((address.packed[:8] + bytes(8), 64))) if address.version == 6 else said


def limit_tries(request: Request, city: City, login: str) -> None:
    """Count one try to sign in, per address and per login from it; raises `Busy` when a guesser has had enough.

    Nothing is counted per login alone: whoever knows a login could then keep its owner out.
    """
    buckets = city.part(Buckets, Buckets)
    at = time.monotonic()
    address = address_of(request, city)
    wait = max(
        buckets.take(f"sign-in:{address}", TRIES_PER_MINUTE_ADDRESS, at),
        buckets.take(f"sign-in:{address}:{login.strip().lower()[:LONGEST_LOGIN]}", TRIES_PER_MINUTE, at),
    )
    if wait > 0:
        seconds = math.ceil(wait)
        raise Busy(
            "people.too-many-tries",
            Text(zh="登录尝试太频繁", en="Too many tries to sign in"),
            Text(zh=f"{seconds} 秒后再试，或请管理员给一个登录链接", en=f"Try again in {seconds} s, or ask for a sign-in link"),
            facts={"retry_after": seconds},
        )


def limit_rate(request: Request, city: City, asker: Asker) -> None:
    """Count one request; raises `Busy` (429, with Retry-After) when the asker has had its share."""
    by_key = asker.key_id is not None
    per_minute = city.settings.rate_per_minute_key if by_key else city.settings.rate_per_minute
    if per_minute == 0:
        return
    who = f"key:{asker.key_id}" if by_key else f"address:{address_of(request, city)}"
    wait = city.part(Buckets, Buckets).take(who, per_minute, time.monotonic())
    if wait > 0:
        seconds = math.ceil(wait)
        raise Busy(
            "sharing.rate",
            Text(zh=f"一分钟内请求超过 {per_minute} 次", en=f"More than {per_minute} requests in a minute"),
            Text(zh=f"{seconds} 秒后再试；用密钥可以更多", en=f"Try again in {seconds} s; with an API key there is more"),
            who,
            facts={"retry_after": seconds, "per_minute": per_minute},
        )
