"""Report once over HTTP: the dictionary, requests with their cells, values and corrections, burden."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field

from sanqu.ground.http import InCity, Paging, SignedIn
from sanqu.reporting.figures import Entry, Figure, add_figure, decide_figure, list_figures, require_staff
from sanqu.reporting.requests import Report, burden, cells_of, find_request, list_requests, plan_cells, submit_request
from sanqu.reporting.values import correct_value, history_of

router = APIRouter(tags=["最多报一次 · Report once"])


class NewFigure(BaseModel):
    """A figure, and how it differs from those that look alike."""

    model_config = ConfigDict(extra="forbid")

    figure: Figure
    differs: str = Field(default="", max_length=500)


class Asked(BaseModel):
    """Which figures are asked of which places over which period."""

    model_config = ConfigDict(extra="forbid")

    figures: list[str]
    places: list[str]
    period: str = Field(max_length=10)


class NewRequest(Asked):
    """A form: what is asked, by which unit, on what ground."""

    title: str = Field(max_length=120)
    why: str = Field(max_length=1000)
    unit: str = Field(max_length=64)
    days: int = Field(default=5, ge=1, le=60)


class Correction(BaseModel):
    """What a value should be, and why."""

    model_config = ConfigDict(extra="forbid")

    value: str = Field(max_length=40)
    reason: str = Field(min_length=2, max_length=500)


class Decision(BaseModel):
    """Whether a proposed figure is taken in."""

    model_config = ConfigDict(extra="forbid")

    accept: bool


ASKED = {"figures": ["firms-above-scale"], "places": ["330802005", "330802006"], "period": "2026"}
FIGURE = {"one": {"value": {"figure": {
    "code": "firms-above-scale", "title": {"zh": "规上企业数", "en": "Firms above scale"}, "definition": {"zh": "辖区内规模以上数字经济企业的户数", "en": "Digital-economy firms above scale in the place"},
    "unit": "户", "kind": "year", "whole": True, "source": {"dataset": "enterprises", "place": "town_code", "where": {"above_scale": True}},
}}}}  # fmt: skip
REQUEST = {"one": {"value": {**ASKED, "title": "年度产业情况表", "why": "年度统计分析", "unit": "3308-jxj", "days": 5}}}
PLAN = {"one": {"value": ASKED}}
CORRECTION = {"one": {"value": {"value": "12", "reason": "漏报一户 · one was missing"}}}
DECISION = {"one": {"value": {"accept": True}}}


def entry_facts(one: Entry) -> dict[str, Any]:
    """A figure as JSON."""
    return one.figure.model_dump(mode="json") | {"state": one.state, "differs": one.differs}


def request_facts(one: Report) -> dict[str, Any]:
    """A request as JSON."""
    return asdict(one)


@router.get("/api/reports/figures", summary="指标库 · The dictionary of figures")
def figures(city: InCity, asker: SignedIn) -> dict[str, Any]:
    """Every figure: what it means, where its values come from, its rules."""
    require_staff(asker)
    return {"figures": [entry_facts(one) for one in list_figures(city)]}


@router.post("/api/reports/figures", summary="新增指标 · Add a figure", status_code=201)
def new_figure(city: InCity, asker: SignedIn, said: Annotated[NewFigure, Body(openapi_examples=FIGURE)]) -> dict[str, Any]:
    """Add a figure; alike ones are named (409) unless it is said how it differs, and the bureau decides on what others propose."""
    return entry_facts(add_figure(city, asker, said.figure, said.differs))


@router.post("/api/reports/figures/{figure}/decision", summary="指标入库 · Decide on a proposed figure")
def decide(city: InCity, asker: SignedIn, figure: str, said: Annotated[Decision, Body(openapi_examples=DECISION)]) -> dict[str, Any]:
    """Take a proposed figure into the dictionary, or refuse it; for the bureau."""
    decide_figure(city, asker, figure, accept=said.accept)
    return {"figure": figure, "accepted": said.accept}


@router.get("/api/reports", summary="报表目录 · The catalogue of forms")
def reports(city: InCity, asker: SignedIn, page: Paging, q: Annotated[str | None, Query(max_length=100)] = None, state: str | None = None) -> dict[str, Any]:
    """Requests, the newest first."""
    found, count = list_requests(city, asker, q, state, page.limit, page.offset)
    return {"count": count, "reports": [request_facts(one) for one in found]}


@router.post("/api/reports/plan", summary="查重 · What would be asked")
def plan(city: InCity, asker: SignedIn, said: Annotated[Asked, Body(openapi_examples=PLAN)]) -> dict[str, Any]:
    """What each cell would be filled from, before anything is submitted: only `asked` cells go to the places."""
    cells, faults = plan_cells(city, asker, said.figures, said.places, said.period)
    return {"cells": [asdict(one) for one in cells], "asked": sum(one.how == "asked" for one in cells), "not_read": [one.model_dump() for one in faults]}


@router.post("/api/reports", summary="提出报表 · Submit a form", status_code=201)
def submit(city: InCity, asker: SignedIn, said: Annotated[NewRequest, Body(openapi_examples=REQUEST)]) -> dict[str, Any]:
    """Submit a form; the bureau lets it in, then places are asked for what the city does not have."""
    return request_facts(submit_request(city, asker, said.title, said.why, said.unit, said.figures, said.places, said.period, said.days))


@router.get("/api/reports/burden", summary="基层负担 · What places were asked and spared")
def burdens(city: InCity, asker: SignedIn) -> dict[str, Any]:
    """Cells asked and saved by place, over all open requests."""
    return {"places": [asdict(one) | {"saved": one.saved} for one in burden(city, asker)]}


@router.get("/api/reports/{number}", summary="一张报表 · One request")
def one_report(city: InCity, asker: SignedIn, number: str) -> dict[str, Any]:
    """A request with its cells as they stand now, corrections too."""
    report = find_request(city, asker, number)
    return request_facts(report) | {"cells": [asdict(one) for one in cells_of(city, report).values()]}


@router.get("/api/reports/values/{figure}/{place}/{period}", summary="数值历史 · A value and its history")
def value(city: InCity, asker: SignedIn, figure: str, place: str, period: str) -> dict[str, Any]:
    """All versions of a value, the newest first."""
    return {"versions": [asdict(one) for one in history_of(city, asker, figure, place, period)]}


@router.post("/api/reports/values/{figure}/{place}/{period}", summary="更正 · Correct a value")
def correct(city: InCity, asker: SignedIn, figure: str, place: str, period: str, said: Annotated[Correction, Body(openapi_examples=CORRECTION)]) -> dict[str, Any]:
    """Correct a reported value; all requests that use it show the new one. For stewards of the place."""
    return asdict(correct_value(city, asker, figure, place, period, said.value, said.reason))
