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
from starlette.staticfiles import StaticFiles

from sanqu import __version__
from sanqu.ground.city import City
from sanqu.ground.http import SESSION_COOKIE, answer_errors
from sanqu.ground.ledger import integrate
from sanqu.lake import lake_of
from sanqu.sharing.usage import uses_of
from sanqu.web.pages import error_page

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
# Each room offers `api.py` (JSON) and `pages.py` (HTML); the order decides which of two like paths answers.
ROOMS = ("web", "sharing", "catalog", "lines")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class SameOrigin:
    """Refuses a change that another site's page sends with the reader's cookie, and adds the safety headers."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 403."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if scope["method"] not in SAFE_METHODS and _foreign(headers):
            refusal = JSONResponse({"title": "cross-site request refused", "status": 403}, 403)
            await refusal(scope, receive, send)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *SAFETY_HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers)


SAFETY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; frame-ancestors 'self'",
    ),
)


def _foreign(headers: dict[bytes, bytes]) -> bool:
    if SESSION_COOKIE.encode() not in headers.get(b"cookie", b""):
        return False
    origin = headers.get(b"origin") or headers.get(b"referer")
    if origin is None:
        return False
    return urlsplit(origin).netloc != headers.get(b"host", b"")


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
    yield
    task.cancel()


def _write_down(city: City) -> None:
    integrate(city)
    uses_of(city).write_down()


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
    app.add_middleware(SameOrigin)
    answer_errors(app, error_page)
    for room in ROOMS:
        for part in ("api", "pages"):
            if (Path(__file__).parent.parent / room / f"{part}.py").exists():
                module = import_module(f"sanqu.{room}.{part}")
                offered = getattr(module, "routers", None) or (module.router,)
                for router in offered() if callable(offered) else offered:
                    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/healthz", include_in_schema=False)
    def health(request: Request) -> Response:
        """Whether the city can answer: its database does."""
        request.app.state.city.db.one("SELECT 1 AS ok")
        return JSONResponse({"status": "ok"})

    return app
