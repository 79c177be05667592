"""Reads a BPMN 2.0 file and refuses, with the element named, what this room does not run: above all, scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sanqu.cases.conditions import parse_condition
from sanqu.cases.forms import Field, Option
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

MODEL = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
# Drawings of the process; nothing in them is run.
DRAWING = (
    "http://www.omg.org/spec/BPMN/20100524/DI",
    "http://www.omg.org/spec/DD/20100524/DC",
    "http://www.omg.org/spec/DD/20100524/DI",
)
# Properties as the two common editors write them: bpmn-js-spiffworkflow and Camunda Modeler.
PROPERTIES = (
    "./{http://spiffworkflow.org/bpmn/schema/1.0/core}properties/{http://spiffworkflow.org/bpmn/schema/1.0/core}property",
    "./{http://camunda.org/schema/1.0/bpmn}properties/{http://camunda.org/schema/1.0/bpmn}property",
)
NODES = frozenset(
    {"startEvent", "endEvent", "userTask", "serviceTask", "exclusiveGateway", "parallelGateway", "inclusiveGateway"}
)
CHOICES = frozenset({"exclusiveGateway", "inclusiveGateway"})
GATEWAYS = CHOICES | {"parallelGateway"}
OTHERS = frozenset({
    "definitions", "process", "sequenceFlow", "conditionExpression", "incoming", "outgoing", "laneSet", "lane", "flowNodeRef",
    "documentation", "extensionElements", "collaboration", "participant", "textAnnotation", "text", "association", "group",
    "category", "categoryValue",
})  # fmt: skip
LARGEST = 1_000_000
# What a task of the applicant says in the place of a unit.
APPLICANT = "applicant"
DUE = re.compile(r"(\d{1,3})wd")

Fields = TypeAdapter(tuple[Field, ...])


class UserStep(BaseModel):
    """What the room reads of a user task: who acts, with which form, until when.

    `unit` is an expression whose value is a unit's code, or `applicant`; `due` is `5wd` or an expression that says so.
    """

    model_config = ConfigDict(frozen=True)

    title: Text
    role: str = ""
    unit: str
    due: str = ""
    form: tuple[Field, ...] = ()


class Steps(BaseModel):
    """What is kept of a process besides the engine's own reading: tasks, service tasks and outcomes by element id."""

    model_config = ConfigDict(frozen=True)

    tasks: dict[str, UserStep]
    services: dict[str, Text]
    outcomes: dict[str, str]
    ends: dict[str, Text] = {}


@dataclass(frozen=True)
class Node:
    """An element of the flow, with where it leads: (flow, target)."""

    id: str
    kind: str
    element: Any
    leads: tuple[tuple[Any, str], ...]


@dataclass(frozen=True)
class Drawn:
    """A process file that was looked through: its id for the engine, its title and its steps."""

    id: str
    title: Text
    root: Any
    steps: Steps


def read_process(xml: str, name: str) -> Drawn:
    """Look a BPMN file through; raises `BadInput` naming the element that cannot be run and why."""
    root = _parsed(xml, name)
    for element in root.iter(etree.Element):
        _check_element(element, name)
    processes = root.findall(f"{MODEL}process")
    if len(processes) != 1:
        raise _unfit(
            name, f"有 {len(processes)} 个流程", f"holds {len(processes)} processes", "一个文件一个流程", "One process a file"
        )
    process = processes[0]
    nodes = _nodes(process, name)
    _check_ways(nodes, name)
    return Drawn(_id(process, name), _title(process), root, _steps(process, nodes, name))


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


def _check_element(element: Any, name: str) -> None:
    tag = etree.QName(element)
    if tag.namespace in DRAWING or any(parent.tag == f"{MODEL}extensionElements" for parent in element.iterancestors()):
        return
    if f"{{{tag.namespace}}}" != MODEL or tag.localname not in NODES | OTHERS:
        raise _unfit(
            f"{name}: {element.get('id') or element.getparent().get('id') or ''}",
            f"这里不运行 {tag.localname}", f"{tag.localname} is not run here",
            f"可用的元素：{'、'.join(sorted(NODES))}", f"What runs: {', '.join(sorted(NODES))}",
        )  # fmt: skip


