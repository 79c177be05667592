"""Open311 GeoReport v2 at `/open311/v2`: services, definitions, requests read and posted, tokens; so that existing clients work.

Source: GeoReport v2 of open311.org. Pages of requests are asked for with `page` and `page_size`, as others do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from sanqu.governance.events import VISIBLE, reach_in
from sanqu.governance.forms import LARGEST_FORM, number_in
from sanqu.governance.matters import Matter, list_matters
from sanqu.governance.open311_form import Format, attributes_in, body, definition, errors, fault, request_of, service
from sanqu.governance.records import COLUMNS, Event, event_from
from sanqu.governance.report import Contact, NewEvent, report_event
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import BadInput, Refused, SanquError, not_found
from sanqu.ground.facts import fact
from sanqu.ground.http import InCity, asker_of, base_of, lang_of
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.keys import asker_of_key
from sanqu.sharing.limits import limit_rate

router = APIRouter(prefix="/open311/v2", include_in_schema=False)

MOST, DAYS = 1000, 90
CHANGESET = "2026-11-26T00:00:00+08:00"

LIST = f"""
SELECT {COLUMNS}, coalesce({VISIBLE}, false) AS whole, u.title_zh, u.title_en FROM governance_event e LEFT JOIN org_unit u ON u.code = e.lead
WHERE e.matter = ANY(%(codes)s)
  AND (%(numbers)s::text[] IS NULL OR e.number = ANY(%(numbers)s))
  AND (%(numbers)s::text[] IS NOT NULL OR e.reported >= %(since)s AND e.reported <= %(until)s)
  AND (%(numbers)s::text[] IS NOT NULL OR %(open)s::boolean IS NULL
       OR (e.state IN ('reported','dispatching','handling','verifying')) = %(open)s)
