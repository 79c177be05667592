"""What deleted live lines left at their sources, until it is taken away there."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"

TABLES = """
CREATE TABLE live_left (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line     text NOT NULL,
    -- Where it is (the line as it was), and what: the slot and the publication.
    body     jsonb NOT NULL,
    source   jsonb NOT NULL,
    next_try timestamptz NOT NULL DEFAULT now(),
    since    timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(TABLES)


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP TABLE live_left")
