"""Finds the route of a request by the first words of its path, not by trying hundreds of patterns one after another."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

CHOSEN = "sanqu.route"
Words = tuple[str, ...]


class Directory(BaseRoute):
    """Many routes as one; which of two that fit answers is decided by their order, as ever.

    What stands before the first parameter of a route's path are its words. A path is compared with those routes only whose first
    two words are its own.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self.routes = list(routes)
        words = [words_of(route) for route in self.routes]
        known = {one[:length] for one in words for length in range(3)}
        self._beginning = {
            begun: [route for route, own in zip(self.routes, words, strict=True) if own[:2] == begun[: len(own[:2])]] for begun in known
        }

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The first route that fits path and method, else the first that fits the path."""
        partly: Scope | None = None
        for route in self._candidates(scope.get("path", "").removeprefix(scope.get("root_path", ""))):
            match, found = route.matches(scope)
            if match is Match.NONE:
                continue
            found[CHOSEN] = route
            if match is Match.FULL:
                return match, found
            partly = partly or found
        return (Match.NONE, {}) if partly is None else (Match.PARTIAL, partly)

    def _candidates(self, path: str) -> list[BaseRoute]:
        begun = tuple(path.split("/", 3)[1:3])
        for length in (2, 1, 0):
            found = self._beginning.get(begun[:length])
            if found is not None:
                return found
        return []

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route that was found answer."""
        route: BaseRoute = scope[CHOSEN]
        await route.handle(scope, receive, send)


def words_of(route: BaseRoute) -> Words:
    """The words of a route's path before its first parameter.

    >>> from starlette.routing import Route
    >>> words_of(Route("/api/share/{dataset}/{key}", print))
    ('api', 'share')
    """
    words: list[str] = []
    for word in getattr(route, "path", "").split("/")[1:]:
        if "{" in word:
            break
        words.append(word)
    return tuple(words)
