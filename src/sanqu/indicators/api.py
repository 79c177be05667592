"""Indicators over HTTP: `/api/indicators`, one with its revisions, and SDMX."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from sanqu.ground.errors import not_found
from sanqu.ground.http import InCity, Paging
from sanqu.ground.i18n import Text
from sanqu.indicators.assessment import api as assessment
from sanqu.indicators.compare import compared
from sanqu.indicators.keeping import figures_of, find_indicator, revisions_of, targets_of
from sanqu.indicators.monitor import Watched, watch, watched
from sanqu.indicators.projects import api as projects
from sanqu.indicators.reporting import api as reporting
from sanqu.indicators.sdmx import AGENCY, FLOW, VERSION, data_csv, data_json, observations, structure
from sanqu.indicators.sdmx_ml import structure_ml

router = APIRouter(tags=["指标 · Indicators"])
# Before the one that takes a code, so that no indicator hides them.
routers = (reporting.router, router, projects.router, assessment.router)

ML_TYPE = "application/vnd.sdmx.structure+xml;version=3.0.0"
STRUCTURE_TYPE = "application/vnd.sdmx.structure+json;version=2.0.0"
JSON_TYPE = "application/vnd.sdmx.data+json;version=2.0.0"
StructureForm = Annotated[Literal["", "json", "ml"], Query(alias="format")]
DataForm = Annotated[Literal["", "csv", "json"], Query(alias="format")]
CSV_TYPE = "application/vnd.sdmx.data+csv;version=2.0.0; charset=utf-8"


@router.get("/api/indicators", summary="指标清单 · Indicators and where they stand")
def indicators(city: InCity, page: Paging, standing: str = "", group: str = "") -> dict[str, Any]:
    """Each with its newest figure, what its path asks for, and its last target."""
    found = [one for one in watch(city) if standing in ("", one.outlook.standing) and group in ("", one.indicator.group.zh)]
    return {"total": len(found), "indicators": [_brief(one) for one in found[page.offset : page.offset + page.limit]]}


# Before the one that takes a code, so that no indicator hides them.
@router.get("/api/indicators/sdmx/structure", summary="SDMX 结构 · Structure (SDMX 3.0)")
def sdmx_structure(request: Request, city: InCity, form: StructureForm = "") -> Response:
    """Code lists, concepts, data structure and dataflow as SDMX-JSON 2.0, or as SDMX-ML 3.0 (`format=ml`, or by `Accept`)."""
    found = watch(city)
    if form == "ml" or (not form and "xml" in request.headers.get("accept", "")):
        return Response(structure_ml(found), media_type=ML_TYPE)
    return Response(orjson.dumps(structure(found)), media_type=STRUCTURE_TYPE)


@router.get("/api/indicators/sdmx/data", summary="SDMX 数据 · Data (SDMX-CSV, SDMX-JSON)", response_class=Response)
def sdmx_data(request: Request, city: InCity, form: DataForm = "") -> Response:
    """Figures and targets as SDMX-CSV 2.0, or as SDMX-JSON 2.0 (`format=json`, or by `Accept`); `c[INDICATOR]=g01,g02`, `c[TIME_PERIOD]=ge:2022` filter."""
    found = watch(city)
    rows = observations(found, _filters(request))
    if form == "json" or (not form and "json" in request.headers.get("accept", "")):
        return Response(orjson.dumps(data_json(found, rows)), media_type=JSON_TYPE)
    return Response(data_csv(rows), media_type=CSV_TYPE)


def _filters(request: Request) -> dict[str, list[str]]:
    """The filters of components, as the REST interface of SDMX 3.0 writes them: `c[FREQ]=A,Q`."""
    return {name[2:-1]: value.split(",") for name, value in request.query_params.items() if name.startswith("c[") and name.endswith("]") and value}


@router.get("/api/sdmx/structure/{kind}/{agency}/{id_}/{version}", summary="SDMX 3.0 REST · Structure", response_class=Response)
def rest_structure(request: Request, city: InCity, kind: str, agency: str, id_: str, version: str, form: StructureForm = "") -> Response:
    """The same under the path of SDMX's REST interface (3.0), where the dataflow is the only one; `*` and `latest` stand for any."""
    _refuse_other(agency, id_, version)
    return sdmx_structure(request, city, form)


@router.get("/api/sdmx/data/dataflow/{agency}/{id_}/{version}", summary="SDMX 3.0 REST · Data", response_class=Response)
def rest_data(request: Request, city: InCity, agency: str, id_: str, version: str, form: DataForm = "") -> Response:
    """Figures and targets under the path of SDMX's REST interface (3.0)."""
    _refuse_other(agency, id_, version)
    return sdmx_data(request, city, form)


def _refuse_other(agency: str, id_: str, version: str) -> None:
    if agency not in (AGENCY, "*") or id_ not in (FLOW, "*", "CONCEPTS", "FREQ", "KIND", "INDICATOR") or version not in (VERSION, "*", "+", "latest", "~"):
        raise not_found(Text(zh="SDMX 结构", en="SDMX artefact"), f"{agency}:{id_}({version})"[:120])


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
