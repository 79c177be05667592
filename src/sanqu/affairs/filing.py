"""Files a thing (申报): one form for all its matters, started as one case; online, or at the window for a person who walks in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from sanqu.affairs.catalogue import ALONE, Offered, catalogue_of
from sanqu.affairs.crossing import send_amended, send_filing
from sanqu.affairs.held import NOTHING, Held, identity_of, read_held, window_unit
from sanqu.affairs.materials import Checked, check
from sanqu.affairs.records import COLUMNS, Channel, Filing, filing_from
from sanqu.cases.files import add_file, keep_file, read_photo
from sanqu.cases.hours import due_of, hours_of
from sanqu.cases.records import person_label
from sanqu.cases.start import start_case
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.secrets import fresh_code, plain_code, token_hash
from sanqu.sharing.my_data import Identity, acting_for, has_consented

PROMISED = re.compile(r"(\d+)(wd|wh|wm)")
ADD = """
INSERT INTO affairs_filing (number, thing, city, channel, applicant, holder, subject_kind, subject, form, origins, materials, taken_by, code_hash,
    client_id, state, submitted, accepted, by_rule, due, legal_days, visits_before, origin, origin_number)
VALUES (%(number)s, %(thing)s, %(city)s, %(channel)s, %(applicant)s, %(holder)s, %(kind)s, %(subject)s, %(form)s, %(origins)s, %(materials)s,
    %(taken_by)s, %(code_hash)s, %(client_id)s, %(state)s, %(at)s, %(accepted)s, %(by_rule)s, %(due)s, %(legal_days)s, %(visits_before)s, %(origin)s, %(origin_number)s)
"""
ONE = f"SELECT {COLUMNS} FROM affairs_filing f WHERE f.number = %s"
BY_CLIENT = f"SELECT {COLUMNS} FROM affairs_filing f WHERE f.client_id = %s"
AMEND = "UPDATE affairs_filing SET form = %s, origins = %s, materials = %s WHERE number = %s"
AMENDING = "SELECT id, case_id FROM case_task t WHERE t.case_id = (SELECT id FROM case_case WHERE number = %s) AND name = 'amend' AND state = 'ready'"
ID_NUMBER = re.compile(r"\d{17}[\dX]")
LONGEST_CLIENT_ID = 100


@dataclass(frozen=True)
class New:
    """What is filed: the form as said, photos of papers by the material's code, papers that the window has seen, which rows were picked.

    `agreed`: the applicant consents to it being sent to the city that handles it.
    """

    form: Mapping[str, Any]
    photos: Mapping[str, bytes]
    seen: frozenset[str] = frozenset()
    picked: Mapping[str, int] | None = None
    client_id: str | None = None
    agreed: bool = False


@dataclass(frozen=True)
class Filed:
    """A filing, and the follow-up code that is shown once where its applicant has no account."""

    filing: Filing
    code: str | None = None


def subject_of(city: City, asker: Asker, offered: Offered) -> Identity:
    """Whom the asker files for; raises `Refused` for one whose identity nobody has checked yet."""
    found = identity_of(city, asker, offered.thing.who)
    if found is None:
        raise Refused(
            "affairs.identity",
            Text(zh="您的身份还没有核验", en="Nobody has checked yet who you are"),
            Text(
                zh="带身份证到任一政务服务窗口核验一次，以后网上、掌上都能办（一证通办）",
                en="Show your ID card once at any window; from then on everything can be filed online",
            ),
            offered.code,
        )
    return found


def held_for(city: City, offered: Offered, subject: Identity, picked: Mapping[str, int] | None = None) -> Held:
    """What the city holds of `subject` for a thing, once they have consented; nothing before."""
    return read_held(city, offered, subject, picked) if has_consented(city, offered.datasets, offered.code, subject) else NOTHING


def file_online(city: City, asker: Asker, code: str, new: New, *, at: datetime | None = None) -> Filed:
    """File a thing for oneself; raises `NotFound`, `Refused`, and `BadInput` naming each field and material that does not fit."""
    offered = catalogue_of(city).find(code)
    if not asker.signed_in:
        raise Refused(
            "affairs.sign-in", Text(zh="登录后才能办理", en="Sign in to file it"), Text(zh="登录后再办", en="Sign in first"), code, status=401
        )
    return _file(city, asker, asker, offered, subject_of(city, asker, offered), replace(new, seen=frozenset()), "online", at)


def file_at_window(city: City, officer: Asker, code: str, subject: Identity, new: New, *, at: datetime | None = None) -> Filed:
    """File a thing for a person who stands at the window and has shown who they are.

    Where they have an account, the case is theirs; else they are given a follow-up code. Raises `Refused` for one who does not work
    at the window, and what `file_online` raises.
    """
    check_window(city, officer)
    if subject.kind == "person" and ID_NUMBER.fullmatch(subject.value) is None:
        raise BadInput(
            "affairs.id-number", Text(zh="公民身份号码不合规", en="The ID number does not fit"), Text(zh="照身份证填十八位", en="Eighteen letters, as on the card")
        )
    offered = catalogue_of(city).find(code)
    with city.db.connection() as conn:
        known = acting_for(conn, subject.kind, subject.value)
    return _file(city, officer, known or SYSTEM, offered, subject, new, "window", at)


def check_window(city: City, asker: Asker) -> None:
    """Raise `Refused` for one who does not work at the window (一窗)."""
    if not works_at_window(city, asker):
        raise Refused(
            "affairs.window",
            Text(zh="这一页给政务服务窗口的工作人员", en="This page is for those who work at the window"),
            Text(zh="自己办事请到“办事”页", en="What you may file yourself is at /affairs"),
        )


def works_at_window(city: City, asker: Asker) -> bool:
    """Whether the asker holds a role at the window's unit or administers the city."""
    return asker.is_admin or window_unit(city) in asker.units


