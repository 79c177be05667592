"""The ways through a process: every element on one from the start to an end, and no round without a person or a wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sanqu.cases.elements import CHOICES, GATEWAYS, NODES, PERSONS, tag_of, unfit_process

# Where a case stands still until something comes; in a called process, as a rule, people act.
WAITS = PERSONS | {"intermediateCatchEvent", "boundaryEvent", "eventBasedGateway", "callActivity"}


@dataclass(frozen=True)
class Node:
    """An element of the flow, with where it leads: (flow, target)."""

    id: str
    kind: str
    element: Any
    leads: tuple[tuple[Any, str], ...]


def nodes_of(scope: Any, name: str) -> dict[str, Node]:
    """The elements of a process or subprocess (not those of subprocesses within it); raises `BadInput` for loose flows."""
    flows: dict[str, list[tuple[Any, str]]] = {}
    for flow in (one for one in scope if tag_of(one) == "sequenceFlow"):
        flows.setdefault(flow.get("sourceRef", ""), []).append((flow, flow.get("targetRef", "")))
    nodes = {
        id_of(element, name): Node(element.get("id"), tag_of(element), element, tuple(flows.get(element.get("id"), ())))
        for element in scope
        if tag_of(element) in NODES
    }
    ends = {end for source, ways in flows.items() for end in (source, *(target for _, target in ways))}
    if lost := sorted(ends - nodes.keys()):
        raise unfit_process(
            f"{name}: {lost[0]}", "连线的一端不存在", "a flow begins or ends nowhere", "改正连线", "Mend the flow"
        )
    return nodes


def id_of(element: Any, name: str) -> str:
    """The id of an element; raises `BadInput` when it has none."""
    found = element.get("id")
    if not found:
        tag = tag_of(element)
        raise unfit_process(name, f"{tag} 没有 id", f"a {tag} has no id", "给它一个 id", "Give it one")
    return str(found)


def check_ways(nodes: Mapping[str, Node], name: str) -> None:
    """Raise `BadInput` naming an element that cannot be reached, leads nowhere, or goes round without anybody."""
    starts = [node.id for node in nodes.values() if node.kind == "startEvent"]
    if len(starts) != 1:
        raise unfit_process(name, f"有 {len(starts)} 个开始事件", f"has {len(starts)} start events", "只画一个", "Draw one")
    forth = {node.id: [target for _, target in node.leads] for node in nodes.values()}
    for node in nodes.values():
        if node.kind == "boundaryEvent":
            forth[node.element.get("attachedToRef")].append(node.id)
    back: dict[str, list[str]] = {node: [] for node in nodes}
    for source, targets in forth.items():
        for target in targets:
            back[target].append(source)
    ends = [node.id for node in nodes.values() if node.kind == "endEvent"]
    # The element where the drawing stops is the one to mend.
    if dead := sorted(nodes.keys() - _reached(ends, back), key=lambda id_: (bool(forth[id_]), id_)):
        raise unfit_process(
            f"{name}: {dead[0]}", "从这里走不到结束", "no way leads from here to an end", "连到结束事件",
            "Connect it to an end event",
        )  # fmt: skip
    if unreached := sorted(nodes.keys() - _reached(starts, forth)):
        raise unfit_process(
            f"{name}: {unreached[0]}", "从开始走不到这里", "no way leads here from the start", "连上或删去",
            "Connect it, or take it out",
        )  # fmt: skip
    _check_rounds(nodes, forth, name)
    for node in nodes.values():
        _check_leads(node, name)


def _check_rounds(nodes: Mapping[str, Node], forth: Mapping[str, list[str]], name: str) -> None:
    waiting = {node.id for node in nodes.values() if _waits(node)}
    automatic = {id_: [t for t in forth[id_] if t not in waiting] for id_ in nodes if id_ not in waiting}
    for id_ in automatic:
        if id_ in _reached(automatic[id_], automatic):
            raise unfit_process(
                f"{name}: {id_}", "不经人办理的循环", "a round without a person", "环里要有人工任务或定时器",
                "Put a user task or a timer into the round",
            )  # fmt: skip


def _waits(node: Node) -> bool:
    return node.kind in WAITS or any(tag_of(part) in WAITS for part in node.element.iter("{*}*"))


def _check_leads(node: Node, name: str) -> None:
    thing = f"{name}: {node.id}"
    if len(node.leads) > 1 and node.kind not in GATEWAYS:
        raise unfit_process(thing, "有多条出线", "has several ways out", "用网关分开", "Part them with a gateway")
    choosing = node.kind in CHOICES and len(node.leads) > 1
    if choosing and node.element.get("default") not in {flow.get("id") for flow, _ in node.leads}:
        raise unfit_process(
            thing, "网关没有默认出线", "the gateway has no default flow", "指定一条默认出线：条件都不成立时走它",
            "Name one, to be taken when no condition is met",
        )  # fmt: skip


def _reached(starts: list[str], ways: Mapping[str, list[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting.extend(ways[here])
    return seen
