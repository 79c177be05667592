"""Declares processes (流程): a BPMN file is read, refused where it cannot run, and kept as a new version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from psycopg.types.json import Jsonb

from sanqu.cases.bpmn import Steps, read_process
from sanqu.cases.decisions import has_decision
from sanqu.cases.engine import spec_of
from sanqu.cases.hooks import has_service
from sanqu.cases.records import Process, process_from
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, Asker

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")

COLUMNS = "name, version, title_zh, title_en, actor, created"
NEWEST = f"SELECT {COLUMNS}, bpmn, files, spec FROM case_process WHERE name = %s ORDER BY version DESC LIMIT 1"
NEWEST_STEPS = NEWEST.replace(", spec", ", steps")
CALLS = "callActivity"
ADD = f"""
INSERT INTO case_process ({COLUMNS}, bpmn, files, spec, steps)
VALUES (%(name)s, %(version)s, %(title_zh)s, %(title_en)s, %(actor)s, %(created)s, %(bpmn)s, %(files)s, %(spec)s, %(steps)s)
RETURNING {COLUMNS}
"""
LIST = f"SELECT DISTINCT ON (name) {COLUMNS} FROM case_process ORDER BY name, version DESC"


def declare_process(city: City, name: str, bpmn_xml: str, actor: Asker, *, files: Mapping[str, str] | None = None) -> Process:
    """Keep a process under `name` as its newest version; the same files again change nothing.

    `files` are the decision tables (`.dmn`) and forms (`.json`) that it names, by their file names. Running cases stay on the
    version they began with. Raises `Refused` unless `actor` is an administrator, `BadInput` naming the element that cannot be run.
    """
    if not actor.is_admin:
        raise Refused(
            "cases.declare",
            Text(zh="只有管理员可以发布流程", en="Only an administrator may declare a process"),
            Text(zh="请管理员发布", en="Ask an administrator to do it"),
            name[:80],
        )
    if NAME.fullmatch(name) is None:
        raise BadInput(
            "cases.process-name",
            Text(zh="流程的名称不合规", en="The name of the process does not fit"),
            Text(
                zh="用小写字母开头，后跟小写字母、数字和 -",
                en="Begin with a lower-case letter; then lower-case letters, digits and -",
            ),
            name[:80],
        )
    beside = dict(files or {})
    with city.db.connection() as conn:
        known = conn.execute(NEWEST_STEPS, (name,)).fetchone()
        # What was read once is not read again at every start, unless it calls others, which may have changed.
        if known is not None and known["bpmn"] == bpmn_xml and known["files"] == beside and CALLS not in bpmn_xml:
            _check_services(name, Steps.model_validate(known["steps"]))
            return process_from(known)
        drawn = read_process(bpmn_xml, name, beside, lambda wanted: _deployed(conn, wanted))
        _check_services(name, drawn.steps)
        spec = spec_of(drawn, name)
        conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"case_process:{name}",))
        newest = conn.execute(NEWEST, (name,)).fetchone()
        # A process that it calls may have changed when its own file has not.
        if newest is not None and newest["bpmn"] == bpmn_xml and newest["files"] == beside and (len(drawn.roots) == 1 or newest["spec"] == spec):
            return process_from(newest)
        version = int(newest["version"]) + 1 if newest else 1
        row = conn.execute(
            ADD,
            {
                "name": name, "version": version, "title_zh": drawn.title.zh, "title_en": drawn.title.en, "actor": actor.label,
                "created": now(), "bpmn": bpmn_xml, "files": Jsonb(beside), "spec": Jsonb(spec), "steps": Jsonb(drawn.steps.model_dump()),
            },
        ).fetchone()  # fmt: skip
        assert row is not None
        append(conn, kind="cases.process", actor=actor.label, subject=f"process:{name}", facts={"version": version})
        return process_from(row)


def declare_folder(city: City, folder: Path) -> list[Process]:
    """Keep every BPMN file of a room's folder under its own name; raises as `declare_process`. Who does their service tasks must be known before."""
    return [declare_process(city, file.stem, file.read_text("utf-8"), SYSTEM) for file in sorted(folder.glob("*.bpmn"))]


def list_processes(city: City) -> list[Process]:
    """The newest version of every process."""
    return [process_from(row) for row in city.db.all(LIST)]


def newest_process(conn: Connection, name: str) -> Process:
    """The newest version of a process; raises `NotFound`."""
    row = conn.execute(NEWEST, (name,)).fetchone()
    if row is None:
        raise not_found(Text(zh="流程", en="process"), name)
    return process_from(row)


def _deployed(conn: Connection, wanted: str) -> str | None:
    """The file of a deployed process; for `decision:…`, anything where a decision table of that name is deployed."""
    if wanted.startswith("decision:"):
        return "" if has_decision(conn, wanted.removeprefix("decision:")) else None
    row = conn.execute(NEWEST, (wanted,)).fetchone()
    return str(row["bpmn"]) if row else None


def _check_services(name: str, steps: Steps) -> None:
    for service in steps.services:
        if not has_service(name, service) and not has_service(steps.owners.get(service, name), service):
            raise BadInput(
                "cases.service",
                Text(zh="没有程序做这项自动任务", en="Nothing does this service task"),
                Text(zh="先用 on_service 登记它", en="Register it with on_service first"),
                f"{name}: {service}",
            )
