"""Villages, communities and parks (村社、园区) as people meet them: whom one follows, notices, and votes of one person one vote."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from sanqu.cases.notices import tell
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.units import Unit, unit

MemberKind = Literal["resident", "villager", "enterprise"]
MEMBER_KINDS: tuple[MemberKind, ...] = ("resident", "villager", "enterprise")
MOST_NAMED = 6
PLACE_KINDS = ("village", "town", "department")
MOST_TOLD = 20_000
MOST_CHOICES, LONGEST_CHOICE, LONGEST_TITLE, LONGEST_TEXT, MOST_DAYS = 20, 100, 120, 8000, 60

FOLLOW = "INSERT INTO governance_member (person, unit, kind) VALUES (%s, %s, %s) ON CONFLICT (person, unit) DO UPDATE SET kind = excluded.kind, confirmed_by = CASE WHEN governance_member.kind = excluded.kind THEN governance_member.confirmed_by END"
NAMED = """
SELECT u.code, u.title_zh, coalesce(p.title_zh, '') AS town FROM org_unit u LEFT JOIN org_unit p ON p.code = u.parent
WHERE u.code = %(said)s OR u.kind = 'village' AND (strpos(u.title_zh, %(said)s) > 0 OR strpos(lower(u.title_en), lower(%(said)s)) > 0)
ORDER BY u.code LIMIT %(most)s
"""
LEAVE = "DELETE FROM governance_member WHERE person = %s AND unit = %s"
CONFIRM = "UPDATE governance_member SET confirmed_by = %s WHERE person = %s AND unit = %s RETURNING kind"
MINE = """
SELECT m.unit, m.kind, m.confirmed_by IS NOT NULL AS confirmed, u.title_zh, u.title_en
FROM governance_member m JOIN org_unit u ON u.code = m.unit WHERE m.person = %s ORDER BY m.unit
"""
UNCONFIRMED = """
SELECT m.person, m.kind, p.name FROM governance_member m JOIN person p ON p.id = m.person
WHERE m.unit = %s AND m.confirmed_by IS NULL ORDER BY m.person LIMIT 200
"""
ELECTORATE = "SELECT count(*) AS n FROM governance_member WHERE unit = %s AND confirmed_by IS NOT NULL AND kind <> 'enterprise'"
MAY_VOTE = "SELECT 1 FROM governance_member WHERE unit = %s AND person = %s AND confirmed_by IS NOT NULL AND kind <> 'enterprise'"
MEMBERS = "SELECT person FROM governance_member WHERE unit = %s LIMIT %s"
ADD_NOTICE = "INSERT INTO governance_notice (unit, title, text, actor, at) VALUES (%s, %s, %s, %s, %s) RETURNING id"
NOTICES = """
SELECT n.id, n.unit, n.title, n.text, n.at, u.title_zh, u.title_en FROM governance_notice n JOIN org_unit u ON u.code = n.unit
WHERE n.unit = ANY(%s) ORDER BY n.id DESC LIMIT %s OFFSET %s
"""
COUNT_NOTICES = "SELECT count(*) AS n FROM governance_notice WHERE unit = ANY(%s)"
ADD_VOTE = """
INSERT INTO governance_vote (unit, title, text, choices, secret, opened, until, actor) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
VOTE_COLUMNS = "v.id, v.unit, v.title, v.text, v.choices, v.secret, v.opened, v.until, v.closed, v.result"
VOTE = f"SELECT {VOTE_COLUMNS} FROM governance_vote v WHERE v.id = %s"
# Nobody votes between the last moment and the count: casting holds the row too.
HELD = f"{VOTE} FOR UPDATE"
CASTING = f"{VOTE} FOR SHARE"
VOTES = f"SELECT {VOTE_COLUMNS} FROM governance_vote v WHERE v.unit = ANY(%s) ORDER BY v.until DESC, v.id DESC LIMIT %s"
OVER = "SELECT id FROM governance_vote WHERE closed IS NULL AND until <= %s ORDER BY id"
ADD_VOTER = "INSERT INTO governance_voter (vote, person) VALUES (%s, %s)"
ADD_BALLOT = "INSERT INTO governance_ballot (id, vote, choice, person) VALUES (%s, %s, %s, %s)"
HAS_VOTED = "SELECT 1 FROM governance_voter WHERE vote = %s AND person = %s"
# By their receipts, which are drawn by chance: the order says nothing of when they were cast.
BALLOTS = """
SELECT b.id, b.choice, p.name FROM governance_ballot b LEFT JOIN person p ON p.id = b.person WHERE b.vote = %s ORDER BY b.id
"""
TURNOUT = "SELECT count(*) AS n FROM governance_voter WHERE vote = %s"
CLOSE = "UPDATE governance_vote SET closed = %s, result = %s WHERE id = %s"


