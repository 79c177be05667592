"""Live lines: where each stands, what it did minute by minute."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

TABLES = """
CREATE TABLE live_line (
    line       text PRIMARY KEY REFERENCES lines_line (name) ON DELETE CASCADE,
    lane       text NOT NULL,
    -- waiting: nothing gathers or carries it; loading: the first load; flowing; stopped: cause says why, next_try when again.
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting','loading','flowing','stopped')),
    cause      jsonb,
    next_try   timestamptz,
    tries      int NOT NULL DEFAULT 0,
    -- What was last carried into the lake, as its commit says, and that commit.
    position   jsonb NOT NULL DEFAULT '{}',
    snapshot   bigint NOT NULL DEFAULT 0,
    -- What the source's side must remember between two processes.
    source     jsonb NOT NULL DEFAULT '{}',
    gathered   timestamptz,
    carried    timestamptz,
    backlog    bigint NOT NULL DEFAULT 0,
    changed    timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE live_minute (
    line       text NOT NULL REFERENCES lines_line (name) ON DELETE CASCADE,
    minute     timestamptz NOT NULL,
    read       bigint NOT NULL DEFAULT 0,
    written    bigint NOT NULL DEFAULT 0,
    deleted    bigint NOT NULL DEFAULT 0,
    refused    bigint NOT NULL DEFAULT 0,
    late       bigint NOT NULL DEFAULT 0,
    rounds     bigint NOT NULL DEFAULT 0,
    backlog    bigint NOT NULL DEFAULT 0,
    -- Rows by latency from source to lake: the n-th bucket ends at 1 ms * 2^(n/4).
    latency    bigint[] NOT NULL,
    PRIMARY KEY (line, minute)
);
CREATE TABLE live_lane (
    name            text PRIMARY KEY,
    -- A share of the turns in proportion to the others, and at most so many rows a second (NULL: no limit).
    weight          int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100),
    rows_per_second int CHECK (rows_per_second > 0)
);
-- What may send rows to a line: by MQTT as a user of its own, by HTTP with basic authentication. Secrets are random and long.
CREATE TABLE live_device (
    name       text PRIMARY KEY,
    line       text NOT NULL REFERENCES lines_line (name) ON DELETE CASCADE,
    mark       bytea NOT NULL,
    bcrypt     text NOT NULL,
    actor      text NOT NULL,
    created    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX live_device_line ON live_device (line);
INSERT INTO live_lane (name, weight) VALUES
    ('general', 1), ('digital-industry', 2), ('livelihood', 4), ('governance', 4), ('finance', 4);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
