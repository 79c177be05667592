"""Deciding on a source as a case: the stewards of both datasets are heard, and the unit above both decides."""

from __future__ import annotations

from sanqu.cases.history import done_by
from sanqu.cases.hooks import Shown, on_service, on_show
from sanqu.cases.records import Case
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.persons import asker_for
from sanqu.sharing.sources import decide_source, find_rival

PROCESS = "data-source"

UNITS = """
SELECT k.name, k.unit, u.path FROM catalog_dataset k JOIN org_unit u ON u.code = k.unit WHERE k.name = ANY(%s)
"""
OPEN = "SELECT number FROM case_case WHERE process = %s AND subject = %s AND state = 'open'"
OPEN_ALL = "SELECT subject, number FROM case_case WHERE process = %s AND state = 'open'"


def open_hearing(city: City, asker: Asker, id_: int) -> Case:
    """Open the case in which a source is decided; by a steward of either dataset or above, or an administrator.

    Raises `NotFound`, `Refused`, `Conflict` where it is open already or no unit stands above both.
    """
    rival = find_rival(city, id_)
    rows = {str(row["name"]): row for row in city.db.all(UNITS, ([rival.dataset, rival.other],))}
    if len(rows) < 2 or not any(asker.may_steward(str(row["path"])) for row in rows.values()):
        raise Refused(
            "sharing.source",
            Text(zh="由任一数据集的责任单位或其上级提出", en="A steward of either dataset, or of a unit above, begins this"),
            Text(zh="请责任单位提出", en="Ask a steward of one of them"),
            f"{rival.dataset} {rival.other}",
        )
    known = city.db.one(OPEN, (PROCESS, _subject(id_)))
    if known is not None:
        raise Conflict(
            "sharing.source-open",
            Text(zh="这项争议正在听取意见", en="The two are being heard already"),
            Text(zh=f"见办件 {known['number']}", en=f"See case {known['number']}"),
            f"case:{known['number']}",
        )
    one, other = rows[rival.dataset], rows[rival.other]
    data = {
        "rival": id_, "datasets": [rival.dataset, rival.other], "items": [rival.item, rival.other_item], "one_unit": one["unit"],
        "other_unit": other["unit"], "above": _above(str(one["path"]), str(other["path"])), "proposed": rival.proposed,
        "overlap": round(rival.overlap, 3), "answer_within": f"{city.settings.apply_answer_days}wd",
    }  # fmt: skip
    title = f"{rival.dataset}.{rival.item} ⇄ {rival.other}.{rival.other_item}"[:200]
    return start_case(city, asker, PROCESS, title, _subject(id_), None, data)


def _subject(id_: int) -> str:
    return f"rival:{id_}"


def _above(one: str, other: str) -> str | None:
    """The nearest unit at or above both paths."""
    shared = [a for a, b in zip(one.strip("/").split("/"), other.strip("/").split("/"), strict=False) if a == b]
    return shared[-1] if shared else None


def hearings(city: City) -> dict[int, str]:
    """The open cases, by the number of the claim."""
    return {int(row["subject"].removeprefix("rival:")): str(row["number"]) for row in city.db.all(OPEN_ALL, (PROCESS,))}


def _settle(city: City, conn: Connection, case: Case) -> None:
    """Make the dataset that was decided on the source."""
    by = done_by(conn, case, "decide").split("/")[0].removeprefix("user:")
    decider = asker_for(conn, int(by)) if by.isdecimal() else None
    decide_source(city, decider or Asker(), int(case.data["rival"]), str(case.data["source"]), str(case.data["reason"]), conn=conn)


def _show(city: City, asker: Asker, case: Case) -> Shown:
    data = case.data
    (one, other), (item, other_item) = data["datasets"], data["items"]
    facts: list[tuple[Text, Text | str]] = [
        (Text(zh="争议", en="Claimed by both"), f"{one}.{item} ⇄ {other}.{other_item}"),
        (Text(zh="值的重合", en="Values shared"), f"{data['overlap']:.0%}"), (Text(zh="初步建议", en="Proposed"), str(data["proposed"])),
    ]  # fmt: skip
    for name, said, because in ((one, "one_says", "one_because"), (other, "other_says", "other_because")):
        if data.get(said):
            facts.append((Text(zh=f"{name} 一方", en=f"For {name}"), f"{data[said]}：{data[because]}"))
    links = tuple((Text(zh=name, en=name), f"/datasets/{name}?tab=items") for name in (one, other))
    return Shown(tuple(facts), links)


on_service(PROCESS, "settle", _settle)
on_show(PROCESS, _show)
