"""Reads a BPMN 2.0 file and refuses, with the element named, what this room does not run: above all, scripts that reach out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree
from pydantic import BaseModel, ConfigDict

from sanqu.cases.conditions import parse_condition, parse_script
from sanqu.cases.dmn import Table, read_decisions
from sanqu.cases.elements import CHOICES, HOSTS, MODEL, PERSONS, check_element, definitions_of, tag_of
from sanqu.cases.elements import unfit_process as _unfit
from sanqu.cases.forms import Field, Option, read_form
from sanqu.cases.lanes import APPLICANT, lane_of
from sanqu.cases.ways import Node, check_ways, id_of, nodes_of
from sanqu.ground.i18n import Text

# Properties as the two common editors write them: bpmn-js-spiffworkflow and Camunda Modeler.
PROPERTIES = (
    "./{http://spiffworkflow.org/bpmn/schema/1.0/core}properties/{http://spiffworkflow.org/bpmn/schema/1.0/core}property",
    "./{http://camunda.org/schema/1.0/bpmn}properties/{http://camunda.org/schema/1.0/bpmn}property",
)
CALLED_DECISION = "{http://spiffworkflow.org/bpmn/schema/1.0/core}calledDecisionId"
DECISION_REF = "{http://camunda.org/schema/1.0/bpmn}decisionRef"
LARGEST = 1_000_000
MOST_CALLED = 20
# Working days, hours or minutes, or a plain span (ISO 8601) on the clock.
DUE = re.compile(r"(\d{1,3})(wd|wh|wm)")
SPAN = re.compile(r"P(?:(\d{1,3})D)?(?:T(?:(\d{1,3})H)?(?:(\d{1,4})M)?(?:(\d{1,5})S)?)?")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
# How long somebody may pause a task, in working days, where the process does not say.
PAUSE_DAYS = 10
# What the process files beside a BPMN file are, by the ends of their names.
DECISIONS, FORMS = ".dmn", ".json"


class UserStep(BaseModel):
    """What the room reads of a user task: who acts, with which form, until when.

    `unit` is an expression whose value is a unit's code, or `applicant`; empty where `lane` says it. `due` is `5wd`, `4wh`,
    `30wm` or an expression that says so; `pause` the working days that the task may be paused in all.
    """

    model_config = ConfigDict(frozen=True)

    title: Text
    role: str = ""
    unit: str = ""
    lane: str = ""
    due: str = ""
    pause: int = PAUSE_DAYS
    form: tuple[Field, ...] = ()


class Decision(BaseModel):
    """A business rule task: its table, or where there is none the name of a deployed one; `result`, where its answer goes."""

    model_config = ConfigDict(frozen=True)

    title: Text
    name: str
    table: Table | None = None
    result: str = ""


class Loop(BaseModel):
    """A multi-instance: the list it goes over, what each instance calls its item, the list of what each instance said."""

    model_config = ConfigDict(frozen=True)

    over: str = ""
    item: str = ""
    collect: str = ""


class Steps(BaseModel):
    """What is kept of a process besides the engine's own reading, by element id.

    `timers` say when an element waits until, `messages` which one it waits for; `owners` the deployed process that an element
    was called from.
    """

    model_config = ConfigDict(frozen=True)

    tasks: dict[str, UserStep]
    services: dict[str, Text]
    outcomes: dict[str, str]
    ends: dict[str, Text] = {}
    scripts: dict[str, str] = {}
    decisions: dict[str, Decision] = {}
    timers: dict[str, str] = {}
    messages: dict[str, str] = {}
    loops: dict[str, Loop] = {}
    owners: dict[str, str] = {}


@dataclass(frozen=True)
class Drawn:
    """Process files that were looked through: the id of the process for the engine, its title, the files' trees, the steps."""

    id: str
    title: Text
    roots: tuple[Any, ...]
    steps: Steps


@dataclass(frozen=True)
class _Reading:
    """What one look through a file needs: how it is called, what lies beside it, how called processes are found."""

    name: str
    files: Mapping[str, str]
    tables: Mapping[str, Table]
    called: Callable[[str], str | None]


