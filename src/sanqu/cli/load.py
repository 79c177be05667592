"""Loads a city pack: units, subjects, contracts, lines; runs what is new; makes the first administrator."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from sanqu.affairs.catalogue import Catalogue, read_catalogue, save_catalogue
from sanqu.affairs.held import keep_grants
from sanqu.affairs.processes import declare_processes as declare_thing_processes
from sanqu.affairs.subsidies import save_programmes
from sanqu.cases.decisions import declare_decision
from sanqu.catalog.glossary import use_glossary
from sanqu.catalog.keeping import load_subjects, register_contract
from sanqu.catalog.records import Subject
from sanqu.catalog.rules.keeping import save_rule
from sanqu.catalog.rules.records import read_rule
from sanqu.catalog.rules.watch import declare_rule_process
from sanqu.governance.matters import read_matter, save_matters
from sanqu.governance.processes import declare_processes as declare_event_process
from sanqu.ground.city import City
from sanqu.ground.facts import fact, keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer
from sanqu.ground.ledger import append
from sanqu.ground.packs import CityPack, find_pack, read_pack
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.units import save_units
from sanqu.indicators.assessment.appeals import declare_appeal_process
from sanqu.indicators.dataset import declare_plan_datasets
from sanqu.indicators.keeping import read_indicator, save_indicators
from sanqu.indicators.projects.keeping import keep_plan
from sanqu.indicators.projects.processes import declare_plan_processes
from sanqu.indicators.reporting.asking import declare_report_process
from sanqu.lake import Contract
from sanqu.lines.keeping import placed, save_line
from sanqu.lines.records import Line
from sanqu.lines.run import run_line
from sanqu.reporting.keeping import keep_reporting
from sanqu.reporting.processes import declare_processes as declare_report_processes
from sanqu.scenes.pack import look_for_changes, want_scenes
from sanqu.sharing.processes import declare_processes
from sanqu.supervision.keeping import keep_supervision
from sanqu.supervision.processes import declare_processes as declare_inspection_process

ANYBODY = "SELECT 1 FROM person LIMIT 1"


def digest_of(folder: Path) -> str:
    """What a pack holds, as one hash over its files."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(folder)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def load_city(city: City, say: Callable[[str], None]) -> int | None:
    """Load the city pack where it is new or has changed; returns the administrator made at the very first start.

    Doing it again changes nothing; an interrupted load is completed by the next start.
    """
    folder = find_pack(city.settings.city)
    digest = digest_of(folder)
    if fact(city, "pack", {}).get("digest") != digest:
        pack = read_pack(folder)
        say(f"· 载入城市包 · loading the city pack {folder.name}")
        _load(city, pack, say)
        with city.db.connection() as conn:
            keep_fact(conn, "pack", {"digest": digest, "version": pack.version})
            append(conn, kind="city.pack", actor=SYSTEM.label, subject=f"pack:{folder.name}", facts={"digest": digest})
    declare_rule_process(city)
    declare_processes(city)
    declare_event_process(city)
    declare_inspection_process(city)
    declare_report_processes(city)
    declare_plan_processes(city)
    declare_appeal_process(city)
    declare_report_process(city)
    declare_thing_processes(city)
    use_glossary(city, fact(city, "glossary", []))
    look_for_changes(city)
    return _first_administrator(city)


def _load(city: City, pack: CityPack, say: Callable[[str], None]) -> None:
    with city.db.connection() as conn:
        save_units(conn, pack.units)
        keep_fact(conn, "glossary", [list(group) for group in pack.glossary])
        keep_fact(conn, "divisions", len(pack.divisions))
        about = {key: pack.about.get(key) for key in ("code", "title", "licence", "map_note", "home", "grids")}
        save_matters(conn, map(read_matter, pack.matters))
        save_indicators(conn, map(read_indicator, pack.indicators))
        keep_fact(conn, "city", about | {"boundaries": str(pack.boundaries) if pack.boundaries else ""})
    load_subjects(city, [_subject(said, place) for place, said in enumerate(pack.about.get("subject", []))], SYSTEM.label)
    for descriptor in pack.contracts:
        register_contract(city, Contract.from_descriptor(descriptor), SYSTEM.label)
    keep_supervision(city, pack.supervision)
    keep_reporting(city, pack.reporting)
    keep_plan(city, pack.plan)
    if pack.plan:
        declare_plan_datasets(city, str(pack.plan["bureau"]), str(pack.plan.get("subject", "")), sample="sample" in pack.plan)
    if pack.affairs:
        _load_affairs(city, read_catalogue(pack.affairs), pack.decisions)
    for rule in pack.rules:
        save_rule(city, read_rule(rule), SYSTEM)
    say(f"  {len(pack.units):,} 个机构 units · {len(pack.contracts)} 个数据集 datasets")
    _run_lines(city, pack, say)


