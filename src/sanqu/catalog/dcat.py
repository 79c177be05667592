"""The catalogue as a DCAT-AP 3 graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rdflib import DCAT, DCTERMS, FOAF, OWL, RDF, RDFS, SKOS, XSD, BNode, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from sanqu.catalog.licences import licence_of
from sanqu.catalog.records import Dataset, Resource, Subject
from sanqu.catalog.vocabularies import ACCESS, AUTHORITY, FORMATS, IANA, THEMES, frequency_uri, iri
from sanqu.ground.i18n import Text
from sanqu.ground.people.units import Unit

ADMS = Namespace("http://www.w3.org/ns/adms#")
HYDRA = Namespace("http://www.w3.org/ns/hydra/core#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
OPENAPI = URIRef("https://spec.openapis.org/oas/v3.1.0")
THEME_SCHEME = URIRef(f"{AUTHORITY}data-theme")
LANGUAGES = {"zh": f"{AUTHORITY}language/ZHO", "en": f"{AUTHORITY}language/ENG"}


@dataclass(frozen=True)
class Paging:
    """Which part of the catalogue a document holds: page `number` (from 1) of `pages`, of `total` datasets."""

    number: int
    pages: int
    total: int
    size: int


@dataclass(frozen=True)
class Around:
    """What a graph needs to know besides datasets: the site's address, its units, its subject libraries.

    `services`: describe row APIs as data services. By default they are distributions only: the published SHACL shapes
    of DCAT-AP 3.0.1 name two shapes of data services that they do not define, at which validators stop.
    """

    base: str
    units: Mapping[str, Unit]
    subjects: Mapping[str, Subject]
    publisher: Unit | None
    services: bool = False

    def dataset(self, dataset: Dataset) -> URIRef:
        """The IRI of a dataset (the page that shows it has the same address without `#this`)."""
        return URIRef(f"{self.base}/dataset/{dataset.name}#this")


def new_graph() -> Graph:
    """An empty graph with the usual prefixes."""
    graph = Graph()
    for prefix, namespace in (("dcat", DCAT), ("dct", DCTERMS), ("foaf", FOAF), ("vcard", VCARD), ("adms", ADMS), ("skos", SKOS), ("hydra", HYDRA)):
        graph.bind(prefix, namespace)
    return graph


def _said(graph: Graph, node: Node, predicate: URIRef, text: Text) -> None:
    """`text` in each language it has."""
    for lang, value in (("zh", text.zh), ("en", text.en)):
        if value.strip():
            graph.add((node, predicate, Literal(value.strip(), lang=lang)))


def _typed(graph: Graph, uri: str, kind: URIRef, label: str = "") -> URIRef:
    node = URIRef(uri)
    graph.add((node, RDF.type, kind))
    if label:
        graph.add((node, SKOS.prefLabel, Literal(label, lang="en")))
    return node


def _time(at: datetime) -> Literal:
    return Literal(at.isoformat(timespec="seconds"), datatype=XSD.dateTime)


def _agent(graph: Graph, around: Around, unit: Unit) -> URIRef:
    node = URIRef(f"{around.base}/organization/{unit.code}#this")
    graph.add((node, RDF.type, FOAF.Agent))
    _said(graph, node, FOAF.name, unit.title)
    kind = _typed(graph, "http://purl.org/adms/publishertype/LocalAuthority", SKOS.Concept, "Local Authority")
    graph.add((node, DCTERMS.type, kind))
    return node


def catalog_graph(around: Around, datasets: Iterable[Dataset], modified: datetime | None, paging: Paging, document: str) -> Graph:
    """The catalogue with `datasets` in it; `document` is the address of page 1 in this format."""
    graph = new_graph()
    catalog = URIRef(f"{around.base}/#catalog")
    graph.add((catalog, RDF.type, DCAT.Catalog))
    title = around.publisher.title if around.publisher else Text(zh="数据目录", en="Data catalogue")
    _said(graph, catalog, DCTERMS.title, Text(zh=f"{title.zh}公共数据目录", en=f"{title.en or title.zh} open data catalogue"))
    _said(graph, catalog, DCTERMS.description, Text(zh=f"{title.zh}各单位的数据集", en=f"Datasets of the units of {title.en or title.zh}"))
    if around.publisher:
        graph.add((catalog, DCTERMS.publisher, _agent(graph, around, around.publisher)))
    graph.add((catalog, FOAF.homepage, _typed(graph, f"{around.base}/", FOAF.Document)))
    for uri in LANGUAGES.values():
        graph.add((catalog, DCTERMS.language, _typed(graph, uri, DCTERMS.LinguisticSystem)))
    scheme = _typed(graph, str(THEME_SCHEME), SKOS.ConceptScheme)
    graph.add((scheme, DCTERMS.title, Literal("Data theme", lang="en")))
    graph.add((catalog, DCAT.themeTaxonomy, scheme))
    graph.add((catalog, DCTERMS.license, _typed(graph, f"{AUTHORITY}licence/CC_BY_4_0", DCTERMS.LicenseDocument)))
    if modified is not None:
        graph.add((catalog, DCTERMS.modified, _time(modified)))
    for dataset in datasets:
        graph.add((catalog, DCAT.dataset, add_dataset(graph, around, dataset)))
        if around.services and dataset.is_open and dataset.contract:
            graph.add((catalog, DCAT.service, _service_node(around, dataset)))
    if paging.pages > 1:
        _add_paging(graph, catalog, paging, document)
    return graph


def _add_paging(graph: Graph, catalog: URIRef, paging: Paging, document: str) -> None:
    """Hydra's links from page to page, which DCAT harvesters follow."""

    def page(number: int) -> URIRef:
        return URIRef(f"{document}?page={number}")

    here = page(paging.number)
    graph.add((here, RDF.type, HYDRA.PagedCollection))
    graph.add((here, RDF.type, HYDRA.PartialCollectionView))
    graph.add((here, HYDRA.totalItems, Literal(paging.total)))
    graph.add((here, HYDRA.itemsPerPage, Literal(paging.size)))
    graph.add((here, HYDRA.first, page(1)))
    graph.add((here, HYDRA.last, page(paging.pages)))
    if paging.number > 1:
        graph.add((here, HYDRA.previous, page(paging.number - 1)))
    if paging.number < paging.pages:
        graph.add((here, HYDRA.next, page(paging.number + 1)))
    graph.add((catalog, HYDRA.view, here))


