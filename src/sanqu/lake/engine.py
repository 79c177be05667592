"""DuckDB with the city's DuckLake attached: one database per process, one cursor per piece of work."""

from __future__ import annotations

import importlib.util
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import duckdb
import psutil

from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.settings import Settings
from sanqu.lake.forms import METADATA_SCHEMA as METADATA_SCHEMA
from sanqu.lake.forms import keep_earlier_forms
from sanqu.lake.sealed import Opening

# Measured: more than a hundred inlined rows commit several times slower (see docs/decisions.md).
INLINE_ROWS = 100
EXTENSIONS = ("ducklake", "postgres_scanner", "spatial")
CITY_MOMENT = f"(CAST(now() AS TIMESTAMP) + INTERVAL {int((CITY_ZONE.utcoffset(None)).total_seconds())} SECONDS)"
SETTLE = (
    # Longitude first, as in WKT and GeoJSON; of itself the extension takes EPSG:4326 at its word, latitude first.
    "SET geometry_always_xy = true",
    # Its optimiser breaks off (an internal error) at a filter on the number of a row of the lake.
    "SET disabled_optimizers = 'extension'",
    # Times of rows are the city's own and carry no zone; `now()` is UTC.
    f"CREATE MACRO city_now() AS {CITY_MOMENT}",
    f"CREATE MACRO city_today() AS CAST({CITY_MOMENT} AS DATE)",
)
# Where DuckLake keeps deletions of few rows. It makes the table with the first one, and until then asks PostgreSQL's catalogue for it
# at every new snapshot, twice: a third of the time that reading a small dataset takes. Made beforehand, just as it does, it is found.
MAKE_DELETIONS = f"""
DO $$ DECLARE one record; BEGIN
FOR one IN SELECT DISTINCT table_id FROM {METADATA_SCHEMA}.ducklake_table
    WHERE end_snapshot IS NULL AND to_regclass('{METADATA_SCHEMA}.ducklake_inlined_delete_' || table_id) IS NULL
LOOP EXECUTE format('CREATE TABLE IF NOT EXISTS {METADATA_SCHEMA}.ducklake_inlined_delete_%s (file_id BIGINT, row_id BIGINT, begin_snapshot BIGINT)', one.table_id);
END LOOP; END $$
"""
# DuckDB reads tens of megabytes to check an extension's signature, each time; once in a process is enough.
_checked = threading.Event()


def extension_file(name: str) -> Path:
    """Where the wheel of a DuckDB extension keeps it; raises `Unavailable` naming the wheel."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        for file in Path(folder).glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"):
            return file
    raise Unavailable(
        "lake.extension",
        Text(
            zh=f"找不到 DuckDB {duckdb.__version__} 的 {name} 扩展",
            en=f"The {name} extension of DuckDB {duckdb.__version__} was not found",
        ),
        Text(zh="重新安装锁定的依赖", en="Install the locked dependencies again"),
        f"duckdb-extension-{name.replace('_', '-')}",
    )


def engine_alone(**config: str | int) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with the functions that queries may use, and without the lake."""
    duck = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, "allow_unsigned_extensions": _checked.is_set(), **config})
    duck.execute(f"LOAD {sql_text(str(extension_file('spatial')))}")
    for statement in SETTLE:
        duck.execute(statement)
    return duck


