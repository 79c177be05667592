"""The list of datasets with its facets, and the page of one dataset."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.browse import export_csv, show
from sanqu.catalog.licences import licence_of
from sanqu.catalog.records import Dataset, subjects, unit_paths
from sanqu.catalog.search import Ask, Found, Sort, search
from sanqu.catalog.units import units_by_code
from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.http import Asking, InCity, Language, Paging
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.sharing.application_pages import pages as application_pages
from sanqu.sharing.ask_pages import router as ask_router
from sanqu.sharing.law_pages import pages as law_pages
from sanqu.sharing.look import MOST_CATEGORIES, chartable, choose_axes, draw, first_rows
from sanqu.sharing.my_pages import pages as my_pages
from sanqu.sharing.objection_pages import pages as objection_pages
from sanqu.sharing.source_pages import pages as source_pages
from sanqu.sharing.subscribers.pages import pages as subscription_pages
from sanqu.sharing.usage import uses_of
from sanqu.sharing.views import View, view_of

router = APIRouter(include_in_schema=False)

FILTERS = ("subject", "unit", "opening", "format", "grade", "tag", "origin", "sample")
SHOWN_VALUES = 8
TABS = ("preview", "live", "items", "quality", "lineage", "versions", "api")
CONTRACT_VERSIONS = "SELECT version, actor, created FROM lake_contract WHERE name = %s ORDER BY version DESC"
ROWS = "SELECT rows, changed FROM lake_dataset WHERE name = %s"


def _filters(request: Request) -> dict[str, list[str]]:
    return {name: request.query_params.getlist(name) for name in FILTERS if request.query_params.get(name)}


@router.get("/datasets")
def dataset_list(
    request: Request, city: InCity, asker: Asking, page: Paging, q: str = "", sort: Sort = "relevance"
) -> HTMLResponse:
    """Datasets found by words and facets."""
    filters = {"state": ["published"], **_filters(request)}
    found = search(city, Ask(q, filters, sort=sort, limit=page.limit, offset=page.offset, facets=FILTERS), asker)
    names = _value_names(city, asker, found)
    context: dict[str, Any] = {"q": q, "sort": sort, "page": page, "filters": filters, "shown": SHOWN_VALUES}
    partial = request.headers.get("hx-request") == "true" and request.headers.get("hx-target") == "results"
    template = "sharing/results.html" if partial else "sharing/list.html"
    return render(request, template, found=found, names=names, facets=FILTERS, **context)


@router.get("/datasets.csv")
def dataset_list_csv(request: Request, city: InCity, asker: Asking, lang: Language) -> Response:
    """The list as a file."""
    headers = {"Content-Disposition": 'attachment; filename="datasets.csv"'}
    lines = export_csv(city, asker, filters=_filters(request), lang=lang)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def _value_names(city: City, asker: Asker, found: Found) -> dict[str, dict[str, Text]]:
    """Titles for the facet values that are codes: subjects and units."""
    with city.db.connection() as conn:
        codes = {value.value for value in found.facets.get("unit", [])} | {hit.dataset.unit for hit in found.hits}
        units = units_by_code(conn, codes)
        libraries = subjects(conn, tokens_of(asker))
    return {
        "unit": {code: unit.title for code, unit in units.items()},
        "subject": {library.name: library.title for library in libraries},
    }


@router.get("/datasets/{name}")
def dataset_page(
    request: Request,
    city: InCity,
    asker: Asking,
    name: str,
    tab: Annotated[str, Query()] = "preview",
    x: str | None = None,
    y: str | None = None,
) -> HTMLResponse:
    """Everything about one dataset, a tab at a time."""
    dataset = show(city, name, asker)
    uses_of(city).count(dataset.name)
    tab = tab if tab in TABS else "preview"
    view, refusal = _view(city, asker, dataset)
    with city.db.connection() as conn:
        units = units_by_code(conn, [dataset.unit])
        libraries = {library.name: library.title for library in subjects(conn, tokens_of(asker))}
        path = unit_paths(conn, [dataset.unit]).get(dataset.unit, "")
        counted = conn.execute(ROWS, (dataset.contract,)).fetchone() if dataset.contract else None
    context = _tab_context(city, dataset, view, tab, x, y)
    return render(
        request,
        "sharing/dataset.html",
        dataset=dataset,
        tab=tab,
        tabs=TABS if dataset.contract else ("items",) if dataset.items else (),
        view=view,
        refusal=refusal,
        unit=units.get(dataset.unit),
        libraries=libraries,
        rows=int(counted["rows"]) if counted else None,
        changed=counted["changed"] if counted else dataset.modified,
        licence=licence_of(dataset.licence) if dataset.licence else None,
        may_steward=asker.may_steward(path) if path else asker.is_admin,
        base=str(request.base_url).rstrip("/"),
        contract=lake_of(city).contract(dataset.contract) if dataset.contract else None,
        **context,
    )


def _view(city: City, asker: Asker, dataset: Dataset) -> tuple[View | None, SanquError | None]:
    if dataset.contract is None:
        return None, None
    try:
        return view_of(city, asker, dataset.name), None
    except SanquError as refusal:
        return None, refusal


def _tab_context(city: City, dataset: Dataset, view: View | None, tab: str, x: str | None, y: str | None) -> dict[str, Any]:
    """What the chosen tab shows, and nothing that another tab would need."""
    context: dict[str, Any] = {
        "head": [],
        "first": [],
        "axes": None,
        "option": None,
        "categories": 0,
        "most": MOST_CATEGORIES,
        "along": [],
        "numeric": [],
    }
    context |= {"live_key": (), "snapshots": [], "versions": [], "lineage": [], "quality": None}
    if tab == "live" and view is not None:
        context |= _live_context(city, view)
    elif tab == "preview" and view is not None:
        context["head"], context["first"] = first_rows(city, view)
        axes = choose_axes(view.contract, view.items, x, y)
        if axes is not None and context["first"]:
            along, numeric = chartable(view.contract, view.items)
            option, categories = draw(city, view, axes)
            context |= {"axes": axes, "option": option, "categories": categories, "along": along, "numeric": numeric}
    elif tab == "versions" and dataset.contract:
        context["snapshots"] = lake_of(city).snapshots(dataset.contract, 50)
        context["versions"] = city.db.all(CONTRACT_VERSIONS, (dataset.contract,))
    return context


def _live_context(city: City, view: View) -> dict[str, Any]:
    """The first rows, each with its key as the page's script writes it, to find the row that a change is about."""
    head, first = first_rows(city, view)
    key = view.contract.primaryKey if set(view.contract.primaryKey) <= set(head) else ()
    places = [head.index(name) for name in key]
    keys = [orjson.dumps([_key_text(row[place]) for place in places]).decode() if key else "" for row in first]
    return {"head": head, "first": list(zip(keys, first, strict=True)), "live_key": key}


def _key_text(value: Any) -> str:
    said = orjson.loads(orjson.dumps(value, default=str))
    return said if isinstance(said, str) else orjson.dumps(said).decode()


routers = (law_pages, router, ask_router, my_pages, source_pages, application_pages, objection_pages, subscription_pages)
