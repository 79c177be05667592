"""The door as it stands inside a room: the room asks, not the person, and what was brought along can be named too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa  # type: ignore[import-untyped]
import sqlglot
from sqlglot import exp

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import quote_ident
from sanqu.lake.allowed import DIALECT, parse_query, refused
from sanqu.sandbox.records import Room, Upload
from sanqu.sandbox.uploads import PREFIX, table_in_lake, uploads_of
from sanqu.sharing.decide import Decision, TableUse, decide
from sanqu.sharing.door import statements_of
from sanqu.sharing.evidence import Read, note_reads, note_refusal
from sanqu.sharing.grants import note_rows, take_read
from sanqu.sharing.law import law_book
from sanqu.sharing.resolve import Resolved, resolve
from sanqu.sharing.rewrite import Source
from sanqu.sharing.runner import Ran, runners_of


@dataclass(frozen=True)
class Inside(Asker):
    """A member at work in a room: roles and grants of the person stay outside, the room's own count, and what is open.

    The door sees no `user_id`, so that a grant to the person covers nothing here; the ledger is told both.
    """

    person: int = 0

    @property
    def label(self) -> str:
        """How the ledger names the member in the room."""
        return f"user:{self.person}/room:{next(iter(self.rooms))}"

    @property
    def signed_in(self) -> bool:
        """Whether the city knows who this is: it does."""
        return True


@dataclass(frozen=True)
class Entered:
    """A query as the door decided about it inside a room; `sql` names what was brought along as tables of its own."""

    room: Room
    asker: Inside
    purpose: str
    sql: str
    decision: Decision
    snapshots: Mapping[str, int]
    uploads: tuple[Upload, ...]

    @property
    def guarded(self) -> tuple[TableUse, ...]:
        """The datasets that are not open to everyone anyway: what may not be seen."""
        return tuple(table for table in self.decision.tables if table.basis.ground != "open")


def purpose_in(room: Room, purpose: str) -> str:
    """The purpose of a question, one of the room's; raises `Refused`. Where the room has one only, it need not be said."""
    said = purpose.strip() or (room.purposes[0] if len(room.purposes) == 1 else "")
    if said not in room.purposes:
        raise Refused(
            "sandbox.purpose",
            Text(
                zh=f"房间的用途是：{'、'.join(room.purposes)}；这次说的是：{said or '（没有说）'}",
                en=f"The room is for: {', '.join(room.purposes)}; this question states: {said or '(nothing)'}",
            ),
            Text(zh="选房间的一个用途", en="Choose one of the room's purposes"),
            said,
        )
    return said


def enter(city: City, room: Room, person: int, purpose: str, sql: str) -> Entered:
    """What the door says of a query in the room; raises what `decide` raises. Nothing runs."""
    purpose = purpose_in(room, purpose)
    asker = Inside(rooms=frozenset({str(room.id)}), person=person)
    woven, used = weave(parse_query(sql), uploads_of(city, room))
    decision, snapshots = decide(city, asker, purpose, woven)
    return Entered(room, asker, purpose, woven, decision, snapshots, used)


def weave(query: exp.Query, uploads: Sequence[Upload]) -> tuple[str, tuple[Upload, ...]]:
    """The query with each upload it names as a CTE of no rows, in whose place `in_place` puts the table.

    The door's law knows nothing of uploads and need not: they are the members' own.
    """
    if query.find(exp.Placeholder, exp.Parameter) is not None:
        raise refused("参数", "parameters")
    there = {PREFIX + one.name: one for one in uploads}
    taken = {str(cte.alias).lower() for cte in query.find_all(exp.CTE)}
    if hidden := next((name for name in taken if name.startswith(PREFIX)), None):
        raise refused(f"以 {PREFIX} 开头的 WITH", f"a WITH whose name begins with {PREFIX}", hidden)
    named = [node.name.lower() for node in query.find_all(exp.Table) if isinstance(node.this, exp.Identifier)]
    wanted = list(dict.fromkeys(name for name in named if name.startswith(PREFIX)))
    for name in wanted:
        if name not in there:
            raise not_found(Text(zh="上传的数据", en="upload"), name)
    if not wanted:
        return query.sql(DIALECT), ()
    tree = query if isinstance(query, exp.Select | exp.SetOperation) else exp.select("*").from_(query)
    made = [_empty(name, there[name]) for name in wanted]
    with_ = tree.args.get("with_")
    if with_ is None:
        tree.set("with_", exp.With(expressions=made))
    else:
        with_.set("expressions", [*made, *with_.expressions])
    return tree.sql(DIALECT), tuple(there[name] for name in wanted)


