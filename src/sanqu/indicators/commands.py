"""`sanqu indicators`: loads figures from a file."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sanqu.ground.people.askers import SYSTEM
from sanqu.indicators.evaluate import evaluate
from sanqu.indicators.reporting.loading import load as load_figures
from sanqu.indicators.reporting.loading import look_at, read_rows

app = typer.Typer(no_args_is_help=True, add_completion=False, help="指标 · Indicators")
console = Console()


@app.callback()
def commands() -> None:
    """指标：导入数据 · Indicators: load figures."""


def _open(home: Path | None) -> Any:
    # The command line stands above this room; it opens the city for all of them.
    return import_module("sanqu.cli.opening").open_city(home)


@app.command()
def load(
    file: Path, home: Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")] = None,
    dry: Annotated[bool, typer.Option(help="只看不存 · only look")] = False,
) -> None:  # fmt: skip
    """导入数据 · Keep every figure of a CSV or Excel file, or none; names each row that is wrong.

    例 · e.g.  sanqu indicators load figures.csv --home city --dry
    """
    content = file.read_bytes()
    with _open(home) as city:
        looked = look_at(city, read_rows(content, file.name), file.name)
        for one in looked.wrong:
            console.print(f"[{'red' if one.bad else 'yellow'}]{'✗' if one.bad else '?'}[/] {file.name}:{one.row}: {one.what.zh} {one.what.in_('en')}", highlight=False, soft_wrap=True)
        if not dry:
            count = load_figures(city, SYSTEM, content, file.name)
            evaluate(city)
            console.print(f"✓ {count}")
    if looked.bad:
        raise typer.Exit(1)
