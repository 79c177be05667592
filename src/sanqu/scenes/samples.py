"""Samples (样例): rows that a scene brings along, as files or as SQL that makes them up, the same each time; put in by a line as all rows are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import quote_ident
from sanqu.lake.engine import engine_alone
from sanqu.lines.keeping import save_line
from sanqu.lines.records import Line, Run
from sanqu.lines.run import run_line
from sanqu.scenes.models import alias_of, names_of
from sanqu.scenes.package import Scene

MEMORY, THREADS = "1GB", 2
FOLDER = "scene-samples"


def ordered_samples(scene: Scene) -> list[str]:
    """The datasets with samples, each after those whose rows it reads; raises `BadInput` for a round."""
    reads = {name: _reads(scene, name, file) for name, file in scene.samples.items()}
    found: list[str] = []
    while len(found) < len(reads):
        ready = [name for name in reads if name not in found and reads[name] <= set(found)]
        if not ready:
            left = sorted(set(reads) - set(found))
            raise BadInput("scenes.sample-round", Text(zh=f"样例互相引用：{'、'.join(left)}", en=f"Samples read each other in a circle: {', '.join(left)}"), Text(zh="让其中一个不引用别的", en="Let one of them read no other"), scene.name)
        found += ready
    return found


def _reads(scene: Scene, name: str, file: str) -> set[str]:
    if not file.endswith(".sql"):
        return set()
    named = {alias_of(one): one for one in scene.samples}
    return {named[alias_of(one)] for one in names_of(sample_query(scene.read(file), file)) if alias_of(one) in named} - {name}


def sample_query(sql: str, file: str) -> exp.Query:
    """The one SELECT that makes a sample; raises `BadInput`. Any function may stand in it: nothing but samples is in reach of it."""
    try:
        found = sqlglot.parse(sql, dialect="duckdb")
    except (SqlglotError, RecursionError) as fault:
        place = getattr(fault, "errors", None) or [{}]
        said = str(place[0].get("description", fault))[:200]
        raise BadInput("scenes.sample-sql", Text(zh=f"第 {place[0].get('line', 1)} 行的 SQL 读不懂：{said}", en=f"The SQL cannot be read, line {place[0].get('line', 1)}: {said}"), Text(zh="改正这个文件", en="Mend this file"), file) from fault
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise BadInput("scenes.sample-sql", Text(zh="样例是一条 SELECT", en="A sample is one SELECT"), Text(zh="改正这个文件", en="Mend this file"), file)
    return found[0]


def make_samples(scene: Scene, folder: Path) -> dict[str, Path]:
    """Make the rows of every sample as Parquet in `folder`; raises `BadInput` naming the file and what the engine says of it.

    SQL runs in an engine of its own that reaches no file and no network; it sees the samples before it, and is on the allow-list.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path] = {}
    for name in ordered_samples(scene):
        path = folder / f"{name}.parquet"
        _make_one(scene, name, scene.samples[name], made, path)
        made[name] = path
    return made


def _make_one(scene: Scene, name: str, file: str, made: dict[str, Path], target: Path) -> None:
    with engine_alone(memory_limit=MEMORY, threads=THREADS) as duck:
        try:
            for other, path in made.items():
                if other in _reads(scene, name, file):
                    duck.execute(f"CREATE TABLE {quote_ident(alias_of(other))} AS SELECT * FROM read_parquet(?)", [str(path)])
            if file.endswith(".sql"):
                duck.execute("SET enable_external_access = false")
                duck.execute("SET lock_configuration = true")
                rows = duck.execute(sample_query(scene.read(file), file).sql("duckdb")).to_arrow_table()
                _write(rows, target)
            else:
                reader = "read_csv(?, all_varchar = true)" if file.endswith(".csv") else "read_parquet(?)"
                _write(duck.execute(f"SELECT * FROM {reader}", [str(scene.folder / file)]).to_arrow_table(), target)
        except duckdb.Error as fault:
            raise BadInput("scenes.sample", Text(zh=f"样例做不出来：{str(fault)[:300]}", en=f"The sample cannot be made: {str(fault)[:300]}"), Text(zh="改正这个文件", en="Mend this file"), f"{scene.name}/{file}") from fault


def _write(rows: object, path: Path) -> None:
    pq.write_table(rows, path)


def load_samples(city: City, scene: Scene, datasets: dict[str, str], actor: Asker, say: Callable[[str], None] = lambda _text: None) -> dict[str, Run]:
    """Put the samples into the datasets of the city (by the scene's name of each) through lines, checked as all rows are."""
    files = make_samples(scene, (city.settings.home / FOLDER / scene.name).resolve())
    found: dict[str, Run] = {}
    for name, path in files.items():
        if name not in datasets:
            continue
        line = Line.from_descriptor({
            "name": f"{scene.name}-{name}-sample"[:100], "title": {"zh": f"{scene.about.title.zh}样例", "en": f"Samples of {scene.about.title.in_('en')}"},
            "dataset": datasets[name], "mode": "replace", "source": {"kind": "file", "path": str(path), "format": "parquet"},
        })  # fmt: skip
        save_line(city, line, actor)
        found[name] = run_line(city, line.name, actor=actor.label)
        counts, cause = found[name].counts, found[name].cause
        if cause is not None:
            raise BadInput("scenes.sample-failed", Text.model_validate(cause["what"]), Text.model_validate(cause["todo"]), f"{scene.name}/{scene.samples[name]}")
        say(f"  {datasets[name]}: {counts.written:,} 行 rows" + (f" ✗ {counts.quarantined:,} 行被隔离 refused" if counts.quarantined else ""))
    return found


def show_lines(city: City, scene: Scene, made: dict[str, str], say: Callable[[str], None] = lambda _text: None) -> None:
    """Show the scene's live lines the rows that it has for them: they go through checks and steps as all rows do."""
    folder = (city.settings.home / FOLDER / scene.name).resolve()
    datasets = {name: folder / f"{name}.parquet" for name in scene.samples}
    for stem, file in scene.line_samples.items():
        line = Line.from_descriptor({"name": f"{scene.name}-{stem}", **scene.lines[stem]})
        if not set(line.datasets) <= set(made):
            continue
        target = folder / f"line-{stem}.parquet"
        _make_one(scene, stem, file, datasets, target)
        # What reads live lines is large, and few scenes have samples for them.
        from sanqu.lines.live.trial import carry_rows

        told = carry_rows(city, line, pq.read_table(target).to_pylist(), "sample")
        say(f"  {line.name}: {told.read:,} 行 rows" + (f" ✗ {told.refused:,} 行被隔离 refused" if told.refused else ""))
