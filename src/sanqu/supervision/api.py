"""Supervision over HTTP: draws and results for everybody; plans, draws and inspections for those who carry them out."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from sanqu.ground.clock import now
from sanqu.ground.http import Asking, InCity, Paging, SignedIn
from sanqu.supervision.drawing import all_draws, anchor, commit_draw, draws_of, void_draw
from sanqu.supervision.evidence import verify_file
from sanqu.supervision.figures import figures
from sanqu.supervision.inspections import Wanted, draw_and_open, find_inspection, list_inspections
from sanqu.supervision.plans import find_plan, list_plans, make_plan
from sanqu.supervision.records import Draw, Plan, Result, Rules, State
from sanqu.supervision.registers import list_items
from sanqu.supervision.results import public_results

router = APIRouter(tags=["双随机监管 · Supervision"])


class NewPlan(BaseModel):
    """A plan of inspection: its title and rules."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=120)
    rules: Rules


PLAN = {
    "one": {
        "value": {
            "title": "2026 年第四季度电子信息企业双随机抽查", "rules": {
                "items": ["registration", "annual-report", "waste"], "teams": [{"unit": "3308-sjj", "count": 2}, {"unit": "3308-sthj", "count": 1}],
                "group": "county", "each": 3, "kinds": ["C39"],
            },
        }
    }
}  # fmt: skip


WORD = {"one": {"value": {"witness": "2026-11-27 06 17 23"}}}
WHY = {"one": {"value": {"reason": "名单漏了江山市的企业 · firms of one county were missing"}}}


class Word(BaseModel):
    """The word of a witness, said after the commitment."""

    model_config = ConfigDict(extra="forbid")

    witness: str = Field(default="", max_length=200)


class Why(BaseModel):
    """Why a draw is void."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=5, max_length=1000)


def plan_facts(plan: Plan) -> dict[str, Any]:
    """A plan as JSON."""
    return asdict(plan) | {"rules": plan.rules.model_dump()}


@router.get("/api/supervision/items", summary="抽查事项清单 · Items of inspection")
def items(city: InCity) -> dict[str, Any]:
    """The list of items: which department checks what, on what ground, with which checklist."""
    return {"items": [one.model_dump() for one in list_items(city)]}


@router.get("/api/supervision/draws", summary="抽取记录 · Draws")
def draws(city: InCity, page: Paging) -> dict[str, Any]:
    """All draws of the city, void ones too with the reason, for everybody."""
    found, count = all_draws(city, page.limit, page.offset)
    return {"count": count, "draws": [draw_facts(draw) | {"title": title, "unit": unit} for draw, title, unit in found]}


def draw_facts(draw: Draw) -> dict[str, Any]:
    """A draw as JSON, without who pressed the button."""
    return {name: value for name, value in asdict(draw).items() if name != "committed_by"}


@router.get("/api/supervision/draws/{number}/{round_}", summary="验证文件 · The verify file of a draw")
def one_draw(city: InCity, asker: Asking, number: str, round_: int) -> Response:
    """Everything that anybody needs to repeat a draw; check it with `sanqu supervision verify FILE` or /inspections/draw.py."""
    name = f"{number}-{round_}.json"
    return JSONResponse(verify_file(city, asker, number, round_), headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/api/supervision/results", summary="抽查结果 · Published results")
def results(
    city: InCity, asker: Asking, page: Paging, q: Annotated[str, Query(max_length=100)] = "", result: Result | None = None, since: date | None = None
) -> dict[str, Any]:
    """Published results, the newest first; the dataset of results has them too."""
    found, count = public_results(city, asker, q, result or "", since, page.limit, page.offset)
    return {"count": count, "results": found}


@router.get("/api/supervision/plans", summary="抽查计划 · Plans")
def plans(city: InCity, asker: SignedIn, page: Paging, q: Annotated[str | None, Query(max_length=100)] = None) -> dict[str, Any]:
    """Plans of inspection, the newest first."""
    found, count = list_plans(city, asker, q, page.limit, page.offset)
    return {"count": count, "plans": [plan_facts(one) for one in found]}


@router.post("/api/supervision/plans", summary="制定抽查计划 · Make a plan", status_code=201)
def add_plan(city: InCity, asker: SignedIn, said: Annotated[NewPlan, Body(openapi_examples=PLAN)]) -> dict[str, Any]:
    """Make a plan of inspection; for stewards of the unit in the lead."""
    return plan_facts(make_plan(city, asker, said.title, said.rules))


@router.get("/api/supervision/plans/{number}", summary="一份计划 · One plan")
def one_plan(city: InCity, asker: SignedIn, number: str) -> dict[str, Any]:
    """A plan with all its draws."""
    plan = find_plan(city, asker, number)
    return plan_facts(plan) | {"draws": [draw_facts(one) for one in draws_of(city, plan)]}


@router.post("/api/supervision/plans/{number}/commit", summary="承诺 · Commit to lists and seed")
def commit(city: InCity, asker: SignedIn, number: str) -> dict[str, Any]:
    """Freeze the lists and write the commitment to the ledger; when this answers, it stands under a signed checkpoint."""
    return draw_facts(commit_draw(city, asker, number))


@router.post("/api/supervision/plans/{number}/draw", summary="抽取 · Draw")
def make(city: InCity, asker: SignedIn, number: str, said: Annotated[Word, Body(openapi_examples=WORD)]) -> dict[str, Any]:
    """Draw from what was committed to, with the witness's word; a case of inspection is opened for each drawn target."""
    return draw_facts(draw_and_open(city, asker, number, said.witness))


