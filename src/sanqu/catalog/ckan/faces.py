"""Datasets, resources, organisations and groups as CKAN's dictionaries, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, cast
from urllib.parse import urljoin
from uuid import UUID, uuid4

from sanqu.catalog.ckan.call import invalid, uuid_or_none
from sanqu.catalog.licences import LICENCES
from sanqu.catalog.records import Dataset, Grade, Opening, Resource, Sharing, State, Subject
from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.ground.people.units import Unit

# What CKAN keeps about a package that is none of our law; kept in the extras under `ckan:`.
PLAIN = ("author", "author_email", "maintainer", "maintainer_email", "url", "version")
# Our law, which CKAN has no word for: told and taken at the top of the dictionary.
LAW = ("opening", "sharing", "grade", "freshness", "sample", "source")
CKAN_STATE = {"published": "active", "draft": "draft", "withdrawn": "draft", "deleted": "deleted"}
OUR_STATE = {"active": "published", "draft": "draft", "deleted": "deleted"}
RESOURCE_COLUMNS = frozenset(
    {"id", "package_id", "name", "description", "url", "format", "mimetype", "size", "position", "created",
     "last_modified", "metadata_modified", "state", "datastore_active", "url_type", "upload", "revision_id"}
)  # fmt: skip
LONGEST_TAG = 100


def stamp(at: datetime) -> str:
    """A time as CKAN writes it: UTC without a zone."""
    return at.replace(tzinfo=None).isoformat(timespec="microseconds")


def resource_dict(resource: Resource, base: str) -> dict[str, Any]:
    """A resource as CKAN's dictionary; our own paths become addresses of this site."""
    url = urljoin(base + "/", resource.url.lstrip("/")) if resource.url.startswith("/") else resource.url
    return {
        **resource.extras,
        "id": str(resource.id), "package_id": str(resource.dataset), "name": resource.name,
        "description": resource.about, "url": url, "format": resource.format, "mimetype": resource.mimetype or None,
        "size": resource.size, "position": resource.position, "created": stamp(resource.created),
        "last_modified": stamp(resource.modified), "metadata_modified": stamp(resource.modified), "state": "active",
        "datastore_active": resource.lake_table is not None, "url_type": "upload" if resource.file else None,
        "hash": resource.extras.get("hash", ""), "resource_type": resource.extras.get("resource_type"),
    }  # fmt: skip


def organization_dict(unit: Unit, count: int = 0) -> dict[str, Any]:
    """A unit as CKAN's organisation."""
    return {
        "id": unit.code, "name": unit.code, "title": str(unit.title), "display_name": str(unit.title),
        "title_translated": unit.title.model_dump(), "description": str(unit.about), "image_url": "",
        "image_display_url": "", "type": "organization", "is_organization": True, "approval_status": "approved",
        "state": "active" if unit.state == "active" else "deleted", "package_count": count, "num_followers": 0,
        "parent": unit.parent, "kind": unit.kind, "extras": [], "tags": [], "users": [],
        "groups": [{"name": unit.parent, "capacity": "public"}] if unit.parent else [],
    }  # fmt: skip


def group_dict(subject: Subject) -> dict[str, Any]:
    """A subject library as CKAN's group."""
    return {
        "id": subject.name, "name": subject.name, "title": str(subject.title), "display_name": str(subject.title),
        "title_translated": subject.title.model_dump(), "description": str(subject.about), "image_url": "",
        "image_display_url": "", "type": "group", "is_organization": False, "approval_status": "approved",
        "state": "active" if subject.state == "active" else "deleted", "package_count": subject.datasets,
        "num_followers": 0, "theme": subject.theme, "position": subject.position, "extras": [], "tags": [], "users": [],
        "groups": [],
    }  # fmt: skip


def tag_dict(name: str) -> dict[str, Any]:
    """A tag as CKAN's dictionary; its name is its id."""
    return {"id": name, "name": name, "display_name": name, "state": "active", "vocabulary_id": None}


