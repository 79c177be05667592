"""`sanqu ask` and `sanqu explain`: the door from a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from sanqu.ground.city import City
from sanqu.ground.errors import not_found
from sanqu.ground.i18n import Text
from sanqu.ground.opening import open_city
from sanqu.ground.people.askers import PUBLIC, Asker
from sanqu.ground.people.persons import asker_for
from sanqu.sharing.door import Question, ask, explain

Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]
Sql = Annotated[str, typer.Argument(help="一条 SELECT；- 从标准输入读 · one SELECT; - reads standard input")]
As = Annotated[str, typer.Option("--as", help="以谁的身份（登录名）；不写是公众 · as whom (login); without it, the public")]
Purpose = Annotated[str, typer.Option(help="用途 · what it is for")]

ask_app = typer.Typer(add_completion=False)
explain_app = typer.Typer(add_completion=False)


def asker_named(city: City, login: str) -> Asker:
    """The person with this login, the public for none; raises `NotFound`."""
    if not login:
        return PUBLIC
    with city.db.connection() as conn:
        row = conn.execute("SELECT id FROM person WHERE login = %s", (login,)).fetchone()
        found = asker_for(conn, int(row["id"])) if row else None
    if found is None:
        raise not_found(Text(zh="人员", en="person"), login)
    return found


def _sql(said: str) -> str:
    return sys.stdin.read() if said == "-" else said


@ask_app.command()
def run_ask(
    sql: Sql, as_: As = "", purpose: Purpose = "", rows: int = typer.Option(100, min=1, help="最多行数 · most rows"),
    json: bool = typer.Option(False, "--json", help="每行一个 JSON · one JSON a line"), home: Home = None,
) -> None:  # fmt: skip
    """按 SQL 读数据，经过数据之门 · Read by SQL, through the door.

    例 · e.g.  sanqu ask "SELECT metric_zh, period, value FROM facts LIMIT 5"
    """
    with open_city(home) as city:
        answer = ask(city, asker_named(city, as_), Question(_sql(sql), purpose, rows=rows, via="command"))
    if json:
        for row in answer.table.to_pylist():
            typer.echo(orjson.dumps(row, default=str).decode())
        return
    shown = Table(*answer.table.column_names)
    for row in zip(*(column.to_pylist() for column in answer.table.columns), strict=True):
        shown.add_row(*("" if value is None else str(value) for value in row))
    Console().print(shown)
    if answer.more:
        typer.echo("… 还有更多行 · there are more rows")


@explain_app.command()
def run_explain(sql: Sql, as_: As = "", purpose: Purpose = "", home: Home = None) -> None:
    """读取前说明：允许否、遮盖什么、依据哪条、最小授权 · What the door would say, and why; nothing is run.

    例 · e.g.  sanqu explain "SELECT name FROM residents" --as wang --purpose relief
    """
    with open_city(home) as city:
        decision = explain(city, asker_named(city, as_), Question(_sql(sql), purpose))
    typer.secho("✓ 允许 · allowed" if decision.allowed else "✗ 不允许 · refused", fg="green" if decision.allowed else "red")
    for table in decision.tables:
        where = "所有行 · every row" if table.units is None else f"行 · rows of {', '.join(table.units)}"
        typer.echo(f"  {table.dataset}: {table.basis.clause} · {where}")
        for one in table.items:
            how = " → ".join([*one.masks]) or "/".join(one.contexts)
            typer.echo(f"    {one.item}: {how}")
        if table.least:
            typer.echo(f"    最小分组 · least group {table.least}")
    for dataset, shut in decision.closed:
        typer.echo(f"  ✗ {dataset}.{shut.item}: {shut.why.zh} · {shut.why.en} ({shut.clause})")
    for wish in decision.wishes:
        items = ", ".join(f"{item.item} ({'/'.join(item.uses)})" for item in wish.items)
        way = "" if wish.grantable else " — 不能授权 · cannot be granted"
        typer.echo(f"  最小授权 · smallest grant: {wish.dataset} → {items}; {wish.steward}{way}")
