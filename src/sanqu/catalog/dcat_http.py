"""DCAT, Data Packages over HTTP: the catalogue page by page, each dataset on its own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.browse import show
from sanqu.catalog.datapackage import data_package
from sanqu.catalog.dcat import Around, Paging, add_dataset, catalog_graph, new_graph
from sanqu.catalog.records import DATASET_COLUMNS, Dataset, subjects, with_resources
from sanqu.catalog.units import units_by_code
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import NotFound
from sanqu.ground.http import Asking, InCity, base_of
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of

router = APIRouter(tags=["DCAT"])

Format = Literal["ttl", "jsonld", "rdf"]
SERIALIZERS: dict[str, tuple[str, str]] = {
    "ttl": ("turtle", "text/turtle"), "jsonld": ("json-ld", "application/ld+json"), "rdf": ("xml", "application/rdf+xml"),
}  # fmt: skip
PAGE_SIZE = 100
PAGE = f"""
SELECT {DATASET_COLUMNS} FROM catalog_dataset WHERE state = 'published' AND audience && %s
ORDER BY name LIMIT %s OFFSET %s
"""
TOTAL = "SELECT count(*) AS n, max(modified) AS modified FROM catalog_dataset WHERE state = 'published' AND audience && %s"
ROOT = "SELECT code FROM org_unit WHERE parent IS NULL ORDER BY code LIMIT 1"


def around(conn: Connection, asker: Asker, datasets: list[Dataset], base: str, *, services: bool = False) -> Around:
    """What a graph of these datasets needs to know besides them."""
    root = conn.execute(ROOT).fetchone()
    codes = {dataset.unit for dataset in datasets} | ({str(root["code"])} if root else set())
    units = units_by_code(conn, codes)
    known = {subject.name: subject for subject in subjects(conn, tokens_of(asker), counted=False)}
    return Around(base, units, known, units.get(str(root["code"])) if root else None, services)


def catalog_document(
    city: City, asker: Asker, base: str, form: Format, page: int = 1, *, services: bool = False
) -> tuple[str, datetime | None]:
    """Page `page` of the catalogue as text in one of the formats, and when anything in the catalogue last changed."""
    audience = tokens_of(asker)
    with city.db.connection() as conn:
        counted = conn.execute(TOTAL, (audience,)).fetchone()
        assert counted is not None
        rows = conn.execute(PAGE, (audience, PAGE_SIZE, (page - 1) * PAGE_SIZE)).fetchall()
        datasets = with_resources(conn, rows)
        beside = around(conn, asker, datasets, base, services=services)
    pages = max(-(-counted["n"] // PAGE_SIZE), 1)
    if page > pages:
        raise NotFound(
            "catalog.no-page",
            Text(zh=f"目录只有 {pages} 页", en=f"The catalogue has {pages} pages"),
            Text(zh="从第 1 页开始", en="Start from page 1"),
            str(page),
        )
    paging = Paging(page, pages, counted["n"], PAGE_SIZE)
    graph = catalog_graph(beside, datasets, counted["modified"], paging, f"{base}/catalog.{form}")
    return graph.serialize(format=SERIALIZERS[form][0]), counted["modified"]


@router.get("/catalog.{form}", summary="整个目录（DCAT-AP）· The whole catalogue as DCAT-AP")
def catalog(
    form: Format, request: Request, city: InCity, asker: Asking, page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    services: bool = False,
) -> Response:  # fmt: skip
    """The catalogue as DCAT-AP 3, large ones in pages linked with Hydra; with `services`, row APIs as data services."""
    text, _ = catalog_document(city, asker, base_of(city, request), form, page, services=services)
    return Response(text, media_type=f"{SERIALIZERS[form][1]}; charset=utf-8")


@router.get("/dataset/{name}/datapackage.json", summary="数据包描述 · A dataset as a Data Package")
def package(name: str, request: Request, city: InCity, asker: Asking) -> Response:
    """A dataset as a Data Package."""
    dataset = show(city, name, asker)
    with city.db.connection() as conn:
        units = units_by_code(conn, [dataset.unit])
    lake = lake_of(city)
    contract = lake.contract(dataset.contract) if dataset.contract and lake.has(dataset.contract) else None
    return JSONResponse(data_package(dataset, units, contract, base_of(city, request)))


@router.get("/dataset/{name}.{form}", summary="一个数据集（DCAT-AP）· A dataset as DCAT-AP")
def dataset_graph(name: str, form: Format, request: Request, city: InCity, asker: Asking, services: bool = False) -> Response:
    """A dataset as DCAT-AP 3; with `services`, its row API as a data service."""
    dataset = show(city, name, asker)
    with city.db.connection() as conn:
        beside = around(conn, asker, [dataset], base_of(city, request), services=services)
    graph = new_graph()
    add_dataset(graph, beside, dataset)
    return Response(graph.serialize(format=SERIALIZERS[form][0]), media_type=f"{SERIALIZERS[form][1]}; charset=utf-8")
