"""Cases and alarms as datasets (办件与告警入湖): what came of a scene's processes and rules, in rows that its models can read.

A resource whose law says `cases` or `alarms` is filled from here; its contract says who may read it, as of any dataset. Rows that were
there otherwise (samples) stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.lake import Commit, Contract, lake_of, table_from
from sanqu.scenes.keeping import Installed, scene_of
from sanqu.scenes.package import Kept
from sanqu.scenes.rules import all_seen, note_seen

# A step that was taken a moment ago may not have been committed when we looked.
SLACK = timedelta(minutes=2)
# When each step was due and done, as it was last: `answer_due` and `answer_done` of the task `answer`, in the city's time.
CASES = """
SELECT c.number, c.process, c.title, nullif(c.title_en, '') AS title_en, c.subject, c.applicant, c.unit, c.state, c.outcome, c.created AS opened, c.closed, c.data, t.step, t.due, s.steps
FROM case_case c LEFT JOIN LATERAL (
    SELECT string_agg(title_zh, '、' ORDER BY made) AS step, min(due) AS due FROM case_task WHERE case_id = c.id AND state IN ('waiting', 'ready')
) t ON true LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(replace(name, '-', '_') || '_due', due) || jsonb_object_agg(replace(name, '-', '_') || '_done', done_at) AS steps
    FROM (SELECT DISTINCT ON (name) name, due, done_at FROM case_task WHERE case_id = c.id ORDER BY name, made DESC) AS last
) s ON true
WHERE c.process = ANY(%(processes)s) AND (%(since)s::timestamptz IS NULL OR EXISTS (SELECT 1 FROM case_step s WHERE s.case_id = c.id AND s.at > %(since)s))
ORDER BY c.number
"""
ALARMS = """
SELECT id AS alarm, rule, key, severity, message, raised, seen, cleared, times, case_number, body AS data FROM scene_alarm
WHERE scene = %(scene)s AND (%(since)s::timestamptz IS NULL OR seen > %(since)s OR cleared > %(since)s) ORDER BY id
"""


def keep_books(city: City, one: Installed) -> int:
    """Bring the datasets of a scene that are made of its cases and alarms up to date; gives how many of them changed."""
    scene = scene_of(city, one)
    mine = {name: kept for name, kept in scene.kept.items() if name not in one.binding}
    seen = all_seen(city, one.name) if mine else {}
    return sum(_keep(city, one, scene.contracts[name], kept, seen.get(_book(name), (None, None))[1]) for name, kept in mine.items())


def _book(name: str) -> str:
    """What the books of a dataset are noted as."""
    return f"book:{name}"


def _keep(city: City, one: Installed, contract: Contract, kept: Kept, looked: datetime | None) -> bool:
    at = now()
    with city.db.connection() as conn:
        rows = _read(conn, one, kept, looked - SLACK if looked else None)
    written = False
    if rows:
        change = lake_of(city).settle(contract.name, table_from(contract, [_row(contract, row) for row in rows]), Commit("system", f"{contract.name}: {len(rows)}"), keep=True)
        written = bool(change.inserted or change.updated)
    if rows or not looked:
        with city.db.connection() as conn:
            note_seen(conn, one.name, _book(contract.name), {}, at=at)
    return written


def _read(conn: Connection, one: Installed, kept: Kept, since: datetime | None) -> list[dict[str, Any]]:
    if kept.alarms:
        return conn.execute(ALARMS, {"scene": one.name, "since": since}).fetchall()
    return conn.execute(CASES, {"processes": list(kept.processes), "since": since}).fetchall()


def _row(contract: Contract, row: Mapping[str, Any]) -> dict[str, Any]:
    """A case or alarm as a row: its data by their names, when its steps were due and done, then what it is itself. A value that is none of its item's type stays empty."""
    steps = {name: datetime.fromisoformat(at) for name, at in (row.get("steps") or {}).items() if at}
    said = {**(row["data"] or {}), **steps, **{name: value for name, value in row.items() if name not in ("data", "steps")}}
    found = {item.name: _plain(said.get(item.name)) for item in contract.fields}
    return {item.name: value for item in contract.fields if (value := found[item.name]) is not None and _reads(item.type, value)}


def _reads(kind: str, value: str) -> bool:
    """Whether a text can be read as a value of the type."""
    try:
        match kind:
            case "integer" | "number":
                Decimal(value)
            case "date" | "datetime":
                datetime.fromisoformat(value)
            case "boolean":
                return value in ("true", "false")
    except (ValueError, InvalidOperation):
        return False
    return True


def _plain(value: Any) -> str | None:
    """A value as text that the contract's types take: times are the city's own."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(CITY_ZONE).replace(tzinfo=None).isoformat(" ")
    if isinstance(value, Mapping) and "zh" in value:
        return str(value["zh"])
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else orjson.dumps(value, default=str).decode()
