"""Those who answer for the data look at what waits, and say whether it leaves; the member is told."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.sandbox.bodies import Body, body_of, digest_of
from sanqu.sandbox.checks import keep_told
from sanqu.sandbox.inside import Entered, enter, note, refuse_closed, run, take_quotas
from sanqu.sandbox.records import RESULT_COLUMNS, Result, result_of_row
from sanqu.sandbox.results import answers_for, body_on_record, check_of, fill, note_result, result_by_id, result_for, work_out
from sanqu.sandbox.rooms import room_on_record
from sanqu.sandbox.shape import Unclear
from sanqu.sandbox.training import train
from sanqu.sharing.differing import Told

WAITING = f"SELECT {RESULT_COLUMNS} FROM sandbox_result WHERE state = 'waiting' ORDER BY number LIMIT %s"
LOCK = "SELECT state FROM sandbox_result WHERE id = %s FOR UPDATE"
DECIDE = "UPDATE sandbox_result SET state = %s, cause = %s, decided = now() WHERE id = %s"
AGREE = "INSERT INTO sandbox_approval (result, dataset, actor) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
AGREED = "SELECT dataset FROM sandbox_approval WHERE result = %s"
MOST_WAITING = 200


def waiting_for(city: City, asker: Asker) -> list[Result]:
    """The results that wait for the asker's word, the oldest first."""
    found = [result_of_row(row) for row in city.db.all(WAITING, (MOST_WAITING,))]
    return [one for one in found if set(answers_for(city, asker, one)) - agreed(city, one)]


def agreed(city: City, result: Result) -> set[str]:
    """The datasets whose stewards have agreed."""
    return {str(row["dataset"]) for row in city.db.all(AGREED, (result.id,))}


def look_at(city: City, asker: Asker, id_: UUID) -> tuple[Result, Body]:
    """A waiting result as its stewards see it before they decide; worked out now where it was not before.

    Who answers for some of the data of a result sees what came of all of it: so only those who answer for all look.
    Raises `Refused` for others, and what the query or the training raises.
    """
    result, mine = result_for(city, asker, id_)
    if set(mine) != set(result.datasets):
        raise _not_yours(result)
    return result, _body(city, result)


def _body(city: City, result: Result) -> Body:
    """What a result holds; worked out now where it was not before."""
    kept = body_on_record(city, result)
    if kept is None:
        _work_out_now(city, result)
        kept = body_on_record(city, result)
    assert kept is not None
    return kept


def _work_out_now(city: City, result: Result) -> None:
    # The law of today decides, not that of the day it was asked.
    room = room_on_record(city, result.room)
    entered = enter(city, room, result.person, result.purpose, str(result.asked["sql"]))
    refuse_closed(city, entered)
    told: list[Told] = []
    if result.kind == "model":
        body = train(city, entered, result.asked)
    else:
        body, told = _rows_and_told(city, entered)
    note(city, entered, body.table if result.kind == "table" else None, digest_of(result.salt, body))
    with city.db.connection() as conn:
        fill(conn, result, body)
    # So that no later result differs by a few from this one. Where it differs so from an earlier one itself, the steward
    # decides about just that, and what was told before stands.
    keep_told(city, room, result.person, told)


def _rows_and_told(city: City, entered: Entered) -> tuple[Body, list[Told]]:
    """What a query gives and, where it is a table of figures, who stands behind them."""
    try:
        check = check_of(city, entered)
    except Unclear:
        return work_out(city, entered), []
    plan = entered.decision.plan
    assert plan is not None
    texts = check.texts_of_told()
    most = take_quotas(city, entered, city.settings.query_rows)
    *sides, main = run(city, entered, [*texts, (plan.sql, most)], {**plan.params, **check.side.params})
    try:
        return body_of(main.table, main.more), check.read_told([one.table for one in sides])
    except Refused:
        # More cells than can be held against others: such a result never passes by rule, nor does one like it.
        return body_of(main.table, main.more), []


def _not_yours(result: Result) -> Refused:
    return Refused(
        "sandbox.not-steward",
        Text(zh="只有数据的责任单位可以看和决定", en="Only those who answer for the data may look and decide"),
        Text(zh=f"责任数据集：{'、'.join(result.datasets)}", en=f"The datasets: {', '.join(result.datasets)}"),
        str(result.id),
    )


def approve(city: City, asker: Asker, id_: UUID, reason: str) -> Result:
    """Agree that a waiting result leaves, for the datasets one answers for; it leaves when all have agreed.

    Raises `Refused` for one who answers for none of them, `Conflict` for a result that does not wait.
    """
    result, mine = result_for(city, asker, id_)
    _check_decider(city, asker, result, mine)
    if set(mine) | agreed(city, result) == set(result.datasets):
        _body(city, result)
    with city.db.connection() as conn:
        _lock_waiting(conn, result)
        for dataset in mine:
            conn.execute(AGREE, (id_, dataset, asker.label))
        whole = {str(row["dataset"]) for row in conn.execute(AGREED, (id_,))} == set(result.datasets)
        if whole:
            conn.execute(DECIDE, ("approved", Jsonb({"rule": "steward", "reason": reason, "was": result.cause["rule"]}), id_))
        digest = conn.execute("SELECT digest FROM sandbox_result WHERE id = %s", (id_,)).fetchone()
        facts = {"reason": reason, "for": mine, "leaves": whole, "digest": digest["digest"] if digest and whole else None}
        note_result(conn, "sandbox.approve", asker.label, result, facts)
    return result_by_id(city, id_)


def refuse(city: City, asker: Asker, id_: UUID, reason: str) -> Result:
    """Refuse that a waiting result leaves; any of those who answer for its data may. Raises as `approve`."""
    result, mine = result_for(city, asker, id_)
    _check_decider(city, asker, result, mine)
    with city.db.connection() as conn:
        _lock_waiting(conn, result)
        conn.execute(DECIDE, ("refused", Jsonb({"rule": "steward", "reason": reason, "was": result.cause["rule"]}), id_))
        # What will never leave is not kept.
        conn.execute("UPDATE sandbox_result SET body = NULL, rows = NULL, digest = NULL WHERE id = %s", (id_,))
        note_result(conn, "sandbox.refuse", asker.label, result, {"reason": reason, "for": mine})
    return result_by_id(city, id_)


def _check_decider(city: City, asker: Asker, result: Result, mine: Sequence[str]) -> None:
    if not mine:
        raise _not_yours(result)
    if asker.user_id == result.person:
        raise Refused(
            "sandbox.own-result",
            Text(zh="不能批准自己的结果", en="Nobody decides about a result of their own"),
            Text(zh="请本单位的另一位数据管理员决定", en="Ask another steward of the unit"),
            str(result.id),
        )


def _lock_waiting(conn: Connection, result: Result) -> None:
    row = conn.execute(LOCK, (result.id,)).fetchone()
    if row is None or row["state"] != "waiting":
        raise Conflict(
            "sandbox.decided",
            Text(zh="这个结果不在等待批准", en="This result does not wait for anybody"),
            Text(zh="刷新列表看它的状态", en="Look at the list again for its state"),
            str(result.id),
        )
