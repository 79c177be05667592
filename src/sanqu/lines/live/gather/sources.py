"""Which gatherer brings rows from a kind of live source; pushes and the city's own bus need none."""

from __future__ import annotations

from collections.abc import Callable

from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text
from sanqu.lines.live.gather import bus, feed, jt808, mqtt, mysql, postgres, tail
from sanqu.lines.live.gather.outlet import Gathering
from sanqu.lines.records import Line

GATHERERS: dict[str, Callable[[Gathering], None]] = {
    "postgres": postgres.gather, "mysql": mysql.gather, "mqtt": mqtt.gather, "nats": bus.gather, "tail": tail.gather,
    "feed": feed.gather, "jt808": jt808.gather,
}  # fmt: skip


def needs_gatherer(line: Line) -> bool:
    """Whether somebody must fetch the rows of `line`; others come to its stream by themselves."""
    source = line.source
    return source.kind in GATHERERS and not (source.kind in ("mqtt", "nats") and not source.url)


def broke(name: str, fault: Exception) -> Unavailable:
    """The error for a gatherer that broke in a way nobody expected."""
    said = f"{type(fault).__name__}: {fault}"[:300]
    return Unavailable(
        "live.source-broke",
        Text(zh=f"采集中断：{said}", en=f"Gathering broke off: {said}"),
        Text(zh="会自动重试；日志里有细节", en="It is tried again by itself; the log has the details"),
        name,
    )
