"""Versions of the open list stay as they were, and two of them can be compared down to the items."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sanqu.catalog.browse import show
from sanqu.catalog.keeping import save_dataset, withdraw
from sanqu.catalog.openlist import diff, entries, open_list, open_lists, publish_open_list
from sanqu.catalog.records import Item
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.i18n import Text

from .conftest import PEOPLE, Put


def test_two_years_are_compared_down_to_the_items(town: City, put: Put) -> None:
    put("stays", "不变")
    put("goes", "撤下")
    put("changes", "变化", items=(Item("a"), Item("b"), Item("c")), freshness="P1Y")
    put("secret", "内部", opening="none")
    first = publish_open_list(town, "2025", PEOPLE.admin, Text(zh="首批"))
    assert first.datasets == 3 and first.note.zh == "首批"
    withdraw(town, "goes", PEOPLE.steward)
    put("comes", "新增")
    now = show(town, "changes")
    save_dataset(town, replace(now, items=(Item("b", type="date"), Item("c"), Item("d")), freshness="P1M", opening="restricted"), PEOPLE.steward)
    publish_open_list(town, "2026", PEOPLE.admin)
    found = diff(town, "2025", "2026")
    assert [e.name for e in found.added] == ["comes"] and [e.name for e in found.removed] == ["goes"] and found.unchanged == 1
    (changed,) = found.changed
    assert (changed.items_added, changed.items_removed, changed.items_changed) == (("d",), ("a",), ("b",))
    assert changed.words["freshness"] == ("P1Y", "P1M") and changed.words["opening"] == ("unconditional", "restricted")
    assert [e.name for e in entries(town, open_list(town, "2025"))] == ["changes", "goes", "stays"]
    assert [v.label for v in open_lists(town)] == ["2026", "2025"]
    back = diff(town, "2026", "2025")
    assert [e.name for e in back.added] == ["goes"]


def test_a_list_is_published_once_and_by_administrators(town: City, put: Put) -> None:
    put("a", "甲")
    publish_open_list(town, "2025", PEOPLE.admin)
    with pytest.raises(Conflict):
        publish_open_list(town, "2025", PEOPLE.admin)
    with pytest.raises(Refused):
        publish_open_list(town, "2026", PEOPLE.steward)
    with pytest.raises(BadInput):
        publish_open_list(town, " ", PEOPLE.admin)
    with pytest.raises(NotFound):
        diff(town, "2025", "1999")
