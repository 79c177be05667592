"""`sanqu lake`: datasets, snapshots, upkeep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sanqu.cli.opening import open_city
from sanqu.lake import lake_of

app = typer.Typer(no_args_is_help=True, add_completion=False)
Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]


@app.command("list")
def list_datasets(home: Home = None) -> None:
    """列出数据集与行数 · The datasets and how many rows each holds.

    例 · e.g.  sanqu lake list --home city
    """
    with open_city(home) as city:
        lake = lake_of(city)
        for name in lake.contracts():
            typer.echo(f"{lake.count(name):>12,}  {name}  {lake.contract(name).title.zh}")


@app.command()
def snapshots(dataset: str, home: Home = None) -> None:
    """一个数据集的快照 · The snapshots of one dataset, newest first.

    例 · e.g.  sanqu lake snapshots plan-goals
    """
    with open_city(home) as city:
        for snapshot in lake_of(city).snapshots(dataset):
            typer.echo(f"{snapshot.id:>8}  {snapshot.at:%Y-%m-%d %H:%M:%S}  {snapshot.author:<24} {snapshot.message}")


@app.command()
def maintain(home: Home = None) -> None:
    """合并小文件、清理过期快照 · Merge small files, expire old snapshots.

    例 · e.g.  sanqu lake maintain
    """
    with open_city(home) as city:
        lake_of(city).maintain()
    typer.echo("✓")
