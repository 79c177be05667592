"""The dictionary of figures (指标项): what each means, where its values come from, which rules they keep; alike ones are found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.facts import fact
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import path_of

Kind = Literal["month", "quarter", "year"]
PERIODS: dict[str, re.Pattern[str]] = {
    "month": re.compile(r"\d{4}-(0[1-9]|1[0-2])"), "quarter": re.compile(r"\d{4}-Q[1-4]"), "year": re.compile(r"\d{4}"),
}  # fmt: skip
# From this share of common pairs of letters on, two figures look alike.
ALIKE = 0.5
LONGEST_REASON = 500

ADD = "INSERT INTO reporting_figure (code, body, state, differs, creator, created) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING code"
LIST = "SELECT code, body, state, differs, creator FROM reporting_figure WHERE state <> 'refused' AND (%(state)s::text IS NULL OR state = %(state)s) ORDER BY state DESC, code"
ONE = "SELECT code, body, state, differs, creator FROM reporting_figure WHERE code = %s"
DECIDE = "UPDATE reporting_figure SET state = %s WHERE code = %s AND state = 'proposed' RETURNING code"


class Source(BaseModel):
    """A dataset that holds the figure: its rows are counted, or an item of them is added up, by place.

    `place` is the item with the code of the place, `value` the item that is added up (rows are counted without one), `period` the
    item that says the period (the dataset stands for any without one); `where` are items that must have these values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    place: str
    value: str = ""
    period: str = ""
    where: dict[str, str | int | bool] = {}


class Figure(BaseModel):
    """One figure. `least` and `most` bound it, `change` is the most it may change against the period before, as a share.

    `sum_of` are figures of the same period kind whose sum it must be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")
    title: Text
    definition: Text
    unit: str = Field(min_length=1, max_length=20)
    kind: Kind = "month"
    source: Source | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    change: Decimal | None = Field(default=None, gt=0)
    whole: bool = False
    sum_of: tuple[str, ...] = Field(default=(), max_length=20)


@dataclass(frozen=True)
class Entry:
    """A figure of the dictionary with its state; `differs` is why it is not one of those that look alike."""

    figure: Figure
    state: str
    differs: str
    creator: str


def read_figure(said: Mapping[str, Any]) -> Figure:
    """A figure as forms, programs and packs send it; raises `BadInput` naming what does not fit."""
    try:
        return Figure.model_validate(said)
    except ValidationError as fault:
        place = ".".join(str(part) for part in fault.errors()[0]["loc"])
        raise BadInput(
            "reporting.figure", Text(zh=f"指标项的 {place} 不合规", en=f"{place} of the figure does not fit"), Text(zh="改正这一项", en="Mend it"), str(said.get("code", ""))[:40]
        ) from fault


def alike(figure: Figure, others: list[Figure]) -> list[Figure]:
    """The figures of the same period kind whose name or definition looks like this one's, the most alike first."""
    found = [(max(_share(figure.title.zh, one.title.zh), _share(figure.definition.zh, one.definition.zh)), one) for one in others if one.kind == figure.kind and one.code != figure.code]
    return [one for share, one in sorted(found, key=lambda each: (-each[0], each[1].code)) if share >= ALIKE]


def _share(one: str, other: str) -> float:
    pairs = [{text[i : i + 2] for i in range(len(text) - 1)} for text in (_plain(one), _plain(other))]
    return len(pairs[0] & pairs[1]) / len(pairs[0] | pairs[1]) if pairs[0] and pairs[1] else 0.0


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum() and letter not in "的数量总")


def add_figure(city: City, asker: Asker, said: Mapping[str, Any] | Figure, differs: str = "", *, at: datetime | None = None) -> Entry:
    """Add a figure: at once where the bureau adds it, else as a proposal that the bureau decides on.

    Raises `Refused` for one who works nowhere, `BadInput`, `NotFound` for a part of a sum, `Conflict` for a code that is taken, or
    where others look alike and nothing is said of how it differs.
    """
    require_staff(asker)
    figure = said if isinstance(said, Figure) else read_figure(said)
    with city.db.connection() as conn:
        for part in figure.sum_of:
            if find_figure(conn, part).figure.kind != figure.kind:
                raise BadInput("reporting.sum", Text(zh="合计的各项应是同一种周期", en="The parts of a sum must be of the same period kind"), Text(zh="换一项", en="Choose others"), part)
        similar = alike(figure, [one.figure for one in list_figures(city)])
        if similar and not differs.strip():
            raise Conflict(
                "reporting.alike",
                Text(zh=f"已有相近的指标：{'、'.join(f'{one.title.zh}（{one.code}）' for one in similar[:3])}", en=f"There are figures like it: {', '.join(one.code for one in similar[:3])}"),
                Text(zh="用已有的，或写明有什么不同", en="Use one of them, or say how this one differs"), figure.code, facts={"alike": [one.code for one in similar]},
            )  # fmt: skip
        # Where nothing is alike there is nothing to differ from.
        differs = differs.strip()[:LONGEST_REASON] if similar else ""
        state = "active" if is_bureau(conn, city, asker) else "proposed"
        if conn.execute(ADD, (figure.code, Jsonb(figure.model_dump(mode="json")), state, differs, asker.label, at or now())).fetchone() is None:
            raise Conflict("reporting.code", Text(zh="这个代码已被使用", en="The code is taken"), Text(zh="换一个代码", en="Choose another"), figure.code)
        append(conn, kind="reporting.figure", actor=asker.label, subject=f"figure:{figure.code}", facts={"state": state, "alike": [one.code for one in similar]})
    return Entry(figure, state, differs, asker.label)


