"""What a person is told (通知): that it is their turn, that a deadline nears or was passed up, how their case ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sanqu.cases.records import Case, Notice, person_label
from sanqu.cases.rights import NEAR, reach_of
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

# More colleagues than these find the task in their unit's in-tray.
MOST_COLLEAGUES = 50

ADD = "INSERT INTO case_notice (person, at, zh, en, link) VALUES (%s, %s, %s, %s, %s)"
AT_UNIT = """
SELECT DISTINCT r.person FROM person_role r JOIN person p ON p.id = r.person AND p.state = 'active'
WHERE r.unit = %s AND (%s <> 'steward' OR r.role = 'steward') ORDER BY r.person LIMIT %s
"""
LIST = """
SELECT id, at, zh, en, link, read_at FROM case_notice WHERE person = %s ORDER BY id DESC LIMIT %s OFFSET %s
"""
COUNT = "SELECT count(*) AS n FROM case_notice WHERE person = %s"
MARK_READ = "UPDATE case_notice SET read_at = %s WHERE person = %s AND read_at IS NULL"
WAITING = f"""
SELECT (SELECT count(*) FROM case_notice WHERE person = %(me)s AND read_at IS NULL)
     + (SELECT count(*) FROM case_task t WHERE t.state = 'ready' AND {NEAR}) AS n
"""


def tell(conn: Connection, persons: Iterable[str], at: datetime, text: Text, link: str) -> None:
    """Tell each of `persons` (such as `user:12`) once, in the caller's transaction; others than people are told nothing."""
    for person in dict.fromkeys(persons):
        if person.startswith("user:"):
            conn.execute(ADD, (person, at, text.zh, text.en, link))


def tell_of(conn: Connection, case: Case, persons: Iterable[str], at: datetime, zh: str, en: str) -> None:
    """Tell of a case: what happened, and which case it is."""
    tell(conn, persons, at, Text(zh=f"{zh}：{case.title}", en=f"{en}: {case.called.in_('en')}"), f"/cases/{case.number}")


def colleagues(conn: Connection, unit: str | None, role: str = "") -> list[str]:
    """Those who hold a role at a unit (its stewards, where the task asks for that role), as cases name them."""
    return [f"user:{row['person']}" for row in conn.execute(AT_UNIT, (unit, role, MOST_COLLEAGUES))] if unit else []


def notices_of(city: City, asker: Asker, *, limit: int = 50, offset: int = 0) -> tuple[list[Notice], int]:
    """A page of what the asker was told, the newest first, and how much there is."""
    me = person_label(asker)
    counted = city.db.one(COUNT, (me,))
    return [_notice(row) for row in city.db.all(LIST, (me, limit, offset))], int(counted["n"]) if counted else 0


def mark_read(city: City, asker: Asker) -> None:
    """What the asker was told so far has been read."""
    with city.db.connection() as conn:
        conn.execute(MARK_READ, (now(), person_label(asker)))


def count_waiting(city: City, asker: Asker) -> int:
    """How many tasks and unread notices wait for the asker: the number in the menu."""
    if not asker.signed_in:
        return 0
    with city.db.connection() as conn:
        row = conn.execute(WAITING, reach_of(conn, asker)).fetchone()
    return int(row["n"]) if row else 0


def _notice(row: dict[str, Any]) -> Notice:
    return Notice(int(row["id"]), row["at"], Text(zh=str(row["zh"]), en=str(row["en"])), str(row["link"]), row["read_at"])
