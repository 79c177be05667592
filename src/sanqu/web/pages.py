"""The front page, the interfaces page, errors as pages; and the routers of everything else that is the web's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.browse import browse
from sanqu.catalog.records import subjects
from sanqu.ground.city import City
from sanqu.ground.errors import SanquError, not_found
from sanqu.ground.facts import fact
from sanqu.ground.http import Asking, InCity, lang_of
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.pages import add_to_pages, render
from sanqu.ground.people.askers import Asker
from sanqu.web import accounts, admin, ledger, lineage, metrics, network, workbench
from sanqu.web.charts import HomeChart, draw_home_chart
from sanqu.web.menu import menu_of

router = APIRouter(include_in_schema=False)
routers = (router, accounts.router, admin.router, ledger.router, lineage.router, metrics.router, network.router, workbench.router)

COUNTS = """
SELECT (SELECT coalesce(sum(rows), 0) FROM lake_dataset) AS rows,
       (SELECT count(*) FROM org_unit) AS units,
       (SELECT coalesce(max(size), 0) FROM ledger_checkpoint) AS entries,
       (SELECT coalesce(sum(jsonb_array_length(items)), 0) FROM catalog_dataset WHERE state = 'published') AS items
"""
COUNTY_DATASETS = """
SELECT u.code, u.title_zh, u.title_en,
       (SELECT count(*) FROM catalog_dataset d JOIN org_unit o ON o.code = d.unit
        WHERE o.path LIKE u.path || '%%' AND d.state = 'published' AND d.audience && %s) AS n
FROM org_unit u WHERE u.kind = 'county' ORDER BY u.code
"""
NEWEST = 6

add_to_pages("menu", menu_of)


@router.get("/")
def home(request: Request, city: InCity, asker: Asking) -> HTMLResponse:
    """The city at a glance: search, figures, charts, map, subject libraries, what is new."""
    lang = lang_of(request)
    about = fact(city, "city", {})
    newest = browse(city, asker, limit=NEWEST, facets=())
    with city.db.connection() as conn:
        libraries = subjects(conn, tokens_of(asker))
    charts = [HomeChart.model_validate(said) for said in about.get("home") or []]
    return render(
        request,
        "web/home.html",
        about=about,
        title=Text.model_validate(about.get("title", {"zh": "三衢", "en": "Sanqu"})),
        total=newest.total,
        counts=city.db.one(COUNTS),
        newest=[hit.dataset for hit in newest.hits],
        libraries=libraries,
        charts=[(chart, option) for chart in charts if (option := draw_home_chart(city, asker, chart, lang)) is not None],
        map=_county_map(city, asker, lang) if about.get("boundaries") else None,
    )


def _county_map(city: City, asker: Asker, lang: Lang) -> dict[str, Any]:
    """The counties with how many datasets each answers for; a county opens its page."""
    rows = city.db.all(COUNTY_DATASETS, (tokens_of(asker),))
    # The shapes carry Chinese names; a reader of English sees those of the units.
    shown = {str(row["title_zh"]): Text(zh=str(row["title_zh"]), en=str(row["title_en"])).in_(lang) for row in rows}
    data: list[dict[str, Any]] = [{"name": shown[str(row["title_zh"])], "value": int(row["n"])} for row in rows]
    return {
        "map": {"name": "city", "url": "/map/boundaries.geojson"},
        "links": {shown[str(row["title_zh"])]: f"/units/{row['code']}" for row in rows},
        "tooltip": {"trigger": "item"},
        "visualMap": {
            "min": 0, "max": max([1, *(d["value"] for d in data)]), "show": False,
            "inRange": {"color": ["#e3efed", "#5aa69f"]},
        },
        "series": [{
            "type": "map", "map": "city", "data": data, "selectedMode": False, "layoutCenter": ["50%", "50%"], "layoutSize": "108%", "label": {"show": True, "fontSize": 11},
            "nameMap": shown,
            "itemStyle": {"borderColor": "#fff", "borderWidth": 1.2}, "emphasis": {"itemStyle": {"areaColor": "#f0a35a"}},
        }],
    }  # fmt: skip


@router.get("/map/boundaries.geojson")
def boundaries(city: InCity) -> Response:
    """The boundaries of the city's counties, a sketch (示意)."""
    file = fact(city, "city", {}).get("boundaries", "")
    if not file or not Path(file).is_file():
        raise not_found(Text(zh="边界", en="boundary file"), "boundaries")
    return FileResponse(file, media_type="application/geo+json", headers={"Cache-Control": "max-age=3600"})


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """Every interface, with a way to try it."""
    return render(request, "web/docs.html", base=str(request.base_url).rstrip("/"))


def error_page(request: Request, fault: SanquError) -> HTMLResponse:
    """An error as a page: what happened, to which thing, what to do."""
    return render(request, "web/error.html", fault.status, fault=fault)
