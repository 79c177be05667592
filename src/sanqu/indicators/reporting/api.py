"""Reporting of figures over HTTP: a file with checks, asking units, who owes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field

from sanqu.ground.http import InCity, SignedIn
from sanqu.indicators.projects.keeping import require_staff
from sanqu.indicators.reporting.asking import ask_for, list_owed
from sanqu.indicators.reporting.loading import load, look_at, read_rows

router = APIRouter(prefix="/api/indicators", tags=["指标填报 · Reporting of figures"])


class AskedPeriod(BaseModel):
    """A period of which figures are asked."""

    model_config = ConfigDict(extra="forbid")

    period: str = Field(max_length=10)


@router.get("/reports", summary="谁报了、谁还欠 · Who reported and who owes")
def owed(city: InCity, asker: SignedIn, period: str | None = None) -> list[dict[str, Any]]:
    """What was asked and given, the newest period first."""
    return [asdict(one) for one in list_owed(city, asker, period)]


@router.post("/reports", summary="下发填报 · Ask for figures")
def ask(city: InCity, asker: SignedIn, body: AskedPeriod) -> dict[str, int]:
    """Ask every unit that owes figures, each once."""
    return {"asked": ask_for(city, asker, body.period)}


@router.post("/file", summary="导入文件 · Load a file")
def file(
    city: InCity, asker: SignedIn, content: Annotated[bytes, Body(media_type="text/csv", openapi_examples={"csv": {"value": "code,period,value\ng14,2025,120\n"}})],
    name: Annotated[str, Query(max_length=120)] = "upload.csv", dry: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Keep every figure of a CSV or Excel file (the body), or none; `dry` only looks at it."""
    require_staff(asker)
    if not dry:
        return {"kept": load(city, asker, content, name)}
    looked = look_at(city, read_rows(content, name), name)
    return {"figures": len(looked.figures), "rows": [{"row": one.row, "what": one.what.model_dump(), "bad": one.bad} for one in looked.wrong]}
