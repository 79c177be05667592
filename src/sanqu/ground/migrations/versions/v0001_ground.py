"""People, units, ledger, jobs: the tables of the ground floor."""

from __future__ import annotations

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE org_unit (
    code       text PRIMARY KEY,
    parent     text REFERENCES org_unit (code) DEFERRABLE INITIALLY DEFERRED,
    kind       text NOT NULL CHECK (kind IN ('city','county','town','village','grid','department','enterprise')),
    level      text NOT NULL,
    title_zh   text NOT NULL,
    title_en   text NOT NULL DEFAULT '',
    about_zh   text NOT NULL DEFAULT '',
    about_en   text NOT NULL DEFAULT '',
    path       text NOT NULL,
    state      text NOT NULL DEFAULT 'active' CHECK (state IN ('active','closed')),
    created    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX org_unit_path ON org_unit (path text_pattern_ops);
CREATE INDEX org_unit_parent ON org_unit (parent);

CREATE TABLE person (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login      text NOT NULL UNIQUE,
    name       text NOT NULL,
    email      text NOT NULL DEFAULT '',
    password   text,
    lang       text NOT NULL DEFAULT 'zh',
    state      text NOT NULL DEFAULT 'active' CHECK (state IN ('active','closed')),
    created    timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE person_role (
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    role       text NOT NULL CHECK (role IN ('admin','steward','officer')),
    unit       text NOT NULL REFERENCES org_unit (code),
    PRIMARY KEY (person, role, unit)
);
CREATE TABLE person_session (
    token      bytea PRIMARY KEY,
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    created    timestamptz NOT NULL DEFAULT now(),
    seen       timestamptz NOT NULL DEFAULT now(),
    expires    timestamptz NOT NULL,
    agent      text NOT NULL DEFAULT ''
);
CREATE TABLE person_link (
    token      bytea PRIMARY KEY,
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    expires    timestamptz NOT NULL,
    used       timestamptz
);
CREATE TABLE api_key (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person     bigint NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    name       text NOT NULL,
    prefix     text NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    created    timestamptz NOT NULL DEFAULT now(),
    expires    timestamptz,
    revoked    timestamptz,
    used       timestamptz
);
CREATE INDEX api_key_person ON api_key (person);

CREATE TABLE city_fact (
    name       text PRIMARY KEY,
    value      jsonb NOT NULL,
    changed    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ledger_pending (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body       text NOT NULL
);
CREATE TABLE ledger_entry (
    index      bigint PRIMARY KEY,
    at         timestamptz NOT NULL,
    kind       text NOT NULL,
    actor      text NOT NULL,
    subject    text NOT NULL,
    body       text NOT NULL,
    leaf       bytea NOT NULL
);
CREATE INDEX ledger_entry_subject ON ledger_entry (subject, index DESC);
CREATE INDEX ledger_entry_kind ON ledger_entry (kind, index DESC);
CREATE INDEX ledger_entry_actor ON ledger_entry (actor, index DESC);
CREATE TABLE ledger_node (
    level      int NOT NULL,
    index      bigint NOT NULL,
    hash       bytea NOT NULL,
    PRIMARY KEY (level, index)
);
CREATE TABLE ledger_checkpoint (
    size       bigint PRIMARY KEY,
    root       bytea NOT NULL,
    at         timestamptz NOT NULL,
    note       text NOT NULL
);
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME;
END $$;
CREATE TRIGGER ledger_entry_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_node_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_node
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_checkpoint_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
"""


def upgrade() -> None:
    """Make the tables; Procrastinate's own schema comes from its package."""
    op.execute(TABLES)
    # Straight to the driver: the schema holds percent signs, which SQLAlchemy would take for parameters.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(SchemaManager.get_schema())
