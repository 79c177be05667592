"""Photos of events: files of their cases, shown to those who may see the event, whether or not they know of the case."""

from __future__ import annotations

from uuid import UUID

from sanqu.cases.files import content_of, files_in
from sanqu.cases.history import find_case
from sanqu.governance.records import Event
from sanqu.ground.city import City
from sanqu.ground.errors import NotFound
from sanqu.ground.people.askers import SYSTEM


def photos_of(city: City, event: Event) -> list[UUID]:
    """The photos of an event, the first first; samples of the past have none."""
    try:
        return [one.id for one in files_in(city, find_case(city, SYSTEM, event.number)) if one.kind == "photo"]
    except NotFound:
        return []


def photo_of(city: City, event: Event, id_: UUID) -> tuple[str, bytes]:
    """Media type and content of one photo of an event, for one who may see the event; raises `NotFound`."""
    return content_of(city, find_case(city, SYSTEM, event.number), id_)
