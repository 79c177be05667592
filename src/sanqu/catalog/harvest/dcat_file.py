"""Reads a DCAT catalogue: a file or an address in Turtle, RDF/XML or JSON-LD, page after page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rdflib import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, Graph, Literal, URIRef
from rdflib.term import Node

from sanqu.catalog.dcat import HYDRA, VCARD
from sanqu.catalog.harvest.fetch import Fetcher
from sanqu.catalog.harvest.foreign import Batch, Foreign, Link, Raw, Unfit, bilingual, freshness_of, moment, plain, tags_of
from sanqu.catalog.harvest.sources import Source
from sanqu.catalog.vocabularies import duration_of, format_from_uri
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

ROWS = 100
ENDINGS = {"ttl": "turtle", "n3": "n3", "nt": "nt", "rdf": "xml", "xml": "xml", "jsonld": "json-ld", "json": "json-ld"}
TYPES = {
    "text/turtle": "turtle", "application/rdf+xml": "xml", "application/xml": "xml", "text/xml": "xml",
    "application/ld+json": "json-ld", "application/json": "json-ld", "application/n-triples": "nt",
}  # fmt: skip
MOST_PAGES = 10_000


def parsed(body: bytes, kind: str, url: str) -> Graph:
    """A graph from bytes; remote contexts of JSON-LD are never fetched. Raises `BadInput` with the place that broke."""
    form = TYPES.get(kind.split(";")[0].strip().lower()) or ENDINGS.get(url.split("?")[0].rsplit(".", 1)[-1].lower(), "turtle")
    if form == "json-ld" and _remote_context(body):
        raise BadInput(
            "harvest.remote-context",
            Text(zh="JSON-LD 引用了外部上下文，不予读取", en="The JSON-LD points to a context elsewhere, which is not fetched"),
            Text(zh="改用 Turtle 或 RDF/XML，或内联 @context", en="Use Turtle or RDF/XML, or put the @context inside"),
            url,
        )
    graph = Graph()
    try:
        graph.parse(data=body, format=form, publicID=url)
    except Exception as fault:  # rdflib's parsers raise many kinds
        said = str(fault)[:300]
        raise BadInput(
            "harvest.not-rdf",
            Text(zh=f"按 {form} 读不懂：{said}", en=f"It cannot be read as {form}: {said}"),
            Text(zh="核对文件，或换一种格式", en="Check the file, or use another format"),
            url,
        ) from fault
    return graph


def _remote_context(body: bytes) -> bool:
    import json

    try:
        said = json.loads(body)
    except ValueError:
        return False
    holders = said if isinstance(said, list) else [said]
    for one in holders:
        context = one.get("@context") if isinstance(one, dict) else None
        if any(isinstance(part, str) for part in (context if isinstance(context, list) else [context])):
            return True
    return False


class DcatFile:
    """A DCAT document, with the pages that Hydra links to it."""

    def __init__(self, source: Source, fetcher: Fetcher) -> None:
        self._fetch = fetcher
        self._url = source.url
        self._rows = int(source.options.get("rows", ROWS))

    def batches(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Datasets in the order of their IRIs within a page."""
        url: str | None = str(position.get("page") or self._url)
        done = int(position.get("done", 0))
        seen: set[str] = set()
        while url and url not in seen and len(seen) < MOST_PAGES:
            seen.add(url)
            self._fetch.check()
            body, kind = self._fetch.read(url)
            graph = parsed(body, kind, url)
            nodes = sorted(set(graph.subjects(RDF.type, DCAT.Dataset)), key=str)
            total = next((int(str(n)) for n in graph.objects(None, HYDRA.totalItems)), None)
            if total is None and url == self._url:
                total = len(nodes)
            following = next((str(node) for node in graph.objects(None, HYDRA.next)), None)
            for start in range(done, len(nodes), self._rows):
                part = nodes[start : start + self._rows]
                raws = [self._raw(graph, node) for node in part]
                yield Batch(raws, {"page": url, "done": start + len(part)}, total)
            url, done = following, 0

    def _raw(self, graph: Graph, node: Node) -> Raw:
        identifier = next((str(one) for one in graph.objects(node, DCTERMS.identifier)), "")
        id_ = str(node) if isinstance(node, URIRef) else identifier
        if not id_:
            return Raw(f"_:{node}", self._url, None, Text(zh="数据集没有 IRI，也没有标识", en="The dataset has neither an IRI nor an identifier"))
        return Raw(id_, str(node), _body(graph, node))

    def foreign(self, body: Mapping[str, Any]) -> Foreign:
        """A dataset in our words."""
        title = _text(body.get("title", []), 500)
        if not str(title):
            raise Unfit("没有标题", "It has no title")
        return Foreign(
            title=title, about=_text(body.get("about", []), 20_000), tags=tags_of(body["tags"]), themes=body["themes"],
            licence=body["licence"], freshness=duration_of(body["frequency"]) or freshness_of(body["frequency"]),
            publisher=plain(body["publisher"], 200), page=body["page"], created=moment(body["created"]),
            modified=moment(body["modified"]),
            links=[
                Link(
                    one["url"], plain(one["name"], 200), format_from_uri(one["format"]) or plain(one["format_label"], 100),
                    one["media"].rsplit("media-types/", 1)[-1] if "/" in one["media"] else "", plain(one["about"], 2000),
                    int(one["size"]) if one["size"].isdigit() else None,
                )
                for one in body["links"]
            ],
        )  # fmt: skip


