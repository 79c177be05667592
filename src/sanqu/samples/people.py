"""Samples of people: residents, marriages, births, pension insurance, homes; made up, with ID numbers that nobody can have."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from sanqu.samples.places import DAY, NUMBER, TEXT, WHOLE, YES_NO, Division, Place, table, towns

FAMILIES = 320
SURNAMES = "赵钱孙李周吴郑王徐姜毛汪余叶方何"
GIVEN = ("文华", "志明", "丽娟", "建国", "秀英", "晓东", "海燕", "春梅", "国强", "玉兰", "永康", "美玲", "俊杰", "雨欣", "子轩", "思远")
ROADS = ("样例路", "三衢路样例段", "水亭样例街", "荷花样例路")
HOSPITALS = ("样例妇幼保健院", "样例市人民医院", "样例县人民医院")
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "10X98765432"
BIRTHS_UNTIL = date(2026, 11, 20)


@dataclass(frozen=True)
class Person:
    """A made-up person."""

    id_number: str
    name: str
    sex: str
    born: date


@dataclass(frozen=True)
class Family:
    """A made-up couple and where they are registered; the younger ones may have a newborn."""

    number: int
    wife: Person
    husband: Person
    address: str
    town: Place
    married: date


def id_number(town: str, born: date, number: int) -> str:
    """An ID number with a right check digit (GB 11643) in the division 99, which there is not; odd numbers are men's."""
    body = f"99{town[2:6]}{born:%Y%m%d}{number % 1000:03}"
    return body + CHECKS[sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True)) % 11]


def _born(draw: random.Random, number: int) -> date:
    # A third are of an age to have children, a third about to retire, a third between.
    first, last = ((1990, 2003), (1962, 1977), (1978, 1989))[number % 3]
    return date(draw.randint(first, last), draw.randint(1, 12), draw.randint(1, 28))


def _family(seed: int, number: int, town: Place) -> Family:
    draw = random.Random(f"family {seed} {number}")
    his, hers = _born(draw, number), _born(draw, number)
    surname, other = draw.choice(SURNAMES), draw.choice(SURNAMES)
    husband = Person(id_number(town.code, his, number * 2 + 1), surname + draw.choice(GIVEN), "男", his)
    wife = Person(id_number(town.code, hers, number * 2), other + draw.choice(GIVEN), "女", hers)
    grown = max(his.year, hers.year) + 22
    married = date(min(grown, 2025), draw.randint(1, 12), draw.randint(1, 28))
    return Family(number, wife, husband, f"{town.name}{draw.choice(ROADS)}{draw.randint(1, 300)}号", town, married)


@lru_cache(maxsize=4)
def _families(divisions: tuple[Division, ...], seed: int) -> tuple[Family, ...]:
    places = towns(divisions)
    draw = random.Random(f"families {seed}")
    return tuple(_family(seed, number, draw.choice(places)) for number in range(FAMILIES)) if places else ()


def families(divisions: Sequence[Division], seed: int) -> tuple[Family, ...]:
    """The couples that all of these samples speak of."""
    return _families(tuple(divisions), seed)


def residents(divisions: Sequence[Division], seed: int) -> Any:
    """Everybody who is registered: name, sex, birthday, address, household."""
    rows = [
        (one.id_number, one.name, one.sex, one.born, of.address, of.town.code, f"H{of.number:06}", of.husband.name, f"1990000{of.number * 2 + i:04}")
        for of in families(divisions, seed)
        for i, one in enumerate((of.wife, of.husband))
    ]
    return table({
        "id_number": TEXT, "name": TEXT, "sex": TEXT, "born": DAY, "address": TEXT, "town_code": TEXT, "household_no": TEXT,
        "head_name": TEXT, "phone": TEXT,
    }, rows)  # fmt: skip


def marriages(divisions: Sequence[Division], seed: int) -> Any:
    """The marriages of those couples: a row for each of the two, so that each may consent to their own being read."""
    rows = [
        (f"J9908-{of.married.year}-{of.number:06}", one.id_number, one.name, other.id_number, other.name, of.married)
        for of in families(divisions, seed)
        for one, other in ((of.wife, of.husband), (of.husband, of.wife))
    ]
    return table({
        "certificate_no": TEXT, "person_id": TEXT, "person": TEXT, "spouse_id": TEXT, "spouse": TEXT, "registered_on": DAY,
    }, rows)  # fmt: skip


def births(divisions: Sequence[Division], seed: int) -> Any:
    """Children born in the last months to the couples of that age; they have no name yet."""
    rows: list[tuple[Any, ...]] = []
    for of in [one for one in families(divisions, seed) if one.number % 3 == 0]:
        draw = random.Random(f"birth {seed} {of.number}")
        rows.append((
            f"B99{of.number:08}", of.wife.id_number, of.wife.name, of.husband.id_number, of.husband.name, draw.choice("男女"),
            BIRTHS_UNTIL - timedelta(days=draw.randint(0, 75)), draw.randint(2500, 4200), draw.choice(HOSPITALS),
        ))  # fmt: skip
    return table({
        "birth_no": TEXT, "mother_id": TEXT, "mother_name": TEXT, "father_id": TEXT, "father_name": TEXT, "child_sex": TEXT,
        "born_on": DAY, "weight_g": WHOLE, "hospital": TEXT,
    }, rows)  # fmt: skip


def social_insurance(divisions: Sequence[Division], seed: int) -> Any:
    """The pension insurance of everybody: since when, how many months paid."""
    rows: list[tuple[Any, ...]] = []
    for of in families(divisions, seed):
        for one in (of.wife, of.husband):
            draw = random.Random(f"insurance {seed} {one.id_number}")
            since = date(one.born.year + draw.randint(18, 26), draw.randint(1, 12), 1)
            months = max(0, int((2026 - since.year) * 12 * draw.uniform(0.55, 1.0)))
            rows.append((
                one.id_number, one.name, since, months, float(draw.randint(45, 160) * 100), f"样例企业{draw.randint(1, 2000):05}号",
                draw.choice(("管理技术", "生产操作")), "在保" if draw.random() < 0.9 else "停保",
            ))  # fmt: skip
    return table({
        "id_number": TEXT, "name": TEXT, "insured_since": DAY, "paid_months": WHOLE, "base_yuan": NUMBER, "employer": TEXT, "post": TEXT,
        "state": TEXT,
    }, rows)  # fmt: skip


def properties(divisions: Sequence[Division], seed: int) -> Any:
    """One home a couple, in the name of either; a few have a mortgage, fewer are under seizure."""
    rows: list[tuple[Any, ...]] = []
    for of in families(divisions, seed):
        draw = random.Random(f"property {seed} {of.number}")
        owner = draw.choice((of.wife, of.husband))
        rows.append((
            f"浙（样例）衢州市不动产权第{of.number:07}号", owner.id_number, owner.name, f"{of.address}{draw.randint(1, 18)}幢{draw.randint(101, 1802)}室",
            of.town.code, round(draw.uniform(48, 160), 2), draw.choices(("住宅", "商业", "车位"), (8, 1, 1))[0], draw.random() < 0.3,
            draw.random() < 0.03,
        ))  # fmt: skip
    return table({
        "certificate_no": TEXT, "owner_id": TEXT, "owner_name": TEXT, "address": TEXT, "town_code": TEXT, "area_m2": NUMBER, "use": TEXT,
        "mortgaged": YES_NO, "sealed": YES_NO,
    }, rows)  # fmt: skip
