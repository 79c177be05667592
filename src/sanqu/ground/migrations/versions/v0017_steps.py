"""What cases wait for, who supervises, stands in, pauses, what lies with a case, and what dispatch goes by."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"

TABLES = """
-- The decision tables and forms that were deployed beside a process, by their names.
ALTER TABLE case_process ADD COLUMN files jsonb NOT NULL DEFAULT '{}';

-- Decision tables deployed on their own; a step takes the newest.
CREATE TABLE case_decision (
    name       text NOT NULL,
    version    int NOT NULL,
    title      text NOT NULL,
    dmn        text NOT NULL,
    actor      text NOT NULL,
    created    timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);

-- Until when an element of a case waits; the number is the engine's.
CREATE TABLE case_timer (
    id         uuid PRIMARY KEY,
    case_id    uuid NOT NULL REFERENCES case_case (id) ON DELETE CASCADE,
    name       text NOT NULL,
    fires_at   timestamptz NOT NULL,
    sure       boolean NOT NULL DEFAULT true,
    made       timestamptz NOT NULL
);
CREATE INDEX case_timer_case ON case_timer (case_id);
CREATE INDEX case_timer_fires ON case_timer (fires_at);

ALTER TABLE case_task
    -- The task for which another unit is asked (会签); such a task is not the engine's.
    ADD COLUMN asked_for uuid REFERENCES case_task (id) ON DELETE CASCADE,
    ADD COLUMN forwarded timestamptz,
    ADD COLUMN returned timestamptz,
    -- Paused since, until at most; how many working days it may be and was paused in all.
    ADD COLUMN paused timestamptz,
    ADD COLUMN pause_until timestamptz,
    ADD COLUMN pause_days int NOT NULL DEFAULT 10,
    ADD COLUMN pause_used int NOT NULL DEFAULT 0,
    ADD COLUMN supervised timestamptz;
CREATE INDEX case_task_asked_for ON case_task (asked_for) WHERE asked_for IS NOT NULL;
CREATE INDEX case_task_pause ON case_task (pause_until) WHERE state = 'ready' AND paused IS NOT NULL;

CREATE TABLE case_supervision (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id    uuid NOT NULL REFERENCES case_case (id) ON DELETE CASCADE,
    task       uuid NOT NULL REFERENCES case_task (id) ON DELETE CASCADE,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    demand     text NOT NULL,
    due        timestamptz NOT NULL,
    answer     text NOT NULL DEFAULT '',
    answered   timestamptz,
    answered_by text
);
CREATE INDEX case_supervision_case ON case_supervision (case_id, id);

-- Who stands in for whom, while somebody is away.
CREATE TABLE case_delegate (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    delegate   bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    begins     timestamptz NOT NULL,
    ends       timestamptz NOT NULL,
    made       timestamptz NOT NULL,
    CHECK (begins < ends),
    CHECK (person <> delegate)
);
CREATE INDEX case_delegate_delegate ON case_delegate (delegate, ends);
CREATE INDEX case_delegate_person ON case_delegate (person, ends);

-- Photos, signatures and other files of a case; the ledger holds their digests.
CREATE TABLE case_file (
    id         uuid PRIMARY KEY,
    case_id    uuid NOT NULL REFERENCES case_case (id) ON DELETE CASCADE,
    task       uuid REFERENCES case_task (id) ON DELETE SET NULL,
    kind       text NOT NULL CHECK (kind IN ('photo','signature')),
    name       text NOT NULL,
    media_type text NOT NULL,
    digest     text NOT NULL,
    content    bytea NOT NULL,
    taken      timestamptz,
    lon        double precision,
    lat        double precision,
    at         timestamptz NOT NULL,
    actor      text NOT NULL
);
CREATE INDEX case_file_case ON case_file (case_id, at);

CREATE TABLE case_duty (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit       text NOT NULL REFERENCES org_unit (code),
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    begins     timestamptz NOT NULL,
    ends       timestamptz NOT NULL,
    CHECK (begins < ends)
);
CREATE INDEX case_duty_unit ON case_duty (unit, ends);

-- Where a person sent a case elsewhere than the table did: a proposal for the table.
CREATE TABLE case_override (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id    uuid NOT NULL REFERENCES case_case (id) ON DELETE CASCADE,
    decision   text NOT NULL,
    inputs     jsonb NOT NULL,
    decided    text,
    chosen     text NOT NULL,
    reason     text NOT NULL,
    actor      text NOT NULL,
    at         timestamptz NOT NULL,
    state      text NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed','accepted','refused')),
    settled_by text,
    settled    timestamptz,
    version    int
);
CREATE INDEX case_override_state ON case_override (state, id);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