def _texts(graph: Graph, node: Node, predicate: URIRef) -> list[list[str]]:
    """Literals as [language, text], in an order that does not change from reading to reading."""
    return sorted([str(o.language or ""), str(o)] for o in graph.objects(node, predicate) if isinstance(o, Literal))


def _first(graph: Graph, node: Node | None, *predicates: URIRef) -> str:
    if node is None:
        return ""
    for predicate in predicates:
        values = sorted(str(value) for value in graph.objects(node, predicate))
        if values:
            return values[0]
    return ""


def _node(graph: Graph, node: Node, predicate: URIRef) -> Node | None:
    return min(graph.objects(node, predicate), key=str, default=None)


def _body(graph: Graph, node: Node) -> dict[str, Any]:
    """What the graph says of a dataset, as JSON that is the same whenever the content is."""
    links = [
        {
            "url": _first(graph, one, DCAT.downloadURL, DCAT.accessURL), "name": _first(graph, one, DCTERMS.title),
            "about": _first(graph, one, DCTERMS.description), "format": _first(graph, one, DCTERMS["format"]),
            "format_label": _first(graph, _node(graph, one, DCTERMS["format"]), RDFS.label, SKOS.prefLabel),
            "media": _first(graph, one, DCAT.mediaType), "size": _first(graph, one, DCAT.byteSize),
            "licence": _first(graph, one, DCTERMS.license),
        }
        for one in sorted(graph.objects(node, DCAT.distribution), key=str)
    ]  # fmt: skip
    publisher = _node(graph, node, DCTERMS.publisher) or _node(graph, node, DCAT.contactPoint)
    return {
        "title": _texts(graph, node, DCTERMS.title), "about": _texts(graph, node, DCTERMS.description),
        "tags": sorted({str(one) for one in graph.objects(node, DCAT.keyword)}),
        "themes": sorted(str(one).rstrip("/").rsplit("/", 1)[-1] for one in graph.objects(node, DCAT.theme)),
        "licence": _first(graph, node, DCTERMS.license) or next((link["licence"] for link in links if link["licence"]), ""),
        "frequency": _first(graph, node, DCTERMS.accrualPeriodicity),
        "publisher": _first(graph, publisher, FOAF.name, VCARD.fn, RDFS.label), "page": _first(graph, node, DCAT.landingPage),
        "created": _first(graph, node, DCTERMS.issued), "modified": _first(graph, node, DCTERMS.modified),
        "links": sorted(links, key=str),
    }  # fmt: skip


def _text(said: list[list[str]], limit: int) -> Text:
    by_language: dict[str, str] = {}
    for language, text in said:
        by_language.setdefault(language.split("-")[0].lower(), plain(text, limit))
    zh, en = by_language.get("zh", ""), by_language.get("en", "")
    other = next((text for language, text in by_language.items() if language not in ("zh", "en")), "")
    if other and not (zh or en):
        return bilingual(other)
    return Text(zh=zh, en=en)
