"""Figures from a file (数据导入): CSV or Excel with code, period, value and what else a part needs; every bad row named, nothing half kept."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import python_calamine

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Refused, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer
from sanqu.ground.people.askers import Asker
from sanqu.indicators.keeping import figures_of, list_indicators
from sanqu.indicators.parts import Key, parts_of
from sanqu.indicators.periods import Period, parse_period
from sanqu.indicators.projects.keeping import bureau_of, keeps_plan
from sanqu.indicators.records import Indicator
from sanqu.indicators.reporting.reported import Said, broken_rules, keep_said, leaps, strange

MOST_BYTES, MOST_ROWS = 10 * 1024**2, 20_000
NAMES = {
    "code": ("code", "代码", "指标代码", "indicator"), "period": ("period", "报告期", "期别", "时期"), "value": ("value", "数值", "值"),
    "unit": ("unit", "单位"), "note": ("note", "备注", "说明"),
}  # fmt: skip


@dataclass(frozen=True)
class Wrong:
    """A row of the file that cannot be taken (`bad`), or should be looked at."""

    row: int
    what: Text
    bad: bool


@dataclass(frozen=True)
class Looked:
    """What a file holds: figures that can be kept, and what is wrong or odd."""

    figures: tuple[Said, ...]
    wrong: tuple[Wrong, ...]

    @property
    def bad(self) -> tuple[Wrong, ...]:
        """Rows that keep the file from being taken."""
        return tuple(one for one in self.wrong if one.bad)


def read_rows(content: bytes, name: str) -> list[list[str]]:
    """The rows of a CSV (UTF-8 or GB 18030) or Excel file as text; raises `BadInput`."""
    if len(content) > MOST_BYTES:
        raise _unfit(name, f"文件超过 {MOST_BYTES // 1024**2} MB", f"The file is larger than {MOST_BYTES // 1024**2} MB")
    if content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        try:
            sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
            rows = [[_cell(cell) for cell in row] for row in sheet.to_python()]
        except Exception as fault:
            raise _unfit(name, "Excel 文件读不出", "The Excel file cannot be read") from fault
    else:
        for encoding in ("utf-8-sig", "gb18030"):
            try:
                text = content.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
        else:
            raise _unfit(name, "文字编码认不出", "The encoding is not known")
        if "\0" in text:
            raise _unfit(name, "这不是表格文件", "This is no table")
        try:
            rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
        except csv.Error as fault:
            raise _unfit(name, f"CSV 读不懂：{fault}", f"The CSV cannot be read: {fault}") from fault
    if len(rows) > MOST_ROWS:
        raise _unfit(name, f"超过 {MOST_ROWS:,} 行", f"More than {MOST_ROWS:,} rows")
    return rows


def _cell(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def look_at(city: City, rows: Sequence[Sequence[str]], name: str = "") -> Looked:
    """Look at every row; nothing is kept. Raises `BadInput` where the table lacks a column that is needed."""
    indicators = {one.code: one for one in list_indicators(city)}
    columns = _columns(rows[0] if rows else [], {one.name for each in indicators.values() for one in each.dimensions}, name)
    before = Before(city, list(indicators))
    figures: list[Said] = []
    wrong: list[Wrong] = []
    seen: dict[tuple[str, Key, Period], int] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        cells = {column: row[place].strip() if place < len(row) else "" for column, place in columns.items()}
        try:
            one = _said(cells, indicators)
        except SanquError as fault:
            wrong.append(Wrong(number, fault.what, bad=True))
            continue
        indicator, last = indicators[one.code], before.of(one)
        if (one.code, one.key, one.period) in seen:
            wrong.append(Wrong(number, Text(zh=f"与第 {seen[one.code, one.key, one.period]} 行重复", en=f"The same as row {seen[one.code, one.key, one.period]}"), bad=True))
            continue
        seen[one.code, one.key, one.period] = number
        if odd := strange(indicator, one.value):
            wrong.append(Wrong(number, odd, bad=True))
            continue
        if (leap := leaps(indicator, one.value, last)) and not one.note:
            wrong.append(Wrong(number, leap, bad=False))
        figures.append(one)
    wrong += _broken(figures, indicators, seen)
    return Looked(tuple(figures), tuple(sorted(wrong, key=lambda one: one.row)))


def _broken(figures: Sequence[Said], indicators: dict[str, Indicator], seen: dict[tuple[str, Key, Period], int]) -> list[Wrong]:
    """Rules between indicators, part by part and period by period."""
    groups: dict[tuple[Key, Period], dict[str, float]] = {}
    for one in figures:
        groups.setdefault((one.key, one.period), {})[one.code] = one.value
    found = []
    for (key, period), values in groups.items():
        row = min(seen[code, key, period] for code in values)
        found += [Wrong(row, text, bad=True) for text in broken_rules(indicators.values(), values)]
    return found


def _columns(head: Sequence[str], dimensions: set[str], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, cell in enumerate(head):
        said = cell.strip().lower()
        column = next((column for column, names in NAMES.items() if said in names), said if said in dimensions else "")
        if column:
            found.setdefault(column, place)
    if missing := [column for column in ("code", "period", "value") if column not in found]:
        raise _unfit(name, f"缺列：{'、'.join(NAMES[one][1] for one in missing)}", f"Columns are missing: {', '.join(missing)}")
    return found


def _said(cells: dict[str, str], indicators: dict[str, Indicator]) -> Said:
    indicator = indicators.get(cells["code"])
    if indicator is None:
        raise _unfit(cells["code"], f"没有指标 {cells['code'][:40]}", f"There is no indicator {cells['code'][:40]}")
    if not any(way.reported for way in indicator.ways):
        raise _unfit(indicator.code, f"{indicator.title.zh} 是计算出来的，不能填", f"{indicator.title.in_('en')} is worked out, not reported")
    period = parse_period(cells["period"], indicator.code)
    if (unit := cells.get("unit", "")) and unit not in (indicator.unit.zh, indicator.unit.en):
        raise _unfit(indicator.code, f"单位是 {unit[:20]}，指标的单位是 {indicator.unit.zh}", f"The unit is {unit[:20]}, that of the indicator {indicator.unit.in_('en')}")
    members = [(one.name, cells[one.name]) for one in indicator.dimensions if cells.get(one.name)]
    if len(members) > 1:
        raise _unfit(indicator.code, "一行只能属于一个分组", "A row belongs to one dimension")
    return Said(indicator.code, members[0] if members else ("", ""), period, read_figure(cells["value"]), cells.get("note", "")[:500])


def read_figure(written: str) -> float:
    """A number as people write it, thousands parted by commas; raises `BadInput`."""
    plain = written.strip().replace(",", "")
    try:
        value = float(plain) if plain.isascii() and "_" not in plain else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _unfit(written[:40], f"不是数：{written[:40]}", f"This is no number: {written[:40]}")
    return value


class Before:
    """The figure before another, of the same part."""

    def __init__(self, city: City, codes: list[str]) -> None:
        self._whole, self._parts = figures_of(city, codes), parts_of(city, codes)

    def of(self, one: Said) -> float | None:
        """The newest figure before `one`."""
        held = self._whole[one.code] if one.key == ("", "") else self._parts[one.code].get(one.key, {})
        earlier = [period for period in held if period.kind == one.period.kind and period < one.period]
        return held[max(earlier)].value if earlier else None


def load(city: City, asker: Asker, content: bytes, name: str) -> int:
    """Keep every figure of a file, or none: raises `BadInput` with the rows that are bad, `Refused` for all but the bureau. Gives how many."""
    looked = look_at(city, read_rows(content, name), name)
    if looked.bad:
        first = looked.bad[0]
        raise BadInput(
            "indicators.rows", Text(zh=f"第 {first.row} 行：{first.what.zh}（共 {len(looked.bad)} 行有错，一行也没有存）", en=f"Row {first.row}: {first.what.in_('en')} ({len(looked.bad)} rows are wrong; nothing was kept)"),
            Text(zh="改正后再传整个文件", en="Mend them and load the whole file again"), name[:120], facts={"rows": [{"row": one.row, "what": one.what.in_("en")} for one in looked.bad]},
        )  # fmt: skip
    with city.db.connection() as conn:
        if not keeps_plan(conn, city, asker):
            raise Refused("indicators.bureau", Text(zh="由规划牵头单位导入", en="The bureau that keeps the plan loads figures"), Text(zh="请它的管理员办理", en="Ask its stewards"), bureau_of(city))
        count = keep_said(conn, looked.figures, f"file:{name[:120]}", asker.label)
        defer(conn, "indicators.evaluate", once="indicators.evaluate")
    return count


def _unfit(thing: str, zh: str, en: str) -> BadInput:
    return BadInput("indicators.file", Text(zh=zh, en=en), Text(zh="表头：code, period, value，可加 unit、note 和分组列", en="The head: code, period, value; unit, note and a dimension may be added"), thing[:120])