def _nodes(process: Any, name: str) -> dict[str, Node]:
    flows: dict[str, list[tuple[Any, str]]] = {}
    for flow in process.findall(f"{MODEL}sequenceFlow"):
        flows.setdefault(flow.get("sourceRef", ""), []).append((flow, flow.get("targetRef", "")))
    nodes = {
        _id(element, name): Node(
            element.get("id"), etree.QName(element).localname, element, tuple(flows.get(element.get("id"), ()))
        )
        for element in process
        if etree.QName(element).localname in NODES
    }
    ends = {end for source, ways in flows.items() for end in (source, *(target for _, target in ways))}
    if lost := sorted(ends - nodes.keys()):
        raise _unfit(f"{name}: {lost[0]}", "连线的一端不存在", "a flow begins or ends nowhere", "改正连线", "Mend the flow")
    return nodes


def _check_ways(nodes: dict[str, Node], name: str) -> None:
    """Every element is on a way from the start to an end, and no way goes round without a person."""
    starts = [node.id for node in nodes.values() if node.kind == "startEvent"]
    if len(starts) != 1:
        raise _unfit(name, f"有 {len(starts)} 个开始事件", f"has {len(starts)} start events", "只画一个", "Draw one")
    forth = {node.id: [target for _, target in node.leads] for node in nodes.values()}
    back: dict[str, list[str]] = {node: [] for node in nodes}
    for source, targets in forth.items():
        for target in targets:
            back[target].append(source)
    ends = [node.id for node in nodes.values() if node.kind == "endEvent"]
    if unreached := sorted(nodes.keys() - _reached(starts, forth)):
        raise _unfit(
            f"{name}: {unreached[0]}",
            "从开始走不到这里",
            "no way leads here from the start",
            "连上或删去",
            "Connect it, or take it out",
        )
    if dead := sorted(nodes.keys() - _reached(ends, back)):
        raise _unfit(
            f"{name}: {dead[0]}",
            "从这里走不到结束",
            "no way leads from here to an end",
            "连到结束事件",
            "Connect it to an end event",
        )
    automatic = {
        node.id: [t for t in forth[node.id] if nodes[t].kind != "userTask"] for node in nodes.values() if node.kind != "userTask"
    }
    for node in automatic:
        if node in _reached(automatic[node], automatic):
            raise _unfit(
                f"{name}: {node}",
                "不经人办理的循环",
                "a round without a person",
                "环里要有人工任务",
                "Put a user task into the round",
            )
    for one in nodes.values():
        if len(one.leads) > 1 and one.kind not in GATEWAYS:
            raise _unfit(f"{name}: {one.id}", "有多条出线", "has several ways out", "用网关分开", "Part them with a gateway")


