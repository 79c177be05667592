"""What a case said before each step, for returning to it; timers at the boundary of a task stop while it is paused."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"

CHANGES = """
ALTER TABLE case_task ADD COLUMN data_before jsonb;
-- `said` is how the timer was counted: `5wd`, `PT30M`, a date.
ALTER TABLE case_timer ADD COLUMN paused timestamptz, ADD COLUMN said text NOT NULL DEFAULT '';
"""


def upgrade() -> None:
    """Make the columns."""
    op.execute(CHANGES)
