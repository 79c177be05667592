"""`sanqu line`: lists, adds and runs lines, shows runs and the quarantine, replays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from sanqu.ground.people.askers import SYSTEM
from sanqu.lines import keeping
from sanqu.lines import records as told
from sanqu.lines.quarantine import count_quarantine, list_quarantine
from sanqu.lines.replay import replay as replay_line
from sanqu.lines.run import run_line

app = typer.Typer(no_args_is_help=True, add_completion=False, help="数据专线 · Lines: what carries rows from sources to datasets")
Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]
console = Console()


def _open(home: Path | None) -> Any:
    # The command line stands above this room; it opens the city for all of them.
    from importlib import import_module

    return import_module("sanqu.cli.opening").open_city(home)


@app.command("list")
def list_lines(home: Home = None, dataset: Annotated[str | None, typer.Option(help="只看一个数据集 · of one dataset")] = None) -> None:
    """列出专线 · The lines, their last run, and the rows that wait in quarantine.

    例 · e.g.  sanqu line list --home city
    """
    with _open(home) as city:
        table = Table("专线 line", "数据集 dataset", "来源 source", "上次 last run", "待修 waiting")
        for line in keeping.lines(city, dataset=dataset):
            last = keeping.runs(city, line=line.name, limit=1)
            waiting = count_quarantine(city, line=line.name, state="waiting")
            said = f"{last[0].state.value} {last[0].started:%m-%d %H:%M}" if last else "—"
            table.add_row(line.name, line.dataset, line.source.kind, said, f"{waiting:,}")
        console.print(table)


@app.command()
def add(file: Path, home: Home = None) -> None:
    """新建或修改专线 · Make or change the line that a TOML file states; relative paths count from the file.

    例 · e.g.  sanqu line add air.toml
    """
    with _open(home) as city:
        said = told.Line.from_toml(file.read_text("utf-8"), file.stem)
        line = keeping.save_line(city, keeping.placed(said, file.parent.resolve()), SYSTEM)
        console.print(f"✓ {line.name} → {line.dataset}")


@app.command()
def run(
    name: str,
    home: Home = None,
    again: Annotated[bool, typer.Option(help="没变的也重装 · carry again what did not change")] = False,
) -> None:
    """运行专线 · Run a line and watch it.

    例 · e.g.  sanqu line run air
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
    with _open(home) as city:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(name, total=1.0)

            def watch(at: told.Progress) -> None:
                bar.update(task, completed=at.share, description=f"{name} · {at.doing.zh} {at.doing.en}"[:80])

            done = run_line(city, name, watch, actor="cli", again=again)
        console.print(
            f"读 read {done.read:,} · 新增 new {done.inserted:,} · 更新 changed {done.updated:,} · 未变 same {done.unchanged:,} · "
            f"合并 collapsed {done.collapsed:,} · 隔离 quarantined {done.quarantined:,} · {done.seconds or 0:.1f} s"
        )
        for note in done.notes:
            console.print(f"  {note.zh} · {note.en}", style="yellow")
        if done.cause:
            what, todo = done.cause["what"], done.cause["todo"]
            console.print(f"✗ {what['zh']} · {what['en']} [{done.cause['thing']}]\n  → {todo['zh']} · {todo['en']}", style="red", markup=False)
            raise typer.Exit(1)


@app.command()
def runs(name: Annotated[str | None, typer.Argument()] = None, home: Home = None, limit: int = 20) -> None:
    """运行记录 · The last runs.

    例 · e.g.  sanqu line runs air --limit 5
    """
    with _open(home) as city:
        table = Table("#", "专线 line", "状态 state", "开始 started", "秒 s", "读 read", "写 written", "隔离 quarantined", "原因 cause")
        for one in keeping.runs(city, line=name, limit=limit):
            cause = (one.cause or {}).get("what", {}).get("zh", "")
            seconds = f"{one.seconds:.1f}" if one.seconds is not None else ""
            table.add_row(
                str(one.id), one.line, one.state.value, f"{one.started:%Y-%m-%d %H:%M:%S}", seconds, f"{one.read:,}",
                f"{one.rows_written:,}", f"{one.quarantined:,}", cause,
            )  # fmt: skip
        console.print(table)


@app.command()
def quarantine(
    name: str,
    home: Home = None,
    state: Annotated[str, typer.Option(help="waiting, mended, replayed, dropped")] = "waiting",
    limit: int = 20,
) -> None:
    """隔离区 · Rows that did not pass, each with its place and reason.

    例 · e.g.  sanqu line quarantine air --limit 50
    """
    with _open(home) as city:
        for row in list_quarantine(city, line=name, state=state, limit=limit):
            place = " ".join(f"{kind} {at}" for kind, at in row.place.items())
            console.print(f"#{row.id}  {row.unit} {place}", style="bold", markup=False)
            for fault in row.faults:
                console.print(f"    {fault.item}: {fault.explanation.zh} · {fault.explanation.en}", markup=False)
        console.print(f"{count_quarantine(city, line=name, state=state):,} 行 rows")


@app.command()
def replay(name: str, home: Home = None) -> None:
    """重放已修改的行 · Check mended rows again and write those that pass.

    例 · e.g.  sanqu line replay air
    """
    with _open(home) as city:
        counts = replay_line(city, name, SYSTEM)
        console.print(f"读 read {counts.read:,} · 写 written {counts.written:,} · 仍隔离 still refused {counts.quarantined:,}")