def _reached(starts: list[str], ways: dict[str, list[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting.extend(ways[here])
    return seen


def _steps(process: Any, nodes: dict[str, Node], name: str) -> Steps:
    lanes = {
        ref.text: lane.get("name", "") for lane in process.iter(f"{MODEL}lane") for ref in lane.findall(f"{MODEL}flowNodeRef")
    }
    for node in nodes.values():
        _check_conditions(node, name)
    return Steps(
        tasks={n.id: _user_step(n, lanes.get(n.id, ""), name) for n in nodes.values() if n.kind == "userTask"},
        services={n.id: _title(n.element) for n in nodes.values() if n.kind == "serviceTask"},
        outcomes={n.id: _properties(n.element).get("outcome", n.id) for n in nodes.values() if n.kind == "endEvent"},
        ends={n.id: _title(n.element) for n in nodes.values() if n.kind == "endEvent"},
    )


def _check_conditions(node: Node, name: str) -> None:
    choosing = node.kind in CHOICES and len(node.leads) > 1
    default = node.element.get("default")
    if choosing and default not in {flow.get("id") for flow, _ in node.leads}:
        raise _unfit(
            f"{name}: {node.id}", "网关没有默认出线", "the gateway has no default flow",
            "指定一条默认出线：条件都不成立时走它", "Name one, to be taken when no condition is met",
        )  # fmt: skip
    for flow, _ in node.leads:
        text = "".join(flow.xpath("./*[local-name()='conditionExpression']//text()")).strip()
        thing = f"{name}: {flow.get('id', '')}"
        if choosing and flow.get("id") != default:
            parse_condition(text, thing)
        elif text:
            raise _unfit(thing, "这里的条件不起作用", "a condition here decides nothing", "删去它", "Take it out")


def _user_step(node: Node, lane: str, name: str) -> UserStep:
    thing = f"{name}: {node.id}"
    said = _properties(node.element)
    unit = said.get("unit", "").strip()
    if unit != APPLICANT:
        if not unit:
            raise _unfit(
                thing,
                "没有说谁来办",
                "does not say who acts",
                "写明属性 unit：机构代码的表达式，或 applicant",
                "Give the property unit: an expression for a unit's code, or applicant",
            )
        parse_condition(unit, thing)
    due = said.get("due", "").strip()
    if due and DUE.fullmatch(due) is None:
        parse_condition(due, thing)
    return UserStep(title=_title(node.element), role=said.get("role", lane), unit=unit, due=due, form=_form(said, thing))


def _form(said: dict[str, str], thing: str) -> tuple[Field, ...]:
    try:
        fields = Fields.validate_python(json.loads(said.get("form", "[]")))
    except (json.JSONDecodeError, ValidationError) as fault:
        first = str(fault.errors()[0]["msg"]) if isinstance(fault, ValidationError) else str(fault)
        raise _unfit(
            thing, f"表单不合规：{first}", f"has a form that does not fit: {first}", "改正属性 form", "Mend the property form"
        ) from fault
    grounds = tuple(Option(value=ground.strip()[:100]) for ground in said.get("legal", "").split("|") if ground.strip())
    return tuple(_field(field, grounds, thing) for field in fields)


def _field(field: Field, grounds: tuple[Option, ...], thing: str) -> Field:
    if field.when:
        parse_condition(field.when, f"{thing}.{field.name}")
    options = grounds if field.options == "legal" else field.options
    if field.type == "choice" and not options:
        raise _unfit(
            f"{thing}.{field.name}",
            "没有可选项",
            "has nothing to choose from",
            "写明 options，或属性 legal",
            "Give options, or the property legal",
        )
    return field.model_copy(update={"options": options, "title": field.title if field.title.in_("zh") else Text(zh=field.name)})


def _properties(element: Any) -> dict[str, str]:
    return dict(_each_property(element))


def _each_property(element: Any) -> Iterator[tuple[str, str]]:
    for extension in element.findall(f"{MODEL}extensionElements"):
        for path in PROPERTIES:
            for one in extension.findall(path):
                yield str(one.get("name", "")), str(one.get("value", ""))


def _title(element: Any) -> Text:
    zh = str(element.get("name") or element.get("id"))
    return Text(zh=zh, en=_properties(element).get("title.en", ""))


def _id(element: Any, name: str) -> str:
    found = element.get("id")
    if not found:
        tag = etree.QName(element).localname
        raise _unfit(name, f"{tag} 没有 id", f"a {tag} has no id", "给它一个 id", "Give it one")
    return str(found)


def _unfit(thing: str, zh: str, en: str, todo_zh: str, todo_en: str) -> BadInput:
    return BadInput(
        "cases.process", Text(zh=f"流程不能运行：{zh}", en=f"The process cannot run: {en}"), Text(zh=todo_zh, en=todo_en), thing
    )
