"""Affairs over HTTP: the catalogue, filing, one's filings, certificates checked, what was saved, ratings."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field

from sanqu.affairs.catalogue import Offered, catalogue_of, search
from sanqu.affairs.certificates import verify
from sanqu.affairs.cross_api import router as cross_router
from sanqu.affairs.filing import New, file_at_window, file_online, held_for, subject_of
from sanqu.affairs.filings import Wanted, find_filing, items_for, list_filings, my_filings, shown_values
from sanqu.affairs.materials import asked_of, values_held
from sanqu.affairs.records import Filing, State
from sanqu.affairs.saved import Rated, Saved, ratings, saved
from sanqu.affairs.subsidies import PUBLIC_STATES, Award, Standing, awards_of, draw, find_programme, programmes
from sanqu.cases.forms import form_schema
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.http import InCity, InPerson, Paging, SignedIn
from sanqu.sharing.my_data import Identity, consent_to

router = APIRouter(tags=["办事 · Services"])


def routers() -> tuple[APIRouter, ...]:
    """The room's interfaces."""
    return cross_router, router


class Sent(BaseModel):
    """What is filed. `picked` says which row of a dataset is meant; `client_id` makes what is sent twice one filing; `agreed` consents
    to sending it to the city that handles it.
    """

    model_config = ConfigDict(extra="forbid")

    form: dict[str, Any] = Field(default_factory=dict)
    picked: dict[str, int] = Field(default_factory=dict)
    client_id: str | None = Field(default=None, max_length=60)
    agreed: bool = False


class SentAtWindow(Sent):
    """What the window files for a person whose ID card it has seen; `seen` are the codes of papers whose originals it has seen."""

    id_number: str = Field(max_length=64)
    seen: list[str] = Field(default_factory=list)


EXAMPLE = {"one": {"value": {"form": {"reason": "贷款 · a loan"}, "client_id": "4f1c"}}}
AT_WINDOW = {"one": {"value": {"id_number": "990802199908080001", "form": {"reason": "贷款 · a loan"}, "seen": ["id-card"]}}}


def thing_facts(one: Offered) -> dict[str, Any]:
    """A thing as JSON, with its form as JSON Schema."""
    return one.thing.model_dump() | {
        "matters": [matter.code for matter in one.matters], "legal_days": one.legal_days, "visits_before": one.visits_before,
        "form": form_schema([item.as_field() for item in one.items]), "sources": {item.name: item.source for item in one.items if item.source},
        "materials": [material.model_dump() for material in one.materials],
    }  # fmt: skip


def filing_facts(filing: Filing) -> dict[str, Any]:
    """A filing as JSON in lists: without what it says of a person."""
    said = asdict(filing) | {"lamp": filing.lamp(now()), "fields_held": filing.fields_held, "papers_held": filing.papers_held, "papers_asked": filing.papers_asked}
    return {name: value for name, value in said.items() if name not in ("form", "subject", "holder", "materials", "origins")}


@router.get("/api/affairs/matters", summary="事项目录 · Matters with their guides")
def matters(city: InCity) -> dict[str, Any]:
    """Every matter: who may apply, legal basis, materials and their rules, days, visits, fee, result."""
    return {"matters": [one.model_dump() for one in catalogue_of(city).matters.values()]}


@router.get("/api/affairs/things", summary="可以办的事 · What may be filed")
def things(city: InCity, q: Annotated[str, Query(max_length=100)] = "", who: Literal["person", "enterprise"] | None = None) -> dict[str, Any]:
    """Things, and matters of their own, that have every word of `q`."""
    return {"things": [thing_facts(one) for one in search(catalogue_of(city).offered(), q, who or "")]}


@router.get("/api/affairs/things/{code}", summary="一件事 · One thing")
def one_thing(city: InCity, code: str) -> dict[str, Any]:
    """A thing with its form as JSON Schema and its materials."""
    return thing_facts(catalogue_of(city).find(code))


@router.post("/api/affairs/things/{code}/consent", status_code=201, summary="同意取数 · Consent to being read for this")
def consent(city: InCity, asker: InPerson, code: str) -> dict[str, Any]:
    """Consent to the city filling the form from what it holds; needs a session, not a key."""
    offered = catalogue_of(city).find(code)
    return {"datasets": consent_to(city, asker, offered.datasets, offered.code, subject_of(city, asker, offered))}


@router.get("/api/affairs/things/{code}/held", summary="城市已知的 · What the form is filled with")
def held(city: InCity, asker: SignedIn, code: str) -> dict[str, Any]:
    """What the city holds of the asker for this form, and how each material stands; nothing without consent."""
    offered = catalogue_of(city).find(code)
    found = held_for(city, offered, subject_of(city, asker, offered))
    form = values_held(offered, found)
    asked = asked_of(offered, found, form, now().astimezone(CITY_ZONE).date())
    return {"form": form, "materials": {one.material.code: {"how": one.how, "by": one.by} for one in asked}}


@router.post("/api/affairs/things/{code}/filings", status_code=201, summary="申报 · File a thing")
def file_it(city: InCity, asker: SignedIn, code: str, said: Annotated[Sent, Body(openapi_examples=EXAMPLE)]) -> dict[str, Any]:
    """File it for oneself; fields left out take what the city holds. What does not fit is named with 400, each field and material."""
    return filing_facts(file_online(city, asker, code, New(said.form, {}, frozenset(), said.picked, said.client_id, said.agreed)).filing)


