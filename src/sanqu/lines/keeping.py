"""Keeps lines, runs and carried units in PostgreSQL."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from croniter import croniter
from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import unit as unit_of
from sanqu.lake import lake_of
from sanqu.lake.engine import METADATA_SCHEMA
from sanqu.lines.records import Counts, Line, Run, RunState
from sanqu.lines.sources.reach import fence_of, is_elsewhere

RUN_COLUMNS = (
    "id, line, dataset, state, actor, resumes, base, started, ended, units, skipped, read, inserted, updated, unchanged, "
    "collapsed, quarantined, snapshot, progress, notes, cause"
)
SAVE_LINE = """
INSERT INTO lines_line (name, dataset, body, enabled, schedule, next_run, approved) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET dataset = excluded.dataset, body = excluded.body, enabled = excluded.enabled,
    approved = CASE WHEN excluded.approved = '' AND lines_line.body -> 'source' = excluded.body -> 'source'
                    THEN lines_line.approved ELSE excluded.approved END,
    schedule = excluded.schedule, changed = now(),
    next_run = CASE WHEN lines_line.schedule = excluded.schedule THEN lines_line.next_run ELSE excluded.next_run END
"""
LIST_LINES = """
SELECT body FROM lines_line
WHERE (%(dataset)s::text IS NULL OR dataset = %(dataset)s) ORDER BY name LIMIT %(limit)s OFFSET %(offset)s
"""
START_RUN = """
INSERT INTO lines_run (line, dataset, state, actor, resumes, base) VALUES (%s, %s, 'running', %s, %s, %s) RETURNING id
"""
ADD_TO_RUN = """
UPDATE lines_run SET units = units + %(units)s, skipped = skipped + %(skipped)s, read = read + %(read)s,
    inserted = inserted + %(inserted)s, updated = updated + %(updated)s, unchanged = unchanged + %(unchanged)s,
    collapsed = collapsed + %(collapsed)s, quarantined = quarantined + %(quarantined)s,
    snapshot = greatest(snapshot, %(snapshot)s), notes = notes || %(notes)s::jsonb
WHERE id = %(run)s
"""
END_RUN = (
    "UPDATE lines_run SET state = %s, ended = now(), cause = %s, progress = CASE WHEN %s THEN 1 ELSE progress END WHERE id = %s"
)
SAVE_UNIT = """
INSERT INTO lines_unit (line, unit, fingerprint, run, snapshot, counts) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (line, unit) DO UPDATE SET fingerprint = excluded.fingerprint, run = excluded.run,
    snapshot = excluded.snapshot, counts = excluded.counts, at = now()
