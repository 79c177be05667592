"""A county of three towns, two departments, the data bureau, a dataset of firms, and a small dictionary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sanqu.cases.records import Case
from sanqu.cases.work import complete_task, tasks_for
from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Commit, Contract, lake_of
from sanqu.reporting.figures import add_figure
from sanqu.reporting.processes import declare_processes
from sanqu.reporting.requests import Report, submit_request
from sanqu.sharing.reading import hang_door
from tests.conftest import new_city

TOWNS = ("330802001", "330802002", "330802003")
FIRMS = {
    "name": "firms", "title": {"zh": "企业", "en": "Firms"}, "steward": "3308-jxj", "primaryKey": ["no"], "opening": "none",
    "fields": [{"name": "no", "type": "integer"}, {"name": "town", "type": "string"}, {"name": "staff", "type": "integer"}, {"name": "large", "type": "boolean"}],
}  # fmt: skip
FIGURES: tuple[dict[str, Any], ...] = (
    {"code": "firms", "title": {"zh": "规上企业数"}, "definition": {"zh": "年末规模以上企业户数"}, "unit": "户", "kind": "quarter", "source": {"dataset": "firms", "place": "town", "where": {"large": True}}},
    {"code": "alone", "title": {"zh": "独居老人数"}, "definition": {"zh": "独自居住的六十周岁以上老人"}, "unit": "人", "kind": "quarter", "whole": True, "least": 0, "change": "0.3"},
    {"code": "workers", "title": {"zh": "网格员人数"}, "definition": {"zh": "在岗的专职网格员"}, "unit": "人", "kind": "quarter", "whole": True, "least": 0, "most": 500},
)  # fmt: skip
EMPTIED = """
TRUNCATE reporting_cell, reporting_value, reporting_request, reporting_figure,
    case_file, case_case, case_task, case_step, case_comment, case_notice CASCADE
"""


@dataclass(frozen=True)
class County:
    """The city and who is who in it."""

    city: City
    civil: Asker
    health: Asker
    bureau: Asker
    county: Asker
    towns: tuple[Asker, ...]

    def ask(self, figures: list[str], by: Asker | None = None, period: str = "2026-Q4", places: tuple[str, ...] = TOWNS, *, let_in: bool = True) -> Report:
        """A form, let in."""
        asker = by or self.civil
        made = submit_request(self.city, asker, "养老服务季报", "民政统计", next(iter(asker.units)), figures, list(places), period)
        if let_in:
            self.act(self.bureau, made.case_number, "approve", decision="accept")
        return made

    def tray(self, asker: Asker) -> list[str]:
        """The cases in which something waits for somebody to fill in."""
        return [task.case for task in tasks_for(self.city, asker, limit=500)[0] if task.name == "fill"]

    def act(self, asker: Asker, case: str | None, name: str, **result: Any) -> Case:
        """Do the open task `name` of a case."""
        found = [task for task in tasks_for(self.city, asker, below=True, limit=500)[0] if task.case == case and task.name == name]
        assert found, f"{name} of {case} does not wait for {asker.name}"
        return complete_task(self.city, asker, found[0].id, result)

    def report(self, town: int, explained: str = "", **values: str) -> None:
        """A town fills in what waits for it, and the county confirms."""
        (case,) = self.tray(self.towns[town])
        self.act(self.towns[town], case, "fill", values=values, explained=explained)
        self.act(self.county, case, "confirm", decision="confirm")


def furnish(city: City) -> County:
    """Lay the county out."""
    units = [
        Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")), Unit("330802", "3308", "county", "county", Text(zh="柯城区", en="Kecheng")),
        *(Unit(code, "330802", "town", "town", Text(zh=f"第{n}街道", en=f"Town {n}")) for n, code in enumerate(TOWNS, 1)),
        *(Unit(f"3308-{code}", "3308", "department", "city", Text(zh=title, en=code)) for code, title in (("mzj", "民政局"), ("wjw", "卫健委"), ("dsj", "大数据局"), ("jxj", "经信局"))),
    ]  # fmt: skip
    with city.db.connection() as conn:
        save_units(conn, units)
        keep_fact(conn, "city", {"code": "3308", "title": {"zh": "衢州", "en": "Quzhou"}, "home": [], "boundaries": ""})
        keep_fact(conn, "reporting.bureau", "3308-dsj")

        def person(login: str, role: Any, unit: str) -> Asker:
            found = asker_for(conn, add_person(conn, SYSTEM, login, login, [(role, unit)]))
            assert found is not None
            return found

        county = County(
            city, person("civil", "officer", "3308-mzj"), person("health", "officer", "3308-wjw"), person("bureau", "steward", "3308-dsj"),
            person("county", "steward", "330802"), tuple(person(f"town{n}", "officer", code) for n, code in enumerate(TOWNS)),
        )  # fmt: skip
    register_contract(city, Contract.from_descriptor(FIRMS), "system", state="published")
    rows = "SELECT i AS no, list_element(['330802001', '330802002', '330803001'], 1 + (i % 3)::INT) AS town, 10 AS staff, i % 2 = 0 AS large FROM range(12) t(i)"
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("firms", rows, Commit("test"), duck=duck)
    declare_processes(city)
    return county


@pytest.fixture(scope="module")
def furnished(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[County]:
    """One county for a file of tests."""
    hang_door()
    with new_city(postgres, nats, tmp_path_factory.mktemp("county"), memory_limit="1GB") as city:
        yield furnish(city)


@pytest.fixture
def county(furnished: County) -> County:
    """The county before anything was asked."""
    with furnished.city.db.connection() as conn:
        conn.execute(EMPTIED)
    for figure in FIGURES:
        add_figure(furnished.city, furnished.bureau, figure)
    return furnished
