"""What the description of the interfaces (OpenAPI) says of every one of them: examples, errors, how to sign in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

PROBLEM = {
    "type": "object",
    "description": "一个错误：发生了什么、对什么、怎么办（RFC 9457）· An error: what happened, to which thing, what to do",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "发生了什么 · what happened, in the reader's language"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "怎么办 · what to do, in the reader's language"},
        "instance": {"type": "string", "description": "对什么 · which thing"},
        "code": {"type": "string", "description": "给程序的名字 · the kind, for programs"},
        "what": {"$ref": "#/components/schemas/Both"},
        "todo": {"$ref": "#/components/schemas/Both"},
        "facts": {"type": "object"},
    },
}
BOTH = {"type": "object", "properties": {"zh": {"type": "string"}, "en": {"type": "string"}}}

# status → (response, what it says, code, title, detail)
ERRORS = {
    "400": ("Bad", "参数或内容不合规 · A parameter or the content does not fit", "rows.query", "The parameter sort does not fit: there is no item x", "See this interface at /docs"),
    "401": ("Unknown", "需要登录或有效密钥 · Sign in or send a working key", "people.sign-in-needed", "You need to be signed in", "Sign in, or send an API key in the Authorization header"),
    "403": ("Refused", "无权这样做 · The asker may not", "people.admin-needed", "Only an administrator may do this", "Ask an administrator to do it, or for the role"),
    "404": ("Absent", "没有，或您不能知道它 · There is none, or none the asker may know of", "not-found", "There is no such dataset", "Check the name, or choose from the list"),
    "409": ("Conflict", "当前状态不允许 · Its state does not allow this", "lines.running", "The line is running already", "Wait for the run to end"),
    "422": ("Invalid", "请求的形状不合规 · The request does not have the right shape", "request.invalid", "query.limit of the request does not fit", "See the interface at /docs"),
    "429": ("TooMany", "请求太频繁；见 Retry-After · Too many requests; see Retry-After", "sharing.rate", "More than 6000 requests in a minute", "Try again in 12 s; with an API key there is more"),
}  # fmt: skip

# (start of the path, parameter) → an example that works in the city that comes along; the first that fits.
EXAMPLES: tuple[tuple[str, str, Any], ...] = (
    ("/api/3/action/", "name", "package_search"),
    ("/api/live", "line", "my-line"),
    ("/api/live", "device", "station-7"),
    ("/api/lanes", "lane", "livelihood"),
    ("/api/catalog/datasets/", "rule", "one-permit-a-day"),
    ("/api/indicators", "code", "g01"),
    ("/api/indicators", "standing", "on-track"),
    ("/api/indicators", "group", "数字基建"),
    ("/api/lines", "name", "facts"),
    ("/api/lines", "run", 1),
    ("/api/lines", "row", 1),
    ("/api/lines", "state", "done"),
    ("/api/catalog/harvest", "name", "province"),
    ("/api/catalog/harvest", "run", 1),
    ("/api/catalog/search", "q", "柑橘"),
    ("/api/affairs/cross/", "partner", "3611"),
    ("/api/affairs/cross/", "state", "waiting"),
    ("/api/affairs/programmes", "code", "high-tech-award"),
    ("/api/affairs", "code", "open-shop"),
    ("/api/affairs/certificates", "number", "BL330820260000001"),
    ("/api/affairs/filings/", "number", "20260309-000001"),
    ("/dataset/", "resource", "citrus-harvest"),
    ("/api/grid", "grid", "330802005001-g1"),
    ("/api/events/", "number", "20260309-000001"),
    ("/api/cases/", "number", "20260309-000001"),
    ("/api/cases/", "id_", "00000000-0000-0000-0000-000000000000"),
    ("/api/supervision/", "number", "SJ2026-0001"),
    ("/api/reports/", "figure", "firms-above-scale"),
    ("/api/reports/", "place", "330802005"),
    ("/api/reports/", "period", "2026"),
    ("/api/reports/", "number", "BB2026-0001"),
    ("/api/supervision/", "round_", 1),
    ("/api/plan/projects/", "code", "p01"),
    ("/api/sdmx/", "kind", "dataflow"),
    ("/api/sdmx/", "agency", "SANQU"),
    ("/api/sdmx/", "id_", "INDICATORS"),
    ("/api/sdmx/", "version", "1.0.0"),
    ("/api/sdmx/", "format", "json"),
    ("/api/indicators/sdmx/", "format", "json"),
    ("/api/plan/tasks/", "id_", 1),
    ("/api/assessment/rounds/", "number", 1),
    ("/api/assessment/rounds/", "unit", "3308-dsj"),
    ("/api/processes/", "name", "data-application"),
    ("/api/duty/", "id_", 1),
    ("/api/dispatch/proposals/", "id_", 1),
    ("/api/dispatch/proposals/", "accept", True),
    ("/api/processes/", "version", 1),
    ("", "dataset", "plan-goals"),
    ("", "name", "plan-goals"),
    ("", "resource", "plan-goals"),
    ("", "filename", "plan-goals.csv"),
    ("/open/", "format", "csv"),
    ("", "form", "ttl"),
    ("", "index", 0),
    ("/api/share/", "key", "g01"),
    ("/api/subscriptions", "subscription", 1),
    ("/api/subscriptions", "letter", "msg_2b7Qy0mBq8eN3rT5vW1xZ4aC"),
    ("/api/rooms", "room", 1),
    ("/api/rooms", "person", 1),
    ("/api/rooms", "upload", "my_list"),
    ("/api/rooms", "format", "arrow"),
    ("", "id_", "0190a5b2-7c3e-7d4f-8a1b-2c3d4e5f6a7b"),
    ("", "label", "2026"),
    ("", "old", "2025"),
    ("", "new", "2026"),
    ("", "measure", "completeness"),
    ("/api/open/", "sort", "-period"),
    ("/api/open/", "items", "period,value"),
)
LINE = {
    "name": "my-air", "title": {"zh": "空气", "en": "Air"}, "dataset": "air-quality-hourly", "mode": "upsert",
    "source": {"kind": "url", "url": "https://example.org/air.csv"},
}  # fmt: skip
BODIES: dict[tuple[str, str], Any] = {
    ("post", "/api/lines"): LINE,
    ("put", "/api/lines/{name}"): LINE,
    ("put", "/api/catalog/datasets/{name}/rules/{rule}"): {
        "kind": "unique", "title": {"zh": "同一证号同一日只发一次", "en": "A permit is issued once on a day"}, "items": ["permit_id", "given_on"],
    },
    ("post", "/api/lines/quarantine/{row}/mend"): {"value": "12.5"},
    ("put", "/api/affairs/cross/partners/{partner}"): {
        "title": {"zh": "上饶", "en": "Shangrao"}, "address": "https://city.example.org", "key": "mBqRhUa6t0y3mR2m0y8c0fC9O6Qm2rZ0kq1mYl2j0kE=",
    },
    ("post", "/api/share/{dataset}"): {"keys": ["g01", "g02"]},
    ("post", "/api/live/{line}/devices"): {"name": "station-7"},
    ("put", "/api/lanes/{lane}"): {"weight": 4, "rows_per_second": None},
    ("put", "/api/interfaces/{dataset}"): {},
    ("post", "/api/plan/tasks"): {"measure": 1, "title": "开通 20 条“数据高铁”专线", "unit": "3308-dsj", "since": "2025-01-01", "due": "2025-12-31"},
    ("post", "/api/indicators/reports"): {"period": "2026-Q3"},
    ("post", "/api/plan/progress"): {"period": "2026-Q3"},
    ("post", "/api/assessment/rounds"): {"scheme": "counties", "period": "2026"},
    ("post", "/api/assessment/rounds/{number}/marks"): {"unit": "3308-dsj", "item": "joint", "points": 18, "reason": "会商及时"},
    ("post", "/api/assessment/rounds/{number}/appeals"): {"unit": "3308-dsj", "item": "joint", "reason": "牵头了三次会商"},
    ("post", "/api/catalog/openlists"): {"label": "2026", "note": {"zh": "年度清单", "en": "The list of the year"}},
    ("post", "/api/catalog/harvest"): {
        "name": "province", "title": {"zh": "省平台", "en": "The province"}, "kind": "ckan",
        "url": "https://data.example.org", "unit": "3308-dsj", "options": {},
    },
}  # fmt: skip
METHODS = ("get", "post", "put", "patch", "delete")


def describe(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make `/openapi.json` of `app` tell of these routes, and what each answers when something is wrong, with examples."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            plain = get_openapi(title=app.title, version=app.version, openapi_version=app.openapi_version, description=app.description, routes=routes)
            app.openapi_schema = _complete(plain)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _complete(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    kinds = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        kinds.pop(unused, None)
    kinds |= {"Problem": PROBLEM, "Both": BOTH}
    components["responses"] = {name: _error(status, *said) for status, (name, *said) in ERRORS.items()}
    components["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "接口密钥 · an API key"}
    }
    schema["security"] = [{}, {"key": []}]
    for method, path, operation in operations(schema):
        _give_examples(method, path, operation)
        operation["responses"] |= {
            status: {"$ref": f"#/components/responses/{ERRORS[status][0]}"} for status in _statuses(method, path, operation)
        }
    return schema


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every (method, path, operation) of a description."""
    for path, methods in schema["paths"].items():
        yield from ((method, path, operation) for method, operation in methods.items() if method in METHODS)


def _error(status: str, description: str, code: str, title: str, detail: str) -> dict[str, Any]:
    example = {
        "type": f"urn:sanqu:error:{code}",
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": "",
        "code": code,
    }
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    return {"description": description, "content": {"application/problem+json": content}}


def _give_examples(method: str, path: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        fitting = (example for start, name, example in EXAMPLES if path.startswith(start) and name == parameter["name"])
        if (example := next(fitting, None)) is not None:
            parameter["example"] = example
    if (body := BODIES.get((method, path))) is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = body


def _statuses(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    """The errors an interface can answer with, as far as its shape tells."""
    parameters = operation.get("parameters", [])
    changes = method != "get" and not path.startswith("/api/3/")
    found = ["401"]
    found += ["400"] if parameters or changes else []
    found += ["422"] if operation["responses"].pop("422", None) else []
    found += ["404"] if any(parameter["in"] == "path" for parameter in parameters) else []
    found += ["403"] if changes or path.startswith(("/api/lines", "/api/open/", "/open/")) else []
    found += ["409"] if changes else []
    found += ["429"] if path.startswith(("/api/open/", "/open/")) else []
    return sorted(found)
