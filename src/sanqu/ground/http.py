"""What every room's HTTP needs: the city, the asker, the language, and errors as problems (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Annotated, Literal, cast
from uuid import uuid4

import psycopg
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, NotFound, Refused, SanquError
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.people.askers import PUBLIC, Asker
from sanqu.ground.people.keys import asker_of_key
from sanqu.ground.people.sessions import asker_of_session

log = logging.getLogger(__name__)

SESSION_COOKIE = "sanqu_session"
LANG_COOKIE = "sanqu_lang"


class Page(BaseModel):
    """Which part of a list is wanted: `limit` rows after the first `offset`."""

    limit: int = 50
    offset: int = 0


def page_of(limit: Annotated[int, Query(ge=1, le=1000)] = 50, offset: Annotated[int, Query(ge=0)] = 0) -> Page:
    """The part of a list that the request asks for."""
    return Page(limit=limit, offset=offset)


def city_of(request: Request) -> City:
    """The city this application serves."""
    return cast(City, request.app.state.city)


def base_of(city: City, request: Request) -> str:
    """The address under which people and harvesters know this site, without a slash at the end."""
    return (city.settings.public_url or str(request.base_url)).rstrip("/")


def lang_of(request: Request) -> Lang:
    """The language of this request: `?lang=`, the cookie, the browser's wish, else Chinese."""
    said = request.query_params.get("lang") or request.cookies.get(LANG_COOKIE)
    if said in ("zh", "en"):
        return cast(Literal["zh", "en"], said)
    wish = request.headers.get("accept-language", "").lower()
    return "en" if wish.startswith("en") and not request.url.path.startswith("/api/3") else "zh"


def _token_of(request: Request) -> str | None:
    said = request.headers.get("authorization") or request.headers.get("x-ckan-api-key")
    # A password for the proxy before the city is no key of ours.
    if not said or said.lower().startswith("basic "):
        return None
    return said.removeprefix("Bearer ").removeprefix("bearer ").strip() or None


def asker_of(request: Request) -> Asker:
    """Who asks: by API key, by session, else the public; raises `Refused` for a key that does not work."""
    if "asker" in request.scope:
        return cast(Asker, request.scope["asker"])
    asker = _find_asker(request)
    request.scope["asker"] = asker
    return asker


def _find_asker(request: Request) -> Asker:
    city = city_of(request)
    token = _token_of(request)
    if token is not None:
        asker = asker_of_key(city, token)
        if asker is None:
            # The page that says so is shown to the public.
            request.scope["asker"] = PUBLIC
            raise Refused(
                "people.key-unknown",
                Text(zh="密钥无效、已停用或已过期", en="The API key is unknown, revoked or has run out"),
                Text(zh="在“我的密钥”里生成一个新的", en="Make a new one under “My keys”"),
                status=401,
            )
        return asker
    session = request.cookies.get(SESSION_COOKIE)
    if session:
        return asker_of_session(city, session) or PUBLIC
    return PUBLIC


def require_asker(request: Request) -> Asker:
    """Who asks, when it must be someone the city knows; raises `Refused` (401) for the public."""
    asker = asker_of(request)
    if not asker.signed_in:
        raise Refused(
            "people.sign-in-needed",
            Text(zh="需要登录", en="You need to be signed in"),
            Text(zh="登录，或在 Authorization 头里带上密钥", en="Sign in, or send an API key in the Authorization header"),
            status=401,
        )
    return asker


def require_admin(request: Request) -> Asker:
    """Who asks, when it must be an administrator."""
    asker = require_asker(request)
    if not asker.is_admin:
        raise Refused(
            "people.admin-needed",
            Text(zh="只有管理员可以这样做", en="Only an administrator may do this"),
            Text(zh="请管理员代办，或申请管理员角色", en="Ask an administrator to do it, or for the role"),
        )
    return asker


def require_in_person(request: Request) -> Asker:
    """Who asks, when it must be a person at a screen: a key that got into wrong hands must not outlive its end."""
    asker = require_asker(request)
    if asker.key_id is not None:
        raise Refused(
            "people.in-person",
            Text(
                zh="密钥不能用来生成密钥、设置密码或发登录链接",
                en="An API key may not make keys, set passwords or make sign-in links",
            ),
            Text(zh="在浏览器里登录后再做", en="Sign in with a browser and do it there"),
        )
    return asker


InCity = Annotated[City, Depends(city_of)]
Asking = Annotated[Asker, Depends(asker_of)]
SignedIn = Annotated[Asker, Depends(require_asker)]
InPerson = Annotated[Asker, Depends(require_in_person)]
Admin = Annotated[Asker, Depends(require_admin)]
Paging = Annotated[Page, Depends(page_of)]
Language = Annotated[Lang, Depends(lang_of)]


