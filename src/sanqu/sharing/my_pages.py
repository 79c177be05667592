"""The page and the interface of one's own data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict

from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.http import Admin, InCity, InPerson, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.ledger.proof import prove
from sanqu.ground.pages import render
from sanqu.sharing.my_data import (
    consents_of,
    give_consent,
    holdings_of,
    identify,
    identities_of,
    is_about_mine,
    own_rows,
    reads_of,
    withdraw_consent,
)  # fmt: skip

pages = APIRouter(include_in_schema=False)
api = APIRouter(tags=["我的数据 · My data"])

IDENTITY_EXAMPLE = {"person": 12, "kind": "enterprise", "value": "91330800MA00000000"}
SUBJECT = "SELECT subject FROM ledger_entry WHERE index = %s"


@pages.get("/my-data")
def my_data(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """Which datasets hold me, and the consent that is mine."""
    identities = identities_of(city, asker)
    holdings = holdings_of(city, identities)
    return render(request, "sharing/my_data.html", identities=identities, holdings=holdings, consents=consents_of(city, asker))


@pages.get("/my-data/{dataset}")
def my_data_in(request: Request, city: InCity, asker: InPerson, dataset: str) -> HTMLResponse:
    """My own rows of a dataset, and who read it."""
    rows = own_rows(city, asker, dataset)
    (holding,) = [one for one in holdings_of(city, identities_of(city, asker)) if one.dataset == dataset]
    return render(request, "sharing/my_data_in.html", holding=holding, rows=rows, reads=reads_of(city, asker, dataset))


@pages.post("/my-data/consent")
def consent(
    city: InCity,
    asker: InPerson,
    dataset: Annotated[str, Form()],
    purpose: Annotated[str, Form()],
    give: Annotated[bool, Form()] = False,
) -> Response:
    """Give consent or take it back."""
    (give_consent if give else withdraw_consent)(city, asker, dataset, purpose)
    return RedirectResponse("/my-data", 303)


@api.get("/api/my-data", summary="我的数据 · The datasets that hold me")
def holdings(city: InCity, asker: SignedIn) -> dict[str, Any]:
    """Datasets with rows of the asker, and the purposes for which consent is asked or given."""
    return {
        "datasets": [asdict(one) | {"title": one.title.model_dump()} for one in holdings_of(city, identities_of(city, asker))],
        "consents": [asdict(one) for one in consents_of(city, asker)],
    }


@api.get("/api/my-data/{dataset}/reads", summary="谁读过 · Who read a dataset that holds me")
def reads(city: InCity, asker: SignedIn, dataset: str) -> dict[str, Any]:
    """The newest reads: when, who, what for, which items, with the number of the ledger entry."""
    return {
        "reads": [
            {"entry": e.index, "at": e.at, "actor": e.actor, "kind": e.kind, "facts": e.facts}
            for e in reads_of(city, asker, dataset)
        ]
    }


@api.get("/api/my-data/proof/{index}", summary="读取的证明 · The proof of a read")
def proof(city: InCity, asker: SignedIn, index: int) -> Response:
    """The receipt of one read of a dataset that holds the asker; `python -m sanqu.ground.ledger verify` checks it."""
    if not _is_mine(city, asker, index):
        raise Refused(
            "sharing.not-mine",
            Text(zh="这一条与您的数据无关", en="This entry is not about your data"),
            Text(zh="从“我的数据”里选一条", en="Choose one from “My data”"),
            str(index),
        )
    headers = {"Content-Disposition": f'attachment; filename="receipt-{index}.json"'}
    return JSONResponse(asdict(prove(city, index)), headers=headers)


def _is_mine(city: City, asker: Any, index: int) -> bool:
    row = city.db.one(SUBJECT, (index,))
    return row is not None and is_about_mine(city, asker, str(row["subject"]))


class Identified(BaseModel):
    """A person and what the person is known by."""

    model_config = ConfigDict(extra="forbid")

    person: int
    kind: Literal["person", "enterprise"]
    value: str


@api.post("/api/identities", status_code=201, summary="登记身份 · Put an identity on record")
def put_identity(
    city: InCity, asker: Admin, said: Annotated[Identified, Body(openapi_examples={"one": {"value": IDENTITY_EXAMPLE}})]
) -> dict[str, str]:
    """That a person was shown to be who an ID number or enterprise code names."""
    with city.db.connection() as conn:
        identify(conn, asker, said.person, said.kind, said.value)
    return {"state": "identified"}
