"""Between cities over HTTP (跨省通办): what this city offers, letters taken; for administrators the partners and the letters sent."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from sanqu.affairs.letters import LARGEST, send_letters
from sanqu.affairs.partners import (
    New,
    Partner,
    fetch_offers,
    find_partner,
    keep_partner,
    letters_sent,
    offered_to_others,
    ourselves,
    partners,
    switch_partner,
)
from sanqu.affairs.receiving import take_letter
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Busy
from sanqu.ground.http import Admin, InCity, Paging
from sanqu.ground.i18n import Text
from sanqu.sharing.limits import Buckets, address_of

router = APIRouter(tags=["跨省通办 · Across cities"])

LETTERS_PER_MINUTE = 600
JSON = "application/json"


class Given(BaseModel):
    """A partner city with the key to pin, as its administrators say it."""

    model_config = ConfigDict(extra="forbid")

    title: Text
    address: str = Field(max_length=300)
    key: str = Field(max_length=200)
    suite: Literal["ed25519-sha256", "sm2-sm3"] = "ed25519-sha256"
    active: bool = True


def partner_facts(one: Partner) -> dict[str, Any]:
    """A partner as JSON."""
    return {**asdict(one), "title": one.title.model_dump(), "suite": one.suite.name, "key": one.key_text}


@router.get("/api/affairs/cross/matters", summary="可以跨省办的事项 · What other cities may file here")
def matters(city: InCity) -> Response:
    """The matters with their guides, forms and materials, sealed with the city's key."""
    return Response(offered_to_others(city), media_type=JSON)


@router.get("/api/affairs/cross/city", summary="本市的代码与公钥 · Who this city is to its partners")
def who(city: InCity) -> dict[str, Any]:
    """Code, name and public key, to be compared with what its administrators say."""
    one = ourselves(city)
    return {"code": one.code, "title": one.title.model_dump(), "suite": one.suite, "key": one.key}


@router.post("/api/affairs/cross/letters", summary="收信 · Take a letter of a partner city")
async def letters(request: Request, city: InCity) -> Response:
    """A sealed letter; the answer is sealed too. One that is not believed is refused with 403, the same letter is answered the same."""
    _limit(request, city)
    said = _parsed(await _read(request))
    return Response(await run_in_threadpool(take_letter, city, said), media_type=JSON)


def _limit(request: Request, city: City) -> None:
    wait = city.part(Buckets, Buckets).take(f"letters:{address_of(request, city)}", LETTERS_PER_MINUTE, time.monotonic())
    if wait > 0:
        raise Busy(
            "affairs.rate", Text(zh="从这个地址来得太快", en="Too many come from this address"),
            Text(zh=f"{math.ceil(wait)} 秒后再试", en=f"Try again in {math.ceil(wait)} s"), facts={"retry_after": math.ceil(wait)},
        )  # fmt: skip


async def _read(request: Request) -> bytes:
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > LARGEST:
            raise BadInput(
                "affairs.letter-size", Text(zh="信太大", en="The letter is too large"), Text(zh=f"至多 {LARGEST // 1_000_000} MB", en=f"At most {LARGEST // 1_000_000} MB"),
                status=413,
            )  # fmt: skip
    return bytes(read)


def _parsed(read: bytes) -> Any:
    try:
        return json.loads(read)
    except (ValueError, RecursionError):
        # Told, and noted in the ledger, where letters are judged.
        return None


@router.get("/api/affairs/cross/partners", summary="伙伴城市 · Partner cities")
def list_partners(city: InCity, _asker: Admin, page: Paging) -> dict[str, Any]:
    """The partner cities with their pinned keys; for administrators."""
    found, count = partners(city, limit=page.limit, offset=page.offset)
    return {"count": count, "partners": [partner_facts(one) for one in found]}


@router.put("/api/affairs/cross/partners/{partner}", summary="登记伙伴城市 · Keep a partner city")
def keep(city: InCity, asker: Admin, partner: str, said: Given) -> dict[str, Any]:
    """Pin its key and fetch what it offers; refused where it signs with another key. `active: false` stops working with it."""
    if not said.active:
        switch_partner(city, asker, partner, False)
        return partner_facts(find_partner(city, partner))
    return partner_facts(keep_partner(city, asker, New(partner, said.title, said.address, said.key, said.suite)))


@router.post("/api/affairs/cross/partners/{partner}/fetch", summary="取回目录 · Fetch what a partner offers")
def fetch(city: InCity, _asker: Admin, partner: str) -> dict[str, Any]:
    """Fetch its catalogue now; what fails stands in `cause`."""
    return partner_facts(fetch_offers(city, partner))


@router.get("/api/affairs/cross/letters", summary="发出的信 · Letters sent")
def sent(city: InCity, _asker: Admin, page: Paging, state: Literal["waiting", "taken", "refused"] | None = None) -> dict[str, Any]:
    """Letters to partners and how they stand, without what they say; for administrators."""
    found, count = letters_sent(city, state, limit=page.limit, offset=page.offset)
    return {"count": count, "letters": [asdict(one) for one in found]}


@router.post("/api/affairs/cross/letters/send", summary="立即发送 · Send what is due")
def send(city: InCity, _asker: Admin) -> dict[str, Any]:
    """Send the letters that are due now; returns how many were taken."""
    return {"taken": send_letters(city)}
