"""CKAN's API over HTTP: the envelope, its errors, uploads and downloads of files and tables."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from sanqu.catalog.ckan import datastore, datastore_write, organizations, packages, resources, site
from sanqu.catalog.ckan.call import ACTIONS, Call, CkanError, absent, as_ckan, invalid
from sanqu.catalog.ckan.datastore import Table, table_for
from sanqu.catalog.ckan.resources import find, upload_path
from sanqu.catalog.ckan.rows import shown
from sanqu.catalog.reading import door
from sanqu.catalog.records import unit_paths
from sanqu.ground.city import City
from sanqu.ground.errors import NotFound, Refused, SanquError
from sanqu.ground.http import InCity, asker_of, base_of, city_of
from sanqu.ground.i18n import Text
from sanqu.lake import lake_of, quote_ident
from sanqu.lake.tables import table_of

log = logging.getLogger(__name__)

router = APIRouter(tags=["CKAN"])
# Importing the modules is what registers their actions.
MODULES = (datastore, datastore_write, organizations, packages, resources, site)
LARGEST_BODY = 256 * 1_048_576
FETCHED = 5_000


class _Malformed(Exception):
    """A request CKAN answers with a plain text and 400."""


async def _arguments(request: Request) -> tuple[dict[str, Any], UploadFile | None]:
    """The arguments of a call and a file sent along."""
    if request.method == "GET":
        data: dict[str, Any] = {}
        for key, value in request.query_params.multi_items():
            data[key] = value if key not in data else [*(data[key] if isinstance(data[key], list) else [data[key]]), value]
        return data, None
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = await request.form(max_part_size=LARGEST_BODY)
        plain = {key: value for key, value in form.multi_items() if isinstance(value, str)}
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        return plain, files[0] if files else None
    body = await request.body()
    return _of_form(body) if kind == "application/x-www-form-urlencoded" else _parsed(body), None


def _of_form(body: bytes) -> dict[str, Any]:
    """The arguments of a form as browsers send it, or as `curl -d` does: UTF-8 as it is, or JSON that is called a form."""
    text = body.decode("utf-8", "replace").strip()
    if text[:3].lower() == "%7b":
        text = unquote_plus(text)
    return _parsed(text.removesuffix("=").encode()) if text.startswith("{") else dict(parse_qsl(text, keep_blank_values=True))


def _parsed(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    if len(body) > LARGEST_BODY:
        raise _Malformed(f"Request body too large: at most {LARGEST_BODY} bytes")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise _Malformed(f"JSON Error: Error decoding JSON data. Error: {fault}") from None
    if not isinstance(data, dict):
        raise _Malformed("Request data JSON decoded to something other than a dictionary")
    return data


@router.get("/api/3/action/{name}", summary="CKAN 动作（读）· An action that reads")
@router.post("/api/3/action/{name}", summary="CKAN 动作（读写）· An action that reads or changes")
@router.api_route("/api/action/{name}", methods=["GET", "POST"], include_in_schema=False)
async def act(name: str, request: Request, city: InCity) -> Response:
    """Answer an action of CKAN's API, as a CKAN site does: `package_search`, `package_show`, `datastore_search` and more.

    Arguments are the query or a JSON object; the answer is `{"success", "result"}` or `{"success": false, "error"}`.
    Actions that change something are called by POST. `help_show?name=` describes each.
    """
    base = base_of(city, request)
    envelope: dict[str, Any] = {"help": f"{base}/api/3/action/help_show?name={name}"}
    known = ACTIONS.get(name)
    if known is None:
        return JSONResponse(f"Bad request - Action name not known: {name}", 400)
    if request.method == "GET" and not known.reads:
        return JSONResponse(f"Bad request - {name} changes data and is called by POST", 400)
    try:
        data, upload = await _arguments(request)
        result = await run_in_threadpool(_run, city, request, name, data, base, upload)
    except _Malformed as fault:
        return JSONResponse(f"Bad request - {fault}", 400)
    except CkanError as fault:
        return JSONResponse({**envelope, "success": False, "error": fault.error}, fault.status)
    return JSONResponse({**envelope, "success": True, "result": result})


def _run(city: City, request: Request, name: str, data: dict[str, Any], base: str, upload: UploadFile | None) -> Any:
    try:
        return ACTIONS[name].run(Call(city, asker_of(request), data, base, upload))
    except SanquError as fault:
        raise as_ckan(fault) from fault
    except (psycopg.DataError, UnicodeError) as fault:
        # NUL and lone surrogates are no text to PostgreSQL.
        said = str(fault).split("\n")[0][:200]
        raise invalid(message=f"a value cannot be kept: {said}") from fault
    except CkanError:
        raise
    except Exception as fault:
        log.exception("action %s broke", name)
        raise CkanError(500, {"__type": "Internal Server Error", "message": type(fault).__name__}) from fault


@router.get("/api/3", include_in_schema=False)
@router.get("/api", include_in_schema=False)
def version() -> dict[str, int]:
    """The version of the API, as CKAN tells it."""
    return {"version": 3}


@router.get("/dataset/{dataset}/resource/{resource}/download/{filename}", summary="上传的文件 · An uploaded file")
def download_upload(dataset: str, resource: str, filename: str, request: Request, city: InCity) -> Response:
    """An uploaded file, as it was given, to whoever may read the dataset's rows."""
    call = Call(city, asker_of(request), {}, base_of(city, request))
    try:
        with city.db.connection() as conn:
            found, owner = find(conn, call, resource)
            path = unit_paths(conn, [owner.unit])[owner.unit]
    except CkanError:
        raise _no_file(filename) from None
    file = upload_path(city, found)
    if file is None or found.file != filename or not file.is_file():
        raise _no_file(filename)
    # A file has no items that could be left out or masked: it is open as a whole, or the steward's.
    if not (owner.is_open and owner.grade in ("L1", "L2")) and not call.asker.may_steward(path):
        raise Refused(
            "catalog.not-open",
            Text(zh="这个文件不开放下载", en="The file is not open"),
            Text(zh="向责任单位申请", en="Apply to the unit that answers for it"),
            filename,
        )
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
    return FileResponse(file, filename=filename, media_type=found.mimetype or "application/octet-stream", headers=headers)


