"""Draws a process as SVG, on the server: its elements, where a case stands, and how long each step took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from lxml import etree

from sanqu.cases.bpmn import properties_of
from sanqu.cases.elements import MODEL, NODES, definitions_of, tag_of
from sanqu.cases.layout import Box, Layout, Point, layout_of

MARGIN = 16.0
# How many letters go on a line of a task; Chinese ones are twice as wide.
LINE, LINES = 16, 3
SIGNS = {
    "parallelGateway": "+", "exclusiveGateway": "×", "inclusiveGateway": "○", "eventBasedGateway": "⬠",
    "timerEventDefinition": "◷", "messageEventDefinition": "✉", "signalEventDefinition": "△", "errorEventDefinition": "ϟ",
    "terminateEventDefinition": "●", "serviceTask": "⚙", "scriptTask": "≡", "businessRuleTask": "▦", "callActivity": "▣",
}  # fmt: skip
STYLE = """.bpmn{color:var(--ink,#1d2733);background:none}.bpmn text{font:12px system-ui,sans-serif;fill:currentColor}
.bpmn .e{fill:var(--paper,#fff);stroke:currentColor;stroke-width:1.3}.bpmn .end{stroke-width:3}.bpmn .scope{fill:none;stroke-dasharray:5 3}
.bpmn .done .e{fill:#dff1e4}.bpmn .now .e{fill:#fff0c2;stroke:#b26a00;stroke-width:2.6}.bpmn .done text,.bpmn .now text{fill:#1d2733}
.bpmn .way{fill:none;stroke:currentColor;stroke-width:1.1;opacity:.75}.bpmn .took{font-size:10.5px;font-weight:600}
.bpmn .lane{fill:none;stroke:currentColor;opacity:.35}"""


@dataclass(frozen=True)
class Mark:
    """How an element stands in a case: passed or waiting now, and what is written under it."""

    state: Literal["done", "now"]
    text: str = ""


def diagram_of(xml: str, lang: str = "zh", marks: Mapping[str, Mark] | None = None) -> str:
    """The drawing of a process file that was deployed, as one SVG element; `marks` by element."""
    root = etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True))
    calls = {call.get("calledElement") for call in root.iter(f"{MODEL}callActivity")}
    processes = root.findall(f"{MODEL}process")
    process = next((one for one in processes if one.get("id") not in calls), processes[0])
    laid = layout_of(root, process)
    parts = [_lane(one, laid) for one in root.iter(f"{MODEL}lane") if one.get("id") in laid.boxes]
    elements = [one for one in process.iter(f"{MODEL}*") if tag_of(one) in NODES and one.get("id") in laid.boxes]
    # Subprocesses first, so that what is within lies above.
    elements.sort(key=lambda one: (tag_of(one) != "subProcess", tag_of(one) == "boundaryEvent"))
    drawn = [_element(one, laid.boxes[one.get("id")], lang, (marks or {}).get(one.get("id"))) for one in elements]
    ways = [_way(one, laid.ways[one.get("id")], lang) for one in process.iter(f"{MODEL}sequenceFlow") if one.get("id") in laid.ways]
    left, top, width, height = laid.size()
    box = f"{left - MARGIN:.0f} {top - MARGIN:.0f} {width + 2 * MARGIN:.0f} {height + 2 * MARGIN + 14:.0f}"
    name = escape(_name(process, lang), quote=True)
    return (
        f'<svg class="bpmn" xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{width + 2 * MARGIN:.0f}" role="img" '
        f'aria-label="{name}" style="max-width:none;height:auto"><style>{STYLE}</style><defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" '
        f'markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="currentColor"/></marker></defs>'
        f"{''.join(parts)}{''.join(ways)}{''.join(drawn)}</svg>"
    )


def _name(element: Any, lang: str) -> str:
    zh = str(element.get("name") or "")
    return (properties_of(element).get("title.en") or zh) if lang == "en" else zh


def _lane(lane: Any, laid: Layout) -> str:
    box = laid.boxes[lane.get("id")]
    return (
        f'<rect class="lane" x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}"/>'
        f'<text x="{box.x + 6:.0f}" y="{box.y + 15:.0f}">{escape(lane.get("name") or "")}</text>'
    )


def _element(element: Any, box: Box, lang: str, mark: Mark | None) -> str:
    kind = tag_of(element)
    name = _name(element, lang) or ("" if kind.endswith(("Event", "Gateway")) else str(element.get("id")))
    sign = next((SIGNS[tag_of(one)] for one in definitions_of(element) if tag_of(one) in SIGNS), SIGNS.get(kind, ""))
    x, y = box.x + box.width / 2, box.y + box.height / 2
    if kind.endswith("Event"):
        shape = f'<circle class="e{" end" if kind == "endEvent" else ""}" cx="{x:.1f}" cy="{y:.1f}" r="{min(box.width, box.height) / 2:.1f}"/>'
        shape += _text(x, y + 4, [sign]) + _text(x, box.y + box.height + 13, _lines(name)[:2])
    elif kind.endswith("Gateway"):
        r = min(box.width, box.height) / 2
        shape = f'<path class="e" d="M{x:.1f} {y - r:.1f}L{x + r:.1f} {y:.1f}L{x:.1f} {y + r:.1f}L{x - r:.1f} {y:.1f}z"/>'
        shape += _text(x, y + 5, [sign]) + _text(x, box.y - 5, _lines(name)[:1])
    else:
        scope = " scope" if kind == "subProcess" else ""
        shape = f'<rect class="e{scope}" rx="8" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"/>'
        shape += _text(box.x + 11, box.y + 14, [sign])
        if scope:
            shape += _text(x, box.y + 15, _lines(name)[:1])
        else:
            lines = _lines(name)
            shape += _text(x, y + 4 - 7 * (len(lines) - 1), lines)
        if any(tag_of(one) == "multiInstanceLoopCharacteristics" for one in element):
            shape += _text(x, box.y + box.height - 4, ["⦀"])
    if mark is not None and mark.text:
        shape += f'<text class="took" x="{x:.1f}" y="{box.y + box.height + 12:.1f}" text-anchor="middle">{escape(mark.text)}</text>'
    state = f' class="{mark.state}"' if mark is not None else ""
    return f'<g id="bpmn-{escape(str(element.get("id")), quote=True)}"{state}><title>{escape(name)}</title>{shape}</g>'


def _way(flow: Any, points: list[Point], lang: str) -> str:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    name = _name(flow, lang)
    label = _text(points[0][0] + 10, points[0][1] - 5, [name[:12]], "start") if name else ""
    return f'<path class="way" d="{path}" marker-end="url(#tip)"/>{label}'


def _text(x: float, y: float, lines: list[str], anchor: str = "middle") -> str:
    rows = [(y + 14 * i, line) for i, line in enumerate(lines) if line]
    return "".join(f'<text x="{x:.1f}" y="{at:.1f}" text-anchor="{anchor}">{escape(line)}</text>' for at, line in rows)


def _lines(name: str) -> list[str]:
    """A name in lines that fit into a task."""
    lines, width = [""], 0
    for word in _words(name):
        wide = sum(2 if ord(letter) > 0x2E80 else 1 for letter in word)
        if width + wide > LINE and lines[-1]:
            lines.append("")
            width = 0
        lines[-1] += word
        width += wide
    shown = [line.strip() for line in lines]
    return shown if len(shown) <= LINES else [*shown[: LINES - 1], shown[LINES - 1] + "…"]


def _words(name: str) -> list[str]:
    words = [""]
    for letter in name:
        words[-1] += letter
        if letter == " " or ord(letter) > 0x2E80 or len(words[-1]) >= LINE:
            words.append("")
    return words
