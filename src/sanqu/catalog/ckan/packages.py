"""CKAN's package actions: list, show, search, create, update, patch, delete."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.browse import names_page, suggest
from sanqu.catalog.ckan.call import MOST_ROWS, Call, absent, action, denied, invalid, unsearchable, uuid_or_none
from sanqu.catalog.ckan.faces import package_dict, package_from
from sanqu.catalog.ckan.query import Solr
from sanqu.catalog.keeping import change, delete, fresh, save_dataset
from sanqu.catalog.records import Dataset, Subject, dataset_by_key, datasets_by_id, subjects
from sanqu.catalog.search import FACETS, SORTS, Ask, Found, Sort, search
from sanqu.catalog.units import units_by_code
from sanqu.ground.database import Connection
from sanqu.ground.i18n import Text

# CKAN's names for facets, and ours.
FACET_NAMES = {
    "organization": "unit", "groups": "subject", "tags": "tag", "res_format": "format", "license_id": "licence",
    "opening": "opening", "grade": "grade", "sample": "sample", "sharing": "sharing", "origin": "origin",
    "state": "state", "owner_org": "unit",
}  # fmt: skip
SORT_NAMES: dict[str, Sort] = {
    "score": "relevance", "metadata_modified": "newest", "metadata_created": "created", "name": "name",
    "title": "title", "title_string": "title", "views_recent": "relevance", "views_total": "relevance", "id": "name",
}  # fmt: skip


def known_subjects(conn: Connection, call: Call) -> dict[str, Subject]:
    """The subject libraries by name."""
    return {subject.name: subject for subject in subjects(conn, tokens_of(call.asker), counted=False)}


def dicts(conn: Connection, call: Call, datasets: Sequence[Dataset]) -> list[dict[str, Any]]:
    """Datasets as CKAN's packages."""
    units = units_by_code(conn, [dataset.unit for dataset in datasets])
    groups = known_subjects(conn, call)
    return [package_dict(dataset, units, groups, call.base) for dataset in datasets]


def one(call: Call, dataset: Dataset) -> dict[str, Any]:
    """A dataset as CKAN's package, as it lies in the catalogue now."""
    with call.city.db.connection() as conn:
        return dicts(conn, call, [dataset])[0]


def dataset_of(conn: Connection, call: Call, key: str) -> Dataset:
    """The dataset `key` (name or id) if the caller may know of it; a Not Found Error otherwise."""
    found = dataset_by_key(conn, key, tokens_of(call.asker))
    if found is None:
        raise absent("Not found: Dataset was not found.")
    return found


@action(reads=True)
def package_list(call: Call) -> list[str]:
    """Names of all published datasets the caller may know of (`limit`, `offset`)."""
    limit = call.number("limit", 0) if call.data.get("limit") not in (None, "") else None
    states = ["published"]
    if call.flag("include_drafts"):
        states += ["draft", "withdrawn"]
    if call.flag("include_deleted"):
        states.append("deleted")
    return names_page(call.city, call.asker, states=states, limit=limit, offset=call.number("offset", 0))


@action(reads=True)
def package_show(call: Call) -> dict[str, Any]:
    """One dataset by `id` (its id or name)."""
    with call.city.db.connection() as conn:
        return dicts(conn, call, [dataset_of(conn, call, call.need("id"))])[0]


@action(reads=True)
def current_package_list_with_resources(call: Call) -> list[dict[str, Any]]:
    """Datasets with all they hold, the newest change first (`limit`, `offset`)."""
    limit = call.number("limit", MOST_ROWS, most=MOST_ROWS)
    found = search(
        call.city,
        Ask(filters={"state": ["published"]}, sort="newest", limit=limit, offset=call.number("offset", 0), facets=()),
        call.asker,
    )
    with call.city.db.connection() as conn:
        return dicts(conn, call, [hit.dataset for hit in found.hits])


