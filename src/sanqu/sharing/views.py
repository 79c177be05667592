"""What an asker may read of a dataset at this moment: looked up once, remembered for a fifth of a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.records import dataset_by_key, unit_paths
from sanqu.ground.city import City
from sanqu.ground.errors import not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.sharing.opening import Opened, decide_opening

# How old an answer about law and snapshot may be. Short enough that a change of opening is felt at once.
REMEMBER_SECONDS = 0.2
SNAPSHOT = "SELECT snapshot FROM lake_dataset WHERE name = %s"


@dataclass(frozen=True)
class View:
    """A dataset as one asker may read it now; `snapshot` is the newest that changed it."""

    opened: Opened
    snapshot: int


class Views:
    """Views by dataset and kind of asker."""

    MOST = 2048

    def __init__(self, _city: City) -> None:
        self._seen: dict[tuple[str, object], tuple[float, View]] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[str, object]) -> View | None:
        """The view remembered, while it is fresh."""
        found = self._seen.get(key)
        return found[1] if found and found[0] > time.monotonic() else None

    def put(self, key: tuple[str, object], view: View) -> None:
        """Remember a view."""
        with self._lock:
            if len(self._seen) >= self.MOST:
                self._seen.clear()
            self._seen[key] = (time.monotonic() + REMEMBER_SECONDS, view)


def remembered_view(city: City, asker: Asker, name: str) -> View | None:
    """The view of dataset `name`, if it was looked up a moment ago; never blocks."""
    return city.part(Views, Views).get((name, asker.held))


def view_of(city: City, asker: Asker, name: str) -> View:
    """What `asker` may read of dataset `name`; raises `NotFound` or `Refused` with the reason."""
    views = city.part(Views, Views)
    key = (name, asker.held)
    found = views.get(key)
    if found is not None:
        return found
    with city.db.connection() as conn:
        dataset = dataset_by_key(conn, name, tokens_of(asker))
        if dataset is None or dataset.contract is None:
            raise not_found(Text(zh="可读取的数据集", en="dataset with rows"), name)
        path = unit_paths(conn, [dataset.unit]).get(dataset.unit, "/?/")
        row = conn.execute(SNAPSHOT, (dataset.contract,)).fetchone()
    contract = lake_of(city).contract(dataset.contract)
    view = View(decide_opening(dataset, contract, asker, path), int(row["snapshot"]) if row else 0)
    views.put(key, view)
    return view
