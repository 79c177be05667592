"""Scenes: what is installed, how it is bound, models kept as tables, alarms of rules; indicators say whose they are."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"

STATEMENTS = (
    """
    CREATE TABLE scene (
        name text PRIMARY KEY,
        version text NOT NULL,
        digest text NOT NULL,
        body jsonb NOT NULL,
        folder text NOT NULL,
        binding jsonb NOT NULL,
        steward text NOT NULL,
        state text NOT NULL CHECK (state IN ('installed', 'removed')),
        installed timestamptz NOT NULL,
        actor text NOT NULL
    )
    """,
    # At which snapshots of its sources a model kept as a table was refreshed last, and a rule was looked at.
    """
    CREATE TABLE scene_seen (
        scene text NOT NULL REFERENCES scene ON DELETE CASCADE,
        what text NOT NULL,
        snapshots jsonb NOT NULL,
        at timestamptz NOT NULL,
        fault jsonb,
        PRIMARY KEY (scene, what)
    )
    """,
    """
    CREATE TABLE scene_alarm (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        scene text NOT NULL REFERENCES scene ON DELETE CASCADE,
        rule text NOT NULL,
        key text NOT NULL,
        severity text NOT NULL,
        body jsonb NOT NULL,
        message jsonb NOT NULL,
        times integer NOT NULL DEFAULT 1,
        raised timestamptz NOT NULL,
        seen timestamptz NOT NULL,
        cleared timestamptz,
        case_number text
    )
    """,
    "CREATE UNIQUE INDEX scene_alarm_open ON scene_alarm (scene, rule, key) WHERE cleared IS NULL",
    "CREATE INDEX scene_alarm_seen ON scene_alarm (scene, seen DESC)",
    "ALTER TABLE indicator ADD COLUMN origin text NOT NULL DEFAULT 'city'",
    # Python of a scene runs only where an administrator allowed just these bytes.
    """
    CREATE TABLE scene_trusted (
        kind text NOT NULL CHECK (kind IN ('key', 'python')),
        value text NOT NULL,
        note text NOT NULL DEFAULT '',
        actor text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (kind, value)
    )
    """,
)


def upgrade() -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
