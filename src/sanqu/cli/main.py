"""The `sanqu` command: its sub-commands, and how an error is shown in a terminal."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sanqu import __version__
from sanqu.ground.errors import SanquError
from sanqu.ground.i18n import Lang

# Sub-command → where its typer application stands; imported only when asked for, so that `sanqu --help` is quick.
ROOMS = {
    "line": ("sanqu.lines.commands", "数据专线：新建、运行、查看、隔离区 · lines: add, run, watch, quarantine"),
    "catalog": ("sanqu.catalog.commands", "目录：搜索、收割、质量、开放清单 · catalogue: search, harvest, quality, open list"),
    "case": ("sanqu.cases.commands", "办件：发布流程、换版本、导出 · cases: deploy processes, move cases, export"),
    "ledger": ("sanqu.cli.ledger", "账本：核验、证明 · ledger: verify, prove"),
    "lake": ("sanqu.cli.lake", "数据湖：数据集、快照、维护 · lake: datasets, snapshots, upkeep"),
    "affairs": ("sanqu.affairs.commands", "办事：样例账号 · services: sample accounts"),
    "governance": ("sanqu.governance.commands", "基层治理：事件回放 · governance: a day of events replayed"),
    "supervision": ("sanqu.supervision.commands", "双随机监管：验证抽取 · supervision: verify a draw"),
    "indicators": ("sanqu.indicators.commands", "指标：导入数据 · indicators: load figures"),
    "scene": ("sanqu.scenes.commands", "场景：新建、检查、测试、安装 · scenes: make, check, test, install"),
    "people": ("sanqu.cli.people", "人员：登录链接、密钥 · people: sign-in links, keys"),
}
COMMANDS = {
    "up": ("sanqu.cli.up", "启动城市 · start the city"),
    "ask": ("sanqu.sharing.commands", "按 SQL 读数据，经过数据之门 · read by SQL, through the door"),
    "explain": ("sanqu.sharing.commands", "读取前说明：允许否、遮盖什么、依据哪条 · what the door would say, and why"),
    "live": ("sanqu.cli.live", "只做实时专线 · gather and carry live lines only"),
    "worker": ("sanqu.cli.worker", "只做后台工作 · do background work only"),
}


@contextmanager
def without_collector() -> Iterator[None]:
    """Make what lives as long as the process without looking for garbage in it, then or ever after.

    An import makes some hundred thousand objects and no garbage; looking through them costs a tenth of a start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class LazyGroup(TyperGroup):
    """A command group that imports a sub-command when it is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every sub-command, in the order above."""
        return [*COMMANDS, *ROOMS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The sub-command `cmd_name`, or None."""
        place = COMMANDS.get(cmd_name) or ROOMS.get(cmd_name)
        if place is None:
            return None
        if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
            # Only the list of commands is wanted: one line each, nothing imported.
            return TyperCommand(cmd_name, help=place[1])
        with without_collector():
            module = import_module(place[0])
        # A room may bring more than one command; each has an application named after it.
        return typer.main.get_command(getattr(module, f"{cmd_name}_app", None) or module.app)


app = typer.Typer(
    cls=LazyGroup,
    help="三衢：开放的城市数据大脑 · Sanqu, the open city data brain\n\n例 · e.g.  sanqu up --home city --port 8000",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="版本 · the version")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit()


def terminal_lang() -> Lang:
    """The language of this terminal: Chinese where its locale is."""
    said = os.environ.get("SANQU_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "zh" if said.lower().startswith("zh") else "en"


def main() -> None:
    """Run the command line; an error of ours is one clear line, not a stack of frames."""
    try:
        app()
    except SanquError as fault:
        typer.secho(f"✗ {fault.in_(terminal_lang())}", fg="red", err=True)
        sys.exit(1)
