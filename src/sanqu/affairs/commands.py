"""`sanqu affairs`: sample accounts to try the things with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sanqu.affairs.sample_people import sample_people
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.opening import open_city
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.sessions import make_link

app = typer.Typer(add_completion=False, no_args_is_help=True, help="办事 · Services\n\n例 · e.g.  sanqu affairs sample")

Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]


@app.callback()
def _root() -> None:
    """办事 · Services."""


@app.command()
def sample(home: Home = None) -> None:
    """建样例账号并给出一次性登录链接 · Make sample accounts, with one-time sign-in links.

    例 · e.g.  sanqu affairs sample --home city
    """
    with open_city(home) as city:
        base = city.settings.public_url.rstrip("/")
        for one in sample_people(city, now().astimezone(CITY_ZONE).date()):
            with city.db.connection() as conn:
                token = make_link(conn, one.id, SYSTEM)
            typer.echo(f"{one.login}\t{one.about.zh} · {one.about.en}\t{base}/sign-in/{token}")
