"""Who is brought what changes in a dataset (谁在用): open feeds, lookup copies, subscriptions; how each stands, and why one lags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.hub import hub_of
from sanqu.ground.i18n import Text
from sanqu.lake import lake_of
from sanqu.lines.live.watch import Trouble
from sanqu.sharing.subscribers.keeping import place_of, subscriptions_of
from sanqu.sharing.subscribers.records import Subscription

Kind = Literal["feed", "mirror", "webhook", "nats"]

# Changes that nobody delivers for so long are late; copies and deliveries follow within a second.
LATE_SECONDS = 15.0
MOST_SUBSCRIPTIONS = 1_000
NAMES = "SELECT name, contract FROM catalog_dataset WHERE contract = ANY(%s)"
MIRRORS = """
SELECT k.contract, i.dataset, i.snapshot, i.rows, i.fault, l.snapshot > coalesce(i.snapshot, 0) AS behind
FROM sharing_interface i JOIN catalog_dataset k ON k.name = i.dataset JOIN lake_dataset l ON l.name = k.contract
WHERE i.state = 'on' AND k.contract = ANY(%s) ORDER BY i.dataset
"""


@dataclass(frozen=True)
class Reader:
    """One who is told what changes in a dataset; `count` is how many open feeds, or how many deliveries a subscription took.

    `lag` is how old the oldest change is that was not told, in seconds; `state` is flowing, late, stopped or off.
    """

    kind: Kind
    place: str
    state: str
    count: int = 0
    lag: float = 0.0
    dead: int = 0
    number: int | None = None
    person: int | None = None
    trouble: Trouble | None = None


def readers_of(city: City, tables: Iterable[str]) -> dict[str, tuple[Reader, ...]]:
    """Who reads each of these tables of the lake as it changes, those in trouble first; tables that nobody follows are left out."""
    wanted = sorted(set(tables))
    found: dict[str, list[Reader]] = {name: [] for name in wanted}
    tables_of = {str(row["name"]): str(row["contract"]) for row in city.db.all(NAMES, (wanted,))}
    for one in subscriptions_of(city, datasets=list(tables_of), limit=MOST_SUBSCRIPTIONS):
        found[tables_of[one.dataset]].append(_subscriber(one))
    for row in city.db.all(MIRRORS, (wanted,)):
        found[str(row["contract"])].append(_mirror(city, row))
    hub = hub_of(city)
    for name in wanted:
        if feeds := hub.listeners(f"lake.write.{name}"):
            found[name].append(Reader("feed", "", "flowing", feeds))
    return {name: tuple(sorted(held, key=_rank)) for name, held in found.items() if held}


def _rank(one: Reader) -> tuple[bool, bool, str]:
    return one.trouble is None, one.state == "off", one.kind


def _subscriber(one: Subscription) -> Reader:
    state, trouble = _standing(one)
    return Reader(one.kind, place_of(one.target), state, one.deliveries, one.lag, one.dead, one.id, one.person, trouble)


def _standing(one: Subscription) -> tuple[str, Trouble | None]:
    if one.state == "paused":
        return "off", None
    if one.cause:
        return "stopped" if one.state == "stopped" else "late", _told(one.cause, one)
    if one.lag > LATE_SECONDS:
        return "late", _nobody(one.lag)
    if one.dead:
        what = Text(zh=f"有 {one.dead:,} 封死信没有送到", en=f"Deliveries given up: {one.dead:,}")
        last = _told(one.last_fault or {}, one)
        return "late", Trouble(Text(zh=f"{what.zh}：{last.what.zh}", en=f"{what.en}. {last.what.en}"), Text(zh="修好接收方后重投", en="Mend the receiver and send them again"))
    return "flowing", None


def _told(cause: Mapping[str, Any], one: Subscription) -> Trouble:
    unknown = {"zh": "原因没有记下", "en": "no cause was noted"}
    what, todo = cause.get("what", unknown), cause.get("todo", {"zh": "看订阅的页面", "en": "See the page of the subscription"})
    return Trouble(Text.model_validate(what), Text.model_validate(todo), next_try=one.next_try)


def _nobody(lag: float) -> Trouble:
    what = Text(zh=f"变更等了 {lag:,.0f} 秒没有送出", en=f"Changes have waited {lag:,.0f} s")
    return Trouble(what, Text(zh="检查 sanqu live 与网页进程是否在运行", en="Check that sanqu live and the web process run"))


def _mirror(city: City, row: Mapping[str, Any]) -> Reader:
    since = lake_of(city).changed_since(str(row["contract"]), int(row["snapshot"] or 0)) if row["behind"] else None
    lag = max(0.0, (now() - since).total_seconds()) if since else 0.0
    trouble = _nobody(lag) if lag > LATE_SECONDS else None
    if row["fault"]:
        said = row["fault"].get("what")
        what = Text.model_validate(said) if isinstance(said, dict) else Text(zh=f"副本没有跟上：{said}", en=f"The copy could not follow: {said}")
        todo = row["fault"].get("todo") or {"zh": "会自动再试；日志里有细节", "en": "It is tried again by itself; the log has the details"}
        trouble = Trouble(what, Text.model_validate(todo))
    return Reader("mirror", str(row["dataset"]), "late" if trouble else "flowing", int(row["rows"]), lag, trouble=trouble)