def add_dataset(graph: Graph, around: Around, dataset: Dataset) -> URIRef:
    """Add a dataset, its distributions and its service; returns its IRI."""
    node = around.dataset(dataset)
    page = f"{around.base}/datasets/{dataset.name}"
    graph.add((node, RDF.type, DCAT.Dataset))
    _said(graph, node, DCTERMS.title, dataset.title)
    _said(graph, node, DCTERMS.description, dataset.about if str(dataset.about).strip() else dataset.title)
    graph.add((node, DCTERMS.identifier, Literal(str(dataset.id))))
    graph.add((node, DCTERMS.issued, _time(dataset.published or dataset.created)))
    graph.add((node, DCTERMS.modified, _time(dataset.modified)))
    graph.add((node, DCAT.landingPage, _typed(graph, page, FOAF.Document)))
    unit = around.units.get(dataset.unit)
    if unit is not None:
        graph.add((node, DCTERMS.publisher, _agent(graph, around, unit)))
        contact = BNode(f"contact-{unit.code}".replace("-", ""))
        # Both: shapes ask for the kind by name, and not every reader knows that an organisation is one.
        graph.add((contact, RDF.type, VCARD.Kind))
        graph.add((contact, RDF.type, VCARD.Organization))
        _said(graph, contact, VCARD.fn, unit.title)
        graph.add((contact, VCARD.hasURL, URIRef(f"{around.base}/units/{unit.code}")))
        graph.add((node, DCAT.contactPoint, contact))
    graph.add((node, DCTERMS.accrualPeriodicity, _typed(graph, frequency_uri(dataset.freshness), DCTERMS.Frequency)))
    graph.add((node, DCTERMS.accessRights, _typed(graph, f"{AUTHORITY}access-right/{ACCESS[dataset.opening]}", DCTERMS.RightsStatement)))
    for lang, uri in LANGUAGES.items():
        if dataset.title.zh if lang == "zh" else dataset.title.en:
            graph.add((node, DCTERMS.language, _typed(graph, uri, DCTERMS.LinguisticSystem)))
    for tag in dataset.tags:
        graph.add((node, DCAT.keyword, Literal(tag)))
    if dataset.sample:
        graph.add((node, DCAT.keyword, Literal("样例", lang="zh")))
        graph.add((node, DCAT.keyword, Literal("sample", lang="en")))
    _add_themes(graph, around, node, dataset)
    _add_licence(graph, node, dataset)
    for resource in dataset.resources:
        graph.add((node, DCAT.distribution, _distribution(graph, around, dataset, resource)))
    if dataset.is_open and dataset.contract:
        graph.add((node, DCAT.distribution, _api_distribution(graph, around, dataset)))
        if around.services:
            _add_service(graph, around, node, dataset)
    return node


