"""The ledger as people read it: newest lines, days at a glance, and the proof of any line."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from sanqu.catalog.audience import tokens_of
from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.http import Asking, InCity
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.ledger.log import Entry
from sanqu.ground.ledger.proof import prove
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker

router = APIRouter(tags=["账本 · Ledger"])

NEWEST = "SELECT size, root, at, note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1"
DAILY = """
SELECT to_char(at, 'YYYY-MM-DD') AS day, count(*) AS n FROM ledger_entry
WHERE at > now() - interval '30 days' GROUP BY 1 ORDER BY 1
"""
SUBJECT_OF = "SELECT subject FROM ledger_entry WHERE index = %s"
KNOWN = "SELECT name FROM catalog_dataset WHERE name = ANY(%s) AND audience && %s"
ROWS = 50
DATASET = "dataset:"


def visible(city: City, asker: Asker, subjects: Iterable[str]) -> set[str]:
    """The subjects among `subjects` whose lines an asker may read.

    Administrators read everything. Everyone reads what happened to the datasets they may know of; staff also read what
    is not about a dataset. Who signs in and who holds which key is the city's own affair.
    """
    given = set(subjects)
    if asker.is_admin:
        return given
    named = [subject.removeprefix(DATASET) for subject in given if subject.startswith(DATASET)]
    known = {f"{DATASET}{row['name']}" for row in city.db.all(KNOWN, (named, tokens_of(asker)))}
    others = {subject for subject in given if not subject.startswith(DATASET)} if asker.is_staff else set()
    return known | others


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
        seen = visible(city, asker, (entry.subject for entry in batch))
        read += [entry for entry in batch if entry.subject in seen]
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
    row = city.db.one(SUBJECT_OF, (index,))
    if row is not None and not visible(city, asker, [str(row["subject"])]):
        raise Refused(
            "ledger.staff-only",
            Text(zh="这一条只对工作人员可见", en="Only staff may see this entry"),
            Text(zh="登录后再取", en="Sign in and try again"),
            str(index),
        )
    headers = {"Content-Disposition": f'attachment; filename="proof-{index}.json"'}
    return JSONResponse(dataclasses.asdict(prove(city, index)), headers=headers)
