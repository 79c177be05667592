"""Rooms, who is in them, what they brought along, and every result with its state."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
CREATE TABLE sandbox_room (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title       text NOT NULL,
    -- The unit that answers for the room; its steward keeps members and rules.
    unit        text NOT NULL,
    purposes    text[] NOT NULL CHECK (cardinality(purposes) > 0),
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open','closed')),
    -- The automatic rules: least distinct subjects in a cell, and of the n largest contributors at most p percent.
    least       int NOT NULL DEFAULT 5 CHECK (least BETWEEN 2 AND 10000),
    dominance   jsonb NOT NULL,
    -- The privacy budget: exact decimals, so that what is left is what was given less what was spent.
    budget      numeric(12,6) NOT NULL CHECK (budget >= 0),
    budget_left numeric(12,6) NOT NULL CHECK (budget_left BETWEEN 0 AND budget),
    epsilon     numeric(12,6) NOT NULL CHECK (epsilon > 0),
    actor       text NOT NULL,
    created     timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE sandbox_member (
    room        bigint NOT NULL REFERENCES sandbox_room (id) ON DELETE CASCADE,
    person      bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    added       timestamptz NOT NULL DEFAULT now(),
    actor       text NOT NULL,
    PRIMARY KEY (room, person)
);
CREATE INDEX sandbox_member_person ON sandbox_member (person);

-- What members brought along; the rows are a table of the lake that no catalogue lists.
CREATE TABLE sandbox_upload (
    room        bigint NOT NULL REFERENCES sandbox_room (id) ON DELETE CASCADE,
    name        text NOT NULL,
    lake_table  text NOT NULL UNIQUE,
    columns     jsonb NOT NULL,
    rows        bigint NOT NULL,
    person      bigint NOT NULL,
    created     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room, name)
);

CREATE TABLE sandbox_result (
    id          uuid PRIMARY KEY,
    number      bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    room        bigint NOT NULL REFERENCES sandbox_room (id) ON DELETE CASCADE,
    person      bigint NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('table','model','private')),
    purpose     text NOT NULL,
    asked       jsonb NOT NULL,
    -- The granted datasets whose stewards must agree.
    datasets    text[] NOT NULL,
    state       text NOT NULL CHECK (state IN ('passed','waiting','approved','refused')),
    -- Why it passed, waits or was refused.
    cause       jsonb NOT NULL,
    -- What leaves once it may; worked out when it passes or when a steward first looks.
    body        bytea,
    salt        bytea NOT NULL,
    digest      text,
    rows        bigint,
    more        boolean NOT NULL DEFAULT false,
    -- A private answer is found again by its question: asked once more it is given once more, not drawn anew.
    question    text,
    snapshots   jsonb,
    epsilon     numeric(12,6),
    created     timestamptz NOT NULL DEFAULT now(),
    decided     timestamptz,
    -- When its member looked at it after the decision; until then it is news.
    seen        timestamptz
);
CREATE INDEX sandbox_result_room ON sandbox_result (room, number DESC);
CREATE INDEX sandbox_result_news ON sandbox_result (person) WHERE decided IS NOT NULL AND seen IS NULL;
CREATE INDEX sandbox_result_waiting ON sandbox_result (number) WHERE state = 'waiting';
CREATE UNIQUE INDEX sandbox_result_question ON sandbox_result (room, question, snapshots) WHERE question IS NOT NULL;
CREATE TABLE sandbox_approval (
    result      uuid NOT NULL REFERENCES sandbox_result (id) ON DELETE CASCADE,
    dataset     text NOT NULL,
    actor       text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (result, dataset)
);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
