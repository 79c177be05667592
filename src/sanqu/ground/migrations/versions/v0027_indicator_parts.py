"""Figures of parts: an indicator by county, by class, by whatever dimension it declares; and forecasts."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"

STATEMENTS = (
    # As indicator_figure: never changed, what is said later is the next revision.
    """
    CREATE TABLE indicator_part (
        code text NOT NULL REFERENCES indicator,
        dimension text NOT NULL,
        member text NOT NULL,
        period text NOT NULL,
        revision integer NOT NULL,
        value double precision,
        basis jsonb NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (code, dimension, member, period, revision)
    )
    """,
    # The newest forecast of an indicator; `digest` is that of the figures it was made from.
    """
    CREATE TABLE indicator_forecast (
        code text PRIMARY KEY REFERENCES indicator,
        digest text NOT NULL,
        body jsonb NOT NULL,
        at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
