"""Where the elements of a process stand in its drawing: as its file says (BPMN DI), else in columns from the start on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sanqu.cases.elements import MODEL, NODES, tag_of
from sanqu.cases.ways import Node, nodes_of

DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
DC = "{http://www.omg.org/spec/DD/20100524/DC}"
DD = "{http://www.omg.org/spec/DD/20100524/DI}"
TASK, GATEWAY, EVENT = (120.0, 64.0), (46.0, 46.0), (36.0, 36.0)
GAP_X, GAP_Y, PAD = 56.0, 44.0, 24.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """Where an element stands."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> Box:
        """The same, elsewhere."""
        return Box(self.x + x, self.y + y, self.width, self.height)


@dataclass
class Layout:
    """Boxes by element, and the points of the flows by flow."""

    boxes: dict[str, Box] = field(default_factory=dict)
    ways: dict[str, list[Point]] = field(default_factory=dict)

    def size(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of all of it."""
        points = [(b.x, b.y) for b in self.boxes.values()] + [(b.x + b.width, b.y + b.height) for b in self.boxes.values()]
        points += [point for way in self.ways.values() for point in way] or [(0.0, 0.0)]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def layout_of(root: Any, process: Any) -> Layout:
    """The layout in the file, when it places every element of `process`, else one of our own."""
    given = _given(root)
    ids = {one.get("id") for one in process.iter(f"{MODEL}*") if tag_of(one) in NODES}
    if ids and ids <= given.boxes.keys():
        return given
    laid = Layout()
    _lay(process, laid, 0.0, 0.0)
    return laid


def _given(root: Any) -> Layout:
    found = Layout()
    for shape in root.iter(f"{DI}BPMNShape"):
        bounds = shape.find(f"{DC}Bounds")
        if bounds is not None:
            found.boxes[shape.get("bpmnElement")] = Box(*(_number(bounds.get(key)) for key in ("x", "y", "width", "height")))
    for edge in root.iter(f"{DI}BPMNEdge"):
        points = [(_number(one.get("x")), _number(one.get("y"))) for one in edge.findall(f"{DD}waypoint")]
        if len(points) > 1:
            found.ways[edge.get("bpmnElement")] = points
    return found


def _number(said: str | None) -> float:
    try:
        value = float(said or 0)
    except ValueError:
        return 0.0
    return max(-1e5, min(1e5, value)) if value == value else 0.0


def _lay(scope: Any, laid: Layout, left: float, top: float) -> tuple[float, float]:
    """Lay a process or subprocess out from (left, top); returns its width and height."""
    nodes = nodes_of(scope, "")
    columns = _columns(nodes)
    inner: dict[str, Layout] = {}
    sizes = {id_: _size(node, inner) for id_, node in nodes.items() if node.kind != "boundaryEvent"}
    x, bottom = left, top
    for column in columns:
        width = max(sizes[id_][0] for id_ in column)
        y = top
        for id_ in column:
            w, h = sizes[id_]
            # What stands beside others stands in the middle of its row.
            slot = max(h, TASK[1])
            laid.boxes[id_] = Box(x + (width - w) / 2, y + (slot - h) / 2, w, h)
            if id_ in inner:
                _take(laid, inner[id_], laid.boxes[id_])
            y += slot + GAP_Y
        bottom = max(bottom, y)
        x += width + GAP_X
    for node in nodes.values():
        if node.kind == "boundaryEvent":
            host = laid.boxes[node.element.get("attachedToRef")]
            laid.boxes[node.id] = Box(host.x + host.width - 48, host.y + host.height - 16, 32.0, 32.0)
    for node in nodes.values():
        for flow, target in node.leads:
            laid.ways[flow.get("id") or f"{node.id}>{target}"] = _way(laid.boxes[node.id], laid.boxes[target], bottom, node.kind)
    return x - GAP_X - left, bottom - top


def _size(node: Node, inner: dict[str, Layout]) -> tuple[float, float]:
    if node.kind == "subProcess":
        inner[node.id] = Layout()
        width, height = _lay(node.element, inner[node.id], PAD, PAD + 12)
        return width + 2 * PAD, height + PAD
    return EVENT if node.kind.endswith("Event") else GATEWAY if node.kind.endswith("Gateway") else TASK


def _take(laid: Layout, inner: Layout, at: Box) -> None:
    laid.boxes.update({id_: box.moved(at.x, at.y) for id_, box in inner.boxes.items()})
    laid.ways.update({id_: [(x + at.x, y + at.y) for x, y in way] for id_, way in inner.ways.items()})


def _columns(nodes: Mapping[str, Node]) -> Sequence[Sequence[str]]:
    """The elements in columns: each after all that lead to it, ways back left out."""
    after = {id_: [target for _, target in node.leads] for id_, node in nodes.items() if node.kind != "boundaryEvent"}
    for node in nodes.values():
        if node.kind == "boundaryEvent":
            after[node.element.get("attachedToRef")].extend(target for _, target in node.leads)
    order, forward = _ordered(nodes, after)
    depth = dict.fromkeys(order, 0)
    for id_ in order:
        for target in forward[id_]:
            depth[target] = max(depth[target], depth[id_] + 1)
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for id_ in order:
        columns[depth[id_]].append(id_)
    return [column for column in columns if column]


def _ordered(nodes: Mapping[str, Node], after: Mapping[str, list[str]]) -> tuple[list[str], dict[str, list[str]]]:
    """The elements so that each stands before those after it, and the flows that go forward."""
    starts = [id_ for id_, node in nodes.items() if node.kind == "startEvent"]
    state: dict[str, int] = {}
    done: list[str] = []
    forward: dict[str, list[str]] = {id_: [] for id_ in after}
    waiting: list[tuple[str, int]] = [(start, 0) for start in reversed(starts)]
    while waiting:
        here, at = waiting.pop()
        state[here] = 1
        if at < len(after[here]):
            waiting.append((here, at + 1))
            target = after[here][at]
            if state.get(target) != 1:
                forward[here].append(target)
            if target not in state:
                waiting.append((target, 0))
        elif state[here] == 1 and here not in done:
            state[here] = 2
            done.append(here)
    return list(reversed(done)), forward


def _way(start: Box, end: Box, bottom: float, kind: str) -> list[Point]:
    down = kind == "boundaryEvent"
    first = (start.x + start.width / 2, start.y + start.height) if down else (start.x + start.width, start.y + start.height / 2)
    last = (end.x, end.y + end.height / 2)
    if last[0] <= first[0]:
        below = bottom - GAP_Y / 2
        return [first, (first[0] + 14, first[1]), (first[0] + 14, below), (last[0] - 14, below), (last[0] - 14, last[1]), last]
    if down:
        return [first, (first[0], max(first[1] + 16, last[1])), (first[0] + 8, max(first[1] + 16, last[1])), (last[0] - 14, last[1]), last]
    if first[1] == last[1]:
        return [first, last]
    middle = last[0] - GAP_X / 2
    return [first, (middle, first[1]), (middle, last[1]), last]
