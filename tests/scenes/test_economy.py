"""The scene economy: what it expects holds, its page says so to the public, and figures of one enterprise are nobody's without a grant."""

from __future__ import annotations

from pathlib import Path

from sanqu.ground.city import City
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker, Role
from sanqu.lake import Commit, lake_of
from sanqu.scenes.installing import install
from sanqu.scenes.package import open_scene
from sanqu.scenes.rules import list_alarms, look_at_rules
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
    told = states(town, OFFICER, "reporting")
    assert told.pop("largest") == "refused" and told.pop("table_1") in ("shown", "refused") and set(told.values()) <= {"shown", "empty"}, told


def test_a_report_that_contradicts_itself_or_leaps_is_queried_once(town: City) -> None:
    one = install(town, SYSTEM, open_scene(ECONOMY), samples=True, steward="3308")
    before = {rule: list_alarms(town, SYSTEM, "economy", rule)[1] for rule in ("logic-broken", "leap")}
    assert before == {"logic-broken": 0, "leap": 0}
    row = "SELECT 'QY000' AS enterprise, '2022-12' AS month, {revenue} AS revenue, {value} AS value_added, {profit} AS profit, 1.0 AS rnd, {people} AS people"
    for revenue, value, profit, people in ((5e6, 1e6, 1e5, 900), (1000.0, 1500.0, 10.0, 9), (1000.0, 100.0, 2000.0, 9), (1000.0, 100.0, 10.0, 0)):
        with lake_of(town).engine() as duck:
            lake_of(town).upsert("economy-reports", row.format(revenue=revenue, value=value, profit=profit, people=people), Commit("test"), duck=duck)
        look_at_rules(town, one)
    (leap,), _ = list_alarms(town, SYSTEM, "economy", "leap")
    (logic,), _ = list_alarms(town, SYSTEM, "economy", "logic-broken")
    # The same figure, wrong in three ways one after the other, is one incident; the leap stayed one too.
    assert logic.times == 3 and logic.message.zh.endswith("有收入没有人") and leap.case_number and logic.case_number and leap.case_number != logic.case_number
