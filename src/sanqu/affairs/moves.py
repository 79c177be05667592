"""What the processes of things do in code: the filing beside the case follows each step, in the same transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sanqu.affairs.catalogue import ALONE, Offered, catalogue_of
from sanqu.affairs.certificates import issue
from sanqu.affairs.crossing import send_news
from sanqu.affairs.records import COLUMNS, OPEN, PROCESSES, Filing, filing_from
from sanqu.cases.hooks import Shown, on_end, on_service, on_show, on_task
from sanqu.cases.notices import colleagues, tell
from sanqu.cases.records import Case
from sanqu.ground.city import City
from sanqu.ground.clock import moment
from sanqu.ground.database import Connection
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.sharing.my_data import end_consent

# Every task of a thing is done on the page of its filing, where the form and the materials are.
FOLDER, TASK = Path(__file__).parent / "processes", re.compile(r'<userTask id="([a-z-]+)"')
# A rating up to this one is bad, and is followed up (整改).
BAD = 2

ONE = f"SELECT {COLUMNS} FROM affairs_filing f WHERE f.number = %s"
OTHERS = "SELECT 1 FROM affairs_filing WHERE thing = %s AND subject = %s AND number <> %s AND state = ANY(%s) LIMIT 1"
ACCEPTED = "UPDATE affairs_filing SET state = 'handling', accepted = coalesce(accepted, %(at)s) WHERE number = %(number)s"
AMENDING = "UPDATE affairs_filing SET state = 'amending', outcome = %(outcome)s WHERE number = %(number)s"
AMENDED = "UPDATE affairs_filing SET state = 'submitted', outcome = '' WHERE number = %(number)s"
DONE = "UPDATE affairs_filing SET state = %(state)s, done = %(at)s, outcome = %(outcome)s WHERE number = %(number)s"
RATED = "UPDATE affairs_filing SET rating = %(rating)s, rating_note = %(note)s, rated_unit = %(unit)s WHERE number = %(number)s"
REPLIED = "UPDATE affairs_filing SET reply = %(reply)s, followed = %(at)s WHERE number = %(number)s"
RERATED = "UPDATE affairs_filing SET rerating = %(rating)s WHERE number = %(number)s"

def filing_in(conn: Connection, number: str) -> Filing | None:
    """The filing beside a case; None in the step that starts it, before it is there."""
    row = conn.execute(ONE, (number,)).fetchone()
    return filing_from(row) if row else None


def _tell(conn: Connection, case: Case, zh: str, en: str) -> None:
    tell(conn, [case.applicant], moment(), Text(zh=f"{zh}：{case.title}", en=f"{en}: {case.title}"), f"/affairs/filings/{case.number}")


def _accepted(city: City, conn: Connection, case: Case) -> None:
    conn.execute(ACCEPTED, {"at": moment(), "number": case.number})
    _tell(conn, case, "已受理", "Accepted")
    send_news(city, conn, filing_in(conn, case.number), "accepted", moment())


def _ask_more(city: City, conn: Connection, case: Case) -> None:
    note, filing = str(case.data.get("note") or ""), filing_in(conn, case.number)
    conn.execute(AMENDING, {"number": case.number, "outcome": note})
    if filing is not None and filing.origin:
        send_news(city, conn, filing, "asked-more", moment(), note)
    _tell(conn, case, "请补正", "More is asked for")


def _amended(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(AMENDED, {"number": case.number})


def _settle(city: City, _conn: Connection, case: Case) -> Mapping[str, Any]:
    """Granted where no department refused its matter."""
    refused = [name for name, said in results_of(case).items() if said == "refused"]
    notes = [str(case.data.get(f"note_{name}") or "") for name in refused]
    offered = _offered(city, case)
    titles = {matter.name if offered.thing.process != ALONE else "matter": matter.title.zh for matter in offered.matters}
    return {
        "granted": not refused,
        "note": "；".join(f"{titles.get(name, name)}：{note}" for name, note in zip(refused, notes, strict=True)),
    }


def results_of(case: Case) -> dict[str, str]:
    """What each department said so far, by the names of the matters (`matter` where there is one)."""
    return {key.removeprefix("result_"): str(said) for key, said in case.data.items() if key.startswith("result_") and said}


def _offered(city: City, case: Case) -> Offered:
    return catalogue_of(city).find(case.subject.removeprefix("thing:"))


def _end_consent(conn: Connection, offered: Offered, filing: Filing) -> None:
    """What was consented to for this filing is read no more, unless another of the same thing goes on."""
    if filing.origin or filing.city:
        # Nothing was read for it here.
        return
    if conn.execute(OTHERS, (filing.thing, filing.subject, filing.number, list(OPEN))).fetchone() is None:
        end_consent(conn, offered.datasets, offered.code, filing.subject)


def _refuse(city: City, conn: Connection, case: Case) -> None:
    note, filing = str(case.data.get("note") or ""), filing_in(conn, case.number)
    if filing is not None:
        _end_consent(conn, _offered(city, case), filing)
        if filing.origin:
            send_news(city, conn, filing, "refused", moment(), note)
    conn.execute(DONE, {"state": "refused", "at": moment(), "number": case.number, "outcome": note})
    _tell(conn, case, "不予办理", "Not granted")


def _issue(city: City, conn: Connection, case: Case) -> None:
    """Issue the certificates of all the matters, each by its department, and close."""
    at, filing, offered = moment(), filing_in(conn, case.number), _offered(city, case)
    assert filing is not None
    above = str(case.data["window"]).rpartition("-")[0]
    for matter in offered.matters:
        if matter.result is not None:
            issue(city, conn, offered, matter, filing, f"{above}-{matter.department}", at)
    _end_consent(conn, offered, filing)
    conn.execute(DONE, {"state": "done", "at": at, "number": case.number, "outcome": ""})
    _tell(conn, case, "已办结，请取证并评价", "Done; take the certificates, and rate it")
    if filing.origin:
        send_news(city, conn, filing, "granted", at)


def _granted(_city: City, conn: Connection, case: Case) -> None:
    """The city that handles it has granted it; its certificates came with the word of it."""
    conn.execute(DONE, {"state": "done", "at": moment(), "number": case.number, "outcome": ""})
    _tell(conn, case, "已办结，请取证并评价", "Done; take the certificates, and rate it")


def _rated(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    rating = int(case.data["rating"])
    unit = str(case.data.get("about_unit") or case.data["window"])
    note = str(case.data.get("rating_note") or "")
    conn.execute(RATED, {"rating": rating, "note": note, "unit": unit, "number": case.number})
    if rating <= BAD:
        told = Text(zh=f"收到差评，请整改：{case.title}", en=f"Rated badly, to be mended: {case.title}")
        tell(conn, colleagues(conn, unit, "steward"), moment(), told, f"/affairs/filings/{case.number}")
    return {"bad": rating <= BAD, "rated_unit": unit}


def _replied(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(REPLIED, {"reply": str(case.data.get("reply") or ""), "at": moment(), "number": case.number})
    _tell(conn, case, "您的评价有了答复", "Your rating was answered")


def _rerated(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(RERATED, {"rating": int(case.data["rerating"]), "number": case.number})


def _ended(city: City, conn: Connection, case: Case) -> None:
    filing = filing_in(conn, case.number)
    if case.state == "withdrawn" and filing is not None and filing.state in OPEN:
        _end_consent(conn, _offered(city, case), filing)
        why = str(case.data.get("withdrawn_because") or "")
        conn.execute(DONE, {"state": "withdrawn", "at": moment(), "number": case.number, "outcome": why})
        # Where it was sent from, the case that waits hears that nothing is granted.
        send_news(city, conn, filing, "refused" if filing.origin else "withdrawn", moment(), why)


def _shown(_city: City, _asker: Asker, case: Case) -> Shown:
    return Shown((), ((Text(zh="申报：表单、材料、证照", en="The filing: form, materials, certificates"), f"/affairs/filings/{case.number}"),))


for _process in PROCESSES:
    for _name, _does in {
        "ask-more": _ask_more, "amended": _amended, "accepted": _accepted, "settle": _settle, "refuse": _refuse, "issue": _issue, "granted": _granted,
        "rated": _rated, "replied": _replied, "rerated": _rerated,
    }.items():  # fmt: skip
        on_service(_process, _name, _does)
    on_end(_process, _ended)
    on_show(_process, _shown)
    for _task in TASK.findall((FOLDER / f"{_process}.bpmn").read_text("utf-8")):
        on_task(_process, _task, "/affairs/filings/{number}")
