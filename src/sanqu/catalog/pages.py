"""The catalogue's pages: organisations, the open list and its changes, quality with the rows behind it."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.catalog.audience import check_steward, tokens_of
from sanqu.catalog.browse import show
from sanqu.catalog.openlist import diff, entries, open_list, open_lists, publish_open_list
from sanqu.catalog.quality import Measure, measure, quality_of, rows_behind
from sanqu.catalog.reading import may_see_rows
from sanqu.catalog.rules.keeping import delete_rule, rule_of, rules_of, save_rule
from sanqu.catalog.rules.records import KINDS, rules_in
from sanqu.catalog.rules.watch import close_case, evaluate
from sanqu.catalog.search import Ask, search
from sanqu.catalog.units import is_steward, organisations, path_of
from sanqu.ground.facts import fact
from sanqu.ground.http import Asking, InCity, Language, Paging, SignedIn
from sanqu.ground.i18n import Text
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
def unit_list(request: Request, city: InCity, asker: Asking, lang: Language, q: str = "") -> HTMLResponse:
    """The organisations that publish, the largest first; or units found by words."""
    top = str(fact(city, "city", {}).get("code", "")) or None
    with city.db.connection() as conn:
        publishing = [o for o in organisations(conn, tokens_of(asker), by_size=True) if o.datasets]
        counted = conn.execute(BELOW, {"asker": tokens_of(asker), "parent": top}).fetchall()
    found = find_units(city, text=q, limit=FOUND)[0] if q else []
    chart = {
        "tooltip": {"trigger": "item"},
        "series": [{
            "type": "treemap", "color": ["#0f5b57", "#2f7d77", "#4f9a93", "#4f7f86"], "roam": False, "nodeClick": "link", "breadcrumb": {"show": False}, "left": 0, "right": 0,
            "top": 0, "bottom": 0,
            "data": [
                {"name": o.unit.title.in_(lang) or o.unit.code, "value": o.datasets, "link": f"/units/{o.unit.code}", "target": "self"}
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
    found = search(
        city, Ask("", {"state": ["published"], "unit": [code]}, limit=page.limit, offset=page.offset, facets=()), asker
    )
    with city.db.connection() as conn:
        counted = conn.execute(BELOW, {"asker": tokens_of(asker), "parent": code}).fetchall()
    return render(
        request, "catalog/unit.html", unit=here, above=ancestors(city, here), below=children(city, code), found=found,
        page=page, counts={str(row["code"]): int(row["n"]) for row in counted},
    )  # fmt: skip


@router.get("/openlist")
def open_list_page(request: Request, city: InCity, asker: Asking, old: str = "", new: str = "") -> HTMLResponse:
    """The versions of the open list, and what changed between two of them."""
    lists = open_lists(city)
    if len(lists) > 1 and not (old and new):
        old, new = lists[1].label, lists[0].label
    difference = diff(city, old, new) if old and new and old != new else None
    oldest_first = lists[::-1]
    chart = {
        "xAxis": {"type": "category", "data": [version.label for version in oldest_first]},
        "yAxis": {"type": "value"},
        "series": [{"type": "bar", "data": [version.datasets for version in oldest_first], "barMaxWidth": 40}],
    }
    return render(
        request, "catalog/openlist.html", lists=lists, old=old, new=new, difference=difference, chart=chart if lists else None
    )  # fmt: skip


@router.post("/openlist")
def publish_list(city: InCity, asker: SignedIn, label: Annotated[str, Form()]) -> Response:
    """Publish what is open now as a version."""
    publish_open_list(city, label, asker)
    return RedirectResponse("/openlist", 303)


@router.get("/openlist/{label}.csv")
def open_list_csv(city: InCity, lang: Language, label: str) -> Response:
    """One version as a file."""
    out = io.StringIO("\ufeff")
    out.seek(1)
    writer = csv.writer(out)
    writer.writerow(["name", "title", "unit", "opening", "grade", "items"])
    for entry in entries(city, open_list(city, label)):
        items = "、".join(str(item["name"]) for item in entry.entry.get("items", []))
        unit_title = Text.model_validate(entry.entry.get("unit_title", "")).in_(lang) or str(entry.entry.get("unit", ""))
        row = [entry.name, entry.title.in_(lang), unit_title, entry.entry.get("opening"), entry.entry.get("grade"), items]
        writer.writerow([f"'{cell}" if str(cell)[:1] in tuple("=+-@\t\r") else cell for cell in row])
    headers = {"Content-Disposition": 'attachment; filename="openlist.csv"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/datasets/{name}/quality")
def quality_part(request: Request, city: InCity, asker: Asking, name: str) -> Response:
    """The quality of a dataset: score, measures, and each figure with the way to its rows."""
    dataset = show(city, name, asker)
    if "HX-Request" not in request.headers:
        # Opened by itself it is a part without its page.
        return RedirectResponse(f"/datasets/{name}?tab=quality", 303)
    return render(
        request, "catalog/quality.html", dataset=dataset, quality=quality_of(city, dataset),
        may_steward=is_steward(city, dataset, asker), may_see=may_see_rows(city, asker, dataset.name),
        rules=rules_of(city, dataset.contract or dataset.name), kinds=KINDS,
    )  # fmt: skip


@router.post("/datasets/{name}/rules")
def make_rule(city: InCity, asker: SignedIn, name: str, text: Annotated[str, Form(max_length=10_000)]) -> Response:
    """Make rules as their TOML says, and ask them."""
    dataset = show(city, name, asker)
    for rule in rules_in(text, dataset.contract or dataset.name):
        evaluate(city, save_rule(city, rule, asker))
    return RedirectResponse(f"/datasets/{name}?tab=quality", 303)


@router.post("/datasets/{name}/rules/{rule}/{act}")
def act_on_rule(city: InCity, asker: SignedIn, name: str, rule: str, act: Literal["ask", "delete"]) -> Response:
    """Ask a rule now, or take it away."""
    dataset = show(city, name, asker)
    check_steward(asker, path_of(city, dataset), name)
    if act == "ask":
        evaluate(city, rule_of(city, dataset.contract or dataset.name, rule))
    elif (case := delete_rule(city, dataset.contract or dataset.name, rule, asker)) is not None:
        close_case(city, case)
    return RedirectResponse(f"/datasets/{name}?tab=quality", 303)


@router.post("/datasets/{name}/quality")
def measure_now(city: InCity, asker: SignedIn, name: str) -> Response:
    """Measure the quality of a dataset now."""
    dataset = show(city, name, asker)
    check_steward(asker, path_of(city, dataset), name)
    measure(city, name)
    return RedirectResponse(f"/datasets/{name}?tab=quality", 303)


@router.get("/datasets/{name}/quality/rows")
def quality_rows(
    request: Request, city: InCity, asker: Asking, page: Paging, name: str, measure: Measure, item: str = "", rule: str = ""
) -> HTMLResponse:
    """The rows that a quality figure counts as bad."""
    dataset = show(city, name, asker)
    rows = rows_behind(city, name, measure, item, asker, rule=rule, limit=page.limit, offset=page.offset)
    return render(
        request, "catalog/quality_rows.html", dataset=dataset, rows=rows, measure=measure, item=item, rule=rule, page=page
    )  # fmt: skip
