"""`sanqu case`: deploy processes and decision tables, move cases to another version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sanqu.cases.decisions import declare_decision
from sanqu.cases.deploying import deploy_file, versions_of
from sanqu.cases.dmn import read_decisions
from sanqu.cases.exporting import names_in, pdf_of, record_of
from sanqu.cases.migrating import migrate_case
from sanqu.cases.processes import list_processes
from sanqu.ground.opening import open_city
from sanqu.ground.people.askers import SYSTEM

app = typer.Typer(no_args_is_help=True, add_completion=False)
Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]


@app.command()
def deploy(
    file: Annotated[Path, typer.Argument(help="流程（.bpmn）或决策表（.dmn）· a process, or a decision table on its own")],
    name: Annotated[str, typer.Option(help="名称，默认取文件名 · its name; by default the file's")] = "",
    home: Home = None,
) -> None:
    """发布流程或决策表 · Deploy a process with the tables and forms beside it, or a table alone; the same file changes nothing.

    例 · e.g.  sanqu case deploy processes/event.bpmn --home city
    """
    with open_city(home) as city:
        if file.suffix == ".dmn":
            text = file.read_text("utf-8")
            for decision in [name] if name else read_decisions(text, file.name):
                found = declare_decision(city, decision, text, SYSTEM)
                typer.echo(f"✓ {found.name} v{found.version}")
            return
        made = deploy_file(city, file, SYSTEM, name)
        typer.echo(f"✓ {made.name} v{made.version} {made.title.zh}")


@app.command("list")
def list_them(home: Home = None) -> None:
    """流程和版本 · Processes, their versions, and how many cases are open on each.

    例 · e.g.  sanqu case list --home city
    """
    with open_city(home) as city:
        for process in list_processes(city):
            for version in versions_of(city, process.name):
                typer.echo(f"{process.name} v{version.process.version}  {version.open} 件在办 open · {version.process.title.zh}")


@app.command()
def migrate(
    numbers: Annotated[list[str], typer.Argument(help="办件编号 · numbers of cases")],
    version: Annotated[int | None, typer.Option(help="版本，默认最新 · the version; by default the newest")] = None,
    home: Home = None,
) -> None:
    """把在办的办件换到另一个版本 · Move open cases to another version of their process.

    例 · e.g.  sanqu case migrate 20261009-000012 --home city
    """
    with open_city(home) as city:
        for number in numbers:
            case = migrate_case(city, SYSTEM, number, version)
            typer.echo(f"✓ {case.number} → {case.process} v{case.version}")


@app.command()
def export(
    number: Annotated[str, typer.Argument(help="办件编号 · the number of a case")],
    to: Annotated[Path | None, typer.Option(help="文件：.json 或 .pdf · the file: .json or .pdf")] = None,
    home: Home = None,
) -> None:
    """导出办件档案 · Write everything that is kept of a case into one file of record.

    例 · e.g.  sanqu case export 20261009-000012 --to record.pdf --home city
    """
    file = to or Path(f"{number}.json")
    with open_city(home) as city:
        if file.suffix == ".pdf":
            file.write_bytes(pdf_of(city, SYSTEM, number, names_in(city, SYSTEM, number)))
        else:
            file.write_text(json.dumps(record_of(city, SYSTEM, number), ensure_ascii=False, indent=1, default=str), "utf-8")
    typer.echo(f"✓ {file}")
