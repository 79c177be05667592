"""A city of sixty firms with credit grades, nine inspectors of three offices, and the process of an inspection."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from sanqu.cases.files import add_file
from sanqu.cases.records import Case
from sanqu.cases.work import complete_task, tasks_for
from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.packs import read_pack
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing.grants import Grant, ItemGrant, add_grant
from sanqu.sharing.reading import hang_door
from sanqu.supervision.keeping import keep_supervision
from sanqu.supervision.plans import make_plan
from sanqu.supervision.processes import declare_processes
from sanqu.supervision.records import Inspection, Plan
from sanqu.supervision.registers import Inspector, save_inspector
from tests.conftest import new_city

QUZHOU = Path(__file__).parents[2] / "cities" / "quzhou"
FIRMS = """
SELECT 'E' || lpad(i::VARCHAR, 3, '0') AS enterprise_id, '样例企业' || i || '号' AS name, 'C3985' AS industry_code, '电子材料' AS industry,
    '330802001' AS town_code, '新新街道' AS town, CASE WHEN i % 2 = 0 THEN '柯城区' ELSE '江山市' END AS county, 2010 AS founded, 10 AS staff,
    100.0 AS revenue_10k_yuan, false AS above_scale, 0 AS patents, false AS high_tech, 118.8 AS lon, 28.9 AS lat FROM range(60) t(i)
"""
RATED = """
SELECT 'E' || lpad(i::VARCHAR, 3, '0') AS enterprise_id, y AS year, 800 AS score,
    CASE WHEN y < 2025 THEN 'A' WHEN i % 10 = 0 THEN 'D' ELSE 'B' END AS grade, 0 AS penalties, false AS watched FROM range(59) t(i), range(2024, 2026) u(y)
"""
EMPTIED = """
TRUNCATE supervision_inspection, supervision_draw, supervision_plan, supervision_avoidance,
    case_file, case_case, case_task, case_step, case_comment, case_notice CASCADE
"""
RULES: dict[str, Any] = {
    "items": ["registration", "waste"], "teams": [{"unit": "3308-sjj", "count": 2}, {"unit": "3308-sthj", "count": 1}], "group": "county", "each": 3,
}  # fmt: skip


def signature() -> bytes:
    """A drawn signature."""
    image, out = Image.new("RGBA", (60, 30), (0, 0, 0, 0)), io.BytesIO()
    ImageDraw.Draw(image).line((2, 2, 50, 25), fill=(0, 0, 0, 255), width=3)
    image.save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class Office:
    """The city and who is who in it."""

    city: City
    chief: Asker
    officer: Asker
    ecology: Asker
    ecology_chief: Asker
    outsider: Asker
    boss: Asker

    def plan(self, **more: Any) -> Plan:
        """A plan of market regulation with ecology."""
        return make_plan(self.city, self.chief, "电子信息企业双随机抽查", {**RULES, **more})

    def act(self, asker: Asker, case: str | None, name: str, **result: Any) -> Case:
        """Do the open task `name` of a case."""
        found = [task for task in tasks_for(self.city, asker, below=True, limit=500)[0] if task.case == case and task.name == name]
        assert found, f"{name} of {case} does not wait for {asker.name}"
        return complete_task(self.city, asker, found[0].id, result)

    def visit(self, one: Inspection, result: str = "none", *, wrong: tuple[str, ...] = (), on: str, **more: Any) -> Case:
        """Notify, sign and inspect; what is `wrong` are checks such as `waste.permit`."""
        checks = ["registration.licence", "registration.address", "registration.scope", "waste.permit", "waste.facility", "waste.ledger"]
        assert one.case is not None
        self.act(self.officer, one.case, "notify", visit_on=on, announced=True)
        add_file(self.city, self.officer, one.case, "signature", signature())
        answers = {name: "problem" if name in wrong else "ok" for name in checks}
        return self.act(self.officer, one.case, "visit", visited=on, result=result, checks=answers, **more)


def furnish(city: City) -> Office:
    """Lay the city out."""
    units = [
        Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")),
        Unit("330802", "3308", "county", "county", Text(zh="柯城区", en="Kecheng")),
        Unit("3308-sjj", "3308", "department", "city", Text(zh="市场监管局", en="Market regulation")),
        Unit("330802-sjj", "330802", "department", "county", Text(zh="柯城区市场监管局", en="Market regulation of Kecheng")),
        Unit("3308-sthj", "3308", "department", "city", Text(zh="生态环境局", en="Ecology")),
        Unit("3308-jxj", "3308", "department", "city", Text(zh="经信局", en="Industry")),
        Unit("3308-fgw", "3308", "department", "city", Text(zh="发改委", en="Development and reform")),
    ]
    pack = read_pack(QUZHOU)
    with city.db.connection() as conn:
        save_units(conn, units)

        def person(login: str, role: Any, unit: str) -> Asker:
            found = asker_for(conn, add_person(conn, SYSTEM, login, login, [(role, unit)]))
            assert found is not None
            return found

        office = Office(
            city, person("chief", "steward", "3308-sjj"), person("officer", "officer", "3308-sjj"), person("ecology", "officer", "3308-sthj"),
            person("ecology-chief", "steward", "3308-sthj"), person("outsider", "officer", "3308-jxj"), person("boss", "admin", "3308"),
        )  # fmt: skip
    keep_supervision(city, pack.supervision)
    descriptors = {one["name"]: one for one in pack.contracts}
    for name, rows in (("enterprises", FIRMS), ("credit-ratings", RATED)):
        contract = Contract.from_descriptor({**descriptors[name], "foreignKeys": []})
        register_contract(city, contract, "system", state="published")
        with lake_of(city).engine() as duck:
            lake_of(city).upsert(name, rows, Commit("test"), duck=duck)
    with city.db.connection() as conn:
        contract = lake_of(city).contract("credit-ratings")
        for unit in ("3308-sjj",):
            items = tuple(ItemGrant(item=item, uses=("plain",)) for item in ("enterprise_id", "grade", "year"))
            add_grant(conn, SYSTEM, Grant(dataset="credit-ratings", assignee=f"unit:{unit}", items=items, purposes=("supervision",)), contract, "3308-fgw")
        for n in range(9):
            unit = ("3308-sjj", "330802-sjj", "3308-sthj")[n % 3]
            save_inspector(conn, SYSTEM, Inspector(f"ZJ-{n:04d}", f"执法员{n}（样例）", unit, office.officer.user_id if n == 0 else None, sample=True))
    declare_processes(city)
    return office


@pytest.fixture(scope="module")
def furnished(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One city for a file of tests."""
    hang_door()
    with new_city(postgres, nats, tmp_path_factory.mktemp("office"), memory_limit="1GB") as city:
        yield furnish(city)


@pytest.fixture
def office(furnished: Office) -> Office:
    """The city before anything was planned."""
    with furnished.city.db.connection() as conn:
        conn.execute(EMPTIED)
    return furnished
