"""`sanqu worker`: background work, and rules of scenes as their data move, in a process of its own, on as many machines as needed."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from sanqu.cli.logs import log_here
from sanqu.cli.opening import open_city
from sanqu.ground.jobs import work
from sanqu.scenes.heeding import heeding

app = typer.Typer(add_completion=False)

# Rooms register their jobs when these are imported.
ROOMS_WITH_JOBS = (
    "sanqu.affairs.letters",
    "sanqu.affairs.moves",
    "sanqu.affairs.partners",
    "sanqu.cases.deadlines",
    "sanqu.cases.pausing",
    "sanqu.cases.timers",
    "sanqu.lake.history",
    "sanqu.lake.upkeep",
    "sanqu.lines.live.promise",
    "sanqu.lines.openlineage",
    "sanqu.lines.run",
    "sanqu.lines.live.positions",
    "sanqu.catalog.quality",
    "sanqu.catalog.rules.watch",
    "sanqu.catalog.harvest.run",
    "sanqu.governance.grids",
    "sanqu.governance.households",
    "sanqu.governance.villages",
    "sanqu.indicators.assessment.appeals",
    "sanqu.indicators.dataset",
    "sanqu.indicators.evaluate",
    "sanqu.indicators.forecasting",
    "sanqu.indicators.plan_sample",
    "sanqu.indicators.reporting.asking",
    "sanqu.reporting.moves",
    "sanqu.scenes.pack",
    "sanqu.scenes.refreshing",
    "sanqu.sharing.grading",
    "sanqu.sharing.sources",
    "sanqu.sharing.subscribers.keeping",
    "sanqu.supervision.inspections",
    "sanqu.supervision.moves",
    "sanqu.supervision.sample",
)


def register_jobs() -> None:
    """Import every room that does background work."""
    for module in ROOMS_WITH_JOBS:
        import_module(module)


def die_with(parent: int) -> None:
    """A worker that `sanqu up` started does not outlive it, however it was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


@app.command()
def worker(
    home: Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")] = None,
    until_idle: Annotated[bool, typer.Option(help="做完即止 · stop when nothing waits")] = False,
    parent: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """只做后台工作 · Do background work only; start as many as needed, anywhere that reaches the database.

    例 · e.g.  SANQU_DATABASE_URL=postgresql://… sanqu worker
    """
    log_here()
    if parent:
        threading.Thread(target=die_with, args=(parent,), daemon=True).start()
    register_jobs()
    # Rules of scenes are looked at here as their data move, not beside the lines: those are not to wait for them.
    with open_city(home) as city, nullcontext() if until_idle else heeding(city):
        work(city, until_idle=until_idle)
