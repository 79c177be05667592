"""Administration: units, people and keys."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Literal, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.ground.http import Admin, InCity, Paging, base_of, require_in_person
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.keys import list_keys, revoke_key
from sanqu.ground.people.persons import RoleName, add_person, find_persons, held_roles, set_roles, set_state
from sanqu.ground.people.sessions import make_link
from sanqu.ground.people.units import KINDS, Kind, add_unit, find_units, unit
from sanqu.lines.live.lanes import Lane, lanes_of, set_lane
from sanqu.lines.live.watch import watch_lines

router = APIRouter(prefix="/admin", include_in_schema=False)

ROLES: tuple[RoleName, ...] = ("admin", "steward", "officer")
EXPORT_MOST = 100_000


@router.get("")
def front(asker: Admin) -> Response:
    """People come first."""
    return RedirectResponse("/admin/people", 303)


@router.get("/people")
def people(request: Request, city: InCity, asker: Admin, page: Paging, q: str = "") -> HTMLResponse:
    """The people of the city."""
    found, total = find_persons(city, q, page.limit, page.offset)
    return render(request, "web/people.html", people=found, total=total, page=page, q=q, roles=ROLES, link=None)


@router.get("/people.csv")
def people_csv(city: InCity, asker: Admin, q: str = "") -> Response:
    """The same list as a file."""
    found, _ = find_persons(city, q, EXPORT_MOST)
    rows = [[p.id, p.login, p.name, p.state, " ".join(p.roles)] for p in found]
    return _csv("people.csv", ["id", "login", "name", "state", "roles"], rows)


@router.post("/people")
def new_person(
    city: InCity,
    asker: Admin,
    login: Annotated[str, Form()],
    name: Annotated[str, Form()],
    role: Annotated[RoleName, Form()],
    unit: Annotated[str, Form()],
) -> Response:
    """Add a person with one role."""
    with city.db.connection() as conn:
        add_person(conn, asker, login, name, [(role, unit.strip())])
    return RedirectResponse("/admin/people", 303)


# A link signs someone in, and who is signed in makes keys: a key that could make links would outlive its end.
@router.post("/people/{person}/link", dependencies=[Depends(require_in_person)])
def person_link(request: Request, city: InCity, asker: Admin, person: int, page: Paging) -> HTMLResponse:
    """Make a one-time sign-in link and show it."""
    with city.db.connection() as conn:
        token = make_link(conn, person, asker)
    found, total = find_persons(city, None, page.limit, page.offset)
    link = f"{base_of(city, request)}/sign-in/{token}"
    return render(request, "web/people.html", people=found, total=total, page=page, q="", roles=ROLES, link=link)


@router.post("/people/{person}/roles")
def person_roles(
    city: InCity,
    asker: Admin,
    person: int,
    role: Annotated[RoleName, Form()],
    unit: Annotated[str, Form()],
    do: Annotated[Literal["give", "take"], Form()],
) -> Response:
    """Give a person a role at a unit, or take it back."""
    with city.db.connection() as conn:
        held = {(cast(RoleName, one.role), one.unit) for one in held_roles(conn, person)}
        wanted = held | {(role, unit.strip())} if do == "give" else held - {(role, unit.strip())}
        set_roles(conn, asker, person, sorted(wanted))
    return RedirectResponse("/admin/people", 303)


@router.post("/people/{person}/{state}")
def person_state(city: InCity, asker: Admin, person: int, state: Literal["active", "closed"]) -> Response:
    """Close a person, or open one again."""
    with city.db.connection() as conn:
        set_state(conn, asker, person, state)
    return RedirectResponse("/admin/people", 303)


@router.get("/lanes")
def lanes(request: Request, city: InCity, asker: Admin) -> HTMLResponse:
    """The lanes of lines: shares and limits."""
    rates: dict[str, float] = {}
    for one in watch_lines(city, asker):
        rates[one.line.lane] = rates.get(one.line.lane, 0.0) + one.per_second
    return render(request, "web/lanes.html", lanes=list(lanes_of(city).values()), rates=rates)


@router.post("/lanes/{name}")
def lane(
    city: InCity, asker: Admin, name: str, weight: Annotated[int, Form(ge=1, le=100)],
    most: Annotated[str, Form(pattern=r"^\d{0,8}$")] = "",
) -> Response:  # fmt: skip
    """Give a lane its share and its limit."""
    set_lane(city, Lane(name, weight, int(most) if most.strip("0") else None), asker)
    return RedirectResponse("/admin/lanes", 303)


@router.get("/units")
def units(request: Request, city: InCity, asker: Admin, page: Paging, q: str = "", kind: str = "") -> HTMLResponse:
    """The org units of the city."""
    found, total = find_units(city, text=q, kind=kind, limit=page.limit, offset=page.offset)
    return render(request, "web/units_admin.html", units=found, total=total, page=page, q=q, kind=kind, kinds=KINDS)


@router.post("/units")
def new_unit(
    city: InCity,
    asker: Admin,
    code: Annotated[str, Form()],
    parent: Annotated[str, Form()],
    kind: Annotated[Kind, Form()],
    title: Annotated[str, Form()],
    title_en: Annotated[str, Form()] = "",
) -> Response:
    """Add a unit below another."""
    above = unit(city, parent.strip())
    with city.db.connection() as conn:
        add_unit(conn, asker, code.strip(), above, kind, Text(zh=title.strip(), en=title_en.strip()))
    return RedirectResponse(f"/admin/units?q={quote(code.strip())}", 303)


@router.get("/units.csv")
def units_csv(city: InCity, asker: Admin, q: str = "", kind: str = "") -> Response:
    """The same list as a file."""
    found, _ = find_units(city, text=q, kind=kind, limit=EXPORT_MOST)
    rows = [[u.code, u.title.zh, u.title.en, u.kind, u.level, u.parent or "", u.state] for u in found]
    return _csv("units.csv", ["code", "title_zh", "title_en", "kind", "level", "parent", "state"], rows)


@router.get("/keys")
def keys(request: Request, city: InCity, asker: Admin, page: Paging) -> HTMLResponse:
    """Every API key."""
    return render(request, "web/keys.html", keys=list_keys(city, None, page.limit, page.offset), page=page)


@router.post("/keys/{key}/revoke")
def stop_key(city: InCity, asker: Admin, key: int) -> Response:
    """Stop any key."""
    with city.db.connection() as conn:
        revoke_key(conn, asker, key)
    return RedirectResponse("/admin/keys", 303)


def _csv(name: str, head: list[str], rows: Sequence[Sequence[object]]) -> Response:
    out = io.StringIO("\ufeff")
    out.seek(1)
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([[f"'{c}" if isinstance(c, str) and c[:1] in tuple("=+-@\t\r") else c for c in row] for row in rows])
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
