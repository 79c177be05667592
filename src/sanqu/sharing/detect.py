"""Proposes grades (数据分级建议): recognises what an item's values are, and finds items graded lower than their values ask for.

What is proposed is for a steward to decide. No value is repeated in a finding.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.lake import Contract, Field, lake_of
from sanqu.lake.contracts import Grade

# ── What each kind asks for ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Asks:
    """The grade a kind of values asks for, and the higher one it asks for beside one of `beside` in the same dataset."""

    grade: Grade
    raised: Grade
    beside: frozenset[str]
    why: Text


# `person`: an item that the contract says identifies a person.
OF_PERSONS = frozenset({"id_card", "name", "mobile", "bank_card", "person"})
# The levels of DB33/T 2351 (公共数据分类分级指南: L1 不敏感, L2 低敏感, L3 较敏感, L4 敏感), told by what a leak would
# harm (GB/T 43697), and by which personal information is sensitive (GB/T 35273, annex B).
GRADES: dict[str, Asks] = {
    "id_card": Asks("L3", "L3", frozenset(), Text(
        zh="身份证号是个人敏感信息，能把各处的数据连到同一个人", en="an ID number is sensitive and joins a person's data everywhere")),
    "bank_card": Asks("L3", "L3", frozenset(), Text(
        zh="银行卡号是个人财产信息", en="a card number is about a person's property")),
    "mobile": Asks("L3", "L3", frozenset(), Text(
        zh="手机号实名登记，能直接联系并识别到个人", en="a mobile number is registered to a person and reaches that person")),
    "landline": Asks("L1", "L3", frozenset({"name", "id_card", "person"}), Text(
        zh="单位的电话是公开的；与个人在一起时是个人的联系方式", en="an office's number is public; beside a person it is the person's")),
    "name": Asks("L2", "L3", frozenset({"address", "id_card", "mobile", "landline", "bank_card"}), Text(
        zh="姓名是个人信息；与地址、电话或证件号一起能识别到个人",
        en="a name is personal; with an address, phone or ID number it identifies the person")),
    "address": Asks("L1", "L3", OF_PERSONS, Text(
        zh="机构和设施的地址是公开的；与个人在一起时是住址", en="an address of an institution is public; beside a person it is the home")),
    "plate": Asks("L2", "L3", OF_PERSONS, Text(
        zh="车牌在路上可见，但能连到车主和行踪", en="a plate is seen on the road, but leads to the owner and to where the owner was")),
    "email": Asks("L2", "L3", frozenset({"id_card", "bank_card"}), Text(
        zh="电子邮箱能联系到个人", en="an e-mail address reaches a person")),
    "coordinates": Asks("L1", "L2", OF_PERSONS, Text(
        zh="设施的位置是公开的；个人的位置是行踪", en="where a facility is, is public; where a person is, is not")),
    "uscc": Asks("L1", "L1", frozenset(), Text(
        zh="统一社会信用代码依法公示", en="the unified social credit code is public by law")),
}  # fmt: skip
LABELS: dict[str, Text] = {
    "id_card": Text(zh="身份证号", en="ID card numbers"),
    "bank_card": Text(zh="银行卡号", en="bank card numbers"),
    "mobile": Text(zh="手机号", en="mobile numbers"),
    "landline": Text(zh="固定电话", en="landline numbers"),
    "name": Text(zh="姓名", en="names of persons"),
    "address": Text(zh="地址", en="addresses"),
    "plate": Text(zh="车牌号", en="vehicle plates"),
    "email": Text(zh="电子邮箱", en="e-mail addresses"),
    "coordinates": Text(zh="经纬度", en="coordinates"),
    "uscc": Text(zh="统一社会信用代码", en="unified social credit codes"),
}

# ── How much is enough ──────────────────────────────────────────────────────────────────────────────────────────────

# Shares of the values that are not empty. A check digit is hardly ever right by chance; a few in free text count.
ENOUGH_CHECKED, ENOUGH_PATTERN = 0.05, 0.30
HINTED_CHECKED, HINTED_PATTERN = 0.01, 0.10
# Words begin with surnames, so names alone need more.
ENOUGH_NAMES, HINTED_NAMES, DISTINCT_NAMES = 0.60, 0.30, 0.30
# Of these a few told in the words of a text are enough as well.
TOLD = frozenset({"mobile", "email", "plate"})
# Numbers of another kind may all look like one (a case number: region, day, count), and then every tenth checks.
LEAST_RIGHT = 0.30
ENOUGH_HALVES, UNHINTED_HALVES = 0.80, 0.95
LONGEST_TEXT = 10_000
SEED = 3308
# Of a hash's draw comes now more, now less: aimed below `most`, its end is not cut off.
SPARE = 0.9
# Types whose values can be any of these.
LOOKED_AT = frozenset({"string", "integer", "number", "object", "array", "geopoint", "geojson", "any"})
WORTH_EXACT = 2**53


@dataclass(frozen=True)
class Finding:
    """What the values of `item` are: `share` of the `checked` values that are not empty are of `kind`."""

    item: str
    kind: str
    share: float
    checked: int
    grade: Grade
    reason: Text


# ── One value ───────────────────────────────────────────────────────────────────────────────────────────────────────

# Letters of Chinese, as a class of a regular expression.
HAN = "\u3400-\u9fff\U00020000-\U0003ffff"
_IN_WORDS = re.compile(rf"[{HAN}]")
# Not within a longer number or word.
_FREE, _END = r"(?<![0-9A-Za-z])(?<!\d\.)", r"(?![0-9A-Za-z])(?!\.\d)"
PROVINCES = frozenset(
    str(number)
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71))
    for number in range(first, last + 1)
)
# Residence permits of people from Hong Kong, Macao and Taiwan.
RESIDENTS = frozenset({"810000", "820000", "830000"})
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
USCC_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# Issuer's prefix → how many digits: UnionPay and the older cards of Chinese banks, Visa, Mastercard, JCB, American Express.
CARD_PREFIX = re.compile(r"(?:62|60|955[89])\d{14,17}|4\d{15}|5[1-5]\d{14}|35\d{14}|3[47]\d{13}")
PLATE_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
LONGITUDES, LATITUDES = (73.0, 136.0), (3.0, 54.0)
# What places, offices and things end in, and hardly any person.
NOT_A_NAME = re.compile(
    r"[市区县镇乡村路街巷局厅站院校所部队厂店社组园场馆库房楼桥河湖港率量数类型级费额税费险证照款症]$|.[公司小学中学医院集团中心委员]$"
)
_DIVISION = re.compile(rf"[{HAN}]{{2}}(?:省|市|自治州|地区|(?<![小社园])区|县|旗|镇|乡|街道)")
_ROAD = re.compile(rf"[{HAN}](?:(?<![道公线马铁电思出一])路|街(?!道)|大道|巷|弄|胡同|村|社区|小区|花园|苑|公寓)")
_HOUSE = re.compile(r"[0-9一二三四五六七八九十百]\s*(?:号|弄|幢|栋|座|组|单元|室)")


def is_id_card(number: str) -> bool:
    """Whether `number` is a citizen's ID number: region, day of birth and check digit (GB 11643, ISO 7064 MOD 11-2)."""
    return bool(re.fullmatch(r"\d{17}[\dXx]", number, re.ASCII)) and _looks_like_id(number) and _id_checks(number)