def package_dict(dataset: Dataset, units: Mapping[str, Unit], subjects: Mapping[str, Subject], base: str) -> dict[str, Any]:
    """A dataset as CKAN's package."""
    unit = units.get(dataset.unit)
    licence = LICENCES.get(dataset.licence)
    plain = {name: dataset.extras.get(f"ckan:{name}") for name in PLAIN}
    extras = [{"key": k, "value": v} for k, v in sorted(dataset.extras.items()) if not k.startswith("ckan:")]
    organization = {k: v for k, v in organization_dict(unit).items() if k in ORGANIZATION_PARTS} if unit else None
    return {
        **plain,
        "id": str(dataset.id), "name": dataset.name, "title": str(dataset.title), "notes": str(dataset.about),
        "title_translated": dataset.title.model_dump(), "notes_translated": dataset.about.model_dump(),
        "type": "dataset", "state": CKAN_STATE[dataset.state], "private": dataset.opening == "none",
        "opening": dataset.opening, "sharing": dataset.sharing, "grade": dataset.grade, "freshness": dataset.freshness,
        "sample": dataset.sample, "source": dataset.source, "origin": dataset.origin,
        "license_id": dataset.licence or None, "license_title": licence.title.en if licence else None,
        "license_url": licence.url if licence else None, "isopen": bool(licence and licence.is_open),
        "owner_org": dataset.unit, "organization": organization, "creator_user_id": None,
        "metadata_created": stamp(dataset.created), "metadata_modified": stamp(dataset.modified),
        "num_resources": len(dataset.resources), "num_tags": len(dataset.tags),
        "tags": [tag_dict(tag) for tag in sorted(dataset.tags)],
        "groups": [
            {k: v for k, v in group_dict(subjects[name]).items() if k in GROUP_PARTS}
            for name in dataset.subjects if name in subjects
        ],
        "resources": [resource_dict(resource, base) for resource in dataset.resources],
        "extras": extras, "relationships_as_subject": [], "relationships_as_object": [],
    }  # fmt: skip


ORGANIZATION_PARTS = ("id", "name", "title", "type", "description", "image_url", "is_organization", "approval_status", "state")
GROUP_PARTS = ("id", "name", "title", "display_name", "description", "image_display_url")


def _bilingual(data: Mapping[str, Any], plain: str, old: Text) -> Text:
    """`title` and `title_translated` as one text; where they disagree the one that was changed holds."""
    both = data.get(f"{plain}_translated")
    said = data.get(plain)
    translated = Text(zh=str(both.get("zh") or ""), en=str(both.get("en") or "")) if isinstance(both, Mapping) else None
    if said is None:
        return translated or (Text() if plain in data else old)
    if translated is not None and (str(said) == str(translated) or translated != old):
        return translated
    if str(said) == str(old):
        return old
    # A title in one language replaces that language; the other would no longer be its translation.
    return Text(zh=str(said))


def package_from(data: Mapping[str, Any], old: Dataset, *, unit: str, groups: tuple[str, ...]) -> Dataset:
    """The record a package dictionary asks for; our law is kept from `old` where the dictionary is silent."""
    extras = {str(k): v for k, v in _extras(data).items() if k not in LAW}
    extras |= {f"ckan:{name}": str(data[name]) for name in PLAIN if data.get(name)}
    extras |= {k: v for k, v in old.extras.items() if k.startswith("ckan:_")}
    law = {name: _extras(data)[name] for name in LAW if name in _extras(data)}
    law |= {name: data[name] for name in LAW if data.get(name) is not None}
    opening = _opening(data, law.get("opening"), old)
    said = data.get("state")
    if said is not None and said not in OUR_STATE:
        raise invalid(state=f'"{said}" is not one of {", ".join(OUR_STATE)}')
    state = cast(State, OUR_STATE[said] if said else ("published" if old.state == "deleted" else old.state))
    if state == "draft" and old.state == "withdrawn":
        state = "withdrawn"
    return replace(
        old,
        name=str(data.get("name") or old.name),
        title=_bilingual(data, "title", old.title) if _any(data, "title") else Text(zh=str(data.get("name") or old.name)),
        about=_bilingual(data, "notes", old.about),
        unit=unit,
        state=state,
        opening=opening,
        sharing=cast(Sharing, str(law.get("sharing", old.sharing))),
        grade=cast(Grade, str(law.get("grade", old.grade))),
        freshness=str(law["freshness"]) if law.get("freshness") else (None if "freshness" in law else old.freshness),
        sample=str(law.get("sample", old.sample)).lower() == "true",
        source=str(law.get("source", old.source)),
        subjects=groups,
        tags=tags_from(data.get("tags"), data.get("tag_string")),
        licence=str(data.get("license_id") or ""),
        extras=extras,
        resources=tuple(resources_from(data.get("resources") or [], old)),
    )


