"""Runs the BPMN models of SpiffWorkflow's own test suite, from a folder that SANQU_SPIFF_MODELS names.

Their licence is the LGPL, so they are not kept here. Whoever acts is said for them (the applicant), since they do not say it;
services answer nothing, people fill in nothing, timers run out, messages come. For each file: `runs`, or `refused` with the
element and why, or `stuck` with why.

e.g.  SANQU_SPIFF_MODELS=~/SpiffWorkflow/tests/SpiffWorkflow python -m tests.cases.spiff_models
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lxml import etree

from sanqu.cases.bpmn import Drawn, read_process
from sanqu.cases.conditions import run_script
from sanqu.cases.dmn import decide, read_decisions
from sanqu.cases.elements import MODEL, PERSONS, tag_of
from sanqu.cases.engine import Plan, Running, Waiting, spec_of
from sanqu.ground.errors import SanquError

CAMUNDA = "{http://camunda.org/schema/1.0/bpmn}"
MOST_ACTS = 300


def main() -> None:
    """Try every file, print what became of it, and how many came to what."""
    folder = Path(os.environ.get("SANQU_SPIFF_MODELS") or sys.exit("SANQU_SPIFF_MODELS names no folder"))
    models = {file: file.read_text("utf-8", "replace") for file in sorted(folder.rglob("*.bpmn"))}
    tables = tables_in(folder)
    counts: Counter[str] = Counter()
    for file, xml in models.items():
        became, why = tried(xml, file.stem, tables, models)
        counts[became] += 1
        print(f"{became:8} {file.relative_to(folder)}" + (f"  {why}" if why else ""))
    print(", ".join(f"{became} {n}" for became, n in sorted(counts.items())), f"of {len(models)}")


def tables_in(folder: Path) -> dict[str, str]:
    """The files of decision tables that the room can read; of those that use one id, the first."""
    found: dict[str, str] = {}
    ids: set[str] = set()
    for file in sorted(folder.rglob("*.dmn")):
        text = file.read_text("utf-8", "replace")
        try:
            tables = read_decisions(text, file.name)
        except SanquError:
            continue
        if not ids & tables.keys():
            found[file.name] = text
            ids |= tables.keys()
    return found


def tried(xml: str, name: str, tables: Mapping[str, str], models: Mapping[Path, str]) -> tuple[str, str]:
    """What became of one file, and why."""
    try:
        xml = with_units(xml)
        called = {process: with_units(text) for text in models.values() for process in processes_in(text)}
        drawn = read_process(xml, name, tables, called.get)
        spec = json.loads(json.dumps(spec_of(drawn, name)))
    except SanquError as fault:
        return "refused", f"{fault.thing}: {fault.what.en}"
    except etree.XMLSyntaxError as fault:
        return "refused", str(fault)
    try:
        return run(drawn, spec)
    except SanquError as fault:
        return "stuck", f"{fault.thing}: {fault.what.en}"


def run(drawn: Drawn, spec: dict[str, Any]) -> tuple[str, str]:
    """Do whatever can be done until the end, restoring the case at each step."""
    names: dict[str, Any] = {}

    def collected(name: str, said: dict[str, Any]) -> None:
        names.setdefault(name, []).append(said)

    def serve(waiting: Waiting) -> Mapping[str, Any]:
        said: dict[str, Any] = {}
        seen = {**names, **waiting.local}
        if waiting.name in drawn.steps.scripts:
            said = run_script(drawn.steps.scripts[waiting.name], seen, waiting.name)
        elif waiting.name in drawn.steps.decisions:
            decision = drawn.steps.decisions[waiting.name]
            assert decision.table is not None
            found = decide(decision.table, seen, waiting.name)
            said = {decision.result: found} if decision.result else found if isinstance(found, dict) else {}
        if not waiting.local:
            names.update(said)
        return said

    running = Running.begun(Plan.of(spec), names, drawn.steps.loops, collected)
    running.advance(serve)
    for act in range(MOST_ACTS):
        if running.end() is not None:
            return "runs", ""
        running = Running.restored(Plan.of(spec), json.loads(json.dumps(running.saved())), names, drawn.steps.loops, collected)
        task = next(iter(running.user_tasks()), None)
        event = next(iter(running.events()), None)
        # By turns, so that what goes round until a timer runs out comes to its end.
        if task is not None and (event is None or act % 2 == 0):
            running.complete(task, {})
        elif event is not None:
            running.fire(event)
        else:
            return "stuck", "nothing to do"
        running.advance(serve)
    return "stuck", f"no end after {MOST_ACTS} acts"


def processes_in(xml: str) -> list[str]:
    """The ids of the processes in a file."""
    try:
        return [str(one.get("id")) for one in etree.fromstring(xml.encode()).iter(f"{MODEL}process")]
    except etree.XMLSyntaxError:
        return []


def with_units(xml: str) -> str:
    """The file with the applicant as the one who acts."""
    root = etree.fromstring(xml.encode())
    for task in [one for one in root.iter(f"{MODEL}*") if tag_of(one) in PERSONS]:
        extension = task.find(f"{MODEL}extensionElements")
        if extension is None:
            extension = etree.Element(f"{MODEL}extensionElements")
            task.insert(0, extension)
        for kept in list(extension):
            extension.remove(kept)
        properties = etree.SubElement(extension, f"{CAMUNDA}properties")
        etree.SubElement(properties, f"{CAMUNDA}property", name="unit", value="applicant")
    return etree.tostring(root, encoding="unicode")


if __name__ == "__main__":
    main()