def is_bank_card(number: str) -> bool:
    """Whether `number` has a known issuer's prefix and length, and Luhn's check digit (ISO/IEC 7812)."""
    return _looks_like_card(number) and _luhn(number)


def is_uscc(code: str) -> bool:
    """Whether `code` is a 统一社会信用代码: register, region and check character (GB 32100)."""
    return (
        bool(re.fullmatch(r"[1-9ANY][1239]\d{6}[0-9A-Z]{10}", code, re.ASCII)) and _looks_like_uscc(code) and _uscc_checks(code)
    )


def is_name(text: str) -> bool:
    """Whether `text` can be a person's name: a surname and one or two characters more, or parts with a dot between."""
    if re.fullmatch(rf"[{HAN}]{{2,8}}(?:[·•][{HAN}]{{2,8}}){{1,3}}", text):
        return True
    if not re.fullmatch(rf"[{HAN}]{{2,4}}", text) or NOT_A_NAME.search(text):
        return False
    single, compound = _surnames()
    return (text[:2] in compound and len(text) > 2) or (text[0] in single and len(text) < 4)


def _looks_like_id(number: str) -> bool:
    return (_is_county(number[:6]) or number[:6] in RESIDENTS) and _is_birthday(number[6:14])


def _is_county(code: str) -> bool:
    return code[:2] in PROVINCES and ("01" <= code[2:4] <= "70" or code[2:4] == "90") and code[4:6] != "00"