def _opening(data: Mapping[str, Any], said: object, old: Dataset) -> Opening:
    """`opening` and CKAN's `private` as one; where they disagree the one that was changed holds."""
    if "private" in data and (said is None or said == old.opening):
        private = str(data["private"]).lower() in ("true", "1", "yes")
        if private != (old.opening == "none"):
            return "none" if private else "unconditional"
    return cast(Opening, str(said)) if said is not None else old.opening


def _any(data: Mapping[str, Any], plain: str) -> bool:
    return bool(data.get(plain)) or bool(data.get(f"{plain}_translated"))


def _extras(data: Mapping[str, Any]) -> dict[str, Any]:
    said = data.get("extras") or []
    if isinstance(said, Mapping):
        return dict(said)
    if not isinstance(said, list) or not all(isinstance(one, Mapping) and "key" in one for one in said):
        raise invalid(extras='Should be a list of {"key": …, "value": …}')
    keys = [str(one["key"]) for one in said]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise invalid(extras=f'There is a schema field with the same name: {", ".join(twice)}')
    return {str(one["key"]): one.get("value", "") for one in said}


def tags_from(tags: object, tag_string: object = None) -> tuple[str, ...]:
    """Tags as CKAN's clients give them: dictionaries with a name, plain names, or a text with commas."""
    names: list[str] = []
    for tag in tags if isinstance(tags, list) else []:
        name = str(tag.get("name", "")) if isinstance(tag, Mapping) else str(tag)
        if not name.strip() or len(name) > LONGEST_TAG:
            raise invalid(tags=f'Tag "{name[:40]}" must have between 1 and {LONGEST_TAG} characters')
        names.append(name.strip())
    if isinstance(tag_string, str):
        names += [part.strip() for part in tag_string.split(",") if part.strip()]
    return tuple(dict.fromkeys(names))


def resources_from(said: Iterable[Any], old: Dataset) -> Iterable[Resource]:
    """The resources of a package dictionary; known ids keep their file and table."""
    known = {resource.id: resource for resource in old.resources}
    for position, data in enumerate(said):
        if not isinstance(data, Mapping):
            raise invalid(resources="Should be a list of dictionaries")
        id_ = uuid_or_none(data.get("id"))
        yield replace(resource_from(data, known.get(id_) if id_ else None, old.id), position=position)


def resource_from(data: Mapping[str, Any], old: Resource | None, dataset: UUID) -> Resource:
    """The record a resource dictionary asks for."""
    at = now()
    size = data.get("size")
    if size not in (None, ""):
        try:
            size = int(float(str(size)))
        except ValueError:
            raise invalid(size="Invalid integer") from None
    base = old or Resource(id=uuid_or_none(data.get("id")) or uuid4(), dataset=dataset, created=at, modified=at)
    # What we keep (a file, a table of ours) keeps its own address, whatever address clients saw it under.
    url = base.url if base.file or base.url.startswith("/") else str(data.get("url") or "")
    return replace(
        base,
        dataset=dataset,
        name=str(data.get("name") or ""),
        about=str(data.get("description") or ""),
        url=url,
        format=format_of(str(data.get("format") or ""), str(data.get("url") or "")),
        mimetype=str(data.get("mimetype") or ""),
        size=size if isinstance(size, int) else None,
        modified=at if old is None else old.modified,
        extras={str(k): v for k, v in data.items() if k not in RESOURCE_COLUMNS and v not in (None, "")},
    )


def format_of(said: str, url: str) -> str:
    """A format in the spelling of the catalogue (`CSV`), from what was said, else from the end of the address."""
    word = said.strip().lstrip(".") or (url.split("?")[0].rsplit(".", 1)[-1] if "." in url.rsplit("/", 1)[-1] else "")
    if not word or (not said and (len(word) > 8 or not word.isalnum())):
        return ""
    upper = word.upper()
    return {"PARQUET": "Parquet", "GEOJSON": "GeoJSON"}.get(upper, upper if len(upper) <= 12 else word[:100])
