"""`sanqu supervision`: check a draw from its verify file, without a city."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.supervision.evidence import check_file

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="双随机监管 · Supervision\n\n例 · e.g.  sanqu supervision verify SJ2026-0001-1.json"
)


@app.callback()
def _root() -> None:
    """双随机监管 · Supervision."""


@app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="验证文件 · the verify file")],
    key: Annotated[str, typer.Option(help="您从别处得知的城市公钥（base64）· the city's public key as you know it from elsewhere")] = "",
) -> None:
    """重抽一次并核对账本 · Draw again and check that the commitment stood in the ledger before; needs no city and no network.

    例 · e.g.  sanqu supervision verify SJ2026-0001-1.json
    """
    try:
        said = json.loads(file.read_text("utf-8"))
    except ValueError as fault:
        raise BadInput(
            "supervision.verify", Text(zh="这不是 JSON 文件", en="This is no JSON file"), Text(zh="从公示页下载验证文件", en="Get the verify file from the public page"), file.name
        ) from fault
    verdict = check_file(said, key)
    typer.echo(f"✓ {said['plan']} 第 {said['round']} 次：{verdict.drawn} 个对象重抽一致 · drawn again with the same result")
    typer.echo(f"  承诺 committed: 账本第 {verdict.committed} 条 entry · {verdict.committed_at}")
    typer.echo(f"  公开 {verdict.state}: 账本第 {verdict.revealed} 条 entry · {verdict.revealed_at}")