def decide_figure(city: City, asker: Asker, code: str, *, accept: bool) -> None:
    """Take a proposed figure into the dictionary or refuse it; raises `Refused` for others than the bureau, `Conflict`."""
    with city.db.connection() as conn:
        check_bureau(conn, city, asker)
        if conn.execute(DECIDE, ("active" if accept else "refused", code)).fetchone() is None:
            raise Conflict("reporting.decided", Text(zh="没有待定的这个指标", en="No such figure waits for a decision"), Text(zh="看指标库", en="See the dictionary"), code[:40])
        append(conn, kind="reporting.figure", actor=asker.label, subject=f"figure:{code}", facts={"state": "active" if accept else "refused"})


def list_figures(city: City, state: str | None = None) -> list[Entry]:
    """The dictionary: active figures and proposals, or those of one state."""
    return [_entry(row) for row in city.db.all(LIST, {"state": state})]


def find_figure(conn: Connection, code: str) -> Entry:
    """The figure of this code; raises `NotFound`."""
    row = conn.execute(ONE, (code,)).fetchone()
    if row is None or row["state"] == "refused":
        raise not_found(Text(zh="指标项", en="figure"), code[:40])
    return _entry(row)


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(Figure.model_validate(row["body"]), str(row["state"]), str(row["differs"]), str(row["creator"]))


def check_period(kind: str, period: str) -> str:
    """The period as it is written for its kind; raises `BadInput`."""
    if kind not in PERIODS or PERIODS[kind].fullmatch(period) is None:
        raise BadInput("reporting.period", Text(zh="期别不合规", en="The period does not fit"), Text(zh="月写 2026-10，季写 2026-Q4，年写 2026", en="Write 2026-10 for a month, 2026-Q4 for a quarter, 2026 for a year"), period[:20])
    return period


def period_before(kind: str, period: str) -> str:
    """The period before: `2026-01` → `2025-12`, `2026-Q1` → `2025-Q4`, `2026` → `2025`."""
    year = int(period[:4])
    if kind == "year":
        return f"{year - 1:04d}"
    number, length = int(period.rsplit("Q" if kind == "quarter" else "-", 1)[1]), 4 if kind == "quarter" else 12
    year, number = (year - 1, length) if number == 1 else (year, number - 1)
    return f"{year:04d}-Q{number}" if kind == "quarter" else f"{year:04d}-{number:02d}"


def bureau_of(city: City) -> str:
    """The unit that keeps the dictionary and lets forms in (报表准入): the one that the city pack names, else the city's own."""
    return str(fact(city, "reporting.bureau") or fact(city, "city", {}).get("code", ""))


def is_bureau(conn: Connection, city: City, asker: Asker) -> bool:
    """Whether the asker keeps the dictionary: a steward of the bureau or above, or an administrator."""
    path = path_of(conn, bureau_of(city))
    return asker.is_admin or (path is not None and asker.may_steward(path))


def check_bureau(conn: Connection, city: City, asker: Asker) -> None:
    """Raise `Refused` unless the asker keeps the dictionary."""
    if not is_bureau(conn, city, asker):
        raise Refused("reporting.bureau", Text(zh="由大数据局的数据管理员决定", en="Stewards of the data bureau decide this"), Text(zh="请他们办理", en="Ask them"), bureau_of(city))


def require_staff(asker: Asker) -> None:
    """Raise `Refused` for one who works nowhere."""
    if not asker.is_staff:
        raise Refused("reporting.staff", Text(zh="这给在机构任职的人", en="This is for those who hold a role at a unit"), Text(zh="请单位的管理员给您角色", en="Ask your unit for a role"))
