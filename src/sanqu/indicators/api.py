"""Indicators over HTTP: `/api/indicators`, one with its revisions, and SDMX."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from sanqu.ground.http import InCity, Paging
from sanqu.indicators.assessment import api as assessment
from sanqu.indicators.compare import compared
from sanqu.indicators.keeping import figures_of, find_indicator, revisions_of, targets_of
from sanqu.indicators.monitor import Watched, watch, watched
from sanqu.indicators.projects import api as projects
from sanqu.indicators.sdmx import data_csv, structure

router = APIRouter(tags=["指标 · Indicators"])
routers = (router, projects.router, assessment.router)

CSV_TYPE = "application/vnd.sdmx.data+csv;version=2.0.0; charset=utf-8"


@router.get("/api/indicators", summary="指标清单 · Indicators and where they stand")
def indicators(city: InCity, page: Paging, standing: str = "", group: str = "") -> dict[str, Any]:
    """Each with its newest figure, what its path asks for, and its last target."""
    found = [one for one in watch(city) if standing in ("", one.outlook.standing) and group in ("", one.indicator.group.zh)]
    return {"total": len(found), "indicators": [_brief(one) for one in found[page.offset : page.offset + page.limit]]}


# Before the one that takes a code, so that no indicator hides them.
@router.get("/api/indicators/sdmx/structure", summary="SDMX 结构 · Structure (SDMX 3.0)")
def sdmx_structure(city: InCity) -> dict[str, Any]:
    """Code lists, concepts, data structure and dataflow as SDMX-JSON."""
    return structure(watch(city))


@router.get("/api/indicators/sdmx/data", summary="SDMX 数据 · Data (SDMX-CSV)", response_class=Response)
def sdmx_data(city: InCity) -> Response:
    """Every figure and target as SDMX-CSV 2.0."""
    return Response(data_csv(watch(city)), media_type=CSV_TYPE)


@router.get("/api/indicators/{code}", summary="一项指标 · One indicator")
def one_indicator(city: InCity, code: str) -> dict[str, Any]:
    """Its definition, figures with whence they came and every revision, targets, and where it stands."""
    indicator = find_indicator(city, code)
    one = watched(indicator, figures_of(city, [code])[code], targets_of(city, [code])[code])
    revisions = revisions_of(city, code)
    figures = [
        {"period": str(seen.period), "value": seen.value, "on_year": seen.on_year, "on_period": seen.on_period, "revisions": revisions[seen.period]}
        for seen in compared(one.values)
    ]
    return _brief(one) | {"definition": indicator.model_dump(mode="json"), "figures": figures}


def _brief(one: Watched) -> dict[str, Any]:
    seen = one.outlook
    return {
        "code": one.indicator.code, "title": one.indicator.title.model_dump(), "unit": one.indicator.unit.model_dump(), "standing": seen.standing,
        "period": None if seen.period is None else str(seen.period), "actual": seen.actual, "expected": seen.expected, "gap": seen.gap,
        "needed_a_year": seen.needed, "grown_a_year": one.growth_a_year,
        "targets": [{"period": str(period), "value": aim.value, "comparator": aim.comparator} for period, aim in sorted(one.targets.items())],
    }  # fmt: skip
