"""Lines, their runs, the units already carried, and the quarantine."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE TABLE lines_line (
    name       text PRIMARY KEY,
    dataset    text NOT NULL,
    body       jsonb NOT NULL,
    enabled    boolean NOT NULL DEFAULT true,
    schedule   text NOT NULL DEFAULT '',
    next_run   timestamptz,
    position   jsonb NOT NULL DEFAULT '{}',
    created    timestamptz NOT NULL DEFAULT now(),
    changed    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX lines_line_dataset ON lines_line (dataset);
CREATE INDEX lines_line_due ON lines_line (next_run) WHERE enabled AND schedule <> '';

CREATE TABLE lines_run (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line        text NOT NULL,
    dataset     text NOT NULL,
    state       text NOT NULL CHECK (state IN ('running','done','failed','cut-off')),
    actor       text NOT NULL,
    resumes     bigint REFERENCES lines_run (id) ON DELETE SET NULL,
    base        bigint NOT NULL DEFAULT 0,
    started     timestamptz NOT NULL DEFAULT now(),
    ended       timestamptz,
    units       int NOT NULL DEFAULT 0,
    skipped     int NOT NULL DEFAULT 0,
    read        bigint NOT NULL DEFAULT 0,
    inserted    bigint NOT NULL DEFAULT 0,
    updated     bigint NOT NULL DEFAULT 0,
    unchanged   bigint NOT NULL DEFAULT 0,
    collapsed   bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    snapshot    bigint,
    progress    real NOT NULL DEFAULT 0,
    notes       jsonb NOT NULL DEFAULT '[]',
    cause       jsonb
);
CREATE INDEX lines_run_line ON lines_run (line, id DESC);
CREATE INDEX lines_run_dataset ON lines_run (dataset, id DESC);
CREATE INDEX lines_run_running ON lines_run (line) WHERE state = 'running';

-- What of each unit of a line is in the lake: a unit whose fingerprint stands here is not carried again.
CREATE TABLE lines_unit (
    line        text NOT NULL,
    unit        text NOT NULL,
    fingerprint text NOT NULL,
    run         bigint NOT NULL,
    snapshot    bigint NOT NULL,
    counts      jsonb NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (line, unit)
);

CREATE TABLE lines_quarantine (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line       text NOT NULL,
    run        bigint NOT NULL,
    dataset    text NOT NULL,
    unit       text NOT NULL,
    place      jsonb NOT NULL,
    mark       text NOT NULL,
    raw        jsonb NOT NULL,
    items      jsonb NOT NULL,
    faults     jsonb NOT NULL,
    rules      text[] NOT NULL,
    mended     jsonb,
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting','mended','replayed','dropped')),
    created    timestamptz NOT NULL DEFAULT now(),
    changed    timestamptz NOT NULL DEFAULT now(),
    actor      text NOT NULL DEFAULT '',
    -- One row of a source is quarantined once, however often its run is repeated.
    UNIQUE (line, unit, mark)
);
CREATE INDEX lines_quarantine_line ON lines_quarantine (line, state, id);
CREATE INDEX lines_quarantine_dataset ON lines_quarantine (dataset, state, id);
CREATE INDEX lines_quarantine_run ON lines_quarantine (run, id);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
