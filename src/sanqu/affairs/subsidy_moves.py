"""What the process of a subsidy does in code: the award beside the case follows each step, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanqu.affairs.records import SUBSIDY
from sanqu.cases.hooks import Shown, on_end, on_service, on_show, on_task
from sanqu.cases.records import Case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

PUBLISHED = "UPDATE affairs_award SET state = 'published', confirmed = %(at)s, published = %(at)s WHERE number = %(number)s"
MOVED = "UPDATE affairs_award SET state = %(state)s WHERE number = %(number)s"
SETTLED = "UPDATE affairs_award SET state = %(state)s, settled = %(at)s WHERE number = %(number)s"
PAID = "UPDATE affairs_award SET state = 'paid', paid = %(at)s WHERE number = %(number)s"
OBJECTED = "SELECT 1 FROM affairs_objection WHERE award = %s LIMIT 1"
ANSWERED = "UPDATE affairs_objection SET upheld = %(upheld)s, answer = %(answer)s WHERE award = %(number)s"


def _publish(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(PUBLISHED, {"at": now(), "number": case.number})


def _decline(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(SETTLED, {"state": "declined", "at": now(), "number": case.number})


def _publicity_over(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    objected = conn.execute(OBJECTED, (case.number,)).fetchone() is not None
    if objected:
        conn.execute(MOVED, {"state": "objected", "number": case.number})
    return {"objected": objected}


def _reviewed(_city: City, conn: Connection, case: Case) -> None:
    upheld = case.data.get("verdict") == "upheld"
    conn.execute(ANSWERED, {"upheld": upheld, "answer": str(case.data.get("answer") or ""), "number": case.number})
    if upheld:
        conn.execute(SETTLED, {"state": "refused", "at": now(), "number": case.number})


def _payable(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(SETTLED, {"state": "payable", "at": now(), "number": case.number})


def _paid(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(PAID, {"at": now(), "number": case.number})


def _ended(_city: City, conn: Connection, case: Case) -> None:
    if case.state == "withdrawn":
        conn.execute(SETTLED, {"state": "declined", "at": now(), "number": case.number})


def _shown(_city: City, _asker: Asker, case: Case) -> Shown:
    return Shown((), ((Text(zh="奖补：依据、金额、公示", en="The award: ground, amount, publication"), f"/affairs/awards/{case.number}"),))


for _name, _does in {
    "publish": _publish, "decline": _decline, "publicity-over": _publicity_over, "reviewed": _reviewed, "payable": _payable, "paid": _paid,
}.items():  # fmt: skip
    on_service(SUBSIDY, _name, _does)
on_end(SUBSIDY, _ended)
on_show(SUBSIDY, _shown)
for _task in ("confirm", "confirm-for", "review", "pay"):
    on_task(SUBSIDY, _task, "/affairs/awards/{number}")
