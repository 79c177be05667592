"""Figures that units report: by file or by case, each kept with who said it."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"

STATEMENTS = (
    # What is said later of the same figure counts; what was said before stays.
    """
    CREATE TABLE indicator_reported (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        code text NOT NULL REFERENCES indicator,
        dimension text NOT NULL,
        member text NOT NULL,
        period text NOT NULL,
        value double precision NOT NULL,
        note text NOT NULL,
        origin text NOT NULL,
        actor text NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ON indicator_reported (code, dimension, member, period, id DESC)",
    """
    CREATE TABLE indicator_report (
        case_number text PRIMARY KEY,
        unit text NOT NULL REFERENCES org_unit (code),
        period text NOT NULL,
        codes text[] NOT NULL,
        state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'published', 'void')),
        asked timestamptz NOT NULL,
        published timestamptz
    )
    """,
    "CREATE UNIQUE INDEX indicator_report_once ON indicator_report (unit, period) WHERE state <> 'void'",
)


def upgrade() -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
