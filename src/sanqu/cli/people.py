"""`sanqu people`: sign-in links and keys from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sanqu.cli.opening import open_city
from sanqu.ground.city import City
from sanqu.ground.engines import running_city
from sanqu.ground.errors import not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.sessions import make_link

app = typer.Typer(no_args_is_help=True, add_completion=False)
Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]

BY_LOGIN = "SELECT id FROM person WHERE login = %s"


def _person(city: City, login: str) -> int:
    row = city.db.one(BY_LOGIN, (login,))
    if row is None:
        raise not_found(Text(zh="用户", en="person"), login)
    return int(row["id"])


@app.command()
def link(login: Annotated[str, typer.Argument()] = "admin", home: Home = None) -> None:
    """一次性登录链接 · A one-time sign-in link.

    例 · e.g.  sanqu people link admin
    """
    with open_city(home) as city:
        person = _person(city, login)
        with city.db.connection() as conn:
            token = make_link(conn, person)
        running = running_city(city.settings.home) or {}
        base = city.settings.public_url or running.get("url") or f"http://{city.settings.host}:{city.settings.port}"
    typer.echo(f"{base}/sign-in/{token}")


@app.command()
def key(login: Annotated[str, typer.Argument()] = "admin", name: str = "cli", home: Home = None) -> None:
    """新的接口密钥 · A new API key; shown once.

    例 · e.g.  sanqu people key admin --name harvester
    """
    with open_city(home) as city:
        person = _person(city, login)
        with city.db.connection() as conn:
            typer.echo(make_key(conn, SYSTEM, person, name))


@app.command()
def add(login: str, name: str, role: str, unit: str, home: Home = None) -> None:
    """新增人员 · Add a person with a role (admin, steward, officer) at a unit.

    例 · e.g.  sanqu people add li 李四 steward 3308
    """
    with open_city(home) as city, city.db.connection() as conn:
        typer.echo(add_person(conn, SYSTEM, login, name, [(role, unit)]))  # type: ignore[list-item]
