"""Open tasks in the order in which they are due: the in-tray of one who sees them all."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the index."""
    op.execute("CREATE INDEX case_task_order ON case_task (due, made, id) WHERE state = 'ready'")
