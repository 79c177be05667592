"""Deploys a process from a file, with the decision tables and forms that lie beside it, and shows its versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sanqu.cases.processes import declare_process
from sanqu.cases.records import Process, process_from
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

LARGEST = 1_000_000
DECISION = re.compile(r"<(?:\w+:)?decision\s[^>]*\bid=[\"']([^\"']+)[\"']")
VERSIONS = """
SELECT p.name, p.version, p.title_zh, p.title_en, p.actor, p.created,
       (SELECT count(*) FROM case_case c WHERE c.process = p.name AND c.version = p.version AND c.state = 'open') AS open,
       (SELECT count(*) FROM case_case c WHERE c.process = p.name AND c.version = p.version) AS cases
FROM case_process p WHERE p.name = %s ORDER BY p.version DESC
"""
ONE = "SELECT bpmn, files FROM case_process WHERE name = %s AND version = %s"


@dataclass(frozen=True)
class Version:
    """One version of a process, and how many cases run on it and ever did."""

    process: Process
    open: int
    cases: int


def deploy_file(city: City, file: Path, actor: Asker, name: str = "") -> Process:
    """Declare the process in a `.bpmn` file under `name`, or the file's own; raises as `declare_process`.

    From the file's folder come the `.dmn` and `.json` files that it names (decisions by their ids).
    """
    xml = _read(file)
    beside = {one.name: _read(one) for one in sorted(file.parent.glob("*")) if one.suffix in (".dmn", ".json") and one.is_file()}
    files = {name: text for name, text in beside.items() if _names(xml, name, text)}
    return declare_process(city, name or file.stem, xml, actor, files=files)


def _names(xml: str, name: str, text: str) -> bool:
    """Whether a process names a file, or a decision in it."""
    return name in xml or (name.endswith(".dmn") and any(f'"{id_}"' in xml or f">{id_}<" in xml for id_ in DECISION.findall(text)))


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError("too large")
        return file.read_text("utf-8")
    except (OSError, ValueError) as fault:
        raise BadInput(
            "cases.file",
            Text(zh=f"文件读不了：{fault}", en=f"The file cannot be read: {fault}"),
            Text(zh=f"给出至多 {LARGEST} 字节的 UTF-8 文件", en=f"Give a file of UTF-8 of at most {LARGEST} bytes"),
            str(file),
        ) from fault


def versions_of(city: City, name: str) -> list[Version]:
    """The versions of a process, the newest first; raises `NotFound`."""
    rows = city.db.all(VERSIONS, (name,))
    if not rows:
        raise not_found(Text(zh="流程", en="process"), name[:80])
    return [Version(process_from(row), int(row["open"]), int(row["cases"])) for row in rows]


def files_of(city: City, name: str, version: int) -> tuple[str, dict[str, str]]:
    """The BPMN file of a version, and what was deployed beside it; raises `NotFound`."""
    row = city.db.one(ONE, (name, version))
    if row is None:
        raise not_found(Text(zh="流程的版本", en="version of the process"), f"{name[:80]}/{version}")
    return str(row["bpmn"]), dict(row["files"])
