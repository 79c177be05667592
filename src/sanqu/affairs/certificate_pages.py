"""The public page at which a certificate is checked, its PDF, and revoking it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.affairs.certificates import address_of, find_certificate, pdf_of, revoke, verify
from sanqu.cases.pages import TOOLS, units_named
from sanqu.ground.errors import not_found
from sanqu.ground.http import Asking, InCity, InPerson, base_of
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.secrets import plain_code
from sanqu.ground.people.units import unit

router = APIRouter(prefix="/certificates", include_in_schema=False)


@router.get("")
def ask_page(request: Request, number: str = "") -> Response:
    """A place to type the number of a certificate."""
    if number.strip():
        return RedirectResponse(f"/certificates/{number.strip()[:60]}", 303)
    return render(request, "affairs/check.html")


@router.get("/{number}.pdf")
def pdf(request: Request, city: InCity, number: str, code: str = "") -> Response:
    """The certificate to print, for whoever has its code; others are told that there is none."""
    found = find_certificate(city, number)
    if plain_code(code) != plain_code(found.code):
        raise not_found(Text(zh="证照", en="certificate"), number)
    headers = {"Content-Disposition": f'inline; filename="{number}.pdf"', "Cache-Control": "private, no-store"}
    return Response(pdf_of(city, found, base_of(city, request)), media_type="application/pdf", headers=headers)


@router.get("/{number}")
def check_page(request: Request, city: InCity, asker: Asking, number: str, code: str = "") -> HTMLResponse:
    """Whether a certificate is genuine and in force; with its code, what stands on it."""
    checked = verify(city, number, code)
    found = checked.certificate
    may_revoke = found.revoked is None and asker.may_steward(unit(city, found.unit).path)
    return render(
        request, "affairs/certificate.html", checked=checked, certificate=found, body=found.body, units=units_named(city, {found.unit}), code=code,
        may_revoke=may_revoke, address=address_of(found, base_of(city, request)) if checked.shown["whole"] else "", **TOOLS,
    )  # fmt: skip


@router.post("/{number}/revoke")
def revoke_it(city: InCity, asker: InPerson, number: str, reason: Annotated[str, Form()] = "") -> Response:
    """Revoke it, for a reason."""
    revoke(city, asker, number, reason)
    return RedirectResponse(f"/certificates/{number}", 303)
