"""The pages about scenes: those that are installed, and one with all that it is made of."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote, urlencode

import segno
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, SanquError, not_found
from sanqu.ground.http import Asking as Who
from sanqu.ground.http import InCity, Paging, base_of
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.scenes.keeping import find_installed, installed, scene_of, woven_of
from sanqu.scenes.models import Woven, datasets_in, expand, in_order, lineage
from sanqu.scenes.rules import list_alarms, may_see_alarms
from sanqu.scenes.showing.stages import check_open, stages_of

router = APIRouter(include_in_schema=False)

FAULTS = "SELECT what, fault, at FROM scene_seen WHERE scene = %s"
OPEN = "SELECT scene, count(*) AS n FROM scene_alarm WHERE cleared IS NULL GROUP BY scene"


@router.get("/scenes")
def scenes(request: Request, city: InCity, asker: Who) -> HTMLResponse:
    """The scenes that are installed, with the pages that the reader may see."""
    stages = {stage.name: stage for stage in stages_of(city)}
    rows = [(one, stages[one.name].pages_for(asker) if one.name in stages else ()) for one in installed(city)]
    alarms = {row["scene"]: row["n"] for row in city.db.all(OPEN)} if asker.is_staff else {}
    return render(request, "scenes/scenes.html", rows=rows, alarms=alarms, screens=any(page.screens for _, pages in rows for page in pages))


@router.get("/scenes/{name}")
def about(request: Request, city: InCity, asker: Who, page: Paging, name: str, rule: str = "") -> HTMLResponse:
    """One scene: pages, datasets and what they are bound to, models with their lineage, rules, alarms, files."""
    one = find_installed(city, name)
    scene, woven = scene_of(city, one), woven_of(city, one)
    stage = next((each for each in stages_of(city) if each.name == name), None)
    alarms, total = list_alarms(city, asker, name, rule or None, limit=page.limit, offset=page.offset)
    seen = {row["what"]: row for row in city.db.all(FAULTS, (name,))}
    return render(
        request, "scenes/scene.html", one=one, scene=scene, pages=stage.pages_for(asker) if stage else (), models=_models(city, woven), alarms=alarms, total=total, page=page,
        rule=rule, seen=seen, sees_alarms=may_see_alarms(city, asker, name), rules={each.name: each for each in scene.rules},
    )  # fmt: skip


def _models(city: City, woven: Woven) -> list[dict[str, Any]]:
    """Each model with the datasets and columns that it comes from."""
    lake = lake_of(city)
    found = []
    for model in in_order(woven.scene.models):
        try:
            sql = expand(woven, model.sql, model.file)
            contracts = {name: lake.contract(name) for name in datasets_in(sql) if lake.has(name)}
            found.append({"model": model, "datasets": list(contracts), "columns": lineage(sql, contracts)})
        except SanquError:
            found.append({"model": model, "datasets": [], "columns": []})
    return found


@router.get("/scenes/{name}/{page}/qr.svg")
def code_of(request: Request, city: InCity, asker: Who, name: str, page: str) -> Response:
    """The address of a page with its inputs as a QR code (二维码), to be printed on what it is about."""
    stage = next((each for each in stages_of(city) if each.name == name), None)
    if stage is None:
        raise not_found(Text(zh="场景", en="scene"), name[:40])
    check_open(asker, stage.page(page))
    inputs = {key: value for key, value in request.query_params.items() if key in {one.name for one in stage.page(page).inputs}}
    address = f"{base_of(city, request)}/scenes/{quote(name)}/{quote(page)}{'?' + urlencode(inputs) if inputs else ''}"
    out = io.BytesIO()
    try:
        segno.make(address, error="m", micro=False).save(out, kind="svg", scale=6, border=4, xmldecl=True)
    except segno.DataOverflowError as fault:
        raise BadInput("scenes.qr", Text(zh="地址太长，做不成二维码", en="The address is too long for a QR code"), Text(zh="少选几个筛选项", en="Choose fewer inputs"), page[:40]) from fault
    return Response(out.getvalue(), media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})


@router.get("/scenes/{name}/alarms.csv")
def alarms_file(city: InCity, asker: Who, name: str, rule: str = "") -> Response:
    """The alarms of a scene as CSV, for whoever works for the city."""
    return Response("\ufeff" + _alarms_csv(city, asker, name, rule), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}-alarms.csv"'})


def _alarms_csv(city: City, asker: Asker, name: str, rule: str) -> str:

    find_installed(city, name)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("rule", "severity", "message_zh", "message_en", "raised", "seen", "cleared", "times", "case"))
    for one in list_alarms(city, asker, name, rule or None, limit=10_000)[0]:
        writer.writerow((one.rule, one.severity, one.message.zh, one.message.en, one.raised.isoformat(), one.seen.isoformat(), one.cleared.isoformat() if one.cleared else "", one.times, one.case_number or ""))
    return out.getvalue()
