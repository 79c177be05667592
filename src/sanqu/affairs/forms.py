"""What the room's forms and addresses say, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta

from fastapi import Request

from sanqu.affairs.filing import New
from sanqu.affairs.filings import Wanted
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

LARGEST_FORM = 64_000_000
# Fields of the form, photos of materials, materials that the window has seen, the row that was picked of a dataset.
FIELD, PHOTO, SEEN, PICKED = "f.", "m.", "seen.", "pick."


async def form_of(request: Request) -> tuple[dict[str, str], dict[str, bytes]]:
    """The texts and the photos of a form, by name; an empty place for a file is none."""
    texts, photos = dict[str, str](), dict[str, bytes]()
    async with request.form(max_part_size=LARGEST_FORM) as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                texts[name] = value
            elif said := await value.read():
                photos[name] = said
    return texts, photos


def new_from(said: Mapping[str, str], photos: Mapping[str, bytes]) -> New:
    """What a form files."""
    return New(
        {name.removeprefix(FIELD): value for name, value in said.items() if name.startswith(FIELD)},
        {name.removeprefix(PHOTO): value for name, value in photos.items() if name.startswith(PHOTO)},
        frozenset(name.removeprefix(SEEN) for name in said if name.startswith(SEEN)), picked_in(said), said.get("client_id") or None, said.get("agreed") == "true",
    )  # fmt: skip


def picked_in(said: Mapping[str, str]) -> dict[str, int]:
    """Which row of a dataset is meant, where the applicant has several."""
    return {name.removeprefix(PICKED): int(value) for name, value in said.items() if name.startswith(PICKED) and value.isdigit()}


def wanted_of(request: Request) -> Wanted:
    """The filters of a list as an address says them; days are days of the city, the last one to its end. Raises `BadInput`."""
    said = {name: value[:100] for name, value in request.query_params.items()}
    since, until = span_of(said)
    return Wanted(
        thing=said.get("thing") or None, state=said.get("state") or None, channel=said.get("channel") or None, since=since, until=until,
        rated=said.get("rated") == "true", bad=said.get("bad") == "true", text=said.get("q", "").strip() or None,
    )  # fmt: skip


def span_of(said: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """The days `since` and `until` of an address, the last one to its end; raises `BadInput`."""
    return _day(said.get("since", "")), _day(said.get("until", ""), timedelta(days=1))


def _day(said: str, more: timedelta = timedelta()) -> datetime | None:
    if not said:
        return None
    try:
        return datetime.combine(datetime.fromisoformat(said).date(), time(), CITY_ZONE) + more
    except (ValueError, OverflowError) as fault:
        raise BadInput(
            "affairs.day", Text(zh="日期不合规", en="The day does not fit"), Text(zh="写成 2026-10-09", en="Write it as 2026-10-09"), said[:40]
        ) from fault
