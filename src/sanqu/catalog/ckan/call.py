"""One call of an action: who calls it with what, the registry of actions, and CKAN's kinds of errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.datastructures import UploadFile

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused, SanquError
from sanqu.ground.people.askers import Asker

# CKAN's hard limit for rows of a search or of a list.
MOST_ROWS = 1000
# What a field of ours is called by CKAN's clients.
CKAN_NAMES = {"about": "notes", "unit": "owner_org", "opening": "opening", "subjects": "groups", "licence": "license_id"}


class CkanError(Exception):
    """An error as CKAN's clients know it: a status and the `error` of the envelope."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error


def invalid(**fields: object) -> CkanError:
    """A Validation Error: per field, what is wrong with it (a text or a list of texts)."""
    said = {name: [value] if isinstance(value, str) else value for name, value in fields.items()}
    return CkanError(409, {"__type": "Validation Error", **said})


def absent(what: str = "Not found") -> CkanError:
    """A Not Found Error."""
    return CkanError(404, {"__type": "Not Found Error", "message": what})


def denied(why: str) -> CkanError:
    """An Authorization Error."""
    return CkanError(403, {"__type": "Authorization Error", "message": f"Access denied: {why}"})


def unsearchable(why: str) -> CkanError:
    """A Search Query Error."""
    return CkanError(400, {"__type": "Search Query Error", "message": f"Search Query is invalid: {why}"})


def as_ckan(fault: SanquError) -> CkanError:
    """One of our errors in CKAN's words."""
    what = f"{fault.what.en}. {fault.todo.en}"
    if isinstance(fault, NotFound):
        return absent(f"Not found: {fault.thing or fault.what.en}")
    if isinstance(fault, Refused):
        return denied(what)
    if isinstance(fault, BadInput | Conflict):
        at = str(fault.facts.get("at") or fault.facts.get("item") or "message")
        return invalid(**{CKAN_NAMES.get(at, at): str(fault.facts.get("message") or what)})
    return CkanError(fault.status, {"__type": "Internal Server Error", "message": what, "code": fault.code})


@dataclass(frozen=True)
class Call:
    """A call: `data` is the action's arguments, `base` the address of this site, `upload` a file sent along."""

    city: City
    asker: Asker
    data: Mapping[str, Any]
    base: str
    upload: UploadFile | None = None

    def need(self, name: str) -> str:
        """The argument `name` as text; a Validation Error when it is missing."""
        value = self.data.get(name)
        if value in (None, ""):
            raise invalid(**{name: "Missing value"})
        return str(value)

    def number(self, name: str, default: int, least: int = 0, most: int | None = None) -> int:
        """The argument `name` as a whole number between `least` and `most` (what is above is cut)."""
        value = self.data.get(name)
        if value in (None, ""):
            return default
        try:
            number = int(str(value))
        except ValueError:
            raise invalid(**{name: "Invalid integer"}) from None
        if number < least:
            raise invalid(**{name: f"Must be a number of at least {least}"})
        return min(number, most) if most is not None else number

    def flag(self, name: str, default: bool = False) -> bool:
        """The argument `name` as yes or no, as CKAN's `asbool` reads it."""
        value = self.data.get(name, default)
        if isinstance(value, str):
            return value.strip().lower() in ("true", "yes", "on", "y", "t", "1")
        return bool(value)

    def sign_in(self, action: str) -> None:
        """An Authorization Error for the public."""
        if not self.asker.signed_in:
            raise denied(f"Action {action} requires an authenticated user")


Action = Callable[[Call], Any]


@dataclass(frozen=True)
class Known:
    """A registered action; `reads` may be called by GET."""

    run: Action
    reads: bool


ACTIONS: dict[str, Known] = {}


def action(*, reads: bool) -> Callable[[Action], Action]:
    """Register a function as the action of its name."""

    def register(run: Action) -> Action:
        ACTIONS[run.__name__] = Known(run, reads)
        return run

    return register


def uuid_or_none(value: object) -> UUID | None:
    """`value` as a UUID, or None when it is none."""
    try:
        return UUID(str(value))
    except ValueError:
        return None
