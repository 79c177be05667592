"""Rounds (考核期): opened as a draft, worked out, marked by hand, published for objections, and final when those are decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.cases.deadlines import add_working_days
from sanqu.cases.notices import colleagues, tell
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.units import find_units
from sanqu.indicators.assessment.records import Change, Criterion, Points, Round, Row, Scheme, read_scheme
from sanqu.indicators.assessment.scoring import Scored, count, ranks, score
from sanqu.indicators.periods import parse_period
from sanqu.indicators.projects.keeping import bureau_of, keeps_plan, plan_said, require_staff, standings
from sanqu.indicators.projects.lamps import percent_of
from sanqu.indicators.projects.progress import list_reports
from sanqu.sharing.door import Question, ask

LONGEST = 1000
COLUMNS = "id, body, period, state, opened, published, appeals_until, closed"
ADD = f"INSERT INTO assess_round (scheme, body, period, state, opened, opened_by) VALUES (%s, %s, %s, 'draft', %s, %s) RETURNING {COLUMNS}"
ONE = f"SELECT {COLUMNS} FROM assess_round WHERE id = %s"
LIST = f"SELECT {COLUMNS} FROM assess_round WHERE %(all)s OR state <> 'draft' ORDER BY opened DESC, id DESC"
TAKEN = "SELECT 1 FROM assess_round WHERE scheme = %s AND period = %s"
STATE = "UPDATE assess_round SET state = %s, published = coalesce(%s, published), appeals_until = coalesce(%s, appeals_until), closed = %s WHERE id = %s"
NEWEST = """
SELECT DISTINCT ON (unit, item) unit, item, points, most, revision, basis, at FROM assess_point WHERE round = %s
ORDER BY unit, item, revision DESC
"""
HISTORY = "SELECT unit, item, points, most, revision, basis, at FROM assess_point WHERE round = %s AND unit = %s ORDER BY item, revision"
KEEP = "INSERT INTO assess_point (round, unit, item, revision, points, most, basis, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
MARKS = "SELECT id, unit, item, kind, points, reason, case_number, maker, at FROM assess_mark WHERE round = %s AND undone IS NULL ORDER BY at, id"
ADD_MARK = "INSERT INTO assess_mark (round, unit, item, kind, points, reason, case_number, maker, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id, at"
UNDO = "UPDATE assess_mark SET undone = %s, undone_by = %s WHERE id = %s AND round = %s AND kind = 'mark' AND undone IS NULL RETURNING unit, item"
OPEN_APPEALS = "SELECT count(*) AS n FROM assess_appeal WHERE round = %s AND state = 'open'"


def schemes(city: City) -> list[Scheme]:
    """The schemes of plan.toml."""
    return [read_scheme(said) for said in plan_said(city).get("assessment", [])]


def check_bureau(conn: Connection, city: City, asker: Asker) -> None:
    """Raise `Refused` unless the asker assesses: a steward of the plan's bureau or above."""
    if not keeps_plan(conn, city, asker):
        raise Refused("assessment.bureau", Text(zh="由考核牵头单位办理", en="The bureau that assesses does this"), Text(zh="请它的管理员办理", en="Ask its stewards"), bureau_of(city))


def open_round(city: City, asker: Asker, scheme: str, period: str) -> Round:
    """Open a round as a draft and work it out; raises `NotFound`, `BadInput`, `Conflict` where there is one already."""
    found = next((one for one in schemes(city) if one.code == scheme), None)
    if found is None:
        raise not_found(Text(zh="考核办法", en="scheme of assessment"), scheme[:40])
    if parse_period(period).kind != found.period:
        raise BadInput("assessment.period", Text(zh="考核期与办法不合", en="The period does not fit the scheme"), Text(zh="年度写 2025，季度写 2025-Q4", en="2025 for a year, 2025-Q4 for a quarter"), period[:20])
    with city.db.connection() as conn:
        check_bureau(conn, city, asker)
        if conn.execute(TAKEN, (scheme, period)).fetchone() is not None:
            raise Conflict("assessment.taken", Text(zh=f"{period} 已经有这一轮考核", en=f"There is a round for {period} already"), Text(zh="打开那一轮", en="Open that one"), f"{scheme}:{period}")
        row = conn.execute(ADD, (scheme, Jsonb(found.model_dump(mode="json")), period, now(), asker.label)).fetchone()
        assert row is not None
        append(conn, kind="assessment.opened", actor=asker.label, subject=f"assessment:{row['id']}", facts={"scheme": scheme, "period": period})
    work_out(city, asker, int(row["id"]))
    return find_round(city, asker, int(row["id"]))


