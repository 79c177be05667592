"""SDMX 3.0 out: the structure of the indicators (SDMX-JSON 2.0), their figures (SDMX-CSV 2.0, SDMX-JSON 2.0), filters of its REST interface."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from typing import Any

from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.indicators.monitor import Watched

AGENCY, FLOW, VERSION = "SANQU", "INDICATORS", "1.0.0"
SCHEMA = "https://json.sdmx.org/2.0.0/sdmx-json-structure-schema.json"
DATA_SCHEMA = "https://json.sdmx.org/2.0.0/sdmx-json-data-schema.json"
DIMENSIONS = (
    ("FREQ", Text(zh="频率", en="Frequency"), "FREQ"),
    ("INDICATOR", Text(zh="指标", en="Indicator"), "INDICATOR"),
    ("KIND", Text(zh="性质", en="Kind"), "KIND"),
)
FREQUENCIES = (("A", Text(zh="年", en="Annual")), ("Q", Text(zh="季", en="Quarterly")), ("M", Text(zh="月", en="Monthly")))
KINDS = (("A", Text(zh="实际", en="Actual")), ("T", Text(zh="目标", en="Target")))
CONCEPTS = (
    *((name, title) for name, title, _ in DIMENSIONS), ("TIME_PERIOD", Text(zh="报告期", en="Period")), ("OBS_VALUE", Text(zh="数值", en="Value")),
    ("UNIT_MEASURE", Text(zh="单位", en="Unit")),
)  # fmt: skip
COLUMNS = ("STRUCTURE", "STRUCTURE_ID", "ACTION", "FREQ", "INDICATOR", "KIND", "TIME_PERIOD", "OBS_VALUE", "UNIT_MEASURE")


def structure(all_: list[Watched]) -> dict[str, Any]:
    """Code lists, concepts, the data structure and the dataflow, as an SDMX-JSON 2.0 structure message (SDMX 3.0)."""
    lists = [_code_list(name, title, codes) for name, title, codes in code_lists(all_)]
    scheme = _own("CONCEPTS", Text(zh="概念", en="Concepts")) | {
        "isPartial": False, "concepts": [{"id": name} | _names(title) for name, title in CONCEPTS],
    }  # fmt: skip
    return {
        "meta": {"schema": SCHEMA, "id": "indicators", "prepared": now().isoformat(), "sender": {"id": AGENCY}, "test": False},
        "data": {
            "codelists": lists, "conceptSchemes": [scheme], "dataStructures": [_data_structure()],
            "dataflows": [_own(FLOW, Text(zh="指标", en="Indicators")) | {"structure": urn("datastructure.DataStructure", FLOW)}],
        },
    }  # fmt: skip


def code_lists(all_: list[Watched]) -> list[tuple[str, Text, list[tuple[str, Text]]]]:
    """The code lists: id, title, codes."""
    return [
        ("FREQ", Text(zh="频率", en="Frequency"), list(FREQUENCIES)),
        ("KIND", Text(zh="性质", en="Kind"), list(KINDS)),
        ("INDICATOR", Text(zh="指标", en="Indicator"), [(one.indicator.code, one.indicator.title) for one in all_]),
    ]


def _data_structure() -> dict[str, Any]:
    dimensions = [
        {"id": name, "position": place, "conceptIdentity": concept_urn(name),
         "localRepresentation": {"enumeration": urn("codelist.Codelist", codes)}}
        for place, (name, _, codes) in enumerate(DIMENSIONS)
    ]  # fmt: skip
    return _own(FLOW, Text(zh="指标", en="Indicators")) | {
        "dataStructureComponents": {
            "dimensionList": {
                "id": "DimensionDescriptor", "dimensions": dimensions,
                "timeDimension": {
                    "id": "TIME_PERIOD", "conceptIdentity": concept_urn("TIME_PERIOD"),
                    "localRepresentation": {"format": {"dataType": "ObservationalTimePeriod"}},
                },
            },
            "measureList": {"id": "MeasureDescriptor", "measures": [{
                "id": "OBS_VALUE", "conceptIdentity": concept_urn("OBS_VALUE"), "usage": "optional",
                "localRepresentation": {"format": {"dataType": "Double"}},
            }]},
            "attributeList": {"id": "AttributeDescriptor", "attributes": [{
                "id": "UNIT_MEASURE", "conceptIdentity": concept_urn("UNIT_MEASURE"), "usage": "optional",
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


def urn(kind: str, name: str) -> str:
    """The URN of something that the agency maintains."""
    return f"urn:sdmx:org.sdmx.infomodel.{kind}={AGENCY}:{name}({VERSION})"


def concept_urn(name: str) -> str:
    """The URN of a concept."""
    return f"urn:sdmx:org.sdmx.infomodel.conceptscheme.Concept={AGENCY}:CONCEPTS({VERSION}).{name}"


Observation = tuple[str, str, str, str, float, str]


def observations(all_: list[Watched], wanted: Mapping[str, Collection[str]] | None = None) -> list[Observation]:
    """Every figure and target: frequency, indicator, kind, period, value, unit; `wanted` are the values of dimensions that are let through."""
    found: list[Observation] = []
    for one in all_:
        told = [("A", period, figure.value) for period, figure in sorted(one.figures.items())]
        told += [("T", period, aim.value) for period, aim in sorted(one.targets.items())]
        found += [(period.kind, one.indicator.code, kind, str(period), value, one.indicator.unit.zh) for kind, period, value in told]
    return [row for row in found if _lets_through(row, wanted or {})]


def _lets_through(row: Observation, wanted: Mapping[str, Collection[str]]) -> bool:
    said = dict(zip(("FREQ", "INDICATOR", "KIND", "TIME_PERIOD"), row, strict=False))
    return all(not values or any(_fits(str(said[name]), value) for value in values) for name, values in wanted.items() if name in said)


def _fits(said: str, value: str) -> bool:
    """One value of a filter: `2025`, or with an operator `ge:2022`, `le:2025` (SDMX 3.0, REST, §4.6.2)."""
    sign, _, rest = value.partition(":")
    match sign if rest else "eq":
        case "ge":
            return said >= rest
        case "gt":
            return said > rest
        case "le":
            return said <= rest or said.startswith(rest)
        case "lt":
            return said < rest
        case "ne":
            return said != rest
    return said == (rest or value)


def data_csv(rows: list[Observation]) -> str:
    """Observations as SDMX-CSV 2.0 (the CSV of SDMX 3.0)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(("dataflow", f"{AGENCY}:{FLOW}({VERSION})", "I", *row) for row in rows)
    return out.getvalue()


