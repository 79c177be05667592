"""Differentially private answers (差分隐私): figures with noise, paid for from the room's budget, drawn once per question."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa  # type: ignore[import-untyped]
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.sandbox.bodies import Body, body_of, digest_of
from sanqu.sandbox.bounded import MOST_ROWS, Bounded, Output, Part, bounded
from sanqu.sandbox.checks import SideQueries
from sanqu.sandbox.inside import Entered, enter, note, refuse_closed, resolved, run, sources_of, take_quotas, unknown_shape
from sanqu.sandbox.noise import Noise, noise_for, with_noise
from sanqu.sandbox.records import Result, Room, plainly
from sanqu.sandbox.results import result_by_id
from sanqu.sandbox.rooms import room_on_record, room_to_work_in
from sanqu.sandbox.shape import Unclear, read_shape
from sanqu.sharing.evidence import digest_of_text
from sanqu.sharing.rewrite import MARK

MOST_GROUPS = 1000
ASKED_BEFORE = "SELECT id FROM sandbox_result WHERE room = %s AND question = %s AND snapshots = %s"
SPEND = """
UPDATE sandbox_room SET budget_left = budget_left - %(epsilon)s
WHERE id = %(room)s AND state = 'open' AND budget_left >= %(epsilon)s RETURNING budget_left
"""
ADD = """
INSERT INTO sandbox_result (id, room, person, kind, purpose, asked, datasets, state, cause, salt, body, digest, rows, question,
                            snapshots, epsilon)
VALUES (%(id)s, %(room)s, %(person)s, 'private', %(purpose)s, %(asked)s, %(datasets)s, 'passed', %(cause)s, %(salt)s, %(body)s,
        %(digest)s, %(rows)s, %(question)s, %(snapshots)s, %(epsilon)s)
ON CONFLICT (room, question, snapshots) WHERE question IS NOT NULL DO NOTHING RETURNING id
"""


class Private(BaseModel):
    """A question for figures with noise: the query, what it costs, and how much one subject may add to it."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Given(max_length=100_000, description="count、sum、avg 的一条 SELECT · one SELECT of count, sum and avg")
    purpose: str = Given(default="", max_length=200)
    epsilon: Decimal | None = Given(
        default=None, ge=Decimal("0.001"), le=10, decimal_places=6, description="花费的 ε；不写用房间的 · what it costs"
    )
    bounds: dict[str, tuple[float, float]] = Given(
        default={}, description="求和、平均的数据项的上下界 · lower and upper bound of each item added up"
    )
    rows: int = Given(default=1, ge=1, le=MOST_ROWS, description="每个主体最多算几行 · rows of one subject that count")
    groups: tuple[tuple[str, ...], ...] = Given(
        default=(), max_length=MOST_GROUPS, description="公开已知的分组 · the groups to be told, known to all beforehand"
    )


@dataclass(frozen=True)
class Cost:
    """What a private question would cost, what would be left, and how far each figure is from the truth (95 %)."""

    epsilon: Decimal
    left: Decimal
    within: Mapping[str, float]


@dataclass(frozen=True)
class _Prepared:
    entered: Entered
    side: SideQueries
    figures: Bounded
    epsilon: Decimal
    groups: tuple[tuple[str, ...], ...]
    noises: tuple[Noise, ...]

    @property
    def within(self) -> dict[str, float]:
        """How far each figure is from the truth at most, 95 times in 100; of a mean, its sum and its count."""
        parts, found = self.figures.parts, {}
        for one in self.figures.outputs:
            if one.kind == "avg":
                found[f"{one.name}: sum"] = self.noises[one.at].within * parts[one.at].unit
                found[f"{one.name}: n"] = self.noises[one.at + 1].within
            elif one.kind != "key":
                found[one.name] = self.noises[one.at].within * parts[one.at].unit
        return found


def price_in_room(city: City, asker: Asker, number: int, said: Private) -> Cost:
    """What a private question would cost and how exact it would be; nothing is read and nothing spent."""
    prepared = _prepare(city, asker, number, said)
    return Cost(prepared.epsilon, prepared.entered.room.budget_left - prepared.epsilon, prepared.within)


def ask_privately(city: City, asker: Asker, number: int, said: Private) -> tuple[Result, bool]:
    """A private answer, and whether it was paid for now; the same question over the same rows gives the answer it gave before.

    Raises the door's refusal where the law closes what is read, `BadInput` for a query that no bounds can be put to, and
    `Conflict` where the room's budget does not pay for it.
    """
    prepared = _prepare(city, asker, number, said)
    entered = prepared.entered
    key = (entered.room.id, _question(prepared), Jsonb(_moment(entered)))
    before = city.db.one(ASKED_BEFORE, key)
    if before is not None:
        return result_by_id(city, UUID(str(before["id"]))), False
    if entered.room.budget_left < prepared.epsilon:
        raise _spent(entered.room, prepared.epsilon)
    body = body_of(_draw(prepared, _count(city, prepared)), False)
    id_ = _pay_and_keep(city, prepared, said, body, key)
    if id_ is not None:
        return result_by_id(city, id_), True
    # Somebody else has just asked the same, or has spent what was left.
    again = city.db.one(ASKED_BEFORE, key)
    if again is None:
        raise _spent(room_on_record(city, number), prepared.epsilon)
    return result_by_id(city, UUID(str(again["id"]))), False


