"""What the process of an inspection does in code: the record beside the case follows each step, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.cases.hooks import Shown, on_end, on_service, on_show, on_task
from sanqu.cases.records import Case
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, NotFound
from sanqu.ground.i18n import Text, say
from sanqu.ground.people.askers import Asker
from sanqu.supervision.inspections import inspection_of, plan_of
from sanqu.supervision.records import PROCESS, Inspection, Item
from sanqu.supervision.registers import find_items
from sanqu.supervision.results import publish_result

MOVE = "UPDATE supervision_inspection SET state = %s, changed = %s WHERE case_number = %s"
VISITED = """
UPDATE supervision_inspection SET state = 'visited', result = %(result)s, problems = %(problems)s, findings = %(findings)s,
    visited = %(visited)s, changed = %(at)s WHERE case_number = %(case)s
"""
JOINED = "UPDATE supervision_inspection SET result = %s, problems = problems + %s, changed = %s WHERE case_number = %s"
CORRECTED = "UPDATE supervision_inspection SET corrected = %s, result = %s, changed = %s WHERE case_number = %s"
PUBLISHED = "UPDATE supervision_inspection SET state = %s, published = %s, changed = %s WHERE case_number = %s"
SIGNED = "SELECT 1 FROM case_file f JOIN case_case c ON c.id = f.case_id WHERE c.number = %s AND f.kind = 'signature' LIMIT 1"
# Where an inspection was made at all, the whole checklist is answered.
CHECKED = ("none", "correct", "pending")
# What these find must be corrected.
TO_CORRECT = ("correct", "undisclosed")
# How often correction is demanded before a case is filed.
MOST_ROUNDS = 2
ANSWERS = ("ok", "problem", "na")


def _notified(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(MOVE, ("notified", now(), case.number))


def _visited(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    one, said = inspection_of(conn, case.number), case.data
    visited = date.fromisoformat(str(said["visited"]))
    if not one.drawn.astimezone(CITY_ZONE).date() <= visited <= now().astimezone(CITY_ZONE).date():
        raise _unfit("visited", "检查日期应在抽取之后、今天之前", "The day of the visit must lie between the draw and today")
    checks = said.get("checks") or {}
    problems = check_answers(find_items(conn, plan_of(conn, one.plan).rules.items), str(said["result"]), checks)
    if conn.execute(SIGNED, (case.number,)).fetchone() is None and not str(said.get("visit_note") or "").strip():
        raise _unfit("visit_note", "没有被检查对象的签名，须写明原因", "Without a signature of the inspected party, say why")
    conn.execute(
        VISITED,
        {"result": said["result"], "problems": problems, "findings": Jsonb(checks), "visited": visited, "at": now(), "case": case.number},
    )
    return {"must_correct": said["result"] in TO_CORRECT, "checks": None}


def check_answers(items: list[Item], result: str, checks: Mapping[str, Any]) -> int:
    """How many problems the checklist of a visit shows; raises `BadInput` where it is not whole or contradicts the result."""
    asked = {f"{item.code}.{check.code}": check.title for item in items for check in item.checks}
    for name, answer in checks.items():
        if name not in asked or answer not in ANSWERS:
            raise _unfit("checks", f"检查表没有 {name[:80]} 这一项，或答案不合规", f"The checklist has no {name[:80]}, or the answer does not fit")
    problems = sum(1 for answer in checks.values() if answer == "problem")
    if result in CHECKED and (missing := [title for name, title in asked.items() if name not in checks]):
        raise _unfit("checks", f"检查表未填：{missing[0].zh}", f"The checklist is not whole: {missing[0].in_('en')}")
    if (result == "none" and problems) or (result in ("correct", "pending") and not problems):
        raise _unfit("result", "结果与检查表不一致", "The result contradicts the checklist")
    return problems


def _joined(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    found = [one for one in case.data.get("opinions") or [] if one.get("verdict") == "problem"]
    one = inspection_of(conn, case.number)
    result = "correct" if found and one.result in ("none", "inactive") else one.result
    conn.execute(JOINED, (result, len(found), now(), case.number))
    return {"must_correct": bool(found) or result in TO_CORRECT, "result": result}


def _correcting(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(MOVE, ("correcting", now(), case.number))


def _rechecking(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(MOVE, ("rechecking", now(), case.number))


def _rechecked(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    said, rounds, one = case.data["corrected"], int(case.data.get("rounds") or 0) + 1, inspection_of(conn, case.number)
    again = said == "no" and rounds < MOST_ROUNDS
    done = now().astimezone(CITY_ZONE).date() if said == "yes" else None
    # Whoever does not correct it in time, twice, is dealt with by another procedure.
    result = one.result if said == "yes" or again else "pending"
    conn.execute(CORRECTED, (done, result, now(), case.number))
    conn.execute(MOVE, ("correcting" if again else "rechecking", now(), case.number))
    return {"again": again, "rounds": rounds, "result": result}


def _publish(city: City, conn: Connection, case: Case) -> None:
    published = bool(case.data.get("publish"))
    conn.execute(PUBLISHED, ("published" if published else "withheld", now() if published else None, now(), case.number))
    if published:
        one = inspection_of(conn, case.number)
        publish_result(city, one, plan_of(conn, one.plan))


def _ended(_city: City, conn: Connection, case: Case) -> None:
    if case.state == "withdrawn":
        conn.execute(MOVE, ("void", now(), case.number))


def _shown(city: City, asker: Asker, case: Case) -> Shown:
    try:
        with city.db.connection() as conn:
            one = inspection_of(conn, case.number)
            items = find_items(conn, plan_of(conn, one.plan).rules.items)
    except NotFound:
        return Shown()
    facts: list[tuple[Text, Text | str]] = [
        (Text(zh="检查对象", en="Inspected party"), f"{one.name} · {one.target} · {one.county}"),
        (Text(zh="执法人员", en="Inspectors"), "、".join(one.inspectors)),
        *((Text(zh=item.title.zh, en=item.title.en), _answers(item, one)) for item in items if one.findings),
    ]
    if one.result:
        facts.append((Text(zh="结果", en="Result"), Text(zh=say(f"supervision.result_{one.result}", "zh"), en=say(f"supervision.result_{one.result}", "en"))))
    links = ((Text(zh="抽查计划", en="The plan"), f"/supervision/plans/{one.plan}"),) if asker.is_staff else ()
    return Shown(tuple(facts), links)


def _answers(item: Item, one: Inspection) -> Text:
    def told(lang: Any) -> str:
        return "；".join(
            f"{check.title.in_(lang)}：{say('supervision.answer_' + str(one.findings.get(f'{item.code}.{check.code}', 'na')), lang)}" for check in item.checks
        )

    return Text(zh=told("zh"), en=told("en"))


def _unfit(field: str, zh: str, en: str) -> BadInput:
    return BadInput(
        "supervision.visit", Text(zh=zh, en=en), Text(zh="改正后再提交", en="Mend it and send it again"), field,
        facts={"fields": {field: {"zh": zh, "en": en}}},
    )  # fmt: skip


for _name, _does in {
    "notified": _notified, "visited-all": _visited, "joined": _joined, "correcting": _correcting, "rechecking": _rechecking,
    "rechecked": _rechecked, "publish-it": _publish,
}.items():  # fmt: skip
    on_service(PROCESS, _name, _does)
on_end(PROCESS, _ended)
on_show(PROCESS, _shown)
on_task(PROCESS, "visit", "/supervision/visits/{number}")
