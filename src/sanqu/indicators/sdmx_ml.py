"""The structure of the indicators as SDMX-ML 3.0: what programs such as sdmx1 read before they read the figures."""

from __future__ import annotations

from typing import Any

from lxml import etree

from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.indicators.monitor import Watched
from sanqu.indicators.sdmx import AGENCY, CONCEPTS, DIMENSIONS, FLOW, VERSION, code_lists, concept_urn, urn

BASE = "http://www.sdmx.org/resources/sdmxml/schemas/v3_0"
MES, STR, COM = f"{BASE}/message", f"{BASE}/structure", f"{BASE}/common"
XML = "http://www.w3.org/XML/1998/namespace"


def structure_ml(all_: list[Watched]) -> bytes:
    """Code lists, concepts, the data structure and the dataflow, as an SDMX-ML 3.0 structure message."""
    root = etree.Element(f"{{{MES}}}Structure", nsmap={"mes": MES, "str": STR, "com": COM})
    header = _put(root, MES, "Header")
    for name, text in (("ID", "indicators"), ("Test", "false"), ("Prepared", now().isoformat())):
        _put(header, MES, name).text = text
    _put(header, MES, "Sender", id=AGENCY)
    held = _put(root, MES, "Structures")
    for name, title, codes in code_lists(all_):
        listed = _own(_first(held, "Codelists"), "Codelist", name, title)
        for code, said in codes:
            _named(_put(listed, STR, "Code", id=code, urn=f"{urn('codelist.Code', name)}.{code}"), said)
    scheme = _own(_first(held, "ConceptSchemes"), "ConceptScheme", "CONCEPTS", Text(zh="概念", en="Concepts"))
    for name, said in CONCEPTS:
        _named(_put(scheme, STR, "Concept", id=name, urn=concept_urn(name)), said)
    _data_structure(_first(held, "DataStructures"))
    flow = _own(_first(held, "Dataflows"), "Dataflow", FLOW, Text(zh="指标", en="Indicators"))
    _put(flow, STR, "Structure").text = urn("datastructure.DataStructure", FLOW)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _data_structure(held: Any) -> None:
    parts = _put(_own(held, "DataStructure", FLOW, Text(zh="指标", en="Indicators")), STR, "DataStructureComponents")
    dimensions = _component(parts, "DimensionList", "DimensionDescriptor")
    for place, (name, _, codes) in enumerate(DIMENSIONS, 1):
        one = _component(dimensions, "Dimension", name)
        one.set("position", str(place))
        _put(one, STR, "ConceptIdentity").text = concept_urn(name)
        _put(_put(one, STR, "LocalRepresentation"), STR, "Enumeration").text = urn("codelist.Codelist", codes)
    _typed(_component(dimensions, "TimeDimension", "TIME_PERIOD"), "TIME_PERIOD", "ObservationalTimePeriod")
    attribute = _component(_component(parts, "AttributeList", "AttributeDescriptor"), "Attribute", "UNIT_MEASURE")
    attribute.set("usage", "optional")
    _typed(attribute, "UNIT_MEASURE", "String")
    _put(_put(attribute, STR, "AttributeRelationship"), STR, "Observation")
    measure = _component(_component(parts, "MeasureList", "MeasureDescriptor"), "Measure", "OBS_VALUE")
    measure.set("usage", "optional")
    _typed(measure, "OBS_VALUE", "Double")


def _component(held: Any, kind: str, name: str) -> Any:
    return _put(held, STR, kind, id=name)


def _typed(held: Any, concept: str, kind: str) -> None:
    _put(held, STR, "ConceptIdentity").text = concept_urn(concept)
    _put(_put(held, STR, "LocalRepresentation"), STR, "TextFormat", textType=kind)


def _own(held: Any, kind: str, name: str, title: Text) -> Any:
    """An element that the agency maintains."""
    package = {"Codelist": "codelist", "ConceptScheme": "conceptscheme", "DataStructure": "datastructure", "Dataflow": "datastructure"}[kind]
    made = _put(held, STR, kind, id=name, agencyID=AGENCY, version=VERSION, urn=urn(f"{package}.{kind}", name))
    return _named(made, title)


def _named(held: Any, title: Text) -> Any:
    for lang in ("zh", "en"):
        said = title.zh if lang == "zh" else title.in_("en")
        if said:
            _put(held, COM, "Name", **{f"{{{XML}}}lang": lang}).text = said
    return held


def _first(held: Any, name: str) -> Any:
    found = held.find(f"{{{STR}}}{name}")
    return found if found is not None else _put(held, STR, name)


def _put(held: Any, space: str, name: str, **attributes: str) -> Any:
    return etree.SubElement(held, f"{{{space}}}{name}", attributes)