def _file(
    city: City, actor: Asker, applicant: Asker, offered: Offered, subject: Identity, new: New, channel: Channel, at: datetime | None,
) -> Filed:  # fmt: skip
    at = at or now()
    client_id = f"{applicant.label.split('/', 1)[0]}:{new.client_id}"[:LONGEST_CLIENT_ID] if new.client_id else None
    if client_id and (row := city.db.one(BY_CLIENT, (client_id,))) is not None:
        return Filed(filing_from(row))
    if offered.thing.city:
        _check_sending(city, offered, new)
    checked, photos = _checked(city, offered, subject, new, at)
    try:
        with city.db.connection() as conn:
            filed = keep_filing(city, conn, actor, applicant, offered, subject, checked, channel, client_id, at)
            if offered.thing.city:
                send_filing(city, conn, actor, filed.filing, new.photos, at)
    except UniqueViolation:
        row = city.db.one(BY_CLIENT, (client_id,))
        if row is None:
            raise
        return Filed(filing_from(row))
    for title, content in photos:
        add_file(city, actor, filed.filing.number, "photo", content, name=title)
    return filed


def _check_sending(city: City, offered: Offered, new: New) -> None:
    """Raise `BadInput` without consent to sending it to the city that handles it, `Conflict` where that does no more."""
    offer = catalogue_of(city)
    if offered.code in offer.retired:
        raise Conflict(
            "affairs.cross-ended", Text(zh="对方城市现在不办这个事项", en="The other city does not handle this matter now"),
            Text(zh="看还有哪些事项可以跨省办", en="Look at what may be filed for other cities"), offered.code,
        )  # fmt: skip
    if not new.agreed:
        where = offer.cities[offered.thing.city]
        what = Text(zh=f"没有同意把申报发给{where.zh}", en=f"Sending it to {where.in_('en')} was not consented to")
        raise BadInput(
            "affairs.cross-consent", what, Text(zh="同意后再提交；不同意就不能跨省办", en="Consent, and send it again; else it cannot be handled there"),
            offered.code, facts={"fields": {"agreed": what.model_dump()}},
        )  # fmt: skip


def _checked(city: City, offered: Offered, subject: Identity, new: New, at: datetime) -> tuple[Checked, list[tuple[str, bytes]]]:
    """The form by every rule, and the photos by their titles; a file that is no picture is refused before anything is kept."""
    for content in new.photos.values():
        read_photo(content)
    brought = {**dict.fromkeys(new.photos, "given"), **dict.fromkeys(new.seen, "seen")}
    held = held_for(city, offered, subject, new.picked)
    checked = check(offered, held, new.form, brought, at.astimezone(CITY_ZONE).date())
    titles = {one.code: one.title.zh for one in offered.materials}
    return checked, [(titles.get(code, code), content) for code, content in new.photos.items()]


