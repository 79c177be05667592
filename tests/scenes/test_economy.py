"""The scene economy: what it expects holds, its page says so to the public, and figures of one enterprise are nobody's without a grant."""

from __future__ import annotations

from pathlib import Path

from sanqu.ground.city import City
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker, Role
from sanqu.scenes.installing import install
from sanqu.scenes.package import open_scene
from sanqu.scenes.showing.asking import Asking, Reader, params_of
from sanqu.scenes.showing.blocks import draw
from sanqu.scenes.showing.stages import stage_of
from sanqu.scenes.testing import look
from sanqu.web.app import make_app

ECONOMY = Path(__file__).parents[2] / "scenes" / "economy"
OFFICER = Asker(name="officer", user_id=7, held=(Role("officer", "3308", "/3308/"),))


def states(city: City, asker: Asker, page: str, **given: str) -> dict[str, str]:
    """How each block of a page comes out."""
    stage = stage_of(city, "economy")
    found = stage.page(page)
    asking = Asking(Reader(city, asker, stage, found, "en", params_of(found, given)))
    return {block.id: draw(asking, block, {}).state for block in found.blocks.values()}


def test_the_economy_does_what_it_expects_and_keeps_enterprises_to_itself(town: City) -> None:
    make_app(town)
    one = install(town, SYSTEM, open_scene(ECONOMY), samples=True, steward="3308")
    assert [(out.name, out.found) for out in look(town, one, open_scene(ECONOMY)) if not out.ok] == []
    assert set(states(town, PUBLIC, "overview").values()) == {"shown"}
    assert set(states(town, PUBLIC, "overview", month="2022-03").values()) == {"shown"}
    # The first year has none before it: a dash where a change would stand, and nothing to contribute to.
    assert states(town, PUBLIC, "overview", month="2021-06")["revenue"] == "shown"
    assert states(town, OFFICER, "reporting") == {"bar_1": "shown", "alarms_1": "shown", "fell": "shown", "largest": "refused"}
