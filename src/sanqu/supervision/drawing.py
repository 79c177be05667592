"""Draws (抽取): the lists are frozen and committed to in the ledger, then drawn from; nothing is drawn twice in secret."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict
from datetime import datetime
from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, NotFound, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append, integrate, read_entries
from sanqu.ground.ledger.proof import prove
from sanqu.ground.people.askers import Asker
from sanqu.supervision.draw import Drawn, canonical, commitment_of, digest_of, draw
from sanqu.supervision.plans import find_plan, prepare
from sanqu.supervision.records import Draw, DrawState, Plan
from sanqu.supervision.registers import check_runs

SHORTEST_REASON = 5
LONGEST_WITNESS = 200

ADD = """
INSERT INTO supervision_draw (plan, round, state, lists, names, digest, seed, commitment, committed, committed_by)
VALUES (%(plan)s, %(round)s, 'committed', %(lists)s, %(names)s, %(digest)s, %(seed)s, %(commitment)s, %(at)s, %(by)s)
"""
NEXT_ROUND = "SELECT coalesce(max(round), 0) + 1 AS n FROM supervision_draw WHERE plan = %s"
ANCHOR = "UPDATE supervision_draw SET committed_proof = %s WHERE plan = %s AND round = %s"
STANDING = "SELECT * FROM supervision_draw WHERE plan = %s AND state <> 'void' FOR UPDATE"
DRAWN = """
UPDATE supervision_draw SET state = 'drawn', witness = %(witness)s, result = %(result)s, drawn = %(at)s, drawn_by = %(by)s
WHERE plan = %(plan)s AND round = %(round)s
"""
VOID = """
UPDATE supervision_draw SET state = 'void', reason = %(reason)s, voided = %(at)s, voided_by = %(by)s WHERE plan = %(plan)s AND round = %(round)s
"""
ADD_INSPECTION = """
INSERT INTO supervision_inspection (number, plan, round, target, name, county, kind, grade, inspectors, drawn, changed, sample)
VALUES (%(number)s, %(plan)s, %(round)s, %(target)s, %(name)s, %(county)s, %(kind)s, %(grade)s, %(inspectors)s, %(at)s, %(at)s, %(sample)s)
"""
BEGUN = "SELECT 1 FROM supervision_inspection WHERE plan = %s AND round = %s AND state NOT IN ('drawn', 'notified', 'void') LIMIT 1"
COLUMNS = """d.plan, d.round, d.state, d.digest, d.commitment, d.committed, d.committed_by, d.committed_proof IS NOT NULL AS anchored,
    CASE WHEN d.state = 'committed' THEN '' ELSE encode(d.seed, 'hex') END AS seed, d.witness,
    jsonb_array_length(d.lists::jsonb -> 'targets') AS targets, jsonb_array_length(d.lists::jsonb -> 'inspectors') AS inspectors,
    jsonb_array_length(d.lists::jsonb -> 'left_out') AS left_out, coalesce(jsonb_array_length(d.result), 0) AS taken,
    d.drawn, d.voided, d.reason"""
OF_PLAN = f"SELECT {COLUMNS} FROM supervision_draw d WHERE d.plan = %s ORDER BY d.round DESC"
ALL = f"SELECT {COLUMNS}, p.title, p.unit FROM supervision_draw d JOIN supervision_plan p ON p.number = d.plan ORDER BY d.committed DESC LIMIT %s OFFSET %s"
COUNT = "SELECT count(*) AS n FROM supervision_draw"


def commit_draw(city: City, asker: Asker, number: str, *, at: datetime | None = None) -> Draw:
    """Freeze the lists of a plan as they stand now, and commit in the ledger to them and to a secret seed.

    When this returns, the commitment stands in the ledger under a signed checkpoint. Raises `NotFound`, `Refused` for others
    than stewards of the unit in the lead, `Conflict` while a draw of the plan stands or nobody could be drawn, and as the door does.
    """
    at = at or now()
    plan = find_plan(city, asker, number)
    try:
        with city.db.connection() as conn:
            check_runs(conn, asker, plan.unit)
            made = prepare(city, conn, asker, plan, at)
            seed, digest = secrets.token_bytes(32), digest_of(made.lists)
            commitment = commitment_of(seed, digest)
            row = conn.execute(NEXT_ROUND, (number,)).fetchone()
            round_ = int(row["n"]) if row else 1
            conn.execute(
                ADD,
                {
                    "plan": number, "round": round_, "lists": canonical(made.lists), "names": Jsonb(made.names), "digest": digest,
                    "seed": seed, "commitment": commitment, "at": at, "by": asker.label,
                },
            )  # fmt: skip
            facts = {
                "round": round_, "digest": digest, "commitment": commitment, "targets": len(made.lists["targets"]),
                "left_out": len(made.lists["left_out"]), "inspectors": len(made.lists["inspectors"]), "quota": sum(made.lists["quota"].values()),
            }  # fmt: skip
            append(conn, kind="supervision.committed", actor=asker.label, subject=f"plan:{number}", facts=facts)
    except UniqueViolation as fault:
        raise Conflict(
            "supervision.standing", Text(zh="这个计划已有一次抽取", en="A draw of this plan stands already"),
            Text(zh="用已有的抽取；确有错误的，写明理由作废后再抽，两次都会公开", en="Use it; where it is wrong, void it with a reason first: both stay public"), number,
        ) from fault  # fmt: skip
    anchor(city, number, round_)
    return draws_of(city, plan)[0]


def anchor(city: City, number: str, round_: int) -> None:
    """Keep the proof that the commitment stands in the ledger, under the checkpoint that is newest now; once."""
    entry = entry_of(city, number, round_, "supervision.committed")
    with city.db.connection() as conn:
        conn.execute(ANCHOR + " AND committed_proof IS NULL", (Jsonb(asdict(prove(city, entry))), number, round_))


def entry_of(city: City, number: str, round_: int, kind: str) -> int:
    """The index of a draw's entry of this kind in the ledger; raises `NotFound`."""
    integrate(city)
    for entry in read_entries(city, kind=kind, subject=f"plan:{number}", limit=1000):
        if entry.facts.get("round") == round_:
            return entry.index
    raise not_found(Text(zh="账本条目", en="ledger entry"), f"{number}/{round_} {kind}")


