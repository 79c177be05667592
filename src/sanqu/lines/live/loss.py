"""A bus that lost its store (总线丢失): which acknowledged rows may be gone with it is said until a steward has seen to them."""

from __future__ import annotations

from datetime import datetime

from psycopg.types.json import Jsonb

from sanqu.cases.notices import colleagues, tell
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.lines.live.standing import Standing, standing_of
from sanqu.lines.records import Line

# Sources that keep their own log give again whatever the lake does not have.
WITH_LOG = ("postgres", "mysql", "feed", "tail")
NOTE = "UPDATE live_line SET source = source || %s WHERE line = %s"
SETTLE = "UPDATE live_line SET source = source - 'lost' WHERE line = %s AND source ? 'lost' RETURNING line"
LIVE_TODO = Text(
    zh="请发送方把那以后发过的再发一次（带主键的不会重复），办完后在专线页上确认",
    en="Let the senders send again what they sent since then (with a key nothing is doubled), and confirm on the page of the line",
)


def note_loss(city: City, line: Line, waited: int) -> None:
    """Say that the stream of `line` is gone with all that waited in it; `waited` messages are known of.

    Nothing is said of a line whose source gives it all again.
    """
    if line.source.kind in WITH_LOG:
        return
    one, at = standing_of(city, line.name), now()
    since = one.carried or one.changed
    said = {"at": at.isoformat(), "since": since.isoformat(), "waited": waited, "after": int(one.position.get("seq") or 0)}
    steward = lake_of(city).contract(line.dataset).steward
    with city.db.connection() as conn:
        conn.execute(NOTE, (Jsonb({"lost": said}), line.name))
        append(conn, kind="live.bus-lost", actor="system", subject=f"line:{line.name}", facts=said)
        tell(conn, colleagues(conn, steward, "steward"), at, what_is_lost(line.name, said), f"/live/{line.name}")


def what_is_lost(line: str, said: dict[str, object]) -> Text:
    """The loss in words: since when, and how many messages are known to have waited."""
    since = datetime.fromisoformat(str(said["since"])).strftime("%Y-%m-%d %H:%M:%S")
    waited = int(str(said["waited"]))
    zh = f"已知有 {waited:,} 条消息还没有装载" if waited else "没有已知未装载的消息"
    en = f"{waited:,} messages are known to have waited" if waited else "no message is known to have waited"
    return Text(
        zh=f"消息总线丢了 {line} 的存储：{since} 以后收下而没有装载的行可能丢失，{zh}",
        en=f"The bus lost the store of {line}: rows taken since {since} and not carried may be gone; {en}",
    )


def lost_of(one: Standing) -> dict[str, object] | None:
    """What may be lost of a line, until somebody has seen to it."""
    found = one.source.get("lost")
    return dict(found) if found else None


def settle_loss(city: City, line: Line, asker: Asker) -> bool:
    """Somebody has seen to what may be lost; False where nothing was."""
    with city.db.connection() as conn:
        if conn.execute(SETTLE, (line.name,)).fetchone() is None:
            return False
        append(conn, kind="live.loss-settled", actor=asker.label, subject=f"line:{line.name}")
    return True
