"""The catalogue over HTTP: our own JSON, CKAN's API, DCAT."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import BaseModel

from sanqu.catalog import browse as lists
from sanqu.catalog import harvest as harvests
from sanqu.catalog import openlist, quality
from sanqu.catalog.ckan.http import router as ckan_router
from sanqu.catalog.datapackage import schema_org
from sanqu.catalog.dcat_http import router as dcat_router
from sanqu.catalog.harvest.sources import Kind as HarvestKind
from sanqu.catalog.records import Dataset, as_jsonable
from sanqu.catalog.rules.keeping import delete_rule, history_of, rules_of, save_rule
from sanqu.catalog.rules.records import Told, Verdict, read_rule
from sanqu.catalog.rules.watch import close_case, evaluate
from sanqu.catalog.search import SHOWN_FACETS, SORTS, Ask, Found, Sort, search
from sanqu.catalog.units import is_steward, units_by_code
from sanqu.ground.errors import BadInput
from sanqu.ground.http import Admin, Asking, InCity, Language, SignedIn, base_of
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer

router = APIRouter(prefix="/api/catalog", tags=["目录 · Catalogue"])
links = APIRouter(include_in_schema=False)

Values = Annotated[list[str] | None, Query()]


def dataset_json(dataset: Dataset) -> dict[str, Any]:
    """A dataset as our JSON."""
    found = {key: value for key, value in vars(dataset).items() if key not in ("items", "resources", "title", "about", "seq")}
    found |= {
        "title": dataset.title.model_dump(),
        "about": dataset.about.model_dump(),
        "items": [i.as_json() for i in dataset.items],
    }
    found |= {"resources": [asdict(resource) for resource in dataset.resources]}
    plain: dict[str, Any] = as_jsonable(found)
    return plain


def found_json(found: Found) -> dict[str, Any]:
    """The answer to a search as our JSON."""
    return {
        "total": found.total,
        "relaxed": found.relaxed,
        "milliseconds": round(found.milliseconds, 2),
        "facets": {name: [asdict(value) for value in values] for name, values in found.facets.items()},
        "hits": [
            dataset_json(hit.dataset)
            | {"score": round(hit.score, 4), "marked": {"title": hit.title.model_dump(), "about": hit.snippet.model_dump()}}
            for hit in found.hits
        ],
    }


def _filters(request: Request) -> dict[str, list[str]]:
    return {name: values for name in SHOWN_FACETS if (values := request.query_params.getlist(name))}


@router.get("/search", summary="搜索数据集 · Search datasets")
def find(
    request: Request, city: InCity, asker: Asking, q: str = "", sort: Sort = "relevance",
    limit: Annotated[int, Query(ge=0, le=1000)] = 20, offset: Annotated[int, Query(ge=0)] = 0,
    subject: Values = None, unit: Values = None, opening: Values = None, grade: Values = None,
    form: Annotated[list[str] | None, Query(alias="format")] = None,
    tag: Values = None, origin: Values = None, sample: Values = None,
) -> dict[str, Any]:  # fmt: skip
    """Datasets found by words and filters (a filter given twice: either value), with facet counts and marks."""
    assert sort in SORTS
    order: Sort = sort if q or sort != "relevance" else "newest"
    return found_json(
        search(city, Ask(q, {"state": ["published"], **_filters(request)}, sort=order, limit=limit, offset=offset), asker)
    )


@router.get("/datasets.csv", summary="导出目录 · Export the list", response_class=StreamingResponse)
def export(request: Request, city: InCity, asker: Asking, lang: Language) -> StreamingResponse:
    """The whole list (or what the filters leave) as CSV, streamed."""
    lines = lists.export_csv(city, asker, filters=_filters(request), lang=lang)
    headers = {"Content-Disposition": 'attachment; filename="datasets.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/datasets/{name}", summary="一个数据集 · One dataset")
def one(name: str, request: Request, city: InCity, asker: Asking) -> dict[str, Any]:
    """All the catalogue knows of a dataset, by name or id."""
    dataset = lists.show(city, name, asker)
    with city.db.connection() as conn:
        units = units_by_code(conn, [dataset.unit])
    return dataset_json(dataset) | {"schema_org": schema_org(dataset, units, base_of(city, request))}


@router.get("/datasets/{name}/quality", summary="质量 · Quality")
def quality_figures(name: str, city: InCity, asker: Asking) -> dict[str, Any]:
    """The quality figures as last measured; `quality` is null when they never were."""
    kept = quality.quality_of(city, lists.show(city, name, asker))
    found: dict[str, Any] = as_jsonable({"quality": None if kept is None else asdict(kept)})
    return found


@router.get("/datasets/{name}/quality/rows", summary="质量指标背后的行 · The rows behind a figure")
def quality_rows(
    name: str, city: InCity, asker: Asking, measure: quality.Measure, item: str = "", rule: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100, offset: Annotated[int, Query(ge=0)] = 0,
) -> list[dict[str, Any]]:  # fmt: skip
    """The rows that a figure counts as bad."""
    rows = quality.rows_behind(city, name, measure, item, asker, rule=rule, limit=limit, offset=offset)
    found: list[dict[str, Any]] = as_jsonable(rows)
    return found


@router.get("/datasets/{name}/rules", summary="质量规则 · Quality rules")
def rules(name: str, city: InCity, asker: Asking) -> list[dict[str, Any]]:
    """The rules of a dataset beyond its contract, each with its last verdict; the query behind it is for who answers for the data."""
    dataset = lists.show(city, name, asker)
    steward = is_steward(city, dataset, asker)
    found: list[dict[str, Any]] = as_jsonable([_told(one, steward) for one in rules_of(city, dataset.contract or dataset.name)])
    return found


@router.put("/datasets/{name}/rules/{rule}", summary="定质量规则 · Make a quality rule")
def put_rule(name: str, rule: str, said: Annotated[dict[str, Any], Body()], city: InCity, asker: SignedIn) -> dict[str, Any]:
    """Make or change a rule (`kind`, `title` and what the kind needs), and ask it at once."""
    dataset = lists.show(city, name, asker)
    made = save_rule(city, read_rule({**said, "name": rule, "dataset": dataset.contract or dataset.name}), asker)
    verdict = evaluate(city, made) if made.enabled else None
    plain: dict[str, Any] = as_jsonable({"rule": made.model_dump(mode="json"), "verdict": verdict and verdict.model_dump(mode="json")})
    return plain


@router.delete("/datasets/{name}/rules/{rule}", status_code=204, summary="去掉质量规则 · Take a quality rule away")
def take_rule(name: str, rule: str, city: InCity, asker: SignedIn) -> None:
    """Take a rule away with what it found; a task that is open because of it ends."""
    dataset = lists.show(city, name, asker)
    case = delete_rule(city, dataset.contract or dataset.name, rule, asker)
    if case is not None:
        close_case(city, case)


@router.get("/datasets/{name}/rules/{rule}/verdicts", summary="规则的历次结果 · What a rule found")
def verdicts(name: str, rule: str, city: InCity, asker: Asking, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[dict[str, Any]]:
    """What a rule found, the newest first."""
    dataset = lists.show(city, name, asker)
    steward = is_steward(city, dataset, asker)
    found = history_of(city, dataset.contract or dataset.name, rule, limit)
    told = [{"at": at, "snapshot": snapshot} | _verdict(verdict, steward) for at, snapshot, verdict in found]
    plain: list[dict[str, Any]] = as_jsonable(told)
    return plain


def _told(one: Told, steward: bool) -> dict[str, Any]:
    verdict = None if one.verdict is None else _verdict(one.verdict, steward)
    return {"rule": one.rule.model_dump(mode="json"), "verdict": verdict, "at": one.at, "case": one.case if steward else None}


def _verdict(verdict: Verdict, steward: bool) -> dict[str, Any]:
    return verdict.model_dump(mode="json", exclude=set() if steward else {"query", "figures", "fault"})


@router.get("/openlists", summary="开放清单的版本 · Versions of the open list")
def versions(city: InCity) -> list[dict[str, Any]]:
    """Every version of the open list, the newest first."""
    return [as_jsonable(vars(one) | {"note": one.note.model_dump()}) for one in openlist.open_lists(city)]


class NewList(BaseModel):
    """A version of the open list to be published."""

    label: str
    note: Text = Text()


@router.post("/openlists", summary="发布开放清单 · Publish the open list", status_code=201)
def publish_version(new: NewList, city: InCity, asker: Admin) -> dict[str, Any]:
    """Freeze what is open now as a version (administrators)."""
    made = openlist.publish_open_list(city, new.label, asker, new.note)
    found: dict[str, Any] = as_jsonable(vars(made) | {"note": made.note.model_dump()})
    return found


@router.get("/openlists/{label}", summary="清单内容 · What is on a list")
def version(
    label: str, city: InCity, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000, offset: Annotated[int, Query(ge=0)] = 0
) -> list[dict[str, Any]]:
    """The datasets on a version."""
    entries = openlist.entries(city, openlist.open_list(city, label), limit=limit, offset=offset)
    return [as_jsonable({"name": one.name, "dataset": one.dataset, **one.entry}) for one in entries]


@router.get("/openlists/{old}/diff/{new}", summary="两版之间的调整 · What changed between two lists")
def difference(old: str, new: str, city: InCity) -> dict[str, Any]:
    """Datasets added, removed and changed from one version to another, down to their items."""
    found = openlist.diff(city, old, new)
    answer: dict[str, Any] = as_jsonable(
        {
            "from": found.old.label, "to": found.new.label, "unchanged": found.unchanged,
            "added": [{"name": e.name, "title": e.entry["title"]} for e in found.added],
            "removed": [{"name": e.name, "title": e.entry["title"]} for e in found.removed],
            "changed": [
                {"name": c.after.name, "title": c.after.entry["title"], "words": dict(c.words), "items_added": c.items_added,
                 "items_removed": c.items_removed, "items_changed": c.items_changed}
                for c in found.changed
            ],
        }
    )  # fmt: skip
    return answer


class NewSource(BaseModel):
    """A catalogue to be harvested."""

    name: str
    title: Text
    kind: HarvestKind
    url: str
    unit: str
    options: dict[str, Any] = {}


@router.get("/harvest", summary="收割来源与记录 · Harvest sources and runs")
def harvest_runs(city: InCity, asker: SignedIn, source: str | None = None) -> dict[str, Any]:
    """Where the catalogue harvests from, and what the last runs did."""
    found: dict[str, Any] = as_jsonable(
        {
            "sources": [vars(one) | {"title": one.title.model_dump()} for one in harvests.sources(city)],
            "runs": [vars(one) for one in harvests.runs(city, source)],
        }
    )
    return found


@router.post("/harvest", summary="登记收割来源 · Add a harvest source", status_code=201)
def add_source(new: NewSource, city: InCity, asker: Admin) -> dict[str, Any]:
    """Add or change a source (administrators). Files of the server are harvested from its command line only."""
    if not new.url.lower().startswith(("http://", "https://")):
        raise BadInput(
            "harvest.address-needed",
            Text(zh="这里只能登记 http(s) 网址", en="Only http(s) addresses can be added here"),
            Text(
                zh="服务器上的文件用 sanqu catalog harvest add 登记", en="For a file on the server use sanqu catalog harvest add"
            ),
            new.url,
        )
    source = harvests.Source(new.name, new.title, new.kind, new.url, new.unit, new.options)
    made = harvests.add_source(city, source, asker.label)
    found: dict[str, Any] = as_jsonable(vars(made) | {"title": made.title.model_dump()})
    return found


@router.post("/harvest/{name}/run", summary="开始收割 · Start a harvest", status_code=202)
def start_harvest(name: str, city: InCity, asker: Admin) -> dict[str, Any]:
    """Harvest a source in the background (administrators)."""
    source = harvests.source_by_name(city, name)
    with city.db.connection() as conn:
        queued = defer(
            conn, "catalog.harvest", {"source": source.name, "actor": asker.label},
            lock=f"harvest:{source.name}", once=f"harvest:{source.name}",
        )  # fmt: skip
    return {"job": queued, "source": source.name, "already_waiting": queued is None}


@router.get("/harvest/runs/{run}/failures", summary="收割中的失败 · What a run could not take in")
def harvest_failures(
    run: int,
    city: InCity,
    asker: SignedIn,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> list[dict[str, Any]]:
    """Every record that failed, with the reason."""
    return [
        as_jsonable(vars(one) | {"reason": one.reason.model_dump()})
        for one in harvests.failures(city, run, limit=limit, offset=offset)
    ]


@links.get("/dataset/{name}")
def dataset_link(name: str) -> RedirectResponse:
    """CKAN's address of a dataset's page (and the one our IRIs have) leads to ours."""
    return RedirectResponse(f"/datasets/{name}", 303)


@links.get("/organization/{code}")
def organization_link(code: str) -> RedirectResponse:
    """CKAN's address of an organisation leads to ours."""
    return RedirectResponse(f"/units/{code}", 303)


@links.get("/group/{name}")
def group_link(name: str) -> RedirectResponse:
    """CKAN's address of a group leads to the datasets of the subject library."""
    return RedirectResponse(f"/datasets?subject={name}", 303)


def routers() -> list[APIRouter]:
    """Every router of the catalogue, to be included by the web application; the redirects come after what they overlap."""
    return [ckan_router, dcat_router, router, links]
