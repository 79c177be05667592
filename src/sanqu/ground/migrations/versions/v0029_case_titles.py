"""Titles of cases in English, where what began them says one."""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add the column; cases that were begun before have a title in one language."""
    op.execute("ALTER TABLE case_case ADD COLUMN title_en text NOT NULL DEFAULT ''")
