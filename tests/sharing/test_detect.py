"""Grades proposed from values: what is recognised, what is not mistaken, and which items are graded too low. All generated."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.ground.city import City
from sanqu.ground.errors import NotFound
from sanqu.lake import Commit, Contract, Field, lake_of
from sanqu.sharing.detect import (
    GRADES,
    KINDS,
    LABELS,
    inspect_columns,
    inspect_dataset,
    inspect_values,
    is_id_card,
    is_uscc,
    recognise,
    recognise_within,
    too_low,
)

USCC_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
DRAW = random.Random(3308)


# Generators: written apart from the module, so that both would have to be wrong alike.


def id_check(body: str) -> str:
    """ISO 7064 MOD 11-2 as a running remainder."""
    product = 0
    for digit in body:
        product = (product + int(digit)) * 2 % 11
    return "0123456789X"[(12 - product) % 11]


def id_card(draw: random.Random = DRAW, *, wrong: bool = False) -> str:
    born = date(1940, 1, 1) + timedelta(days=draw.randrange(365 * 75))
    body = (
        draw.choice(["330802", "330803", "330822", "110105", "440305", "429004", "659001"])
        + f"{born:%Y%m%d}{draw.randrange(1000):03}"
    )
    right = id_check(body)
    return body + (draw.choice([mark for mark in "0123456789X" if mark != right]) if wrong else right)


def bank_card(draw: random.Random = DRAW, prefix: str = "622202", length: int = 19, *, wrong: bool = False) -> str:
    body = prefix + "".join(draw.choices(string.digits, k=length - len(prefix) - 1))
    total = sum(int(d) if n % 2 else sum(map(int, str(2 * int(d)))) for n, d in enumerate(reversed(body)))
    right = -total % 10
    return body + str((right + draw.randrange(1, 10)) % 10 if wrong else right)


def uscc(draw: random.Random = DRAW, *, wrong: bool = False) -> str:
    body = draw.choice(["91", "92", "12", "52"]) + "330802" + "".join(draw.choices(USCC_LETTERS, k=9))
    weights = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
    right = USCC_LETTERS[-sum(USCC_LETTERS.index(c) * w for c, w in zip(body, weights, strict=True)) % 31]
    return body + (draw.choice(USCC_LETTERS.replace(right, "")) if wrong else right)


def mobile(draw: random.Random = DRAW) -> str:
    return f"1{draw.randrange(3, 10)}{draw.randrange(10**9):09}"


def name(draw: random.Random = DRAW) -> str:
    return draw.choice(["张", "王", "徐", "郑", "欧阳", "诸葛"]) + "".join(
        draw.choices("伟芳秀英娜敏静丽强磊军洋勇艳杰", k=draw.randrange(1, 3))
    )


def address(draw: random.Random = DRAW) -> str:
    road = draw.choice(["三衢路", "新桥街", "荷花中路", "双港大道"])
    return f"{draw.choice(['浙江省衢州市柯城区', '衢江区', '龙游县'])}{road}{draw.randrange(1, 400)}号{draw.randrange(1, 20)}幢{draw.randrange(101, 999)}室"


def plate(draw: random.Random = DRAW) -> str:
    return f"浙H{draw.randrange(10**5):05}" if draw.random() < 0.5 else f"浙HD{draw.randrange(10**5):05}"


def email(draw: random.Random = DRAW) -> str:
    return f"{''.join(draw.choices(string.ascii_lowercase, k=8))}@example.{draw.choice(['com', 'cn', 'org'])}"


def point(draw: random.Random = DRAW) -> str:
    return f"{draw.uniform(118, 119.5):.6f},{draw.uniform(28.2, 29.5):.6f}"


MAKERS: dict[str, Callable[[], str]] = {
    "id_card": id_card, "bank_card": bank_card, "uscc": uscc, "mobile": mobile, "name": name, "address": address, "plate": plate,
    "email": email, "coordinates": point, "landline": lambda: f"0570-{DRAW.randrange(2000000, 9999999)}",
}  # fmt: skip


def many(make: Callable[[], str], count: int = 200) -> list[str]:
    return [make() for _ in range(count)]


def kind_of(values: Sequence[object], name: str = "c1", of: str = "string", **said: Any) -> str | None:
    finding = inspect_values(Field(name=name, type=of, **said), values)  # type: ignore[arg-type]
    return finding.kind if finding else None


# One value


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_each_kind_is_recognised(kind: str) -> None:
    for value in many(MAKERS[kind]):
        assert recognise(value) == kind, value
        assert recognise(f"  {value}\n") == kind


@pytest.mark.parametrize("kind", ["id_card", "bank_card", "uscc", "mobile", "plate", "email", "address"])
def test_each_kind_that_people_write_in_texts_is_found_there(kind: str) -> None:
    for value in many(MAKERS[kind], 50):
        assert kind in recognise_within(f"来电人反映：办理业务时提供了{value}，请核实。")
        assert recognise(f"来电人反映：办理业务时提供了{value}，请核实。") not in (kind, "id_card", "mobile", "name")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("11010519491231002X", "id_card"),
        ("11010519491231002x", "id_card"),
        ("１１０１０５１９４９１２３１００２Ｘ", "id_card"),
        ("110105 19491231 002X", "id_card"),
        ("810000199408230021", "id_card"),
        ("91350100M000100Y43", "uscc"),
        ("91350100m000100y43", "uscc"),
        ("4111 1111 1111 1111", "bank_card"),
        ("4111-1111-1111-1111", "bank_card"),
        ("+86 138-1234-5678", "mobile"),
        ("8613812345678", "mobile"),
        ("(0570)3021234", "landline"),
        ("0570-3021234转801", "landline"),
        ("010 65551234", "landline"),
        ("浙H·12345", "plate"),
        ("浙h12345", "plate"),
        ("浙H1234挂", "plate"),
        ("浙AD12345", "plate"),
        ("浙A12345D", "plate"),
        ("[28.965412, 118.876512]", "coordinates"),
        ("POINT (118.876512 28.965412)", "coordinates"),
        ("买买提·吐尔逊", "name"),
        ("诸葛亮", "name"),
        ("荷花街道新荷社区3幢2单元", "address"),
    ],
)
def test_values_are_recognised_as_people_write_them(value: str, kind: str) -> None:
    assert recognise(value) == kind


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "0", "110105194912310029", "11010519491331002X", "00010519491231002X", "11010529991231002X",
        "4111111111111112", "1111111111111117", "12345678901", "138123456789", "1705312800000", "1705312800000000",
        "2024-01-15 08:30:00", "20240115083000", "0.13812345678", "13812345678.5", "浙H", "浙O1234O", "浙HABCDE", "a@b", "@example.com",
        "衢州市", "柯城区", "衢江区大洲镇", "5路", "道路", "柯城区道路破损", "人民医院", "高速公路", "石梁镇", "安全生产许可证",
        "1.5,2.5", "200.123456,28.123456", "91350100M000100Y44", "深圳", "f3a91c13812345678b", "110105194912310021110105",
    ],
)  # fmt: skip
def test_what_only_looks_alike_is_nothing(value: str) -> None:
    assert recognise(value) is None


@given(body=st.integers(10**16, 10**17 - 1).map(str), check=st.sampled_from("0123456789Xx"))
def test_no_number_with_a_wrong_check_digit_is_an_id_card(body: str, check: str) -> None:
    if check.upper() != id_check(body):
        assert not is_id_card(body + check)
        assert recognise(body + check) != "id_card"
        assert "id_card" not in recognise_within(f"号码{body + check}。")


@pytest.mark.parametrize(
    "body",
    [
        "33080219900230123",
        "33080218891231123",
        "33080229991231123",
        "33080019900101123",
        "33890219900101123",
        "99080219900101123",
    ],
)
def test_no_number_of_a_day_or_region_that_cannot_be_is_an_id_card(body: str) -> None:
    assert not is_id_card(body + id_check(body))
    assert recognise(body + id_check(body)) != "id_card"


def test_the_digits_of_a_fraction_are_no_number_of_a_person() -> None:
    for value in (id_card(), mobile(), bank_card()):
        assert recognise_within(f"份额0.{value}") == frozenset() == recognise_within(f"数{value}.5")


@given(seed=st.integers(0, 10**9))
def test_ids_cards_and_codes_are_told_from_their_misspelt_forms(seed: int) -> None:
    draw = random.Random(seed)
    assert is_id_card(id_card(draw)) and not is_id_card(id_card(draw, wrong=True))
    assert is_uscc(uscc(draw)) and not is_uscc(uscc(draw, wrong=True))
    assert recognise(bank_card(draw)) == "bank_card" and recognise(bank_card(draw, wrong=True)) != "bank_card"


@given(text=st.text(max_size=200))
def test_any_text_can_be_asked_about(text: str) -> None:
    whole, within = recognise(text), recognise_within(text)
    assert whole is None or whole in within
    assert within <= set(LABELS)


def test_a_text_without_end_is_read_at_its_beginning() -> None:
    for piece in ("市区县路", "1-", "a.", "a@a.", "张·", "浙H", "1 ", "12.345,"):
        assert "id_card" in recognise_within(f"{id_card()}，" + piece * 50_000)


# One item


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_an_item_full_of_a_kind_is_found_without_any_hint(kind: str) -> None:
    finding = inspect_values(Field(name="c7"), [*many(MAKERS[kind]), None, "", "  "])
    assert finding is not None
    assert (finding.item, finding.kind, finding.share, finding.checked) == ("c7", kind, 1.0, 200)
    assert finding.grade == GRADES[kind].grade
    assert LABELS[kind].zh in finding.reason.zh and LABELS[kind].en in finding.reason.en
    assert "200" in finding.reason.zh


def test_a_finding_repeats_no_value() -> None:
    values = many(id_card, 20)
    finding = inspect_values(Field(name="c7"), values)
    assert finding and not [value for value in values if value in repr(finding)]


@pytest.mark.parametrize("kind", ["id_card", "bank_card"])
def test_a_few_checked_numbers_in_free_text_are_enough(kind: str) -> None:
    told = [f"反映人证件{MAKERS[kind]()}，要求回访" for _ in range(6)]
    assert kind_of(told + ["路灯不亮，请派人维修"] * 94) == kind
    assert kind_of(told[:2] + ["路灯不亮，请派人维修"] * 98) is None
    assert kind_of(told[:2] + ["路灯不亮，请派人维修"] * 98, name="remark", title={"zh": "身份证号或银行卡号", "en": ""}) == kind


def test_a_few_phones_told_in_free_text_are_enough_and_a_few_alone_are_not() -> None:
    assert kind_of([f"请回电{mobile()}" for _ in range(6)] + ["路灯不亮"] * 94) == "mobile"
    assert kind_of(many(mobile, 6) + ["x"] * 94) is None


def test_a_hint_in_the_name_lowers_what_is_enough() -> None:
    values = many(mobile, 15) + ["无"] * 85
    assert kind_of(values) is None
    for called in (
        {"name": "phone"},
        {"name": "c1", "title": {"zh": "联系电话", "en": ""}},
        {"name": "c1", "aliases": ("手机号",)},
    ):
        assert kind_of(values, **called) == "mobile"  # type: ignore[arg-type]
    half = many(name, 40) + ["不详情况说明"] * 60
    assert kind_of(half) is None
    assert kind_of(half, name="c1", title={"zh": "当事人姓名", "en": ""}) == "name"


def test_numbers_that_lie_as_numbers_are_found_too() -> None:
    assert kind_of([int(mobile()) for _ in range(100)], of="integer") == "mobile"
    assert kind_of([float(mobile()) for _ in range(100)], of="number") == "mobile"
    ids = [value for value in many(id_card, 200) if value.isdigit()]
    assert kind_of([int(value) for value in ids], of="integer") == "id_card"


def test_the_kind_that_asks_for_most_is_told() -> None:
    texts = [f"{name()}，{id_card()}，{email()}，{address()}" for _ in range(50)]
    finding = inspect_values(Field(name="c1"), texts)
    assert finding is not None and finding.grade == "L3"


def numbers(template: Callable[[int], object]) -> list[object]:
    return [template(n) for n in range(1, 1001)]


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("order numbers", numbers(lambda n: f"2024{n % 12 + 1:02}{n % 28 + 1:02}{n:010}")),
        ("case numbers of a county", numbers(lambda n: f"330802{20240101 + n % 28}{n:04}")),
        ("case numbers, dashed", numbers(lambda n: f"HZ-2024-{n:06}")),
        ("random numbers of 18 digits", numbers(lambda _: str(DRAW.randrange(10**17, 10**18)))),
        ("random numbers of 16 digits", numbers(lambda _: str(DRAW.randrange(10**15, 10**16)))),
        ("numbers that begin as cards do", numbers(lambda n: f"62220212{n * 7919 % 10**10:010}")),
        ("random characters as of a code", numbers(lambda _: "91330802" + "".join(DRAW.choices(USCC_LETTERS, k=10)))),
        ("milliseconds", numbers(lambda n: str(1_705_312_800_000 + n * 977))),
        ("microseconds", numbers(lambda n: str(1_705_312_800_000_000 + n * 977_123))),
        ("moments", numbers(lambda n: f"2024-01-15T{n % 24:02}:{n % 60:02}:00+08:00")),
        ("amounts", numbers(lambda n: f"{n * 13.57:,.2f}")),
        ("large amounts", numbers(lambda n: f"{n * 138123.45:.2f}")),
        ("hashes", numbers(lambda _: f"{DRAW.getrandbits(128):032x}")),
        ("addresses of machines", numbers(lambda n: f"10.118.{n % 256}.{n // 4}")),
        ("counties", numbers(lambda n: ["柯城区", "衢江区", "江山市", "龙游县", "常山县", "开化县"][n % 6])),
        ("states of a case", numbers(lambda n: ["已办结", "办理中", "高风险", "安全", "方案", "申请"][n % 6])),
        ("pairs of shares", numbers(lambda n: f"{n % 100}.125,{n % 7}.500")),
        ("bus lines", numbers(lambda n: f"{n}路")),
    ],
)  # fmt: skip
def test_what_fills_other_columns_is_not_mistaken(said: str, values: list[object]) -> None:
    assert inspect_values(Field(name="c1"), values) is None, said


def test_plain_measurements_are_not_mistaken() -> None:
    assert kind_of([DRAW.uniform(0, 10**6) for _ in range(500)], of="number") is None
    assert kind_of([DRAW.randrange(10**10) for _ in range(500)], of="integer") is None
    assert kind_of([True, False], of="boolean") is None
    assert kind_of([float("nan"), float("inf")], of="number") is None
    assert kind_of([]) is None and kind_of([None, "", " "]) is None


def test_names_of_things_are_not_names_of_persons() -> None:
    things = ["金山", "白云", "安康", "方圆", "石林", "江海", "龙翔", "华丰", "康宁", "常青"]
    values = [a + b for a in things for b in ("", "达")]
    assert kind_of(values, name="station", title={"zh": "站名", "en": "Station name"}) is None
    assert kind_of(values, name="name", title={"zh": "站名", "en": "Name"}) is None
    assert kind_of(["高风险", "安全", "方案", "金牌"] * 50) is None
    persons = many(name)
    assert kind_of(persons, name="xdr", title={"zh": "行政相对人名称", "en": ""}) == "name"
    assert kind_of(persons, name="name", title={"zh": "登记", "en": "Name"}) == "name"


# One dataset


def contract(*fields: dict[str, Any], **law: Any) -> Contract:
    said = {"name": "people", "title": {"zh": "登记", "en": "Register"}, "steward": "3308", "fields": list(fields)}
    return Contract.from_descriptor(said | law)


def test_a_name_asks_for_more_beside_an_address_and_an_address_beside_a_name() -> None:
    both = contract({"name": "who"}, {"name": "at"})
    columns = {"who": many(name), "at": many(address)}
    assert {one.item: one.grade for one in inspect_columns(both, columns)} == {"who": "L3", "at": "L3"}
    assert [one.grade for one in inspect_columns(contract({"name": "who"}), columns)] == ["L2"]
    assert [one.grade for one in inspect_columns(contract({"name": "at"}), columns)] == ["L1"]


def test_coordinates_in_two_items_find_each_other_and_ask_for_more_where_they_are_a_persons() -> None:
    columns = {
        "lon": [118.87 + n / 10**5 for n in range(100)],
        "lat": [28.97 + n / 10**5 for n in range(100)],
        "who": many(name, 100),
    }
    rounded = {"lon": [118.9, 119.0], "lat": [28.9, 29.1]}
    lon, lat = {"name": "lon", "type": "number"}, {"name": "lat", "type": "number"}
    seen = inspect_columns(contract(lon, lat), columns)
    assert [(one.item, one.kind, one.grade) for one in seen] == [("lon", "coordinates", "L1"), ("lat", "coordinates", "L1")]
    assert len(inspect_columns(contract(lon, lat), rounded)) == 2
    assert inspect_columns(contract(lon), columns) == [] and inspect_columns(contract(lat), columns) == []
    of_persons = inspect_columns(contract(lon, lat, {"name": "who"}), columns)
    assert {one.item: one.grade for one in of_persons} == {"lon": "L2", "lat": "L2", "who": "L2"}
    marked = inspect_columns(contract(lon, lat, {"name": "pid", "identifies": "person"}), columns | {"pid": ["a1"] * 100})
    assert {one.grade for one in marked} == {"L2"}


def test_coordinates_are_found_without_a_hint_where_they_are_exact() -> None:
    columns = {"a": [118 + DRAW.random() for _ in range(100)], "b": [28 + DRAW.random() for _ in range(100)]}
    found = inspect_columns(contract({"name": "a", "type": "number"}, {"name": "b", "type": "number"}), columns)
    assert [one.kind for one in found] == ["coordinates"] * 2
    short = {"c": [100.5, 101.5], "d": [28.1, 28.2]}
    assert inspect_columns(contract({"name": "c", "type": "number"}, {"name": "d", "type": "number"}), short) == []
    coarse = {name: [round(value, 1) for value in values] for name, values in columns.items()}
    assert inspect_columns(contract({"name": "a", "type": "number"}, {"name": "b", "type": "number"}), coarse) == []


def test_items_graded_lower_than_their_values_ask_are_told() -> None:
    columns = {"a": many(id_card), "b": many(id_card), "c": many(uscc), "d": many(email)}
    low = contract({"name": "a"}, {"name": "b", "grade": "L3"}, {"name": "c"}, {"name": "d"})
    assert [one.item for one in too_low(low, inspect_columns(low, columns))] == ["a", "d"]
    graded = contract({"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d", "grade": "L1"}, grade="L3", opening="none")
    assert [one.item for one in too_low(graded, inspect_columns(graded, columns))] == ["d"]


def test_every_kind_has_its_grade_its_label_and_its_reason_in_both_languages() -> None:
    assert set(GRADES) == set(LABELS) == {kind.name for kind in KINDS} == set(MAKERS)
    for kind, asks in GRADES.items():
        assert asks.why.zh and asks.why.en and LABELS[kind].zh and LABELS[kind].en
        assert asks.grade <= asks.raised < "L4"


def in_lake(city: City, rows: str, *fields: dict[str, Any]) -> Contract:
    made = contract(*fields)
    lake_of(city).declare(made, "test")
    with lake_of(city).engine() as duck:
        lake_of(city).append("people", rows, Commit("test"), duck=duck)
    return made


def test_a_dataset_of_the_lake_is_looked_through(city: City) -> None:
    values = ", ".join(f"('{name()}', '{id_card()}', DATE '2024-01-01', {n}.5)" for n in range(300))
    made = in_lake(
        city, f"SELECT * FROM (VALUES {values}) AS t(who, pid, day, sum)",
        {"name": "who"}, {"name": "pid"}, {"name": "day", "type": "date"}, {"name": "sum", "type": "number"},
    )  # fmt: skip
    found = inspect_dataset(city, "people")
    assert [(one.item, one.kind, one.checked, one.grade) for one in found] == [
        ("who", "name", 300, "L3"),
        ("pid", "id_card", 300, "L3"),
    ]
    assert too_low(made, found) == found


def test_a_large_dataset_is_looked_through_from_end_to_end_and_alike_each_time(city: City) -> None:
    # The persons stand in the last tenth: whoever read the first rows only would see none.
    one = id_card()
    in_lake(city, f"SELECT CASE WHEN i < 27000 THEN 'nothing' ELSE '{one}' END AS pid FROM range(30000) AS t(i)", {"name": "pid"})
    [found] = inspect_dataset(city, "people", most=1000)
    assert 600 <= found.checked <= 1000
    assert 0.05 <= found.share <= 0.15
    assert inspect_dataset(city, "people", most=1000) == [found]


def test_an_empty_dataset_has_no_findings_and_one_that_is_not_there_is_not_found(city: City) -> None:
    lake_of(city).declare(contract({"name": "pid"}), "test")
    assert inspect_dataset(city, "people") == []
    with pytest.raises(NotFound):
        inspect_dataset(city, "nobody")
