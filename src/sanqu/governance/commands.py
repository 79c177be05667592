"""`sanqu governance`: sample grids, and a day of events replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sanqu.governance.events import Wanted
from sanqu.governance.grids import make_grids
from sanqu.governance.processes import declare_processes
from sanqu.governance.replay import replay
from sanqu.governance.scores import scores
from sanqu.ground.opening import open_city
from sanqu.ground.people.askers import SYSTEM

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="基层治理 · Governance\n\n例 · e.g.  sanqu governance replay --count 5000"
)

Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]


@app.callback()
def _root() -> None:
    """基层治理 · Governance."""


@app.command("replay")
def run_replay(
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="多少件 · how many events")] = 5000,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="311 诉求的 CSV；不给则生成 · a CSV of 311 requests; made up without it"),
    ] = None,
    seed: Annotated[int, typer.Option(help="种子 · seed of what is made up")] = 311,
    home: Home = None,
) -> None:
    """把一天的事件快速走完全流程 · Play a day of events through the whole process, at speed; they are marked as samples.

    例 · e.g.  sanqu governance replay --count 5000 --file requests.csv
    """
    with open_city(home) as city:
        declare_processes(city)
        make_grids(city)
        done = replay(city, count, file, seed=seed, say=typer.echo)
        typer.echo(f"{done.events:,} 件 events · {done.closed:,} 件办结 closed · {done.seconds:.1f} s · {done.per_second:.0f}/s")
        whole, rows = scores(city, SYSTEM, Wanted(), "town")
        for one in sorted(rows, key=lambda row: -row.events)[:12]:
            share = f"{one.on_time_share:.0%}" if one.on_time_share is not None else "—"
            typer.echo(f"  {one.title.zh}\t{one.events:,}\t{share}\t{one.rating or 0:.2f}")
        typer.echo(f"  合计 all\t{whole.events:,}")
        typer.echo("  评分表 · scorecards: /governance?period=7")