def find_round(city: City, asker: Asker, number: int) -> Round:
    """A round; a draft is for the bureau alone. Raises `NotFound`, `Refused`."""
    require_staff(asker)
    row = city.db.one(ONE, (number,))
    if row is None or (row["state"] == "draft" and not _keeps(city, asker)):
        raise not_found(Text(zh="考核", en="round of assessment"), str(number))
    return _round(row)


def list_rounds(city: City, asker: Asker) -> list[Round]:
    """The rounds, the newest first; drafts only for the bureau."""
    require_staff(asker)
    return [_round(row) for row in city.db.all(LIST, {"all": _keeps(city, asker)})]


def _keeps(city: City, asker: Asker) -> bool:
    with city.db.connection() as conn:
        return keeps_plan(conn, city, asker)


def _round(row: Mapping[str, Any]) -> Round:
    return Round(row["id"], read_scheme(row["body"]), row["period"], row["state"], row["opened"], row["published"], row["appeals_until"], row["closed"])


def subjects_of(city: City, scheme: Scheme) -> list[str]:
    """The units that are assessed."""
    if scheme.subjects == "county":
        return [one.code for one in find_units(city, kind="county", limit=500)[0]]
    return list(scheme.subjects)


def work_out(city: City, asker: Asker, number: int) -> int:
    """Work out every point anew; what differs is a further revision, the old ones stay. Gives how many changed.

    Raises `Conflict` for a round that is final, and what the door says where a query may not be read.
    """
    round_ = find_round(city, asker, number)
    if round_.state == "final":
        raise Conflict("assessment.final", Text(zh="考核已定，不再计算", en="The round is final and is not worked out again"), Text(zh="下一期再改办法", en="Change the scheme for the next period"), str(number))
    subjects = subjects_of(city, round_.scheme)
    values = {one.code: _values(city, round_, one, subjects) for one in round_.scheme.items}
    with city.db.connection() as conn:
        check_bureau(conn, city, asker)
        changed = _keep_points(conn, round_, subjects, values)
        if changed:
            append(conn, kind="assessment.worked-out", actor=asker.label, subject=f"assessment:{number}", facts={"changed": changed})
    return changed


Values = dict[str, tuple[float | None, dict[str, Any]]]


def _values(city: City, round_: Round, item: Criterion | Change, subjects: Iterable[str]) -> Values:
    """The value of each unit for one item, with where it came from."""
    if item.sql:
        return _queried(city, round_, item, subjects)
    if isinstance(item, Criterion) and item.measure == "tasks":
        return _of_tasks(city, subjects)
    if isinstance(item, Criterion) and item.measure == "reports":
        return _of_reports(city, round_, subjects)
    return {unit: (None, {"from": "marks"}) for unit in subjects}


def _queried(city: City, round_: Round, item: Criterion | Change, subjects: Iterable[str]) -> Values:
    params = {name: value for name, value in (("year", parse_period(round_.period).year), ("period", round_.period)) if f"${name}" in item.sql}
    answer = ask(city, SYSTEM, Question(item.sql, "assessment", params, rows=5000, via="indicators"))
    if missing := sorted({"unit", "value"} - set(answer.table.column_names)):
        raise BadInput("assessment.columns", Text(zh=f"查询没有这些列：{'、'.join(missing)}", en=f"The query lacks the columns {', '.join(missing)}"), Text(zh="查询要给出 unit 和 value", en="A query gives unit and value"), item.code)
    rows = {str(row["unit"]): row["value"] for row in answer.table.to_pylist()}
    basis = {"from": "query", "sql": item.sql, "params": params, "digest": answer.digest, "snapshots": dict(answer.snapshots)}
    return {unit: (None if rows.get(unit) is None else float(rows[unit]), basis) for unit in subjects}


def _of_tasks(city: City, subjects: Iterable[str]) -> Values:
    """The weighted percent of the tasks that a unit leads."""
    stood = standings(city)
    found: Values = {}
    for unit in subjects:
        broken = {task.parent for one in stood for task in one.tasks if task.parent is not None}
        mine = [task for one in stood for task in one.tasks if task.unit == unit and task.id not in broken]
        told = [{"task": task.id, "project": task.project, "title": task.title.zh[:60], "percent": task.percent, "weight": task.weight} for task in mine]
        found[unit] = (percent_of((task.percent, task.weight) for task in mine), {"from": "tasks", "tasks": told})
    return found


def _of_reports(city: City, round_: Round, subjects: Iterable[str]) -> Values:
    """The share of a unit's progress reports of the period that were given in time, in percent."""
    asked = [one for one in list_reports(city, SYSTEM) if one.period.startswith(round_.period)]
    found: Values = {}
    for unit in subjects:
        mine = [one for one in asked if one.unit == unit]
        told = [{"case": one.case_number, "period": one.period, "late": one.late} for one in mine]
        found[unit] = (100 * sum(not one.late for one in mine) / len(mine) if mine else None, {"from": "reports", "reports": told})
    return found


