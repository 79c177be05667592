"""Subscriptions to change feeds, and what is on its way to their receivers."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = """
CREATE TABLE sharing_subscription (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    -- The key it was made with: it ends when the key does.
    key        bigint REFERENCES api_key (id) ON DELETE CASCADE,
    dataset    text NOT NULL,
    items      text[] NOT NULL DEFAULT '{}',
    purpose    text NOT NULL DEFAULT '',
    kind       text NOT NULL CHECK (kind IN ('webhook','nats')),
    target     text NOT NULL,
    -- What deliveries are signed with: shown once, never logged.
    secret     text NOT NULL,
    -- The administrator who answers for the target; empty: it is reached within the fence.
    approved   text NOT NULL DEFAULT '',
    state      text NOT NULL DEFAULT 'on' CHECK (state IN ('on','paused','stopped')),
    cause      jsonb,
    next_try   timestamptz,
    -- The snapshot up to which everything was told.
    position   bigint NOT NULL,
    looked     timestamptz NOT NULL DEFAULT now(),
    deliveries bigint NOT NULL DEFAULT 0,
    rows       bigint NOT NULL DEFAULT 0,
    delivered  timestamptz,
    created    timestamptz NOT NULL DEFAULT now(),
    changed    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sharing_subscription_dataset ON sharing_subscription (dataset);
CREATE INDEX sharing_subscription_person ON sharing_subscription (person);
-- Which changes a delivery tells, never the rows themselves: each try reads them anew, under the law of that moment.
CREATE TABLE sharing_letter (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           text NOT NULL UNIQUE,
    subscription bigint NOT NULL REFERENCES sharing_subscription (id) ON DELETE CASCADE,
    after        bigint NOT NULL,
    snapshot     bigint NOT NULL,
    rows         bigint NOT NULL,
    reload       boolean NOT NULL,
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting','dead')),
    tries        int NOT NULL DEFAULT 0,
    next_try     timestamptz NOT NULL DEFAULT now(),
    cause        jsonb,
    created      timestamptz NOT NULL DEFAULT now(),
    tried        timestamptz
);
CREATE INDEX sharing_letter_subscription ON sharing_letter (subscription, state, number);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
