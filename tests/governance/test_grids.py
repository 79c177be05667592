"""Sample grids laid over the sketch of the real counties, with workers, and events with life in them."""

from __future__ import annotations

from sanqu.governance.events import Wanted, course_of, list_events
from sanqu.governance.grids import GridPlan, make_grids, read_counties, split
from sanqu.governance.matters import read_matter, save_matters
from sanqu.governance.places import place_at
from sanqu.governance.processes import declare_processes
from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.packs import CityPack
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.persons import find_persons
from sanqu.ground.people.units import Unit, find_units, save_units
from tests.cities.conftest import built_pack, pack

__all__ = ["built_pack", "pack"]


def test_the_cells_of_a_county_cover_it_and_do_not_overlap(built_pack: CityPack) -> None:
    assert built_pack.boundaries is not None
    ground = read_counties(built_pack.boundaries)["330802"]
    units = [Unit(f"t{n}", "330802", "town", "town", Text(zh=f"镇{n}")) for n in range(9)]
    cells = split(ground, units, 1)
    assert [unit.code for unit, _ in cells] == [unit.code for unit in units]
    assert abs(sum(cell.area for _, cell in cells) - ground.area) < 1e-9
    assert cells[0][1].equals(split(ground, units, 1)[0][1])


def test_a_city_pack_gets_its_grids_workers_and_sample_events_once(city: City, built_pack: CityPack) -> None:
    kept = [unit for unit in built_pack.units if unit.code == "3308" or unit.code.startswith("330802")]
    with city.db.connection() as conn:
        save_units(conn, kept)
        save_matters(conn, map(read_matter, built_pack.matters))
        keep_fact(conn, "city", {"boundaries": str(built_pack.boundaries), "grids": GridPlan(towns_per_county=1).model_dump()})
    declare_processes(city)
    made = make_grids(city)
    grids = find_units(city, kind="grid", limit=1000)[0]
    assert made == len(grids) > 10 and all("样例" in grid.title.zh for grid in grids)
    assert find_persons(city, "样例", limit=1)[1] == made
    assert make_grids(city) == 0
    past, count = list_events(city, SYSTEM, Wanted(state="closed"), limit=5)
    assert count == 600 and all(event.sample and event.grid for event in past)
    assert course_of(city, past[0]).case is None
    waiting = list_events(city, SYSTEM, Wanted(state="open"))[0]
    assert {event.state for event in waiting} >= {"reported", "handling"}
    for event in past:
        assert event.lon is not None and event.lat is not None
        assert place_at(city, event.lon, event.lat).town == event.town