def make_draw(city: City, asker: Asker, number: str, witness: str = "", *, at: datetime | None = None) -> Draw:
    """Draw from the committed lists, with the word of a witness said after the commitment, and reveal the seed.

    Raises `NotFound`, `Refused`, `BadInput` for a word that is too long, `Conflict` where nothing was committed to, the commitment
    is not in the ledger, or what is kept is not what was committed to.
    """
    at, witness = at or now(), " ".join(witness.split())
    if len(witness) > LONGEST_WITNESS or "\0" in witness:
        raise BadInput("supervision.witness", Text(zh="见证码太长", en="The witness's word is too long"), Text(zh=f"至多 {LONGEST_WITNESS} 个字符", en=f"At most {LONGEST_WITNESS} characters"))
    plan = find_plan(city, asker, number)
    with city.db.connection() as conn:
        check_runs(conn, asker, plan.unit)
        row = _standing(conn, number, "committed")
        if row["committed_proof"] is None:
            raise Conflict(
                "supervision.not-anchored", Text(zh="承诺还没有进入账本的检查点", en="The commitment is not under a checkpoint of the ledger yet"),
                Text(zh="先补记：再点一次“承诺”后的“存证”", en="Anchor it first"), number,
            )  # fmt: skip
        lists = _committed_lists(conn, number, row)
        drawn = draw(lists, bytes(row["seed"]), witness)
        result = [{"target": one.target, "group": one.group, "inspectors": list(one.inspectors)} for one in drawn]
        conn.execute(DRAWN, {"plan": number, "round": row["round"], "witness": witness, "result": Jsonb(result), "at": at, "by": asker.label})
        _add_inspections(conn, plan, row, drawn, at)
        facts = {
            "round": row["round"], "commitment": row["commitment"], "seed": bytes(row["seed"]).hex(), "witness": witness, "drawn": len(drawn),
            "result": hashlib.sha256(canonical(result).encode()).hexdigest(),
        }  # fmt: skip
        append(conn, kind="supervision.drawn", actor=asker.label, subject=f"plan:{number}", facts=facts)
    integrate(city)
    return draws_of(city, plan)[0]


def _standing(conn: Connection, number: str, state: DrawState) -> dict[str, Any]:
    row = conn.execute(STANDING, (number,)).fetchone()
    if row is None or row["state"] != state:
        raise Conflict(
            "supervision.state", Text(zh="这个计划没有等待抽取的承诺", en="Nothing is committed to that could be drawn"),
            Text(zh="先承诺；已抽的不能再抽", en="Commit first; what was drawn is not drawn again"), number,
            facts={"state": row["state"] if row else None},
        )  # fmt: skip
    return row


COMMITTED = """
SELECT 1 FROM ledger_entry WHERE kind = 'supervision.committed' AND subject = %(subject)s
    AND body::jsonb -> 'facts' ->> 'commitment' = %(commitment)s
"""