def _pay_and_keep(city: City, prepared: _Prepared, said: Private, body: Body, key: tuple[int, str, Jsonb]) -> UUID | None:
    """Spend and keep in one transaction, or neither; None where the budget does not pay or the answer is there already."""
    salt = secrets.token_bytes(32)
    note(city, prepared.entered, body.table, digest_of(salt, body))
    with city.db.connection() as conn:
        # The room's row is locked from here on: of two questions at once the second finds what the first has left.
        paid = conn.execute(SPEND, {"room": prepared.entered.room.id, "epsilon": prepared.epsilon}).fetchone()
        id_ = _keep(conn, prepared, said, body, salt, key) if paid is not None else None
        if paid is None or id_ is None:
            conn.rollback()
            return None
        _append(conn, prepared, said, id_, Decimal(paid["budget_left"]), digest_of(salt, body))
    return id_


def _prepare(city: City, asker: Asker, number: int, said: Private) -> _Prepared:
    room = room_to_work_in(city, asker, number)
    entered = enter(city, room, asker.user_id or 0, said.purpose, said.sql)
    refuse_closed(city, entered)
    if not entered.guarded:
        raise unknown_shape("opening=unconditional")
    sources = sources_of(city, entered)
    try:
        side = SideQueries(read_shape(resolved(entered, sources), sources, entered.uploads, coarse=False), sources)
        groups = tuple(dict.fromkeys(said.groups))
        figures = bounded(side, said.bounds, said.rows, groups)
    except Unclear as unclear:
        raise unknown_shape(unclear.what) from unclear
    epsilon = said.epsilon or room.epsilon
    each = float(epsilon) / len(figures.parts)
    return _Prepared(
        entered, side, figures, epsilon, groups or ((),), tuple(noise_for(part.most, each) for part in figures.parts)
    )


def _question(prepared: _Prepared) -> str:
    """What makes two questions one: the text that counts, the noise, and the groups."""
    said = [prepared.figures.text.replace(MARK, "table"), plainly(prepared.epsilon)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _moment(entered: Entered) -> dict[str, Any]:
    """Which rows it is asked of: the snapshot of every dataset, and when each upload came."""
    return {**entered.snapshots, **{f"my_{one.name}": one.created.isoformat() for one in entered.uploads}}


def _count(city: City, prepared: _Prepared) -> dict[tuple[str, ...], list[int]]:
    take_quotas(city, prepared.entered, 1)
    (ran,) = run(city, prepared.entered, [(prepared.figures.text, MOST_GROUPS + 1)], prepared.side.params)
    figures = prepared.figures
    rows = ran.table.to_pylist()
    parts = range(len(figures.parts))
    return {tuple(row[f"k{at}"] for at in range(figures.keys)): [int(row[f"p{at}"] or 0) for at in parts] for row in rows}


def _draw(prepared: _Prepared, counted: Mapping[tuple[str, ...], Sequence[int]]) -> pa.Table:
    """The answer: every group that was asked for, whether it has rows or not, each number with noise."""
    figures = prepared.figures
    groups = prepared.groups
    noisy = [
        with_noise([counted[group][at] if group in counted else 0 for group in groups], noise)
        for at, noise in enumerate(prepared.noises)
    ]
    return pa.table({one.name: _column(one, groups, noisy, figures.parts) for one in figures.outputs})


def _column(one: Output, groups: Sequence[tuple[str, ...]], noisy: Sequence[Sequence[int]], parts: Sequence[Part]) -> list[Any]:
    if one.kind == "key":
        return [group[one.at] for group in groups]
    if one.kind == "count":
        return list(noisy[one.at])
    sums = [value * parts[one.at].unit for value in noisy[one.at]]
    if one.kind == "sum":
        return sums
    low, high = one.bounds
    return [min(max(total / max(count, 1), low), high) for total, count in zip(sums, noisy[one.at + 1], strict=True)]


def _spent(room: Room, epsilon: Decimal) -> Conflict:
    return Conflict(
        "sandbox.budget",
        Text(
            zh=f"房间的隐私预算不够：还剩 {plainly(room.budget_left)}，这次要 {plainly(epsilon)}",
            en=f"The room's privacy budget does not pay for this: {plainly(room.budget_left)} is left, this costs {plainly(epsilon)}",
        ),
        Text(
            zh="用更小的 ε，或再看已有的答案；预算用完后不再给有噪声的答案",
            en="Ask with a smaller epsilon, or look at the answers there are; a budget is not filled up again",
        ),
        str(room.id),
        facts={"left": plainly(room.budget_left), "epsilon": plainly(epsilon)},
    )


def _keep(
    conn: Connection, prepared: _Prepared, said: Private, body: Body, salt: bytes, key: tuple[int, str, Jsonb]
) -> UUID | None:
    entered = prepared.entered
    asked = said.model_dump(mode="json") | {"epsilon": plainly(prepared.epsilon)}
    row = conn.execute(
        ADD,
        {
            "id": uuid4(), "room": entered.room.id, "person": entered.asker.person, "purpose": entered.purpose,
            "asked": Jsonb(asked), "datasets": sorted(table.dataset for table in entered.guarded),
            "cause": Jsonb({"rule": "private", "within": prepared.within}), "salt": salt, "body": body.data,
            "digest": digest_of(salt, body), "rows": body.rows, "question": key[1], "snapshots": key[2],
            "epsilon": prepared.epsilon,
        },
    ).fetchone()  # fmt: skip
    return UUID(str(row["id"])) if row else None


def _append(conn: Connection, prepared: _Prepared, said: Private, id_: UUID, left: Decimal, digest: str) -> None:
    entered = prepared.entered
    facts = {
        "result": str(id_), "kind": "private", "state": "passed", "rule": "private", "purpose": entered.purpose,
        "datasets": sorted(table.dataset for table in entered.guarded), "query": digest_of_text(said.sql), "digest": digest,
        "epsilon": plainly(prepared.epsilon), "left": plainly(left),
    }  # fmt: skip
    append(conn, kind="sandbox.spend", actor=entered.asker.label, subject=f"room:{entered.room.id}", facts=facts)
