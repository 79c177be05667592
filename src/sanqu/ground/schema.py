"""Brings the city's tables to the form this program expects (Alembic), and says when they are already there."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

VERSIONS = Path(__file__).parent / "migrations" / "versions"
# One number for the whole city: only one process migrates at a time.
MIGRATION_LOCK = 7_530_001


def newest_version() -> str:
    """The number of the last migration that ships with this program, such as `0005`."""
    return max(match[1] for file in VERSIONS.glob("v*.py") if (match := re.match(r"v(\d{4})_", file.name)))


def current_version(url: str) -> str | None:
    """The migration the database at `url` stands at, or None for an empty one."""
    with psycopg.connect(url) as conn:
        found = conn.execute("SELECT to_regclass('alembic_version')").fetchone()
        if not found or found[0] is None:
            return None
        row = conn.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def bring_up_to_date(url: str) -> str:
    """Apply what is missing at `url` and return the version reached; cheap when nothing is missing."""
    if current_version(url) == newest_version():
        return newest_version()
    # Alembic is slow to import and needed only when something is missing.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.attributes["url"] = url
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        command.upgrade(config, "head")
    return newest_version()
