"""Puts every room's routers, the layout, the static files and the error pages together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles

from sanqu import __version__
from sanqu.ground.city import City
from sanqu.ground.errors import Refused, SanquError, not_found
from sanqu.ground.http import SESSION_COOKIE, answer_errors, city_of, problem, unfit_value
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import integrate
from sanqu.lake import lake_of
from sanqu.sharing.interfaces import interface_uses
from sanqu.sharing.lookups import lookups_of
from sanqu.sharing.mirror import follower_of
from sanqu.sharing.reading import hang_door
from sanqu.sharing.usage import uses_of
from sanqu.web.directory import Directory
from sanqu.web.openapi import describe
from sanqu.web.pages import error_page

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
# Each room offers `api.py` (JSON) and `pages.py` (HTML); the order decides which of two like paths answers.
ROOMS = ("web", "cases", "sharing", "catalog", "lines", "sandbox", "governance", "affairs", "supervision", "reporting", "indicators", "scenes")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Gate:
    """Refuses what another site's page sends in the reader's name and addresses with a NUL; adds the safety headers."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with what is wrong."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                # A page that says who may frame it (a block for other sites) says all of its policy.
                own = any(name.lower() == b"content-security-policy" for name, _ in message.get("headers", []))
                message["headers"] = [*message.get("headers", []), *(SAFETY_HEADERS[:2] if own else SAFETY_HEADERS)]
            await send(message)

        request = Request(scope)
        fault = _fault_of(request)
        await (self.app if fault is None else problem(request, fault))(scope, receive, with_headers)


SAFETY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; frame-ancestors 'self'",
    ),
)


def _fault_of(request: Request) -> SanquError | None:
    """What is wrong with a request before any room looks at it."""
    if request.method not in SAFE_METHODS and _is_in_readers_name(request) and _is_foreign(request):
        return _foreign_fault()
    # Neither files nor tables know a NUL, and a stream that meets one has begun to answer already.
    if "\0" in request.scope["path"]:
        return not_found(Text(zh="页面", en="page"), request.scope["path"].replace("\0", "␀"))
    if b"%00" not in request.scope["query_string"]:
        return None
    held = next((name for name, value in request.query_params.multi_items() if "\0" in name + value), None)
    return unfit_value(held.replace("\0", "␀")) if held is not None else None


def _is_in_readers_name(request: Request) -> bool:
    # Programs of other sites may use the interfaces with a key or as the public; pages make and use the reader's cookie.
    return SESSION_COOKIE in request.cookies or not request.url.path.startswith(("/api/", "/open311/"))


def _is_foreign(request: Request) -> bool:
    if request.headers.get("sec-fetch-site") == "cross-site":
        return True
    origin = request.headers.get("origin") or request.headers.get("referer")
    # Behind a proxy that sets Host anew, the browser's own address is the public one.
    own = {request.headers.get("host", ""), urlsplit(city_of(request).settings.public_url).netloc}
    return origin is not None and urlsplit(origin).netloc not in own - {""}


def _foreign_fault() -> Refused:
    return Refused(
        "http.cross-site",
        Text(zh="另一个网站的页面不能替您提交", en="A page of another site may not send this for you"),
        Text(
            zh="在本站打开页面再提交；经代理访问时设置 public_url",
            en="Open the page here and send it from there; behind a proxy, set public_url",
        ),
    )


@asynccontextmanager
async def _living(app: FastAPI) -> AsyncIterator[None]:
    """While the application lives, what commits is strung onto the ledger, and uses are written down, every second."""

    async def sequence() -> None:
        try:
            await asyncio.to_thread(lake_of(app.state.city).catch_up)
        except Exception:
            log.warning("what was written to the lake before could not be looked through", exc_info=True)
        while True:
            try:
                await asyncio.to_thread(_write_down, app.state.city)
            except Exception:
                log.warning("the ledger or the uses could not be written down", exc_info=True)
            await asyncio.sleep(1)

    task = asyncio.create_task(sequence())
    follower_of(app.state.city).start()
    yield
    task.cancel()
    await lookups_of(app.state.city).aclose()


def _write_down(city: City) -> None:
    integrate(city)
    uses_of(city).write_down()
    interface_uses(city).write_down()


def _routes() -> list[BaseRoute]:
    """The routes that the rooms offer."""
    found: list[BaseRoute] = []
    for room in ROOMS:
        for part in ("api", "pages"):
            if (Path(__file__).parent.parent / room / f"{part}.py").exists():
                module = import_module(f"sanqu.{room}.{part}")
                offered = getattr(module, "routers", None) or (module.router,)
                for router in offered() if callable(offered) else offered:
                    found.extend(router.routes)
    return found


def make_app(city: City) -> FastAPI:
    """The web application of `city`."""
    app = FastAPI(
        title="三衢 Sanqu",
        version=__version__,
        description="城市数据大脑的开放接口 · Open interfaces of the city data brain",
        docs_url=None,
        redoc_url=None,
        lifespan=_living,
    )
    app.state.city = city
    hang_door()
    app.add_middleware(Gate)
    answer_errors(app, error_page)
    routes = _routes()
    app.router.routes.append(Directory(routes))
    describe(app, routes)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/healthz", include_in_schema=False)
    def health(request: Request) -> Response:
        """Whether the city can answer: its database does."""
        request.app.state.city.db.one("SELECT 1 AS ok")
        return JSONResponse({"status": "ok"})

    return app