@router.post("/api/affairs/window/{code}", status_code=201, summary="窗口申报 · File at the window")
def file_at(city: InCity, asker: SignedIn, code: str, said: Annotated[SentAtWindow, Body(openapi_examples=AT_WINDOW)]) -> dict[str, Any]:
    """File for a person at the window; the answer holds a follow-up code, once, where they have no account."""
    new = New(said.form, {}, frozenset(said.seen), said.picked, said.client_id, said.agreed)
    who = catalogue_of(city).find(code).thing.who
    filed = file_at_window(city, asker, code, Identity(who, said.id_number.strip().upper()), new)
    return filing_facts(filed.filing) | {"code": filed.code}


@router.get("/api/affairs/filings", summary="申办件 · Filings")
def filings(
    city: InCity, asker: SignedIn, page: Paging, mine: bool = True, thing: str | None = None, state: State | Literal["open"] | None = None,
    since: datetime | None = None, until: datetime | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What the asker has filed; with `mine=false`, all of them, for the window."""
    if mine:
        found, count = my_filings(city, asker, limit=page.limit, offset=page.offset)
    else:
        wanted = Wanted(thing=thing, state=state, since=since, until=until)
        found, count = list_filings(city, asker, wanted, limit=page.limit, offset=page.offset)
    return {"count": count, "filings": [filing_facts(one) for one in found]}


@router.get("/api/affairs/filings/{number}", summary="一件申办件 · One filing")
def one_filing(city: InCity, asker: SignedIn, number: str) -> dict[str, Any]:
    """A filing with the fields that its reader may see, and how each material was met."""
    filing = find_filing(city, asker, number)
    items = items_for(city, asker, filing, catalogue_of(city).find(filing.thing))
    return filing_facts(filing) | {
        "form": shown_values(items, filing), "origins": {item.name: filing.origins[item.name] for item in items if item.name in filing.origins},
        "materials": filing.materials,
    }  # fmt: skip


@router.get("/api/affairs/certificates/{number}", summary="核验证照 · Check a certificate")
def certificate(city: InCity, number: str, code: str = "") -> dict[str, Any]:
    """Whether it is genuine and in force; what stands on it, with the code of its QR address."""
    checked = verify(city, number, code)
    body = checked.certificate.body
    return {
        "number": number, "genuine": checked.genuine, "state": checked.state, "title": body["title"], "unit": body["unit"], "issued": body["issued"],
        "until": body["until"], **checked.shown,
    }  # fmt: skip


def saved_facts(one: Saved) -> dict[str, Any]:
    """What was saved as JSON."""
    return asdict(one) | {"days_saved": one.days_saved, "visits_saved": one.visits_saved}


@router.get("/api/affairs/saved", summary="省了多少 · What was saved")
def what_was_saved(city: InCity, since: datetime | None = None, until: datetime | None = None) -> dict[str, Any]:
    """Time, papers, fields and visits saved, all in all and by thing, with what they are counted from."""
    whole, rows = saved(city, since, until)
    return {"whole": saved_facts(whole), "things": [saved_facts(one) for one in rows]}


def rated_facts(one: Rated) -> dict[str, Any]:
    """Ratings as JSON."""
    return asdict(one) | {"good_share": one.good_share}


@router.get("/api/affairs/ratings", summary="好差评 · Ratings")
def how_rated(city: InCity, by: Literal["thing", "unit"] = "thing", since: datetime | None = None, until: datetime | None = None) -> dict[str, Any]:
    """How filings were rated, by thing or by unit, and what became of bad ratings."""
    return {"ratings": [rated_facts(one) for one in ratings(city, by, since, until)]}


def programme_facts(one: Standing) -> dict[str, Any]:
    """A programme as JSON; amounts in yuan."""
    said = one.programme.model_dump(exclude={"sql", "grants"})
    return said | {"drawn": one.drawn, "candidates": one.candidates, "eligible": one.eligible, "bound": one.bound, "left": one.left, "paid": one.paid}


def award_facts(one: Award) -> dict[str, Any]:
    """A published award as JSON."""
    return {name: value for name, value in asdict(one).items() if name not in ("offered", "confirmed")}


@router.get("/api/affairs/programmes", summary="惠企直达政策 · Programmes of subsidies without applying")
def list_programmes(city: InCity) -> dict[str, Any]:
    """Every programme with its budget and what is bound and paid of it."""
    return {"programmes": [programme_facts(one) for one in programmes(city)]}


@router.get("/api/affairs/programmes/{code}/awards", summary="公示名单 · Published awards")
def published(city: InCity, page: Paging, code: str) -> dict[str, Any]:
    """The awards of a programme from publication on, with the facts and the rule that they rest on."""
    find_programme(city, code)
    found, count = awards_of(city, code, PUBLIC_STATES, limit=page.limit, offset=page.offset)
    return {"count": count, "awards": [award_facts(one) for one in found]}


@router.post("/api/affairs/programmes/{code}/draw", status_code=201, summary="测算并发放 · Work out and offer")
def draw_now(city: InCity, asker: SignedIn, code: str) -> dict[str, Any]:
    """Work out who is eligible, and offer by rank while the budget lasts; for stewards of the programme's unit."""
    return asdict(draw(city, asker, code))
