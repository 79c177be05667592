"""Scorecards and the map: each figure is that of the list behind it."""

from __future__ import annotations

from datetime import timedelta

from sanqu.governance.events import Wanted, list_events
from sanqu.governance.scores import finer_level, heat_map, period_of, scores, scores_csv, shapes_of, weeks
from sanqu.ground.clock import now
from sanqu.ground.people.units import unit
from tests.governance.conftest import THERE, County


def lay(county: County) -> None:
    good = county.report()
    county.settle(good)
    county.act(county.wang, good, "rate", rating="4")
    county.report(matter="litter", text="垃圾")
    county.report(matter="litter", text="垃圾", point=THERE, at=now() - timedelta(days=20))


def test_every_figure_is_that_of_the_list_behind_it(county: County) -> None:
    lay(county)
    since, until = period_of("30")
    wanted = Wanted(unit="330802", since=since, until=until)
    whole, rows = scores(county.city, county.admin, wanted, "town")
    assert {row.unit: row.events for row in rows} == {"330802001": 2, "330802002": 1}
    assert (whole.events, whole.open, whole.closed, whole.late, whole.rating, whole.on_time_share) == (3, 2, 1, 1, 4.0, 1.0)
    for name, filters in {
        "open": {"state": "open"},
        "late": {"late": True},
        "on_time": {"on_time": True},
        "rated": {"rated": True},
    }.items():
        for row in rows:
            listed = list_events(county.city, county.admin, Wanted(unit=row.unit, since=since, until=until, **filters))[1]
            assert listed == getattr(row, name), (row.unit, name)
    assert "330802001,新新街道,2,1" in scores_csv(rows)
    assert sum(int(week["events"]) for week in weeks(county.city, county.admin, wanted)) == 3
    assert scores(county.city, county.admin, Wanted(unit="3308", since=period_of("7")[0]), "town")[0].events == 2
    # Who sees less counts less.
    assert scores(county.city, county.other_town, wanted, "town")[0].events == 1


def test_the_map_goes_from_counties_to_grids(county: County) -> None:
    lay(county)
    for code, level in {"3308": "county", "330802": "town", "330802001": "grid"}.items():
        of = unit(county.city, code)
        assert finer_level(county.city, of) == level
        names = {one["properties"]["name"] for one in shapes_of(county.city, code, "zh")["features"]}
        drawn = heat_map(county.city, county.admin, of, Wanted(), "heat", "zh")
        assert drawn is not None and {one["name"] for one in drawn["series"][0]["data"]} == names == set(drawn["links"])
    backlog = heat_map(county.city, county.admin, unit(county.city, "330802001"), Wanted(), "backlog", "zh")
    assert backlog is not None and [one["value"] for one in backlog["series"][0]["data"]] == [1, 0]
