"""Forms: the tables in PostgreSQL where DuckLake keeps rows of small commits, one for each form that a dataset's items had.

After any flush DuckLake takes away every earlier form of any dataset that has become empty, while processes that read the
dataset since its items changed still have the form on their list: each would break off at its next read with an internal error,
its whole engine with it (duckdb/ducklake#1305 and #1413). Here a form stays: a row that no snapshot sees keeps it from ever
being empty. It is only taken off the list, so that no reader asks for it any more.
"""

from __future__ import annotations

from psycopg import sql

from sanqu.ground.database import Connection

METADATA_SCHEMA = "ducklake"
LISTED = f"""
SELECT i.table_name AS form, i.schema_version < max(i.schema_version) OVER (PARTITION BY i.table_id) AS earlier, t.table_name AS dataset
FROM {METADATA_SCHEMA}.ducklake_inlined_data_tables i
JOIN {METADATA_SCHEMA}.ducklake_table t ON t.table_id = i.table_id AND t.end_snapshot IS NULL
"""
# It begins after all snapshots, so that none sees it, no flush takes it and no write meets it.
NEVER = 2**63 - 1
STAY = sql.SQL(
    "INSERT INTO {form} (row_id, begin_snapshot, end_snapshot) SELECT -1, {never}, {never} "
    "WHERE NOT EXISTS (SELECT 1 FROM {form} WHERE begin_snapshot = {never})"
)
UNLIST = sql.SQL(
    "DELETE FROM {schema}.ducklake_inlined_data_tables WHERE table_name = {name} "
    "AND NOT EXISTS (SELECT 1 FROM {form} WHERE begin_snapshot < {never})"
)


def keep_forms(conn: Connection, dataset: str) -> None:
    """Let no form of `dataset` be taken away; to be committed before its items change."""
    for row in conn.execute(f"SELECT form FROM ({LISTED}) WHERE dataset = %s", (dataset,)).fetchall():
        conn.execute(STAY.format(**_words(row["form"])))


def keep_earlier_forms(conn: Connection) -> None:
    """Let no earlier form of any dataset be taken away: of cities from before these were kept."""
    for form in _earlier(conn):
        conn.execute(STAY.format(**_words(form)))


def unlist_forms(conn: Connection) -> None:
    """Take earlier forms that hold no rows off the list, each of which costs every reader a question.

    What was emptied before the oldest reader began is meant: to be called before rows are moved into files, not after.
    """
    for form in _earlier(conn):
        conn.execute(UNLIST.format(**_words(form)))


def _earlier(conn: Connection) -> list[str]:
    return [str(row["form"]) for row in conn.execute(f"SELECT form FROM ({LISTED}) WHERE earlier").fetchall()]


def _words(form: str) -> dict[str, sql.Composable]:
    return {
        "schema": sql.Identifier(METADATA_SCHEMA), "name": sql.Literal(form),
        "form": sql.Identifier(METADATA_SCHEMA, form), "never": sql.Literal(NEVER),
    }  # fmt: skip
