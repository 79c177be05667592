"""The automatic rules (自动规则): whether a table of figures may leave a room without anybody looking at it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa  # type: ignore[import-untyped]
from sqlglot import exp

from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.lake.allowed import DIALECT
from sanqu.sandbox.records import Room
from sanqu.sandbox.shape import Figure, Shape
from sanqu.sharing.differing import Told, check_and_keep, told_by
from sanqu.sharing.door import MOST_GROUPS
from sanqu.sharing.resolve import Occurrence
from sanqu.sharing.rewrite import ROW, SUBJECT, Cells, Source, relation
from sanqu.sharing.rewrite import _marked as marked

PLACE = "sandbox_place"
# What differing figures of rows, of no item in particular, are about.
OF_ROWS = "*"
HEAR = """
INSERT INTO sharing_answered (asker, dataset, digest, cells)
SELECT DISTINCT ON (a.dataset, a.digest) %(asker)s, a.dataset, a.digest, a.cells
FROM sandbox_member m JOIN sharing_answered a ON a.asker = 'room:' || m.room
WHERE m.person = %(person)s AND a.dataset = ANY(%(abouts)s)
  AND NOT EXISTS (SELECT 1 FROM sharing_answered o WHERE o.asker = %(asker)s AND o.dataset = a.dataset AND o.digest = a.digest)
ON CONFLICT DO NOTHING
"""
HEARD_ELSEWHERE = """
SELECT 1 AS one FROM sharing_answered o WHERE o.asker = %(asker)s AND o.dataset = ANY(%(abouts)s)
  AND NOT EXISTS (SELECT 1 FROM sharing_answered a WHERE a.asker = %(room)s AND a.dataset = o.dataset AND a.digest = o.digest)
LIMIT 1
"""
# How many of the subjects, as a part of one, may have a value that few others have, for it to be a category and no name.
MOST_NAMED = 0.1


@dataclass(frozen=True)
class Failed:
    """The rule that a result did not pass; never how far it was from passing."""

    rule: str
    thing: str = ""


@dataclass
class SideQueries:
    """SELECTs over the rows of a query; tables in them are what may be read of each dataset, with subject and row number."""

    shape: Shape
    sources: Mapping[str, Source]
    # Secrets of hash masks.
    params: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen: list[exp.Select] = []
        guarded = {id(table) for table, _ in self.shape.guarded}
        named: dict[int, dict[str, None]] = defaultdict(dict)
        for one in self.shape.occurrences.values():
            named[id(one.table)][one.item] = None
        for number, (table, dataset) in enumerate(self.shape.tables):
            table.meta[PLACE] = number
            counted = id(table) in guarded
            self._seen.append(relation(self.sources[dataset], dataset, named[id(table)], self.params, counted=counted))

    def select(self, outputs: Sequence[exp.Expr], keys: Sequence[exp.Expr], *, filtered: bool = True) -> str:
        """`outputs` over the query's rows, one row for each of `keys`; unfiltered, over the rows before its conditions."""
        tree = self.shape.tree.copy()
        tree.set("expressions", [one.copy() for one in outputs])
        for part in ("having", "order", "limit", "offset", "kind", *(() if filtered else ("where",))):
            tree.set(part, None)
        tree.set("group", exp.Group(expressions=[one.copy() for one in keys]) if keys else None)
        for table in list(tree.find_all(exp.Table)):
            number = table.meta.get(PLACE)
            if number is not None:
                alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True))
                table.replace(exp.Subquery(this=self._seen[number].copy(), alias=alias))
        return tree.sql(DIALECT, identify=True, comments=False)

    def of_table(self, table: exp.Table, outputs: Sequence[exp.Expr], keys: Sequence[exp.Expr]) -> str:
        """`outputs` over all the rows of one table of the query, one row for each of `keys`."""
        seen = self._seen[table.meta[PLACE]].copy()
        alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True))
        tree = exp.select(*outputs).from_(exp.Subquery(this=seen, alias=alias)).group_by(*keys)
        return tree.sql(DIALECT, identify=True, comments=False)


def own(table: exp.Table, name: str) -> exp.Column:
    """The subject or the number of a row of `table`."""
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(table.alias_or_name, quoted=True))


