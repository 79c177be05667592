"""The open doors over HTTP: `/api/open/{dataset}` for rows and `/open/{dataset}.{format}` for whole files."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from sanqu.ground.city import City
from sanqu.ground.http import Asking, InCity, asker_of, city_of
from sanqu.ground.people.askers import Asker
from sanqu.sharing.application_pages import api as application_api
from sanqu.sharing.ask_api import router as ask_router
from sanqu.sharing.cache import Answer, answers_of
from sanqu.sharing.downloads import MEDIA, FileFormat, enter, stream_copy, stream_file, write_xlsx
from sanqu.sharing.evidence import note_view
from sanqu.sharing.feed_api import router as feed_api
from sanqu.sharing.interface_api import router as interface_router
from sanqu.sharing.law_pages import api as law_api
from sanqu.sharing.limits import limit_rate
from sanqu.sharing.my_pages import api as my_api
from sanqu.sharing.objection_pages import api as objection_api
from sanqu.sharing.odrl_api import api as odrl_api
from sanqu.sharing.query import named_in, parse_rows_query
from sanqu.sharing.rows import answer_rows
from sanqu.sharing.source_pages import api as source_api
from sanqu.sharing.subscribers.api import router as subscription_api
from sanqu.sharing.usage import uses_of
from sanqu.sharing.views import View, remembered_view, view_naming, view_of

router = APIRouter(tags=["开放数据 · Open data"])

ROW_PARAMETERS: list[dict[str, Any]] = [
    {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
    for name, description, schema in (
        ("limit", "每页行数 · rows a page", {"type": "integer", "minimum": 1, "maximum": 10000, "default": 100}),
        ("after", "上一页给出的游标 · cursor from `next` of the page before", {"type": "string"}),
        ("sort", "排序，减号为降序 · items to sort by, `-` for descending: `-period,metric`", {"type": "string"}),
        ("items", "只要这些数据项 · only these items: `period,value`", {"type": "string"}),
        ("count", "是否给出精确总数 · `exact` adds the exact count", {"type": "string", "enum": ["none", "exact"]}),
        ("format", "格式 · format of the answer", {"type": "string", "enum": ["json", "csv", "arrow"]}),
        ("snapshot", "读哪个快照 · read the dataset as it was at this snapshot", {"type": "integer"}),
        (
            "{item}",
            "筛选 · filter: `item=value` or `item__op=value` with op one of ne, gt, gte, lt, lte, in (a,b,c), "
            "contains, startswith, isnull (true/false)",
            {"type": "string"},
        ),
    )
]


@router.get(
    "/api/open/{dataset}",
    summary="开放数据行接口 · Rows of an open dataset",
    response_class=Response,
    openapi_extra={"parameters": ROW_PARAMETERS},
)
async def open_rows(request: Request, dataset: str) -> Response:
    """Rows of an open dataset: filtered, sorted, chosen items, by pages that stay fast at any depth.

    Follow `next` (also the `Link` header) to the end; all pages read one snapshot, so nothing is skipped or seen twice.
    """
    city = city_of(request)
    asker = await _asker(request)
    limit_rate(request, city, asker)
    view = remembered_view(city, asker, dataset, _purpose(request))
    if view is not None and view.shared_by_all:
        kept = answers_of(city).get(_key(view, request))
        if kept is not None:
            uses_of(city).count(dataset)
            note_view(city, view, via="rows", items=(), rows=0)
            return _respond(asker, kept)
    answer = await asyncio.to_thread(_answer, city, asker, dataset, request)
    uses_of(city).count(dataset)
    return _respond(asker, answer)


async def _asker(request: Request) -> Asker:
    """The public is known without a look at the database; everyone else is looked up off the event loop."""
    headers = request.headers
    if "cookie" in headers or "authorization" in headers or "x-ckan-api-key" in headers:
        return await asyncio.to_thread(asker_of, request)
    return asker_of(request)


def _key(view: View, request: Request) -> tuple[object, ...]:
    return (view.dataset.name, view.version, view.snapshot, view.items, request.scope["query_string"])


def _purpose(request: Request) -> str:
    """What a read is for, as a header or a parameter says; a grant is for its purposes only."""
    return request.headers.get("x-sanqu-purpose") or request.query_params.get("_purpose") or ""


def _answer(city: City, asker: Asker, dataset: str, request: Request) -> Answer:
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "_purpose"]
    view = view_naming(city, asker, dataset, _purpose(request), named_in(pairs))
    kept = answers_of(city).get(_key(view, request)) if view.shared_by_all else None
    if view.shared_by_all:
        note_view(city, view, via="rows", items=(), rows=0)
    if kept is not None:
        return kept
    query = parse_rows_query(pairs, view.contract, view.items)
    answer = answer_rows(city, view, query, pairs, f"/api/open/{dataset}")
    if view.shared_by_all:
        answers_of(city).put(_key(view, request), answer)
    return answer


def _respond(asker: Asker, answer: Answer) -> Response:
    headers = dict(answer.headers) | _only_theirs(asker)
    headers["Access-Control-Allow-Origin"] = "*"
    return Response(answer.body, media_type=answer.media_type, headers=headers)


def _only_theirs(asker: Asker) -> dict[str, str]:
    """What someone who is signed in reads may hold more than the public may see: no cache between us may keep it."""
    return {"Cache-Control": "private, no-store"} if asker.signed_in else {"Vary": "Cookie, Authorization"}


@router.get("/open/{dataset}.{format}", summary="下载整个数据集 · Download a whole dataset", response_class=Response)
def download(
    request: Request,
    city: InCity,
    asker: Asking,
    dataset: str,
    format_: Annotated[FileFormat, Path(alias="format")],
    snapshot: Annotated[int | None, Query(description="快照 · as of this snapshot")] = None,
) -> Response:
    """A whole open dataset as CSV (UTF-8 with mark), JSON, Parquet or XLSX; streamed."""
    limit_rate(request, city, asker)
    view = view_of(city, asker, dataset, _purpose(request))
    at = snapshot if snapshot is not None else view.snapshot
    enter(city, view, at, format_)
    uses_of(city).count(dataset)
    name = f"{dataset}.{format_}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Sanqu-Snapshot": str(at)} | _only_theirs(asker)
    body = stream_file(write_xlsx(city, view, at)) if format_ == "xlsx" else stream_copy(city, view, at, format_)
    return StreamingResponse(body, media_type=MEDIA[format_], headers=headers)


@router.get("/api/open", summary="接口说明 · What the open interface offers")
def about() -> dict[str, Literal["/api/3/action/package_list", "/docs", "/catalog.ttl"]]:
    """Where to go from here."""
    return {"datasets": "/api/3/action/package_list", "docs": "/docs", "dcat": "/catalog.ttl"}


routers = (router, ask_router, interface_router, my_api, law_api, source_api, application_api, objection_api, odrl_api, feed_api, subscription_api)
