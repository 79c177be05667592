"""Background work on PostgreSQL (Procrastinate): what can be done, asking for it, and the worker that does it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import procrastinate
from procrastinate.jobs import Job as QueuedJob

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection

log = logging.getLogger(__name__)

Work = TypeVar("Work", bound=Callable[..., Any])

DEFER = """
SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[
    ROW(%(queue)s, %(task)s, 0, %(lock)s, %(queueing_lock)s, %(args)s::jsonb, %(at)s)::procrastinate_job_to_defer_v1
])) AS id
"""
ALREADY_QUEUED = "SELECT id FROM procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo'"


@dataclass(frozen=True)
class Registered:
    """A kind of background work: its function, and the cron expression when it repeats."""

    work: Callable[..., Any]
    every: str | None


_registered: dict[str, Registered] = {}


def job(name: str, *, every: str | None = None) -> Callable[[Work], Work]:
    """Register `work(city, **args)` as the background work `name`; `every` is a cron expression (UTC)."""

    def register(work: Work) -> Work:
        _registered[name] = Registered(work, every)
        return work

    return register


def defer(
    conn: Connection,
    name: str,
    args: dict[str, Any] | None = None,
    *,
    lock: str | None = None,
    once: str | None = None,
    at: datetime | None = None,
) -> int | None:
    """Ask for `name` in the caller's transaction; returns the job's number.

    `lock`: jobs with one lock run one after another. `once`: while a job with this mark waits, no second is queued
    (None is returned). `at`: not before.
    """
    if once is not None:
        # Two askers at the same moment are put in a row, so that only one queues.
        conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"job:{once}",))
        if conn.execute(ALREADY_QUEUED, (once,)).fetchone():
            return None
    values = {"queue": "default", "task": name, "lock": lock, "queueing_lock": once, "args": json.dumps(args or {}), "at": at}
    row = conn.execute(DEFER, values).fetchone()
    return int(row["id"]) if row else None


def _app(city: City) -> procrastinate.App:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=city.db.url, min_size=1, max_size=4))
    for name, registered in _registered.items():
        _add_task(app, city, name, registered)
    return app


def _add_task(app: procrastinate.App, city: City, name: str, registered: Registered) -> None:
    async def run(**args: Any) -> None:
        args.pop("timestamp", None)
        # Line runs and the like block: each gets a thread, the worker's loop stays free.
        await asyncio.to_thread(registered.work, city, **args)

    task: Any = app.task(name=name, queue="default")(run)
    if registered.every:
        app.periodic(cron=registered.every, periodic_id=name)(task)


async def _take_over(app: procrastinate.App, started: datetime) -> None:
    """Put jobs back whose worker was killed: their heartbeat stopped."""
    stalled: list[QueuedJob] = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=30))
    for stalled_job in stalled:
        log.warning("job %s (%s) was cut off and is queued again", stalled_job.id, stalled_job.task_name)
        await app.job_manager.retry_job(stalled_job, retry_at=started)


async def _keep_taking_over(app: procrastinate.App) -> None:
    while True:
        try:
            await _take_over(app, now())
        except Exception:
            log.warning("jobs: could not look for work that was cut off", exc_info=True)
        await asyncio.sleep(20)


def work(city: City, *, until_idle: bool = False) -> None:
    """Do background work until stopped; with `until_idle`, until nothing waits."""

    async def run() -> None:
        app = _app(city)
        async with app.open_async():
            watching = asyncio.create_task(_keep_taking_over(app))
            try:
                await app.run_worker_async(
                    wait=not until_idle,
                    concurrency=city.settings.worker_concurrency,
                    fetch_job_polling_interval=2.0,
                    delete_jobs="successful",
                    shutdown_graceful_timeout=15,
                    install_signal_handlers=not until_idle,
                )
            finally:
                watching.cancel()

    asyncio.run(run())