ORDER BY e.reported DESC, e.id DESC LIMIT %(limit)s OFFSET %(offset)s
"""
Answering = Callable[[Asker], Response]


def _answer(request: Request, city: City, format_: str, made: Answering) -> Response:
    """What `made` answers; what goes wrong, in the shape of GeoReport."""
    form: Format = "xml" if format_ == "xml" else "json"
    if format_ not in ("json", "xml"):
        return errors(form, 404, "json, xml")
    try:
        asker = _asker(request, city, request.query_params.get("api_key", ""))
        limit_rate(request, city, asker)
        _check_jurisdiction(city, request.query_params.get("jurisdiction_id", ""))
        return made(asker)
    except SanquError as said:
        return fault(form, said, lang_of(request))


def _asker(request: Request, city: City, key: str) -> Asker:
    if not key:
        return asker_of(request)
    found = asker_of_key(city, key)
    if found is None:
        raise Refused(
            "open311.key",
            Text(zh="api_key 无效", en="The api_key is not known"),
            Text(zh="在“我的密钥”里生成一个", en="Make one under “My keys”"),
        )
    return found


def _check_jurisdiction(city: City, said: str) -> None:
    if said and said != _jurisdiction(city):
        raise not_found(Text(zh="辖区（jurisdiction_id）", en="jurisdiction_id"), said[:80])


def _jurisdiction(city: City) -> str:
    return str(fact(city, "city", {}).get("code", ""))


def _offered(city: City) -> dict[str, Matter]:
    return {one.code: one for one in list_matters(city) if one.public}


@router.get("/discovery.{media}")
def discovery(request: Request, city: InCity, media: str) -> Response:
    """Where the endpoint is and what it speaks."""
    base = base_of(city, request)

    def made(_asker: Asker) -> Response:
        endpoint = {
            "specification": "http://wiki.open311.org/GeoReport_v2", "url": f"{base}/open311/v2", "changeset": CHANGESET,
            "type": "production", "formats": ["text/xml", "application/json"],
        }  # fmt: skip
        said = {"changeset": CHANGESET, "contact": f"{base}/docs", "key_service": f"{base}/me", "endpoints": [endpoint]}
        return body(_form(media), said, "discovery")

    return _answer(request, city, media, made)


def _form(said: str) -> Format:
    return "xml" if said == "xml" else "json"


@router.get("/services.{media}")
def services(request: Request, city: InCity, media: str) -> Response:
    """The matters that may be reported."""
    lang = lang_of(request)
    return _answer(
        request,
        city,
        media,
        lambda _: body(_form(media), [service(one, lang) for one in _offered(city).values()], "services", "service"),
    )


@router.get("/services/{code}.{media}")
def one_service(request: Request, city: InCity, code: str, media: str) -> Response:
    """What a matter asks besides text and place."""

    def made(_asker: Asker) -> Response:
        return body(_form(media), definition(_service(city, code), lang_of(request)), "service_definition")

    return _answer(request, city, media, made)


def _service(city: City, code: str) -> Matter:
    found = _offered(city).get(code)
    if found is None:
        raise not_found(Text(zh="服务（service_code）", en="service_code"), code[:80])
    return found


@router.get("/requests.{media}")
def requests(request: Request, city: InCity, media: str) -> Response:
    """Requests, the newest first: of the last 90 days, or as asked for."""
    return _answer(request, city, media, partial(_listed, request, city, media))


def _listed(request: Request, city: City, format_: str, asker: Asker) -> Response:
    said = request.query_params
    since, until = _span(said.get("start_date", ""), said.get("end_date", ""))
    codes = [one for one in said.get("service_code", "").split(",") if one]
    status = said.get("status", "")
    states = {one for one in status.split(",") if one}
    if not states <= {"open", "closed"}:
        raise _unfit("status", "open, closed")
    numbers = [one for one in said.get("service_request_id", "").split(",") if one] or None
    size = _whole(said.get("page_size", ""), MOST, MOST)
    wanted = {
        "codes": codes, "numbers": numbers[:MOST] if numbers else None, "since": since, "until": until,
        "open": None if len(states) != 1 else "open" in states, "limit": size, "offset": (_whole(said.get("page", ""), 1, 100_000) - 1) * size,
    }  # fmt: skip
    return body(_form(format_), _found(request, city, asker, wanted), "service_requests", "request")


def _found(request: Request, city: City, asker: Asker, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    offered = _offered(city)
    if not set(wanted["codes"]) <= offered.keys():
        raise not_found(Text(zh="服务（service_code）", en="service_code"), ",".join(wanted["codes"])[:80])
    codes = wanted["codes"] or list(offered)
    with city.db.connection() as conn:
        rows = conn.execute(LIST, {**wanted, "codes": codes, **reach_in(conn, asker)}).fetchall()
    lang = lang_of(request)
    return [request_of(event_from(row), offered[row["matter"]], _agency(row), lang, bool(row["whole"])) for row in rows]


def _agency(row: dict[str, Any]) -> Text | None:
    return Text(zh=row["title_zh"], en=row["title_en"]) if row["title_zh"] else None


@router.get("/requests/{number}.{media}")
def one_request(request: Request, city: InCity, number: str, media: str) -> Response:
    """One request."""

    def made(asker: Asker) -> Response:
        at = now()
        wanted = {"codes": [], "numbers": [number], "since": at, "until": at, "open": None, "limit": 1, "offset": 0}
        found = _found(request, city, asker, wanted)
        if not found:
            raise not_found(Text(zh="诉求（service_request_id）", en="service_request_id"), number[:80])
        return body(_form(media), found, "service_requests", "request")

    return _answer(request, city, media, made)


@router.get("/tokens/{token}.{media}")
def one_token(request: Request, city: InCity, token: str, media: str) -> Response:
    """The number for a token. Reports have their number at once here, and it is their token."""

    def made(_asker: Asker) -> Response:
        if city.db.one("SELECT 1 AS one FROM governance_event WHERE number = %s", (token,)) is None:
            raise not_found(Text(zh="令牌", en="token"), token[:80])
        return body(_form(media), [{"service_request_id": token, "token": token}], "service_requests", "request")

    return _answer(request, city, media, made)


@router.post("/requests.{media}")
async def post_request(request: Request, city: InCity, media: str) -> Response:
    """Report something; form-encoded or multipart, with an api_key."""
    try:
        async with request.form(max_part_size=LARGEST_FORM) as form:
            items = [(name, value if isinstance(value, str) else await value.read()) for name, value in form.multi_items()]
    except HTTPException as said:
        return errors(_form(media), said.status_code, str(said.detail))
    return await run_in_threadpool(_answer, request, city, media, partial(_posted, request, city, media, items))


def _posted(request: Request, city: City, format_: str, items: list[tuple[str, str | bytes]], asker: Asker) -> Response:
    said = {name: value for name, value in items if isinstance(value, str)}
    if said.get("api_key"):
        asker = _asker(request, city, said["api_key"])
    if not asker.signed_in:
        raise Refused(
            "open311.key-needed",
            Text(zh="缺少 api_key", en="The api_key is missing"),
            Text(zh="在“我的密钥”里生成一个", en="Make one under “My keys”"),
        )
    _check_jurisdiction(city, said.get("jurisdiction_id", ""))
    photos = [value for name, value in items if isinstance(value, bytes) and value]
    event = report_event(city, asker, _new(city, said, attributes_in(items)), "open311", photos).event
    answer = {"service_request_id": event.number, "service_notice": _notice(event), "account_id": None}
    return body(_form(format_), [answer], "service_requests", "request", 201)


def _notice(event: Event) -> str:
    return f"时限 · Due {event.due.astimezone(CITY_ZONE):%Y-%m-%d %H:%M}"


def _new(city: City, said: dict[str, str], attributes: dict[str, Any]) -> NewEvent:
    if not said.get("service_code"):
        raise _unfit("service_code", "required")
    matter = _service(city, said["service_code"])
    lon, lat = number_in(said, "long"), number_in(said, "lat")
    if lon is None and lat is None and not said.get("address_string") and not said.get("address_id"):
        raise _unfit("lat, long", "lat + long, address_string or address_id")
    name = " ".join(part for part in (said.get("last_name", ""), said.get("first_name", "")) if part)
    words = [said.get("description", "").strip() or matter.title.zh, _link(said.get("media_url", ""))]
    try:
        return NewEvent(
            matter=matter.code, text="\n".join(word for word in words if word), lon=lon, lat=lat,
            unit=said.get("address_id") or None if lon is None else None, address=said.get("address_string", ""), attributes=attributes,
            contact=Contact(name=name, phone=said.get("phone", ""), email=said.get("email", "")),
        )  # fmt: skip
    except ValidationError as wrong:
        first = wrong.errors()[0]
        raise _unfit(".".join(str(part) for part in first["loc"]), str(first["msg"])) from wrong


def _link(said: str) -> str:
    # Nothing is fetched for a stranger; whoever handles it may look.
    return said if said.startswith(("http://", "https://")) and len(said) <= 500 else ""


def _span(start: str, end: str) -> tuple[datetime, datetime]:
    since, until = _moment("start_date", start), _moment("end_date", end)
    span = timedelta(days=DAYS)
    if until is None:
        until = min(since + span, now()) if since else now()
    if since is None:
        since = until - span
    return max(since, until - span), until


def _moment(name: str, said: str) -> datetime | None:
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said.replace(" ", "+"))
        found = found if found.tzinfo else found.replace(tzinfo=CITY_ZONE)
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as wrong:
        raise _unfit(name, "2026-01-01T00:00:00Z") from wrong


def _whole(said: str, otherwise: int, most: int) -> int:
    if not said:
        return otherwise
    if not (said.isascii() and said.isdigit() and 1 <= int(said[:9]) <= most and len(said) < 9):
        raise _unfit("page, page_size", f"1–{most}")
    return int(said)


def _unfit(name: str, fits: str) -> BadInput:
    return BadInput(
        "open311.parameter",
        Text(zh=f"参数 {name} 缺少或不合规", en=f"The parameter {name} is missing or does not fit"),
        Text(zh=f"应为：{fits}", en=f"It should be: {fits}"),
        name,
    )
