"""Signing in and out, and one's own page: keys and password."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.ground.city import City
from sanqu.ground.http import LANG_COOKIE, SESSION_COOKIE, Asking, InCity, InPerson, SignedIn
from sanqu.ground.pages import render
from sanqu.ground.people.keys import list_keys, make_key, revoke_key
from sanqu.ground.people.persons import check_password, set_password
from sanqu.ground.people.sessions import end_session, link_is_open, open_session, set_lang, use_link
from sanqu.sharing.limits import limit_tries

router = APIRouter(include_in_schema=False)


def _with_session(request: Request, city: City, token: str, to: str = "/") -> Response:
    response = RedirectResponse(to, 303)
    secure = request.url.scheme == "https" or city.settings.public_url.startswith("https://")
    response.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="lax", path="/", secure=secure)
    return response


def _inside(path: str) -> str:
    """A path on this site; anything else becomes the front page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


@router.get("/lang/{lang}")
def choose_language(city: InCity, asker: Asking, lang: str, back: str = "/") -> Response:
    """Read in `lang` from now on."""
    chosen = "en" if lang == "en" else "zh"
    if asker.user_id:
        set_lang(city, asker.user_id, chosen)
    response = RedirectResponse(_inside(back), 303)
    response.set_cookie(LANG_COOKIE, chosen, max_age=31_536_000, samesite="lax", path="/")
    return response


@router.get("/sign-in")
def sign_in_page(request: Request, next_: Annotated[str, Query(alias="next")] = "/") -> HTMLResponse:
    """The form for login and password; `next` is the page to go on to."""
    return render(request, "web/sign_in.html", wrong=False, token=None, spent=False, next=_inside(next_))


@router.post("/sign-in")
def sign_in(
    request: Request,
    city: InCity,
    login: Annotated[str, Form()],
    password: Annotated[str, Form()],
    next_: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Sign in with a password."""
    limit_tries(request, city, login)
    with city.db.connection() as conn:
        person = check_password(conn, login, password)
        token = open_session(city, conn, person, request.headers.get("user-agent", "")) if person else None
    if token is None:
        return render(request, "web/sign_in.html", 403, wrong=True, token=None, spent=False, next=_inside(next_))
    return _with_session(request, city, token, _inside(next_))


@router.get("/sign-in/{token}")
def link_page(request: Request, city: InCity, token: str) -> HTMLResponse:
    """A button, not the sign-in itself: a mail scanner that opens the link must not spend it."""
    with city.db.connection() as conn:
        is_open = link_is_open(conn, token)
    return render(request, "web/sign_in.html", 200 if is_open else 410, wrong=False, token=token, spent=not is_open, next="/me")


@router.post("/sign-in/{token}")
def sign_in_by_link(request: Request, city: InCity, token: str) -> Response:
    """Spend the link."""
    return _with_session(request, city, use_link(city, token, request.headers.get("user-agent", "")), "/me")


@router.post("/sign-out")
def sign_out(request: Request, city: InCity) -> Response:
    """End the session."""
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        end_session(city, token)
    response = RedirectResponse("/", 303)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@router.get("/me")
def me(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """One's own account."""
    return render(request, "web/me.html", keys=list_keys(city, asker.user_id), fresh=None)


@router.post("/me/keys")
def new_key(request: Request, city: InCity, asker: InPerson, name: Annotated[str, Form()] = "") -> HTMLResponse:
    """Make a key and show it once."""
    with city.db.connection() as conn:
        fresh = make_key(conn, asker, asker.user_id or 0, name)
    return render(request, "web/me.html", keys=list_keys(city, asker.user_id), fresh=fresh)


@router.post("/me/keys/{key}/revoke")
def stop_key(city: InCity, asker: SignedIn, key: int) -> Response:
    """Stop one of one's own keys."""
    with city.db.connection() as conn:
        revoke_key(conn, asker, key, asker.user_id)
    return RedirectResponse("/me", 303)


@router.post("/me/password")
def new_password(request: Request, city: InCity, asker: InPerson, password: Annotated[str, Form()]) -> Response:
    """Set one's password; every other session ends, this one goes on."""
    with city.db.connection() as conn:
        set_password(conn, asker, asker.user_id or 0, password)
        token = open_session(city, conn, asker.user_id or 0, request.headers.get("user-agent", ""))
    return _with_session(request, city, token, "/me")
