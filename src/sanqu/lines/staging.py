"""The stage: checked rows of one unit on the engine, before any of them is written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from sanqu.ground.city import City
from sanqu.lake import Contract, lake_of, quote_ident
from sanqu.lake.keys import all_differ
from sanqu.lake.tables import table_of
from sanqu.lines.checks import FAULT_TYPE, Checks, literal
from sanqu.lines.records import Line

FETCH = 5_000
_numbers = itertools.count(1)


class Stage:
    """A temporary table of typed rows with their faults, and what is set aside beside the rows with faults."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, contract: Contract) -> None:
        self.duck, self.contract = duck, contract
        self.number = next(_numbers)
        self.rows, self.aside = f"temp.main._rows_{self.number}", f"temp.main._aside_{self.number}"
        # The rows with their numbers, as SQL.
        self.table = f"(SELECT rowid + 1 AS _n, * FROM {self.rows})"
        self.items = ", ".join(quote_ident(name) for name in contract.names)
        self.key = [quote_ident(name) for name in contract.primaryKey]
        self._any_aside, self._has_aside = False, False
        # How often a key stands there again, where that was counted.
        self._doubles: int | None = None
        # Whether any row may have a fault that its own values show: false where all were looked at and none has.
        self._any_faults = True

    def close(self) -> None:
        """Drop the tables."""
        self.duck.execute(f"DROP TABLE IF EXISTS {self.rows}")
        if self._has_aside:
            self.duck.execute(f"DROP TABLE IF EXISTS {self.aside}")

    def _number(self, query: str) -> int:
        row = self.duck.execute(query).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def fill(self, checked: str) -> int:
        """Run `checked` (`Checks.staged`) into the stage; returns how many rows came."""
        # Rows lie in a table as they came, though several threads bring them: counting them on the way would bind it to one.
        came = self._number(f"CREATE TEMP TABLE {self.rows.rpartition('.')[2]} AS {checked}")
        self._make_aside()
        return came

    def fill_few(self, checks: Checks, relation: str, width: int) -> int:
        """Check few rows of `relation` into the stage, as `fill` does: only where one has a fault is asked which.

        Planning that question takes longer than to answer it.
        """
        came = self._number(f"CREATE TEMP TABLE {self.rows.rpartition('.')[2]} AS {checks.sifted(relation)}")
        doubles = f"count(*) - count(DISTINCT ({', '.join(self.key)}))" if self.key else "0"
        bad, self._doubles = self.duck.execute(f"SELECT count(*) FILTER (_bad), {doubles} FROM {self.rows}").fetchone() or (0, 0)
        if bad:
            self.duck.execute(f"DROP TABLE {self.rows}")
            self._doubles = None
            return self.fill(checks.staged(relation, width))
        self._any_faults = False
        return came

    def _make_aside(self) -> None:
        # kind: past (the cursor is beyond it), same (an exact double), bad (a fault found late).
        if not self._has_aside:
            self.duck.execute(f"CREATE TEMP TABLE {self.aside.rpartition('.')[2]} (_n BIGINT, kind VARCHAR, fault {FAULT_TYPE})")
            self._has_aside = True

    @property
    def is_clean(self) -> bool:
        """Whether surely no row has a fault and none was set aside."""
        return not self._any_faults and not self._any_aside

    def _set_aside(self, query: str) -> int:
        self._make_aside()
        added = self._number(f"INSERT INTO {self.aside} {query}")
        self._any_aside = self._any_aside or added > 0
        return added

    @property
    def is_good(self) -> str:
        """SQL: whether a row of the table is to be written."""
        beside = f" AND _n NOT IN (SELECT _n FROM {self.aside})" if self._any_aside else ""
        return f"_faults IS NULL{beside}"

    @property
    def _good(self) -> str:
        return f"FROM {self.table} WHERE {self.is_good}"

    def good(self) -> str:
        """SQL of the rows to write."""
        return f"SELECT {self.items} {self._good}"

    def good_count(self) -> int:
        """How many rows there are to write."""
        return self._number(f"SELECT count(*) {self._good}")

    def collapsed(self) -> int:
        """How many exact doubles were set aside."""
        return self._number(f"SELECT count(*) FROM {self.aside} WHERE kind = 'same'") if self._any_aside else 0

    def refused(self) -> int:
        """How many rows have faults."""
        if self.is_clean:
            return 0
        late = f"SELECT count(DISTINCT _n) FROM {self.aside} WHERE kind = 'bad'"
        return self._number(f"SELECT count(*) FROM {self.table} WHERE _faults IS NOT NULL") + self._number(late)

    def keep_last(self) -> None:
        """Set rows aside whose key stands again further on: the last one counts."""
        keys = ", ".join(self.key)
        doubles = self._number(f"SELECT count(*) - count(DISTINCT ({keys})) {self._good}") if self._doubles is None else self._doubles
        if doubles:
            last = f"row_number() OVER (PARTITION BY {keys} ORDER BY _n DESC) AS _last"
            self.supersede(f"SELECT _n FROM (SELECT _n, {last} {self._good}) WHERE _last > 1")

    def supersede(self, numbers: str) -> None:
        """Set rows aside whose number is among those of `numbers` (SQL): later ones say more."""
        self._set_aside(f"SELECT _n, 'same', NULL FROM {self.table} WHERE {self.is_good} AND _n IN ({numbers})")

    def leave_past(self, line: Line, since: Mapping[str, Any]) -> tuple[int, str | None]:
        """Set aside rows that the cursor has passed; returns how many, and the greatest cursor value here."""
        item = line.columns.get(line.cursor, line.cursor)
        if not line.cursor or item not in self.contract.names or line.source.kind == "sql":
            return 0, None
        name, kind = quote_ident(item), self.contract.field(item).lake_type
        past = 0
        if since.get("cursor") is not None:
            passed = f"{name} <= CAST({literal(since['cursor'])} AS {kind})" if line.mode != "upsert" else (
                f"{name} < CAST({literal(since['cursor'])} AS {kind})")  # fmt: skip
            past = self._set_aside(f"SELECT _n, 'past', NULL FROM {self.table} WHERE _faults IS NULL AND {passed}")
        row = self.duck.execute(f"SELECT CAST(max({name}) AS VARCHAR) {self._good}").fetchone()
        return past, str(row[0]) if row and row[0] is not None else None

    def find_doubles(self) -> None:
        """Set aside rows whose key stands earlier in the unit: collapsed where all else is the same, else refused.

        What a fault wants is then `#` and the number of the earlier row.
        """
        if not self.key:
            return
        if all_differ(self.duck, self.good(), self.contract.primaryKey):
            return
        keys = ", ".join(self.key)
        twice = f"SELECT {keys} {self._good} GROUP BY {keys} HAVING count(*) > 1"
        if not self._number(f"SELECT count(*) FROM ({twice} LIMIT 1)"):
            return
        whole = f"row({self.items})"
        shown = " || ', ' || ".join(f"CAST({key} AS VARCHAR)" for key in self.key)
        fault = _fault(", ".join(self.contract.primaryKey), shown, "key-duplicate", "'#' || CAST(first AS VARCHAR)")
        self._set_aside(
            f"SELECT _n, CASE WHEN same THEN 'same' ELSE 'bad' END, CASE WHEN NOT same THEN {fault} END FROM "
            f"(SELECT _n, {keys}, first_value(_n) OVER w AS first, row_number() OVER w AS place, "
            f"{whole} IS NOT DISTINCT FROM first_value({whole}) OVER w AS same "
            f"FROM (SELECT * {self._good}) SEMI JOIN ({twice}) USING ({keys}) WINDOW w AS (PARTITION BY {keys} ORDER BY _n)) "
            f"WHERE place > 1"
        )

    def find_late_faults(self, city: City, mode: str) -> None:
        """Set aside what only a look at other rows shows: values that must be unique, and links that lead nowhere."""
        lake = lake_of(city)
        for item in self.contract.fields:
            if item.constraints.unique and list(self.contract.primaryKey) != [item.name]:
                self._find_repeated(item.name, mode)
        for link in self.contract.foreignKeys:
            if lake.has(link.dataset):
                mine, theirs = ([quote_ident(n) for n in names] for names in (link.fields, link.reference_fields))
                match = " AND ".join(f"s.{m} = t.{t}" for m, t in zip(mine, theirs, strict=True))
                there = " AND ".join(f"s.{m} IS NOT NULL" for m in mine)
                shown = " || ', ' || ".join(f"CAST(s.{m} AS VARCHAR)" for m in mine)
                fault = _fault(", ".join(link.fields), shown, "foreign-key", literal(link.dataset))
                self._set_aside(
                    f"SELECT s._n, 'bad', {fault} FROM (SELECT * {self._good}) s WHERE {there} "
                    f"AND NOT EXISTS (SELECT 1 FROM {table_of(link.dataset)} t WHERE {match})"
                )

    def _find_repeated(self, item: str, mode: str) -> None:
        name = quote_ident(item)
        fault = _fault(item, f"CAST({name} AS VARCHAR)", "unique", "'#' || CAST(first AS VARCHAR)")
        self._set_aside(
            f"SELECT _n, 'bad', {fault} FROM (SELECT _n, {name}, min(_n) OVER (PARTITION BY {name}) AS first {self._good}) "
            f"WHERE {name} IS NOT NULL AND _n > first"
        )
        if mode == "replace":
            return
        differs = " AND ".join(f"t.{key} IS NOT DISTINCT FROM s.{key}" for key in self.key)
        other = f" AND NOT ({differs})" if differs else ""
        fault = _fault(item, f"CAST(s.{name} AS VARCHAR)", "unique", literal(self.contract.name))
        self._set_aside(
            f"SELECT s._n, 'bad', {fault} FROM (SELECT * {self._good}) s WHERE EXISTS "
            f"(SELECT 1 FROM {table_of(self.contract.name)} t WHERE t.{name} = s.{name}{other})"
        )

    def usual_fault(self) -> tuple[str, str, str] | None:
        """Item, rule and a value of the fault met most often."""
        row = self.duck.execute(
            f"SELECT f.item, f.rule, any_value(f.value) FROM (SELECT unnest(_faults) AS f FROM {self.table} "
            f"WHERE _faults IS NOT NULL) GROUP BY f.item, f.rule ORDER BY count(*) DESC LIMIT 1"
        ).fetchone()
        return (str(row[0]), str(row[1]), str(row[2])) if row else None

    def refused_rows(self, source: str, width: int) -> Iterator[tuple[int, list[dict[str, str | None]], list[str | None]]]:
        """Each row with faults: its number, its faults, its cells as they came.

        Of rows whose fault showed late the cells were not kept: for them `source` is read once more.
        """
        if self.is_clean:
            return
        bad = f"SELECT _n, _faults, _cells FROM {self.table} WHERE _faults IS NOT NULL"
        if self._number(f"SELECT count(*) FROM {self.aside} WHERE kind = 'bad'"):
            late = f"SELECT _n, list(fault) AS faults FROM {self.aside} WHERE kind = 'bad' GROUP BY _n"
            cells = ", ".join(f"s.c{index}" for index in range(width))
            counted = f"SELECT row_number() OVER () AS _n, * FROM ({source})"
            bad += f" UNION ALL SELECT b._n, b.faults, [{cells}] FROM ({counted}) s JOIN ({late}) b ON b._n = s._n"
        for number, faults, row in iter_rows(self.duck.execute(f"{bad} ORDER BY _n")):
            yield int(number), list(faults), [None if cell is None else str(cell) for cell in row]


def iter_rows(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """The rows of a result, a batch at a time."""
    while batch := result.fetchmany(FETCH):
        yield from batch


def _fault(item: str, value: str, rule: str, want: str) -> str:
    return f"CAST({{'item': {literal(item)}, 'value': {value}, 'rule': {literal(rule)}, 'want': {want}}} AS {FAULT_TYPE})"

