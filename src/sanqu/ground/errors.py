"""One family of errors: what happened, to which thing, what to do; in both languages, RFC 9457 over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sanqu.ground.i18n import Lang, Text


class SanquError(Exception):
    """Something went wrong that a person can act on.

    `code` names the kind for programs (`lake.contract-conflict`), `what` says what happened, `thing` names what it
    happened to, `todo` says what to do now, and `facts` carries the figures for pages and machines.
    """

    default_status: ClassVar[int] = 400

    def __init__(
        self,
        code: str,
        what: Text,
        todo: Text,
        thing: str = "",
        status: int | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.code = code
        self.what = what
        self.todo = todo
        self.thing = thing
        self.status = status or self.default_status
        self.facts: dict[str, object] = dict(facts or {})
        super().__init__(self.in_("en"))

    def in_(self, lang: Lang) -> str:
        """The whole error as one sentence or two, for a terminal or a log."""
        thing = f" [{self.thing}]" if self.thing else ""
        return f"{self.what.in_(lang)}{thing} — {self.todo.in_(lang)}"

    def record(self) -> dict[str, object]:
        """The error as JSON for a table: `code`, `what`, `todo` in both languages, `thing`, `facts`."""
        return {
            "code": self.code,
            "what": self.what.model_dump(),
            "todo": self.todo.model_dump(),
            "thing": self.thing,
            "facts": self.facts,
        }

    def problem(self, lang: Lang) -> dict[str, Any]:
        """The body of `application/problem+json` (RFC 9457), `title` and `detail` in `lang`."""
        return {
            "type": f"urn:sanqu:error:{self.code}",
            "title": self.what.in_(lang),
            "status": self.status,
            "detail": self.todo.in_(lang),
            "instance": self.thing,
            "code": self.code,
            "what": self.what.model_dump(),
            "todo": self.todo.model_dump(),
            "facts": self.facts,
        }


class BadInput(SanquError):
    """What was given cannot be used as it is."""

    default_status = 400


class Refused(SanquError):
    """The asker may not do this."""

    default_status = 403


class NotFound(SanquError):
    """There is no such thing, or the asker may not know of it."""

    default_status = 404


class Conflict(SanquError):
    """The thing is in a state that does not allow this."""

    default_status = 409


class Busy(SanquError):
    """Too much at once; later it will go."""

    default_status = 429


class Unavailable(SanquError):
    """An engine or a source that is needed does not answer."""

    default_status = 503


def not_found(kind: Text, thing: str) -> NotFound:
    """The usual `NotFound`: no `kind` is called `thing`."""
    return NotFound(
        "not-found",
        Text(zh=f"没有这个{kind.zh}", en=f"There is no such {kind.en}"),
        Text(zh="请核对名称，或从列表中选择", en="Check the name, or choose from the list"),
        thing,
    )
