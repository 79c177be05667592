"""The history of the city's tables (Alembic)."""
