"""One PostgreSQL for the whole test run; a fresh city, with a database and a folder of its own, for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import psutil
import psycopg
import pytest
import uvicorn
from playwright.sync_api import expect

from sanqu.ground.broker import start_nats
from sanqu.ground.bus import Bus
from sanqu.ground.city import City
from sanqu.ground.database import Database
from sanqu.ground.engines import start_postgres
from sanqu.ground.schema import bring_up_to_date
from sanqu.ground.settings import Settings
from sanqu.lake import lake_of
from sanqu.sharing.reading import hang_door
from sanqu.web.app import make_app

# A busy machine is no fault: nothing here is judged by the clock.
hypothesis.settings.register_profile("sanqu", deadline=None)
hypothesis.settings.load_profile("sanqu")
expect.set_options(timeout=30_000)

_numbers = itertools.count(1)


def _in_memory() -> str | None:
    """A folder in memory, where there is room: a database is a thousand files, and a disk may take seconds for those of each test."""
    memory = Path("/dev/shm")
    usable = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 * 1024**3
    return str(memory) if usable else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL of our own, with migrated databases to copy from."""
    # Not below pytest's own folder: each new test run closes that to other users, and the server runs as one.
    folder = tempfile.mkdtemp(prefix="sanqu-test-", dir=_in_memory())
    url, server = start_postgres(Path(folder))
    with psycopg.connect(url, autocommit=True) as conn:
        # Its data go with the run: nothing is waited for that only a power cut would need, and nobody tidies up hundreds of cities.
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum = off", "max_wal_size = '256MB'"):
            conn.execute(f"ALTER SYSTEM SET {setting}")  # type: ignore[arg-type]
        conn.execute("SELECT pg_reload_conf()")
        conn.execute("CREATE DATABASE sanqu_template")
        bring_up_to_date(database_url(url, "sanqu_template"))
        conn.execute("CREATE DATABASE sanqu_template_lake TEMPLATE sanqu_template")
    _make_lake(database_url(url, "sanqu_template_lake"), Path(folder) / "home")
    yield url
    # At once: an orderly stop would first write down, for half a minute, what is thrown away next.
    running = psutil.Process(server.get_pid())
    running.send_signal(signal.SIGQUIT)
    running.wait(10)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _make_lake(url: str, home: Path) -> None:
    """The lake's own tables, in advance: making them takes longer than most tests."""
    city = City(Settings(home=home, database_url=url), Database(url), Bus(""))
    with lake_of(city).engine():
        pass
    city.close()


@dataclass(frozen=True)
class Mould:
    """What new cities are copied from: a database and, where a city was filled before, its folder."""

    database: str
    home: Path | None = None


EMPTY = Mould("sanqu_template_lake")
MakeMould = Callable[[Callable[[City], object]], Mould]
MakeCity = Callable[..., City]


@contextmanager
def new_city(postgres: str, nats: str, home: Path, mould: Mould = EMPTY, **settings: Any) -> Iterator[City]:
    """A city with all tables in the folder `home`, empty or as its `mould`; its database goes with it."""
    name = f"city_{os.getpid()}_{next(_numbers)}"
    told = Settings(home=home, database_url=database_url(postgres, name), nats_url=nats, **settings)
    if mould.home is not None:
        shutil.copytree(mould.home, home, dirs_exist_ok=True)
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {mould.database} STRATEGY FILE_COPY")
    city = City(told, Database(told.database_url), Bus(nats))
    with city.db.connection() as conn:
        conn.execute("UPDATE ducklake.ducklake_metadata SET value = %s WHERE key = 'data_path'", (told.lake_folder.rstrip("/") + "/",))
    yield city
    city.close()
    # What is thrown away at once is never written to the disk, and its memory is there for the next.
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def make_mould(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeMould]:
    """Fills a city once: what many tests begin with is then a copy, in a tenth of the time that filling takes."""
    hang_door()
    with ExitStack() as cities:

        def make(fill: Callable[[City], object]) -> Mould:
            home = tmp_path_factory.mktemp("mould")
            city = cities.enter_context(new_city(postgres, nats, home, memory_limit="1GB"))
            fill(city)
            # PostgreSQL copies no database to which somebody is connected.
            city.close()
            return Mould(psycopg.conninfo.conninfo_to_dict(city.db.url)["dbname"], home)

        yield make


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a NATS of our own."""
    url, process = start_nats(tmp_path_factory.mktemp("nats"))
    yield url
    if process is not None:
        process.terminate()


def database_url(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return url.replace("/postgres?", f"/{name}?", 1)


@pytest.fixture
def source_database(postgres: str) -> Iterator[psycopg.Connection]:
    """Another department's database, empty; slots that a line left there go with it."""
    name = f"source_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(database_url(postgres, name), autocommit=True) as conn:
        yield conn
        # Whoever still streams from a slot is about to stop.
        while conn.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active").fetchall():
            time.sleep(0.05)
        conn.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def make_city(postgres: str, nats: str, tmp_path: Path) -> Iterator[MakeCity]:
    """Makes cities with all tables, empty where no mould is given; they go when the test ends."""
    hang_door()
    with ExitStack() as cities:

        def make(mould: Mould = EMPTY) -> City:
            home = tmp_path / f"home-{next(_numbers)}"
            home.mkdir()
            return cities.enter_context(new_city(postgres, nats, home, mould, memory_limit="1GB"))

        yield make


@pytest.fixture
def city(make_city: MakeCity) -> City:
    """An empty city with all tables."""
    return make_city()


@pytest.fixture
def serve() -> Iterator[Callable[[City], str]]:
    """Serves a city's whole web application on a free port; gives its address."""
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(city: City) -> str:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(make_app(city), log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the web application did not start")
            time.sleep(0.01)
        servers.append((server, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(5)


@pytest.fixture
def site(city: City, serve: Callable[[City], str]) -> Iterator[httpx.Client]:
    """A reader without an account before the city's pages."""
    with httpx.Client(base_url=serve(city), timeout=30) as client:
        yield client