@dataclass(frozen=True)
class Vote:
    """A vote (村务表决) of the people of a unit; `result` holds counts by choice, once it is over."""

    id: int
    unit: str
    title: str
    text: str
    choices: tuple[str, ...]
    secret: bool
    opened: datetime
    until: datetime
    closed: datetime | None
    result: dict[str, Any] | None


@dataclass(frozen=True)
class Ballot:
    """A ballot as the result page shows it; in an open vote with the name of who cast it."""

    receipt: UUID
    choice: int
    name: str | None


def may_run(asker: Asker, of: Unit) -> bool:
    """Whether the asker speaks for a unit: holds a role there, or is a steward above."""
    return of.code in asker.units or asker.may_steward(of.path)


def check_runs(asker: Asker, of: Unit) -> None:
    """Raise `Refused` unless the asker speaks for the unit."""
    if not may_run(asker, of):
        raise Refused(
            "governance.not-your-village",
            Text(zh="您不管理这个村社", en="You do not run this village"),
            Text(zh=f"请 {of.title.zh} 或上级的人来做", en=f"Somebody of {of.title.in_('en')} or above may do it"),
            of.code,
        )


def follow(city: City, asker: Asker, code: str, kind: MemberKind) -> None:
    """Follow a village, community or park, by its code or its name; whoever says to be of another kind is to be confirmed anew.

    Raises `NotFound`, `BadInput` for a name that several have, naming them with their towns.
    """
    of = _named(city, code.strip()[:100])
    if of.kind not in PLACE_KINDS:
        raise BadInput(
            "governance.follow",
            Text(zh="只能关注村社、乡镇街道或部门", en="One follows villages, towns and departments"),
            Text(zh="填村社的代码", en="Give the code of a village"),
            of.code,
        )
    with city.db.connection() as conn:
        conn.execute(FOLLOW, (asker.user_id, of.code, kind))


def _named(city: City, said: str) -> Unit:
    """The unit with that code, or the one village whose name holds what was said."""
    rows = city.db.all(NAMED, {"said": said, "most": MOST_NAMED + 1}) if said else []
    if exact := [row for row in rows if row["code"] == said or row["title_zh"] == said]:
        rows = exact
    if len(rows) > 1:
        names = "、".join(f"{row['town']}{row['title_zh']} {row['code']}" for row in rows[:MOST_NAMED])
        raise BadInput(
            "governance.several",
            Text(zh=f"有好几个叫这个名字：{names}", en=f"Several have this name: {names}"),
            Text(zh="写全名称，或填代码", en="Write the whole name, or the code"),
            said,
        )
    return unit(city, str(rows[0]["code"]) if rows else said)


def leave(city: City, asker: Asker, code: str) -> None:
    """Follow a unit no more."""
    with city.db.connection() as conn:
        conn.execute(LEAVE, (asker.user_id, code))


def memberships(city: City, asker: Asker) -> list[dict[str, Any]]:
    """What the asker follows: unit, kind, confirmed, titles."""
    return city.db.all(MINE, (asker.user_id,))


def unconfirmed(city: City, of: Unit) -> list[dict[str, Any]]:
    """Who waits to be confirmed as belonging to a unit: person, kind, name."""
    return city.db.all(UNCONFIRMED, (of.code,))


def confirm(city: City, actor: Asker, code: str, person: int) -> None:
    """Say that a person belongs to a unit, so that they may vote there; raises `Refused`, `NotFound`. Nobody confirms themselves."""
    of = unit(city, code)
    check_runs(actor, of)
    if person == actor.user_id:
        raise Refused(
            "governance.confirm-self",
            Text(zh="不能核实自己", en="Nobody confirms themselves"),
            Text(zh="请同事来核实", en="Ask a colleague"),
            code,
        )
    with city.db.connection() as conn:
        if conn.execute(CONFIRM, (actor.label, person, of.code)).fetchone() is None:
            raise not_found(Text(zh="待核实的人", en="person to be confirmed"), str(person))
        append(conn, kind="governance.member", actor=actor.label, subject=f"unit:{of.code}", facts={"person": person})


