"""Fetches from portals so that nothing can hang: timeouts, a deadline for each answer, a budget for the whole run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from sanqu.ground.errors import BadInput, Unavailable
from sanqu.ground.i18n import Text

TRIES = 3
PAUSE_SECONDS = 0.5
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
# The whole of one answer, however slowly it drips.
ANSWER_SECONDS = 120.0


class OutOfTime(Exception):
    """The run's budget is spent; what was taken in stays, the next run goes on."""


class Fetcher:
    """Reads addresses and files within a budget of seconds; `limit` is the most bytes of one answer."""

    def __init__(self, budget: float, limit: int, headers: Mapping[str, str] | None = None) -> None:
        self._until = time.monotonic() + budget
        self._limit = limit
        agent = {"User-Agent": "sanqu-harvest", **(headers or {})}
        self._client = httpx.Client(follow_redirects=True, max_redirects=5, headers=agent)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def check(self) -> None:
        """Raise `OutOfTime` when the budget is spent."""
        if time.monotonic() > self._until:
            raise OutOfTime

    def read(self, url: str, params: Mapping[str, Any] | None = None) -> tuple[bytes, str]:
        """The bytes at an address or of a file, and the content type; raises `Unavailable` or `BadInput`."""
        if not url.lower().startswith(("http://", "https://")):
            return self._file(url), ""
        fault: Unavailable | None = None
        for attempt in range(TRIES):
            self.check()
            if attempt:
                time.sleep(PAUSE_SECONDS * 2**attempt)
            try:
                return self._once(url, params)
            except Unavailable as failed:
                fault = failed
        assert fault is not None
        raise fault

    def json(self, url: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON at an address; raises `BadInput` for what is none."""
        body, _ = self.read(url, params)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as fault:
            start = body[:80].decode("utf-8", "replace")
            raise BadInput(
                "harvest.not-json",
                Text(zh=f"回答不是 JSON，开头是：{start}", en=f"The answer is no JSON, it begins: {start}"),
                Text(zh="核对地址与来源类型", en="Check the address and the kind of the source"),
                url,
            ) from fault

    def _file(self, url: str) -> bytes:
        path = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else Path(url)
        try:
            size = path.stat().st_size
            if size > self._limit:
                raise _too_large(url, self._limit)
            return path.read_bytes()
        except OSError as fault:
            raise Unavailable(
                "harvest.no-file",
                Text(zh=f"读不到文件：{fault.strerror}", en=f"The file cannot be read: {fault.strerror}"),
                Text(zh="核对路径与权限", en="Check the path and the rights"),
                url,
            ) from fault

    def _once(self, url: str, params: Mapping[str, Any] | None) -> tuple[bytes, str]:
        left = max(self._until - time.monotonic(), 1.0)
        deadline = time.monotonic() + min(ANSWER_SECONDS, left)
        timeout = httpx.Timeout(min(READ_SECONDS, left), connect=min(CONNECT_SECONDS, left))
        parts: list[bytes] = []
        size = 0
        try:
            with self._client.stream("GET", url, params=params, timeout=timeout) as answer:
                if answer.status_code >= 400:
                    raise _refused(url, answer.status_code)
                for part in answer.iter_bytes():
                    parts.append(part)
                    size += len(part)
                    if size > self._limit:
                        raise _too_large(url, self._limit)
                    if time.monotonic() > deadline:
                        raise _away(url, "the answer was not complete in time")
                return b"".join(parts), answer.headers.get("content-type", "")
        except httpx.HTTPError as fault:
            raise _away(url, f"{type(fault).__name__}: {fault}") from fault
        except httpx.InvalidURL as fault:
            raise _refused(url, 0) from fault


def _away(url: str, why: str) -> Unavailable:
    return Unavailable(
        "harvest.away",
        Text(zh=f"来源没有回答：{why}", en=f"The source does not answer: {why}"),
        Text(zh="稍后再跑，会从断点继续；若一直如此，请联系来源", en="Run again later, it goes on from here; if it stays so, ask the source"),
        url,
    )


def _refused(url: str, status: int) -> Unavailable | BadInput:
    what = Text(zh=f"来源回答 {status}", en=f"The source answers {status}")
    if status >= 500 or status == 429:
        return Unavailable("harvest.away", what, Text(zh="稍后再跑，会从断点继续", en="Run again later, it goes on from here"), url)
    return BadInput(
        "harvest.refused", what, Text(zh="核对地址与来源类型", en="Check the address and the kind of the source"), url,
        facts={"status": status},
    )  # fmt: skip


def _too_large(url: str, limit: int) -> BadInput:
    return BadInput(
        "harvest.too-large",
        Text(zh=f"回答超过 {limit // 1_048_576} MB", en=f"The answer is larger than {limit // 1_048_576} MB"),
        Text(zh="减小每页条数，或提高 max_download_mb", en="Ask for fewer records a page, or raise max_download_mb"),
        url,
    )