def _no_file(name: str) -> NotFound:
    return NotFound(
        "catalog.no-file",
        Text(zh="没有这个文件", en="There is no such file"),
        Text(zh="从数据集页面进入", en="Start from the dataset's page"),
        name,
    )


@router.get("/datastore/dump/{resource}", summary="导出一张表 · A table as a file")
def dump_table(resource: str, request: Request, city: InCity) -> Response:
    """The whole table of a resource as CSV, streamed."""
    call = Call(city, asker_of(request), {}, base_of(city, request))
    try:
        with city.db.connection() as conn:
            table = table_for(conn, call, resource)
    except CkanError as fault:
        return JSONResponse({"success": False, "error": fault.error}, fault.status)
    door().note(city, table.seen, via="datastore.dump", items=table.visible, rows=0)
    lines = _csv_lines(city, table)
    headers = {"Content-Disposition": f'attachment; filename="{resource}.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def _csv_lines(city: City, table: Table) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(table.visible)
    columns = ", ".join(quote_ident(name) for name in table.visible)
    with lake_of(city).engine() as duck:
        table.seen.prepare(duck)
        duck.execute(f"SELECT {columns} FROM {table.seen.over(table_of(table.contract.name))} ORDER BY rowid")
        while rows := duck.fetchmany(FETCHED):
            writer.writerows([[_safe(shown(value)) for value in row] for row in rows])
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _safe(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets a quote in front (OWASP, “CSV injection”)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


__all__ = ["absent", "city_of", "router"]