@action(reads=True)
def package_autocomplete(call: Call) -> list[dict[str, str]]:
    """Datasets whose name or title starts with or holds `q`."""
    wanted = call.need("q")
    return [
        {"name": name, "title": str(title), "match_field": "name" if wanted.lower() in name else "title",
         "match_displayed": name if wanted.lower() in name else f"{title} ({name})"}
        for name, title in suggest(call.city, wanted, call.asker, call.number("limit", 10, most=100))
    ]  # fmt: skip


def _list_argument(value: object, name: str) -> list[str]:
    if value in (None, ""):
        return []
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = [value]
    if not isinstance(value, list):
        raise invalid(**{name: "Not a list"})
    return [str(one) for one in value]


def _sort(said: object, text: str) -> tuple[Sort, str]:
    """Our sort for CKAN's `sort`, and what CKAN echoes."""
    if not said:
        return ("relevance" if text else "newest"), "score desc, metadata_modified desc"
    first = str(said).split(",")[0].strip().split()
    order = first[1].lower() if len(first) > 1 else "asc"
    if first[0] not in SORT_NAMES or order not in ("asc", "desc"):
        raise unsearchable(f'cannot sort by "{said}"; there are {", ".join(SORT_NAMES)}')
    sort = SORT_NAMES[first[0]]
    if sort == "relevance" and not text:
        sort = "newest"
    if sort == "newest" and first[0] == "metadata_modified" and order == "asc":
        sort = "oldest"
    if sort == "created" and order == "asc":
        sort = "created-up"
    if sort in ("name", "title") and order == "desc":
        sort = cast(Sort, f"{sort}-down")
    assert sort in SORTS
    return sort, str(said)


def _ask(call: Call) -> tuple[Ask, str, list[str], bool]:
    """The question a `package_search` asks: the ask, the echoed sort, the facets, whether nothing can match."""
    solr = Solr()
    for part in (call.data.get("q"), call.data.get("fq"), *_list_argument(call.data.get("fq_list"), "fq_list")):
        if part:
            solr.read(str(part))
    if solr.states is None:
        solr.states = ["published"]
        if call.flag("include_drafts"):
            solr.states += ["draft", "withdrawn"]
    if not call.flag("include_private") and "opening" not in solr.filters:
        solr.without.setdefault("opening", []).append("none")
    facets: list[str] = []
    if call.flag("facet", True):
        facets = _list_argument(call.data.get("facet.field") or call.data.get("facet_fields"), "facet.field")
    text = " ".join(solr.text)
    sort, said = _sort(call.data.get("sort"), text)
    size = call.number("facet.limit", 50, least=-1, most=10_000)
    ask = Ask(
        text=text,
        filters={**solr.filters, "state": solr.states},
        without=solr.without,
        sort=sort,
        limit=call.number("rows", 10, most=MOST_ROWS),
        offset=call.number("start", 0),
        facets=[FACET_NAMES[name] for name in facets if name in FACET_NAMES],
        facet_size=size if size > 0 else 10_000,
        changed=(solr.changed_from, solr.changed_to),
    )
    return ask, said, facets, solr.nothing


@action(reads=True)
def package_search(call: Call) -> dict[str, Any]:
    """Datasets found by `q`, `fq`, `rows`, `start`, `sort`, with `facet.field` counts."""
    ask, sort, facet_fields, nothing = _ask(call)
    found = Found(0, [], {}, False, 0.0) if nothing else search(call.city, ask, call.asker)
    with call.city.db.connection() as conn:
        results = dicts(conn, call, [hit.dataset for hit in found.hits])
        labels = _labels(conn, call, found)
    facets: dict[str, dict[str, int]] = {}
    described: dict[str, dict[str, Any]] = {}
    for name in facet_fields:
        values = found.facets.get(FACET_NAMES.get(name, ""), [])
        facets[name] = {value.value: value.count for value in values}
        described[name] = {
            "title": name,
            "items": [
                {"name": v.value, "display_name": labels.get((FACET_NAMES[name], v.value), v.value), "count": v.count}
                for v in values
            ],
        }
    return {
        "count": found.total, "facets": facets, "results": results, "sort": sort, "search_facets": described,
        "relaxed": found.relaxed,
    }  # fmt: skip


