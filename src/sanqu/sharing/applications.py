"""Applying for data (共享申请): the application, the steward's decision that may narrow it, and the grant it ends in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as Given

from sanqu.cases.history import done_by
from sanqu.cases.hooks import Shown, on_service, on_show, on_task
from sanqu.cases.records import Case
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.sharing.contexts import allows
from sanqu.sharing.decide import Wish
from sanqu.sharing.door import Question, explain
from sanqu.sharing.grants import Grant, ItemGrant, Quota, add_grant, check_grant
from sanqu.sharing.law import DatasetLaw, known_law, law_book

Said = TypeVar("Said", bound=BaseModel)

PROCESS = "data-application"
LONGEST_QUERY = 20_000


class Application(BaseModel):
    """What somebody applies for. `assignee` is the person (`user:12`) or a unit at which the person holds a role.

    `unit` narrows to rows: `*` are the rows of the places at which a reader holds a role. `sql` is the query it is for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Given(max_length=200)
    items: tuple[ItemGrant, ...] = Given(min_length=1, max_length=500)
    purpose: str = Given(min_length=1, max_length=200)
    why: str = Given(min_length=1, max_length=2000)
    assignee: str = Given(pattern=r"^(unit|user):[^\s/]+$")
    unit: str | None = None
    until: date | None = None
    sql: str = Given(default="", max_length=LONGEST_QUERY)


