"""Contracts and their versions; DuckLake keeps its own tables in the schema `ducklake`."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE lake_contract (
    name       text NOT NULL,
    version    int NOT NULL,
    body       jsonb NOT NULL,
    actor      text NOT NULL,
    created    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
);
CREATE TABLE lake_dataset (
    name       text PRIMARY KEY,
    version    int NOT NULL,
    changed    timestamptz NOT NULL DEFAULT now(),
    snapshot   bigint NOT NULL DEFAULT 0,
    rows       bigint NOT NULL DEFAULT 0
);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)