def keep_filing(
    city: City, conn: Connection, actor: Asker, applicant: Asker, offered: Offered, subject: Identity, checked: Checked, channel: Channel,
    client_id: str | None, at: datetime, origin: tuple[str, str] = ("", ""),
) -> Filed:  # fmt: skip
    """Start the case of a filing that was checked, and keep the filing beside it; `origin` is the city that sent it, and its number there."""
    window = window_unit(city)
    code = fresh_code() if applicant is SYSTEM and not origin[0] else None
    case = start_case(
        city, applicant, offered.thing.process, offered.thing.title.zh, f"thing:{offered.code}", window, _data_of(offered, checked, window),
        conn=conn, at=at,
    )  # fmt: skip
    count = PROMISED.fullmatch(offered.thing.promised)
    assert count is not None
    conn.execute(
        ADD,
        {
            "number": case.number, "thing": offered.code, "city": offered.thing.city, "channel": channel, "applicant": case.applicant,
            "holder": str(checked.form.get("applicant_name") or checked.form.get("company_name") or ""), "kind": subject.kind, "subject": subject.value,
            "form": Jsonb(checked.form), "origins": Jsonb(checked.origins), "materials": Jsonb(checked.materials),
            "taken_by": actor.label if channel == "window" else None, "code_hash": token_hash(plain_code(code)) if code else None,
            "client_id": client_id, "state": "handling" if checked.complete else "submitted", "at": at,
            # What is complete by rule was accepted in the step that started the case, before this row was there.
            "accepted": at if checked.complete else None, "by_rule": checked.complete,
            "due": due_of(at, int(count[1]), count[2], hours_of(city.settings)).at, "legal_days": offered.legal_days, "visits_before": offered.visits_before,
            "origin": origin[0], "origin_number": origin[1],
        },
    )  # fmt: skip
    row = conn.execute(ONE, (case.number,)).fetchone()
    assert row is not None
    return Filed(filing_from(row), code)


def _data_of(offered: Offered, checked: Checked, window: str) -> dict[str, Any]:
    """What the process needs to know; nothing of the person."""
    # Departments are named beside the window: `sjj` is `3308-sjj` where the window is `3308-zwfw`.
    above = window.rpartition("-")[0]
    units = {f"{above}-{matter.department}": matter.title for matter in offered.matters}
    data: dict[str, Any] = {
        "complete": checked.complete, "window": window,
        "rated_units": [{"value": unit, "title": title.model_dump()} for unit, title in units.items()],
    }  # fmt: skip
    if offered.thing.process == ALONE:
        matter = offered.matters[0]
        data |= {"handler": f"{above}-{matter.department}", "handle_within": f"{max(1, round(matter.days.promised))}wd"}
    return data


def amender(city: City, asker: Asker, filing: Filing) -> Asker:
    """In whose name `asker` may amend a filing: their own, or the city's for one who walked in; raises `NotFound` for others."""
    if filing.applicant == person_label(asker):
        return asker
    if filing.applicant == SYSTEM.label and not filing.origin and works_at_window(city, asker):
        return SYSTEM
    raise not_found(Text(zh="您可以补正的申办件", en="filing that you may amend"), filing.number)


def amend(city: City, asker: Asker, filing: Filing, new: New, said: str, *, at: datetime | None = None) -> None:
    """Send a filing again with what was missing (补正), by its applicant, or by the window for one without account.

    Raises `NotFound` for others, `Conflict` when it is not asked for, and what filing raises.
    """
    actor, at = amender(city, asker, filing), at or now()
    held = held_for(city, catalogue_of(city).find(filing.thing), _subject_of(filing), new.picked)
    with city.db.connection() as conn:
        form, seen = keep_amended(city, conn, actor, asker, filing, held, new, said, at)
        if filing.city:
            send_amended(city, conn, filing, form, seen, new.photos, said, at)


def _subject_of(filing: Filing) -> Identity:
    return Identity("person" if filing.subject_kind == "person" else "enterprise", filing.subject)


def keep_amended(
    city: City, conn: Connection, actor: Asker, asker: Asker, filing: Filing, held: Held, new: New, said: str, at: datetime,
) -> tuple[dict[str, Any], list[str]]:  # fmt: skip
    """Keep what was added and let the case move on, in the caller's transaction; returns the form and the papers that were seen."""
    offered = catalogue_of(city).find(filing.thing)
    row = conn.execute(AMENDING, (filing.number,)).fetchone()
    if row is None:
        raise Conflict(
            "affairs.amending",
            Text(zh="这件现在不需要补正", en="Nothing more is asked of this filing now"),
            Text(zh="看它现在到了哪一步", en="Look at where it stands"),
            filing.number,
        )
    # Papers that were brought before stand.
    before = {code: one["how"] for code, one in filing.materials.items() if one["how"] in ("given", "seen")}
    brought = {**before, **dict.fromkeys(new.photos, "given"), **dict.fromkeys(new.seen, "seen")}
    checked = check(offered, held, {**filing.form, **new.form}, brought, at.astimezone(CITY_ZONE).date())
    titles = {one.code: one.title.zh for one in offered.materials}
    for code, content in new.photos.items():
        keep_file(conn, asker, row["case_id"], "photo", content, name=titles.get(code, code), at=at)
    conn.execute(AMEND, (Jsonb(checked.form), Jsonb(checked.origins), Jsonb(checked.materials), filing.number))
    complete_task(city, actor, row["id"], {"amended": said or "已补正"}, conn=conn, at=at)
    return checked.form, [code for code, one in checked.materials.items() if one["how"] == "seen"]
