"""What a question in a room comes to: a result that passes by rule, or waits for those who answer for the data."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from sanqu.catalog.records import dataset_by_key, unit_paths
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, SanquError, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.sandbox.bodies import Body, body_of, digest_of
from sanqu.sandbox.checks import Check, Failed, SideQueries, keep_told
from sanqu.sandbox.inside import Entered, enter, note, refuse_closed, resolved, run, sources_of, take_quotas
from sanqu.sandbox.records import RESULT_COLUMNS, Kind, Result, Room, State, result_of_row
from sanqu.sandbox.rooms import is_member, keeps, room_for, room_to_work_in
from sanqu.sandbox.shape import Unclear, read_shape
from sanqu.sharing.decide import Decision
from sanqu.sharing.differing import told_by
from sanqu.sharing.door import MOST_GROUPS
from sanqu.sharing.evidence import digest_of_text

ADD = f"""
INSERT INTO sandbox_result (id, room, person, kind, purpose, asked, datasets, state, cause, salt)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING {RESULT_COLUMNS}
"""
FILL = "UPDATE sandbox_result SET body = %s, digest = %s, rows = %s, more = %s WHERE id = %s AND body IS NULL"
SEE = "UPDATE sandbox_result SET seen = now() WHERE id = %s AND person = %s AND decided IS NOT NULL AND seen IS NULL"
NEWS = f"SELECT {RESULT_COLUMNS} FROM sandbox_result WHERE person = %s AND decided IS NOT NULL AND seen IS NULL ORDER BY decided DESC LIMIT 50"
ONE = f"SELECT {RESULT_COLUMNS} FROM sandbox_result WHERE id = %s"
BODY = "SELECT body, rows, more FROM sandbox_result WHERE id = %s"
OF_ROOM = f"SELECT {RESULT_COLUMNS} FROM sandbox_result WHERE room = %s ORDER BY number DESC LIMIT %s OFFSET %s"
# What a rule says by failing, said often enough, says what the figures would have said.
FAILED_TODAY = """
SELECT count(*) AS n FROM sandbox_result
WHERE room = %s AND created > now() - interval '1 day' AND coalesce(cause->>'was', cause->>'rule') = ANY(%s)
"""
TELLING = ["least", "parts", "dominance", "once", "differencing", "cells", "engine"]
MOST_FAILED = 30
RESULT = Text(zh="结果", en="result")


def ask_in_room(city: City, asker: Asker, number: int, sql: str, purpose: str = "") -> Result:
    """The result of a query in a room: passed by the automatic rules, or waiting for the stewards.

    Raises the door's refusal where the law closes what is read. What is no table of figures is not run before a steward
    looks: whether and how it fails would tell.
    """
    room = room_to_work_in(city, asker, number)
    entered = enter(city, room, asker.user_id or 0, purpose, sql)
    refuse_closed(city, entered)
    failed, body = judge(city, entered)
    cause: dict[str, str] = {"rule": failed.rule, "thing": failed.thing} if failed is not None else {"rule": "aggregate" if entered.guarded else "open"}  # fmt: skip
    return keep(city, entered, "table", {"sql": sql}, cause, body)


def explain_in_room(city: City, asker: Asker, number: int, sql: str, purpose: str = "") -> tuple[Decision, Failed | None]:
    """What the door would say, and whether the query has a shape that may pass without a steward; nothing runs."""
    room = room_to_work_in(city, asker, number)
    entered = enter(city, room, asker.user_id or 0, purpose, sql)
    if entered.decision.plan is None or not entered.guarded:
        return entered.decision, None
    try:
        check_of(city, entered)
    except Unclear as unclear:
        return entered.decision, Failed("shape", unclear.what)
    return entered.decision, None


def check_of(city: City, entered: Entered) -> Check:
    """The automatic rules over a query; raises `Unclear` for one that is no table of figures."""
    sources = sources_of(city, entered)
    return Check(entered.room, SideQueries(read_shape(resolved(entered, sources), sources, entered.uploads), sources))


def judge(city: City, entered: Entered) -> tuple[Failed | None, Body | None]:
    """Hold a query against the automatic rules and run it: the rule that failed, or what may leave."""
    if not entered.guarded:
        return None, work_out(city, entered)
    try:
        check = check_of(city, entered)
    except Unclear as unclear:
        return Failed("shape", unclear.what), None
    failed_today = city.db.one(FAILED_TODAY, (entered.room.id, TELLING))
    if failed_today is not None and failed_today["n"] >= MOST_FAILED:
        return Failed("tried"), None
    plan = entered.decision.plan
    assert plan is not None
    own = [(cells.sql, MOST_GROUPS) for cells in plan.cells]
    texts = [*check.texts(), *own, (plan.sql, take_quotas(city, entered, city.settings.query_rows))]
    try:
        # In one transaction: what is checked is what is given.
        ran = run(city, entered, texts, {**plan.params, **check.side.params})
        *sides, main = ran
        beside = len(texts) - len(own) - 1
        failed, told = check.read([one.table for one in sides[:beside]])
        told += [told_by(cells, one.table) for cells, one in zip(plan.cells, sides[beside:], strict=True)]
    except BadInput as fault:
        if fault.status != 422:
            raise
        return Failed("engine"), None
    except Refused:
        return Failed("cells"), None
    failed = failed or keep_told(city, entered.room, entered.asker.person, told)
    return failed, None if failed else body_of(main.table, main.more)


def work_out(city: City, entered: Entered) -> Body:
    """Run a query as the door rewrote it."""
    plan = entered.decision.plan
    assert plan is not None
    most = take_quotas(city, entered, city.settings.query_rows)
    (ran,) = run(city, entered, [(plan.sql, most)], plan.params)
    return body_of(ran.table, ran.more)


def keep(
    city: City, entered: Entered, kind: Kind, asked: Mapping[str, Any], cause: Mapping[str, str], body: Body | None
) -> Result:
    """Put a result on record, in the ledger too; with a body it has passed, without one it waits."""
    salt = secrets.token_bytes(32)
    state: State = "passed" if body is not None else "waiting"
    note(city, entered, body.table if body is not None and kind == "table" else None, digest_of(salt, body) if body else "")
    datasets = sorted(table.dataset for table in entered.guarded)
    given = (
        uuid4(), entered.room.id, entered.asker.person, kind, entered.purpose, Jsonb(dict(asked)), datasets, state,
        Jsonb(dict(cause)), salt,
    )  # fmt: skip
    with city.db.connection() as conn:
        row = conn.execute(ADD, given).fetchone()
        assert row is not None
        result = result_of_row(row)
        if body is not None:
            fill(conn, result, body)
        note_result(conn, "sandbox.result", entered.asker.label, result, {"state": state, **cause})
    return result_by_id(city, result.id)


def fill(conn: Connection, result: Result, body: Body) -> None:
    """Keep what a result holds; once."""
    conn.execute(FILL, (body.data, digest_of(result.salt, body), body.rows, body.more, result.id))


def note_result(conn: Connection, kind: str, actor: str, result: Result, facts: Mapping[str, Any]) -> None:
    """An entry about a result in the ledger: what it is, and the digest of what was asked."""
    said = {"result": str(result.id), "kind": result.kind, "datasets": list(result.datasets), "purpose": result.purpose,
            "query": digest_of_text(str(result.asked.get("sql", ""))), **facts}  # fmt: skip
    append(conn, kind=kind, actor=actor, subject=f"room:{result.room}", facts=said)


def result_by_id(city: City, id_: UUID) -> Result:
    """One result; raises `NotFound`."""
    row = city.db.one(ONE, (id_,))
    if row is None:
        raise not_found(RESULT, str(id_))
    return result_of_row(row)


def results_of(city: City, room: Room, limit: int = 50, offset: int = 0) -> list[Result]:
    """The results of a room, the newest first."""
    return [result_of_row(row) for row in city.db.all(OF_ROOM, (room.id, limit, offset))]


def answers_for(city: City, asker: Asker, result: Result) -> list[str]:
    """The datasets of a result that the asker answers for."""
    with city.db.connection() as conn:
        found = [(name, dataset_by_key(conn, name, ["admin"])) for name in result.datasets]
        paths = unit_paths(conn, [dataset.unit for _, dataset in found if dataset is not None])
    return [name for name, of in found if asker.may_steward(paths.get(of.unit, "/?/") if of is not None else "/?/")]


def result_for(city: City, asker: Asker, id_: UUID) -> tuple[Result, list[str]]:
    """A result and the datasets of it the asker answers for; for the room's people and for those. Raises `NotFound`."""
    result = result_by_id(city, id_)
    mine = answers_for(city, asker, result)
    if not mine:
        try:
            room_for(city, asker, result.room)
        except SanquError as fault:
            raise not_found(RESULT, str(id_)) from fault
    return result, mine


