"""The plan's key projects with tasks and progress; assessment with points, marks and appeals."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"

STATEMENTS = (
    """
    CREATE TABLE plan_project (
        code text PRIMARY KEY,
        position integer NOT NULL,
        title jsonb NOT NULL,
        goal text NOT NULL,
        section text NOT NULL,
        units text[] NOT NULL,
        wording text NOT NULL,
        since date NOT NULL,
        due date NOT NULL
    )
    """,
    """
    CREATE TABLE plan_target (
        id text PRIMARY KEY,
        project text NOT NULL REFERENCES plan_project,
        title jsonb NOT NULL,
        value double precision,
        wording text NOT NULL,
        unit text NOT NULL,
        comparator text NOT NULL
    )
    """,
    # A measure of the plan has a number and no parent; what a unit makes of it has a parent and no number.
    """
    CREATE TABLE plan_task (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        project text NOT NULL REFERENCES plan_project,
        measure integer,
        parent bigint REFERENCES plan_task,
        title jsonb NOT NULL,
        unit text NOT NULL REFERENCES org_unit (code),
        units text[] NOT NULL,
        since date NOT NULL,
        due date NOT NULL,
        weight numeric NOT NULL DEFAULT 1,
        state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'dropped')),
        UNIQUE (project, measure),
        CHECK ((measure IS NULL) <> (parent IS NULL))
    )
    """,
    """
    CREATE TABLE plan_report (
        case_number text PRIMARY KEY,
        project text NOT NULL REFERENCES plan_project,
        unit text NOT NULL REFERENCES org_unit (code),
        period text NOT NULL,
        state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'confirmed', 'void')),
        asked timestamptz NOT NULL,
        confirmed timestamptz
    )
    """,
    "CREATE UNIQUE INDEX plan_report_once ON plan_report (project, unit, period) WHERE state <> 'void'",
    # What was confirmed is never changed: what is said later of a task stands beside it.
    """
    CREATE TABLE plan_progress (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        task bigint NOT NULL REFERENCES plan_task,
        period text NOT NULL,
        percent integer NOT NULL CHECK (percent BETWEEN 0 AND 100),
        said text NOT NULL,
        problem text NOT NULL,
        case_number text NOT NULL,
        reporter text NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ON plan_progress (task, at DESC)",
    """
    CREATE TABLE plan_reached (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        target text NOT NULL REFERENCES plan_target,
        period text NOT NULL,
        value double precision,
        said text NOT NULL,
        case_number text NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ON plan_reached (target, at DESC)",
    """
    CREATE TABLE assess_round (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        scheme text NOT NULL,
        body jsonb NOT NULL,
        period text NOT NULL,
        state text NOT NULL CHECK (state IN ('draft', 'published', 'final')),
        opened timestamptz NOT NULL,
        opened_by text NOT NULL,
        published timestamptz,
        appeals_until timestamptz,
        closed timestamptz,
        UNIQUE (scheme, period)
    )
    """,
    """
    CREATE TABLE assess_point (
        round bigint NOT NULL REFERENCES assess_round,
        unit text NOT NULL REFERENCES org_unit (code),
        item text NOT NULL,
        revision integer NOT NULL,
        points numeric NOT NULL,
        most numeric NOT NULL,
        basis jsonb NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (round, unit, item, revision)
    )
    """,
    """
    CREATE TABLE assess_mark (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        round bigint NOT NULL REFERENCES assess_round,
        unit text NOT NULL,
        item text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('mark', 'appeal')),
        points numeric NOT NULL,
        reason text NOT NULL,
        case_number text,
        maker text NOT NULL,
        at timestamptz NOT NULL,
        undone timestamptz,
        undone_by text
    )
    """,
    "CREATE INDEX ON assess_mark (round, unit, item)",
    """
    CREATE TABLE assess_appeal (
        case_number text PRIMARY KEY,
        round bigint NOT NULL REFERENCES assess_round,
        unit text NOT NULL,
        item text NOT NULL,
        reason text NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'upheld', 'changed', 'withdrawn')),
        before numeric NOT NULL,
        after numeric,
        answer text NOT NULL DEFAULT '',
        at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