def _labels(conn: Connection, call: Call, found: Found) -> dict[tuple[str, str], str]:
    labels = {("subject", name): str(subject.title) for name, subject in known_subjects(conn, call).items()}
    units = units_by_code(conn, [value.value for value in found.facets.get("unit", [])])
    return labels | {("unit", code): str(unit.title) for code, unit in units.items()}


def _unit(conn: Connection, call: Call, data: dict[str, Any], old: Dataset | None) -> str:
    """The code of the unit a package is to belong to."""
    organization = data.get("organization")
    named = [data.get("owner_org"), organization.get("name") if isinstance(organization, dict) else None]
    given = [str(code) for code in named if code]
    units = units_by_code(conn, given)
    for code in given:
        if code in units:
            return code
    if given:
        raise invalid(owner_org="Organization does not exist")
    if old is not None:
        return old.unit
    own = sorted({role.unit for role in call.asker.held if role.role == "steward"})
    if len(own) == 1:
        return own[0]
    raise invalid(owner_org="An organization must be provided")


def _groups(conn: Connection, call: Call, data: dict[str, Any], old: Dataset | None) -> tuple[str, ...]:
    said = data.get("groups")
    if said is None:
        return old.subjects if old else ()
    if not isinstance(said, list):
        raise invalid(groups="Not a list")
    names = [str(one.get("name") or one.get("id") or "") if isinstance(one, dict) else str(one) for one in said]
    known = known_subjects(conn, call)
    for name in names:
        if name not in known:
            raise invalid(groups=f'Group "{name}" does not exist')
    return tuple(dict.fromkeys(names))


@action(reads=False)
def package_create(call: Call) -> dict[str, Any]:
    """Make a dataset; the caller must be a steward of its organisation."""
    call.sign_in("package_create")
    data = dict(call.data)
    name = call.need("name")
    with call.city.db.connection() as conn:
        unit = _unit(conn, call, data, None)
        base = fresh(name, Text(zh=name), unit, state="published", opening="unconditional", sharing="unconditional")
        wished = uuid_or_none(data.get("id"))
        if wished is not None:
            if datasets_by_id(conn, [wished], ["admin"]):
                raise invalid(id="Dataset id already exists")
            base = replace(base, id=wished)
        if dataset_by_key(conn, name, ["admin"]) is not None:
            raise invalid(name="That URL is already in use.")
        dataset = package_from(data, base, unit=unit, groups=_groups(conn, call, data, None))
    return one(call, save_dataset(call.city, dataset, call.asker))


def _change(call: Call, data: dict[str, Any], key: str) -> dict[str, Any]:
    def decide(conn: Connection, old: Dataset) -> Dataset:
        merged = data
        if "__patch__" in data:
            merged = {**dicts(conn, call, [old])[0], **{k: v for k, v in data.items() if k != "__patch__"}}
            # The organisation's dictionary of the old package must not win over a new owner.
            merged.pop("organization", None)
        return package_from(merged, old, unit=_unit(conn, call, merged, old), groups=_groups(conn, call, merged, old))

    return one(call, change(call.city, key, call.asker, decide))


@action(reads=False)
def package_update(call: Call) -> dict[str, Any]:
    """Replace a dataset's description; what is left out is emptied, but for the city's law over it."""
    call.sign_in("package_update")
    return _change(call, dict(call.data), str(call.data.get("id") or call.need("name")))


@action(reads=False)
def package_patch(call: Call) -> dict[str, Any]:
    """Change the given fields of a dataset and keep the others."""
    call.sign_in("package_patch")
    data = {key: value for key, value in call.data.items() if key != "id"}
    return _change(call, {**data, "__patch__": True}, call.need("id"))


@action(reads=False)
def package_delete(call: Call) -> None:
    """Mark a dataset deleted."""
    call.sign_in("package_delete")
    delete(call.city, call.need("id"), call.asker)


@action(reads=False)
def dataset_purge(call: Call) -> None:
    """Refused: what was published stays on record."""
    raise denied("datasets are never purged; delete them with package_delete")


__all__ = ["FACETS", "dataset_of", "dicts", "one"]
