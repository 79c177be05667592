"""`sanqu ledger`: read the ledger, verify all of it, take and check proofs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from sanqu.cli.opening import open_city
from sanqu.ground.ledger import integrate, read_entries, verify
from sanqu.ground.ledger.proof import Proof, check, prove

app = typer.Typer(no_args_is_help=True, add_completion=False)
Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]


@app.command("verify")
def verify_ledger(home: Home = None) -> None:
    """核验整本账 · Read the whole ledger again and say whether anything was changed.

    例 · e.g.  sanqu ledger verify --home city
    """
    with (
        open_city(home) as city,
        Progress(SpinnerColumn(), TextColumn("{task.description}"), console=Console(stderr=True)) as bar,
    ):
        task = bar.add_task("0")
        integrate(city)
        verdict = verify(city, lambda n: bar.update(task, description=f"{n:,}"))
    for fault in verdict.faults:
        typer.secho(f"✗ {fault}", fg="red")
    state = "✓ 完好 sound" if verdict.sound else "✗ 被改动 changed"
    typer.echo(f"{state} · {verdict.entries:,} 条 entries · {verdict.checkpoints:,} 个检查点 checkpoints · root {verdict.root}")
    raise typer.Exit(0 if verdict.sound else 1)


@app.command()
def show(
    home: Home = None,
    kind: Annotated[str | None, typer.Option(help="种类或房间 · kind, or its room: lines.run, people")] = None,
    subject: Annotated[str | None, typer.Option(help="对象 · subject: dataset:air")] = None,
    limit: Annotated[int, typer.Option(help="条数 · how many")] = 20,
) -> None:
    """查看最近的条目 · Show the newest entries.

    例 · e.g.  sanqu ledger show --subject dataset:plan-goals
    """
    with open_city(home) as city:
        integrate(city)
        for entry in read_entries(city, kind=kind, subject=subject, limit=limit):
            facts = json.dumps(entry.facts, ensure_ascii=False)
            typer.echo(
                f"{entry.index:>8}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.kind:<22} {entry.actor:<12} {entry.subject}  {facts}"
            )


@app.command("prove")
def prove_entry(index: int, home: Home = None) -> None:
    """一条的存在证明 · The proof that one entry is in the ledger, as JSON.

    例 · e.g.  sanqu ledger prove 12 > proof.json
    """
    with open_city(home) as city:
        typer.echo(json.dumps(dataclasses.asdict(prove(city, index)), ensure_ascii=False, indent=1))


@app.command("check")
def check_proof(file: Path) -> None:
    """离线核对证明 · Check a proof offline; needs no city.

    例 · e.g.  sanqu ledger check proof.json
    """
    proof = Proof(**json.loads(file.read_text("utf-8")))
    size = check(proof)
    typer.echo(f"✓ 第 {proof.index} 条在 {size} 条的账本中 · entry {proof.index} is in the ledger of {size}")
