"""Watching live lines: what they did in all, the last rounds' way, and whether they kept what their contract promises."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = """
ALTER TABLE live_line
    ADD COLUMN read bigint NOT NULL DEFAULT 0,
    ADD COLUMN written bigint NOT NULL DEFAULT 0,
    ADD COLUMN refused bigint NOT NULL DEFAULT 0,
    ADD COLUMN late bigint NOT NULL DEFAULT 0,
    ADD COLUMN latency bigint[] NOT NULL DEFAULT '{}',
    -- The last rounds with the moments (ms) of their rows' way: source, gathered, checked, committed; and their traces.
    ADD COLUMN ways jsonb NOT NULL DEFAULT '[]';
-- Minute by minute whether the line's data were as fresh as the contract promises.
CREATE TABLE live_promise (
    line       text NOT NULL REFERENCES lines_line (name) ON DELETE CASCADE,
    minute     timestamptz NOT NULL,
    kept       boolean NOT NULL,
    PRIMARY KEY (line, minute)
);
-- A promise that is broken fast enough for somebody to be told; gone again when it is kept.
CREATE TABLE live_alert (
    line       text PRIMARY KEY REFERENCES lines_line (name) ON DELETE CASCADE,
    since      timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