@router.post("/api/supervision/plans/{number}/void", summary="作废 · Void a draw")
def void(city: InCity, asker: SignedIn, number: str, said: Annotated[Why, Body(openapi_examples=WHY)]) -> dict[str, Any]:
    """Declare the standing draw void, with a reason that is public; refused once visits have begun."""
    return draw_facts(void_draw(city, asker, number, said.reason))


@router.post("/api/supervision/plans/{number}/anchor", summary="存证 · Anchor a commitment")
def anchor_it(city: InCity, asker: SignedIn, number: str) -> dict[str, Any]:
    """Keep the ledger's proof of a commitment, where the commitment was cut off before it had one."""
    plan = find_plan(city, asker, number)
    for one in draws_of(city, plan):
        if not one.anchored:
            anchor(city, number, one.round)
    return {"draws": [draw_facts(one) for one in draws_of(city, plan)]}


@router.get("/api/supervision/inspections", summary="检查清单 · Inspections")
def inspections(
    city: InCity, asker: SignedIn, page: Paging, plan: str | None = None, state: State | None = None, result: Result | None = None,
    county: str | None = None, target: str | None = None, q: Annotated[str | None, Query(max_length=100)] = None,
) -> dict[str, Any]:  # fmt: skip
    """The inspections that the asker's units carry out, the newest first."""
    wanted = Wanted(plan=plan, state=state, result=result, county=county, target=target, text=q)
    found, count = list_inspections(city, asker, wanted, page.limit, page.offset)
    return {"count": count, "inspections": [asdict(one) for one in found]}


@router.get("/api/supervision/inspections/{number}", summary="一次检查 · One inspection")
def one_inspection(city: InCity, asker: SignedIn, number: str) -> dict[str, Any]:
    """An inspection; its case is at /api/cases/{case}, where photos and the signature are."""
    return asdict(find_inspection(city, asker, number))


@router.get("/api/supervision/figures", summary="监管统计 · Figures")
def all_figures(city: InCity, asker: SignedIn) -> dict[str, Any]:
    """Coverage, problems by credit grade, and how often firms were bothered, over 365 days."""
    found = figures(city, asker, now())
    return asdict(found) | {
        "coverage": found.coverage, "grades": [asdict(one) | {"problem_rate": one.problem_rate} for one in found.grades],
        "bothered": [{"times": times, "firms": firms} for times, firms in found.bothered],
    }  # fmt: skip
