"""A page of a scene as a picture or PDF (截图), made by a headless Chromium that waits until every chart is drawn."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Unavailable
from sanqu.ground.http import SESSION_COOKIE
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.sessions import open_session

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars")
SCREEN, PAGE = (1920, 1080), (1280, 900)
MOST_SECONDS = 60
DRAWN = """() => document.readyState === 'complete' && !document.querySelector('.waiting:not(.prose)')
    && [...document.querySelectorAll('.chart')].every((box) => box.dataset.state || !box.checkVisibility())"""


@dataclass(frozen=True)
class Shot:
    """What is wanted: the page, its inputs, as a screen (which one, from 1) or as a page, in which language."""

    scene: str
    page: str
    out: Path
    lang: Lang = "zh"
    screen: int = 0
    inputs: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """Its address."""
        told = {**dict(self.inputs), "lang": self.lang, **({"screen": "1", "only": str(self.screen)} if self.screen else {})}
        return f"/scenes/{quote(self.scene)}/{quote(self.page)}?" + "&".join(f"{quote(key)}={quote(value)}" for key, value in told.items())


def take(city: City, make_app: Callable[[City], Any], shot: Shot, asker: Asker | None = None) -> None:
    """Write the picture as the public, or as `asker`; the ending of the file says which kind (`.png`, `.pdf`).

    Raises `BadInput` for another ending, `Unavailable` naming what is missing.
    """
    if shot.out.suffix not in (".png", ".pdf"):
        raise BadInput("scenes.shot", Text(zh="只能存成 .png 或 .pdf", en="A picture is a .png or .pdf"), Text(zh="改文件名的结尾", en="Change the ending of its name"), shot.out.name)
    with _served(city, make_app) as address, _browser() as browser:
        width, height = SCREEN if shot.screen else PAGE
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce", locale="zh-CN" if shot.lang == "zh" else "en-GB")
        if asker is not None and asker.user_id is not None:
            with city.db.connection() as conn:
                context.add_cookies([{"name": SESSION_COOKIE, "value": open_session(city, conn, asker.user_id, "sanqu scene shot"), "url": address}])
        tab = context.new_page()
        answer = tab.goto(address + shot.path)
        if answer is None or not answer.ok:
            raise BadInput("scenes.shot-page", Text(zh=f"页面没有打开（{answer.status if answer else '?'}）", en=f"The page did not open ({answer.status if answer else '?'})"), Text(zh="核对场景、页面和 --as", en="Check scene, page and --as"), f"{shot.scene}/{shot.page}")
        tab.wait_for_function(DRAWN, timeout=MOST_SECONDS * 1000)
        tab.evaluate("document.fonts.ready")
        _save(tab, shot, width, height)


def _save(tab: Any, shot: Shot, width: int, height: int) -> None:
    shot.out.parent.mkdir(parents=True, exist_ok=True)
    if shot.out.suffix == ".png":
        tab.screenshot(path=str(shot.out), full_page=not shot.screen)
    elif shot.screen:
        # On a screen the picture is the paper.
        tab.emulate_media(media="screen")
        tab.pdf(path=str(shot.out), width=f"{width}px", height=f"{height}px", print_background=True, page_ranges="1")
    else:
        tab.pdf(path=str(shot.out), format="A4", print_background=True, margin={"top": "14mm", "bottom": "14mm", "left": "12mm", "right": "12mm"})


@contextmanager
def _browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as fault:
        raise Unavailable("scenes.playwright", Text(zh="没有装 playwright", en="playwright is not installed"), Text(zh='pip install "sanqu[pictures]"', en='pip install "sanqu[pictures]"'), "playwright") from fault
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=list(SWITCHES))
        except Error as fault:
            raise Unavailable("scenes.chromium", Text(zh="没有能用的 Chromium", en="There is no Chromium that starts"), Text(zh="apt-get install chromium，或 playwright install chromium", en="apt-get install chromium, or playwright install chromium"), found or "chromium") from fault
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _served(city: City, make_app: Callable[[City], Any]) -> Iterator[str]:
    """The city's pages on a free port of this machine, as long as it takes."""
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(make_app(city), log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(5)