def take_out(city: City, asker: Asker, id_: UUID) -> tuple[Result, Body]:
    """A result that may leave, for the room's people; raises `Refused` for one that may not, `NotFound` for others."""
    result, _ = result_for(city, asker, id_)
    room = room_for(city, asker, result.room)
    if not (is_member(city, asker, room) or keeps(asker, room)) or not result.out:
        raise Refused(
            "sandbox.not-out",
            Text(zh="这个结果还不能离开房间", en="This result may not leave the room"),
            Text(
                zh="等责任单位批准；或改为每格主体足够多的汇总",
                en="Wait for the stewards, or ask for figures over enough subjects",
            ),
            str(id_),
            facts={"state": result.state, "cause": dict(result.cause)},
        )
    with city.db.connection() as conn:
        note_result(conn, "sandbox.export", asker.label, result, {"digest": result.digest})
    body = body_on_record(city, result)
    assert body is not None
    return result, body


def body_on_record(city: City, result: Result) -> Body | None:
    """What a result holds, where it was worked out."""
    row = city.db.one(BODY, (result.id,))
    if row is None or row["body"] is None:
        return None
    return Body(bytes(row["body"]), int(row["rows"] or 0), bool(row["more"]))


def news_for(city: City, asker: Asker) -> list[Result]:
    """The results of the asker that were decided about and that the asker has not looked at since: the note to the member."""
    return [result_of_row(row) for row in city.db.all(NEWS, (asker.user_id,))]


def mark_seen(city: City, asker: Asker, result: Result) -> None:
    """The asker has looked at a result: what was decided about it is no news any more."""
    with city.db.connection() as conn:
        conn.execute(SEE, (result.id, asker.user_id))
