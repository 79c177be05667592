"""The pages of an installed scene, read once, with what weaves its queries over the city's data."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from sanqu.ground.city import City
from sanqu.ground.errors import Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.scenes.keeping import Installed, find_installed, installed, scene_of, woven_of
from sanqu.scenes.models import expand
from sanqu.scenes.writing.page import Page
from sanqu.scenes.writing.reading import read_page
from sanqu.sharing.law import law_book


@dataclass
class Stage:
    """A scene as its pages need it; `weave` makes a query of a page one over datasets of the city."""

    name: str
    title: Text
    pages: Mapping[str, Page]
    weave: Callable[[str], str]
    # The systems of the city's documents that it stands for.
    answers: tuple[str, ...] = ()
    # What its contracts call their items: heads of columns that a page does not name.
    heads: Mapping[str, Text] = field(default_factory=dict)
    # What words of its data are in English.
    words: Mapping[str, str] = field(default_factory=dict)
    _woven: dict[str, str] = field(default_factory=dict)

    def page(self, name: str) -> Page:
        """One of its pages; raises `NotFound`."""
        found = self.pages.get(name)
        if found is None:
            raise not_found(Text(zh="页面", en="page"), f"{self.name}/{name}"[:80])
        return found

    def sql(self, query: str) -> str:
        """A query over the city's datasets; raises `BadInput`."""
        found = self._woven.get(query)
        if found is None:
            found = self._woven[query] = self.weave(query)
        return found

    def pages_for(self, asker: Asker) -> list[Page]:
        """The pages that the asker may open, in the order of the menu."""
        return sorted((page for page in self.pages.values() if may_open(asker, page)), key=lambda page: (page.order, page.name))


class Stages:
    """The stages of this process, kept while neither the scene, its binding nor the law of the city moves."""

    MOST = 64

    def __init__(self, city: City) -> None:
        self._city = city
        self._kept: OrderedDict[tuple[object, ...], Stage] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, one: Installed) -> Stage:
        """The stage of an installed scene."""
        version, _ = law_book(self._city).current([])
        key = (one.name, one.digest, repr(one.binding), version)
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            found = self._read(one)
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > self.MOST:
                    self._kept.popitem(last=False)
        return found

    def _read(self, one: Installed) -> Stage:
        scene, woven = scene_of(self._city, one), woven_of(self._city, one)
        pages = {name: read_page(scene.read(file), name) for file in scene.pages for name in [PurePosixPath(file).stem]}
        heads = {item.name: item.title for contract in scene.contracts.values() for item in contract.fields if item.title.zh}
        return Stage(one.name, one.title, pages, lambda sql: expand(woven, sql, one.name), scene.about.answers, heads, scene.words)


def stage_of(city: City, name: str) -> Stage:
    """The stage of the installed scene called `name`; raises `NotFound`."""
    return city.part(Stages, Stages).of(find_installed(city, name))


def stages_of(city: City) -> list[Stage]:
    """The stages of all installed scenes."""
    return [city.part(Stages, Stages).of(one) for one in installed(city)]


def may_open(asker: Asker, page: Page) -> bool:
    """Whether a page is for the asker; what its queries give is decided by the door alone."""
    match page.audience:
        case "public":
            return True
        case "staff":
            return asker.is_staff
        case "unit":
            return asker.is_admin or any(f"/{page.unit}/" in role.path for role in asker.held)


def check_open(asker: Asker, page: Page) -> None:
    """Raise `Refused` where a page is not for the asker."""
    if may_open(asker, page):
        return
    raise Refused(
        "scenes.audience",
        Text(zh="这一页给政府工作人员看" if page.audience == "staff" else f"这一页给机构 {page.unit} 看", en="This page is for the city's staff" if page.audience == "staff" else f"This page is for the unit {page.unit}"),
        Text(zh="用工作人员的账号登录", en="Sign in with an account that has that role"),
        page.name,
        status=403 if asker.signed_in else 401,
    )  # fmt: skip
