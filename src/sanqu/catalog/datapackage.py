"""A dataset as a Data Package (Frictionless) and as schema.org's `Dataset`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from sanqu.catalog.licences import licence_of
from sanqu.catalog.records import Dataset, Resource
from sanqu.ground.people.units import Unit
from sanqu.lake.contracts import Contract

TABULAR = frozenset({"CSV", "XLSX"})


def schema_of(contract: Contract) -> dict[str, Any]:
    """A contract as a plain Table Schema; our own words (`title_en`, `unit`, `grade`) ride along."""
    fields = []
    for item in contract.fields:
        field: dict[str, Any] = {"name": item.name, "type": item.type, "format": item.format, "title": str(item.title) or item.name}
        extra = {
            "title_en": item.title.en, "description": str(item.description), "unit": item.unit,
            "constraints": item.constraints.model_dump(mode="json", exclude_defaults=True),
        }  # fmt: skip
        fields.append(field | {key: value for key, value in extra.items() if value})
    found: dict[str, Any] = {"fields": fields, "missingValues": list(contract.missingValues)}
    if contract.primaryKey:
        found["primaryKey"] = list(contract.primaryKey)
    return found


def _resource_name(resource: Resource, taken: set[str]) -> str:
    plain = re.sub(r"[^a-z0-9._-]+", "-", (resource.name or resource.format or "data").lower()).strip("-.") or str(resource.id)
    name = plain if plain not in taken else f"{plain}-{resource.id}"
    taken.add(name)
    return name


def data_package(dataset: Dataset, units: Mapping[str, Unit], contract: Contract | None, base: str) -> dict[str, Any]:
    """The descriptor `datapackage.json` of a dataset (Data Package 1.0)."""
    taken: set[str] = set()
    resources = []
    for resource in dataset.resources:
        url = urljoin(base + "/", resource.url.lstrip("/")) if resource.url.startswith("/") else resource.url
        described: dict[str, Any] = {"name": _resource_name(resource, taken), "path": url, "title": resource.name or resource.format}
        if resource.format:
            described["format"] = resource.format.lower()
        if resource.mimetype:
            described["mediatype"] = resource.mimetype
        if resource.size is not None:
            described["bytes"] = resource.size
        if contract is not None and resource.lake_table == contract.name and resource.format in TABULAR:
            described |= {"profile": "tabular-data-resource", "encoding": "utf-8", "schema": schema_of(contract)}
        resources.append(described)
    unit = units.get(dataset.unit)
    licence = licence_of(dataset.licence)
    found: dict[str, Any] = {
        "name": dataset.name, "id": str(dataset.id), "title": str(dataset.title), "title_en": dataset.title.en,
        "description": str(dataset.about), "homepage": f"{base}/datasets/{dataset.name}",
        "created": dataset.created.isoformat(), "keywords": list(dataset.tags), "resources": resources,
        "contributors": [{"title": str(unit.title), "role": "publisher", "path": f"{base}/units/{unit.code}"}] if unit else [],
        "licenses": [{"name": licence.id, "title": licence.title.en, **({"path": licence.url} if licence.url else {})}] if licence else [],
        "sources": [{"title": dataset.source}] if dataset.source else [],
        "sample": dataset.sample,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value not in ("", [])}


def schema_org(dataset: Dataset, units: Mapping[str, Unit], base: str) -> dict[str, Any]:
    """A dataset as schema.org JSON-LD, for the page that shows it."""
    unit = units.get(dataset.unit)
    licence = licence_of(dataset.licence)
    found: dict[str, Any] = {
        "@context": "https://schema.org/", "@type": "Dataset", "@id": f"{base}/dataset/{dataset.name}#this",
        "name": str(dataset.title), "alternateName": dataset.title.en if dataset.title.en != str(dataset.title) else "",
        "description": str(dataset.about) or str(dataset.title), "url": f"{base}/datasets/{dataset.name}",
        "identifier": str(dataset.id), "keywords": list(dataset.tags), "license": licence.url if licence else "",
        "isAccessibleForFree": dataset.opening == "unconditional", "dateModified": dataset.modified.isoformat(),
        "datePublished": (dataset.published or dataset.created).isoformat(),
        "creator": {"@type": "Organization", "name": str(unit.title)} if unit else "",
        "variableMeasured": [str(item.title) or item.name for item in dataset.items],
        "distribution": [
            {"@type": "DataDownload", "encodingFormat": r.mimetype or r.format, "name": r.name,
             "contentUrl": urljoin(base + "/", r.url.lstrip("/")) if r.url.startswith("/") else r.url}
            for r in dataset.resources
        ],
    }  # fmt: skip
    return {key: value for key, value in found.items() if value not in ("", [])}
