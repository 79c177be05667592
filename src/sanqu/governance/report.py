"""Reports an event (上报): from a grid worker, a resident, the hotline, a department, a sensor or an Open311 client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field

from sanqu.cases.deadlines import deadline_of
from sanqu.cases.files import Picture, add_file, read_photo
from sanqu.cases.records import person_label
from sanqu.cases.start import start_case
from sanqu.cases.steps import within
from sanqu.governance.alike import Report, find_earlier, find_same
from sanqu.governance.matters import Matter, Urgency, check_attributes, find_matter
from sanqu.governance.photos import photos_of
from sanqu.governance.places import Place, place_at, place_of_unit
from sanqu.governance.records import COLUMNS, NOBODY, PROCESS, Event, Source, event_from
from sanqu.governance.responsible import responsible_for
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.secrets import fresh_code, plain_code, token_hash

MOST_PHOTOS = 6
# People rate; devices and other offices do not.
RATED: frozenset[Source] = frozenset({"grid", "resident", "hotline"})

ADD = """
INSERT INTO governance_event (number, matter, urgency, source, title, text, reporter, contact, code_hash, address, lon, lat, grid, village,
                              town, county, lead, partners, state, reported, changed, due, maybe, repeat_of, attributes, client_id, sample)
VALUES (%(number)s, %(matter)s, %(urgency)s, %(source)s, %(title)s, %(text)s, %(reporter)s, %(contact)s, %(code_hash)s, %(address)s,
        %(lon)s, %(lat)s, %(grid)s, %(village)s, %(town)s, %(county)s, %(lead)s, %(partners)s, 'reported', %(at)s, %(at)s, %(due)s,
        %(maybe)s, %(repeat_of)s, %(attributes)s, %(client_id)s, %(sample)s)
RETURNING id
"""
BY_CLIENT = f"SELECT {COLUMNS} FROM governance_event e WHERE e.client_id = %s"
ONE = f"SELECT {COLUMNS} FROM governance_event e WHERE e.number = %s"


class Contact(BaseModel):
    """How the reporter can be reached; all of it may be left out."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", max_length=100)
    phone: str = Field(default="", max_length=30)
    email: str = Field(default="", max_length=200)


class NewEvent(BaseModel):
    """What is reported. The place is a point (WGS 84), or a `unit` such as a village, or both are left out.

    `client_id` is made by the reporter's program: the same report sent twice is one event.
    """

    model_config = ConfigDict(extra="forbid")

    matter: str = Field(max_length=40)
    text: str = Field(min_length=1, max_length=4000)
    title: str = Field(default="", max_length=80)
    urgency: Urgency = "normal"
    lon: float | None = None
    lat: float | None = None
    unit: str | None = Field(default=None, max_length=64)
    address: str = Field(default="", max_length=200)
    attributes: dict[str, Any] = {}
    contact: Contact = Contact()
    client_id: str | None = Field(default=None, min_length=8, max_length=64)


@dataclass(frozen=True)
class Reported:
    """The event that was made (or had been, by the same program); `code` is told once to a reporter without an account."""

    event: Event
    code: str | None = None
    again: bool = False


def report_event(
    city: City, asker: Asker, new: NewEvent, source: Source, photos: Sequence[bytes] = (), *, conn: Connection | None = None,
    at: datetime | None = None, sample: bool = False,
) -> Reported:  # fmt: skip
    """Report an event and start its case, in the caller's transaction when `conn` is given (then without photos).

    Photos become files of the case; where nothing else says the place, or no more than a unit, the first photo that does says it.
    A report that is sent again brings the photos that had not arrived.

    The public may report as `resident`; the other sources are for those who hold a role or a key. Raises `NotFound` for a
    matter or unit, `BadInput` for a place outside of the city, attributes or photos that do not fit, `Refused` for a source
    that the asker is not.
    """
    _check_source(asker, source)
    at = at or now()
    if len(photos) > MOST_PHOTOS:
        raise BadInput(
            "governance.photos",
            Text(zh=f"照片多于 {MOST_PHOTOS} 张", en=f"There are more than {MOST_PHOTOS} photos"),
            Text(zh="挑最清楚的几张", en="Choose the clearest"),
        )
    pictures = [read_photo(content) for content in photos]
    new = _with_place(city, new, pictures)
    with within(city, conn) as held:
        before = _sent_before(held, asker, new) if new.client_id is not None else None
        if before is None:
            matter = find_matter(held, new.matter)
            place = _place(city, held, new)
            done = _start(city, held, asker, new, matter, place, source, at, sample)
        else:
            done = Reported(before, again=True)
    for content in photos[len(photos_of(city, done.event)) if done.again and photos else 0 :]:
        # Files of the case, once there is one; who has no account sends them through the city.
        add_file(city, asker if asker.signed_in else SYSTEM, done.event.number, "photo", content, at=at)
    return done


