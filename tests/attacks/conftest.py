"""The attacker's place: one county for all attempts, many askers, and a reader who looks for what must not come out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from sanqu.ground.city import City
from sanqu.web.app import make_app
from tests.conftest import new_city

from .attempts import Attempt
from .county import settle
from .hall import Hall

TRIED, LEAKED = "attempts-tried", "attempts-leaked"


@pytest.fixture(scope="session")
def attacked(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """The county, filled once for every attempt."""
    # The attackers are many at one address.
    with new_city(postgres, nats, tmp_path_factory.mktemp("attacked"), memory_limit="1GB", rate_per_minute=0, rate_per_minute_key=0) as city:
        yield city


@pytest.fixture(scope="session")
def hall(attacked: City) -> Hall:
    """Where attempts are made."""
    return Hall(attacked, settle(attacked))


@pytest.fixture(scope="session")
def site(hall: Hall) -> Iterator[httpx.Client]:
    """The county's web application."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(hall.city), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the web application did not start"
        time.sleep(0.01)
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
        yield client
    server.should_exit = True
    thread.join(5)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Count each attempt, and whether it leaked."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    made = getattr(item, "callspec", None)
    if report.when == "call" and made is not None and isinstance(made.params.get("attempt"), Attempt):
        report.user_properties.append((LEAKED if report.failed else TRIED, made.params["attempt"].name))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: how many attempts were made, how many leaked."""
    reports = [report for found in terminalreporter.stats.values() for report in found if isinstance(report, pytest.TestReport)]
    said = [name for report in reports if report.when == "call" for name, _ in report.user_properties]
    leaks, tried = said.count(LEAKED), said.count(TRIED)
    if leaks or tried:
        terminalreporter.write_line(f"attacks: {tried + leaks} attempts, {leaks} leaks")