def _add_themes(graph: Graph, around: Around, node: URIRef, dataset: Dataset) -> None:
    for name in dataset.subjects:
        subject = around.subjects.get(name)
        if subject is None:
            continue
        own = _typed(graph, f"{around.base}/group/{name}#this", SKOS.Concept)
        _said(graph, own, SKOS.prefLabel, subject.title)
        graph.add((node, DCAT.theme, own))
        if subject.theme in THEMES:
            theme = _typed(graph, f"{AUTHORITY}data-theme/{subject.theme}", SKOS.Concept)
            _said(graph, theme, SKOS.prefLabel, THEMES[subject.theme])
            graph.add((theme, SKOS.inScheme, THEME_SCHEME))
            graph.add((node, DCAT.theme, theme))


def _distribution(graph: Graph, around: Around, dataset: Dataset, resource: Resource) -> URIRef:
    node = URIRef(f"{around.base}/dataset/{dataset.name}#distribution-{resource.id}")
    page = f"{around.base}/datasets/{dataset.name}"
    own = resource.url.startswith("/")
    address = f"{around.base}{resource.url}" if own else iri(resource.url)
    graph.add((node, RDF.type, DCAT.Distribution))
    graph.add((node, DCTERMS.title, Literal(resource.name or resource.format or dataset.name)))
    if resource.about.strip():
        graph.add((node, DCTERMS.description, Literal(resource.about.strip())))
    graph.add((node, DCAT.accessURL, _typed(graph, address or page, RDFS.Resource)))
    if address and (own or resource.file):
        graph.add((node, DCAT.downloadURL, _typed(graph, address, RDFS.Resource)))
    eu, media = FORMATS.get(resource.format, ("", ""))
    if eu:
        graph.add((node, DCTERMS.format, _typed(graph, f"{AUTHORITY}file-type/{eu}", DCTERMS.MediaTypeOrExtent)))
    media = media or (resource.mimetype if resource.mimetype.count("/") == 1 else "")
    if media and iri(IANA + media):
        graph.add((node, DCAT.mediaType, _typed(graph, str(iri(IANA + media)), DCTERMS.MediaType)))
    if resource.size is not None and resource.size >= 0:
        graph.add((node, DCAT.byteSize, Literal(resource.size, datatype=XSD.nonNegativeInteger)))
    graph.add((node, DCTERMS.modified, _time(resource.modified)))
    _add_licence(graph, node, dataset)
    return node


def _api_distribution(graph: Graph, around: Around, dataset: Dataset) -> URIRef:
    """The row API of an open dataset, as a way to its data."""
    node = URIRef(f"{around.base}/dataset/{dataset.name}#distribution-api")
    graph.add((node, RDF.type, DCAT.Distribution))
    _said(graph, node, DCTERMS.title, Text(zh="行接口", en="Row API"))
    graph.add((node, DCAT.accessURL, _typed(graph, f"{around.base}/api/open/{dataset.name}", RDFS.Resource)))
    graph.add((node, DCTERMS.format, _typed(graph, f"{AUTHORITY}file-type/JSON", DCTERMS.MediaTypeOrExtent)))
    graph.add((node, DCTERMS.conformsTo, _typed(graph, str(OPENAPI), DCTERMS.Standard)))
    _add_licence(graph, node, dataset)
    if around.services:
        graph.add((node, DCAT.accessService, _service_node(around, dataset)))
    return node


def _add_licence(graph: Graph, node: URIRef, dataset: Dataset) -> None:
    licence = licence_of(dataset.licence)
    address = licence.uri if licence else iri(dataset.licence)
    if address:
        graph.add((node, DCTERMS.license, _typed(graph, address, DCTERMS.LicenseDocument)))
        if licence and licence.url and licence.url != licence.uri:
            graph.add((URIRef(licence.uri), OWL.sameAs, URIRef(licence.url)))


def _service_node(around: Around, dataset: Dataset) -> URIRef:
    return URIRef(f"{around.base}/dataset/{dataset.name}#api")


def _add_service(graph: Graph, around: Around, node: URIRef, dataset: Dataset) -> None:
    service = _service_node(around, dataset)
    graph.add((service, RDF.type, DCAT.DataService))
    _said(graph, service, DCTERMS.title, Text(zh=f"{dataset.title}：行接口", en=f"{dataset.title.in_('en')}: row API"))
    graph.add((service, DCAT.endpointURL, _typed(graph, f"{around.base}/api/open/{dataset.name}", RDFS.Resource)))
    graph.add((service, DCAT.endpointDescription, _typed(graph, f"{around.base}/openapi.json", RDFS.Resource)))
    graph.add((service, DCTERMS.conformsTo, _typed(graph, str(OPENAPI), DCTERMS.Standard)))
    graph.add((service, DCAT.servesDataset, node))
    public = _typed(graph, f"{AUTHORITY}access-right/PUBLIC", DCTERMS.RightsStatement)
    graph.add((service, DCTERMS.accessRights, public))
    _add_licence(graph, service, dataset)
