"""Which county a point lies in, by counting crossings; enough for tests."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

Ring = list[list[float]]


def read_counties(file: Path) -> dict[str, list[Ring]]:
    """The rings of each county of a GeoJSON file, by its code."""
    counties = {}
    for feature in json.loads(file.read_text("utf-8"))["features"]:
        geometry = feature["geometry"]
        polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        counties[str(feature["properties"]["adcode"])] = [ring for polygon in polygons for ring in polygon]
    return counties


def county_at(counties: dict[str, list[Ring]], lon: float, lat: float) -> str | None:
    """The code of the county that holds the point; None outside of all."""
    return next((code for code, rings in counties.items() if _holds(rings, lon, lat)), None)


def _holds(rings: list[Ring], lon: float, lat: float) -> bool:
    inside = False
    for ring in rings:
        for (x1, y1, *_), (x2, y2, *_) in pairwise(ring):
            if (y1 > lat) != (y2 > lat) and lon < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
                inside = not inside
    return inside


def area(rings: list[Ring]) -> float:
    """The area in square degrees, by the shoelace formula (holes run the other way)."""
    return abs(sum(x1 * y2 - x2 * y1 for ring in rings for (x1, y1, *_), (x2, y2, *_) in pairwise(ring))) / 2
