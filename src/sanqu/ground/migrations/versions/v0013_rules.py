"""Quality rules beyond the contract, and what they found."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = """
CREATE TABLE catalog_rule (
    dataset     text NOT NULL,
    name        text NOT NULL,
    body        jsonb NOT NULL,
    enabled     boolean NOT NULL DEFAULT true,
    actor       text NOT NULL,
    changed     timestamptz NOT NULL DEFAULT now(),
    -- The case that is open because the rule is broken.
    case_number text,
    PRIMARY KEY (dataset, name)
);
CREATE TABLE catalog_rule_verdict (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset  text NOT NULL,
    name     text NOT NULL,
    at       timestamptz NOT NULL,
    -- The snapshot of the lake at which the rows were asked.
    snapshot bigint NOT NULL DEFAULT 0,
    verdict  jsonb NOT NULL,
    FOREIGN KEY (dataset, name) REFERENCES catalog_rule (dataset, name) ON DELETE CASCADE
);
CREATE INDEX catalog_rule_verdict_of ON catalog_rule_verdict (dataset, name, id DESC);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Take them away."""
    op.execute("DROP TABLE catalog_rule_verdict; DROP TABLE catalog_rule")
