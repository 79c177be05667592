"""Sample grids (样例网格): towns, villages and grids as Thiessen cells of a county's sketch, and workers for the grids."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field

from sanqu.governance.households import sample_households
from sanqu.governance.sample_events import sample_events
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.facts import fact, keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.units import Unit, find_units, save_units

ADD_AREA = """
INSERT INTO governance_area (unit, kind, shape, sample) VALUES (%s, %s, %s, %s)
ON CONFLICT (unit) DO UPDATE SET kind = excluded.kind, shape = excluded.shape, sample = excluded.sample
"""
HAS_WORKER = "SELECT DISTINCT unit FROM person_role WHERE unit = ANY(%s)"
SURNAMES, GIVEN = "赵钱孙李周吴郑王徐姜毛汪余叶方何", "文华志明丽娟建国秀英晓东海燕春梅"
DIGITS = 5
MANY = 10_000


class GridPlan(BaseModel):
    """What a city pack says of its sample grids: in how many towns of each county, and how many a village has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    towns_per_county: int = Field(default=2, ge=0, le=50)
    per_village: int = Field(default=2, ge=1, le=9)
    seed: int = 3308


@job("governance.grids")
def make_grids(city: City) -> int:
    """Lay out the sample areas, grids, workers, households and events of the city pack, once; returns how many grids there are."""
    about = fact(city, "city", {})
    if not about.get("grids") or not about.get("boundaries") or fact(city, "governance.areas", 0):
        return 0
    plan = GridPlan.model_validate(about["grids"])
    counties = read_counties(Path(about["boundaries"]))
    units = [unit for kind in ("city", "county", "town", "village") for unit in find_units(city, kind=kind, limit=MANY)[0]]
    cells = lay_out(plan, counties, units)
    grids = [unit for unit, _ in cells if unit.kind == "grid"]
    with city.db.connection() as conn:
        save_units(conn, [*units, *grids])
        save_areas(conn, cells)
        keep_fact(conn, "governance.areas", 1)
        _add_workers(conn, grids, plan.seed)
        append(conn, kind="governance.grids", actor=SYSTEM.label, subject="areas:sample", facts={"grids": len(grids)})
        sample_households(conn, [grid.code for grid in grids], plan.seed)
    sample_events(city, plan.seed)
    return len(grids)


def save_areas(conn: Connection, cells: Iterable[tuple[Unit, Any]], *, sample: bool = True) -> None:
    """Keep the outlines of units (shapely polygons, WGS 84)."""
    with conn.cursor() as cursor:
        cursor.executemany(ADD_AREA, [(unit.code, unit.kind, Jsonb(_geojson(shape)), sample) for unit, shape in cells])


def read_counties(file: Path) -> dict[str, Any]:
    """The polygons of a city's counties by their codes, from the pack's GeoJSON."""
    from shapely.geometry import shape

    said = json.loads(file.read_text("utf-8"))
    return {str(one["id"]): shape(one["geometry"]).buffer(0) for one in said["features"]}


def lay_out(plan: GridPlan, counties: dict[str, Any], units: Sequence[Unit]) -> list[tuple[Unit, Any]]:
    """Every area as (unit, polygon): the counties, all their towns, and villages and grids in some; the same each time."""
    below: dict[str | None, list[Unit]] = {}
    for unit in sorted(units, key=lambda one: one.code):
        below.setdefault(unit.parent, []).append(unit)
    cells: list[tuple[Unit, Any]] = []
    for county in (unit for unit in units if unit.kind == "county" and unit.code in counties):
        cells.append((county, counties[county.code]))
        towns = split(counties[county.code], [one for one in below.get(county.code, []) if one.kind == "town"], plan.seed)
        cells += towns
        for town, shape in towns[: plan.towns_per_county]:
            villages = split(shape, [one for one in below.get(town.code, []) if one.kind == "village"], plan.seed)
            cells += villages
            for village, ground in villages:
                cells += split(ground, _grids_of(village, plan.per_village), plan.seed)
    return cells


def split(ground: Any, units: Sequence[Unit], seed: int) -> list[tuple[Unit, Any]]:
    """The ground shared out among units: each has what lies nearest to a point drawn for it, moved once to even them out."""
    from shapely import MultiPoint, voronoi_polygons

    if not units or ground.is_empty:
        return []
    if len(units) == 1:
        return [(units[0], ground)]
    points = _points_in(ground, len(units), f"{seed} {units[0].code}")
    for _ in range(2):
        cells = [cell.intersection(ground) for cell in voronoi_polygons(MultiPoint(points), extend_to=ground).geoms]
        cells = [cell for cell in cells if not cell.is_empty]
        points = [cell.representative_point() for cell in cells]
    # From north-west to south-east, so that neighbours have neighbouring numbers.
    cells.sort(key=lambda cell: (round(-cell.centroid.y, 2), cell.centroid.x))
    return list(zip(units, cells, strict=False))


def _points_in(ground: Any, count: int, seed: str) -> list[Any]:
    from shapely import Point, prepare

    draw, found = random.Random(seed), list[Any]()
    west, south, east, north = ground.bounds
    prepare(ground)
    while len(found) < count:
        point = Point(draw.uniform(west, east), draw.uniform(south, north))
        if ground.contains(point):
            found.append(point)
    return found


def _grids_of(village: Unit, count: int) -> list[Unit]:
    return [
        Unit(
            f"{village.code}-g{n}", village.code, "grid", "grid",
            Text(zh=f"{village.title.zh}第{n}网格（样例）", en=f"Grid {n} of {village.title.in_('en')} (sample)"),
        )
        for n in range(1, count + 1)
    ]  # fmt: skip


def _add_workers(conn: Connection, grids: Sequence[Unit], seed: int) -> None:
    """A made-up worker (网格员) for each grid that has none."""
    draw = random.Random(f"workers {seed}")
    held = {str(row["unit"]) for row in conn.execute(HAS_WORKER, ([grid.code for grid in grids],))}
    for grid in grids:
        name = f"{draw.choice(SURNAMES)}{draw.choice(GIVEN)}{draw.choice(GIVEN)}（样例）"
        if grid.code not in held:
            add_person(conn, SYSTEM, f"g{grid.code}", name, [("officer", grid.code)])


def _geojson(shape: Any) -> dict[str, Any]:
    from shapely.geometry import mapping

    said = mapping(shape)
    # About a metre; neighbours are cut from the same lines and are rounded alike.
    return {"type": said["type"], "coordinates": _rounded(said["coordinates"])}


def _rounded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return round(value, DIGITS) if isinstance(value, float) else value