def read_process(
    xml: str, name: str, files: Mapping[str, str] | None = None, called: Callable[[str], str | None] = lambda _: None
) -> Drawn:
    """Look a BPMN file through; raises `BadInput` naming the element that cannot be run and why.

    `files` are the decision tables (`.dmn`) and forms (`.json`) deployed beside it, by their names; `called(name)` gives the
    file of another deployed process, for call activities.
    """
    beside = dict(files or {})
    reading = _Reading(name, beside, _tables(beside), called)
    roots: dict[str, Any] = {name: _looked_through(xml, name)}
    found: dict[str, tuple[Any, str]] = {}
    main = _main_process(roots[name], name)
    _take_in(main, name, reading, roots, found)
    steps = _merged([_steps(scope, reading, owner) for scope, owner in found.values()], name)
    return Drawn(id_of(main, name), _title(main), tuple(roots.values()), steps)


def _tables(files: Mapping[str, str]) -> dict[str, Table]:
    """The decision tables of the files beside a process, by their ids; raises `BadInput` for an id that two of them use."""
    tables: dict[str, Table] = {}
    for file, text in files.items():
        for id_, table in (read_decisions(text, file) if file.endswith(DECISIONS) else {}).items():
            if id_ in tables:
                raise _unfit(f"{file}: {id_}", "两个决策表同一个 id", "two tables use the same id", "换一个 id", "Give it another")
            tables[id_] = table
    return tables


def _looked_through(xml: str, name: str) -> Any:
    root = _parsed(xml, name)
    for element in root.iter(etree.Element):
        check_element(element, name)
    seen: set[str] = set()
    for element in root.iter(f"{MODEL}*"):
        if element.get("id") in seen:
            raise _unfit(f"{name}: {element.get('id')}", "id 重复", "the id stands twice", "换一个 id", "Give it another")
        seen |= {element.get("id")} - {None}
    return root


def _main_process(root: Any, name: str) -> Any:
    """The process that is begun: the only one, or the only one that no other calls."""
    processes = root.findall(f"{MODEL}process")
    calls = {call.get("calledElement") for call in root.iter(f"{MODEL}callActivity")}
    free = [process for process in processes if process.get("id") not in calls]
    free = free or processes
    if len(free) != 1:
        raise _unfit(
            name, f"有 {len(free)} 个流程", f"holds {len(free)} processes", "一个文件一个流程，其余的由它调用",
            "One process a file; others only where it calls them",
        )  # fmt: skip
    return free[0]


def _take_in(
    process: Any,
    owner: str,
    reading: _Reading,
    roots: dict[str, Any],
    found: dict[str, tuple[Any, str]],
    above: tuple[str, ...] = (),
) -> None:
    """Look at a process and all that it calls; `found` gathers them by id, `roots` their files, `above` are its callers."""
    id_ = id_of(process, reading.name)
    found[id_] = (process, owner)
    for call in process.iter(f"{MODEL}callActivity"):
        target, target_owner = _called(call, owner, reading, roots)
        # The engine finds a called process by the id within its file.
        call.set("calledElement", target.get("id"))
        if target.get("id") in (*above, id_):
            raise _unfit(
                f"{reading.name}: {call.get('id')}",
                "流程调用自己",
                "the process calls itself",
                "画一个环",
                "Draw a round instead",
            )
        if target.get("id") not in found:
            _take_in(target, target_owner, reading, roots, found, (*above, id_))


def _called(call: Any, owner: str, reading: _Reading, roots: dict[str, Any]) -> tuple[Any, str]:
    wanted = call.get("calledElement") or ""
    for process in call.getroottree().getroot().findall(f"{MODEL}process"):
        if process.get("id") == wanted:
            return process, owner
    if wanted not in roots:
        xml = reading.called(wanted)
        if xml is None or len(roots) > MOST_CALLED:
            raise _unfit(
                f"{reading.name}: {call.get('id')}", f"没有流程 {wanted}", f"there is no process {wanted} to call",
                "先发布它", "Deploy that one first",
            )  # fmt: skip
        roots[wanted] = _looked_through(xml, wanted)
    return _main_process(roots[wanted], wanted), wanted


