"""The scenes of a city pack: installed in the background when a city comes up, and again when their files change."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import SanquError
from sanqu.ground.facts import fact, keep_fact
from sanqu.ground.jobs import defer, job
from sanqu.ground.people.askers import SYSTEM
from sanqu.scenes.installing import digest_of, install
from sanqu.scenes.keeping import installed
from sanqu.scenes.package import Scene, find_scene, open_scene

log = logging.getLogger(__name__)

WANTED = "scenes.wanted"


def want_scenes(city: City, conn: Connection, names: Sequence[str]) -> None:
    """Let these be the scenes of the city pack; they are installed in the background."""
    keep_fact(conn, WANTED, list(names))
    if names:
        defer(conn, "scenes.pack", once="scenes.pack", lock="city.pack")


def look_for_changes(city: City) -> None:
    """At a start: where the files of a wanted scene are not those that were installed, install it again."""
    there = {one.name: one.digest for one in installed(city)}
    for name in fact(city, WANTED, []):
        try:
            changed = there.get(name) != digest_of(find_scene(name))
        except SanquError:
            continue
        if changed:
            with city.db.connection() as conn:
                defer(conn, "scenes.pack", once="scenes.pack", lock="city.pack")
            return


@job("scenes.pack")
def install_pack(city: City) -> dict[str, str]:
    """Install the scenes of the city pack with their samples, those that others need first; gives why one could not be."""
    failed: dict[str, str] = {}
    there = {one.name: one.digest for one in installed(city)}
    for scene in _ordered([str(name) for name in fact(city, WANTED, [])], failed):
        if there.get(scene.name) == digest_of(scene.folder):
            continue
        try:
            install(city, SYSTEM, scene, samples=scene.name not in there, say=log.info)
        except SanquError as fault:
            log.warning("scene %s was not installed: %s", scene.name, fault.what.in_("en"))
            failed[scene.name] = fault.what.in_("en")
    return failed


def _ordered(names: list[str], failed: dict[str, str]) -> list[Scene]:
    """The scenes that can be read, each after those it needs."""
    found: dict[str, Scene] = {}

    def add(name: str) -> None:
        if name in found or name in failed:
            return
        try:
            scene = open_scene(find_scene(name))
        except SanquError as fault:
            log.warning("scene %s cannot be read: %s", name, fault.what.in_("en"))
            failed[name] = fault.what.in_("en")
            return
        for other in scene.needs:
            add(other)
        found[name] = scene

    for name in names:
        add(name)
    return list(found.values())
