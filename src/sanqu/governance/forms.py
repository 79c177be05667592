"""What the room's forms and addresses say, read and checked."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from fastapi import Request
from pydantic import ValidationError

from sanqu.governance.events import Wanted
from sanqu.governance.matters import Matter, list_matters
from sanqu.governance.report import Contact, NewEvent
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

LARGEST_FORM = 64_000_000
ON = ("true", "on", "1")


def wanted_of(request: Request) -> Wanted:
    """The filters of a list as an address says them; days are days of the city, the last one to its end. Raises `BadInput`."""
    said = {name: value[:100] for name, value in request.query_params.items()}
    late = {**dict.fromkeys(ON, True), "false": False}.get(said.get("late", "").lower())

    def plain(name: str) -> str | None:
        return said.get(name) or None

    def on(name: str) -> bool:
        return said.get(name, "").lower() in ON

    return Wanted(
        unit=plain("unit"), matter=plain("matter"), state=plain("state"), source=plain("source"), lead=plain("lead"),
        since=_day(said.get("since", "")), until=_day(said.get("until", ""), timedelta(days=1)), late=late, on_time=on("on_time"),
        reopened=on("reopened"), rated=on("rated"), repeated=on("repeated"), alike=on("alike"), text=said.get("q", "").strip() or None,
    )  # fmt: skip


def _day(said: str, more: timedelta = timedelta()) -> datetime | None:
    if not said:
        return None
    try:
        return datetime.combine(datetime.fromisoformat(said).date(), time(), CITY_ZONE) + more
    except (ValueError, OverflowError) as fault:
        raise BadInput(
            "governance.day",
            Text(zh="日期不合规", en="The day does not fit"),
            Text(zh="写成 2026-10-09", en="Write it as 2026-10-09"),
            said[:40],
        ) from fault


async def form_of(request: Request) -> tuple[dict[str, str], list[bytes]]:
    """The texts and the photos of a form; an empty place for a file is none."""
    texts, photos = dict[str, str](), list[bytes]()
    async with request.form(max_part_size=LARGEST_FORM) as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                texts[name] = value
            elif said := await value.read():
                photos.append(said)
    return texts, photos


def new_from(city: City, said: dict[str, str]) -> NewEvent:
    """What a form reports; attributes of the matter are named `a.<code>`. Raises `BadInput` naming what does not fit."""
    matter = said.get("matter", "")
    asked = next((one for one in list_matters(city) if one.code == matter), None)
    given = _attributes(asked, said) if asked else {}
    try:
        return NewEvent(
            matter=matter, text=said.get("text", "").strip(), title=said.get("title", "").strip(),
            urgency="urgent" if said.get("urgency") == "urgent" else "normal", lon=number_in(said, "lon"), lat=number_in(said, "lat"),
            unit=said.get("unit", "").strip() or None, address=said.get("address", ""), attributes=given,
            contact=Contact(name=said.get("contact_name", ""), phone=said.get("contact_phone", "")),
            client_id=said.get("client_id") or None,
        )  # fmt: skip
    except ValidationError as fault:
        place = ".".join(str(part) for part in fault.errors()[0]["loc"])
        raise BadInput(
            "governance.form",
            Text(zh=f"{PLACES.get(place, place)} 没有填好", en=f"{place} is missing or does not fit"),
            Text(zh="补上再提交", en="Fill it in and send it again"),
            place,
        ) from fault


PLACES = {
    "text": "情况说明",
    "title": "标题",
    "address": "地址",
    "matter": "事项",
    "contact.phone": "电话",
    "contact.name": "称呼",
}


def _attributes(matter: Matter, said: dict[str, str]) -> dict[str, Any]:
    return {one.code: said[f"a.{one.code}"] for one in matter.attributes if said.get(f"a.{one.code}", "").strip()}


def number_in(said: dict[str, str], name: str) -> float | None:
    """A number of a form, or None where it was left empty; raises `BadInput`."""
    if not said.get(name, "").strip():
        return None
    try:
        return float(said[name])
    except ValueError as fault:
        raise BadInput(
            "governance.number",
            Text(zh=f"{name} 应是数", en=f"{name} must be a number"),
            Text(zh="如 118.87", en="Such as 118.87"),
            said[name][:40],
        ) from fault
