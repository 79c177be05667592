"""Sample accounts (样例账号) to try things with: people whose identity is checked, and the officers of the units that act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sanqu.affairs.catalogue import catalogue_of
from sanqu.affairs.held import window_unit
from sanqu.affairs.retirement import months_needed, retirement_of
from sanqu.affairs.subsidies import programmes
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.persons import RoleName, add_person
from sanqu.lake import lake_of
from sanqu.sharing.my_data import identify

KNOWN = "SELECT id FROM person WHERE login = %s"
# A mother of a newborn; an owner of a home without seizure; somebody young with a home; somebody who may retire.
MOTHERS = "SELECT b.mother_id, b.mother_name FROM {births} b ORDER BY b.birth_no LIMIT 1"
OWNERS = "SELECT owner_id, owner_name FROM {properties} WHERE NOT sealed AND use = '住宅' ORDER BY certificate_no LIMIT 2"
# The enterprise that a programme would serve first.
FIRMS = """
SELECT e.enterprise_id, e.name FROM {enterprises} e JOIN {ratings} c ON c.enterprise_id = e.enterprise_id
WHERE c.year = 2025 AND c.grade = 'A' AND c.penalties = 0 AND e.high_tech ORDER BY e.revenue_10k_yuan DESC, e.enterprise_id LIMIT 1
"""
NEARLY = """
SELECT r.id_number, r.name, r.born, r.sex, s.post, s.paid_months FROM {residents} r JOIN {social} s ON s.id_number = r.id_number
WHERE r.born < DATE '1972-01-01' ORDER BY r.id_number
"""


@dataclass(frozen=True)
class SamplePerson:
    """A sample account, and what it is for."""

    id: int
    login: str
    about: Text


def sample_people(city: City, today: date) -> list[SamplePerson]:
    """Make the sample accounts, once each; needs the sample datasets of people. All are marked 样例 in their names."""
    made = [_person(city, f"yl-{unit.rpartition('-')[2]}", f"样例经办·{unit}", [("officer", unit), ("steward", unit)]) for unit in _units(city)]
    for login, (id_number, name), zh, en in _subjects(city, today):
        made.append(_person(city, login, f"{name}（样例）", [], Text(zh=zh, en=en), id_number))
    if programmes(city) and (firm := _firm(city)) is not None:
        made.append(_person(city, "yl-qiye", f"{firm[1]}（样例）", [], Text(zh="企业：领“惠企直达”", en="an enterprise that is given a subsidy"), firm[0]))
    return made


def _firm(city: City) -> tuple[str, str] | None:
    lake = lake_of(city)
    with lake.engine() as duck:
        row = duck.execute(FIRMS.format(enterprises=lake.at_snapshot("enterprises", None), ratings=lake.at_snapshot("credit-ratings", None))).fetchone()
    return (str(row[0]), str(row[1])) if row else None


def _units(city: City) -> list[str]:
    window = window_unit(city)
    above = window.rpartition("-")[0]
    programme_units = (name for one in programmes(city) for name in (one.programme.unit, one.programme.pays))
    return sorted({window, *(f"{above}-{name}" for name in (*(m.department for m in catalogue_of(city).matters.values()), *programme_units))})


def _person(city: City, login: str, name: str, roles: list[tuple[RoleName, str]], about: Text | None = None, id_number: str = "") -> SamplePerson:
    about = about or Text(zh=f"{roles[0][1]} 的经办人和管理员", en=f"officer and steward of {roles[0][1]}")
    with city.db.connection() as conn:
        row = conn.execute(KNOWN, (login,)).fetchone()
        person = int(row["id"]) if row else add_person(conn, SYSTEM, login, name, roles)
        if id_number and row is None:
            identify(conn, SYSTEM, person, "enterprise" if id_number.startswith("E") else "person", id_number)
    return SamplePerson(person, login, about)


def _subjects(city: City, today: date) -> list[tuple[str, tuple[str, str], str, str]]:
    lake = lake_of(city)
    tables = {
        "births": lake.at_snapshot("births", None), "properties": lake.at_snapshot("properties", None),
        "residents": lake.at_snapshot("residents", None), "social": lake.at_snapshot("social-insurance", None),
    }  # fmt: skip
    with lake.engine() as duck:
        mother = duck.execute(MOTHERS.format(**tables)).fetchone()
        owners = duck.execute(OWNERS.format(**tables)).fetchall()
        nearly = duck.execute(NEARLY.format(**tables)).fetchall()
    retiring = next((row for row in nearly if _may_retire(row[2], row[3], row[4], row[5], today)), None)
    found = [
        ("yl-mama", mother, "刚有了孩子：办“出生一件事”", "has a newborn"),
        ("yl-laoban", owners[0] if owners else None, "要开公司：办“企业开办”", "opens a business"),
        ("yl-fangzhu", owners[1] if len(owners) > 1 else None, "要卖房：办“不动产登记 60 分钟”", "sells a home"),
        ("yl-tuixiu", retiring[:2] if retiring else None, "要退休：办“退休一件事”", "retires"),
    ]
    return [(login, (str(one[0]), str(one[1])), zh, en) for login, one, zh, en in found if one is not None]


def _may_retire(born: date, sex: str, post: str, paid: int, today: date) -> bool:
    found = retirement_of(born, sex, post)
    return found.earliest <= today <= found.latest and paid >= months_needed(today.year)
