"""PostgreSQL's replication protocol over libpq: a slot is made, its changes are streamed, what was kept is told back.

Source: PostgreSQL documentation, “Streaming Replication Protocol”. psycopg speaks it no further than libpq does.
"""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Callable, Iterator

from psycopg import conninfo, pq

from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text
from sanqu.lines.live.gather.pgoutput import EPOCH_US

POLL_SECONDS = 0.02
FEEDBACK_SECONDS = 1.0
# How long a slot may still be held by one that was killed.
FREED_SECONDS = 5.0
# Whoever says nothing for so long is asked for a word, and is away when none comes.
ASK_SECONDS, SILENT_SECONDS = 20.0, 45.0


class SlotLost(Exception):
    """The slot is gone, or the log it needs: the table must be loaded anew."""


def lsn_text(lsn: int) -> str:
    """A place in the log as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def lsn_number(said: str) -> int:
    """A place in the log as a number that grows."""
    high, low = said.split("/")
    return (int(high, 16) << 32) | int(low, 16)


class Replication:
    """A connection that speaks the replication protocol."""

    def __init__(self, url: str, thing: str) -> None:
        self._thing = thing
        said = conninfo.make_conninfo(url, replication="database", application_name="sanqu", connect_timeout=10)
        self._conn = pq.PGconn.connect(said.encode())
        if self._conn.status != pq.ConnStatus.OK:
            raise source_away(self._conn.error_message.decode("utf-8", "replace"), thing)
        self._told = 0.0
        self._heard = time.monotonic()

    def close(self) -> None:
        """Hang up."""
        self._conn.finish()

    def query(self, text: str) -> list[tuple[str | None, ...]]:
        """The rows of a command; raises `Unavailable` with what the server said."""
        result = self._conn.exec_(text.encode())
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise source_away(result.error_message.decode("utf-8", "replace"), self._thing)
        return [
            tuple(None if (v := result.get_value(row, column)) is None else v.decode() for column in range(result.nfields))
            for row in range(result.ntuples)
        ]

    def make_slot(self, slot: str) -> tuple[int, str]:
        """Make a slot; gives the place from which it streams, and the snapshot that shows all that came before.

        The snapshot can be used until the next command on this connection.
        """
        row = self.query(f"CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput (SNAPSHOT 'export')")[0]
        return lsn_number(str(row[1])), str(row[2])

    def stream(self, slot: str, publication: str, kept: Callable[[int], int], going: Callable[[], bool]) -> Iterator[bytes | None]:
        """The payloads of the slot as they come, None when none came for a moment; `kept` says up to where they are safe, given
        how far the source has read its log.

        Raises `SlotLost`, `Unavailable`.
        """
        start, end = kept(0), 0
        options = f"proto_version '1', publication_names '{publication}'"
        begin = f"START_REPLICATION SLOT {slot} LOGICAL {lsn_text(start)} ({options})".encode()
        result = self._conn.exec_(begin)
        until = time.monotonic() + FREED_SECONDS
        # Whoever streamed from it was killed a moment ago, and the source has not seen it yet.
        while b"is active for PID" in result.error_message and time.monotonic() < until and going():
            time.sleep(0.05)
            result = self._conn.exec_(begin)
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise self._broken(result.error_message.decode("utf-8", "replace"))
        while going():
            size, data = self._conn.get_copy_data(1)
            if size > 0:
                self._heard = time.monotonic()
                said = bytes(data)
                if said[:1] == b"w":
                    yield said[25:]
                elif said[:1] == b"k":
                    end = struct.unpack_from(">Q", said, 1)[0]
                    self._answer(kept(end), at_once=said[17:18] == b"\x01")
            elif size == -1:
                ended = self._conn.get_result()
                raise self._broken(ended.error_message.decode("utf-8", "replace") if ended else "the stream ended")
            else:
                yield None
                self._answer(kept(end), at_once=False)
                ready, _, _ = select.select([self._conn.socket], [], [], POLL_SECONDS)
                if ready:
                    try:
                        self._conn.consume_input()
                    except Exception as fault:
                        raise source_away(str(fault), self._thing) from fault

    def _answer(self, kept: int, *, at_once: bool) -> None:
        if not at_once and time.monotonic() - self._told < FEEDBACK_SECONDS:
            return
        self._told = time.monotonic()
        silent = self._told - self._heard
        if silent > SILENT_SECONDS:
            raise source_away(f"silent for {silent:.0f} s", self._thing)
        clock = int(time.time() * 1_000_000) - EPOCH_US
        try:
            self._conn.put_copy_data(struct.pack(">cQQQqB", b"r", kept, kept, kept, clock, silent > ASK_SECONDS))
            self._conn.flush()
        except Exception as fault:
            raise source_away(str(fault), self._thing) from fault

    def _broken(self, said: str) -> Exception:
        lost = ("does not exist", "can no longer", "has already been removed", "invalidated", "conflicting recovery")
        if ("replication slot" in said and any(sign in said for sign in lost)) or "has already been removed" in said:
            return SlotLost(said)
        return source_away(said, self._thing)


def source_away(said: str, thing: str) -> Unavailable:
    """The error for a source that does not answer, or will not."""
    shown = said.strip().split("\n")[0][:300]
    wants_wal = "wal_level" in said
    return Unavailable(
        "live.source-away",
        Text(zh=f"来源数据库不给出变更：{shown}", en=f"The source gives no changes: {shown}"),
        Text(
            zh="把来源的 wal_level 设为 logical 并重启它" if wants_wal else "检查来源是否在运行、账号有无 REPLICATION 权限；恢复后自动继续",
            en="Set wal_level = logical at the source and restart it" if wants_wal
            else "Check that it runs and that the account has REPLICATION; the line goes on by itself when it is back",
        ),
        thing,
    )  # fmt: skip
