"""`sanqu scene`: make, check, test, install, list and remove scenes."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.scenes import keeping
from sanqu.scenes.archive import make_key, pack, read_key
from sanqu.scenes.binding import read_binding, write_binding
from sanqu.scenes.checking import check_folder
from sanqu.scenes.installing import install as install_scene
from sanqu.scenes.installing import uninstall
from sanqu.scenes.package import NAME, broken, find_scene, open_scene
from sanqu.scenes.proposing import propose
from sanqu.scenes.proving import TOLERANCE
from sanqu.scenes.registry import Order, as_rows, install_archive, install_from, read_index
from sanqu.scenes.registry import publish as put_into
from sanqu.scenes.showing.shot import Shot, take
from sanqu.scenes.skeleton import make_skeleton
from sanqu.scenes.testing import prove_scenes, throwaway
from sanqu.sharing.commands import asker_named

app = typer.Typer(no_args_is_help=True, add_completion=False, help="场景 · Scenes: city applications as packages")
Home = Annotated[Path | None, typer.Option(help="数据文件夹 · the city's folder")]
console = Console()


def _open(home: Path | None) -> Any:
    # The command line stands above this room; it opens the city for all of them.
    return import_module("sanqu.cli.opening").open_city(home)


@app.command()
def new(name: str, folder: Annotated[Path, typer.Option(help="放在哪里 · where to put it")] = Path("scenes")) -> None:
    """新建场景 · Make the skeleton of a scene: one dataset, a sample, a model, a rule, a page, a test; it checks and tests as it is.

    例 · e.g.  sanqu scene new my-scene
    """
    if re.fullmatch(NAME, name) is None:
        raise BadInput("scenes.name", Text(zh="场景名用小写字母、数字和 -，字母开头", en="A name has lower-case letters, digits and -, and begins with a letter"), Text(zh="如 my-scene", en="Such as my-scene"), name[:40])
    made = make_skeleton(folder / name, name)
    for file in made:
        console.print(f"+ {file}")
    console.print(f"✓ sanqu scene check {folder / name} && sanqu scene test {folder / name}")


@app.command()
def check(names: Annotated[list[str], typer.Argument(help="场景名或文件夹 · names or folders")]) -> None:
    """检查场景 · Name every broken thing with file and line; nothing is started.

    例 · e.g.  sanqu scene check citrus
    """
    broken = 0
    for name in names:
        folder = find_scene(name)
        problems = check_folder(folder)
        for one in problems:
            console.print(f"[red]✗[/] {folder.name}/{one}", highlight=False, soft_wrap=True)
        broken += len(problems)
        if not problems:
            console.print(f"✓ {folder.name}")
    if broken:
        raise typer.Exit(1)


@app.command()
def test(names: Annotated[list[str], typer.Argument(help="场景名或文件夹 · names or folders")]) -> None:
    """测试场景 · Install into a city that is thrown away, load the samples, look at what each scene expects.

    例 · e.g.  sanqu scene test citrus economy plan
    """
    folders = [find_scene(name) for name in names]
    import_module("sanqu.scenes.pages")
    with throwaway() as city:
        found = prove_scenes(city, folders, lambda text: console.print(text, highlight=False))
    table = Table("场景 scene", "期望 expectation", "实际 found", "")
    for one in found:
        table.add_row(one.scene, one.name, one.found[:80], "[green]✓[/]" if one.ok else "[red]✗[/]")
    console.print(table)
    failed = sum(not one.ok for one in found)
    console.print(f"{len(found) - failed} ✓ {failed} ✗")
    if failed:
        raise typer.Exit(1)


@app.command()
def install(
    name: str, home: Home = None,
    binding: Annotated[Path | None, typer.Option(help="绑定文件（TOML）· the binding, as a TOML file")] = None,
    steward: Annotated[str, typer.Option(help="负责的机构代码 · the unit that answers for it")] = "",
    samples: Annotated[bool, typer.Option(help="装入样例 · load its samples")] = False,
    registry: Annotated[str, typer.Option(help="场景库：文件夹或网址 · a registry: folder or address")] = "",
    trust: Annotated[bool, typer.Option(help="这一次信任发布者 · trust the publisher for this once")] = False,
    tolerate: Annotated[float, typer.Option(help="绑定的行可以有多大比例不合契约 · the share of bound rows that may break the contract", min=0, max=1)] = TOLERANCE,
) -> None:  # fmt: skip
    """安装场景 · Install a scene from a folder, a .sanqu file or a registry, or take it to a newer version.

    例 · e.g.  sanqu scene install citrus@^1.0.0 --registry https://scenes.example.org --home city --binding citrus.toml
    """
    told: dict[str, Any] = {
        "binding": read_binding(tomllib.loads(binding.read_text("utf-8")), str(binding)) if binding else None, "steward": steward, "samples": samples, "tolerance": tolerate,
        "say": lambda text: console.print(text, highlight=False),
    }  # fmt: skip
    with _open(home) as city:
        if registry:
            one = install_from(city, SYSTEM, registry, name, Order(trusting=trust, **told))
        elif name.endswith(".sanqu"):
            one = install_archive(city, SYSTEM, Path(name).read_bytes(), Path(name).name, Order(trusting=trust, **told))
        else:
            one = install_scene(city, SYSTEM, open_scene(find_scene(name)), **told)
        console.print(f"✓ {one.name} {one.version} /scenes/{one.name}")


@app.command()
def bind(
    name: str, home: Home = None,
    to: Annotated[Path | None, typer.Option(help="写到哪个文件 · the file to write the proposal to")] = None,
) -> None:  # fmt: skip
    """绑定建议 · Propose which datasets of this city stand for those of a scene, with a score and why; a person edits and installs it.

    例 · e.g.  sanqu scene bind citrus --home city --to citrus.toml && sanqu scene install citrus --home city --binding citrus.toml
    """
    scene = open_scene(find_scene(name))
    with _open(home) as city:
        found = propose(city, SYSTEM, scene)
    table = Table("数据集 dataset", "数据项 item", "列 column", "分 score", "依据 why")
    for wanted, proposals in found.items():
        if not proposals:
            table.add_row(wanted, "—", "—", "", "没有相近的，将新建 nothing alike: made new")
        for one in proposals[:1]:
            for guess in one.guesses:
                table.add_row(wanted, guess.item, f"{one.dataset}.{guess.column.column}", f"{guess.score:.2f}", "；".join(why.zh for why in guess.why))
            for item in one.missing:
                table.add_row(wanted, item, "[red]?[/]", "", "必填，没有找到 needed, not found")
    console.print(table)
    if to is not None:
        to.write_text(write_binding({wanted: proposals[0].bound for wanted, proposals in found.items() if proposals}), "utf-8")
        console.print(f"✓ {to}")


@app.command()
def publish(
    name: str, to: Annotated[Path, typer.Option(help="场景库的文件夹 · the folder of the registry")],
    key: Annotated[Path | None, typer.Option(help="签名的私钥 · the private key to sign with")] = None,
) -> None:  # fmt: skip
    """发布场景 · Check a scene, pack it into a signed archive, and put it into a registry folder.

    例 · e.g.  sanqu scene publish citrus --to registry --key publisher.key
    """
    folder = find_scene(name)
    if problems := check_folder(folder):
        raise broken(folder.name, problems)
    made = put_into(to, pack(open_scene(folder), read_key(key) if key else None))
    console.print(f"✓ {to / made.file}  sha256 {made.sha256}", highlight=False, soft_wrap=True)


@app.command()
def keygen(file: Path) -> None:
    """生成发布密钥 · Make a key to publish with; prints the public key that cities trust.

    例 · e.g.  sanqu scene keygen publisher.key
    """
    console.print(make_key(file), highlight=False, soft_wrap=True)


@app.command()
def trust(
    home: Home = None, key: Annotated[str, typer.Option(help="发布者的公钥 · a publisher's public key")] = "",
    python: Annotated[str, typer.Option(help="允许运行的 Python 的摘要 · the digest of Python that may run")] = "", note: str = "",
) -> None:  # fmt: skip
    """信任 · Trust a publisher's key, or allow the Python of a scene by its digest.

    例 · e.g.  sanqu scene trust --home city --key mBqRhUa6t0y3mR2m0y8c0fC9O6Qm2rZ0kq1mYl2j0kE=
    """
    with _open(home) as city:
        for kind, value in (("key", key), ("python", python)):
            if value:
                keeping.trust(city, SYSTEM, kind, value, note)
                console.print(f"✓ {kind} {value}", highlight=False, soft_wrap=True)


@app.command()
def remove(name: str, home: Home = None) -> None:
    """卸载场景 · Take a scene away; its datasets and cases stay.

    例 · e.g.  sanqu scene remove citrus --home city
    """
    with _open(home) as city:
        uninstall(city, SYSTEM, name)
        console.print(f"✓ {name}")


@app.command("list")
def list_scenes(
    home: Home = None, as_json: Annotated[bool, typer.Option("--json", help="JSON")] = False,
    registry: Annotated[str, typer.Option(help="场景库：文件夹或网址 · a registry: folder or address")] = "",
) -> None:  # fmt: skip
    """列出场景 · The scenes that are installed, or those of a registry.

    例 · e.g.  sanqu scene list --home city
    """
    if registry:
        _list_registry(registry, as_json)
        return
    with _open(home) as city:
        found = keeping.installed(city)
    if as_json:
        console.print_json(json.dumps([{"name": one.name, "version": one.version, "digest": one.digest, "steward": one.steward} for one in found]))
        return
    table = Table("场景 scene", "版本 version", "名称 title", "机构 unit", "安装于 installed")
    for one in found:
        table.add_row(one.name, one.version, one.title.zh, one.steward, f"{one.installed:%Y-%m-%d %H:%M}")
    console.print(table)


def _list_registry(registry: str, as_json: bool) -> None:
    entries = read_index(registry)
    if as_json:
        console.print_json(json.dumps(as_rows(entries)))
        return
    table = Table("场景 scene", "版本 version", "名称 title", "公钥 key")
    for one in entries:
        table.add_row(one.name, one.version, one.title.get("zh", ""), one.key[:12] or "—")
    console.print(table)


@app.command()
def shot(
    scene: str, page: str, out: Annotated[Path, typer.Option(help="文件 · the file, .png or .pdf")],
    screen: Annotated[int, typer.Option(help="第几块大屏（从 1 起），0 为普通页面 · which screen, from 1; 0: the page")] = 0,
    lang: Annotated[str, typer.Option(help="语言 · zh or en")] = "zh",
    inputs: Annotated[list[str] | None, typer.Option("--input", help="筛选项 名=值 · an input, name=value")] = None,
    as_: Annotated[str, typer.Option("--as", help="以谁的身份；空为公众 · as whom; empty: the public")] = "", home: Home = None,
) -> None:  # fmt: skip
    """截图 · A page or a screen of an installed scene as a picture or PDF, once its charts are drawn; needs a Chromium.

    例 · e.g.  sanqu scene shot economy overview --out economy.png --screen 1
    """
    told = tuple((name, value) for one in inputs or () for name, _, value in [one.partition("=")])
    with _open(home) as city:
        asker = asker_named(city, as_) if as_ else None
        take(city, import_module("sanqu.web.app").make_app, Shot(scene, page, out, "en" if lang == "en" else "zh", screen, told), asker)
    console.print(f"✓ {out}")
