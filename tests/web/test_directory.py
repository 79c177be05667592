"""The directory of routes: quicker than trying one after another, and never of another opinion."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Match, Route

from sanqu.web.directory import CHOSEN, Directory

WORDS = st.sampled_from(["", "a", "b", "c"])
PARTS = st.one_of(WORDS, st.sampled_from(["{x}", "{y}.json"]))
PATHS = st.lists(PARTS, min_size=1, max_size=4, unique_by=lambda part: part if "{" in part else object()).map(lambda parts: "/" + "/".join(parts))
ASKED = st.lists(st.one_of(WORDS, st.sampled_from(["a.json", "d"])), min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))


def one_after_another(routes: Sequence[BaseRoute], scope: dict[str, object]) -> tuple[Match, BaseRoute | None]:
    partly: BaseRoute | None = None
    for route in routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            return match, route
        if match is Match.PARTIAL:
            partly = partly or route
    return (Match.NONE if partly is None else Match.PARTIAL), partly


@given(st.lists(st.tuples(PATHS, st.sampled_from(["GET", "POST"])), max_size=12), ASKED, st.sampled_from(["", "/city"]))
def test_the_route_is_the_one_that_trying_all_would_find(told: list[tuple[str, str]], asked: str, root: str) -> None:
    routes = [Route(path, print, methods=[method]) for path, method in told]
    scope: dict[str, object] = {"type": "http", "method": "GET", "path": root + asked, "root_path": root}
    match, found = Directory(routes).matches(dict(scope))
    assert (match, found.get(CHOSEN)) == one_after_another(routes, scope)


def test_a_wrong_method_and_a_slash_too_many_are_answered_as_ever(site: httpx.Client) -> None:
    assert site.delete("/api/openapi-nothing").status_code == 404
    assert site.post("/api/interfaces").status_code == 405
    there = site.get("/datasets/")
    assert (there.status_code, httpx.URL(there.headers["location"]).path) == (307, "/datasets")
