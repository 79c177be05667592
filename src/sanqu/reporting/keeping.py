"""What a city pack says of report-once, kept: the bureau, and the figures that the dictionary begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.people.askers import SYSTEM
from sanqu.reporting.figures import add_figure, list_figures, read_figure


def keep_reporting(city: City, said: Mapping[str, Any]) -> None:
    """Keep the file reporting.toml of a city pack: figures that the dictionary does not have yet; those it has are the city's own by now.

    Nothing where the pack has none. Raises `BadInput` naming what does not fit.
    """
    if not said:
        return
    with city.db.connection() as conn:
        keep_fact(conn, "reporting.bureau", str(said.get("bureau", "")))
    known = {one.figure.code for one in list_figures(city)}
    for figure in map(read_figure, said.get("figure", [])):
        if figure.code not in known:
            add_figure(city, SYSTEM, figure, "城市包")
