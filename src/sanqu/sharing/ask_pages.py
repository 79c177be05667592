"""The page on which one asks by SQL: explained before it runs, refused with the grant that would be enough."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse

from sanqu.catalog.search import Ask, search
from sanqu.ground.city import City
from sanqu.ground.errors import Refused, SanquError
from sanqu.ground.http import Asking, InCity
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.sharing.ask_api import assignees_of
from sanqu.sharing.door import Question, ask, explain
from sanqu.sharing.grants import list_grants
from sanqu.sharing.limits import limit_rate

router = APIRouter(include_in_schema=False)

SHOWN_ROWS = 200
LISTED = 60


def purposes_of(city: City, asker: Asker) -> list[str]:
    """The purposes for which the asker holds a grant."""
    if not asker.signed_in:
        return []
    held = list_grants(city, assignees=assignees_of(asker), state="active", limit=200)
    return sorted({purpose for one in held for purpose in one.grant.purposes})


@router.get("/ask")
def ask_page(request: Request, city: InCity, asker: Asking, sql: str = "", purpose: str = "") -> HTMLResponse:
    """An editor, the datasets one may name, and what the door says."""
    found = search(city, Ask("", {"state": ["published"]}, limit=LISTED), asker)
    names = sorted(hit.dataset.name for hit in found.hits if hit.dataset.contract)
    return render(request, "sharing/ask.html", sql=sql, purpose=purpose, purposes=purposes_of(city, asker), names=names)


@router.post("/ask/explain")
def explain_part(
    request: Request, city: InCity, asker: Asking, sql: Annotated[str, Form()] = "", purpose: Annotated[str, Form()] = ""
) -> HTMLResponse:
    """What the door would say of the query, as a part of the page."""
    limit_rate(request, city, asker)
    return _answered(request, lambda: {"decision": explain(city, asker, Question(sql, purpose.strip()))}, sql, purpose)


@router.post("/ask/run")
def run_part(
    request: Request, city: InCity, asker: Asking, sql: Annotated[str, Form()] = "", purpose: Annotated[str, Form()] = ""
) -> HTMLResponse:
    """The rows, or why not, as a part of the page."""
    limit_rate(request, city, asker)

    def run() -> dict[str, Any]:
        answer = ask(city, asker, Question(sql, purpose.strip(), rows=SHOWN_ROWS, via="page"))
        columns = [column.to_pylist() for column in answer.table.columns]
        return {"decision": answer.decision, "answer": answer, "rows": list(zip(*columns, strict=True))}

    return _answered(request, run, sql, purpose)


def _answered(request: Request, make: Any, sql: str, purpose: str) -> HTMLResponse:
    context: dict[str, Any] = {"decision": None, "answer": None, "rows": [], "fault": None, "sql": sql, "purpose": purpose}
    try:
        context |= make()
    except Refused as fault:
        context["fault"] = fault
        if "smallest_grants" in fault.facts:
            context["decision"] = explain(request.app.state.city, request.scope["asker"], Question(sql, purpose.strip()))
            context["fault"] = None
    except SanquError as fault:
        context["fault"] = fault
    # The part is put into the page whatever it says: htmx leaves out answers that are errors.
    return render(request, "sharing/ask_answer.html", **context)
