"""CKAN's resource actions, uploads included."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from starlette.datastructures import UploadFile

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.ckan.call import MOST_ROWS, Call, absent, action, invalid, uuid_or_none
from sanqu.catalog.ckan.faces import format_of, resource_dict, resource_from
from sanqu.catalog.keeping import change
from sanqu.catalog.records import RESOURCE_COLUMNS, Dataset, Resource, datasets_by_id, resource_by_id
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection

SEARCH_COLUMNS = {"name": "r.name", "description": "r.about", "format": "r.format", "url": "r.url"}
SEARCH = f"""
SELECT {", ".join("r." + c for c in RESOURCE_COLUMNS.split(", "))} FROM catalog_resource r
JOIN catalog_dataset d ON d.id = r.dataset
WHERE d.state = 'published' AND d.audience && %(asker)s
  AND (%(name)s::text IS NULL OR r.name ILIKE %(name)s) AND (%(description)s::text IS NULL OR r.about ILIKE %(description)s)
  AND (%(format)s::text IS NULL OR r.format ILIKE %(format)s) AND (%(url)s::text IS NULL OR r.url ILIKE %(url)s)
ORDER BY r.modified DESC, r.id LIMIT %(limit)s OFFSET %(offset)s
"""
COUNT = """
SELECT count(*) AS n FROM catalog_resource r JOIN catalog_dataset d ON d.id = r.dataset
WHERE d.state = 'published' AND d.audience && %(asker)s
  AND (%(name)s::text IS NULL OR r.name ILIKE %(name)s) AND (%(description)s::text IS NULL OR r.about ILIKE %(description)s)
  AND (%(format)s::text IS NULL OR r.format ILIKE %(format)s) AND (%(url)s::text IS NULL OR r.url ILIKE %(url)s)