def publish_notice(city: City, actor: Asker, code: str, title: str, text: str) -> int:
    """Publish a notice (公告) to those who follow a unit; returns its number. Raises `Refused`, `BadInput`."""
    of = unit(city, code)
    check_runs(actor, of)
    _check_words(title, text)
    at = now()
    with city.db.connection() as conn:
        row = conn.execute(ADD_NOTICE, (of.code, title.strip(), text.strip(), actor.label, at)).fetchone()
        assert row is not None
        told = Text(zh=f"{of.title.zh}公告：{title.strip()}", en=f"Notice of {of.title.in_('en')}: {title.strip()}")
        tell(conn, _followers(conn, of), at, told, "/my#notices")
        append(conn, kind="governance.notice", actor=actor.label, subject=f"unit:{of.code}", facts={"notice": int(row["id"])})
        return int(row["id"])


def notices_in(city: City, units: Sequence[str], limit: int = 20, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """A page of the notices of units, the newest first, and how many there are."""
    counted = city.db.one(COUNT_NOTICES, (list(units),))
    return city.db.all(NOTICES, (list(units), limit, offset)), int(counted["n"]) if counted else 0


def open_vote(
    city: City, actor: Asker, code: str, title: str, choices: Sequence[str], *, secret: bool, days: int, text: str = "", at: datetime | None = None,
) -> Vote:  # fmt: skip
    """Open a vote of the confirmed people of a unit; what is voted on is fixed in the ledger. Raises `Refused`, `BadInput`."""
    of = unit(city, code)
    check_runs(actor, of)
    _check_words(title, text or "-")
    given = [one.strip() for one in choices if one.strip()]
    if (
        not 2 <= len(given) <= MOST_CHOICES
        or len(set(given)) < len(given)
        or any(len(one) > LONGEST_CHOICE for one in given)
        or not 1 <= days <= MOST_DAYS
    ):
        raise BadInput(
            "governance.vote",
            Text(zh="选项或天数不合规", en="The choices or the days do not fit"),
            Text(
                zh=f"2 至 {MOST_CHOICES} 个不同的选项，开放 1 至 {MOST_DAYS} 天",
                en=f"2 to {MOST_CHOICES} different choices, open for 1 to {MOST_DAYS} days",
            ),
        )
    at = at or now()
    with city.db.connection() as conn:
        row = conn.execute(
            ADD_VOTE, (of.code, title.strip(), text.strip(), given, secret, at, at + timedelta(days=days), actor.label)
        ).fetchone()
        assert row is not None
        vote = _vote(conn, int(row["id"]))
        facts = {
            "choices": _digest(given),
            "secret": secret,
            "until": vote.until.isoformat(),
            "electorate": electorate(conn, of.code),
        }
        append(conn, kind="governance.vote", actor=actor.label, subject=f"vote:{vote.id}", facts=facts)
        told = Text(zh=f"{of.title.zh}表决：{vote.title}", en=f"Vote of {of.title.in_('en')}: {vote.title}")
        tell(conn, _followers(conn, of), at, told, f"/my/votes/{vote.id}")
        return vote


def cast(city: City, asker: Asker, vote_id: int, choice: int, at: datetime | None = None) -> UUID:
    """Cast the asker's one vote; returns the receipt with which it is found in the result.

    Of a secret vote, neither table nor ledger joins the person and the ballot. Raises `NotFound`, `BadInput` for no such choice,
    `Refused` for who is not confirmed to belong there, `Conflict` for a second vote or one that is over.
    """
    at, receipt = at or now(), uuid4()
    with city.db.connection() as conn:
        vote = _vote(conn, vote_id, CASTING)
        if not 0 <= choice < len(vote.choices):
            raise BadInput(
                "governance.choice",
                Text(zh="没有这个选项", en="There is no such choice"),
                Text(zh="从选项里选一个", en="Choose one of them"),
                str(choice),
            )
        if conn.execute(MAY_VOTE, (vote.unit, asker.user_id)).fetchone() is None:
            raise Refused(
                "governance.no-vote",
                Text(zh="您还没有被核实为这里的人", en="You have not been confirmed as one of this place"),
                Text(zh="先关注这个村社，请村社核实", en="Follow the village first, and have it confirm you"),
                vote.unit,
            )
        if vote.closed is not None or at >= vote.until:
            raise Conflict(
                "governance.vote-over",
                Text(zh="表决已经截止", en="The vote is over"),
                Text(zh="看结果", en="Look at the result"),
                f"vote:{vote.id}",
            )
        try:
            conn.execute(ADD_VOTER, (vote.id, asker.user_id))
        except UniqueViolation as fault:
            raise Conflict(
                "governance.voted",
                Text(zh="您已经投过票", en="You have voted already"),
                Text(zh="一人一票，不能改", en="One person one vote; it cannot be changed"),
                f"vote:{vote.id}",
            ) from fault
        conn.execute(ADD_BALLOT, (receipt, vote.id, choice, None if vote.secret else asker.user_id))
        facts: dict[str, object] = {} if vote.secret else {"choice": choice}
        append(conn, kind="governance.voted", actor=asker.label, subject=f"vote:{vote.id}", facts=facts)
    return receipt


def has_voted(city: City, asker: Asker, vote: Vote) -> bool:
    """Whether the asker has voted."""
    return asker.signed_in and city.db.one(HAS_VOTED, (vote.id, asker.user_id)) is not None


def may_vote(city: City, asker: Asker, vote: Vote) -> bool:
    """Whether the asker is confirmed as one of the place."""
    return asker.signed_in and city.db.one(MAY_VOTE, (vote.unit, asker.user_id)) is not None


def find_vote(city: City, vote_id: int, at: datetime | None = None) -> Vote:
    """A vote, counted where its time is over; raises `NotFound`."""
    with city.db.connection() as conn:
        vote = _vote(conn, vote_id)
    return count_vote(city, vote.id, at) if vote.closed is None and vote.until <= (at or now()) else vote


def votes_in(city: City, units: Sequence[str], limit: int = 20) -> list[Vote]:
    """The votes of units, those that end last first."""
    return [_vote_from(row) for row in city.db.all(VOTES, (list(units), limit))]


def turnout(city: City, vote: Vote) -> tuple[int, int]:
    """How many voted, and of how many."""
    counted = city.db.one(TURNOUT, (vote.id,))
    with city.db.connection() as conn:
        return int(counted["n"]) if counted else 0, electorate(conn, vote.unit)


def electorate(conn: Connection, code: str) -> int:
    """How many people may vote in a unit."""
    row = conn.execute(ELECTORATE, (code,)).fetchone()
    return int(row["n"]) if row else 0


def ballots_of(city: City, vote: Vote) -> list[Ballot]:
    """Every ballot of a vote that is over, in the order of their receipts; none before."""
    return [Ballot(row["id"], int(row["choice"]), row["name"]) for row in city.db.all(BALLOTS, (vote.id,))] if vote.closed else []


def count_vote(city: City, vote_id: int, at: datetime | None = None) -> Vote:
    """Count a vote whose time is over, once, and fix the result and all ballots in the ledger; returns it."""
    at = at or now()
    with city.db.connection() as conn:
        vote = _vote(conn, vote_id, HELD)
        if vote.closed is not None or vote.until > at:
            return vote
        ballots = conn.execute(BALLOTS, (vote.id,)).fetchall()
        counts = [sum(1 for one in ballots if one["choice"] == place) for place in range(len(vote.choices))]
        result = {"counts": counts, "voted": len(ballots), "electorate": electorate(conn, vote.unit)}
        result |= {"ballots": _digest([f"{one['id']}:{one['choice']}" for one in ballots])}
        conn.execute(CLOSE, (at, Jsonb(result), vote.id))
        append(conn, kind="governance.vote-result", actor=SYSTEM.label, subject=f"vote:{vote.id}", facts=result)
        return _vote(conn, vote_id)


@job("governance.votes", every="*/10 * * * *")
def count_votes(city: City, at: datetime | None = None) -> int:
    """Count every vote whose time is over; returns how many."""
    rows = city.db.all(OVER, (at or now(),))
    for row in rows:
        count_vote(city, int(row["id"]), at)
    return len(rows)


def _vote(conn: Connection, vote_id: int, query: str = VOTE) -> Vote:
    row = conn.execute(query, (vote_id,)).fetchone()
    if row is None:
        raise not_found(Text(zh="表决", en="vote"), str(vote_id))
    return _vote_from(row)


def _vote_from(row: dict[str, Any]) -> Vote:
    return Vote(**{**row, "choices": tuple(row["choices"])})


def _followers(conn: Connection, of: Unit) -> list[str]:
    return [f"user:{row['person']}" for row in conn.execute(MEMBERS, (of.code, MOST_TOLD))]


def _check_words(title: str, text: str) -> None:
    if not 0 < len(title.strip()) <= LONGEST_TITLE or not 0 < len(text.strip()) <= LONGEST_TEXT:
        raise BadInput(
            "governance.words",
            Text(zh="标题或内容没有写，或太长", en="The title or the text is missing or too long"),
            Text(
                zh=f"标题至多 {LONGEST_TITLE} 个字符，内容至多 {LONGEST_TEXT} 个",
                en=f"A title has at most {LONGEST_TITLE} characters, a text {LONGEST_TEXT}",
            ),
        )


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
