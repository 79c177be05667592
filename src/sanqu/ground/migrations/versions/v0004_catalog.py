"""Datasets, resources, subjects, open lists, quality figures, harvests: the tables of the catalogue."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
-- One counter for every change of the catalogue. Who writes takes its row first and holds it to the commit, so
-- numbers become visible in their own order and an index that has read up to N has missed nothing below N.
CREATE TABLE catalog_clock (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq        bigint NOT NULL DEFAULT 0,
    epoch      uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO catalog_clock DEFAULT VALUES;

CREATE TABLE catalog_subject (
    name       text PRIMARY KEY,
    title_zh   text NOT NULL,
    title_en   text NOT NULL DEFAULT '',
    about_zh   text NOT NULL DEFAULT '',
    about_en   text NOT NULL DEFAULT '',
    theme      text NOT NULL DEFAULT '',
    position   int NOT NULL DEFAULT 0,
    state      text NOT NULL DEFAULT 'active' CHECK (state IN ('active','deleted')),
    created    timestamptz NOT NULL DEFAULT now(),
    extras     jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE catalog_dataset (
    id         uuid PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    title_zh   text NOT NULL,
    title_en   text NOT NULL DEFAULT '',
    about_zh   text NOT NULL DEFAULT '',
    about_en   text NOT NULL DEFAULT '',
    unit       text NOT NULL REFERENCES org_unit (code),
    state      text NOT NULL CHECK (state IN ('draft','published','withdrawn','deleted')),
    opening    text NOT NULL CHECK (opening IN ('unconditional','restricted','none')),
    sharing    text NOT NULL CHECK (sharing IN ('unconditional','conditional','none')),
    grade      text NOT NULL CHECK (grade IN ('L1','L2','L3','L4')),
    subjects   text[] NOT NULL DEFAULT '{}',
    tags       text[] NOT NULL DEFAULT '{}',
    licence    text NOT NULL DEFAULT '',
    freshness  text,
    sample     boolean NOT NULL DEFAULT false,
    origin     text NOT NULL DEFAULT 'local',
    source     text NOT NULL DEFAULT '',
    contract   text,
    items      jsonb NOT NULL DEFAULT '[]',
    extras     jsonb NOT NULL DEFAULT '{}',
    created    timestamptz NOT NULL,
    modified   timestamptz NOT NULL,
    published  timestamptz,
    quality    real,
    used       bigint NOT NULL DEFAULT 0,
    audience   text[] NOT NULL,
    seq        bigint NOT NULL
);
CREATE INDEX catalog_dataset_seq ON catalog_dataset (seq);
CREATE INDEX catalog_dataset_modified ON catalog_dataset (modified DESC, id);
CREATE INDEX catalog_dataset_unit ON catalog_dataset (unit);
CREATE INDEX catalog_dataset_origin ON catalog_dataset (origin);
CREATE INDEX catalog_dataset_contract ON catalog_dataset (contract) WHERE contract IS NOT NULL;
CREATE INDEX catalog_dataset_subjects ON catalog_dataset USING gin (subjects);

CREATE TABLE catalog_resource (
    id         uuid PRIMARY KEY,
    dataset    uuid NOT NULL REFERENCES catalog_dataset (id) ON DELETE CASCADE,
    name       text NOT NULL DEFAULT '',
    about      text NOT NULL DEFAULT '',
    url        text NOT NULL DEFAULT '',
    format     text NOT NULL DEFAULT '',
    mimetype   text NOT NULL DEFAULT '',
    size       bigint,
    position   int NOT NULL DEFAULT 0,
    lake_table text,
    file       text,
    extras     jsonb NOT NULL DEFAULT '{}',
    created    timestamptz NOT NULL,
    modified   timestamptz NOT NULL
);
CREATE INDEX catalog_resource_dataset ON catalog_resource (dataset, position);

CREATE TABLE catalog_openlist (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label      text NOT NULL UNIQUE,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    datasets   int NOT NULL,
    note_zh    text NOT NULL DEFAULT '',
    note_en    text NOT NULL DEFAULT ''
);
CREATE TABLE catalog_openlist_entry (
    list       bigint NOT NULL REFERENCES catalog_openlist (id) ON DELETE CASCADE,
    dataset    uuid NOT NULL,
    name       text NOT NULL,
    entry      jsonb NOT NULL,
    PRIMARY KEY (list, dataset)
);

CREATE TABLE catalog_quality (
    dataset    uuid NOT NULL REFERENCES catalog_dataset (id) ON DELETE CASCADE,
    measure    text NOT NULL CHECK (measure IN ('completeness','validity','freshness','uniqueness')),
    item       text NOT NULL DEFAULT '',
    rule       text NOT NULL DEFAULT '',
    checked    bigint NOT NULL,
    bad        bigint NOT NULL,
    condition  text NOT NULL DEFAULT '',
    snapshot   bigint,
    at         timestamptz NOT NULL,
    PRIMARY KEY (dataset, measure, item, rule)
);

CREATE TABLE catalog_harvest_source (
    name       text PRIMARY KEY,
    title_zh   text NOT NULL,
    title_en   text NOT NULL DEFAULT '',
    kind       text NOT NULL CHECK (kind IN ('ckan','dcat','csv','socrata')),
    url        text NOT NULL,
    unit       text NOT NULL REFERENCES org_unit (code),
    options    jsonb NOT NULL DEFAULT '{}',
    created    timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE catalog_harvest_run (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source     text NOT NULL REFERENCES catalog_harvest_source (name) ON DELETE CASCADE,
    state      text NOT NULL CHECK (state IN ('running','paused','done','failed')),
    cause      jsonb,
    position   jsonb NOT NULL DEFAULT '{}',
    total      bigint,
    seen       bigint NOT NULL DEFAULT 0,
    added      bigint NOT NULL DEFAULT 0,
    changed    bigint NOT NULL DEFAULT 0,
    unchanged  bigint NOT NULL DEFAULT 0,
    withdrawn  bigint NOT NULL DEFAULT 0,
    failed     bigint NOT NULL DEFAULT 0,
    actor      text NOT NULL,
    started    timestamptz NOT NULL,
    moved      timestamptz NOT NULL,
    ended      timestamptz
);
CREATE INDEX catalog_harvest_run_source ON catalog_harvest_run (source, id DESC);
CREATE TABLE catalog_harvest_failure (
    run        bigint NOT NULL REFERENCES catalog_harvest_run (id) ON DELETE CASCADE,
    record     text NOT NULL,
    place      text NOT NULL DEFAULT '',
    reason     jsonb NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (run, record)
);
CREATE TABLE catalog_harvest_record (
    source     text NOT NULL REFERENCES catalog_harvest_source (name) ON DELETE CASCADE,
    record     text NOT NULL,
    dataset    uuid NOT NULL REFERENCES catalog_dataset (id) ON DELETE CASCADE,
    hash       bytea NOT NULL,
    run        bigint NOT NULL,
    gone       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (source, record)
);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
