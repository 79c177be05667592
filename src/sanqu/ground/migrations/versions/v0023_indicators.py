"""Indicators: their definitions, targets, and every figure with its revisions."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"

STATEMENTS = (
    """
    CREATE TABLE indicator (
        code text PRIMARY KEY,
        position integer NOT NULL,
        body jsonb NOT NULL,
        active boolean NOT NULL DEFAULT true
    )
    """,
    """
    CREATE TABLE indicator_target (
        code text NOT NULL REFERENCES indicator,
        period text NOT NULL,
        value double precision NOT NULL,
        comparator text NOT NULL,
        source jsonb NOT NULL,
        PRIMARY KEY (code, period)
    )
    """,
    # A figure is never changed: what is said later of the same period is its next revision.
    """
    CREATE TABLE indicator_figure (
        code text NOT NULL REFERENCES indicator,
        period text NOT NULL,
        revision integer NOT NULL,
        value double precision,
        basis jsonb NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (code, period, revision)
    )
    """,
)


def upgrade() -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
