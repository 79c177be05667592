"""Hangs the door for the rooms below: the catalogue's CKAN datastore and quality figures read through it too."""

from __future__ import annotations

from sanqu.catalog.reading import Door, hang
from sanqu.ground.city import City
from sanqu.ground.people.askers import Asker
from sanqu.sharing.evidence import note_view, rows_left
from sanqu.sharing.views import View, view_of


def look(city: City, asker: Asker, name: str, *, table: str | None = None) -> View:
    """What the asker may read of dataset `name`, or of another table of its resources, under the dataset's law."""
    view = view_of(city, asker, name, table=table)
    rows_left(city, view)
    return view


def hang_door() -> None:
    """Give the rooms below their door."""
    hang(Door(look, note_view))
