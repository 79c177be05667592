"""Placeholder until the lines room lands its tables."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing yet."""