def _empty(name: str, upload: Upload) -> exp.CTE:
    columns = [exp.cast(exp.null(), type_, dialect=DIALECT).as_(column, quoted=True) for column, type_ in upload.columns.items()]
    return exp.CTE(this=exp.select(*columns), alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))


def in_place(sql: str, uploads: Iterable[Upload]) -> str:
    """The rewritten text with the uploads' tables where `weave` put none."""
    tables = {PREFIX + one.name: one for one in uploads}
    if not tables:
        return sql
    tree = sqlglot.parse_one(sql, dialect=DIALECT)
    for cte in tree.find_all(exp.CTE):
        upload = tables.get(str(cte.alias).lower())
        if upload is not None:
            columns = ", ".join(quote_ident(column) for column in upload.columns)
            cte.set("this", sqlglot.parse_one(f"SELECT {columns} FROM {table_in_lake(upload)}", dialect=DIALECT))
    return tree.sql(DIALECT, identify=True, comments=False)


def sources_of(city: City, entered: Entered) -> dict[str, Source]:
    """What is read of each dataset and on which ground, as the rewrite takes it."""
    sources = {}
    for table in entered.decision.tables:
        law = law_book(city).law(entered.decision.version, table.dataset)
        if law is None:
            raise not_found(Text(zh="可读取的数据集", en="dataset with rows"), table.dataset)
        sources[table.dataset] = Source(law.contract, table.basis, law.contract.least_group)
    return sources


def resolved(entered: Entered, sources: Mapping[str, Source]) -> Resolved:
    """The query's tree with every column bound, for side queries of the same rows."""
    items = {name: tuple(source.basis.rules) for name, source in sources.items()}
    visible = {name: source.basis.plain_items or source.contract.names for name, source in sources.items()}
    return resolve(parse_query(entered.sql), items, visible)


def run(city: City, entered: Entered, texts: Sequence[tuple[str, int]], params: Mapping[str, str]) -> list[Ran]:
    """Run rewritten texts, each with its most rows, at one moment of the lake."""
    led = [(in_place(text, entered.uploads), most) for text, most in texts]
    return runners_of(city).run(statements_of(city, entered.decision, entered.snapshots, led, params))


def refuse_closed(city: City, entered: Entered) -> None:
    """Raise the refusal of a query that the law closes, and note it."""
    decision = entered.decision
    if decision.plan is not None:
        return
    closed = {f"{dataset}.{one.item}": one.clause for dataset, one in decision.closed}
    note_refusal(
        city, entered.asker, dict.fromkeys(dataset for dataset, _ in decision.closed), purpose=entered.purpose,
        version=decision.version, via="room", query=entered.sql, closed=closed,
    )  # fmt: skip
    raise decision.refusal()


def take_quotas(city: City, entered: Entered, most: int) -> int:
    """Count one read against the quota of every grant; returns how many rows may be read."""
    for table in entered.decision.tables:
        if table.granted is not None:
            with city.db.connection() as conn:
                left = take_read(conn, table.granted)
            most = most if left is None else min(most, left)
    return most


def note(city: City, entered: Entered, table: pa.Table | None, digest: str) -> None:
    """Note a read in the ledger before anything is kept of it.

    No number of rows is told there: of what has not left the room it would say something. `digest` is salted for that.
    """
    reads = [
        Read(
            one.dataset, one.basis.clause, {item.item: item.contexts for item in one.items},
            one.granted.number if one.granted else None,
        )
        for one in entered.decision.tables
    ]  # fmt: skip
    note_reads(
        city, entered.asker, reads, purpose=entered.purpose, version=entered.decision.version, via="room", query=entered.sql,
        rows=0, result=digest,
    )  # fmt: skip
    for one in entered.decision.tables:
        if one.granted is not None and table is not None:
            with city.db.connection() as conn:
                note_rows(conn, one.granted, table.num_rows)


def unknown_shape(thing: str) -> BadInput:
    """The error for a query that a private answer or a model cannot be made from."""
    return BadInput(
        "sandbox.shape",
        Text(zh="这样写的查询这里不能用", en="A query written like this cannot be used here"),
        Text(
            zh="一条 SELECT：表与等值连接、简单条件、分组名与 count、sum、avg",
            en="Write one SELECT: tables joined by equality, plain conditions, names of groups, and count, sum or avg",
        ),
        thing,
    )
