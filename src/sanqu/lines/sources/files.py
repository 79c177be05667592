"""Files, folders and globs of files, and the registry of sample generators."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, NotFound
from sanqu.ground.i18n import Text
from sanqu.lines.sources import tables, text
from sanqu.lines.sources.units import Opening, Reading, Unit

GLOB_SIGNS = frozenset("*?[")
# A digest of all bytes tells content from content; where rows have keys, a file read twice does no harm, so a large one
# is told by its size, times and ends.
WHOLE_DIGEST = 64 << 20


def units(opening: Opening) -> Iterator[Unit]:
    """A unit for each file of the line's `path`, in the order of their names."""
    source = opening.line.source
    root = Path(source.path)
    files = files_at(root, opening.line.name)
    base = root if root.is_dir() else _fixed_part(root)
    for file in files:
        size = file.stat().st_size
        whole = opening.line.mode != "upsert" or size <= WHOLE_DIGEST
        yield Unit(
            name=file.relative_to(base).as_posix() if len(files) > 1 or root.is_dir() else file.name,
            fingerprint=text.fingerprint_of(file, whole=whole),
            open=partial(tables.open_file, opening, file, source),
            weight=max(1, size),
        )


def files_at(root: Path, thing: str) -> list[Path]:
    """The files that `root` names; raises `NotFound` when there is none."""
    try:
        if GLOB_SIGNS & set(str(root)):
            base = _fixed_part(root)
            found = sorted(file for file in base.glob(root.relative_to(base).as_posix()) if file.is_file())
        elif root.is_dir():
            found = sorted(f for f in root.rglob("*") if f.is_file() and f.suffix.lower() in tables.FORMATS and f.name[0] not in ".~")
        else:
            found = [root] if root.is_file() else []
    except (OSError, ValueError, NotImplementedError) as fault:
        raise _no_file(root, thing) from fault
    if not found:
        raise _no_file(root, thing)
    return found


def _fixed_part(pattern: Path) -> Path:
    parts: list[str] = []
    for part in pattern.parent.parts if not GLOB_SIGNS & set(str(pattern.parent)) else pattern.parts:
        if GLOB_SIGNS & set(part):
            break
        parts.append(part)
    return Path(*parts) if parts else Path(".")


def _no_file(root: Path, thing: str) -> NotFound:
    return NotFound(
        "lines.no-file",
        Text(zh=f"来源没有文件：{root}", en=f"The source has no file: {root}"),
        Text(zh="核对 source.path 与读取权限", en="Check source.path and the right to read it"),
        thing,
    )


DIVISIONS = """
SELECT code, title_zh, kind, parent FROM org_unit WHERE kind IN ('city', 'county', 'town', 'village')
ORDER BY array_position(ARRAY['city', 'county', 'town', 'village'], kind), code
"""
Generator = Callable[[City, Mapping[str, Any]], Iterable[Mapping[str, Any]]]
_generators: dict[str, Generator] = {}


def register_sample(name: str, generate: Generator) -> None:
    """Make `generate(city, params)`, which yields rows (item → value), known to lines as the sample `name`."""
    _generators[name] = generate


def sample_units(opening: Opening) -> Iterator[Unit]:
    """One unit: the rows of a generator; its fingerprint is its name and parameters, for it is seeded."""
    source = opening.line.source
    generate = _generators.get(source.generator) or _from_pack(source.generator)
    told = json.dumps([source.generator, source.params], sort_keys=True, default=str)

    @contextmanager
    def open_unit() -> Iterator[Reading]:
        spool = opening.folder / "sample.ndjson"
        tables.spool_objects((_jsonable(row) for row in generate(opening.city, source.params)), spool)
        yield tables.open_ndjson(opening, spool, source)

    yield Unit(f"sample:{source.generator}", sha1(told.encode(), usedforsecurity=False).hexdigest(), open_unit)


def _jsonable(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value if isinstance(value, dict | list) else tables.cell_text(value) for key, value in row.items()}


def _from_pack(name: str) -> Generator:
    try:
        from sanqu.samples import generate
    except ImportError as fault:
        raise BadInput(
            "lines.no-generator",
            Text(zh=f"没有样例生成器“{name}”", en=f"There is no sample generator “{name}”"),
            Text(zh=f"已登记的有：{'、'.join(sorted(_generators)) or '无'}", en=f"Known: {', '.join(sorted(_generators)) or 'none'}"),
            name,
        ) from fault


    def rows(city: City, params: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        found = city.db.all(DIVISIONS)
        divisions = [(str(r["code"]), str(r["title_zh"]), str(r["kind"]), str(r["parent"] or "")) for r in found]
        for batch in generate(name, divisions, **params).to_batches(max_chunksize=2000):
            yield from batch.to_pylist()

    return rows
