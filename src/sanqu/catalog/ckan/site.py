"""CKAN's actions about tags, licences, people and the site itself."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.ckan.call import ACTIONS, MOST_ROWS, Call, absent, action, denied, unsearchable
from sanqu.catalog.ckan.faces import stamp, tag_dict
from sanqu.catalog.ckan.packages import dicts
from sanqu.catalog.licences import LICENCES
from sanqu.catalog.search import Ask, search

# The version whose API this speaks; some clients ask.
CKAN_VERSION = "2.10.0"
TAGS = """
SELECT tag, count(*) AS n FROM catalog_dataset, unnest(tags) AS tag
WHERE state = 'published' AND audience && %(asker)s AND (%(like)s::text IS NULL OR tag ILIKE %(like)s)
GROUP BY tag ORDER BY tag LIMIT %(limit)s OFFSET %(offset)s
"""
TAG_COUNT = """
SELECT count(DISTINCT tag) AS n FROM catalog_dataset, unnest(tags) AS tag
WHERE state = 'published' AND audience && %(asker)s AND (%(like)s::text IS NULL OR tag ILIKE %(like)s)
"""
PERSON = "SELECT id, login, name, created, state FROM person WHERE login = %(key)s OR id::text = %(key)s"
PERSONS = "SELECT id, login, name, created, state FROM person WHERE state = 'active' ORDER BY login LIMIT 10000"
ROOT = "SELECT title_zh, title_en, about_zh, about_en FROM org_unit WHERE parent IS NULL ORDER BY code LIMIT 1"


def _tags(call: Call, text: object, limit: int, offset: int) -> tuple[list[str], int]:
    escaped = str(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") if text else None
    wanted = {"asker": tokens_of(call.asker), "like": f"%{escaped}%" if escaped else None}
    rows = call.city.db.all(TAGS, {**wanted, "limit": limit, "offset": offset})
    counted = call.city.db.one(TAG_COUNT, wanted)
    return [str(row["tag"]) for row in rows], int(counted["n"]) if counted else 0


@action(reads=True)
def tag_list(call: Call) -> list[Any]:
    """The tags in use; `query` narrows, `all_fields` tells all about them."""
    names, _ = _tags(call, call.data.get("query"), call.number("limit", 100_000), call.number("offset", 0))
    return [tag_dict(name) for name in names] if call.flag("all_fields") else list(names)


@action(reads=True)
def tag_show(call: Call) -> dict[str, Any]:
    """One tag by `id` (its name), with its datasets when `include_datasets` is true."""
    name = call.need("id")
    found = search(call.city, Ask(filters={"tag": [name], "state": ["published"]}, limit=MOST_ROWS, facets=()), call.asker)
    if not found.total:
        raise absent("Not found: Tag was not found.")
    shown = tag_dict(name)
    if call.flag("include_datasets"):
        with call.city.db.connection() as conn:
            shown["packages"] = dicts(conn, call, [hit.dataset for hit in found.hits])
    return shown


@action(reads=True)
def tag_search(call: Call) -> dict[str, Any]:
    """Tags whose name holds `query`."""
    said = call.data.get("query") or call.data.get("q")
    text = " ".join(map(str, said)) if isinstance(said, list) else said
    names, total = _tags(call, text, call.number("limit", 100, most=MOST_ROWS), call.number("offset", 0))
    return {"count": total, "results": [tag_dict(name) for name in names]}


@action(reads=True)
def tag_autocomplete(call: Call) -> list[str]:
    """Tags whose name holds `query`."""
    return _tags(call, call.data.get("query") or call.data.get("q"), call.number("limit", 10, most=100), 0)[0]


@action(reads=True)
def vocabulary_list(call: Call) -> list[Any]:
    """No vocabularies: tags are free, subjects are groups."""
    return []


@action(reads=True)
def license_list(call: Call) -> list[dict[str, Any]]:
    """The licences a dataset may carry."""
    return [
        {"id": one.id, "title": one.title.en, "title_zh": one.title.zh, "url": one.url, "status": "active",
         "od_conformance": "approved" if one.is_open else "not reviewed", "is_generic": False, "family": "",
         "is_okd_compliant": one.is_open, "domain_data": True, "domain_content": False, "maintainer": ""}
        for one in LICENCES.values()
    ]  # fmt: skip


def _user(row: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    shown = {
        "id": str(row["id"]), "name": row["login"], "display_name": row["name"], "fullname": row["name"],
        "state": "active" if row["state"] == "active" else "deleted", "created": stamp(row["created"]), "about": None,
        "sysadmin": False, "number_created_packages": 0, "image_url": None,
    }  # fmt: skip
    return shown if whole else {key: shown[key] for key in ("id", "name", "display_name", "state")}


@action(reads=True)
def user_show(call: Call) -> dict[str, Any]:
    """A person: oneself, or anyone for administrators."""
    call.sign_in("user_show")
    key = str(call.data.get("id") or call.asker.user_id)
    row = call.city.db.one(PERSON, {"key": key})
    if row is None or not (call.asker.is_admin or row["id"] == call.asker.user_id):
        raise absent("Not found: User was not found.")
    return _user(row, whole=True)


@action(reads=True)
def user_list(call: Call) -> list[Any]:
    """People, for administrators; others see themselves."""
    call.sign_in("user_list")
    rows = call.city.db.all(PERSONS)
    mine = [row for row in rows if call.asker.is_admin or row["id"] == call.asker.user_id]
    if not call.flag("all_fields", True):
        return [row["login"] for row in mine]
    return [_user(row, whole=False) for row in mine]


@action(reads=True)
def site_read(call: Call) -> bool:
    """Whether the caller may read the site: anyone may."""
    return True


@action(reads=True)
def status_show(call: Call) -> dict[str, Any]:
    """What this site is and which version of CKAN's API it speaks."""
    row = call.city.db.one(ROOT) or {"title_zh": "", "title_en": "", "about_zh": "", "about_en": ""}
    try:
        version = metadata.version("sanqu")
    except metadata.PackageNotFoundError:
        version = "0"
    return {
        "ckan_version": CKAN_VERSION, "site_title": row["title_zh"] or row["title_en"], "site_url": call.base,
        "site_description": row["about_zh"] or row["about_en"], "error_emails_to": None, "locale_default": "zh_Hans_CN",
        "extensions": ["datastore"], "sanqu_version": version,
    }  # fmt: skip


@action(reads=True)
def help_show(call: Call) -> str:
    """What the action `name` does."""
    name = call.need("name")
    if name not in ACTIONS:
        raise absent("Not found: Action name not known")
    return (ACTIONS[name].run.__doc__ or "").strip()


@action(reads=True)
def datastore_search_sql(call: Call) -> None:
    """Refused: SQL is answered only by the city's own door, which obeys grants and grades."""
    raise denied("SQL is not taken here; use datastore_search, or the row API at /api/open/{dataset}")


@action(reads=True)
def recently_changed_packages_activity_list(call: Call) -> None:
    """Refused: use package_search sorted by metadata_modified."""
    raise unsearchable("no activity stream is kept; use package_search with sort=metadata_modified desc")
