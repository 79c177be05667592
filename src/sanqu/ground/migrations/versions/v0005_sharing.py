"""Grants, their quotas and applications, what was answered, and the number that every change of the law raises."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
-- Raised in the same transaction as every change of a contract, a grant or the org tree: what was decided under one
-- number need not be decided again until it is another.
CREATE TABLE law_clock (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq        bigint NOT NULL DEFAULT 0
);
INSERT INTO law_clock DEFAULT VALUES;
CREATE FUNCTION raise_law_clock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE law_clock SET seq = seq + 1;
    NOTIFY sanqu_law;
    RETURN NULL;
END $$;

CREATE TABLE sharing_grant (
    id         uuid PRIMARY KEY,
    number     bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    dataset    text NOT NULL,
    assignee   text NOT NULL,
    policy     jsonb NOT NULL,
    begins     timestamptz NOT NULL,
    until      timestamptz,
    state      text NOT NULL DEFAULT 'active' CHECK (state IN ('active','withdrawn')),
    -- What hashes of this grant are made with: never shown, never logged, another for each grant.
    secret     text NOT NULL,
    actor      text NOT NULL,
    created    timestamptz NOT NULL DEFAULT now(),
    withdrawn  timestamptz
);
CREATE INDEX sharing_grant_dataset ON sharing_grant (dataset) WHERE state = 'active';
CREATE INDEX sharing_grant_assignee ON sharing_grant (assignee);

CREATE TABLE sharing_grant_use (
    grant_id   uuid NOT NULL REFERENCES sharing_grant (id) ON DELETE CASCADE,
    day        date NOT NULL,
    reads      bigint NOT NULL DEFAULT 0,
    rows       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (grant_id, day)
);

-- The subjects behind each figure that was given to someone: the next figure must not differ from it by a few.
CREATE TABLE sharing_answered (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asker      text NOT NULL,
    dataset    text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    digest     bytea NOT NULL,
    cells      bytea NOT NULL,
    UNIQUE (asker, dataset, digest)
);

-- Lookup interfaces, and the copies in this database from which they are answered.
CREATE TABLE sharing_interface (
    dataset       text PRIMARY KEY,
    state         text NOT NULL DEFAULT 'on' CHECK (state IN ('on','off')),
    cache_seconds int NOT NULL DEFAULT 0 CHECK (cache_seconds BETWEEN 0 AND 86400),
    per_minute    int NOT NULL DEFAULT 6000 CHECK (per_minute > 0),
    actor         text NOT NULL,
    created       timestamptz NOT NULL DEFAULT now(),
    -- Where the copy stands: contract version and snapshot it holds, and when it last caught up.
    version       int,
    snapshot      bigint,
    rows          bigint NOT NULL DEFAULT 0,
    caught_up     timestamptz,
    fault         jsonb
);
CREATE TABLE sharing_interface_use (
    dataset    text NOT NULL REFERENCES sharing_interface (dataset) ON DELETE CASCADE,
    hour       timestamptz NOT NULL,
    found      bigint NOT NULL DEFAULT 0,
    missed     bigint NOT NULL DEFAULT 0,
    refused    bigint NOT NULL DEFAULT 0,
    micros     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (dataset, hour)
);
CREATE SCHEMA mirror;
CREATE FUNCTION tell_of_lake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY sanqu_lake;
    RETURN NULL;
END $$;
CREATE TRIGGER lake_moved AFTER INSERT OR UPDATE OF snapshot, version ON lake_dataset
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_lake();
CREATE TRIGGER interface_changed AFTER INSERT OR UPDATE OF state ON sharing_interface
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_lake();

-- What the values of items were found to be, and the grade that asks for; never a value itself.
CREATE TABLE sharing_finding (
    dataset    text NOT NULL,
    item       text NOT NULL,
    kind       text NOT NULL,
    share      real NOT NULL,
    checked    bigint NOT NULL,
    grade      text NOT NULL,
    reason     jsonb NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dataset, item)
);
CREATE TABLE sharing_inspected (
    dataset    text PRIMARY KEY,
    snapshot   bigint NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);

-- Items of two datasets that both claim to be where a value comes from, and which was made the source (一数一源).
CREATE TABLE sharing_rival (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset    text NOT NULL,
    item       text NOT NULL,
    other      text NOT NULL,
    other_item text NOT NULL,
    same_name  boolean NOT NULL,
    overlap    real NOT NULL,
    proposed   text NOT NULL,
    found      timestamptz NOT NULL DEFAULT now(),
    source     text,
    reason     text NOT NULL DEFAULT '',
    actor      text,
    decided    timestamptz,
    CHECK (source IN (dataset, other)),
    CHECK ((dataset, item) < (other, other_item)),
    UNIQUE (dataset, item, other, other_item)
);

-- Whose data a person may call their own: an ID number, or an enterprise's code, that a steward has seen proof of.
CREATE TABLE sharing_identity (
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('person','enterprise')),
    value      text NOT NULL,
    actor      text NOT NULL,
    created    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person, kind, value)
);
CREATE INDEX sharing_identity_value ON sharing_identity (kind, value);
-- Consent of those whose data it is, for a dataset and a purpose; a grant may rest on it.
CREATE TABLE sharing_consent (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset    text NOT NULL,
    purpose    text NOT NULL,
    subject    text NOT NULL,
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    given      timestamptz NOT NULL DEFAULT now(),
    withdrawn  timestamptz
);
CREATE UNIQUE INDEX sharing_consent_one ON sharing_consent (dataset, purpose, subject) WHERE withdrawn IS NULL;
CREATE TRIGGER law_changed AFTER INSERT OR UPDATE OR DELETE ON sharing_consent
    FOR EACH STATEMENT EXECUTE FUNCTION raise_law_clock();

CREATE TRIGGER law_changed AFTER INSERT OR UPDATE OR DELETE ON sharing_grant
    FOR EACH STATEMENT EXECUTE FUNCTION raise_law_clock();
CREATE TRIGGER law_changed AFTER INSERT OR UPDATE OF version OR DELETE ON lake_dataset
    FOR EACH STATEMENT EXECUTE FUNCTION raise_law_clock();
CREATE TRIGGER law_changed AFTER INSERT OR UPDATE OR DELETE ON org_unit
    FOR EACH STATEMENT EXECUTE FUNCTION raise_law_clock();
CREATE TRIGGER law_changed AFTER INSERT OR DELETE OR UPDATE OF name, state, opening, sharing, grade, unit, contract, audience
    ON catalog_dataset FOR EACH STATEMENT EXECUTE FUNCTION raise_law_clock();
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