"""
UNSAFE = re.compile(r"[^\w.\-]+")


def find(conn: Connection, call: Call, id_: str) -> tuple[Resource, Dataset]:
    """A resource and its dataset, if the caller may know of it; a Not Found Error otherwise."""
    wanted = uuid_or_none(id_)
    resource = resource_by_id(conn, wanted) if wanted else None
    owners = datasets_by_id(conn, [resource.dataset], tokens_of(call.asker)) if resource else []
    if resource is None or not owners:
        raise absent("Not found: Resource was not found.")
    return resource, owners[0]


def upload_path(city: City, resource: Resource) -> Path | None:
    """Where an uploaded file lies, or None for a resource without one."""
    if not resource.file:
        return None
    id_ = str(resource.id)
    return Path(city.settings.home) / "uploads" / id_[:2] / id_ / resource.file


def _store(call: Call, resource: Resource, upload: UploadFile) -> Resource:
    name = UNSAFE.sub("_", Path((upload.filename or "upload").replace("\\", "/")).name).strip("._")[:120] or "upload"
    stored = replace(resource, file=name)
    path = upload_path(call.city, stored)
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    limit = call.city.settings.max_download_mb * 1_048_576
    part = path.with_name(path.name + ".part")
    with part.open("wb") as target:
        shutil.copyfileobj(upload.file, target, 1 << 20)
    size = part.stat().st_size
    if size > limit:
        part.unlink()
        raise invalid(upload=f"File upload too large: {size} bytes, at most {limit}")
    part.replace(path)
    for other in path.parent.iterdir():
        if other != path:
            other.unlink()
    return replace(
        stored, url=f"/dataset/{resource.dataset}/resource/{resource.id}/download/{name}", size=size,
        format=resource.format or format_of("", name), name=resource.name or name,
    )  # fmt: skip


@action(reads=True)
def resource_show(call: Call) -> dict[str, Any]:
    """One resource by `id`."""
    with call.city.db.connection() as conn:
        return resource_dict(find(conn, call, call.need("id"))[0], call.base)


@action(reads=True)
def resource_search(call: Call) -> dict[str, Any]:
    """Resources by `query`: `field:words` or a list of them; fields are name, description, format, url."""
    said = call.data.get("query")
    queries = said if isinstance(said, list) else [said] if said else []
    wanted: dict[str, Any] = dict.fromkeys(SEARCH_COLUMNS)
    for query in queries:
        name, colon, words = str(query).partition(":")
        if not colon or name not in SEARCH_COLUMNS:
            raise invalid(query=f'Should be field:words with one of {", ".join(SEARCH_COLUMNS)}')
        escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        wanted[name] = f"%{escaped}%"
    wanted |= {"asker": tokens_of(call.asker)}
    limit, offset = call.number("limit", 100, most=MOST_ROWS), call.number("offset", 0)
    with call.city.db.connection() as conn:
        rows = conn.execute(SEARCH, {**wanted, "limit": limit, "offset": offset}).fetchall()
        counted = conn.execute(COUNT, wanted).fetchone()
    results = [resource_dict(Resource(**row), call.base) for row in rows]
    return {"count": counted["n"] if counted else 0, "results": results}


@action(reads=False)
def resource_create(call: Call) -> dict[str, Any]:
    """Add a resource to `package_id`, with a `url` or a file in `upload`."""
    call.sign_in("resource_create")
    made: list[UUID] = []

    def decide(_conn: Connection, old: Dataset) -> Dataset:
        resource = resource_from(call.data, None, old.id)
        if any(other.id == resource.id for other in old.resources):
            raise invalid(id="Resource id already exists.")
        if call.upload is not None:
            resource = _store(call, resource, call.upload)
        made.append(resource.id)
        return replace(old, resources=(*old.resources, replace(resource, position=len(old.resources))))

    saved = change(call.city, call.need("package_id"), call.asker, decide)
    return resource_dict(next(r for r in saved.resources if r.id == made[-1]), call.base)


def _alter(call: Call, *, patch: bool) -> dict[str, Any]:
    id_ = call.need("id")
    with call.city.db.connection() as conn:
        owner = find(conn, call, id_)[1]

    def decide(_conn: Connection, old: Dataset) -> Dataset:
        def altered(resource: Resource) -> Resource:
            if str(resource.id) != id_:
                return resource
            data = {**(resource_dict(resource, call.base) if patch else {}), **call.data}
            if call.upload is None and patch and "url" not in call.data:
                data["url"] = resource.url
            if call.data.get("url") and resource.file and call.upload is None and call.data["url"] != resource_dict(resource, call.base)["url"]:
                # A new address takes the place of the uploaded file.
                resource = replace(resource, file=None, url="")
            new = replace(resource_from(data, resource, old.id), position=resource.position, modified=now())
            return _store(call, new, call.upload) if call.upload is not None else new

        return replace(old, resources=tuple(altered(resource) for resource in old.resources))

    saved = change(call.city, str(owner.id), call.asker, decide)
    return resource_dict(next(r for r in saved.resources if str(r.id) == id_), call.base)


@action(reads=False)
def resource_update(call: Call) -> dict[str, Any]:
    """Replace a resource's description (and its file, with `upload`)."""
    call.sign_in("resource_update")
    return _alter(call, patch=False)


@action(reads=False)
def resource_patch(call: Call) -> dict[str, Any]:
    """Change the given fields of a resource (and its file, with `upload`)."""
    call.sign_in("resource_patch")
    return _alter(call, patch=True)


@action(reads=False)
def resource_delete(call: Call) -> None:
    """Take a resource away; an uploaded file goes with it, a table of the lake stays until it is dropped."""
    call.sign_in("resource_delete")
    id_ = call.need("id")
    with call.city.db.connection() as conn:
        resource, owner = find(conn, call, id_)
    change(
        call.city, str(owner.id), call.asker,
        lambda _conn, old: replace(old, resources=tuple(r for r in old.resources if str(r.id) != id_)),
    )  # fmt: skip
    path = upload_path(call.city, resource)
    if path is not None:
        shutil.rmtree(path.parent, ignore_errors=True)


@action(reads=True)
def resource_view_list(call: Call) -> list[Any]:
    """No views are kept: pages draw what a dataset holds."""
    with call.city.db.connection() as conn:
        find(conn, call, call.need("id"))
    return []
