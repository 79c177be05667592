"""Supervision: items, inspectors and whom they avoid, plans, draws, inspections beside their cases."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"

NAMES = ("inspection", "draw", "plan", "avoidance", "inspector", "item")


def upgrade() -> None:
    """Make the tables."""
    op.execute("""
CREATE TABLE supervision_item (
    code       text PRIMARY KEY,
    position   integer NOT NULL,
    body       jsonb NOT NULL,
    active     boolean NOT NULL DEFAULT true
);
-- Who may inspect (执法人员库); `certificate` is the number of the law enforcement certificate.
CREATE TABLE supervision_inspector (
    certificate text PRIMARY KEY,
    name       text NOT NULL,
    unit       text NOT NULL REFERENCES org_unit (code),
    person     bigint REFERENCES person (id),
    items      text[] NOT NULL DEFAULT '{}',
    valid_until date,
    away_from  date,
    away_until date,
    active     boolean NOT NULL DEFAULT true,
    sample     boolean NOT NULL DEFAULT false
);
CREATE INDEX supervision_inspector_unit ON supervision_inspector (unit);
-- Whom an inspector, or everybody of a unit, must not inspect (回避).
CREATE TABLE supervision_avoidance (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    inspector  text REFERENCES supervision_inspector (certificate) ON DELETE CASCADE,
    unit       text REFERENCES org_unit (code),
    target     text NOT NULL,
    reason     text NOT NULL CHECK (reason IN ('kin', 'interest', 'former', 'unit')),
    actor      text NOT NULL,
    at         timestamptz NOT NULL,
    CHECK ((inspector IS NULL) <> (unit IS NULL))
);
CREATE UNIQUE INDEX supervision_avoidance_once ON supervision_avoidance (coalesce(inspector, unit), target);
CREATE SEQUENCE supervision_plan_number;
CREATE TABLE supervision_plan (
    number     text PRIMARY KEY,
    title      text NOT NULL,
    unit       text NOT NULL REFERENCES org_unit (code),
    -- The lead and those that go along: who works there sees the plan's inspections.
    units      text[] NOT NULL,
    rules      jsonb NOT NULL,
    creator    text NOT NULL,
    created    timestamptz NOT NULL,
    sample     boolean NOT NULL DEFAULT false
);
CREATE INDEX supervision_plan_created ON supervision_plan (created DESC);
-- All draws of a plan, void ones too. `seed` is nobody's to read until the draw is made or void.
CREATE TABLE supervision_draw (
    plan       text NOT NULL REFERENCES supervision_plan (number),
    round      integer NOT NULL,
    state      text NOT NULL CHECK (state IN ('committed', 'drawn', 'void')),
    lists      text NOT NULL,
    names      jsonb NOT NULL,
    digest     text NOT NULL,
    seed       bytea NOT NULL,
    commitment text NOT NULL,
    committed  timestamptz NOT NULL,
    committed_by text NOT NULL,
    committed_proof jsonb,
    witness    text NOT NULL DEFAULT '',
    result     jsonb,
    drawn      timestamptz,
    drawn_by   text,
    voided     timestamptz,
    voided_by  text,
    reason     text NOT NULL DEFAULT '',
    PRIMARY KEY (plan, round)
);
CREATE UNIQUE INDEX supervision_draw_standing ON supervision_draw (plan) WHERE state <> 'void';
CREATE TABLE supervision_inspection (
    number     text PRIMARY KEY,
    plan       text NOT NULL REFERENCES supervision_plan (number),
    round      integer NOT NULL,
    target     text NOT NULL,
    name       text NOT NULL,
    county     text NOT NULL,
    kind       text NOT NULL,
    grade      text NOT NULL,
    inspectors text[] NOT NULL,
    case_number text UNIQUE,
    state      text NOT NULL DEFAULT 'drawn',
    result     text,
    problems   integer NOT NULL DEFAULT 0,
    findings   jsonb NOT NULL DEFAULT '{}',
    visited    date,
    corrected  date,
    published  timestamptz,
    drawn      timestamptz NOT NULL,
    changed    timestamptz NOT NULL,
    sample     boolean NOT NULL DEFAULT false,
    UNIQUE (plan, round, target)
);
CREATE INDEX supervision_inspection_target ON supervision_inspection (target, drawn);
CREATE INDEX supervision_inspection_drawn ON supervision_inspection (drawn DESC, number DESC);
CREATE INDEX supervision_inspection_waiting ON supervision_inspection (drawn) WHERE case_number IS NULL;
""")


def downgrade() -> None:
    """Drop them."""
    op.execute(";".join(f"DROP TABLE supervision_{name}" for name in NAMES) + ";DROP SEQUENCE supervision_plan_number")
