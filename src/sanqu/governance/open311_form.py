"""The shapes of Open311 GeoReport v2 as JSON and XML: services, definitions, requests, errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import orjson
from fastapi import Response
from lxml import etree

from sanqu.governance.matters import Matter
from sanqu.governance.records import Event
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import SanquError
from sanqu.ground.i18n import Lang, Text

Format = Literal["json", "xml"]
MEDIA: dict[Format, str] = {"json": "application/json; charset=utf-8", "xml": "text/xml; charset=utf-8"}
ATTRIBUTE = re.compile(r"attribute\[([A-Za-z0-9_-]{1,40})\](\[\])?")
# XML knows no control letters besides tab and line ends.
UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def body(format_: Format, said: Any, root: str, item: str = "", status: int = 200) -> Response:
    """`said` as the client wants it: a list becomes `<root><item>…</item></root>`, an object `<root>…</root>`."""
    if format_ == "json":
        return Response(orjson.dumps(said), status, media_type=MEDIA["json"])
    top = etree.Element(root)
    for one in said if isinstance(said, list) else ():
        _fill(etree.SubElement(top, item), one)
    if isinstance(said, Mapping):
        _fill(top, said)
    return Response(etree.tostring(top, xml_declaration=True, encoding="utf-8"), status, media_type=MEDIA["xml"])


# What a list is called inside of an object, and what each of its members is.
MEMBERS = {"attributes": "attribute", "values": "value", "endpoints": "endpoint", "formats": "format"}


def _fill(element: Any, said: Mapping[str, Any]) -> None:
    for name, value in said.items():
        child = etree.SubElement(element, name)
        if isinstance(value, list):
            for one in value:
                member = etree.SubElement(child, MEMBERS[name])
                if isinstance(one, Mapping):
                    _fill(member, one)
                else:
                    member.text = _text(one)
        else:
            child.text = _text(value)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else UNFIT.sub("", str(value))


def errors(format_: Format, status: int, description: str) -> Response:
    """What went wrong, as GeoReport v2 says it: a list of codes with descriptions."""
    return body(format_, [{"code": status, "description": description}], "errors", "error", status)


def fault(format_: Format, said: SanquError, lang: Lang) -> Response:
    """An error of ours in that shape; a sign-in that is missing is a key that is missing."""
    return errors(format_, 403 if said.status == 401 else said.status, said.in_(lang))


def service(matter: Matter, lang: Lang) -> dict[str, Any]:
    """A matter as a service."""
    return {
        "service_code": matter.code, "service_name": matter.title.in_(lang), "description": matter.about.in_(lang),
        "metadata": bool(matter.attributes), "type": "realtime", "keywords": ", ".join(matter.keywords), "group": matter.group.in_(lang),
    }  # fmt: skip


def definition(matter: Matter, lang: Lang) -> dict[str, Any]:
    """What a matter asks besides text and place."""
    return {
        "service_code": matter.code,
        "attributes": [
            {
                "variable": True, "code": one.code, "datatype": one.type, "required": one.required, "datatype_description": None,
                "order": place, "description": one.title.in_(lang),
                **({"values": [{"key": value.key, "name": value.title.in_(lang)} for value in one.values]} if one.values else {}),
            }
            for place, one in enumerate(matter.attributes, 1)
        ],
    }  # fmt: skip


def request_of(event: Event, matter: Matter, agency: Text | None, lang: Lang, whole: bool) -> dict[str, Any]:
    """An event as a request. The public is told no words of the reporter, and the place to about a hundred metres; of private
    matters no place. With `whole`, what was said and where exactly, for those who may see the event."""  # fmt: skip
    near = None if matter.private and not whole else 5 if whole else 3
    shown = near is not None and event.lon is not None and event.lat is not None
    return {
        "service_request_id": event.number, "status": "open" if event.is_open else "closed",
        "status_notes": event.outcome if whole else None, "service_name": matter.title.in_(lang), "service_code": event.matter,
        "description": event.text if whole else None, "agency_responsible": agency.in_(lang) if agency else None, "service_notice": None,
        "requested_datetime": _clock(event.reported), "updated_datetime": _clock(event.changed), "expected_datetime": _clock(event.due),
        "address": event.address if whole else None, "address_id": event.place if whole else event.town, "zipcode": None,
        "lat": round(event.lat or 0, near) if shown else None, "long": round(event.lon or 0, near) if shown else None, "media_url": None,
    }  # fmt: skip


def attributes_in(form: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """What a form says of attributes: `attribute[code]=value`, several as `attribute[code][]`."""
    found: dict[str, Any] = {}
    for name, value in form:
        said = ATTRIBUTE.fullmatch(name)
        if said is None or not isinstance(value, str):
            continue
        if said[2] or said[1] in found:
            before = found.get(said[1], [])
            found[said[1]] = [*(before if isinstance(before, list) else [before]), value]
        else:
            found[said[1]] = value
    return found


def _clock(at: datetime) -> str:
    return at.astimezone(CITY_ZONE).isoformat(timespec="seconds")