def _keep_points(conn: Connection, round_: Round, subjects: list[str], values: Mapping[str, Values]) -> int:
    standing = {(row["unit"], row["item"]): row for row in conn.execute(NEWEST, (round_.id,)).fetchall()}
    marks = [dict(row) for row in conn.execute(MARKS, (round_.id,)).fetchall()]
    changed = 0
    for item in round_.scheme.items:
        for unit in subjects:
            mine = [mark for mark in marks if (mark["unit"], mark["item"]) == (unit, item.code)]
            scored, basis = _scored(item, values[item.code], unit, mine)
            old = standing.get((unit, item.code))
            if old is None or float(old["points"]) != scored.points or old["basis"] != basis:
                most = item.points if isinstance(item, Criterion) else item.most
                conn.execute(KEEP, (round_.id, unit, item.code, 1 if old is None else old["revision"] + 1, scored.points, most, Jsonb(basis), now()))
                changed += 1
    return changed


def _scored(item: Criterion | Change, values: Values, unit: str, marks: list[dict[str, Any]]) -> tuple[Scored, dict[str, Any]]:
    """The points of a unit for one item with their basis; what an appeal changed stands above everything else."""
    value, source = values[unit]
    given = [mark for mark in marks if mark["kind"] == "mark"]
    if isinstance(item, Change):
        scored = count(item, (value or 0.0) + sum(float(mark["points"]) for mark in given))
    elif item.measure == "manual":
        points = float(given[-1]["points"]) if given else 0.0
        scored = Scored(points, f"{points:g}")
    else:
        scored = score(item, {one: told for one, (told, _) in values.items()}, unit)
    basis: dict[str, Any] = {**source, "value": value, "sum": scored.sum, "marks": [_told(mark) for mark in given]}
    decided = [mark for mark in marks if mark["kind"] == "appeal"]
    if decided:
        basis |= {"before": scored.points, "appeal": _told(decided[-1])}
        scored = Scored(float(decided[-1]["points"]), scored.sum)
    return scored, basis


