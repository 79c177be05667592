"""The catalogue leaves as DCAT-AP 3 without a violation, in three formats and in pages; and as Data Packages."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from rdflib import DCAT, RDF, SH, Graph, URIRef

from sanqu.catalog import dcat_http
from sanqu.catalog.dcat import HYDRA
from sanqu.catalog.keeping import register_contract
from sanqu.catalog.records import Resource
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.lake import Contract

from .conftest import SHARED, Put, Served

SHAPES = SHARED / "conformance" / "dcat-ap-3.0.1"


def violations(graph: Graph, inference: str) -> str:
    """What pyshacl says against the shapes, or nothing."""
    if not SHAPES.is_dir():
        pytest.skip(f"the DCAT-AP shapes are not at {SHAPES}")
    from pyshacl import validate

    shapes = Graph()
    for file in sorted(Path(SHAPES).glob("*.ttl")):
        shapes.parse(file)
    # The files name five property shapes that they do not define; pyshacl stops at those.
    for shape, part in list(shapes.subject_objects(SH.property)):
        if (part, SH.path, None) not in shapes:
            shapes.remove((shape, SH.property, part))
    conforms, _, text = validate(graph, shacl_graph=shapes, inference=inference, advanced=False)
    return "" if conforms else text


def fill(town: City, put: Put) -> None:
    from uuid import uuid4

    register_contract(
        town,
        Contract.from_descriptor(
            {"name": "air", "title": {"zh": "空气质量", "en": "Air quality"}, "description": {"zh": "逐时", "en": "Hourly"}, "steward": "3308-agri",
             "primaryKey": ["k"], "freshness": "PT1H", "subject": "agriculture", "tags": ["空气"], "sample": True,
             "fields": [{"name": "k", "type": "integer", "constraints": {"required": True}}, {"name": "v", "type": "number", "unit": "µg/m³", "title": {"zh": "浓度", "en": "Level"}}]}
        ),
        "test",
    )  # fmt: skip
    at = now()

    def link(url: str, form: str, **more: object) -> Resource:
        return Resource(uuid4(), made, at, at, name=f"{form} <odd> \"name\"", url=url, format=form, **more)  # type: ignore[arg-type]

    from dataclasses import replace

    from sanqu.catalog.keeping import fresh, write

    one = fresh("odd", Text(zh="怪 \"引号\" \\ <b>", en=""), "3308-traffic", state="published", opening="restricted", sharing="conditional", subjects=("traffic",), licence="https://example.org/terms of use", freshness="P11D")
    made = one.id
    links = (
        link("http://例子.example/数据 文件.csv?a=[1]&b={x}", "CSV", size=12), link("not a url", "PDF"), link("", "WEIRD THING", mimetype="application/x-what"),
        link("ftp://host.example/a b.zip", "ZIP", mimetype="bad mime/type x"),
    )  # fmt: skip
    with town.db.connection() as conn:
        write(conn, [replace(one, resources=links)], "test")
    put("plain", "无描述", about=Text())
    put("hidden", "内部", opening="none")


@pytest.mark.parametrize("form", ["ttl", "jsonld", "rdf"])
def test_the_catalogue_conforms_to_dcat_ap_3(town: City, put: Put, served: Served, form: str) -> None:
    fill(town, put)
    answer = requests.get(f"{served.url}/catalog.{form}", timeout=30)
    assert answer.status_code == 200
    graph = Graph().parse(data=answer.text, format=dcat_http.SERIALIZERS[form][0])
    assert len(list(graph.subjects(RDF.type, DCAT.Dataset))) == 3
    assert "hidden" not in answer.text
    assert not list(graph.subjects(RDF.type, DCAT.DataService))
    for inference in ("none", "rdfs"):
        assert violations(graph, inference) == ""
    with_services = requests.get(f"{served.url}/catalog.{form}?services=true", timeout=30).text
    graph = Graph().parse(data=with_services, format=dcat_http.SERIALIZERS[form][0])
    assert len(list(graph.subjects(RDF.type, DCAT.DataService))) == 1
    assert violations(graph, "none") == ""


def test_the_shapes_as_published_find_nothing_either(town: City, put: Put, served: Served, tmp_path: Path) -> None:
    fill(town, put)
    if not SHAPES.is_dir():
        pytest.skip(f"the DCAT-AP shapes are not at {SHAPES}")
    import subprocess
    import sys

    file = tmp_path / "catalog.ttl"
    file.write_text(requests.get(f"{served.url}/catalog.ttl", timeout=30).text)
    program = Path(sys.executable).parent / "pyshacl"
    done = subprocess.run([program, "-s", SHAPES / "dcat-ap-SHACL.ttl", file], capture_output=True, text=True, timeout=120)
    assert "Conforms: True" in done.stdout, done.stdout + done.stderr


def test_each_dataset_conforms_on_its_own(town: City, put: Put, served: Served) -> None:
    fill(town, put)
    for name in ("air", "odd", "plain"):
        for form in ("ttl", "jsonld", "rdf"):
            answer = requests.get(f"{served.url}/dataset/{name}.{form}", timeout=30)
            graph = Graph().parse(data=answer.text, format=dcat_http.SERIALIZERS[form][0])
            assert violations(graph, "none") == ""
    assert requests.get(f"{served.url}/dataset/hidden.ttl", timeout=10).status_code == 404
    assert requests.get(f"{served.url}/catalog.xml", timeout=10).status_code in (404, 422)


def test_a_large_catalogue_comes_in_linked_pages(
    town: City, put: Put, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dcat_http, "PAGE_SIZE", 4)
    for i in range(10):
        put(f"d{i}", f"数据 {i}")
    url: str | None = f"{served.url}/catalog.ttl"
    seen: set[str] = set()
    pages = 0
    while url:
        graph = Graph().parse(data=requests.get(url, timeout=10).text, format="turtle")
        seen |= {str(d) for d in graph.subjects(RDF.type, DCAT.Dataset)}
        url = next((str(o) for o in graph.objects(None, HYDRA.next)), None)
        pages += 1
        assert violations(graph, "none") == ""
    assert pages == 3 and len(seen) == 10 and URIRef(f"{served.url}/dataset/d0#this") in {URIRef(s) for s in seen}


def test_a_dataset_is_a_data_package(town: City, put: Put, served: Served) -> None:
    fill(town, put)
    package = requests.get(f"{served.url}/dataset/air/datapackage.json", timeout=10).json()
    first = package["resources"][0]
    assert package["name"] == "air" and package["sample"] is True and package["licenses"][0]["name"] == "cc-by"
    assert first["path"] == f"{served.url}/open/air.csv" and first["schema"]["primaryKey"] == ["k"]
    assert first["schema"]["fields"][1] | {"title_en": "Level"} == {"name": "v", "type": "number", "format": "default", "title": "浓度", "title_en": "Level", "unit": "µg/m³"}
    assert requests.get(f"{served.url}/dataset/odd/datapackage.json", timeout=10).json()["name"] == "odd"