def problem(request: Request, fault: SanquError) -> Response:
    """The error as `application/problem+json`."""
    headers = {"Retry-After": str(fault.facts["retry_after"])} if "retry_after" in fault.facts else None
    # What was asked for may hold what no encoding can say; it comes back with a question mark in its place.
    body = json.dumps(fault.problem(lang_of(request)), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    return Response(body, fault.status, headers, media_type="application/problem+json")


# What pydantic says most often, by its own names for it.
IN_CHINESE = {
    "missing": "没有给出",
    "int_parsing": "应是整数",
    "float_parsing": "应是数",
    "bool_parsing": "应是 true 或 false",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "literal_error": "应是 {expected} 之一",
    "string_type": "应是文字",
    "dict_type": "应是对象",
    "json_invalid": "不是合规的 JSON",
}


def _from_validation(fault: RequestValidationError) -> BadInput:
    first = fault.errors()[0]
    place = ".".join(str(part) for part in first.get("loc", ()))
    said = str(first.get("msg", ""))
    said_zh = IN_CHINESE.get(str(first.get("type", "")), said).format_map(first.get("ctx") or {})
    return BadInput(
        "request.invalid",
        Text(zh=f"请求的 {place} 不合规：{said_zh}", en=f"{place} of the request does not fit: {said}"),
        Text(zh="见 /docs 的接口说明", en="See the interface at /docs"),
        place,
        status=422,
        facts={"errors": [{"at": ".".join(map(str, e.get("loc", ()))), "message": e.get("msg", "")} for e in fault.errors()]},
    )


def unfit_value(said: str) -> BadInput:
    """The error for a value in a request that can be kept nowhere."""
    return BadInput(
        "request.value",
        Text(
            zh="请求里有一个存不下的值（数字太大、有空字符等）",
            en="A value of the request fits nowhere: a number too large, a NUL character",
        ),
        Text(zh="核对地址和参数", en="Check the address and the parameters"),
        said,
    )


def _from_status(request: Request, fault: HTTPException) -> SanquError:
    if fault.status_code == 404:
        return NotFound(
            "http.no-page",
            Text(zh="没有这个页面", en="There is no such page"),
            Text(zh="从首页搜索", en="Search from the front page"),
            request.url.path,
        )
    return SanquError(
        f"http.{fault.status_code}",
        Text(zh=f"请求没有成功（{fault.status_code}）", en=f"The request failed ({fault.status_code}): {fault.detail}"),
        Text(zh="核对方法和地址", en="Check the method and the address"),
        request.url.path,
        status=fault.status_code,
    )


def _unexpected_fault(number: str) -> SanquError:
    return SanquError(
        "unexpected",
        Text(zh="出了意料之外的错", en="Something went wrong that nobody expected"),
        Text(
            zh=f"请把编号 {number} 告诉管理员，日志里有详情",
            en=f"Tell an administrator the number {number}; the log has the details",
        ),
        number,
        status=500,
    )


def answer_errors(app: FastAPI, page: Callable[[Request, SanquError], Response] | None = None) -> None:
    """Make `app` answer every error in the one shape; with `page`, a browser that asks for HTML gets a page."""

    def answer(request: Request, fault: SanquError) -> Response:
        wants_page = page is not None and "text/html" in request.headers.get("accept", "")
        return page(request, fault) if page is not None and wants_page else problem(request, fault)

    @app.exception_handler(SanquError)
    async def _known(request: Request, fault: SanquError) -> Response:
        return answer(request, fault)

    @app.exception_handler(psycopg.DataError)
    @app.exception_handler(UnicodeEncodeError)
    async def _value(request: Request, fault: Exception) -> Response:
        # To the log as well: what the asker gave is the usual cause, but not the only one.
        log.warning("PostgreSQL refuses a value at %r: %s", request.url.path, str(fault).splitlines()[0])
        return answer(request, unfit_value(str(fault).splitlines()[0]))

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, fault: Exception) -> Response:
        # The fault itself goes to the log with its frames; the asker is told no more than a number to quote.
        number = uuid4().hex[:8]
        log.error("unexpected fault %s at %r", number, request.url.path, exc_info=fault)
        return answer(request, _unexpected_fault(number))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, fault: RequestValidationError) -> Response:
        return answer(request, _from_validation(fault))

    @app.exception_handler(HTTPException)
    async def _status(request: Request, fault: HTTPException) -> Response:
        return answer(request, _from_status(request, fault))
