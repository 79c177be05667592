"""The main menu (主菜单): its entries under headings that a city's people know, each for those who may open it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from sanqu.ground.http import asker_of
from sanqu.ground.people.askers import Asker

Who = Callable[[Asker], bool]


def _anybody(_: Asker) -> bool:
    return True


def _signed_in(asker: Asker) -> bool:
    return asker.signed_in


def _staff(asker: Asker) -> bool:
    return asker.is_staff


def _admin(asker: Asker) -> bool:
    return asker.is_admin


@dataclass(frozen=True)
class Entry:
    """One link: its address, its word, who sees it, and the addresses of other pages that belong to it."""

    path: str
    word: str
    who: Who = _anybody
    also: tuple[str, ...] = ()

    def leads_to(self, here: str) -> bool:
        """Whether the page at `here` is the entry's or lies below it."""
        return any(here == path or here.startswith(f"{path}/") for path in (self.path, *self.also))


@dataclass(frozen=True)
class Group:
    """Entries under one heading, and which of them the reader is at."""

    word: str
    entries: tuple[Entry, ...]
    here: Entry | None = None


# Pages on which a dataset is asked for, corrected, followed, or filled by a source.
ASKING = ("/ask", "/apply", "/applications", "/objections", "/subscriptions", "/sources")
MENU = (
    Group("web.menu_data", (Entry("/datasets", "web.datasets", also=ASKING), Entry("/units", "web.units"), Entry("/ledger", "web.ledger"))),
    Group("web.menu_sharing", (Entry("/openlist", "web.openlist"), Entry("/docs", "web.interfaces"), Entry("/rooms", "sandbox.rooms", _signed_in))),
    Group("web.menu_services", (
        Entry("/affairs", "affairs.affairs", also=("/certificates",)), Entry("/my", "web.my_place"), Entry("/cases", "cases.cases", _signed_in),
    )),
    Group("web.menu_governance", (
        Entry("/governance", "governance.board", _staff, ("/events", "/grid")), Entry("/supervision", "supervision.board", _staff, ("/inspections",)),
        Entry("/reports", "reporting.catalogue", _staff), Entry("/indicators", "indicators.monitor"),
        Entry("/plan", "indicators.projects", _staff, ("/assessment",)), Entry("/scenes", "scenes.scenes"),
    )),
    Group("web.menu_running", (Entry("/live", "web.net_nav", _staff), Entry("/workbench", "web.workbench", _staff), Entry("/admin", "web.admin", _admin))),
)  # fmt: skip


def menu_for(asker: Asker, here: str) -> list[Group]:
    """The groups that have an entry for the asker, with those entries, and where in them the page at `here` is."""
    found = []
    for group in MENU:
        entries = tuple(entry for entry in group.entries if entry.who(asker))
        if entries:
            found.append(Group(group.word, entries, next((entry for entry in entries if entry.leads_to(here)), None)))
    return found


def menu_of(request: Request) -> list[Group]:
    """The menu of the page that is asked for."""
    return menu_for(asker_of(request), request.url.path)
