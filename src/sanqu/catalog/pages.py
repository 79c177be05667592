"""Organisation pages: the tree of units, and what each answers for."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.search import Ask, search
from sanqu.catalog.units import organisations
from sanqu.ground.facts import fact
from sanqu.ground.http import Asking, InCity, Paging
from sanqu.ground.pages import render
from sanqu.ground.people.units import ancestors, children, find_units, unit

router = APIRouter(include_in_schema=False)

BELOW = """
SELECT u.code, (SELECT count(*) FROM catalog_dataset d JOIN org_unit o ON o.code = d.unit
                WHERE o.path LIKE u.path || '%%' AND d.state = 'published' AND d.audience && %(asker)s) AS n
FROM org_unit u WHERE u.parent IS NOT DISTINCT FROM %(parent)s
"""
FOUND = 60


@router.get("/units")
def unit_list(request: Request, city: InCity, asker: Asking, q: str = "") -> HTMLResponse:
    """The organisations that publish, the largest first; or units found by words."""
    top = str(fact(city, "city", {}).get("code", "")) or None
    with city.db.connection() as conn:
        publishing = [o for o in organisations(conn, tokens_of(asker), by_size=True) if o.datasets]
        counted = conn.execute(BELOW, {"asker": tokens_of(asker), "parent": top}).fetchall()
    found = find_units(city, text=q, limit=FOUND)[0] if q else []
    chart = {
        "tooltip": {"trigger": "item"},
        "series": [{
            "type": "treemap", "roam": False, "nodeClick": "link", "breadcrumb": {"show": False}, "left": 0, "right": 0,
            "top": 0, "bottom": 0,
            "data": [
                {"name": o.unit.title.zh or o.unit.code, "value": o.datasets, "link": f"/units/{o.unit.code}", "target": "self"}
                for o in publishing
            ],
        }],
    }  # fmt: skip
    return render(
        request, "catalog/units.html", q=q, found=found, publishing=publishing, chart=chart if publishing else None,
        below=children(city, top), counts={str(row["code"]): int(row["n"]) for row in counted},
    )  # fmt: skip


@router.get("/units/{code}")
def unit_page(request: Request, city: InCity, asker: Asking, page: Paging, code: str) -> HTMLResponse:
    """One unit: where it stands, what it answers for, what is below it."""
    here = unit(city, code)
    found = search(city, Ask("", {"state": ["published"], "unit": [code]}, limit=page.limit, offset=page.offset, facets=()), asker)
    with city.db.connection() as conn:
        counted = conn.execute(BELOW, {"asker": tokens_of(asker), "parent": code}).fetchall()
    return render(
        request, "catalog/unit.html", unit=here, above=ancestors(city, here), below=children(city, code), found=found,
        page=page, counts={str(row["code"]): int(row["n"]) for row in counted},
    )  # fmt: skip