"""
LIST_RUNS = f"""
SELECT {RUN_COLUMNS} FROM lines_run
WHERE (%(line)s::text IS NULL OR line = %(line)s) AND (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
  AND (%(state)s::text IS NULL OR state = %(state)s) AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s
"""
# What these name is judged when the line is saved; batch ones are judged again at each request of a run.
NETWORKED = ("url", "api", "ckan", "sanqu", "sql", "postgres", "mysql", "feed", "mqtt", "nats")
LINE_KIND = Text(zh="专线", en="line")
RUN_KIND = Text(zh="运行记录", en="run")


def placed(line: Line, base: Path) -> Line:
    """`line` with a relative `source.path` taken from `base`."""
    if not line.source.path or Path(line.source.path).is_absolute():
        return line
    return line.model_copy(update={"source": line.source.model_copy(update={"path": str(base / line.source.path)})})


def refuse_stranger(city: City, dataset: str, asker: Asker) -> None:
    """Raises `Refused` unless the asker answers for the dataset: steward of its unit or of one above, or administrator."""
    if asker.is_admin:
        return
    steward = lake_of(city).contract(dataset).steward
    try:
        path = unit_of(city, steward).path
    except Exception:
        path = ""
    if not path or not asker.may_steward(path):
        raise Refused(
            "lines.not-steward",
            Text(zh=f"只有 {steward} 的数据管理员可以这样做", en=f"Only a steward of {steward} may do this"),
            Text(zh="请该单位代办，或申请该单位的管理角色", en="Ask that unit, or ask for its steward role"),
            dataset,
        )


def _refuse_closed(city: City, line: Line, asker: Asker) -> None:
    """Say at once what a run would be refused: a name that leads nowhere now is judged when the line runs."""
    source = line.source
    host = urlsplit(source.url).hostname if source.kind in NETWORKED else None
    if host and not asker.is_admin and not (approved_by(city, line.name) and line_of(city, line.name).source == source):
        with suppress(OSError):
            fence_of(city).addresses(host, 0)


def _refuse_foreign_file(city: City, line: Line, asker: Asker) -> None:
    """Files and databases of the machine are the administrator's; stewards have the city's `inbox`, and servers elsewhere."""
    source = line.source
    inbox = (city.settings.home / "inbox").resolve()
    foreign = source.kind in ("file", "tail") and not Path(source.path).resolve().is_relative_to(inbox)
    local_database = source.kind in ("sql", "postgres", "mysql") and not is_elsewhere(source.url)
    if local_database and not asker.is_admin:
        raise Refused(
            "lines.foreign-database",
            Text(
                zh="只有管理员可以从这台机器上的数据库装载，或在网址里写 sslmode、charset 以外的参数",
                en="Only an administrator may load from a database of this machine, or give parameters beside sslmode and charset",
            ),
            Text(
                zh="写另一台机器上 PostgreSQL 或 MySQL 的网址，或请管理员建这条专线",
                en="Name PostgreSQL or MySQL on another machine, or ask an administrator",
            ),
            line.name,
        )
    if source.kind == "jt808" and not asker.is_admin:
        raise Refused(
            "lines.listen",
            Text(zh="只有管理员可以在这台机器上打开端口", en="Only an administrator may open a port of this machine"),
            Text(zh="请管理员建这条专线，或让网关推送", en="Ask an administrator, or let a gateway push"),
            line.name,
        )
    if foreign and not asker.is_admin:
        raise Refused(
            "lines.foreign-file",
            Text(zh="只有管理员可以从这台机器的任意文件装载", en="Only an administrator may load any file of this machine"),
            Text(zh=f"把文件放进 {inbox}，或请管理员建这条专线", en=f"Put the file into {inbox}, or ask an administrator"),
            line.name,
        )


def _refuse_foreign_lookups(city: City, line: Line, asker: Asker) -> None:
    """Steps look things up in datasets that the asker answers for, or that everybody may read as they are."""
    if not line.steps:
        return
    # What reads steps is large, and few lines have any.
    from sanqu.lines.live.steps import check_steps

    for name in check_steps(line):
        contract = lake_of(city).contract(name)
        grades = {item.grade or contract.grade for item in contract.fields}
        if contract.opening != "unconditional" or grades - {"L1", "L2"} or any(item.uses != ("plain",) for item in contract.fields):
            refuse_stranger(city, name, asker)


def refuse_live(line: Line) -> None:
    """Raises `Conflict` for a line that flows by itself: it cannot be run."""
    if line.live:
        raise Conflict(
            "lines.live",
            Text(zh="这是实时专线，自己一直在流，不需要运行", en="This is a live line: it flows by itself and is not run"),
            Text(zh="看它的实时状态；停用或启用用 enabled", en="Look at how it stands; stop and start it with enabled"),
            line.name,
        )


def save_line(city: City, line: Line, asker: Asker, *, new: bool = False) -> Line:
    """Make or change a line; raises `NotFound` (dataset), `BadInput` (mode and contract disagree), `Refused`, `Conflict`."""
    contract = lake_of(city).contract(line.dataset)
    for name in line.datasets:
        refuse_stranger(city, name, asker)
    # A relative path, as the pages' forms take it, counts from the city's folder, wherever the city was started.
    line = placed(line, city.settings.home.resolve())
    _refuse_foreign_file(city, line, asker)
    _refuse_foreign_lookups(city, line, asker)
    _refuse_closed(city, line, asker)
    if bool(contract.primaryKey) != (line.mode == "upsert") and line.mode != "replace":
        keyed = bool(contract.primaryKey)
        raise BadInput(
            "lines.mode",
            Text(
                zh="数据集有主键，追加会使键重复" if keyed else "数据集没有主键，不能按键更新",
                en="The dataset has a key: appending would double it" if keyed else "The dataset has no key to write by",
            ),
            Text(zh="把 mode 改为 upsert 或 replace" if keyed else "把 mode 改为 append 或 replace",
                 en="Set mode to upsert or replace" if keyed else "Set mode to append or replace"),
            line.name,
        )  # fmt: skip
    following = next_time(line.schedule) if line.schedule and line.enabled else None
    with city.db.connection() as conn:
        held = conn.execute("SELECT dataset FROM lines_line WHERE name = %s FOR UPDATE", (line.name,)).fetchone()
        if held and new:
            raise Conflict(
                "lines.exists",
                Text(zh="已有同名的专线", en="A line of that name exists"),
                Text(zh="换一个名称，或修改原有的专线", en="Choose another name, or change that line"),
                line.name,
            )
        if held:
            refuse_stranger(city, str(held["dataset"]), asker)
        approved = asker.label if asker.is_admin else ""
        values = (line.name, line.dataset, Jsonb(line.descriptor()), line.enabled, line.schedule, following, approved)
        _leave_source(conn, line.name, line)
        conn.execute(SAVE_LINE, values)
        if line.live:
            make_live(conn, line)
        else:
            conn.execute("DELETE FROM live_line WHERE line = %s", (line.name,))
        append(conn, kind="lines.save", actor=asker.label, subject=f"line:{line.name}", facts={"dataset": line.dataset})
    return line


def approved_by(city: City, name: str) -> str:
    """The administrator who made the line or approved its source, empty when none did."""
    row = city.db.one("SELECT approved FROM lines_line WHERE name = %s", (name,))
    return str(row["approved"]) if row else ""


def approve_line(city: City, name: str, asker: Asker) -> None:
    """Let a line reach what is shut to stewards, until its source is changed; raises `NotFound`, `Refused`."""
    if not asker.is_admin:
        raise Refused(
            "lines.approve",
            Text(zh="只有管理员可以批准专线的来源", en="Only an administrator may approve the source of a line"),
            Text(zh="请管理员打开这条专线的页面", en="Ask an administrator to open the page of the line"),
            name,
        )
    line_of(city, name)
    with city.db.connection() as conn:
        conn.execute("UPDATE lines_line SET approved = %s WHERE name = %s", (asker.label, name))
        append(conn, kind="lines.approve", actor=asker.label, subject=f"line:{name}")


MAKE_LIVE = f"""
INSERT INTO live_line (line, lane, snapshot)
SELECT %s, %s, coalesce((SELECT max(snapshot_id) FROM {METADATA_SCHEMA}.ducklake_snapshot), 0)
ON CONFLICT (line) DO UPDATE SET lane = excluded.lane, next_try = NULL, tries = 0, changed = now()
"""


def make_live(conn: Connection, line: Line) -> None:
    """Keep `line` among the live ones; one that was stopped is tried again at once."""
    conn.execute(MAKE_LIVE, (line.name, line.lane))


LEFT_AT_SOURCE = """
SELECT l.body, k.source FROM lines_line l JOIN live_line k ON k.line = l.name WHERE l.name = %s AND k.source ? 'slot'
"""
LEAVE = "INSERT INTO live_left (line, body, source) VALUES (%s, %s, %s)"


def _leave_source(conn: Connection, name: str, instead: Line | None = None) -> None:
    """Remember what a live line leaves at a source that it follows no more, so that it is taken away there."""
    row = conn.execute(LEFT_AT_SOURCE, (name,)).fetchone()
    if row is not None and (instead is None or Line.from_descriptor(row["body"]).origin != instead.origin):
        conn.execute(LEAVE, (name, Jsonb(row["body"]), Jsonb(row["source"])))
        conn.execute("UPDATE live_line SET source = source - 'slot' - 'publication' WHERE line = %s", (name,))


def next_time(schedule: str, after: datetime | None = None) -> datetime:
    """When a cron `schedule` (UTC) is due next."""
    found: datetime = croniter(schedule, after or now()).get_next(datetime)
    return found.astimezone(UTC)


def line_of(city: City, name: str) -> Line:
    """The line called `name`; raises `NotFound`."""
    row = city.db.one("SELECT body FROM lines_line WHERE name = %s", (name,))
    if row is None:
        raise not_found(LINE_KIND, name)
    return Line.from_descriptor(row["body"])


def lines(city: City, *, dataset: str | None = None, limit: int = 1000, offset: int = 0) -> list[Line]:
    """Lines by name, narrowed to one dataset."""
    rows = city.db.all(LIST_LINES, {"dataset": dataset, "limit": limit, "offset": offset})
    return [Line.from_descriptor(row["body"]) for row in rows]


def delete_line(city: City, name: str, asker: Asker) -> None:
    """Take a line away, with its memory of what it carried; rows it brought, its runs and its quarantine stay."""
    line = line_of(city, name)
    refuse_stranger(city, line.dataset, asker)
    with city.db.connection() as conn:
        _leave_source(conn, name)
        conn.execute("DELETE FROM lines_line WHERE name = %s", (name,))
        conn.execute("DELETE FROM lines_unit WHERE line = %s", (name,))
        append(conn, kind="lines.delete", actor=asker.label, subject=f"line:{name}")


def run_of(city: City, number: int) -> Run:
    """The run numbered `number`; raises `NotFound`."""
    row = city.db.one(f"SELECT {RUN_COLUMNS} FROM lines_run WHERE id = %s", (number,))
    if row is None:
        raise not_found(RUN_KIND, str(number))
    return Run.model_validate(row)


def runs(
    city: City,
    *,
    line: str | None = None,
    dataset: str | None = None,
    state: str | None = None,
    before: int | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[Run]:
    """Runs, the newest first, narrowed by line, dataset and state; `before` is a run's number to go on from."""
    wanted = {"line": line, "dataset": dataset, "state": state, "before": before, "limit": limit, "offset": offset}
    return [Run.model_validate(row) for row in city.db.all(LIST_RUNS, wanted)]


def start_run(conn: Connection, line: Line, actor: str, resumes: int | None, base: int) -> int:
    """Write down that a run begins; returns its number."""
    row = conn.execute(START_RUN, (line.name, line.dataset, actor, resumes, base)).fetchone()
    assert row is not None
    return int(row["id"])


def note_unit(
    conn: Connection, run: int, line: str, unit: str, fingerprint: str, counts: Counts, snapshot: int, notes: tuple[Text, ...]
) -> None:
    """Write down that a unit is in the lake, and add its rows to the run's."""
    conn.execute(SAVE_UNIT, (line, unit, fingerprint, run, snapshot, Jsonb(counts.model_dump())))
    said = [note.model_dump() for note in notes]
    conn.execute(
        ADD_TO_RUN, {**counts.model_dump(), "units": 1, "skipped": 0, "snapshot": snapshot, "notes": Jsonb(said), "run": run}
    )


def note_skipped(conn: Connection, run: int) -> None:
    """Write down that a unit was already in the lake."""
    conn.execute("UPDATE lines_run SET skipped = skipped + 1 WHERE id = %s", (run,))


def end_run(conn: Connection, run: int, state: RunState, cause: dict[str, Any] | None) -> None:
    """Write down how a run ended."""
    conn.execute(END_RUN, (state.value, Jsonb(cause) if cause else None, state == RunState.DONE, run))
