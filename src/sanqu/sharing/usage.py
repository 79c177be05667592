"""Counts how often datasets are read and looked at; the counts break ties in search."""

from __future__ import annotations

import threading
from collections import Counter

from sanqu.catalog.keeping import note_use
from sanqu.ground.city import City


class Uses:
    """Uses counted in this process since they were last written down."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, name: str) -> None:
        """One use more of dataset `name`."""
        with self._lock:
            self._counted[name] += 1

    def write_down(self) -> None:
        """Add what was counted to the catalogue."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
        if counted:
            note_use(self._city, counted)

    def close(self) -> None:
        """Nothing counted is lost when the city stops."""
        self.write_down()


def uses_of(city: City) -> Uses:
    """The uses this process counts."""
    return city.part(Uses, Uses)