def who(table: exp.Table) -> exp.Expr:
    """Whose the row is, as text; a row that names nobody stands for itself."""
    row = exp.func("concat", exp.Literal.string("\x1f"), exp.cast(own(table, ROW), "TEXT"), dialect=DIALECT)
    return exp.func("coalesce", exp.cast(own(table, SUBJECT), "TEXT"), row, dialect=DIALECT)


def _distinct(column: exp.Expr) -> exp.Expr:
    return exp.Count(this=exp.Distinct(expressions=[column]))


def _filled(column: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=column.copy(), expression=exp.null()))


def _divides(condition: exp.Expr) -> exp.Expr:
    """What a condition divides rows by: whether it holds; of a list, which of the values it is."""
    if isinstance(condition, exp.In):
        listed = exp.cast(condition.this.copy(), "TEXT", dialect=DIALECT)
        return exp.Case(ifs=[exp.If(this=condition.copy(), true=listed)])
    return exp.func("coalesce", condition.copy(), exp.false(), dialect=DIALECT)


@dataclass(frozen=True)
class Check:
    """Texts to run beside the query, and what reads their answers."""

    room: Room
    side: SideQueries

    @property
    def shape(self) -> Shape:
        """What is checked."""
        return self.side.shape

    def texts(self) -> list[tuple[str, int]]:
        """Each text with its most rows: cells, parts, then dominance and subjects of each figure."""
        ones = [(text, 1) for text in (*self._names(), *self._shares())]
        divided = [(cells.sql, MOST_GROUPS) for cells in self._divided()]
        return [(self._cells(), MOST_GROUPS), (self._parts(), MOST_GROUPS), *ones, *divided, *self.texts_of_told()]

    def read(self, answers: Sequence[pa.Table]) -> tuple[Failed | None, list[Told]]:
        """What the answers to `texts` say: the first rule that fails, and who stands behind the figures."""
        cells, parts, *others = answers
        names, shares, divided = len(self.shape.naming), len(list(self._shares())), list(self._divided())
        # Whether a query picks people by what names them comes first: that says nothing about whom it picks.
        failed = self._named(others[:names]) or self._few(cells) or self._singled(parts)
        failed = failed or self._dominated(others[names : names + shares])
        if failed is not None:
            return failed, []
        rest = others[names + shares :]
        try:
            sets = [told_by(one, answer) for one, answer in zip(divided, rest[: len(divided)], strict=True)]
            return None, [*sets, *self.read_told(rest[len(divided) :])]
        except Refused:
            return Failed("cells"), []

    def texts_of_told(self) -> list[tuple[str, int]]:
        """The texts that list who stands behind the figures, with their most rows."""
        return [(cells.sql, MOST_GROUPS) for cells in self._told()]

    def read_told(self, answers: Sequence[pa.Table]) -> list[Told]:
        """Who stands behind the figures, as the answers to `texts_of_told` say; raises `Refused` for too many cells."""
        return [told_by(one, answer) for one, answer in zip(self._told(), answers, strict=True)]

    def least(self, dataset: str) -> int:
        """How many distinct subjects must stand in a cell: what the room says, or the dataset where that is more."""
        return max(self.room.least, self.side.sources[dataset].least)

    def _cells(self) -> str:
        outputs: list[exp.Expr] = []
        for number, (table, _) in enumerate(self.shape.guarded):
            once = exp.EQ(this=exp.Count(this=own(table, ROW)), expression=_distinct(own(table, ROW)))
            outputs += [_distinct(own(table, SUBJECT)).as_(f"s{number}"), once.as_(f"o{number}")]
        for number, one in self._figures_of_items():
            there = exp.Case(ifs=[exp.If(this=_filled(one.column), true=own(one.table, SUBJECT))])
            outputs.append(_distinct(there).as_(f"f{number}"))
        return self.side.select(outputs, self.shape.keys)

    def _figures_of_items(self) -> Iterator[tuple[int, Occurrence]]:
        return ((number, figure.of) for number, figure in enumerate(self.shape.figures) if figure.of is not None)

    def _few(self, cells: pa.Table) -> Failed | None:
        if cells.num_rows == 0:
            # That there is nobody is told of nobody too.
            return Failed("least")
        if cells.num_rows >= MOST_GROUPS:
            return Failed("cells")
        found = cells.to_pydict()
        for number, (_, dataset) in enumerate(self.shape.guarded):
            if min(found[f"s{number}"]) < self.least(dataset):
                return Failed("least", dataset)
        for number, one in self._figures_of_items():
            if min(found[f"f{number}"]) < self.least(one.dataset):
                return Failed("least", f"{one.dataset}.{one.item}")
        once = [all(found[f"o{number}"]) for number in range(len(self.shape.guarded))]
        for figure in self.shape.figures:
            if figure.kind != "distinct" and not self._counted_once(figure, once):
                return Failed("once")
        return None

    def _counted_once(self, figure: Figure, once: Sequence[bool]) -> bool:
        if figure.of is None:
            return any(once)
        return any(is_ for is_, (table, _) in zip(once, self.shape.guarded, strict=True) if table is figure.of.table)

    def _names(self) -> Iterator[str]:
        """For each way in which the query picks subjects by values: whether these are names of many, as a category's are.

        Over every row, and whichever values were picked: so that a refusal says what the items are like and not who is there.
        """
        for columns in self.shape.naming:
            found = [self.shape.occurrences[id(column)] for column in columns]
            one = found[0]
            keys = [exp.column(each.item, quoted=True) for each in found if each.table is one.table]
            inner = self.side.of_table(one.table, [_distinct(own(one.table, SUBJECT)).as_("s")], keys)
            few = f"coalesce(sum(s) FILTER (WHERE s < {self.least(one.dataset)}), 0)"
            yield f"SELECT {few} <= {MOST_NAMED} * sum(s) AS ok FROM ({inner})"

    def _named(self, answers: Sequence[pa.Table]) -> Failed | None:
        for columns, answer in zip(self.shape.naming, answers, strict=True):
            if not answer.to_pylist()[0]["ok"]:
                one = self.shape.occurrences[id(columns[0])]
                return Failed("names", f"{one.dataset}.{one.item}")
        return None

    def _parts(self) -> str:
        """How many subjects stand in each part into which the conditions divide them, seen one condition at a time."""
        keys = [_divides(one) for one in self.shape.conditions]
        subjects = [_distinct(own(table, SUBJECT)).as_(f"s{number}") for number, (table, _) in enumerate(self.shape.guarded)]
        return self.side.select(subjects, keys, filtered=False)

    def _singled(self, parts: pa.Table) -> Failed | None:
        if parts.num_rows >= MOST_GROUPS:
            return Failed("parts")
        found = parts.to_pydict()
        for number, (_, dataset) in enumerate(self.shape.guarded):
            if any(0 < subjects < self.least(dataset) for subjects in found[f"s{number}"]):
                return Failed("parts", dataset)
        return None

    def _shares(self) -> Iterator[str]:
        """For each figure that adds up: whether every cell keeps every dominance rule."""
        for figure in self.shape.figures:
            if figure.kind == "distinct":
                continue
            tables = [table for table, _ in self.shape.guarded] if figure.of is None else [figure.of.table]
            for table in tables:
                yield self._share(figure, table)

    def _share(self, figure: Figure, table: exp.Table) -> str:
        given: exp.Expr = exp.Count(this=own(table, ROW))
        if figure.of is not None:
            column = figure.of.column.copy()
            adds = figure.kind in ("sum", "avg")
            given = exp.Sum(this=exp.func("abs", exp.cast(column, "DOUBLE"))) if adds else exp.Count(this=column)
        names = [f"k{number}" for number in range(len(self.shape.keys))]
        keys = [key.copy().as_(name) for key, name in zip(self.shape.keys, names, strict=True)]
        inner = self.side.select([*keys, who(table).as_("w"), given.as_("c")], [*self.shape.keys, who(table)])
        group = f" GROUP BY {', '.join(names)}" if names else ""
        cells = f"SELECT list_sort(list(c), 'DESC') AS l, sum(c) AS t FROM ({inner}) WHERE c IS NOT NULL{group}"
        rules = [
            f"bool_and(coalesce(CASE WHEN t > 0 THEN list_sum(l[1:{rule.n}]) / t * 100 <= {rule.p} END, false)) AS d{number}"
            for number, rule in enumerate(self.room.dominance)
        ]
        return f"SELECT {', '.join(rules) or 'true AS d0'} FROM ({cells})"

    def _dominated(self, shares: Sequence[pa.Table]) -> Failed | None:
        return None if all(all(share.to_pylist()[0].values()) for share in shares) else Failed("dominance")

    def _told(self) -> list[Cells]:
        """The SELECTs that list who stands behind each kind of figure in each cell, as `sharing.differing` takes them."""
        made: dict[tuple[int, str], Cells] = {}
        plain = not self.shape.figures
        for figure in self.shape.figures:
            plain = plain or figure.of is None
            if figure.of is None:
                continue
            table, dataset = figure.of.table, figure.of.dataset
            made[id(table), figure.of.item] = self._listed(table, dataset, figure.of)
            if figure.kind in ("count", "distinct"):
                # How many have a value is subtracted from how many rows there are, and from how many have another value.
                made[id(table), f"{OF_ROWS}/{figure.of.item}"] = self._listed(table, dataset, figure.of, rows=True)
        for table, dataset in self.shape.guarded if plain else ():
            made[id(table), OF_ROWS] = self._listed(table, dataset, None)
        return list(made.values())

    def _divided(self) -> Iterator[Cells]:
        """The SELECTs that list for whom each condition holds, seen alone, and who there is without any.

        Two queries whose conditions differ by a few are refused by these, whatever else they ask of the few: else passing
        or waiting would tell whether it holds for them.
        """
        if not self.shape.conditions:
            return
        for table, dataset in self.shape.guarded:
            listed = exp.ArrayAgg(this=exp.Distinct(expressions=[marked(own(table, SUBJECT), own(table, ROW), None)]))
            for condition in (exp.true(), *self.shape.conditions):
                there = exp.and_(_filled(own(table, ROW)), condition.copy())
                numbers = exp.Filter(this=listed.copy(), expression=exp.Where(this=there)).as_(SUBJECT, quoted=True)
                text = self.side.select([numbers], [], filtered=False)
                yield Cells(dataset, f"{OF_ROWS}/if", text, self.least(dataset), told=False)

    def _listed(self, table: exp.Table, dataset: str, one: Occurrence | None, *, rows: bool = False) -> Cells:
        """Who stands behind a figure about `one`; with `rows` as a number of rows, and not by their values."""
        value = one.column.copy() if one is not None else None
        number = marked(own(table, SUBJECT), own(table, ROW), None if rows else value)
        listed = exp.ArrayAgg(this=exp.Distinct(expressions=[number]))
        there = exp.and_(_filled(own(table, ROW)), *([_filled(value)] if value is not None else []))
        numbers = exp.Filter(this=listed, expression=exp.Where(this=there)).as_(SUBJECT, quoted=True)
        kind = one.item if one is not None and not rows else OF_ROWS
        return Cells(dataset, kind, self.side.select([numbers], self.shape.keys), self.least(dataset))


def keep_told(city: City, room: Room, person: int, told: Sequence[Told]) -> Failed | None:
    """Hold figures against all that the room, and the same person anywhere, was told before; keep them where they pass.

    A member may read every result of every room they are in, so all of those count as told to them.
    """
    asker, abouts = f"user:{person}", sorted({one.about for one in told})
    known = _hear(city, room, person, abouts)
    try:
        check_and_keep(city, room.assignee, told)
        if known:
            # All that the person knows the room knows: what it may be told, they may.
            _hear(city, room, person, abouts)
        else:
            check_and_keep(city, asker, told)
    except Refused:
        return Failed("differencing")
    return None


def _hear(city: City, room: Room, person: int, abouts: Sequence[str]) -> bool:
    """Count what a person's rooms were told as told to the person; whether this room was told all of what the person was."""
    given = {"asker": f"user:{person}", "room": room.assignee, "person": person, "abouts": list(abouts)}
    with city.db.connection() as conn:
        conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"told:user:{person}",))
        conn.execute(HEAR, given)
        return conn.execute(HEARD_ELSEWHERE, given).fetchone() is None