def _is_birthday(digits: str) -> bool:
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return date(1890, 1, 1) <= day <= now().date()


def _id_checks(number: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(number, ID_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == number[17].upper()


def _looks_like_card(number: str) -> bool:
    return CARD_PREFIX.fullmatch(number) is not None


def _luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    return sum(digits[::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


def _looks_like_uscc(code: str) -> bool:
    region = code[2:8]
    return set(code) <= set(USCC_LETTERS) and (region[:2] in PROVINCES or region == "100000") and region[2:4] <= "90"


def _uscc_checks(code: str) -> bool:
    total = sum(USCC_LETTERS.index(letter) * pow(3, place, 31) for place, letter in enumerate(code[:17]))
    return USCC_LETTERS[-total % 31] == code[17]


def _looks_like_address(text: str) -> bool:
    division, road = _DIVISION.search(text), _ROAD.search(text)
    if division and road and division.start() < road.start():
        return True
    first = division or road
    return first is not None and _HOUSE.search(text, first.end()) is not None


def _looks_like_plate(plate: str) -> bool:
    return sum(letter.isdigit() for letter in plate) >= 2


def _is_pair(pair: str) -> bool:
    one, other = (float(half) for half in re.findall(r"\d+\.\d+", pair))
    return (_within(one, LONGITUDES) and _within(other, LATITUDES)) or (_within(other, LONGITUDES) and _within(one, LATITUDES))


def _within(number: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= number <= bounds[1]


@cache
def _surnames() -> tuple[frozenset[str], frozenset[str]]:
    lines = Path(__file__).with_name("surnames.txt").read_text("utf-8").splitlines()
    words = [word for line in lines if not line.startswith("#") for word in line.split()]
    return frozenset("".join(word for word in words if len(word) > 2)), frozenset(word for word in words if len(word) == 2)


def _always(_text: str) -> bool:
    return True


@dataclass(frozen=True)
class _Kind:
    """How one kind is recognised: where `shape` matches, `looks` tells likeness, `checks` the check digit."""

    name: str
    shape: re.Pattern[str]
    hints: re.Pattern[str]
    looks: Callable[[str], bool] = _always
    checks: Callable[[str], bool] = _always
    # Found within longer text too.
    inside: bool = True
    # What stands there is nothing else.
    takes: bool = True
    # What stands between the digits as people write them.
    between: str = ""

    @property
    def checked(self) -> bool:
        """Whether there is a check digit."""
        return self.checks is not _always

    def enough(self, hinted: bool) -> float:
        """The share of the values from which an item is of this kind."""
        if self.name == "name":
            return HINTED_NAMES if hinted else ENOUGH_NAMES
        if self.checked:
            return HINTED_CHECKED if hinted else ENOUGH_CHECKED
        return HINTED_PATTERN if hinted else ENOUGH_PATTERN


def _hints(han: str, latin: str) -> re.Pattern[str]:
    """Chinese anywhere in a name; Latin as whole words of it."""
    return re.compile(rf"{han}|(?<![a-z])(?:{latin})(?![a-z])", re.MULTILINE)


# In this order: what one has taken, no other takes.
KINDS: tuple[_Kind, ...] = (
    _Kind(
        "id_card", re.compile(rf"{_FREE}[1-8]\d{{5}} ?\d{{8}} ?\d{{3}}[\dXx]{_END}", re.ASCII),
        _hints("身份证|证件号|公民身份", "id_?card|id_?(?:no|number)|identity|sfzh?m?|zjhm"), _looks_like_id, _id_checks, between=" ",
    ),
    _Kind(
        "uscc", re.compile(rf"{_FREE}[1-9ANY][1239]\d{{6}}[0-9A-Z]{{10}}{_END}", re.ASCII | re.IGNORECASE),
        _hints("信用代码", "uscc|credit_?code|tyshxydm"), _looks_like_uscc, _uscc_checks,
    ),
    _Kind(
        "bank_card", re.compile(rf"{_FREE}\d(?:[ -]?\d){{14,18}}{_END}", re.ASCII),
        _hints("银行卡|卡号|银行账号|银行帐号", "bank_?(?:card|account)|card_?(?:no|number)|yhkh|yhzh"),
        _looks_like_card, _luhn, between=" -",
    ),
    _Kind(
        "mobile", re.compile(rf"{_FREE}(?:(?:\+|00)?86[- ]?)?1[3-9]\d(?:[- ]?\d{{4}}){{2}}{_END}", re.ASCII),
        _hints("手机|电话|联系方式", "phone|mobile|tel|sjh|lxdh|lxfs"),
    ),
    _Kind(
        "landline",
        re.compile(r"(?:\+86[- ]?)?\(?0(?:10|2\d|[3-9]\d{2})\)?[- ]?[2-9]\d{6,7}(?:(?:-|转| ?ext\.? ?)\d{1,6})?", re.ASCII),
        _hints("电话|座机|联系方式|传真", "phone|tel|landline|fax|lxdh"), inside=False,
    ),
    _Kind("email", re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}", re.ASCII), _hints("邮箱|电子邮件", "e_?mail|mail")),
    _Kind(
        "plate",
        re.compile(rf"[{PLATE_PROVINCES}][A-HJ-NP-Z][·•. -]?(?:\d{{5}}[A-HJK]|[A-HJK][A-HJ-NP-Z0-9]\d{{4}}|[A-HJ-NP-Z0-9]{{4}}[A-HJ-NP-Z0-9挂学警港澳]){_END}", re.IGNORECASE),
        _hints("车牌|号牌|车号", "plate|plate_?(?:no|number)|cphm?|hphm"), _looks_like_plate,
    ),
    _Kind(
        "coordinates",
        re.compile(r"(?:point ?)?[\[(]?\s*\d{1,3}\.\d{3,}\s*[,; ]\s*\d{1,3}\.\d{3,}\s*[\])]?", re.ASCII | re.IGNORECASE),
        _hints("经纬度|坐标|位置", "coords?|coordinates?|location|lonlat|lnglat|point|geo(?:point|m)?"), _is_pair, inside=False,
    ),
    _Kind("address", re.compile(r"[^,;!?。\n]{5,80}"), _hints("地址|住址|住所|居住地|家庭地", "addr|address|jtzz|zz|dz"), _looks_like_address, takes=False),
    _Kind(
        "name", re.compile(rf"[{HAN}·•]{{2,35}}"),
        _hints("姓名|法人代表|法定代表人|负责人|联系人|申请人|户主|户名|当事人|相对人|被处罚人|权利人|经办人|患者|监护人", "xm|(?:full|real|person|contact|owner|patient|applicant)_?name"),
        is_name, inside=False,
    ),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}
# Names of things, unless the item says of whom: 行政相对人名称 holds persons too. A bare `name` may be of either.
_NAMES_OF_THINGS = re.compile(r"名称|站名|地名|品名|(?:company|org|unit|station|place|file|product|project|dept)_?name")
_JUST_NAME = re.compile("^names?$", re.MULTILINE)
_LON, _LAT = _hints("经度", "lon|lng|longitude|jd"), _hints("纬度", "lat|latitude|wd")


@dataclass(frozen=True)
class _Sight:
    """One thing seen in a value: of which kind, whether it is the whole value, whether its check digit is right."""

    kind: str
    whole: bool
    right: bool


def recognise(value: str) -> str | None:
    """The kind that `value` as a whole is, or None."""
    return next((sight.kind for sight in _seen(_plain(value)) if sight.whole and sight.right), None)


def recognise_within(value: str) -> frozenset[str]:
    """The kinds that stand anywhere in `value`."""
    return frozenset(sight.kind for sight in _seen(_plain(value)) if sight.right)


def _plain(value: str) -> str:
    """Full-width digits and letters as ASCII; what stands around does not count."""
    text = value[:LONGEST_TEXT]
    return (text if text.isascii() else unicodedata.normalize("NFKC", text)).strip()


def _seen(text: str) -> Iterator[_Sight]:
    taken: list[tuple[int, int]] = []
    for kind in KINDS:
        for match in kind.shape.finditer(text) if kind.inside else filter(None, [kind.shape.fullmatch(text)]):
            begin, end = match.span()
            bare = match[0].translate({ord(mark): None for mark in kind.between}).upper()
            if (kind.takes and any(begin < until and since < end for since, until in taken)) or not kind.looks(bare):
                continue
            right = kind.checks(bare)
            if right and kind.takes:
                taken.append((begin, end))
            yield _Sight(kind.name, (begin, end) == (0, len(text)), right)


# ── One item ────────────────────────────────────────────────────────────────────────────────────────────────────────


def inspect_values(field: Field, values: Iterable[object]) -> Finding | None:
    """What the values of one item are, by the kind that asks for the highest grade; None where they are nothing of these."""
    if field.type not in LOOKED_AT:
        return None
    tally = _count(values)
    found = [
        _finding(field, name, times / tally.checked, tally.checked)
        for name, times in tally.right.items()
        if _is_enough(BY_NAME[name], field, tally)
    ]
    return max(found, key=lambda one: (one.grade, one.share), default=None)


@dataclass(frozen=True)
class _Tally:
    """How many values hold each kind, how many only look so, and how many tell it in a text."""

    checked: int
    distinct: int
    right: Counter[str]
    looked: Counter[str]
    told: Counter[str]


def _count(values: Iterable[object]) -> _Tally:
    counted = Counter(text for value in values if (text := _text_of(value)))
    tally = _Tally(counted.total(), len(counted), Counter(), Counter(), Counter())
    for text, times in counted.items():
        sights = list(_seen(text))
        tally.looked.update(dict.fromkeys({sight.kind for sight in sights}, times))
        tally.right.update(dict.fromkeys({sight.kind for sight in sights if sight.right}, times))
        if len(sights) and _IN_WORDS.search(text):
            tally.told.update(dict.fromkeys({sight.kind for sight in sights if sight.right and not sight.whole}, times))
    return tally


def _is_enough(kind: _Kind, field: Field, tally: _Tally) -> bool:
    called, right = _called(field), tally.right[kind.name]
    hinted = kind.hints.search(called) is not None
    if kind.name == "name" and field.identifies != "person":
        of_things = _NAMES_OF_THINGS.search(called) is not None
        hinted = hinted or (_JUST_NAME.search(called) is not None and not of_things)
        few = tally.distinct < DISTINCT_NAMES * tally.checked
        if not hinted and (of_things or few):
            return False
    if kind.name in TOLD and tally.told[kind.name] >= ENOUGH_CHECKED * tally.checked:
        return True
    return right >= kind.enough(hinted) * tally.checked and right >= LEAST_RIGHT * tally.looked[kind.name]


def _finding(field: Field, kind: str, share: float, checked: int, beside: frozenset[str] = frozenset()) -> Finding:
    asks = GRADES[kind]
    grade = asks.raised if asks.beside & beside else asks.grade
    label = LABELS[kind]
    reason = Text(
        zh=f"{checked:,} 个非空值中 {share:.0%} 是{label.zh}：{asks.why.zh}",
        en=f"{share:.0%} of {checked:,} values that are not empty are {label.en}: {asks.why.en}",
    )
    return Finding(field.name, kind, share, checked, grade, reason)


def _called(field: Field) -> str:
    """All that the item is called, in lower case."""
    return "\n".join((field.name, field.title.zh, field.title.en, *field.aliases)).lower()


def _text_of(value: object) -> str:
    """A value as text; numbers as people write them, '' for what cannot be any of these."""
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < WORTH_EXACT:
        return str(int(value))
    return str(value)


# ── One dataset ─────────────────────────────────────────────────────────────────────────────────────────────────────


def inspect_columns(contract: Contract, columns: Mapping[str, Sequence[object]]) -> list[Finding]:
    """What the items of a dataset are, seen together: halves of coordinates find each other, persons raise what is theirs."""
    found = {field.name: finding for field in contract.fields if (finding := inspect_values(field, columns.get(field.name, ())))}
    for field, share, checked in _halves(contract, columns):
        found.setdefault(field.name, _finding(field, "coordinates", share, checked))
    there = {finding.kind for finding in found.values()}
    if any(field.identifies == "person" for field in contract.fields):
        there.add("person")
    return [
        _finding(field, one.kind, one.share, one.checked, frozenset(there))
        for field in contract.fields
        if (one := found.get(field.name))
    ]


def inspect_dataset(city: City, name: str, most: int = 20_000) -> list[Finding]:
    """What the items of dataset `name` are, by at most `most` rows spread evenly over it; the same rows each time.

    Raises `NotFound`.
    """
    lake = lake_of(city)
    contract = lake.contract(name)
    items = [field.name for field in contract.fields if field.type in LOOKED_AT]
    if not items:
        return []
    count = lake.count(name)
    every = math.ceil(count / (most * SPARE)) if count > most else 1
    columns: dict[str, list[object]] = {item: [] for item in items}
    # By a hash of the row's number: no order of the rows can fall in step with it.
    spread: dict[str, Any] = {"where": "hash(rowid, ?) % ? = 0", "params": [SEED, every]} if every > 1 else {}
    with lake.read(name, items, limit=most, **spread) as batches:
        for batch in batches:
            for item, column in zip(items, batch.columns, strict=True):
                columns[item].extend(column.to_pylist())
    return inspect_columns(contract, columns)


def too_low(contract: Contract, findings: Iterable[Finding]) -> list[Finding]:
    """The findings whose items are graded lower than their values ask for."""
    return [finding for finding in findings if contract.grade_of(finding.item) < finding.grade]


def _halves(contract: Contract, columns: Mapping[str, Sequence[object]]) -> list[tuple[Field, float, int]]:
    """Items that hold longitudes or latitudes, where the dataset has both: item, share, how many were checked."""
    sides: list[list[tuple[Field, float, int]]] = []
    for hints, other, bounds in ((_LON, _LAT, LONGITUDES), (_LAT, _LON, LATITUDES)):
        sides.append([])
        for field in contract.fields:
            texts = [text for value in columns.get(field.name, ()) if (text := _text_of(value))]
            called = _called(field)
            if field.type not in ("number", "string", "any") or not texts or other.search(called):
                continue
            hinted = bool(hints.search(called))
            share = sum(_is_half(text, bounds, places=0 if hinted else 5) for text in texts) / len(texts)
            if share >= (ENOUGH_HALVES if hinted else UNHINTED_HALVES):
                sides[-1].append((field, share, len(texts)))
    lon, lat = sides
    return [*lon, *lat] if lon and lat else []


def _is_half(text: str, bounds: tuple[float, float], places: int) -> bool:
    match = re.fullmatch(r"\d{1,3}(?:\.(\d+))?", text, re.ASCII)
    return match is not None and len(match[1] or "") >= places and _within(float(text), bounds)