def _told(mark: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": mark["id"], "points": float(mark["points"]), "reason": mark["reason"], "case": mark["case_number"], "by": mark["maker"], "at": mark["at"].isoformat()}


def mark(city: City, asker: Asker, number: int, unit: str, item: str, points: float, reason: str) -> int:
    """Give points by hand: those of a manual criterion, or how many times a deduction or bonus applies; only while it is a draft.

    Raises `NotFound`, `Refused`, `Conflict` for a round that was published, `BadInput` for points or a reason that do not fit.
    """
    round_ = find_round(city, asker, number)
    found = round_.scheme.item(item)
    if unit not in subjects_of(city, round_.scheme) or found is None or (isinstance(found, Criterion) and found.measure != "manual"):
        raise not_found(Text(zh="可以打分的考核项", en="item to be marked"), f"{unit} {item}"[:80])
    most = found.points if isinstance(found, Criterion) else 100.0
    if not 0 <= points <= most or not 2 <= len(reason.strip()) <= LONGEST:
        raise BadInput("assessment.mark", Text(zh="分数或理由不合规", en="Points or reason do not fit"), Text(zh=f"0 到 {most:g}；理由必填", en=f"From 0 to {most:g}; a reason is needed"), item)
    with city.db.connection() as conn:
        check_bureau(conn, city, asker)
        _check_draft(round_)
        row = conn.execute(ADD_MARK, (number, unit, item, "mark", points, reason.strip(), None, asker.label, now())).fetchone()
        append(conn, kind="assessment.marked", actor=asker.label, subject=f"assessment:{number}", facts={"unit": unit, "item": item, "points": points})
    work_out(city, asker, number)
    return int(row["id"]) if row else 0


def undo_mark(city: City, asker: Asker, number: int, id_: int) -> None:
    """Take a mark back that was given by hand, while it is a draft; it stays in the history."""
    round_ = find_round(city, asker, number)
    with city.db.connection() as conn:
        check_bureau(conn, city, asker)
        _check_draft(round_)
        row = conn.execute(UNDO, (now(), asker.label, id_, number)).fetchone()
        if row is None:
            raise not_found(Text(zh="打分", en="mark"), str(id_))
        append(conn, kind="assessment.mark-undone", actor=asker.label, subject=f"assessment:{number}", facts={"mark": id_, "unit": row["unit"], "item": row["item"]})
    work_out(city, asker, number)


def keep_decided(conn: Connection, number: int, unit: str, item: str, points: float, reason: str, case: str, by: str) -> None:
    """Let the points of an item be what an appeal decided: a further revision, with the points before and the reason in its basis."""
    row = conn.execute(ADD_MARK, (number, unit, item, "appeal", points, reason, case, by, now())).fetchone()
    old = conn.execute(f"SELECT * FROM ({NEWEST}) AS newest WHERE unit = %s AND item = %s", (number, unit, item)).fetchone()
    assert row is not None and old is not None
    given = {"id": row["id"], "points": points, "reason": reason, "case_number": case, "maker": by, "at": row["at"]}
    basis = {**old["basis"], "before": old["basis"].get("before", float(old["points"])), "appeal": _told(given)}
    conn.execute(KEEP, (number, unit, item, old["revision"] + 1, points, old["most"], Jsonb(basis), now()))


def _check_draft(round_: Round) -> None:
    if round_.state != "draft":
        raise Conflict("assessment.published", Text(zh="已经公布，分数只能经申诉改", en="It was published; points change only by an appeal"), Text(zh="由被考核单位申诉", en="The assessed unit may appeal"), str(round_.id))


def publish(city: City, asker: Asker, number: int, *, at: datetime | None = None) -> Round:
    """Publish a draft (公布): units see it and may appeal for the working days that the scheme says."""
    moment = at or now()
    work_out(city, asker, number)
    round_ = find_round(city, asker, number)
    _check_draft(round_)
    with city.db.connection() as conn:
        until = add_working_days(moment, round_.scheme.appeal_days).at
        conn.execute(STATE, ("published", moment, until, None, number))
        append(conn, kind="assessment.published", actor=asker.label, subject=f"assessment:{number}", facts={"digest": digest_of(conn, number)})
        for unit in subjects_of(city, round_.scheme):
            text = Text(zh=f"考核结果公布：{round_.scheme.title.zh}（{round_.period}），{until:%m月%d日}前可申诉", en=f"Published: {round_.scheme.title.in_('en')} ({round_.period}); appeals until {until:%d %b}")
            tell(conn, colleagues(conn, unit), moment, text, f"/assessment/{number}/{unit}")
        defer(conn, "indicators.plan-to-lake", once="indicators.plan-to-lake")
    return find_round(city, asker, number)


def close(city: City, asker: Asker, number: int, *, at: datetime | None = None) -> Round:
    """Let it be final (定档): when the time for appeals is over and each was decided. Raises `Conflict` saying what is missing."""
    moment = at or now()
    round_ = find_round(city, asker, number)
    with city.db.connection() as conn:
        check_bureau(conn, city, asker)
        waiting = conn.execute(OPEN_APPEALS, (number,)).fetchone()
        if round_.state != "published" or round_.appeals_until is None or moment < round_.appeals_until or (waiting and waiting["n"]):
            left = int(waiting["n"]) if waiting else 0
            raise Conflict(
                "assessment.not-yet", Text(zh=f"还不能定：公布后申诉期满、申诉办结才行（未结申诉 {left} 件）", en=f"Not yet: it is final once it was published, the time for appeals is over and each was decided ({left} open)"),
                Text(zh="先公布，或等申诉期满、办结申诉", en="Publish it, or wait and decide the appeals"), str(number),
            )  # fmt: skip
        conn.execute(STATE, ("final", None, None, moment, number))
        append(conn, kind="assessment.final", actor=asker.label, subject=f"assessment:{number}", facts={"digest": digest_of(conn, number)})
        defer(conn, "indicators.plan-to-lake", once="indicators.plan-to-lake")
    return find_round(city, asker, number)


def digest_of(conn: Connection, number: int) -> str:
    """The SHA-256 of all points of a round as they stand, for the ledger."""
    rows = [[row["unit"], row["item"], float(row["points"]), row["revision"]] for row in conn.execute(NEWEST, (number,)).fetchall()]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def league(city: City, round_: Round) -> list[Row]:
    """The league table (排名), the first first."""
    found: dict[str, dict[str, Points]] = {unit: {} for unit in subjects_of(city, round_.scheme)}
    for row in city.db.all(NEWEST, (round_.id,)):
        found.setdefault(row["unit"], {})[row["item"]] = _points(row)
    totals = {unit: round(sum(one.points for one in points.values()), 2) for unit, points in found.items()}
    order = ranks(totals)
    return sorted((Row(unit, order[unit], totals[unit], points) for unit, points in found.items()), key=lambda row: (row.rank, row.unit))


def history_of(city: City, round_: Round, unit: str) -> dict[str, list[Points]]:
    """Every revision of every point of a unit, the first first, by item."""
    found: dict[str, list[Points]] = {}
    for row in city.db.all(HISTORY, (round_.id, unit)):
        found.setdefault(row["item"], []).append(_points(row))
    return found


def _points(row: Mapping[str, Any]) -> Points:
    return Points(row["unit"], row["item"], float(row["points"]), float(row["most"]), row["revision"], row["basis"], row["at"])