def _with_place(city: City, new: NewEvent, pictures: Sequence[Picture]) -> NewEvent:
    """The report at the place where its first photo says it was taken, where nothing but a unit around it says where."""
    said = next((one for one in pictures if one.lon is not None and one.lat is not None), None)
    if said is None or new.lon is not None or new.lat is not None:
        return new
    try:
        found = place_at(city, said.lon or 0.0, said.lat or 0.0)
    except BadInput:
        # Taken outside of the city.
        return new
    if new.unit and new.unit not in (found.grid, found.village, found.town, found.county):
        return new
    return new.model_copy(update={"lon": said.lon, "lat": said.lat})


def _check_source(asker: Asker, source: Source) -> None:
    if source in ("resident", "open311") or asker.is_staff:
        return
    raise Refused(
        "governance.source",
        Text(zh="以这种来源上报需要在机构任职", en="To report as this source, one must hold a role at a unit"),
        Text(zh="以居民身份上报，或请管理员给一个角色", en="Report as a resident, or ask an administrator for a role"),
        source,
        status=401 if not asker.signed_in else 403,
    )


def _sent_before(conn: Connection, asker: Asker, new: NewEvent) -> Event | None:
    # Two sendings of one report at once are put in a row.
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"governance:{new.client_id}",))
    row = conn.execute(BY_CLIENT, (_client_id(asker, new),)).fetchone()
    return event_from(row) if row else None


def _client_id(asker: Asker, new: NewEvent) -> str | None:
    # Another's number is another number.
    return f"{person_label(asker)}:{new.client_id}" if new.client_id is not None else None


def _place(city: City, conn: Connection, new: NewEvent) -> Place:
    if (new.lon is None) != (new.lat is None):
        raise BadInput(
            "governance.coordinates",
            Text(zh="只有经度或只有纬度", en="Only one of longitude and latitude is given"),
            Text(zh="两个都给，或都不给", en="Give both, or neither"),
        )
    if new.lon is not None and new.lat is not None:
        found = place_at(city, new.lon, new.lat)
        return found if found.finest or new.unit is None else place_of_unit(conn, new.unit, new.lon, new.lat)
    return place_of_unit(conn, new.unit) if new.unit else Place()


def _start(
    city: City, conn: Connection, asker: Asker, new: NewEvent, matter: Matter, place: Place, source: Source,
    at: datetime, sample: bool,
) -> Reported:  # fmt: skip
    attributes = check_attributes(matter, new.attributes)
    who = responsible_for(conn, matter, place)
    reporter = person_label(asker) if asker.signed_in else NOBODY
    point = (place.lon, place.lat) if place.lon is not None and place.lat is not None else None
    said = Report(matter.code, point, f"{new.title} {new.text}", reporter, at)
    maybe = find_same(conn, said)
    days = matter.days_for(new.urgency)
    title = new.title.strip() or _title(matter, new.text)
    data = {
        "matter": matter.code, "urgent": new.urgency == "urgent", "accept_unit": who.accepts, "verify_unit": who.verifies,
        "handle_within": f"{days}wd", "clear": who.leads is not None, "handler": who.leads,
        "partner_a": next(iter(who.joint), None), "partner_b": next(iter(who.joint[1:]), None), "same_as": maybe,
        "asks_rating": source in RATED, **who.decided,
    }  # fmt: skip
    # Who reports without an account does so through the city.
    case = start_case(
        city, asker if asker.signed_in else SYSTEM, PROCESS, title, f"matter:{matter.code}", who.accepts, data, conn=conn, at=at
    )
    code = fresh_code() if reporter == NOBODY else None
    row = conn.execute(
        ADD,
        {
            "number": case.number, "matter": matter.code, "urgency": new.urgency, "source": source, "title": title, "text": new.text.strip(),
            "reporter": reporter, "contact": Jsonb({k: v for k, v in new.contact.model_dump().items() if v}),
            "code_hash": token_hash(plain_code(code)) if code else None, "address": new.address.strip(), "lon": place.lon, "lat": place.lat,
            "grid": place.grid, "village": place.village, "town": place.town, "county": place.county, "lead": who.leads,
            "partners": list(who.joint), "at": at, "due": deadline_of(at, days).due, "maybe": maybe,
            "repeat_of": find_earlier(conn, said), "attributes": Jsonb(attributes), "client_id": _client_id(asker, new), "sample": sample,
        },
    ).fetchone()  # fmt: skip
    assert row is not None
    found = conn.execute(ONE, (case.number,)).fetchone()
    assert found is not None
    return Reported(event_from(found), code)


def _title(matter: Matter, text: str) -> str:
    if matter.private:
        # The title is read by more people than the text.
        return matter.title.zh
    first = text.strip().splitlines()[0][:24]
    return f"{matter.title.zh}：{first}" + ("…" if len(text.strip()) > 24 else "")
