"""What lines that are gone leave behind is taken away: their streams, the state of their steps, their slots at sources."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import duckdb
import psycopg
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import Error as JsError

from sanqu.ground.city import City
from sanqu.lake import lake_of
from sanqu.lake.engine import METADATA_SCHEMA
from sanqu.lake.tables import table_of
from sanqu.lines.live.gather.postgres import leave
from sanqu.lines.live.steps import STATES
from sanqu.lines.live.stream import drop_stream, lines_with_streams
from sanqu.lines.records import Line

log = logging.getLogger(__name__)

HELD = "SELECT line FROM live_line"
# State of steps: by line and step, as the lines are now.
TABLES = f"""
SELECT table_name AS name FROM {METADATA_SCHEMA}.ducklake_table t
WHERE end_snapshot IS NULL AND starts_with(table_name, '{STATES}') AND NOT EXISTS (
    SELECT 1 FROM live_line k JOIN lines_line l ON l.name = k.line CROSS JOIN jsonb_array_elements(l.body -> 'steps') AS s
    WHERE t.table_name = '{STATES}' || l.name || '/' || (s ->> 'name'))
"""
LEFT = "SELECT id, body, source FROM live_left WHERE next_try <= now() ORDER BY id LIMIT 10"
TAKEN = "DELETE FROM live_left WHERE id = %s"
# A source that is away may be away for good: it is asked less and less often, and no more after a month.
LATER = "UPDATE live_left SET next_try = now() + greatest(interval '10 seconds', (now() - since) / 10) WHERE id = %s"
TOO_OLD = "DELETE FROM live_left WHERE since < now() - interval '30 days'"


async def sweep(city: City, client: Client) -> None:
    """Take away what no line needs any more; what cannot be reached now is tried again later."""
    await _drop_streams(city, client)
    await asyncio.to_thread(drop_states, city)
    await asyncio.to_thread(leave_sources, city)


async def _drop_streams(city: City, client: Client) -> None:
    js = client.jetstream()
    with suppress(NatsError, JsError, OSError, TimeoutError):
        # Looked up first: the stream of a line made after that is not among them.
        there = await lines_with_streams(js)
        held = {str(row["line"]) for row in await asyncio.to_thread(city.db.all, HELD)}
        for name in there:
            if name not in held:
                await drop_stream(js, name)


def drop_states(city: City) -> None:
    """Drop the tables that hold the state of steps that no line has any more."""
    try:
        names = [str(row["name"]) for row in city.db.all(TABLES)]
    except psycopg.errors.UndefinedTable:
        # Nothing was ever written to the lake.
        return
    if names:
        with lake_of(city).engine() as duck:
            for name in names:
                with suppress(duckdb.Error):
                    duck.execute(f"DROP TABLE IF EXISTS {table_of(name)}")


def leave_sources(city: City) -> None:
    """Take slots and publications away at sources that no line follows any more."""
    for row in city.db.all(LEFT):
        try:
            leave(Line.from_descriptor(row["body"]), row["source"])
        except (psycopg.Error, OSError) as fault:
            log.info("live %s: its slot is still at the source: %s", row["body"]["name"], fault)
            query = LATER
        else:
            query = TAKEN
        with city.db.connection() as conn:
            conn.execute(query, (row["id"],))
            conn.execute(TOO_OLD)
