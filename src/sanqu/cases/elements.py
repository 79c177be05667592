"""Which elements of BPMN 2.0 the room runs, and how; all others are refused at deploy, by name.

The table in `docs/rooms/cases.md` is made from here.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

MODEL = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
# Drawings of the process; nothing in them is run.
DRAWING = (
    "http://www.omg.org/spec/BPMN/20100524/DI",
    "http://www.omg.org/spec/DD/20100524/DC",
    "http://www.omg.org/spec/DD/20100524/DI",
)
# What is part of the flow, and how it is run.
NODES: dict[str, str] = {
    "startEvent": "one in a process or subprocess, without a definition",
    "endEvent": "plain, signal, message, terminate, error (caught at the boundary of the subprocess or call); the property `outcome` says how the case ended",
    "userTask": "done by people: `unit` or a lane, `role`, `due`, `form`, `pause`",
    "manualTask": "as a user task",
    "task": "as a user task",
    "serviceTask": "done in code (`on_service`), in the transaction of the step",
    "scriptTask": "assignments and `if` in the room's own language",
    "businessRuleTask": "a DMN decision table: one deployed beside the process, or the newest of that name",
    "exclusiveGateway": "conditions in the room's own language, and a default flow",
    "inclusiveGateway": "conditions in the room's own language, and a default flow",
    "parallelGateway": "splits and joins",
    "eventBasedGateway": "whichever of the events after it comes first",
    "subProcess": "embedded; may be a multi-instance",
    "callActivity": "another process of the file, or the newest version of a deployed one, taken in at deploy",
    "boundaryEvent": "timer, message, signal (interrupting or not) at a user task, subprocess or call; error at a subprocess or call",
    "intermediateCatchEvent": "timer, message, signal",
    "intermediateThrowEvent": "plain, signal, message (caught within the same case)",
}
# Which definitions an event may have.
EVENTS: dict[str, tuple[str, ...]] = {
    "startEvent": (),
    "endEvent": ("errorEventDefinition", "terminateEventDefinition", "signalEventDefinition", "messageEventDefinition"),
    "boundaryEvent": ("timerEventDefinition", "messageEventDefinition", "signalEventDefinition", "errorEventDefinition"),
    "intermediateCatchEvent": ("timerEventDefinition", "messageEventDefinition", "signalEventDefinition"),
    "intermediateThrowEvent": ("signalEventDefinition", "messageEventDefinition"),
}
# What elements are made of.
PARTS: dict[str, str] = {
    "multiInstanceLoopCharacteristics": "parallel or one after another; `loopDataInputRef` or `loopCardinality`, `inputDataItem`, "
    "`completionCondition`; `loopDataOutputRef` names the list of what each instance said",
    "timerEventDefinition": "`timeDuration`: `5wd`, `4wh`, `30wm`, `PT30M`, or an expression; `timeDate`",
    "messageEventDefinition": "caught when the case itself or `send_message` sends it",
    "signalEventDefinition": "thrown and caught within one case",
    "errorEventDefinition": "thrown by an end event of a subprocess or called process, caught at its boundary; uncaught, it just ends",
    "terminateEventDefinition": "ends the process or subprocess with all that is open in it",
}
OTHERS = frozenset({
    "definitions", "process", "sequenceFlow", "conditionExpression", "incoming", "outgoing", "laneSet", "lane", "childLaneSet",
    "flowNodeRef", "documentation", "extensionElements", "collaboration", "participant", "messageFlow", "textAnnotation", "text",
    "association", "group", "category", "categoryValue", "script", "message", "signal", "error", "timeDuration", "timeDate",
    "loopDataInputRef", "loopDataOutputRef", "inputDataItem", "outputDataItem", "loopCardinality", "completionCondition",
})  # fmt: skip
# What editors offer and the room refuses, with what to draw instead.
REFUSED: dict[str, Text] = {
    "timeCycle": Text(zh="画一个环，环里放定时器", en="draw a round with a timer in it"),
    "standardLoopCharacteristics": Text(zh="画一个带网关的环", en="draw a round with a gateway"),
    "sendTask": Text(zh="用 intermediateThrowEvent 或 serviceTask", en="use a message event that is thrown, or a service task"),
    "receiveTask": Text(zh="用 intermediateCatchEvent", en="use an intermediate message event"),
    "complexGateway": Text(zh="用 inclusiveGateway", en="use an inclusive gateway"),
    "transaction": Text(zh="用 subProcess", en="use a subprocess"),
    "adHocSubProcess": Text(zh="用 inclusiveGateway", en="use an inclusive gateway"),
    "escalationEventDefinition": Text(zh="用 signalEventDefinition", en="use a signal"),
    "compensateEventDefinition": Text(zh="画出撤销的步骤", en="draw the steps that undo it"),
    "conditionalEventDefinition": Text(zh="用 messageEventDefinition", en="use a message"),
    "cancelEventDefinition": Text(zh="用 errorEventDefinition", en="use an error"),
    "linkEventDefinition": Text(zh="直接连线", en="draw the flow"),
    "dataObjectReference": Text(zh="数据都在办件里", en="data are the case's own"),
    "dataStoreReference": Text(zh="数据都在办件里", en="data are the case's own"),
    "ioSpecification": Text(zh="数据都在办件里", en="data are the case's own"),
    "correlationProperty": Text(zh="消息按名称送到办件", en="messages are sent to a case by name"),
}
PERSONS = frozenset({"userTask", "manualTask", "task"})
CHOICES = frozenset({"exclusiveGateway", "inclusiveGateway"})
GATEWAYS = CHOICES | {"parallelGateway", "eventBasedGateway"}
SCOPES = frozenset({"subProcess"})
# At what a boundary event may stand, and what may be done many times.
HOSTS = PERSONS | {"subProcess", "callActivity"}


def tag_of(element: Any) -> str:
    """The local name of an element of the model; empty for one of another namespace."""
    tag = etree.QName(element)
    return str(tag.localname) if f"{{{tag.namespace}}}" == MODEL else ""


def check_element(element: Any, name: str) -> None:
    """Raise `BadInput` naming an element that the room does not run, and what to draw instead."""
    tag = etree.QName(element)
    if tag.namespace in DRAWING or any(parent.tag == f"{MODEL}extensionElements" for parent in element.iterancestors()):
        return
    # Further namespaces are what editors keep for themselves, below `extensionElements` or as attributes.
    if tag_of(element) not in NODES.keys() | PARTS.keys() | OTHERS:
        raise _not_run(element, tag.localname, name)
    if tag_of(element) == "subProcess" and element.get("triggeredByEvent") == "true":
        raise _not_run(element, "event subprocess", name)
    if tag_of(element) in EVENTS:
        _check_event(element, name)
    if tag_of(element) == "boundaryEvent":
        _check_boundary(element, name)
    if tag_of(element) == "multiInstanceLoopCharacteristics" and tag_of(element.getparent()) not in HOSTS:
        raise _not_run(element.getparent(), f"multi-instance {tag_of(element.getparent())}", name)


def definitions_of(element: Any) -> list[Any]:
    """The event definitions of an event."""
    return [part for part in element if tag_of(part).endswith("EventDefinition")]


def _check_event(element: Any, name: str) -> None:
    found = definitions_of(element)
    allowed = EVENTS[tag_of(element)]
    unfit = next((one for one in found if tag_of(one) not in allowed), None)
    if unfit is not None:
        raise _not_run(element, f"{tag_of(element)} + {tag_of(unfit)}", name)
    if len(found) > 1:
        raise _not_run(element, f"{tag_of(element)} with {len(found)} definitions", name)
    if not found and tag_of(element) in ("boundaryEvent", "intermediateCatchEvent"):
        raise unfit_process(
            f"{name}: {element.get('id')}", "没有说等什么", "does not say what it waits for", "给它定时器、消息或信号",
            "Give it a timer, a message or a signal",
        )  # fmt: skip


def _check_boundary(element: Any, name: str) -> None:
    host = element.get("attachedToRef", "")
    hosts = [one for one in element.getparent() if one.get("id") == host]
    kind = tag_of(hosts[0]) if hosts else ""
    error = any(tag_of(one) == "errorEventDefinition" for one in definitions_of(element))
    if kind not in (HOSTS - PERSONS if error else HOSTS):
        raise _not_run(element, f"boundaryEvent at {kind or host or 'nothing'}", name)


def _not_run(element: Any, what: str, name: str) -> BadInput:
    instead = REFUSED.get(what.split(" + ")[-1])
    place = element.get("id") or (element.getparent().get("id") if element.getparent() is not None else "") or ""
    return unfit_process(
        f"{name}: {place}", f"这里不运行 {what}", f"{what} is not run here",
        instead.zh if instead else f"可用的元素：{'、'.join(sorted(NODES))}",
        instead.en if instead else f"What runs: {', '.join(sorted(NODES))}",
    )  # fmt: skip


def unfit_process(thing: str, zh: str, en: str, todo_zh: str, todo_en: str) -> BadInput:
    """The refusal of a process file; `thing` names the file and the element."""
    return BadInput(
        "cases.process", Text(zh=f"流程不能运行：{zh}", en=f"The process cannot run: {en}"), Text(zh=todo_zh, en=todo_en), thing
    )


def supported_table() -> str:
    """What runs and what is refused, as the table of the documentation."""
    runs = [f"| `{tag}` | {how} |" for tag, how in {**NODES, **PARTS}.items()]
    refused = [f"| `{tag}` | refused: {instead.en} |" for tag, instead in REFUSED.items()]
    return "\n".join(["| element | how it runs |", "|---|---|", *runs, *refused])
