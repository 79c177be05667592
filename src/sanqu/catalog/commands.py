"""`sanqu catalog`: search, harvest, quality and the open list from the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sanqu.catalog import harvest as harvests
from sanqu.catalog import openlist, quality
from sanqu.catalog.glossary import use_glossary
from sanqu.catalog.harvest.run import harvest
from sanqu.catalog.harvest.sources import Kind
from sanqu.catalog.index import index_of
from sanqu.catalog.search import Ask, search
from sanqu.ground.facts import fact
from sanqu.ground.i18n import Text
from sanqu.ground.opening import open_city
from sanqu.ground.people.askers import SYSTEM

app = typer.Typer(no_args_is_help=True, add_completion=False)
harvest_app = typer.Typer(no_args_is_help=True, help="收割别处的目录 · Harvest other catalogues")
list_app = typer.Typer(no_args_is_help=True, help="开放清单的版本 · Versions of the open list")
app.add_typer(harvest_app, name="harvest")
app.add_typer(list_app, name="openlist")

Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]
console = Console()


@app.command("search")
def search_command(
    text: Annotated[str, typer.Argument(help="要找的词 · words")],
    home: Home = None,
    limit: Annotated[int, typer.Option(help="条数 · how many")] = 20,
    subject: Annotated[list[str] | None, typer.Option(help="主题 · subject")] = None,
    unit: Annotated[list[str] | None, typer.Option(help="机构代码 · unit code")] = None,
) -> None:
    """搜索数据集 · Search datasets.

    例 · e.g.  sanqu catalog search 柑橘 --subject agriculture
    """
    filters = {name: values for name, values in (("subject", subject), ("unit", unit)) if values}
    with open_city(home) as city:
        use_glossary(city, fact(city, "glossary", []))
        found = search(city, Ask(text, filters, limit=limit), SYSTEM)
    table = Table("名称 name", "标题 title", "单位 unit", "开放 opening", "状态 state")
    for hit in found.hits:
        d = hit.dataset
        table.add_row(d.name, str(d.title), d.unit, d.opening, d.state)
    console.print(table)
    relaxed = " · 没有同时含有全部词的，以下含有部分 · none holds every word, these hold some" if found.relaxed else ""
    typer.echo(f"{found.total:,} 个 datasets · {found.milliseconds:.1f} ms{relaxed}")


@app.command()
def reindex(home: Home = None) -> None:
    """重建搜索索引 · Build the search index anew.

    例 · e.g.  sanqu catalog reindex --home city
    """
    with open_city(home) as city:
        typer.echo(f"{index_of(city).rebuild():,} 个 datasets")


@app.command("quality")
def quality_command(
    dataset: Annotated[str | None, typer.Argument(help="数据集；不写则全部有变化的 · dataset; none: all that changed")] = None,
    home: Home = None,
) -> None:
    """测质量 · Measure quality.

    例 · e.g.  sanqu catalog quality air-hourly
    """
    with open_city(home) as city:
        if dataset is None:
            quality.measure_in_background(city)
            typer.echo("✓")
            return
        measured = quality.measure(city, dataset)
    table = Table("指标 measure", "数据项 item", "规则 rule", "问题 bad", "总数 of", "合格 good")
    for figure in measured.figures:
        table.add_row(figure.measure, figure.item, figure.rule, f"{figure.bad:,}", f"{figure.checked:,}", f"{figure.share:.1%}")
    console.print(table)
    typer.echo(f"得分 score {measured.score:.1f}")


@harvest_app.command("add")
def add_source(
    name: Annotated[str, typer.Argument(help="来源名称 · name of the source")],
    kind: Annotated[str, typer.Argument(help="ckan, dcat, csv, socrata")],
    url: Annotated[str, typer.Argument(help="网址或文件 · address or file")],
    unit: Annotated[str, typer.Option(help="责任机构代码 · code of the unit that answers for it")],
    home: Home = None,
    title: Annotated[str, typer.Option(help="标题 · title")] = "",
    options: Annotated[str, typer.Option(help='JSON，如 {"columns": {"title": "資料名稱"}}')] = "{}",
) -> None:
    """登记来源 · Add a source.

    例 · e.g.  sanqu catalog harvest add taoyuan csv catalog.csv --unit 3308
    """
    known: Kind = kind  # type: ignore[assignment]  # add_source says which kinds there are
    with open_city(home) as city:
        source = harvests.Source(name, Text(zh=title or name), known, url, unit, json.loads(options))
        harvests.add_source(city, source, SYSTEM.label)
    typer.echo(f"✓ {name}")


@harvest_app.command("run")
def run_harvest(
    name: Annotated[str, typer.Argument(help="来源名称 · name of the source")],
    home: Home = None,
    budget: Annotated[float, typer.Option(help="最多多少秒 · seconds at most")] = 3600.0,
    afresh: Annotated[bool, typer.Option(help="不接着上次，从头来 · from the start")] = False,
) -> None:
    """收割一个来源，接着上次断点 · Harvest a source, going on where it stopped.

    例 · e.g.  sanqu catalog harvest run taoyuan
    """
    with open_city(home) as city:
        run = harvest(city, name, SYSTEM.label, budget=budget, afresh=afresh)
        failed = harvests.failures(city, run.id, limit=20)
    typer.echo(
        f"{run.state} · 读 seen {run.seen:,} · 新 added {run.added:,} · 改 changed {run.changed:,} · "
        f"同 unchanged {run.unchanged:,} · 撤 withdrawn {run.withdrawn:,} · 败 failed {run.failed:,}"
    )
    for failure in failed:
        typer.secho(f"  ✗ {failure.record} ({failure.place}): {failure.reason.zh} · {failure.reason.en}", fg="yellow")
    if run.cause:
        typer.secho(f"✗ {run.cause['what']['zh']} · {run.cause['what']['en']}\n  → {run.cause['todo']['zh']} · {run.cause['todo']['en']}", fg="red")
    raise typer.Exit(0 if run.state == "done" else 1)


@harvest_app.command("list")
def list_runs(home: Home = None) -> None:
    """来源与最近的收割 · Sources and the last runs.

    例 · e.g.  sanqu catalog harvest list
    """
    with open_city(home) as city:
        sources, runs = harvests.sources(city), harvests.runs(city)
    table = Table("来源 source", "类型 kind", "网址 url", "数据集 datasets")
    for source in sources:
        table.add_row(source.name, source.kind, source.url, f"{source.datasets:,}")
    console.print(table)
    table = Table("#", "来源 source", "状态 state", "读 seen", "新 added", "改 changed", "败 failed", "开始 started")
    for run in runs:
        table.add_row(
            str(run.id), run.source, run.state, f"{run.seen:,}", f"{run.added:,}", f"{run.changed:,}", f"{run.failed:,}",
            f"{run.started:%Y-%m-%d %H:%M}",
        )  # fmt: skip
    console.print(table)


@list_app.command("publish")
def publish_list(
    label: Annotated[str, typer.Argument(help="年度或名称 · year or name")],
    home: Home = None,
    note: Annotated[str, typer.Option(help="说明 · note")] = "",
) -> None:
    """把现在开放的冻结为一版清单 · Freeze what is open now as a version.

    例 · e.g.  sanqu catalog openlist publish 2026
    """
    with open_city(home) as city:
        made = openlist.publish_open_list(city, label, SYSTEM, Text(zh=note))
    typer.echo(f"✓ {made.label} · {made.datasets:,} 个 datasets")


@list_app.command("diff")
def diff_lists(
    old: Annotated[str, typer.Argument(help="旧版 · the older")],
    new: Annotated[str, typer.Argument(help="新版 · the newer")],
    home: Home = None,
) -> None:
    """两版之间的调整 · What changed between two versions.

    例 · e.g.  sanqu catalog openlist diff 2025 2026
    """
    with open_city(home) as city:
        found = openlist.diff(city, old, new)
    for entry in found.added:
        typer.secho(f"+ {entry.name}  {entry.title}", fg="green")
    for entry in found.removed:
        typer.secho(f"- {entry.name}  {entry.title}", fg="red")
    for changed in found.changed:
        words = ", ".join(f"{word}: {a} → {b}" for word, (a, b) in changed.words.items())
        items = " ".join([*(f"+{i}" for i in changed.items_added), *(f"-{i}" for i in changed.items_removed), *(f"~{i}" for i in changed.items_changed)])
        typer.secho(f"~ {changed.after.name}  {words} {items}".rstrip(), fg="yellow")
    typer.echo(f"+{len(found.added)} -{len(found.removed)} ~{len(found.changed)} ={found.unchanged}")


@list_app.command("list")
def show_lists(home: Home = None) -> None:
    """各版清单 · The versions there are.

    例 · e.g.  sanqu catalog openlist list
    """
    with open_city(home) as city:
        versions = openlist.open_lists(city)
    for one in versions:
        typer.echo(f"{one.label}  {one.at:%Y-%m-%d}  {one.datasets:,} 个 datasets  {one.note}")
