"""From a point to its grid, village, town and county (市县乡村格): outlines held in memory, asked by an R-tree."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.facts import fact
from sanqu.ground.i18n import Text

# The finest first: a point belongs to the smallest area that holds it.
KINDS = ("grid", "village", "town", "county")
AREAS = "SELECT a.unit, a.kind, a.shape, u.path FROM governance_area a JOIN org_unit u ON u.code = a.unit"
ABOVE = """
SELECT o.code, o.kind FROM org_unit u JOIN org_unit o ON o.code = ANY(string_to_array(trim(BOTH '/' FROM u.path), '/'))
WHERE u.code = %s
"""
CITY = "SELECT code FROM org_unit WHERE kind = 'city' AND parent IS NULL ORDER BY code LIMIT 1"
METRES_A_DEGREE = 111_320.0


@dataclass(frozen=True)
class Place:
    """Where something is: a point (WGS 84, degrees) where one is known, and the units whose ground it is."""

    lon: float | None = None
    lat: float | None = None
    grid: str | None = None
    village: str | None = None
    town: str | None = None
    county: str | None = None

    @property
    def finest(self) -> str | None:
        """The smallest unit that is known."""
        return self.grid or self.village or self.town or self.county


class Areas:
    """The outlines of a city's units as they were when read; `version` tells which."""

    def __init__(self, rows: list[dict[str, Any]], version: int) -> None:
        from shapely import STRtree
        from shapely.geometry import shape

        self.version = version
        self.rows = rows
        self.shapes = [shape(row["shape"]) for row in rows]
        self.tree = STRtree(self.shapes)

    def finest_at(self, lon: float, lat: float) -> str | None:
        """The path of the smallest area that holds the point; on a border, the first by its code."""
        from shapely.geometry import Point

        found = [self.rows[int(at)] for at in self.tree.query(Point(lon, lat), predicate="intersects")]
        found.sort(key=lambda row: (KINDS.index(row["kind"]), row["unit"]))
        return str(found[0]["path"]) if found else None


class Outlines:
    """Keeps the areas of a city in this process until they change."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._areas: Areas | None = None
        self._lock = threading.Lock()

    def now(self) -> Areas:
        """The areas as they stand."""
        version = int(fact(self._city, "governance.areas", 0))
        with self._lock:
            if self._areas is None or self._areas.version != version:
                self._areas = Areas(self._city.db.all(AREAS), version)
            return self._areas


def place_at(city: City, lon: float, lat: float) -> Place:
    """The place of a point; raises `BadInput` for numbers that are no place on earth, or one outside of the city.

    A city without outlines takes every point and knows no unit for it.
    """
    if not (math.isfinite(lon) and math.isfinite(lat) and -180 <= lon <= 180 and -90 <= lat <= 90):
        raise BadInput(
            "governance.coordinates",
            Text(zh="坐标不合规", en="The coordinates do not fit"),
            Text(zh="经度 −180 至 180，纬度 −90 至 90（WGS 84）", en="Longitude −180 to 180, latitude −90 to 90 (WGS 84)"),
            f"{lon},{lat}"[:80],
        )
    areas = city.part(Outlines, Outlines).now()
    if not areas.rows:
        return Place(lon, lat)
    path = areas.finest_at(lon, lat)
    if path is None:
        raise BadInput(
            "governance.outside",
            Text(zh="这个地点在本市之外", en="The place is outside of the city"),
            Text(
                zh="核对经纬度的先后，或向当地报告",
                en="Check the order of longitude and latitude, or report it to the city there",
            ),
            f"{lon:.5f},{lat:.5f}",
        )
    with city.db.connection() as conn:
        return place_of_unit(conn, path.rstrip("/").rsplit("/", 1)[1], lon, lat)


def place_of_unit(conn: Connection, unit: str, lon: float | None = None, lat: float | None = None) -> Place:
    """The place that is the ground of `unit`, such as a village; raises `NotFound`."""
    above = {str(row["kind"]): str(row["code"]) for row in conn.execute(ABOVE, (unit,))}
    if not above:
        raise not_found(Text(zh="机构", en="unit"), unit[:80])
    return Place(lon, lat, above.get("grid"), above.get("village"), above.get("town"), above.get("county"))


def city_unit(conn: Connection) -> str:
    """The code of the city's own unit; raises `NotFound` in a city without units."""
    row = conn.execute(CITY).fetchone()
    if row is None:
        raise not_found(Text(zh="市级机构", en="unit of the city"), "city")
    return str(row["code"])


def metres_between(a: tuple[float, float], b: tuple[float, float]) -> float:
    """How far two points (longitude, latitude) are from each other, in metres; for distances of a town, not of the earth."""
    x = (a[0] - b[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    return math.hypot(x, a[1] - b[1]) * METRES_A_DEGREE