def _load_affairs(city: City, found: Catalogue, decisions: Mapping[str, str]) -> None:
    """The catalogue of matters and things, what the window may read for them on consent, programmes and their decision tables."""
    for name, text in decisions.items():
        declare_decision(city, name, text, SYSTEM)
    with city.db.connection() as conn:
        save_catalogue(conn, found)
        keep_fact(conn, "affairs.window", found.window)
        keep_grants(city, conn, found.window, found.grant)
        save_programmes(city, conn, found.window.rpartition("-")[0], found.programme)


def _subject(said: dict[str, object], place: int) -> Subject:
    return Subject(
        str(said["name"]), Text.model_validate(said["title"]), Text.model_validate(said.get("about", "")),
        str(said.get("theme", "")), int(str(said.get("position", place))),
    )  # fmt: skip


def _run_lines(city: City, pack: CityPack, say: Callable[[str], None]) -> None:
    """Real figures are gathered now; generated samples follow in the background."""
    for descriptor in in_order(pack):
        line = save_line(city, placed(Line.from_descriptor(descriptor), pack.folder), SYSTEM)
        if line.source.kind == "sample" and city.settings.worker:
            with city.db.connection() as conn:
                defer(conn, "lines.run", {"name": line.name}, once=f"line:{line.name}", lock="city.pack")
        else:
            run = run_line(city, line.name)
            problem = f" ✗ {run.cause['what']['zh']} {run.cause['what']['en']}" if run.cause else ""
            say(f"  {line.dataset}: {run.counts.written:,} 行 rows{problem}")
    with city.db.connection() as conn:
        defer(conn, "catalog.quality", once="catalog.quality", lock="city.pack")
        if pack.indicators:
            defer(conn, "indicators.evaluate", once="indicators.evaluate", lock="city.pack")
        if pack.plan:
            defer(conn, "indicators.projects", once="indicators.projects", lock="city.pack")
            defer(conn, "indicators.plan-sample", once="indicators.plan-sample", lock="city.pack")
        want_scenes(city, conn, pack.about.get("scenes", []))
        if pack.about.get("grids"):
            defer(conn, "governance.grids", once="governance.grids", lock="city.pack")
        if pack.supervision.get("sample"):
            defer(conn, "supervision.sample", once="supervision.sample", lock="city.pack")


def in_order(pack: CityPack) -> list[dict[str, Any]]:
    """The lines of a pack, each after those that fill the datasets its own refers to."""
    refers = {str(said["name"]): {str(key["dataset"]) for key in said.get("foreignKeys", [])} for said in pack.contracts}
    by_dataset: dict[str, list[dict[str, Any]]] = {}
    for line in pack.lines:
        by_dataset.setdefault(str(line["dataset"]), []).append(line)
    graph = {name: refers.get(name, set()) & by_dataset.keys() - {name} for name in by_dataset}
    return [line for name in TopologicalSorter(graph).static_order() for line in by_dataset[name]]


def _first_administrator(city: City) -> int | None:
    with city.db.connection() as conn:
        conn.execute("SELECT pg_advisory_xact_lock(hashtext('sanqu.first-administrator'))")
        if conn.execute(ANYBODY).fetchone():
            return None
        return add_person(conn, SYSTEM, "admin", "管理员", [("admin", str(fact(city, "city")["code"]))])
