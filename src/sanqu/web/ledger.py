"""The ledger as people read it: newest lines, days at a glance, and the proof of any line."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from sanqu.ground.errors import Refused
from sanqu.ground.http import Asking, InCity
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.ledger.log import Entry
from sanqu.ground.ledger.proof import prove
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker

router = APIRouter(tags=["ledger"])

NEWEST = "SELECT size, root, at, note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1"
DAILY = """
SELECT to_char(at, 'YYYY-MM-DD') AS day, count(*) AS n FROM ledger_entry
WHERE at > now() - interval '30 days' GROUP BY 1 ORDER BY 1
"""
KIND_OF = "SELECT kind, subject FROM ledger_entry WHERE index = %s"
# The public sees what happens to data; who signs in and who holds which key is the city's own affair.
PUBLIC_ROOMS = ("lake", "lines", "catalog", "sharing")
ROWS = 50


def may_see(asker: Asker, kind: str) -> bool:
    """Whether an asker may read a ledger line of this kind."""
    return asker.is_staff or kind.split(".")[0] in PUBLIC_ROOMS


@router.get("/ledger", response_class=HTMLResponse, include_in_schema=False)
def ledger_page(
    request: Request, city: InCity, asker: Asking, before: int | None = None, kind: str = "", subject: str = "", actor: str = ""
) -> HTMLResponse:
    """The newest lines, narrowed by kind, subject and actor."""
    integrate(city)
    read: list[Entry] = []
    place: int | None = before
    # The public's page is filled with lines it may see, however many lie between.
    for _ in range(20):
        batch = read_entries(city, before=place, kind=kind or None, subject=subject or None, actor=actor or None, limit=ROWS)
        read += [entry for entry in batch if may_see(asker, entry.kind)]
        if len(batch) < ROWS or len(read) >= ROWS:
            break
        place = batch[-1].index
    checkpoint = city.db.one(NEWEST)
    days = city.db.all(DAILY)
    chart = {
        "xAxis": {"type": "category", "data": [row["day"] for row in days]},
        "yAxis": {"type": "value"},
        "series": [{"type": "bar", "data": [row["n"] for row in days], "barMaxWidth": 18}],
    }
    root = base64.b64encode(bytes(checkpoint["root"])).decode() if checkpoint else ""
    context: dict[str, Any] = {"kind": kind, "subject": subject, "actor": actor, "chart": chart, "root": root}
    return render(request, "web/ledger.html", entries=read[:ROWS], rows=ROWS, checkpoint=checkpoint, **context)


@router.get("/api/ledger/checkpoint", summary="最近的签名检查点 · The newest signed checkpoint")
def checkpoint(city: InCity) -> Response:
    """Size, root and signature of the ledger as a C2SP signed note."""
    integrate(city)
    row = city.db.one(NEWEST)
    return Response(str(row["note"]) if row else "", media_type="text/plain; charset=utf-8")


@router.get("/api/ledger/{index}/proof", summary="一条的存在证明 · The proof of one entry")
def entry_proof(city: InCity, asker: Asking, index: int) -> Response:
    """Everything needed to check offline that entry `index` is in the ledger."""
    integrate(city)
    row = city.db.one(KIND_OF, (index,))
    if row is not None and not may_see(asker, str(row["kind"])):
        raise Refused(
            "ledger.staff-only",
            Text(zh="这一条只对工作人员可见", en="Only staff may see this entry"),
            Text(zh="登录后再取", en="Sign in and try again"),
            str(index),
        )
    headers = {"Content-Disposition": f'attachment; filename="proof-{index}.json"'}
    return JSONResponse(dataclasses.asdict(prove(city, index)), headers=headers)
