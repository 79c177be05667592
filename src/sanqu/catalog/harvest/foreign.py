"""A record of another catalogue in our words, and the cleaning that such records need."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, Protocol

from sanqu.catalog.tokens import CJK
from sanqu.ground.i18n import Text

LONGEST_ABOUT = 20_000
MOST_TAGS = 100
# Raised when what we make of a record changes: every record is then taken in again.
FORM = 1
# Free-text frequencies as portals write them (both scripts) → ISO 8601.
FREQUENCY_WORDS: tuple[tuple[str, str | None], ...] = (
    ("即時", "PT1M"), ("即时", "PT1M"), ("实时", "PT1M"), ("real", "PT1M"), ("continu", "PT1M"), ("分鐘", "PT15M"),
    ("分钟", "PT15M"), ("半小時", "PT30M"), ("每小時", "PT1H"), ("每小时", "PT1H"), ("hour", "PT1H"), ("每日", "P1D"),
    ("每天", "P1D"), ("daily", "P1D"), ("每周", "P7D"), ("每週", "P7D"), ("biweek", "P14D"), ("weekly", "P7D"),
    ("每半月", "P15D"), ("旬", "P10D"), ("雙月", "P2M"), ("每兩月", "P2M"), ("每月", "P1M"), ("monthly", "P1M"),
    ("每季", "P3M"), ("quarter", "P3M"), ("每半年", "P6M"), ("半年", "P6M"), ("semi-annual", "P6M"), ("每年", "P1Y"),
    ("annual", "P1Y"), ("yearly", "P1Y"), ("每兩年", "P2Y"), ("不定期", None), ("irregular", None), ("as needed", None),
)  # fmt: skip


class Unfit(Exception):
    """A record that cannot be taken in, and why."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.reason = Text(zh=zh, en=en)


@dataclass(frozen=True)
class Link:
    """A distribution of a foreign record."""

    url: str
    name: str = ""
    format: str = ""
    mimetype: str = ""
    about: str = ""
    size: int | None = None


@dataclass(frozen=True)
class Foreign:
    """A record of another catalogue in our words."""

    title: Text
    about: Text = Text()
    tags: Sequence[str] = ()
    themes: Sequence[str] = ()
    licence: str = ""
    freshness: str | None = None
    publisher: str = ""
    page: str = ""
    created: datetime | None = None
    modified: datetime | None = None
    links: Sequence[Link] = ()
    items: Sequence[tuple[str, str]] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """A record as the source gave it: its id there, its place in the source, its content; or why it has none."""

    id: str
    place: str
    body: Mapping[str, Any] | None
    fault: Text | None = None

    @property
    def digest(self) -> bytes:
        """A hash of the content: a record whose hash is known has not changed."""
        text = json.dumps([FORM, self.body], ensure_ascii=False, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True)
class Batch:
    """Some records and the position after them; `total` is how many the source says it has."""

    records: Sequence[Raw]
    position: Mapping[str, Any]
    total: int | None = None


class Reader(Protocol):
    """What each kind of source can do."""

    def batches(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Batches from `position` (empty: the start) to the end."""

    def foreign(self, body: Mapping[str, Any]) -> Foreign:
        """A record in our words; raises `Unfit`."""


class _Plain(HTMLParser):
    """Collects the text of HTML, with line ends where blocks end."""

    BLOCKS = frozenset({"p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "ul", "ol", "table"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        if tag in self.BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain(text: object, limit: int = LONGEST_ABOUT) -> str:
    """Text without tags, NUL and needless space, at most `limit` characters."""
    said = str(text or "").replace("\x00", "").replace("\r\n", "\n")
    # Lone surrogates (from JSON escapes) are no text.
    said = said.encode("utf-8", "replace").decode("utf-8")
    if "<" in said and ">" in said:
        parser = _Plain()
        parser.feed(said)
        parser.close()
        said = "".join(parser.parts)
    elif "&" in said:
        said = html.unescape(said)
    said = re.sub(r"[ \t\u00a0]+", " ", said)
    return re.sub(r"\s*\n\s*(\n\s*)*", "\n", said).strip()[:limit]


def bilingual(text: str) -> Text:
    """Text with Chinese characters as zh, other as en."""
    return Text(zh=text) if re.search(f"[{CJK}]", text) else Text(en=text)


def freshness_of(said: object) -> str | None:
    """A free-text frequency as an ISO 8601 duration, or None for none and for irregular ones."""
    text = str(said or "").strip().lower()
    if re.fullmatch(r"p[\dymwdths]+", text):
        return text.upper()
    return next((duration for word, duration in FREQUENCY_WORDS if word in text), None)


def moment(said: object) -> datetime | None:
    """A time as portals write it (ISO, date only, with slashes), in UTC; None for what is none."""
    text = str(said or "").strip().replace("/", "-")
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.astimezone(UTC) if 1900 < at.year < 2200 else None


def tags_of(said: Sequence[object]) -> tuple[str, ...]:
    """Tags without doubles and blanks, of a length that fits."""
    return tuple(dict.fromkeys(tag for one in said if (tag := plain(one, 100))))[:MOST_TAGS]
