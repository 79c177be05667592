"""Assessment over HTTP: schemes, rounds, the league table with the arithmetic of every point, appeals."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from sanqu.ground.http import InCity, SignedIn
from sanqu.indicators.assessment.appeals import appeal, list_appeals
from sanqu.indicators.assessment.records import Round
from sanqu.indicators.assessment.rounds import (
    close,
    find_round,
    history_of,
    league,
    list_rounds,
    mark,
    open_round,
    publish,
    schemes,
    work_out,
)
from sanqu.indicators.projects.keeping import require_staff

router = APIRouter(prefix="/api/assessment", tags=["考核评价 · Assessment"])


class NewRound(BaseModel):
    """A scheme over a period."""

    model_config = ConfigDict(extra="forbid")

    scheme: str = Field(max_length=40)
    period: str = Field(max_length=10)


class NewMark(BaseModel):
    """Points by hand, with a reason."""

    model_config = ConfigDict(extra="forbid")

    unit: str = Field(max_length=64)
    item: str = Field(max_length=40)
    points: float
    reason: str = Field(max_length=1000)


class NewAppeal(BaseModel):
    """Which point is wrong, and why."""

    model_config = ConfigDict(extra="forbid")

    unit: str = Field(max_length=64)
    item: str = Field(max_length=40)
    reason: str = Field(max_length=1000)


def _told(round_: Round) -> dict[str, Any]:
    return asdict(round_) | {"scheme": round_.scheme.model_dump(mode="json")}


@router.get("/schemes", summary="考核办法 · Schemes")
def list_schemes(city: InCity, asker: SignedIn) -> list[dict[str, Any]]:
    """The schemes of the city pack."""
    require_staff(asker)
    return [one.model_dump(mode="json") for one in schemes(city)]


@router.get("/rounds", summary="考核期 · Rounds")
def rounds(city: InCity, asker: SignedIn) -> list[dict[str, Any]]:
    """The rounds, the newest first."""
    return [_told(one) for one in list_rounds(city, asker)]


@router.post("/rounds", summary="开一轮考核 · Open a round", status_code=201)
def new_round(city: InCity, asker: SignedIn, body: NewRound) -> dict[str, Any]:
    """Open a round as a draft and work it out."""
    return _told(open_round(city, asker, body.scheme, body.period))


@router.get("/rounds/{number}", summary="排名 · The league table")
def one_round(city: InCity, asker: SignedIn, number: int) -> dict[str, Any]:
    """A round with its league table; each point with its arithmetic."""
    round_ = find_round(city, asker, number)
    return _told(round_) | {"league": [asdict(row) for row in league(city, round_)], "appeals": [asdict(one) for one in list_appeals(city, asker, number)]}


@router.get("/rounds/{number}/units/{unit}", summary="一个单位的每一分 · Every point of a unit")
def one_unit(city: InCity, asker: SignedIn, number: int, unit: str) -> dict[str, Any]:
    """Every revision of every point of a unit."""
    round_ = find_round(city, asker, number)
    return {item: [asdict(one) for one in points] for item, points in history_of(city, round_, unit).items()}


@router.post("/rounds/{number}/work-out", summary="重新计算 · Work out anew")
def again(city: InCity, asker: SignedIn, number: int) -> dict[str, int]:
    """Work out every point anew."""
    return {"changed": work_out(city, asker, number)}


@router.post("/rounds/{number}/marks", summary="打分 · Mark by hand", status_code=201)
def new_mark(city: InCity, asker: SignedIn, number: int, body: NewMark) -> dict[str, int]:
    """Give points by hand while it is a draft."""
    return {"id": mark(city, asker, number, body.unit, body.item, body.points, body.reason)}


@router.post("/rounds/{number}/publish", summary="公布 · Publish")
def show(city: InCity, asker: SignedIn, number: int) -> dict[str, Any]:
    """Publish a draft for appeals."""
    return _told(publish(city, asker, number))


@router.post("/rounds/{number}/close", summary="定档 · Let it be final")
def settle(city: InCity, asker: SignedIn, number: int) -> dict[str, Any]:
    """Let a round be final."""
    return _told(close(city, asker, number))


@router.post("/rounds/{number}/appeals", summary="申诉 · Appeal", status_code=201)
def new_appeal(city: InCity, asker: SignedIn, number: int, body: NewAppeal) -> dict[str, str]:
    """Appeal against a point."""
    return {"case": appeal(city, asker, number, body.unit, body.item, body.reason).number}
