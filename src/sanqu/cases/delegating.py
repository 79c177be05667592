"""Delegates while somebody is away: another person stands in for them, with their roles, from a day until a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sanqu.cases.notices import tell
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker

MOST_DAYS = 366
FIND = "SELECT id FROM person WHERE login = %s AND state = 'active'"
ADD = "INSERT INTO case_delegate (person, delegate, begins, ends, made) VALUES (%s, %s, %s, %s, %s) RETURNING id"
LIST = """
SELECT d.id, d.person, p.name AS person_name, d.delegate, q.name AS delegate_name, d.begins, d.ends
FROM case_delegate d JOIN person p ON p.id = d.person JOIN person q ON q.id = d.delegate
WHERE (d.person = %(me)s OR d.delegate = %(me)s) AND d.ends > %(at)s ORDER BY d.begins, d.id
"""
END = "UPDATE case_delegate SET ends = greatest(%(at)s, begins + interval '1 second') WHERE id = %(id)s AND person = %(me)s RETURNING delegate"


@dataclass(frozen=True)
class Delegation:
    """Who stands in for whom, from when until when."""

    id: int
    person: int
    person_name: str
    delegate: int
    delegate_name: str
    begins: datetime
    ends: datetime


def delegate_to(city: City, asker: Asker, login: str, begins: date, ends: date, *, at: datetime | None = None) -> int:
    """Let the person who signs in as `login` stand in for the asker from the day `begins` to the end of the day `ends`.

    The delegate may do what the asker's roles at units allow in cases (not administer), and nothing is done in the asker's name:
    the history says who did it, and for whom. Raises `Refused` for one without roles, `NotFound`, `BadInput` for days that do not fit.
    """
    at = at or now()
    if not asker.is_staff or asker.user_id is None or asker.key_id is not None:
        raise Refused(
            "cases.delegate",
            Text(zh="只有登录的工作人员可以委托他人", en="Only staff who are signed in may name a delegate"),
            Text(zh="登录后再委托", en="Sign in, and do it again"),
        )
    first = datetime.combine(begins, time(), CITY_ZONE)
    last = datetime.combine(ends, time(), CITY_ZONE) + timedelta(days=1)
    if last <= at or last <= first or last - first > timedelta(days=MOST_DAYS):
        raise BadInput(
            "cases.days",
            Text(zh="委托的起止日期不合规", en="The days do not fit"),
            Text(zh=f"至今天或以后，至多 {MOST_DAYS} 天", en=f"Until today or later, for at most {MOST_DAYS} days"),
            f"{begins} – {ends}",
        )
    with city.db.connection() as conn:
        row = conn.execute(FIND, (login,)).fetchone()
        if row is None or int(row["id"]) == asker.user_id:
            raise not_found(Text(zh="可以委托的人", en="person who could stand in"), login[:80])
        made = conn.execute(ADD, (asker.user_id, row["id"], first, last, at)).fetchone()
        assert made is not None
        delegate = f"user:{row['id']}"
        facts = {"delegate": delegate, "begins": begins.isoformat(), "ends": ends.isoformat()}
        append(conn, kind="cases.delegate", actor=asker.label, subject=asker.label, facts=facts)
        tell(conn, [delegate], at, Text(zh=f"请您代办：{asker.name}，{begins} 至 {ends}", en=f"You stand in for {asker.name}, {begins} to {ends}"), "/cases/leave")
        return int(made["id"])


def end_delegation(city: City, asker: Asker, id_: int, *, at: datetime | None = None) -> None:
    """End what the asker delegated; raises `NotFound`."""
    at = at or now()
    with city.db.connection() as conn:
        row = conn.execute(END, {"at": at, "id": id_, "me": asker.user_id}).fetchone()
        if row is None:
            raise not_found(Text(zh="委托", en="delegation"), str(id_))
        append(conn, kind="cases.delegate", actor=asker.label, subject=asker.label, facts={"ended": f"user:{row['delegate']}"})


def delegations_of(city: City, asker: Asker, *, at: datetime | None = None) -> list[Delegation]:
    """Who stands in for the asker, and for whom the asker stands in, now and later."""
    rows = city.db.all(LIST, {"me": asker.user_id, "at": at or now()})
    return [Delegation(**row) for row in rows]
