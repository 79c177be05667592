"""Which lines an administrator answers for: only those may reach this machine and what the city closed."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; until an administrator approves it, a line keeps to what stewards may reach."""
    op.execute("ALTER TABLE lines_line ADD COLUMN approved text NOT NULL DEFAULT ''")