def _parsed(xml: str, name: str) -> Any:
    if len(xml) > LARGEST:
        raise _unfit(name, "文件太大", "is too large", f"至多 {LARGEST} 个字符", f"At most {LARGEST} characters")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(xml.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as fault:
        raise _unfit(
            name, f"不是合规的 XML：{fault}", f"is no XML: {fault}", "用 BPMN 编辑器另存", "Save it again with a BPMN editor"
        ) from fault
    if root.getroottree().docinfo.doctype:
        raise _unfit(name, "带有 DOCTYPE", "has a DOCTYPE", "删去它", "Take it out")
    return root


def _merged(parts: list[Steps], name: str) -> Steps:
    """The steps of all the processes of a case; raises `BadInput` for an id that two of them use."""
    whole: dict[str, dict[str, Any]] = {field: {} for field in Steps.model_fields}
    for part in parts:
        for field, kept in whole.items():
            added = getattr(part, field)
            if twice := sorted(kept.keys() & added.keys()):
                raise _unfit(
                    f"{name}: {twice[0]}",
                    "两个流程里有同一个 id",
                    "two processes use the same id",
                    "换一个 id",
                    "Give it another",
                )
            kept.update(added)
    return Steps(**whole)


def _steps(process: Any, reading: _Reading, owner: str) -> Steps:
    """The steps of one process with its subprocesses."""
    name = reading.name
    scopes = [process, *process.iter(f"{MODEL}subProcess")]
    nodes: dict[str, Node] = {}
    for scope in scopes:
        within = nodes_of(scope, name)
        check_ways(within, name)
        nodes.update(within)
    lanes = {
        ref.text: lane.get("name", "") for lane in process.iter(f"{MODEL}lane") for ref in lane.findall(f"{MODEL}flowNodeRef")
    }
    for node in nodes.values():
        _check_conditions(node, name)
    ends = [n for n in process if tag_of(n) == "endEvent"] if owner == name else []
    loops = {n.id: loop for n in nodes.values() if (loop := _loop(n, name)) is not None}
    return Steps(
        tasks={n.id: _user_step(n, _lane(n, lanes), reading) for n in nodes.values() if n.kind in PERSONS},
        services={n.id: _title(n.element) for n in nodes.values() if n.kind == "serviceTask"},
        outcomes={n.get("id"): properties_of(n).get("outcome", n.get("id")) for n in ends},
        ends={n.get("id"): _title(n) for n in ends},
        scripts={n.id: _script(n, name) for n in nodes.values() if n.kind == "scriptTask"},
        decisions={n.id: _decision(n, reading) for n in nodes.values() if n.kind == "businessRuleTask"},
        timers={n.id: due for n in nodes.values() if (due := _timer(n, name))},
        messages={n.id: said for n in nodes.values() if (said := _message(n, name))},
        loops=loops,
        owners={n.id: owner for n in nodes.values()} if owner != name else {},
    )


def _lane(node: Node, lanes: Mapping[str, str]) -> str:
    """The lane of an element, or the one of the subprocess that it is in."""
    scope = [node.element, *node.element.iterancestors(f"{MODEL}subProcess")]
    return next((lanes[one.get("id")] for one in scope if one.get("id") in lanes), "")


def _check_conditions(node: Node, name: str) -> None:
    choosing = node.kind in CHOICES and len(node.leads) > 1
    for flow, _ in node.leads:
        text = "".join(flow.xpath("./*[local-name()='conditionExpression']//text()")).strip()
        thing = f"{name}: {flow.get('id', '')}"
        if choosing and flow.get("id") != node.element.get("default"):
            parse_condition(text, thing)
        elif text and node.kind not in CHOICES:
            raise _unfit(thing, "这里的条件不起作用", "a condition here decides nothing", "删去它", "Take it out")
        elif text:
            # A gateway with one way out takes it whatever stands there.
            flow.remove(flow.find(f"{MODEL}conditionExpression"))


def _user_step(node: Node, lane: str, reading: _Reading) -> UserStep:
    thing = f"{reading.name}: {node.id}"
    said = properties_of(node.element)
    unit = said.get("unit", "").strip()
    role = said.get("role", "")
    if not unit:
        lane_role = _role_in(lane, thing)
        role = role or lane_role
        unit, lane = (APPLICANT, "") if lane == APPLICANT else ("", lane)
    else:
        role, lane = role or lane, ""
        if unit != APPLICANT:
            parse_condition(unit, thing)
    due = said.get("due", "").strip()
    if due and DUE.fullmatch(due) is None:
        parse_condition(due, thing)
    pause = said.get("pause", str(PAUSE_DAYS)).removesuffix("wd")
    if not pause.isdigit() or int(pause) > 200:
        raise _unfit(
            thing, "属性 pause 不合规", "the property pause does not fit", "如 10wd，至多 200wd", "Such as 10wd, at most 200wd"
        )
    return UserStep(
        title=_title(node.element), role=role, unit=unit, lane=lane, due=due, pause=int(pause), form=_form(node, said, reading)
    )


def _role_in(lane: str, thing: str) -> str:
    """The role that a lane asks for; raises `BadInput` for a task without a unit in a lane that names no org role."""
    if lane == APPLICANT:
        return ""
    if not lane:
        raise _unfit(
            thing, "没有说谁来办", "does not say who acts", "写明属性 unit（机构代码的表达式，或 applicant），或放进泳道",
            "Give the property unit (an expression for a unit's code, or applicant), or put it into a lane",
        )  # fmt: skip
    known = lane_of(lane)
    if known is None:
        raise _unfit(
            thing, f"泳道 {lane} 不是机构角色", f"the lane {lane} names no org role", "如 town.office、county.dept:water、grid.worker",
            "Such as town.office, county.dept:water, grid.worker",
        )  # fmt: skip
    return known.role


def _form(node: Node, said: dict[str, str], reading: _Reading) -> tuple[Field, ...]:
    thing = f"{reading.name}: {node.id}"
    grounds = tuple(Option(value=ground.strip()[:100]) for ground in said.get("legal", "").split("|") if ground.strip())
    form = said.get("form", "[]")
    file = said.get("form.file") or said.get("formJsonSchemaFilename") or ""
    if file:
        if file not in reading.files:
            raise _unfit(
                thing, f"没有表单 {file}", f"there is no form {file}", "与流程一起发布它", "Deploy it beside the process"
            )
        form = reading.files[file]
    fields = tuple(_field(field, grounds, thing) for field in read_form(form, thing))
    names = [field.name for field in fields]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise _unfit(f"{thing}.{twice[0]}", "表单里有两项同名", "the form has two fields of that name", "改名", "Rename one")
    return fields


def _field(field: Field, grounds: tuple[Option, ...], thing: str) -> Field:
    if field.when:
        parse_condition(field.when, f"{thing}.{field.name}")
    options = grounds if field.options == "legal" else field.options
    if field.type == "choice" and not options:
        raise _unfit(
            f"{thing}.{field.name}", "没有可选项", "has nothing to choose from", "写明 options，或属性 legal",
            "Give options, or the property legal",
        )  # fmt: skip
    return field.model_copy(update={"options": options, "title": field.title if field.title.in_("zh") else Text(zh=field.name)})


def _script(node: Node, name: str) -> str:
    text = _inner(node.element, "script")
    parse_script(text, f"{name}: {node.id}")
    return text


def _decision(node: Node, reading: _Reading) -> Decision:
    thing = f"{reading.name}: {node.id}"
    said = properties_of(node.element)
    wanted = said.get("decision") or node.element.get(DECISION_REF) or "".join(
        one.text or "" for one in node.element.iter(CALLED_DECISION)
    )  # fmt: skip
    result = said.get("result", "")
    table = reading.tables.get(wanted.strip())
    if table is None and (not wanted.strip() or reading.called(f"decision:{wanted.strip()}") is None):
        raise _unfit(
            thing, f"没有决策表 {wanted}", f"there is no decision table {wanted}", "与流程一起发布 .dmn，或先单独发布它",
            "Deploy the .dmn beside the process, or on its own first",
        )  # fmt: skip
    lists = table is not None and table.policy in ("RULE ORDER", "COLLECT") and not table.aggregation
    if (result or lists) and NAME.fullmatch(result) is None:
        raise _unfit(thing, "要写明结果的名称", "the name of its result is needed", "写明属性 result", "Give the property result")
    return Decision(title=_title(node.element), name=wanted.strip(), table=table, result=result)


def _timer(node: Node, name: str) -> str:
    """Until when an event waits: `5wd`, `PT30M`, a moment, or an expression for one of these; empty for other elements."""
    if not any(tag_of(one) == "timerEventDefinition" for one in definitions_of(node.element)):
        return ""
    thing = f"{name}: {node.id}"
    text = _inner(node.element, "timeDuration") or _inner(node.element, "timeDate")
    if not text:
        raise _unfit(
            thing, "定时器没有说多久", "the timer does not say how long", "如 5wd、4wh、30wm、PT30M", "Such as 5wd, 4wh, 30wm, PT30M"
        )
    if not is_span(text):
        parse_condition(text, thing)
    return text


def is_span(text: str) -> bool:
    """Whether `text` plainly says how long or until when: `5wd`, `4wh`, `30wm`, `PT30M`, `2026-10-09`."""
    plain = DUE.fullmatch(text) or MOMENT.fullmatch(text) or (SPAN.fullmatch(text) and any(c.isdigit() for c in text))
    return bool(plain)


def _message(node: Node, name: str) -> str:
    """The message for which an event waits; empty for other elements. Raises `BadInput` for one without a name."""
    for one in definitions_of(node.element):
        if tag_of(one) == "messageEventDefinition":
            said = message_of(one)
            if not said:
                raise _unfit(f"{name}: {node.id}", "没有说哪个消息", "names no message", "写明消息", "Name the message")
            return said if node.kind in ("intermediateCatchEvent", "boundaryEvent") else ""
    return ""


def message_of(definition: Any) -> str:
    """The name of the message of a message event definition; empty for other definitions."""
    if tag_of(definition) != "messageEventDefinition":
        return ""
    root = definition.getroottree().getroot()
    known = {m.get("id"): m.get("name") or m.get("id") for m in root.iter(f"{MODEL}message")}
    ref = definition.get("messageRef")
    return str((known.get(ref) if ref else definition.getparent().get("name")) or "")


def _loop(node: Node, name: str) -> Loop | None:
    parts = [one for one in node.element if tag_of(one) == "multiInstanceLoopCharacteristics"]
    if not parts or node.kind not in HOSTS:
        return None
    thing = f"{name}: {node.id}"
    over, number = _inner(parts[0], "loopDataInputRef"), _inner(parts[0], "loopCardinality")
    items = parts[0].findall(f"{MODEL}inputDataItem")
    item = item_of(items[0]) if items else ""
    if bool(over) == bool(number):
        raise _unfit(
            thing,
            "要写明 loopDataInputRef 或 loopCardinality",
            "needs loopDataInputRef or loopCardinality",
            "写明其一",
            "Give one",
        )
    for one in (over, item, _inner(parts[0], "loopDataOutputRef")):
        if one and NAME.fullmatch(one) is None:
            raise _unfit(
                thing, f"名称 {one} 不合规", f"the name {one} does not fit", "用字母、数字和 _", "Use letters, digits and _"
            )
    for condition in (number, _inner(parts[0], "completionCondition")):
        if condition:
            parse_condition(condition, thing)
    return Loop(over=over, item=item, collect=_inner(parts[0], "loopDataOutputRef"))


def item_of(element: Any) -> str:
    """The name under which an instance sees its item: the item's name where it is one, else its id."""
    said = [str(element.get(key) or "") for key in ("name", "id")]
    return next((one for one in said if NAME.fullmatch(one)), said[1])


def _inner(element: Any, part: str) -> str:
    """The text of the first element `part` within `element`."""
    found = next(element.iter(f"{MODEL}{part}"), None)
    return "".join(found.itertext()).strip() if found is not None else ""


def properties_of(element: Any) -> dict[str, str]:
    """The properties of an element, as the common editors write them."""
    return dict(_each_property(element))


def _each_property(element: Any) -> Iterator[tuple[str, str]]:
    for extension in element.findall(f"{MODEL}extensionElements"):
        for path in PROPERTIES:
            for one in extension.findall(path):
                yield str(one.get("name", "")), str(one.get("value", ""))


def _title(element: Any) -> Text:
    zh = str(element.get("name") or element.get("id"))
    return Text(zh=zh, en=properties_of(element).get("title.en", ""))