def libpq_words(url: str) -> str:
    """A PostgreSQL URL as `key='value'` words, which DuckDB's PostgreSQL extension takes.

    >>> libpq_words("postgresql://me:pw@/city?host=/run/pg")
    "dbname='city' user='me' password='pw' host='/run/pg'"
    """
    parts = urlsplit(url)
    words = {
        "dbname": unquote(parts.path.lstrip("/")) or "postgres",
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": parts.hostname or "",
        "port": str(parts.port or ""),
    }
    words |= {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return " ".join(
        f"{key}='{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'"
        for key, value in words.items()
        if value
    )


def sql_text(value: str) -> str:
    """`value` as an SQL string literal, for the few statements that take no parameters."""
    return "'" + value.replace("'", "''") + "'"


class Engine:
    """The DuckDB of this process; `engine()` lends a cursor with the lake attached as `lake`."""

    def __init__(self, city: City) -> None:
        self.city = city
        self._opening = threading.Lock()
        self._root: duckdb.DuckDBPyConnection | None = None
        self._tmp = city.settings.home.resolve() / "tmp" / f"duckdb-{os.getpid()}"

    @contextmanager
    def engine(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own: its TEMP tables are seen by nobody else and go with it.

        Raises `Unavailable` when the lake cannot be opened. A transaction left open is rolled back.
        """
        cursor = self._opened().cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def leave_a_core(self) -> None:
        """Work with a thread less than there are cores, where the settings do not say with how many.

        For work of many small queries beside other processes: two threads took as long over one on two cores left alone,
        and half as long again beside the city's other processes (docs/decisions.md).
        """
        if not self.city.settings.threads:
            self._opened().execute(f"SET threads = {max(1, (os.cpu_count() or 2) - 1)}")

    def _opened(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._root is None:
                self._root = self._open()
            return self._root

    def _open(self) -> duckdb.DuckDBPyConnection:
        settings = self.city.settings
        _sweep(self._tmp.parent)
        self._tmp.mkdir(parents=True, exist_ok=True)
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_unsigned_extensions": _checked.is_set(),
            "memory_limit": settings.memory_limit,
            "temp_directory": str(self._tmp),
        }
        if settings.threads:
            config["threads"] = settings.threads
        # A named in-memory database: two cities in one process stay apart.
        root = duckdb.connect(f":memory:city-{id(self)}", config=config)
        try:
            for name in EXTENSIONS:
                root.execute(f"LOAD {sql_text(str(extension_file(name)))}")
            _checked.set()
            for statement in SETTLE:
                root.execute(statement)
            # Another process may be making the lake's tables at this very moment: one after the other.
            with self.city.db.own_connection() as conn:
                conn.execute("SELECT pg_advisory_lock(hashtext('sanqu.lake.attach'))")
                root.execute(_attach(self.city.db.url, settings.lake_folder, f"DATA_INLINING_ROW_LIMIT {INLINE_ROWS}"))
                conn.execute(MAKE_DELETIONS)
                keep_earlier_forms(conn)
            root.execute("SET ducklake_max_retry_count = 100")
            root.execute("SET ducklake_retry_wait_ms = 5")
            root.execute("SET ducklake_retry_backoff = 1.2")
        except duckdb.Error as fault:
            root.close()
            raise Unavailable(
                "lake.closed",
                Text(zh=f"数据湖打不开：{fault}", en=f"The lake cannot be opened: {fault}"),
                Text(zh="检查数据库与数据湖文件夹", en="Check the database and the folder of the lake"),
                settings.lake_folder,
            ) from fault
        return root

    def close(self) -> None:
        """Close the lake in this process and remove its temporary files."""
        with self._opening:
            if self._root is not None:
                self._root.close()
                self._root = None
        shutil.rmtree(self._tmp, ignore_errors=True)


def sealed_opening(settings: Settings, database_url: str) -> Opening:
    """What a sealed process is told: the lake, to be read only, and the limits of queries."""
    return Opening(
        [str(extension_file(name)) for name in EXTENSIONS], _checked.is_set(), [*SETTLE, _attach(database_url, settings.lake_folder, "READ_ONLY")],
        settings.lake_folder, settings.query_memory, settings.threads or 2,
    )  # fmt: skip


def _attach(database_url: str, folder: str, option: str) -> str:
    return (
        f"ATTACH {sql_text('ducklake:postgres:' + libpq_words(database_url))} AS lake "
        f"(DATA_PATH {sql_text(folder)}, METADATA_SCHEMA '{METADATA_SCHEMA}', {option})"
    )


def _sweep(folder: Path) -> None:
    """Remove temporary folders of processes that are gone."""
    for left in folder.glob("duckdb-*"):
        pid = left.name.removeprefix("duckdb-")
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
