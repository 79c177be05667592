"""How Alembic reaches the city's database."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool


def run() -> None:
    """Run the missing migrations in one transaction each."""
    url: str = context.config.attributes["url"]
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


run()
