"""The pack of Quzhou loads into a fresh city: every row arrives, none is quarantined, the front page draws."""

from __future__ import annotations

from collections.abc import Callable

from sanqu.cli.load import load_city
from sanqu.ground.city import City
from sanqu.ground.facts import fact
from sanqu.ground.packs import CityPack
from sanqu.ground.people.askers import PUBLIC
from sanqu.lake import lake_of
from sanqu.lake.contracts import Contract
from sanqu.lines.quarantine import count_quarantine
from sanqu.samples import GENERATORS, generate
from sanqu.web.charts import HomeChart, draw_home_chart


def test_a_fresh_city_holds_every_row_and_draws_every_chart(
    city: City, built_pack: CityPack, contracts: dict[str, Contract], rows_of: Callable[[str], list[dict[str, str]]]
) -> None:
    # Without a worker the samples are laid in at once.
    settings = city.settings.model_copy(update={"worker": False, "city": str(built_pack.folder)})
    city.settings = settings
    load_city(city, print)

    lake = lake_of(city)
    held = {name: lake.count(name) for name in contracts}
    expected = {name: generate(name, built_pack.divisions).num_rows for name in GENERATORS}
    expected |= {"divisions": len(built_pack.divisions)}
    expected |= {name: len(rows_of(name)) for name in contracts if name not in expected}
    assert held == expected
    assert count_quarantine(city) == 0

    for said in fact(city, "city")["home"]:
        chart = HomeChart.model_validate(said)
        for lang in ("zh", "en"):
            drawn = draw_home_chart(city, PUBLIC, chart, lang)
            assert drawn is not None, chart.dataset
            assert all(any(value is not None for value in one["data"]) for one in drawn["series"]), chart.dataset