def data_json(all_: list[Watched], rows: list[Observation]) -> dict[str, Any]:
    """Observations as an SDMX-JSON 2.0 data message: keys are places in the lists of values of the dimensions."""
    titles = {name: dict(codes) for name, _, codes in code_lists(all_)}
    dimensions = []
    for place, (name, title) in enumerate(CONCEPTS[:4]):
        values = sorted({str(row[place]) for row in rows})
        dimensions.append({"id": name, "keyPosition": place, **_names(title), "values": [{"id": value, **_names(titles.get(name, {}).get(value, Text(zh=value, en=value)))} for value in values]})
    places = [{one["id"]: at for at, one in enumerate(dimension["values"])} for dimension in dimensions]  # type: ignore[attr-defined]
    units = sorted({row[5] for row in rows})
    kept = {":".join(str(places[at][str(row[at])]) for at in range(4)): [row[4], units.index(row[5])] for row in rows}
    return {
        "meta": {"schema": DATA_SCHEMA, "id": "indicators", "prepared": now().isoformat(), "sender": {"id": AGENCY}, "test": False, "contentLanguages": ["zh", "en"]},
        "data": {
            "structures": [{
                "dataSets": [0], "links": [{"urn": urn("datastructure.Dataflow", FLOW), "rel": "dataflow"}],
                "dimensions": {"observation": dimensions}, "measures": {"observation": [{"id": "OBS_VALUE", **_names(Text(zh="数值", en="Value"))}]},
                "attributes": {"observation": [{"id": "UNIT_MEASURE", **_names(Text(zh="单位", en="Unit")), "values": [{"id": str(at), "name": unit} for at, unit in enumerate(units)]}]},
            }],
            "dataSets": [{"structure": 0, "action": "Information", "observations": kept}],
        },
    }  # fmt: skip
