"""Messages between processes over NATS: progress, wake-ups, and what a page shows live."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

log = logging.getLogger(__name__)


class Bus:
    """A thread-safe handle on NATS; with an empty `url` it swallows messages (a city without live pages)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def publish(self, subject: str, message: dict[str, Any]) -> None:
        """Send `message` as JSON to whoever listens on `subject` now; never blocks, never raises."""
        if not self.url:
            return
        try:
            loop = self._running_loop()
            asyncio.run_coroutine_threadsafe(self._send(subject, message), loop)
        except Exception:
            log.warning("bus: could not send to %s", subject, exc_info=True)

    async def subscribe(self, subject: str) -> AsyncIterator[dict[str, Any]]:
        """Messages on `subject` (NATS wildcards allowed) from now on, until the caller stops asking."""
        async for _, message in self.subscribe_with_topic(subject):
            yield message

    async def subscribe_with_topic(self, subject: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Like `subscribe`, each message with the subject it came on."""
        if not self.url:
            return
        import nats

        client = await nats.connect(self.url, max_reconnect_attempts=-1)
        try:
            subscription = await client.subscribe(subject)
            async for message in subscription.messages:
                yield message.subject, json.loads(message.data)
        finally:
            await client.close()

    async def _send(self, subject: str, message: dict[str, Any]) -> None:
        import nats

        try:
            if self._client is None or self._client.is_closed:
                self._client = await nats.connect(self.url, max_reconnect_attempts=-1, connect_timeout=2)
            await self._client.publish(subject, json.dumps(message, ensure_ascii=False, default=str).encode())
        except Exception:
            log.warning("bus: could not send to %s", subject, exc_info=True)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._live, args=(self._loop,), name="sanqu-bus", daemon=True)
                self._thread.start()
            return self._loop

    @staticmethod
    def _live(loop: asyncio.AbstractEventLoop) -> None:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        # Without a task, gather would look for a loop of this thread, and there is none.
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    def close(self) -> None:
        """Send what waits and hang up."""
        with self._starting:
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        if self._client is not None:
            try:
                asyncio.run_coroutine_threadsafe(self._client.drain(), loop).result(2)
            except Exception:
                log.debug("bus: closed without drain", exc_info=True)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(3)
