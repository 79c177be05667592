"""Cases: a hundred thousand open ones; how long the in-tray takes, how long a step, how large a case is."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from statistics import quantiles
from uuid import UUID, uuid4

from benchmarks.cities import scratch_city, scratch_home
from benchmarks.table import Row
from sanqu.cases.notices import count_waiting
from sanqu.cases.processes import declare_process
from sanqu.cases.start import start_case
from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.units import Unit, save_units

NUMBER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
OPEN = 100_000
UNITS = 400
STEPS = 400
LOOKS = 60
NS = 'xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"'
# Check, decide by the form, handle, verify: as an event of grassroots governance goes.
FORM = '[{"name": "ok", "type": "boolean"}, {"name": "note", "type": "long"}]'


def _user(name: str) -> str:
    said = "".join(
        f'<camunda:property name="{key}" value="{value}"/>'
        for key, value in (("unit", "case_unit"), ("due", "5wd"), ("form", FORM.replace('"', "&quot;")))
    )
    return f'<userTask id="{name}" name="{name}"><extensionElements><camunda:properties>{said}</camunda:properties></extensionElements></userTask>'


def _flows(*ways: str) -> str:
    return "".join(f'<sequenceFlow id="{w.replace(">", "-")}" sourceRef="{w.split(">")[0]}" targetRef="{w.split(">")[1]}"/>' for w in ways)


PROCESS = (
    f'<definitions {NS} id="file" targetNamespace="x"><process id="event" name="event" isExecutable="true"><startEvent id="s"/>'
    + _user("accept") + '<exclusiveGateway id="fits" default="fits-handle"/>' + _user("handle") + _user("verify") + _user("close")
    + '<endEvent id="e"/>' + _flows("s>accept", "accept>fits", "fits>handle", "handle>verify", "verify>close", "close>e")
    + '<sequenceFlow id="no" sourceRef="fits" targetRef="close"><conditionExpression>ok == false</conditionExpression></sequenceFlow>'
    "</process></definitions>"
)  # fmt: skip


def run() -> list[Row]:
    """The rows of the table."""
    with scratch_home() as home, scratch_city(home) as city:
        return _measured(city)


def _measured(city: City) -> list[Row]:
    officer, boss = _people(city)
    declare_process(city, "event", PROCESS, SYSTEM)
    size = _fill(city, officer)
    trays = [_took(lambda: tasks_for(city, officer)) for _ in range(LOOKS)]
    whole = [_took(lambda: tasks_for(city, boss, below=True)) for _ in range(LOOKS)]
    menu = [_took(lambda: count_waiting(city, officer)) for _ in range(LOOKS)]
    tasks, _ = tasks_for(city, officer, limit=STEPS)
    steps = [_took(lambda task=task: complete_task(city, officer, task.id, {"ok": True})) for task in tasks]  # type: ignore[misc]
    begun = [_took(lambda: start_case(city, officer, "event", "积水", unit="u1")) for _ in range(LOOKS)]
    tray, step = _cuts(trays), _cuts(steps)
    return [
        _row(f"in-tray of a unit, {OPEN:,} cases open, p50 / p99", trays, "p50 < 100 ms", tray[0] < 100),
        _row("in-tray of a steward of the city, p50 / p99", whole, "", None),
        _row("the number in the menu, p50 / p99", menu, "", None),
        _row("a step: a task done, the next made, p50 / p99", steps, "p50 < 50 ms", step[0] < 50),
        _row("a case begun, p50 / p99", begun, "", None),
        Row("a case's state in the engine, as kept", f"{size:,} bytes", "", "", "", None),
    ]


def _row(what: str, took: list[float], promise: str, kept: bool | None) -> Row:
    p50, p99 = _cuts(took)
    return Row(what, f"{p50:.1f} / {p99:.1f} ms", "", "", promise, kept)


def _people(city: City) -> tuple[Asker, Asker]:
    with city.db.connection() as conn:
        units = [Unit("3308", None, "city", "city", Text(zh="衢州市"))]
        units += [Unit(f"u{i}", "3308", "department", "city", Text(zh=f"机构{i}")) for i in range(UNITS)]
        save_units(conn, units)
        officer = asker_for(conn, add_person(conn, SYSTEM, "officer", "officer", [("officer", "u1")]))
        boss = asker_for(conn, add_person(conn, SYSTEM, "boss", "boss", [("steward", "3308")]))
    assert officer is not None
    assert boss is not None
    return officer, boss


def _fill(city: City, officer: Asker) -> int:
    """Begin one case and copy it, each copy with numbers and a unit of its own; returns the bytes of a case's state."""
    case = start_case(city, officer, "event", "积水", unit="u1")
    with city.db.connection() as conn:
        kept = conn.execute("SELECT engine::text AS engine, pg_column_size(engine) AS size FROM case_case WHERE id = %s", (case.id,)).fetchone()
        task = conn.execute("SELECT id, form, title_zh FROM case_task WHERE case_id = %s", (case.id,)).fetchone()
        assert kept is not None
        assert task is not None
        ids: list[tuple[UUID, UUID, int]] = [(uuid4(), uuid4(), i) for i in range(OPEN)]
        known = set(NUMBER.findall(kept["engine"]))
        begun = now() - timedelta(days=3)
        with conn.cursor() as cursor:
            with cursor.copy(
                "COPY case_case (id, number, process, version, title, applicant, unit, data, engine, created) FROM STDIN"
            ) as copy:
                for id_, ready, i in ids:
                    # The engine numbers what may come, too.
                    new = {old: str(ready) if old == str(task["id"]) else str(uuid4()) for old in known}
                    engine = NUMBER.sub(lambda found, new=new: new[found[0]], kept["engine"])  # type: ignore[misc]
                    unit = f"u{i % UNITS}"
                    copy.write_row((id_, f"b-{i}", "event", 1, "积水", "user:1", unit, "{}", engine, begun))
            with cursor.copy(
                "COPY case_task (id, case_id, name, title_zh, unit, form, state, due, remind_at, escalate_at, made) FROM STDIN"
            ) as copy:
                for id_, ready, i in ids:
                    due = begun + timedelta(hours=i % 400)
                    moments = (due, due - timedelta(days=1), due + timedelta(days=1))
                    copy.write_row((ready, id_, "accept", "accept", f"u{i % UNITS}", json.dumps(task["form"]), "ready", *moments, begun))
    with city.db.connection() as conn:
        conn.execute("ANALYZE case_case, case_task")
    return int(kept["size"])


def _took(act: object) -> float:
    begun = time.perf_counter()
    act()  # type: ignore[operator]
    return (time.perf_counter() - begun) * 1000


def _cuts(took: list[float]) -> tuple[float, float]:
    cuts = quantiles(took, n=100)
    return cuts[49], cuts[98]
