"""Stream processing (流式处理): what rows go through between the source and the dataset, with state that is in the same commit.

A step reads `input` (the rows as they came, typed by the line's `input`) or the steps before it, by name:

- `sql`: a SELECT over them and over datasets: choose, cast, compute, look up
- `window` and `sql`: rows are gathered by `time` into windows of that length (every `hop`); the SELECT sees those of windows
  that closed, with `window_start` and `window_end`. A window closes when rows later than its end by `delay` have come; rows
  that come for closed windows are counted as late
- `dedupe` and `window`: of rows whose items are the same, the first within the window goes on
- `fence`: rows get the items of the area in which they lie; those that lie in none get none
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import duckdb
import orjson
import pyarrow as pa  # type: ignore[import-untyped]
from sqlglot import exp

from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now, seconds_in
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake import Contract, lake_of, quote_ident
from sanqu.lake.allowed import DIALECT, parse_query
from sanqu.lake.tables import table_of
from sanqu.lines.checks import literal
from sanqu.lines.records import Line, Step

if TYPE_CHECKING:
    # Loaded where areas are looked up: few processes do.
    import numpy as np
    import shapely

# The moment before all: a watermark that nothing has moved yet.
NEVER = "0001-01-01 00:00:00"
STATES = "live/"
# Datasets of so many rows and fewer are kept beside a line that looks things up in them.
MOST_COPIED = 20_000
# By so much a clock may run ahead of ours and still tell the time.
AHEAD = timedelta(hours=1)


def seconds_of(said: str, thing: str) -> int:
    """The seconds of an ISO 8601 duration of days, hours, minutes and seconds; raises `BadInput`."""
    seconds = seconds_in(said)
    if seconds is None:
        raise _unfit(thing, f"时长 {said} 不合规", f"{said} is no duration", "写作 PT5M、PT1H、P1D", "Write PT5M, PT1H, P1D")
    return seconds


def input_contract(line: Line, steward: str) -> Contract:
    """What the source's rows must be, as a contract without a key."""
    return Contract(name="input", title=Text(zh="输入", en="Input"), fields=line.input, steward=steward)


def check_steps(line: Line) -> list[str]:
    """The datasets that the steps look things up in; raises `BadInput` naming the step that cannot be run and why."""
    known, wanted = {"input"}, []
    for step in line.steps:
        if step.name in known:
            raise _unfit(step.name, "名称重复", "is named twice", "换一个名称", "Choose another name")
        wanted += _check_step(step, known)
        known.add(step.name)
    return list(dict.fromkeys(wanted))


def _check_step(step: Step, known: set[str]) -> list[str]:
    if step.fence is not None:
        return [step.fence.dataset]
    if step.window:
        _refuse_no_time(step)
    if step.dedupe:
        seconds_of(step.window, step.name)
        return []
    if not step.sql:
        raise _unfit(step.name, "没有说做什么", "does not say what to do", "给出 sql、dedupe 或 fence", "Give sql, dedupe or fence")
    if step.window:
        for said in (step.window, step.hop or step.window, step.delay):
            seconds_of(said, step.name)
        if not step.time or seconds_of(step.window, step.name) % seconds_of(step.hop or step.window, step.name):
            raise _unfit(
                step.name, "窗口要有 time，窗长应是 hop 的整数倍", "a window needs time, and a length that is a multiple of its hop",
                "补上 time，改正 hop", "Give time, mend hop",
            )  # fmt: skip
    return [name for name in _named(step.sql) if name not in known]


def _refuse_no_time(step: Step) -> None:
    if not all(seconds_of(said, step.name) for said in (step.window, step.hop or step.window)):
        raise _unfit(step.name, "窗口或 hop 的时长为零", "has a window or hop of no length", "写作 PT5M、PT1H、P1D", "Write PT5M, PT1H, P1D")


