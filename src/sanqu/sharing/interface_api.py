"""Lookup interfaces over HTTP: `/api/share/{dataset}/{key}`, a batch of keys, and the steward's switch."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.ground.city import City
from sanqu.ground.errors import Busy, SanquError, not_found
from sanqu.ground.http import Asking, InCity, Paging, SignedIn, asker_of, base_of, city_of
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.sharing.ask_api import law_for_steward
from sanqu.sharing.evidence import note_view, rows_left
from sanqu.sharing.interfaces import (
    MOST_KEYS,
    Interface,
    OnRecord,
    interface_of,
    interface_uses,
    list_interfaces,
    look_up,
    may_name_key,
    openapi_of,
    parse_key,
    switch_off,
    switch_on,
    uses_of_interface,
)  # fmt: skip
from sanqu.sharing.limits import Buckets, address_of, limit_rate
from sanqu.sharing.lookups import lookups_of
from sanqu.sharing.views import View, remembered_view, view_of

router = APIRouter(tags=["数据接口 · Interfaces"])

# How long it may take until an interface that was switched off is closed in every process.
REMEMBER_SECONDS = 1.0
INTERFACE = Text(zh="数据接口", en="interface")


class Known:
    """The interfaces this process knows, each for a moment."""

    def __init__(self, _city: City) -> None:
        self._known: dict[str, tuple[float, OnRecord | None]] = {}

    def get(self, dataset: str) -> tuple[bool, OnRecord | None]:
        """Whether it is known, and the interface."""
        at, found = self._known.get(dataset, (0.0, None))
        return at > time.monotonic(), found

    def put(self, dataset: str, found: OnRecord | None) -> None:
        """Remember it."""
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[dataset] = (time.monotonic() + REMEMBER_SECONDS, found)


def _interface(city: City, dataset: str) -> OnRecord:
    known = city.part(Known, Known)
    fresh, found = known.get(dataset)
    if not fresh:
        found = interface_of(city, dataset)
        known.put(dataset, found)
    if found is None or not found.on:
        raise not_found(INTERFACE, dataset)
    return found


def _purpose(request: Request) -> str:
    return request.headers.get("x-sanqu-purpose") or request.query_params.get("_purpose") or ""


def _limit(request: Request, city: City, asker: Asker, record: OnRecord) -> None:
    limit_rate(request, city, asker)
    who = f"share:{record.dataset}:{asker.label if asker.signed_in else address_of(request, city)}"
    wait = city.part(Buckets, Buckets).take(who, record.interface.per_minute, time.monotonic())
    if wait > 0:
        raise Busy(
            "sharing.interface-rate",
            Text(
                zh=f"这个接口每分钟 {record.interface.per_minute} 次",
                en=f"This interface gives {record.interface.per_minute} answers a minute",
            ),
            Text(zh=f"{math.ceil(wait)} 秒后再试", en=f"Try again in {math.ceil(wait)} s"),
            record.dataset,
            facts={"retry_after": math.ceil(wait)},
        )


@router.get("/api/share/{dataset}/openapi.json", summary="接口说明 · The interface as OpenAPI")
def describe(request: Request, city: InCity, asker: Asking, dataset: str) -> dict[str, Any]:
    """The OpenAPI description of one interface, as the asker sees it."""
    view = view_of(city, asker, dataset, _purpose(request))
    return openapi_of(view, _interface(city, dataset), base_of(city, request))


@router.get("/api/share/{dataset}/uses", summary="接口统计 · How an interface is used")
def uses(city: InCity, asker: SignedIn, dataset: str) -> dict[str, Any]:
    """Found, missed and refused lookups of the last week by the hour; for the steward."""
    law_for_steward(city, asker, dataset)
    return {"uses": uses_of_interface(city, dataset)}


@router.get("/api/share/{dataset}/{key:path}", summary="按键查询 · One row by its key", response_class=Response)
async def one_row(request: Request, dataset: str, key: str) -> Response:
    """The row of this key: the items the asker may read, masked as the grant says. Parts of a key are separated by commas."""
    city, began = city_of(request), time.monotonic()
    asker = asker_of(request) if _anonymous(request) else await asyncio.to_thread(asker_of, request)
    view = remembered_view(city, asker, dataset, _purpose(request))
    fresh, record = city.part(Known, Known).get(dataset)
    if fresh and record is not None and record.on and view is not None and _as_it_lies(view):
        return await _one_of_many(request, city, view, record, key, began)
    return await asyncio.to_thread(_one, request, city, asker, dataset, key, began)


def _as_it_lies(view: View) -> bool:
    """Whether the copy can be shown without a look at its rows: everyone may read it, and one item is the key."""
    return view.shared_by_all and view.basis.bare and len(view.law.contract.primaryKey) == 1 and may_name_key(view)


async def _one_of_many(request: Request, city: City, view: View, record: OnRecord, key: str, began: float) -> Response:
    uses = interface_uses(city)
    try:
        _limit(request, city, view.asker, record)
        (value,) = parse_key(view.law.contract, [key])
        found = await lookups_of(city).row(view, value)
    except SanquError:
        uses.count(record.dataset, "refused", began)
        raise
    note_view(city, view, via="interface", items=(), rows=int(found is not None))
    uses.count(record.dataset, "found" if found is not None else "missed", began)
    if found is None:
        raise not_found(Text(zh="这个键的行", en="row of this key"), key)
    return Response(found, media_type="application/json", headers=_keeping(view, record))


def _anonymous(request: Request) -> bool:
    return not any(name in request.headers for name in ("cookie", "authorization", "x-ckan-api-key"))


def _view(city: City, asker: Asker, dataset: str, purpose: str) -> View:
    """On which ground keys may be named: a lookup is a query that names the key."""
    found = remembered_view(city, asker, dataset, purpose) or view_of(city, asker, dataset, purpose)
    return found if may_name_key(found) else view_of(city, asker, dataset, purpose, found.law.contract.primaryKey)


def _one(request: Request, city: City, asker: Asker, dataset: str, key: str, began: float) -> Response:
    record = _interface(city, dataset)
    uses = interface_uses(city)
    try:
        _limit(request, city, asker, record)
        view = _view(city, asker, dataset, _purpose(request))
        rows_left(city, view)
        values = parse_key(view.law.contract, key.split(",") if len(view.law.contract.primaryKey) > 1 else [key])
        found = look_up(city, view, [values])
    except SanquError:
        uses.count(dataset, "refused", began)
        raise
    body = orjson.dumps(found[0], default=str) if found else b""
    note_view(city, view, via="interface", items=view.items, rows=len(found), query=key)
    uses.count(dataset, "found" if found else "missed", began)
    if not found:
        raise not_found(Text(zh="这个键的行", en="row of this key"), key)
    return Response(body, media_type="application/json", headers=_keeping(view, record))


def _keeping(view: View, record: OnRecord) -> dict[str, str]:
    seconds = record.interface.cache_seconds
    kept = f"public, max-age={seconds}" if view.shared_by_all and seconds else "private, no-store"
    return {"Cache-Control": kept, "X-Sanqu-Snapshot": str(record.snapshot or ""), "Access-Control-Allow-Origin": "*"}


class Keys(BaseModel):
    """The keys of a batch: a text or number each, or a list of them for a key of several items."""

    model_config = ConfigDict(extra="forbid")

    keys: list[str | int | float | list[str | int | float]] = Given(min_length=1, max_length=MOST_KEYS)


@router.post("/api/share/{dataset}", summary="批量查询 · Rows by their keys", response_class=Response)
def batch(request: Request, city: InCity, asker: Asking, dataset: str, keys: Annotated[Keys, Body()]) -> Response:
    """The rows of these keys, in no order; keys that are not there are left out."""
    began = time.monotonic()
    record = _interface(city, dataset)
    _limit(request, city, asker, record)
    view = _view(city, asker, dataset, _purpose(request))
    left = rows_left(city, view)
    wanted = keys.keys if left is None else keys.keys[:left]
    values = [parse_key(view.law.contract, [str(part) for part in (key if isinstance(key, list) else [key])]) for key in wanted]
    found = look_up(city, view, values)
    note_view(city, view, via="interface", items=view.items, rows=len(found), query=orjson.dumps(wanted).decode())
    interface_uses(city).count(dataset, "found" if found else "missed", began)
    said = {"rows": found, "asked": len(keys.keys), "found": len(found)}
    return Response(orjson.dumps(said, default=str), media_type="application/json", headers=_keeping(view, record))


@router.get("/api/interfaces", summary="数据接口清单 · Interfaces")
def interfaces(city: InCity, page: Paging) -> dict[str, Any]:
    """The interfaces that are on."""
    found = list_interfaces(city, page.limit, page.offset)
    return {
        "interfaces": [
            {"dataset": one.dataset, "path": f"/api/share/{one.dataset}/{{key}}", "rows": one.rows, "caught_up": one.caught_up}
            for one in found
        ]
    }


@router.put("/api/interfaces/{dataset}", summary="开通数据接口 · Make a lookup interface")
def make(city: InCity, asker: SignedIn, dataset: str, interface: Annotated[Interface, Body()] = Interface()) -> dict[str, Any]:
    """One step from a dataset with a key to a lookup interface; by the steward."""
    law = law_for_steward(city, asker, dataset)
    with city.db.connection() as conn:
        switch_on(conn, asker, dataset, law.contract, interface)
    city.part(Known, Known).put(dataset, interface_of(city, dataset))
    return {"dataset": dataset, "path": f"/api/share/{dataset}/{{key}}", **interface.model_dump()}


@router.delete("/api/interfaces/{dataset}", status_code=204, summary="关闭数据接口 · Close an interface")
def close(city: InCity, asker: SignedIn, dataset: str) -> Response:
    """Close it and drop its copy."""
    law_for_steward(city, asker, dataset)
    with city.db.connection() as conn:
        switch_off(conn, asker, dataset)
    city.part(Known, Known).put(dataset, None)
    return Response(status_code=204)
