"""Opens the city a command works on: joined where `sanqu up` runs, else with engines of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sanqu.ground.bus import Bus
from sanqu.ground.city import City
from sanqu.ground.database import Database
from sanqu.ground.engines import engines_of
from sanqu.ground.schema import bring_up_to_date
from sanqu.ground.settings import load_settings


@contextmanager
def open_city(home: Path | None = None, **flags: Any) -> Iterator[City]:
    """The city of `home` (or of the settings) for as long as the `with` lasts."""
    settings = load_settings({"home": home, **flags})
    with engines_of(settings) as engines:
        bring_up_to_date(engines.database_url)
        city = City(settings, Database(engines.database_url), Bus(engines.nats_url))
        try:
            yield city
        finally:
            city.close()
