"""CKAN's organisation and group actions: org units are organisations, subject libraries are groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.ckan.call import MOST_ROWS, Call, absent, action, denied, invalid
from sanqu.catalog.ckan.faces import group_dict, organization_dict
from sanqu.catalog.ckan.packages import dicts
from sanqu.catalog.keeping import load_subjects
from sanqu.catalog.records import NAME, Subject, subjects
from sanqu.catalog.search import Ask, search
from sanqu.catalog.units import Organisation, organisations, units_by_code
from sanqu.ground.database import Connection
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.units import Unit, save_units

CLOSE = "UPDATE org_unit SET state = %s WHERE code = %s"
ROOT = "SELECT code FROM org_unit WHERE parent IS NULL ORDER BY code LIMIT 1"
LIVE = "SELECT count(*) AS n FROM catalog_dataset WHERE unit = %s AND state <> 'deleted'"
IN_SUBJECT = "SELECT count(*) AS n FROM catalog_dataset WHERE subjects @> ARRAY[%s::text] AND state <> 'deleted'"


def _title(data: Any, old: Text, name: str) -> Text:
    both = data.get("title_translated")
    said = data.get("title")
    if isinstance(both, dict) and (said is None or str(said) in (str(both.get("zh") or both.get("en")), str(old))):
        return Text(zh=str(both.get("zh") or ""), en=str(both.get("en") or ""))
    if said is None:
        return old if str(old) else Text(zh=name)
    return old if str(said) == str(old) else Text(zh=str(said) or name)


def _admin(call: Call, name: str) -> None:
    call.sign_in(name)
    if not call.asker.is_admin:
        raise denied(f"only an administrator may call {name}")


def _organisation(conn: Connection, call: Call, code: str) -> Organisation:
    units = units_by_code(conn, [code])
    if code not in units:
        raise absent("Not found: Organization was not found.")
    listed = organisations(conn, tokens_of(call.asker), codes=[code], closed=True)
    return listed[0] if listed else Organisation(units[code], 0)


def _names(call: Call) -> list[str] | None:
    said = call.data.get("organizations") or call.data.get("groups")
    if not said:
        return None
    return [str(one) for one in said] if isinstance(said, list) else str(said).split()


def _packages(conn: Connection, call: Call, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
    found = search(call.city, Ask(filters={"state": ["published"], **filters}, sort="newest", limit=MOST_ROWS, facets=()), call.asker)
    return dicts(conn, call, [hit.dataset for hit in found.hits])


@action(reads=True)
def organization_list(call: Call) -> list[Any]:
    """Codes of organisations, or all about them with `all_fields`."""
    with call.city.db.connection() as conn:
        listed = organisations(
            conn, tokens_of(call.asker), codes=_names(call), by_size="package_count" in str(call.data.get("sort", "")),
            limit=call.number("limit", 100_000), offset=call.number("offset", 0),
        )  # fmt: skip
    if call.flag("all_fields"):
        return [organization_dict(one.unit, one.datasets) for one in listed]
    return [one.unit.code for one in listed]


@action(reads=True)
def organization_show(call: Call) -> dict[str, Any]:
    """One organisation by `id`, with its datasets unless `include_datasets` is false."""
    with call.city.db.connection() as conn:
        one = _organisation(conn, call, call.need("id"))
        shown = organization_dict(one.unit, one.datasets)
        if call.flag("include_datasets"):
            shown["packages"] = _packages(conn, call, {"unit": [one.unit.code]})
    return shown


@action(reads=True)
def organization_autocomplete(call: Call) -> list[dict[str, str]]:
    """Organisations whose code or title holds `q`."""
    with call.city.db.connection() as conn:
        listed = organisations(conn, tokens_of(call.asker), text=call.need("q"), limit=call.number("limit", 20, most=100))
    return [{"id": o.unit.code, "name": o.unit.code, "title": str(o.unit.title)} for o in listed]


@action(reads=True)
def organization_list_for_user(call: Call) -> list[dict[str, Any]]:
    """The organisations for which the caller may change datasets."""
    if not call.asker.signed_in:
        return []
    with call.city.db.connection() as conn:
        listed = organisations(conn, tokens_of(call.asker), limit=100_000)
    capacity = "admin" if call.asker.is_admin else "editor"
    return [
        organization_dict(one.unit, one.datasets) | {"capacity": capacity}
        for one in listed
        if call.asker.may_steward(one.unit.path)
    ]


def _above(conn: Connection, parent: str | None) -> list[Unit]:
    """A unit and all above it, to be given along when one is added below."""
    chain: list[Unit] = []
    while parent is not None:
        found = units_by_code(conn, [parent])
        if parent not in found:
            raise invalid(parent=f'Organization "{parent}" does not exist')
        chain.append(found[parent])
        parent = found[parent].parent
    return chain


def _save_unit(call: Call, unit: Unit, verb: str) -> dict[str, Any]:
    with call.city.db.connection() as conn:
        save_units(conn, [*_above(conn, unit.parent), unit])
        state = "closed" if call.data.get("state") == "deleted" else "active"
        conn.execute(CLOSE, (state, unit.code))
        append(conn, kind=f"people.unit-{verb}", actor=call.asker.label, subject=f"unit:{unit.code}")
        return organization_dict(replace(unit, state=state), _organisation(conn, call, unit.code).datasets)


@action(reads=False)
def organization_create(call: Call) -> dict[str, Any]:
    """Make an org unit: `name` is its code, `parent` (or the first of `groups`) the unit above, else the city."""
    _admin(call, "organization_create")
    name = call.need("name")
    if not NAME.fullmatch(name):
        raise invalid(name="Must be purely lowercase alphanumeric (ascii) characters and these symbols: -_")
    groups = call.data.get("groups") or []
    with call.city.db.connection() as conn:
        if name in units_by_code(conn, [name]):
            raise invalid(name="Group name already exists in database")
        root = conn.execute(ROOT).fetchone()
        parent = call.data.get("parent") or (groups[0].get("name") if groups and isinstance(groups[0], dict) else None)
        if parent is None or (not call.data.get("parent") and parent not in units_by_code(conn, [str(parent)])):
            parent = root["code"] if root else None
        above = units_by_code(conn, [parent]).get(parent) if parent else None
    unit = Unit(
        name, parent, "department", above.level if above else "city", _title(call.data, Text(), name),
        Text(zh=str(call.data.get("description") or "")),
    )  # fmt: skip
    return _save_unit(call, unit, "add")


def _alter_unit(call: Call, *, patch: bool) -> dict[str, Any]:
    with call.city.db.connection() as conn:
        unit = _organisation(conn, call, str(call.data.get("id") or call.need("name"))).unit
    about = unit.about
    if "description" in call.data and str(call.data["description"] or "") != str(unit.about):
        about = Text(zh=str(call.data["description"] or ""))
    elif not patch and "description" not in call.data:
        about = Text()
    return _save_unit(call, replace(unit, title=_title(call.data, unit.title, unit.code), about=about), "change")


@action(reads=False)
def organization_update(call: Call) -> dict[str, Any]:
    """Change the title and description of an org unit."""
    _admin(call, "organization_update")
    return _alter_unit(call, patch=False)


@action(reads=False)
def organization_patch(call: Call) -> dict[str, Any]:
    """Change the given fields of an org unit."""
    _admin(call, "organization_patch")
    return _alter_unit(call, patch=True)


@action(reads=False)
def organization_delete(call: Call) -> None:
    """Close an org unit that has no datasets left."""
    _admin(call, "organization_delete")
    with call.city.db.connection() as conn:
        unit = _organisation(conn, call, call.need("id")).unit
        left = conn.execute(LIVE, (unit.code,)).fetchone()
        if left and left["n"]:
            raise invalid(id=f"The organization still has {left['n']} datasets; move or delete them first")
        conn.execute(CLOSE, ("closed", unit.code))
        append(conn, kind="people.unit-close", actor=call.asker.label, subject=f"unit:{unit.code}")


def _subject(listed: Sequence[Subject], name: str) -> Subject:
    for subject in listed:
        if subject.name == name:
            return subject
    raise absent("Not found: Group was not found.")


@action(reads=True)
def group_list(call: Call) -> list[Any]:
    """Names of subject libraries, or all about them with `all_fields`."""
    with call.city.db.connection() as conn:
        listed = subjects(conn, tokens_of(call.asker))
    chosen = _names(call)
    listed = [one for one in listed if chosen is None or one.name in chosen]
    start = call.number("offset", 0)
    listed = listed[start : start + call.number("limit", 100_000)]
    return [group_dict(one) for one in listed] if call.flag("all_fields") else [one.name for one in listed]


@action(reads=True)
def group_show(call: Call) -> dict[str, Any]:
    """One subject library by `id`, with its datasets when `include_datasets` is true."""
    with call.city.db.connection() as conn:
        one = _subject(subjects(conn, tokens_of(call.asker)), call.need("id"))
        shown = group_dict(one)
        if call.flag("include_datasets"):
            shown["packages"] = _packages(conn, call, {"subject": [one.name]})
    return shown


@action(reads=True)
def group_package_show(call: Call) -> list[dict[str, Any]]:
    """The datasets of a subject library."""
    with call.city.db.connection() as conn:
        one = _subject(subjects(conn, tokens_of(call.asker)), call.need("id"))
        return _packages(conn, call, {"subject": [one.name]})[: call.number("limit", MOST_ROWS)]


def _save_subject(call: Call, subject: Subject) -> dict[str, Any]:
    load_subjects(call.city, [subject], call.asker.label)
    return group_dict(subject)


@action(reads=False)
def group_create(call: Call) -> dict[str, Any]:
    """Make a subject library."""
    _admin(call, "group_create")
    name = call.need("name")
    with call.city.db.connection() as conn:
        if any(one.name == name for one in subjects(conn, tokens_of(call.asker))):
            raise invalid(name="Group name already exists in database")
    return _save_subject(
        call,
        Subject(
            name, _title(call.data, Text(), name), Text(zh=str(call.data.get("description") or "")),
            str(call.data.get("theme") or ""), call.number("position", 100),
        ),
    )  # fmt: skip


def _alter_subject(call: Call, *, patch: bool) -> dict[str, Any]:
    with call.city.db.connection() as conn:
        old = _subject(subjects(conn, tokens_of(call.asker)), str(call.data.get("id") or call.need("name")))
    said = call.data.get("description")
    about = old.about if (said is None and patch) or str(said or "") == str(old.about) else Text(zh=str(said or ""))
    return _save_subject(
        call,
        replace(
            old, title=_title(call.data, old.title, old.name), about=about,
            theme=str(call.data.get("theme", old.theme) or ""), position=call.number("position", old.position),
        ),
    )  # fmt: skip


@action(reads=False)
def group_update(call: Call) -> dict[str, Any]:
    """Change a subject library."""
    _admin(call, "group_update")
    return _alter_subject(call, patch=False)


@action(reads=False)
def group_patch(call: Call) -> dict[str, Any]:
    """Change the given fields of a subject library."""
    _admin(call, "group_patch")
    return _alter_subject(call, patch=True)


@action(reads=False)
def group_delete(call: Call) -> None:
    """Take away a subject library that no dataset belongs to."""
    _admin(call, "group_delete")
    with call.city.db.connection() as conn:
        old = _subject(subjects(conn, tokens_of(call.asker)), call.need("id"))
        left = conn.execute(IN_SUBJECT, (old.name,)).fetchone()
    if left and left["n"]:
        raise invalid(id=f"The group still has {left['n']} datasets; take them out first")
    load_subjects(call.city, [replace(old, state="deleted")], call.asker.label)