def _committed_lists(conn: Connection, number: str, row: dict[str, Any]) -> dict[str, Any]:
    """The lists, when they and the seed are those of the commitment in the ledger; raises `Conflict`."""
    lists: dict[str, Any] = json.loads(row["lists"])
    digest = digest_of(lists)
    commitment = commitment_of(bytes(row["seed"]), digest)
    told = conn.execute(COMMITTED, {"subject": f"plan:{number}", "commitment": commitment}).fetchone()
    if digest != row["digest"] or commitment != row["commitment"] or told is None:
        raise Conflict(
            "supervision.changed", Text(zh="名单或种子与账本里的承诺不符，不能抽取", en="The lists or the seed are not those of the commitment in the ledger"),
            Text(zh="写明理由作废，查清是谁改动，再重新承诺", en="Void it with that reason, find out who changed them, and commit anew"), number,
        )  # fmt: skip
    return lists


def _add_inspections(conn: Connection, plan: Plan, row: dict[str, Any], drawn: tuple[Drawn, ...], at: datetime) -> None:
    targets = {one["number"]: one for one in row["names"]["targets"]}
    staff = {one["number"]: one["id"] for one in row["names"]["inspectors"]}
    for place, one in enumerate(drawn, 1):
        told = targets[one.target]
        conn.execute(
            ADD_INSPECTION,
            {
                "number": f"{plan.number}-{row['round']}-{place:03d}", "plan": plan.number, "round": row["round"], "target": told["id"],
                "name": told["name"], "county": told["county"], "kind": told["kind"], "grade": told["grade"],
                "inspectors": [staff[each] for each in one.inspectors], "at": at, "sample": plan.sample,
            },
        )  # fmt: skip


def void_draw(city: City, asker: Asker, number: str, reason: str, *, at: datetime | None = None) -> Draw:
    """Declare a draw void, with a reason; it stays listed, and its seed is told, so that all see what it gave or would have given.

    Raises `Refused`, `BadInput` without a reason, `Conflict` where nothing stands or visits have begun.
    """
    at, reason = at or now(), reason.strip()
    if not SHORTEST_REASON <= len(reason) <= 1000:
        raise BadInput("supervision.reason", Text(zh="作废要写明理由", en="To void a draw needs a reason"), Text(zh="5 到 1000 个字符；会公开", en="From 5 to 1000 characters; it is public"))
    plan = find_plan(city, asker, number)
    with city.db.connection() as conn:
        check_runs(conn, asker, plan.unit)
        row = conn.execute(STANDING, (number,)).fetchone()
        if row is None or conn.execute(BEGUN, (number, row["round"])).fetchone():
            raise Conflict(
                "supervision.begun", Text(zh="没有可作废的抽取，或已经开始检查", en="No draw stands that could be void, or visits have begun"),
                Text(zh="已开始的检查照常办完", en="Visits that have begun go on"), number,
            )  # fmt: skip
        conn.execute(VOID, {"plan": number, "round": row["round"], "reason": reason, "at": at, "by": asker.label})
        conn.execute("UPDATE supervision_inspection SET state = 'void', changed = %s WHERE plan = %s AND round = %s", (at, number, row["round"]))
        facts = {"round": row["round"], "commitment": row["commitment"], "seed": bytes(row["seed"]).hex(), "was": row["state"]}
        append(conn, kind="supervision.void", actor=asker.label, subject=f"plan:{number}", facts=facts)
    integrate(city)
    return draws_of(city, plan)[0]


def draws_of(city: City, plan: Plan) -> list[Draw]:
    """All draws of a plan, void ones too, the newest first."""
    return [draw_from(row) for row in city.db.all(OF_PLAN, (plan.number,))]


def all_draws(city: City, limit: int = 50, offset: int = 0) -> tuple[list[tuple[Draw, str, str]], int]:
    """A page of all draws of the city with the title and unit of their plans, void ones too, for everybody; and how many there are."""
    counted = city.db.one(COUNT)
    rows = city.db.all(ALL, (limit, offset))
    return [(draw_from(row), str(row["title"]), str(row["unit"])) for row in rows], int(counted["n"]) if counted else 0


def find_draw(city: City, number: str, round_: int) -> dict[str, Any]:
    """The row of a draw; raises `NotFound`."""
    row = city.db.one("SELECT * FROM supervision_draw WHERE plan = %s AND round = %s", (number, round_))
    if row is None:
        raise NotFound("supervision.draw", Text(zh="没有这次抽取", en="There is no such draw"), Text(zh="抽取记录在 /inspections/draws", en="Draws are listed at /inspections/draws"), f"{number}/{round_}")
    return row


def draw_from(row: dict[str, Any]) -> Draw:
    """The draw in a row of `COLUMNS`."""
    return Draw(**{name: row[name] for name in Draw.__dataclass_fields__})
