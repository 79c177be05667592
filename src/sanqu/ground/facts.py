"""Small facts a city keeps about itself: its name, its map, what its front page shows."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.database import Connection

SET = """
INSERT INTO city_fact (name, value) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed = now() WHERE city_fact.value IS DISTINCT FROM excluded.value
"""
GET = "SELECT value FROM city_fact WHERE name = %s"


def keep_fact(conn: Connection, name: str, value: Any) -> None:
    """Keep `value` (JSON) under `name`, in the caller's transaction."""
    conn.execute(SET, (name, Jsonb(value)))


def fact(city: City, name: str, otherwise: Any = None) -> Any:
    """What is kept under `name`, or `otherwise`."""
    row = city.db.one(GET, (name,))
    return otherwise if row is None else row["value"]