def _tables(tree: exp.Expr) -> Iterator[exp.Table]:
    made = {str(cte.alias) for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and table.name not in made:
            yield table


@lru_cache(maxsize=1000)
def _named(sql: str) -> tuple[str, ...]:
    """The tables that a step's SELECT reads."""
    return tuple(table.name for table in _tables(parse_query(sql)))


@lru_cache(maxsize=1000)
def _led(sql: str, places: tuple[tuple[str, str], ...]) -> str:
    """A step's SELECT with each name led to the table that holds it; the same for each round."""
    tree, led = parse_query(sql), dict(places)
    for table in list(_tables(tree)):
        place = led.get(table.name) or table_of(table.name)
        alias = table.alias_or_name
        parts = [exp.to_identifier(part, quoted=True) for part in _parted(place)]
        lead = exp.Table(this=parts[2], db=parts[1], catalog=parts[0], alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        for key in ("joins", "laterals"):
            if table.args.get(key):
                lead.set(key, table.args[key])
        table.replace(lead)
    return tree.sql(DIALECT, identify=True, comments=False)


def _asked(line: Line) -> set[str]:
    """The datasets that the SELECTs of steps read."""
    return {name for step in line.steps if step.sql for name in _named(step.sql)} - {step.name for step in line.steps} - {"input"}


def _looked_up(line: Line) -> set[str]:
    """The datasets that the SELECTs of steps read and the line does not write."""
    return _asked(line) - set(line.datasets)


def step_before(line: Line, step: Step) -> str:
    """The step (or `input`) whose rows this one gathers or sifts."""
    place = line.steps.index(step)
    if step.sql:
        named = _named(step.sql)
        return next((one.name for one in reversed(line.steps[:place]) if one.name in named), "input")
    return line.steps[place - 1].name if place else "input"


@dataclass(frozen=True)
class Ran:
    """What the steps gave: a relation of rows for each dataset and how many it has, how far time has come in each step, how many
    rows were late, and by how many seconds the furthest row is ahead of our clock, where that is more than a clock may be."""

    rows: Mapping[str, str]
    counts: Mapping[str, int]
    marks: Mapping[str, str]
    late: int
    ahead: float = 0.0


class Steps:
    """The steps of one line on the engine. State lies in tables of the lake that no catalogue lists.

    `copies` is what `bring` has brought so far: datasets by the snapshot at which they were copied.
    """

    def __init__(self, city: City, line: Line, copies: dict[str, int] | None = None) -> None:
        self._city, self._line = city, line
        self._copies = {} if copies is None else copies

    def bring(self, duck: duckdb.DuckDBPyConnection) -> None:
        """Copy the small datasets that steps look things up in, those that moved since; outside of a transaction.

        They stand still for days, and to ask the lake for one takes longer than the rows of a round.
        """
        wanted = _looked_up(self._line)
        there = {str(row["name"]): int(row["snapshot"]) for row in self._city.db.all(STANDING, (list(wanted), MOST_COPIED))} if wanted else {}
        for name in self._copies.keys() - there.keys():
            del self._copies[name]
        for name, snapshot in there.items():
            if self._copies.get(name) != snapshot:
                duck.execute(f"CREATE OR REPLACE TEMP TABLE {quote_ident(self._copy(name))} AS SELECT * FROM {table_of(name)}")
                self._copies[name] = snapshot

    def _copy(self, dataset: str) -> str:
        return f"_sanqu_copy_{self._line.name}_{dataset}"

    def open(self, duck: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, list[str]]:
        """Make the tables of the state, or make them anew where the rows they hold have changed their shape; gives the items that come
        out for each dataset.

        Raises `BadInput` naming the step that does not fit the rows before it.
        """
        columns = ", ".join(f"CAST(NULL AS {item.lake_type}) AS {quote_ident(item.name)}" for item in contract.fields)
        duck.execute(f"CREATE OR REPLACE TEMP TABLE _sanqu_dry AS SELECT {columns} LIMIT 0")
        names = {"input": "temp.main._sanqu_dry"}
        for step in self._line.steps:
            try:
                self._make_state(duck, step, names)
                names[step.name] = self._run(duck, step, names, {step.name: NEVER})
            except duckdb.Error as fault:
                said = str(fault).split("\n")[0][:300]
                raise _unfit(step.name, f"跑不起来：{said}", f"does not run: {said}", "改正这一步", "Mend the step") from fault
        return {dataset: [str(column[0]) for column in duck.execute(f"DESCRIBE {names[step]}").fetchall()] for dataset, step in self._outcomes().items()}

    def _outcomes(self) -> dict[str, str]:
        """The step whose rows fill each dataset."""
        return {step.into: step.name for step in self._line.steps if step.into} | {self._line.dataset: self._line.steps[-1].name}

    @property
    def known(self) -> set[str]:
        """The datasets that the steps both read and write: what the line knows from round to round."""
        return _asked(self._line) & set(self._line.datasets)

    def run(self, duck: duckdb.DuckDBPyConnection, rows: str, marks: Mapping[str, str], mirrors: Mapping[str, str] | None = None) -> Ran:
        """Take `rows` (SQL) through the steps, inside the caller's transaction; `marks` is how far time had come.

        Datasets that are mirrored beside the cursor are read there.
        """
        duck.execute(f"CREATE OR REPLACE TEMP TABLE _sanqu_input AS {rows}")
        names, after, late, ahead = {**(mirrors or {}), "input": "temp.main._sanqu_input"}, dict(marks), 0, 0.0
        for fences, step in self._in_turn():
            if step.window and step.time and not step.dedupe:
                more, further = self._gather(duck, step, names[step_before(self._line, step)], after)
                late, ahead = late + more, max(ahead, further)
            if fences:
                names[step.name] = self._fence(duck, fences, names[step_before(self._line, fences[0])], step.name)
            else:
                names[step.name] = self._run(duck, step, names, after, marks)
        outcomes = self._outcomes()
        counts = ", ".join(f"(SELECT count(*) FROM {names[step]})" for step in outcomes.values())
        came = duck.execute(f"SELECT {counts}").fetchone() or ()
        return Ran({dataset: f"SELECT * FROM {names[step]}" for dataset, step in outcomes.items()}, dict(zip(outcomes, came, strict=True)), after, late, ahead)

    def _in_turn(self) -> Iterator[tuple[list[Step], Step]]:
        """Each step; of fences that follow each other at the same places only the last, with all that are looked up with it."""
        fences: list[Step] = []
        for step, after in zip(self._line.steps, [*self._line.steps[1:], None], strict=True):
            if step.fence is None:
                yield [], step
                continue
            fences.append(step)
            if after is None or not self._goes_with(step, after):
                yield fences, step
                fences = []

    def _goes_with(self, step: Step, after: Step) -> bool:
        """Whether a fence is only there for the next one, which looks at the same places."""
        assert step.fence is not None
        alike = after.fence is not None and (after.fence.lon, after.fence.lat) == (step.fence.lon, step.fence.lat)
        read = any(step.name in _named(one.sql) for one in self._line.steps if one.sql)
        return alike and not read and not step.into

    def _state(self, step: Step) -> str:
        # No dataset can be called so: its name has no slash.
        return table_of(f"{STATES}{self._line.name}/{step.name}")

    def _make_state(self, duck: duckdb.DuckDBPyConnection, step: Step, names: Mapping[str, str]) -> None:
        if not step.window:
            return
        if step.dedupe:
            keys = ", ".join(quote_ident(item) for item in step.dedupe)
            made = f"SELECT {keys}, CAST(NULL AS TIMESTAMP) AS _sanqu_seen FROM {names[step_before(self._line, step)]} LIMIT 0"
        else:
            made = f"SELECT * FROM {names[step_before(self._line, step)]} LIMIT 0"
        wanted = [(str(c[0]), str(c[1])) for c in duck.execute(f"DESCRIBE {made}").fetchall()]
        try:
            there = [(str(c[0]), str(c[1])) for c in duck.execute(f"DESCRIBE SELECT * FROM {self._state(step)}").fetchall()]
        except duckdb.CatalogException:
            there = []
        if there != wanted:
            duck.execute(f"DROP TABLE IF EXISTS {self._state(step)}")
            duck.execute(f"CREATE TABLE {self._state(step)} AS {made}")

    def _gather(self, duck: duckdb.DuckDBPyConnection, step: Step, source: str, marks: dict[str, str]) -> tuple[int, float]:
        """Put rows with those that wait for their windows to close; gives how many came too late for all of theirs, and by how
        many seconds one is ahead of our clock."""
        held, time = marks.get(step.name, NEVER), quote_ident(step.time)
        size, hop = seconds_of(step.window, step.name), seconds_of(step.hop or step.window, step.name)
        last = f"time_bucket(INTERVAL {hop} SECONDS, {time}) + INTERVAL {size} SECONDS"
        late = duck.execute(f"SELECT count(*) FROM {source} WHERE {last} <= TIMESTAMP {literal(held)} OR {time} IS NULL").fetchone()
        duck.execute(f"INSERT INTO {self._state(step)} SELECT * FROM {source} WHERE {last} > TIMESTAMP {literal(held)}")
        # A clock that runs ahead carries time along no further than ours: other devices' rows would all be late.
        latest = f"TIMESTAMP {literal(_latest())}"
        said = f"max({time}) FILTER ({time} <= {latest}), date_diff('second', {latest}, max({time})) + {int(AHEAD.total_seconds())}"
        newest, ahead = duck.execute(f"SELECT {said} FROM {source}").fetchone() or (None, None)
        if newest is not None:
            reached = newest.replace(tzinfo=UTC) - timedelta(seconds=seconds_of(step.delay, step.name))
            marks[step.name] = max(held, _moment(reached))
        return int(late[0]) if late else 0, float(ahead) if ahead is not None and ahead > AHEAD.total_seconds() else 0.0

    def _run(
        self, duck: duckdb.DuckDBPyConnection, step: Step, names: Mapping[str, str], marks: dict[str, str],
        before: Mapping[str, str] | None = None,
    ) -> str:  # fmt: skip
        made = f"_sanqu_step_{step.name}"
        if step.fence is not None:
            return self._fence(duck, [step], names[step_before(self._line, step)], step.name)
        if step.dedupe:
            self._dedupe(duck, step, names[step_before(self._line, step)], made)
        elif step.window:
            self._windows(duck, step, names, marks.get(step.name, NEVER), (before or {}).get(step.name, NEVER), made)
        else:
            duck.execute(f"CREATE OR REPLACE TEMP TABLE {made} AS {self._text(step, names)}")
        return f"temp.main.{made}"

    def _text(self, step: Step, names: Mapping[str, str], instead: Mapping[str, str] | None = None) -> str:
        """The step's SELECT with each name led to the table that holds it."""
        copies = {name: f"temp.main.{quote_ident(self._copy(name))}" for name in self._copies}
        return _led(step.sql, tuple({**copies, **names, **(instead or {})}.items()))

    def _windows(
        self, duck: duckdb.DuckDBPyConnection, step: Step, names: Mapping[str, str], reached: str, before: str, made: str
    ) -> None:  # fmt: skip
        size, hop = seconds_of(step.window, step.name), seconds_of(step.hop or step.window, step.name)
        time, state = quote_ident(step.time), self._state(step)
        starts = f"time_bucket(INTERVAL {hop} SECONDS, {time}) - to_seconds({hop} * _k)"
        duck.execute(
            f"CREATE OR REPLACE TEMP TABLE _sanqu_closed AS SELECT *, window_start + INTERVAL {size} SECONDS AS window_end FROM "
            f"(SELECT s.*, {starts} AS window_start FROM {state} s, range({size // hop}) k(_k)) "
            f"WHERE window_end > TIMESTAMP {literal(before)} AND window_end <= TIMESTAMP {literal(reached)}"
        )
        text = self._text(step, names, {step_before(self._line, step): "temp.main._sanqu_closed"})
        duck.execute(f"CREATE OR REPLACE TEMP TABLE {made} AS {text}")
        last = f"time_bucket(INTERVAL {hop} SECONDS, {time}) + INTERVAL {size} SECONDS"
        duck.execute(f"DELETE FROM {state} WHERE {last} <= TIMESTAMP {literal(reached)}")

    def _dedupe(self, duck: duckdb.DuckDBPyConnection, step: Step, source: str, made: str) -> None:
        keys, state = ", ".join(quote_ident(item) for item in step.dedupe), self._state(step)
        here = f"TIMESTAMP {literal(_moment(datetime.now(UTC)))}"
        at = f"coalesce({quote_ident(step.time)}, {here})" if step.time else here
        size = seconds_of(step.window, step.name)
        match = " AND ".join(f"t.{quote_ident(item)} IS NOT DISTINCT FROM s.{quote_ident(item)}" for item in step.dedupe)
        fresh = f"NOT EXISTS (SELECT 1 FROM {state} t WHERE {match} AND t._sanqu_seen > s._at - INTERVAL {size} SECONDS "
        # Rows come out of order, and clocks run ahead: what was seen later by more than the window is another matter.
        fresh += f"AND t._sanqu_seen < s._at + INTERVAL {size} SECONDS)"
        duck.execute(f"CREATE OR REPLACE TEMP TABLE _sanqu_sift AS SELECT *, {at} AS _at FROM {source}")
        duck.execute(f"CREATE OR REPLACE TEMP TABLE {made} AS SELECT * EXCLUDE (_at) FROM _sanqu_sift LIMIT 0")
        # Once for every window that the rows reach over: mostly once.
        while True:
            first = f"row_number() OVER (PARTITION BY {keys} ORDER BY _at) = 1"
            duck.execute(f"CREATE OR REPLACE TEMP TABLE _sanqu_first AS SELECT * FROM _sanqu_sift s WHERE {fresh} QUALIFY {first}")
            found = duck.execute(f"INSERT INTO {made} SELECT * EXCLUDE (_at) FROM _sanqu_first").fetchone()
            if not found or not found[0]:
                break
            duck.execute(f"INSERT INTO {state} SELECT {keys}, _at FROM _sanqu_first")
        duck.execute(
            f"DELETE FROM {state} WHERE _sanqu_seen < (SELECT max(_sanqu_seen) FROM {state} "
            f"WHERE _sanqu_seen <= TIMESTAMP {literal(_latest())}) - INTERVAL {2 * size} SECONDS"
        )

    def _fence(self, duck: duckdb.DuckDBPyConnection, fences: Sequence[Step], source: str, name: str) -> str:
        """Rows of `source` with what is told of the areas in which they lie, for each of `fences` at the same places."""
        first = fences[0].fence
        assert first is not None
        points = duck.execute(f"SELECT rowid AS n, CAST({quote_ident(first.lon)} AS DOUBLE) AS x, CAST({quote_ident(first.lat)} AS DOUBLE) AS y FROM {source}").to_arrow_table()
        longitudes, latitudes = points["x"].to_numpy(), points["y"].to_numpy()
        told, given = [], []
        for fence in (step.fence for step in fences if step.fence is not None):
            contract = lake_of(self._city).contract(fence.dataset)
            told += areas_of(self._city, duck, fence.dataset, fence.geometry, fence.take).at(longitudes, latitudes)
            given += [(contract.field(item).lake_type, quote_ident(f"{fence.dataset}_{item}")) for item in fence.take]
        table = pa.table([points["n"], *told], names=["_n", *(f"_f{number}" for number in range(len(told)))])
        listed = ", ".join(f"CAST(f._f{number} AS {kind}) AS {column}" for number, (kind, column) in enumerate(given))
        duck.register("_sanqu_fenced", table)
        duck.execute(f"CREATE OR REPLACE TEMP TABLE _sanqu_step_{name} AS SELECT s.*, {listed} FROM {source} s JOIN _sanqu_fenced f ON f._n = s.rowid")
        duck.unregister("_sanqu_fenced")
        return f"temp.main._sanqu_step_{name}"


def _parted(place: str) -> list[str]:
    """The three names of a table as SQL writes it."""
    return [str(part.this) for part in exp.to_table(place, dialect=DIALECT).parts]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _latest() -> str:
    """The latest moment that can be now: times of rows are the city's own or UTC, they do not say which."""
    return _moment(now().astimezone(UTC) + (now().astimezone(CITY_ZONE).utcoffset() or timedelta()) + AHEAD)


class Areas:
    """Polygons with what is told of each; where several hold a point, the smallest counts."""

    def __init__(self, shapes: Sequence[tuple[shapely.Geometry, tuple[object, ...]]], width: int) -> None:
        import shapely

        ordered = sorted(shapes, key=lambda one: one[0].area)
        self._tree = shapely.STRtree([shape for shape, _ in ordered])
        # One more at the end: what is told of nowhere.
        self._nowhere = len(ordered)
        self._told = [pa.array([*(None if told[number] is None else str(told[number]) for _, told in ordered), None], pa.string()) for number in range(width)]

    def at(self, longitudes: np.ndarray, latitudes: np.ndarray) -> list[pa.Array]:
        """What is told, as text, of the area in which each point lies; nothing of one that lies in none or has no place (NaN)."""
        import numpy as np
        import shapely

        places = np.full(len(longitudes), self._nowhere)
        whole = np.flatnonzero(np.isfinite(longitudes) & np.isfinite(latitudes))
        if len(whole) and self._nowhere:
            point, shape = self._tree.query(shapely.points(longitudes[whole], latitudes[whole]), predicate="intersects")
            np.minimum.at(places, whole[point], shape)
        return [told.take(pa.array(places)) for told in self._told]


class _Known:
    """Areas by dataset and snapshot: polygons change seldom, rows come all the time."""

    def __init__(self, _city: City) -> None:
        self.areas: dict[tuple[object, ...], tuple[int, Areas]] = {}


SNAPSHOT = "SELECT snapshot FROM lake_dataset WHERE name = %s"
STANDING = "SELECT name, snapshot FROM lake_dataset WHERE name = ANY(%s) AND rows <= %s"


def areas_of(city: City, duck: duckdb.DuckDBPyConnection, dataset: str, geometry: str, take: Sequence[str]) -> Areas:
    """The areas of a dataset whose item `geometry` is GeoJSON, with the items `take` of each."""
    known = city.part(_Known, _Known).areas
    row = city.db.one(SNAPSHOT, (dataset,))
    snapshot = int(row["snapshot"]) if row else 0
    key = (dataset, geometry, tuple(take))
    found = known.get(key)
    if found is None or found[0] != snapshot:
        import shapely

        items = ", ".join(quote_ident(item) for item in (geometry, *take))
        rows = duck.execute(f"SELECT {items} FROM {table_of(dataset)} WHERE {quote_ident(geometry)} IS NOT NULL").fetchall()
        shapes = [(shapely.from_geojson(_geometry(str(one[0]))), tuple(one[1:])) for one in rows]
        found = known[key] = (snapshot, Areas(shapes, len(take)))
    return found[1]


def _geometry(text: str) -> str:
    """The geometry of a GeoJSON text, which may be a feature."""
    said = orjson.loads(text)
    return orjson.dumps(said["geometry"] if said.get("type") == "Feature" else said).decode()


def _unfit(step: str, zh: str, en: str, todo_zh: str, todo_en: str) -> BadInput:
    return BadInput("live.step", Text(zh=f"步骤 {step} {zh}", en=f"Step {step} {en}"), Text(zh=todo_zh, en=todo_en), step)
