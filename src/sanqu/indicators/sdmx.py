"""SDMX 3.0 out: the structure of the indicators (SDMX-JSON) and their figures (SDMX-CSV 2.0)."""

from __future__ import annotations

import csv
import io
from typing import Any

from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.indicators.monitor import Watched

AGENCY, FLOW, VERSION = "SANQU", "INDICATORS", "1.0.0"
SCHEMA = "https://json.sdmx.org/2.0.0/sdmx-json-structure-schema.json"
DIMENSIONS = (
    ("FREQ", Text(zh="频率", en="Frequency"), "FREQ"),
    ("INDICATOR", Text(zh="指标", en="Indicator"), "INDICATOR"),
    ("KIND", Text(zh="性质", en="Kind"), "KIND"),
)
FREQUENCIES = (("A", Text(zh="年", en="Annual")), ("Q", Text(zh="季", en="Quarterly")), ("M", Text(zh="月", en="Monthly")))
KINDS = (("A", Text(zh="实际", en="Actual")), ("T", Text(zh="目标", en="Target")))
COLUMNS = ("STRUCTURE", "STRUCTURE_ID", "ACTION", "FREQ", "INDICATOR", "KIND", "TIME_PERIOD", "OBS_VALUE", "UNIT_MEASURE")


def structure(all_: list[Watched]) -> dict[str, Any]:
    """Code lists, concepts, the data structure and the dataflow, as an SDMX-JSON 2.0 structure message (SDMX 3.0)."""
    lists = [
        _code_list("FREQ", Text(zh="频率", en="Frequency"), FREQUENCIES),
        _code_list("KIND", Text(zh="性质", en="Kind"), KINDS),
        _code_list("INDICATOR", Text(zh="指标", en="Indicator"), [(one.indicator.code, one.indicator.title) for one in all_]),
    ]
    concepts = [*DIMENSIONS, ("TIME_PERIOD", Text(zh="报告期", en="Period"), ""), ("OBS_VALUE", Text(zh="数值", en="Value"), ""),
                ("UNIT_MEASURE", Text(zh="单位", en="Unit"), "")]  # fmt: skip
    scheme = _own("CONCEPTS", Text(zh="概念", en="Concepts")) | {
        "isPartial": False, "concepts": [{"id": name} | _names(title) for name, title, _ in concepts],
    }  # fmt: skip
    return {
        "meta": {"schema": SCHEMA, "id": "indicators", "prepared": now().isoformat(), "sender": {"id": AGENCY}, "test": False},
        "data": {
            "codelists": lists, "conceptSchemes": [scheme], "dataStructures": [_data_structure()],
            "dataflows": [_own(FLOW, Text(zh="指标", en="Indicators")) | {"structure": _urn("datastructure.DataStructure", FLOW)}],
        },
    }  # fmt: skip


def _data_structure() -> dict[str, Any]:
    dimensions = [
        {"id": name, "position": place, "conceptIdentity": _concept(name),
         "localRepresentation": {"enumeration": _urn("codelist.Codelist", codes)}}
        for place, (name, _, codes) in enumerate(DIMENSIONS)
    ]  # fmt: skip
    return _own(FLOW, Text(zh="指标", en="Indicators")) | {
        "dataStructureComponents": {
            "dimensionList": {
                "id": "DimensionDescriptor", "dimensions": dimensions,
                "timeDimension": {
                    "id": "TIME_PERIOD", "conceptIdentity": _concept("TIME_PERIOD"),
                    "localRepresentation": {"format": {"dataType": "ObservationalTimePeriod"}},
                },
            },
            "measureList": {"id": "MeasureDescriptor", "measures": [{
                "id": "OBS_VALUE", "conceptIdentity": _concept("OBS_VALUE"), "usage": "optional",
                "localRepresentation": {"format": {"dataType": "Double"}},
            }]},
            "attributeList": {"id": "AttributeDescriptor", "attributes": [{
                "id": "UNIT_MEASURE", "conceptIdentity": _concept("UNIT_MEASURE"), "usage": "optional",
                "attributeRelationship": {"observation": {}}, "localRepresentation": {"format": {"dataType": "String"}},
            }]},
        },
    }  # fmt: skip


def _names(title: Text) -> dict[str, Any]:
    return {"name": title.in_("en") or title.zh, "names": {"zh": title.zh, "en": title.in_("en")}}


def _own(name: str, title: Text) -> dict[str, Any]:
    return {"id": name, "agencyID": AGENCY, "version": VERSION} | _names(title)


def _code_list(name: str, title: Text, codes: Any) -> dict[str, Any]:
    return _own(name, title) | {"isPartial": False, "codes": [{"id": code} | _names(said) for code, said in codes]}


def _urn(kind: str, name: str) -> str:
    return f"urn:sdmx:org.sdmx.infomodel.{kind}={AGENCY}:{name}({VERSION})"


def _concept(name: str) -> str:
    return f"urn:sdmx:org.sdmx.infomodel.conceptscheme.Concept={AGENCY}:CONCEPTS({VERSION}).{name}"


def data_csv(all_: list[Watched]) -> str:
    """Every figure and target as SDMX-CSV 2.0 (the CSV of SDMX 3.0)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in all_:
        told = ("dataflow", f"{AGENCY}:{FLOW}({VERSION})", "I")
        observed = [("A", period, figure.value) for period, figure in sorted(one.figures.items())]
        observed += [("T", period, aim.value) for period, aim in sorted(one.targets.items())]
        writer.writerows((*told, period.kind, one.indicator.code, kind, period, value, one.indicator.unit.zh) for kind, period, value in observed)
    return out.getvalue()
