"""`sanqu live`: live lines and deliveries to subscribers, in a process of their own; start as many as needed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from sanqu.cli.logs import log_here
from sanqu.cli.opening import open_city
from sanqu.cli.worker import die_with
from sanqu.lines.live.process import flow
from sanqu.sharing.subscribers.deliver import delivering

app = typer.Typer(add_completion=False)


@app.command()
def live(
    home: Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")] = None,
    parent: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """只做实时专线 · Gather and carry live lines, deliver to subscribers; start as many as needed, each line is one process's at a time.

    例 · e.g.  SANQU_DATABASE_URL=postgresql://… SANQU_NATS_URL=nats://… sanqu live
    """
    log_here()
    if parent:
        threading.Thread(target=die_with, args=(parent,), daemon=True).start()
    with open_city(home) as city, delivering(city):
        flow(city)
