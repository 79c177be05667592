"""A city with a window, departments, the catalogue of the pack and the sample datasets of people; reused by all tests."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sanqu.affairs.catalogue import catalogue_of, read_catalogue, save_catalogue
from sanqu.affairs.filing import Filed, New, file_online
from sanqu.affairs.held import keep_grants
from sanqu.affairs.processes import declare_processes
from sanqu.affairs.records import Filing
from sanqu.affairs.sample_people import sample_people
from sanqu.cases.history import case_tasks
from sanqu.cases.work import complete_task
from sanqu.catalog.keeping import load_subjects, register_contract
from sanqu.catalog.records import Subject
from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.packs import read_pack
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.units import save_units
from sanqu.lake import Commit, Contract, lake_of
from sanqu.samples import generate
from sanqu.sharing.my_data import Identity, consent_to, identities_of
from sanqu.sharing.reading import hang_door
from tests.conftest import new_city

QUZHOU = Path(__file__).parents[2] / "cities" / "quzhou"
PEOPLE = ("residents", "marriages", "births", "social-insurance", "properties")
DIVISIONS = (("330802", "柯城区", "county", "3308"), ("330802001", "新新街道", "town", "330802"))
TODAY = date(2026, 11, 27)
EMPTIED = """
TRUNCATE affairs_filing, affairs_certificate, affairs_award, affairs_objection, sharing_consent,
    case_file, case_case, case_task, case_step, case_comment, case_notice CASCADE
"""


def picture() -> bytes:
    """A small photo."""
    out = io.BytesIO()
    Image.new("RGB", (32, 24), (90, 120, 60)).save(out, "JPEG")
    return out.getvalue()


@dataclass(frozen=True)
class Hall:
    """The city and who is who: officers by the short names of their units, applicants by what they want."""

    city: City
    officers: dict[str, Asker]
    mother: Asker
    founder: Asker
    owner: Asker
    retiree: Asker
    nobody: Asker
    admin: Asker
    people: dict[str, Asker] = field(default_factory=dict)

    def subject(self, asker: Asker) -> Identity:
        """Who an applicant is."""
        return identities_of(self.city, asker)[0]

    def agree(self, asker: Asker, thing: str) -> None:
        """The applicant consents."""
        consent_to(self.city, asker, catalogue_of(self.city).find(thing).datasets, thing, self.subject(asker))

    def file(self, asker: Asker, thing: str, at: Any = None, photos: dict[str, bytes] | None = None, **form: Any) -> Filed:
        """File a thing online."""
        return file_online(self.city, asker, thing, New(form, photos or {}), at=at)

    def open_tasks(self, filing: Filing) -> list[str]:
        """The names of the tasks that wait."""
        return sorted(task.name for task in case_tasks(self.city, SYSTEM, filing.number) if task.state == "ready")

    def act(self, asker: Asker, filing: Filing, name: str, at: Any = None, **result: Any) -> None:
        """Do the open task `name`."""
        (task,) = [one for one in case_tasks(self.city, SYSTEM, filing.number) if one.state == "ready" and one.name == name]
        complete_task(self.city, asker, task.id, result, at=at)

    def grant_all(self, filing: Filing, at: Any = None) -> None:
        """Every department grants its matter."""
        for name in self.open_tasks(filing):
            matter = catalogue_of(self.city).matter(name.removeprefix("handle-"))
            self.act(self.officers[matter.department], filing, name, at, **{f"result_{matter.name}": "done"})


SHOP = {
    "company_name": "衢州样例贸易有限公司", "company_kind": "有限责任公司", "capital_10k": 10, "business": "食品销售", "premises_owned": "自有", "staff": 3,
    "seals": "公章", "bank": "样例农商银行",
}  # fmt: skip


def furnish(city: City) -> Hall:
    """Lay the window out in an empty city."""
    pack = read_pack(QUZHOU)
    with city.db.connection() as conn:
        save_units(conn, [unit for unit in pack.units if unit.kind in ("city", "county", "department")])
        keep_fact(conn, "city", {"code": "3308", "title": {"zh": "衢州", "en": "Quzhou"}, "home": [], "boundaries": ""})
        keep_fact(conn, "affairs.window", "3308-zwfw")
    load_subjects(city, [Subject(str(said["name"]), Text.model_validate(said["title"]), theme=str(said["theme"])) for said in pack.about["subject"]], "system")
    for said in pack.contracts:
        if said["name"] in PEOPLE:
            contract = Contract.from_descriptor({key: value for key, value in said.items() if key != "foreignKeys"})
            register_contract(city, contract, "system", state="published")
            rows = generate(contract.name, DIVISIONS)
            with lake_of(city).engine() as duck:
                duck.register("given", rows)
                lake_of(city).upsert(contract.name, "SELECT * FROM given", Commit("test"), duck=duck)
    found = read_catalogue(pack.affairs)
    with city.db.connection() as conn:
        save_catalogue(conn, found)
        keep_grants(city, conn, found.window, found.grant)
    declare_processes(city)
    logins = {one.login: one.id for one in sample_people(city, TODAY)}
    with city.db.connection() as conn:

        def known(login: str) -> Asker:
            asker = asker_for(conn, logins[login])
            assert asker is not None
            return asker

        nobody = asker_for(conn, add_person(conn, SYSTEM, "nobody", "未核验", []))
        admin = asker_for(conn, add_person(conn, SYSTEM, "boss", "管理员", [("admin", "3308")]))
        assert nobody is not None and admin is not None
        people = {login: known(login) for login in logins}
    officers = {login.removeprefix("yl-"): asker for login, asker in people.items() if asker.held}
    return Hall(city, officers, people["yl-mama"], people["yl-laoban"], people["yl-fangzhu"], people["yl-tuixiu"], nobody, admin, people)


@pytest.fixture(scope="session")
def furnished(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """One city for all of these tests: its datasets take longer than most of them."""
    hang_door()
    with new_city(postgres, nats, tmp_path_factory.mktemp("hall")) as city:
        yield furnish(city)


@pytest.fixture
def hall(furnished: Hall) -> Hall:
    """The window before anything was filed."""
    with furnished.city.db.connection() as conn:
        conn.execute(EMPTIED)
    return furnished