class Terms(BaseModel):
    """What the steward grants of an application; what is not said is as applied for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: tuple[ItemGrant, ...] | None = Given(default=None, min_length=1)
    unit: str | None = None
    until: date | None = None
    reads: int | None = Given(default=None, ge=1)
    rows: int | None = Given(default=None, ge=1)
    consent: bool = False


def law_over(city: City, asker: Asker, dataset: str) -> DatasetLaw:
    """The law over a dataset that the asker may know of; raises `NotFound`."""
    version, _ = law_book(city).current([dataset])
    return known_law(city, version, asker, dataset)


def smallest_for(city: City, asker: Asker, dataset: str, question: Question) -> Wish | None:
    """The smallest grant on `dataset` that a refused query needs; None where it needs none, or none can be given."""
    decision = explain(city, asker, question)
    return next((wish for wish in decision.wishes if wish.dataset == dataset and wish.grantable), None)


def apply_for(city: City, asker: Asker, said: Application) -> Case:
    """Apply; the steward's unit checks and decides within the working days of the settings.

    Raises `NotFound` for a dataset one may not know of, `BadInput` for what can never be granted so, `Refused` for a unit
    at which the applicant holds no role.
    """
    law = law_over(city, asker, said.dataset)
    _check_assignee(asker, said.assignee)
    asked = asked_for(said)
    check_grant(asked, law.contract)
    if asked.until is not None and asked.until <= now():
        raise _unfit("until", "有效期已过", "the day is over", said.dataset)
    data = said.model_dump(mode="json") | {
        "steward": law.dataset.unit,
        "check_within": f"{city.settings.apply_check_days}wd",
        "answer_within": f"{city.settings.apply_answer_days}wd",
        "amend_within": f"{city.settings.apply_amend_days}wd",
    }
    title = f"{law.dataset.title.zh or said.dataset} · {said.purpose}"[:200]
    unit = said.assignee.removeprefix("unit:") if said.assignee.startswith("unit:") else None
    return start_case(city, asker, PROCESS, title, f"dataset:{said.dataset}", unit, data)


def _check_assignee(asker: Asker, assignee: str) -> None:
    kind, _, whom = assignee.partition(":")
    if (kind == "user" and whom == str(asker.user_id)) or (kind == "unit" and whom in asker.units):
        return
    raise Refused(
        "sharing.apply-for",
        Text(zh="只能为自己或自己任职的机构申请", en="One applies for oneself, or for a unit at which one holds a role"),
        Text(zh="请使用数据的人自己申请", en="Ask those who will use the data to apply"),
        assignee[:100],
    )


def asked_for(said: Application) -> Grant:
    """The grant that an application asks for."""
    return Grant(
        dataset=said.dataset, assignee=said.assignee, items=said.items, purposes=(said.purpose.strip(),), until=end_of(said.until),
        unit=said.unit,
    )  # fmt: skip


def end_of(day: date | None) -> datetime | None:
    """The moment after the last one of a day in the city."""
    return datetime.combine(day + timedelta(days=1), time(), CITY_ZONE) if day is not None else None


def application_in(case: Case) -> Application:
    """The application that a case is about, as it was last amended."""
    said = {name: case.data.get(name) for name in Application.model_fields if case.data.get(name) is not None}
    return _read(Application, said, case.number)


def narrowed(asked: Grant, terms: Terms) -> Grant:
    """What the steward grants of what was asked; raises `BadInput` where the terms are wider.

    Who asked to read may be given any lesser use; masks, days, rows and a quota may only be added.
    """
    given = terms.items if terms.items is not None else asked.items
    wanted = {one.item: one for one in asked.items}
    for one in given:
        mine = wanted.get(one.item)
        if mine is None or (not set(one.uses) <= set(mine.uses) and not all(allows(mine.uses, use) for use in one.uses)):
            raise _unfit(one.item, "比申请的更宽", "is wider than what was applied for", asked.dataset)
    until = end_of(terms.until) or asked.until
    if asked.until is not None and until is not None and until > asked.until:
        raise _unfit("until", "比申请的更久", "is later than what was applied for", asked.dataset)
    if asked.unit is not None and terms.unit is not None and terms.unit != asked.unit:
        raise _unfit("unit", "不是申请的行", "are not the rows that were applied for", asked.dataset)
    return asked.model_copy(
        update={
            "items": given, "until": until, "unit": asked.unit or terms.unit, "quota": Quota(reads=terms.reads, rows=terms.rows),
            "consent": terms.consent,
        }
    )  # fmt: skip


def _read(kind: type[Said], said: Mapping[str, Any], thing: str) -> Said:
    try:
        return kind.model_validate(said)
    except ValidationError as fault:
        first = fault.errors()[0]
        raise _unfit(".".join(map(str, first["loc"])), str(first["msg"]), str(first["msg"]), thing) from fault


def _unfit(place: str, zh: str, en: str, thing: str) -> BadInput:
    return BadInput(
        "sharing.application",
        Text(zh=f"{place} 不合规：{zh}", en=f"{place} does not fit: {en}"),
        Text(zh="改正后再提交", en="Mend it and send it again"),
        thing,
        facts={"place": place},
    )


def terms_in(case: Case) -> Terms:
    """The terms of the decision in a case."""
    return _read(Terms, case.data.get("terms") or {}, case.number)


def _grant(city: City, conn: Connection, case: Case) -> dict[str, Any]:
    """Put the grant that was decided on record; who decided gave it."""
    law = law_book(city).law(law_book(city).current([])[0], str(case.data["dataset"]))
    if law is None or law.dataset.unit != case.data["steward"]:
        raise Conflict(
            "sharing.steward-changed",
            Text(zh="数据集已不在，或已换了责任单位", en="The dataset is gone, or another unit answers for it now"),
            Text(zh="请申请人撤回，向新的责任单位申请", en="Ask the applicant to withdraw and to apply to the new one"),
            str(case.data["dataset"]),
        )
    grant = narrowed(asked_for(application_in(case)), terms_in(case))
    by = done_by(conn, case, "decide").split("/")[0].removeprefix("user:")
    decider = Asker(user_id=int(by)) if by.isdecimal() else Asker()
    granted = add_grant(conn, decider, grant.model_copy(update={"ground": f"case {case.number}"}), law.contract, law.dataset.unit)
    return {"grant": str(granted.id), "grant_number": granted.number}


USES: dict[str, Text] = {
    "plain": Text(zh="读取", en="read"), "compare": Text(zh="比较", en="compare"), "join": Text(zh="关联", en="join"),
    "group": Text(zh="分组", en="group"), "aggregate": Text(zh="汇总", en="add up"),
}  # fmt: skip


def _show(city: City, asker: Asker, case: Case) -> Shown:
    """What an application is about; once granted, the way back to the query."""
    said = application_in(case)
    rows = (
        Text(zh="自己任职的地方", en="the reader's own places")
        if said.unit == "*"
        else Text(zh=said.unit or "全部", en=said.unit or "all")
    )
    items = Text(
        zh="；".join(f"{one.item}（{'、'.join(USES[use].zh for use in one.uses)}）" for one in said.items),
        en="; ".join(f"{one.item} ({', '.join(USES[use].en for use in one.uses)})" for one in said.items),
    )
    facts: list[tuple[Text, Text | str]] = [
        (Text(zh="数据集", en="Dataset"), said.dataset), (Text(zh="数据项", en="Items"), items), (Text(zh="用途", en="Purpose"), said.purpose),
        (Text(zh="理由", en="Reason"), said.why), (Text(zh="行", en="Rows"), rows), (Text(zh="授予", en="For"), said.assignee),
        (Text(zh="有效期至", en="Until"), str(said.until or "—")),
    ]  # fmt: skip
    links = [(Text(zh="数据集", en="The dataset"), f"/datasets/{said.dataset}")]
    if case.outcome == "granted":
        facts.append((Text(zh="授权", en="Grant"), str(case.data.get("grant_number", ""))))
        if said.sql:
            links.insert(0, (Text(zh="运行这条查询", en="Run the query"), f"/applications/{case.number}/query"))
    return Shown(tuple(facts), tuple(links))


on_service(PROCESS, "grant", _grant)
on_show(PROCESS, _show)
on_task(PROCESS, "decide", "/applications/{number}")
