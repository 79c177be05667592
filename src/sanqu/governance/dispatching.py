"""The table by which events are dispatched (派单表): made from the catalogue of matters, with what was learned from people before it.

It sees the matter, the county and the town, nothing else, so that what is learned holds for more than one event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from sanqu.cases.decisions import declare_decision
from sanqu.cases.dispatch import Decided, ask_table
from sanqu.governance.matters import Matter, list_matters
from sanqu.governance.places import Place
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.people.askers import SYSTEM

TABLE = "event-dispatch"
# The task that goes to the unit that the table says.
TASK = "handle"
INPUTS = {"matter": "事项 · matter", "county": "县（市、区） · county", "town": "乡镇（街道） · town"}
OUTPUTS = ("unit", "role")
TOWN, TOWN_ROLE = "town", "town.office"
SPACE = "https://www.omg.org/spec/DMN/20191111/MODEL/"
# Rules of these names are made from the catalogue, and made anew when it changes; all others are kept, and come first.
OWN, REST = "matter-", "rest"
NEWEST = "SELECT dmn FROM case_decision WHERE name = %s ORDER BY version DESC LIMIT 1"

# A rule as it stands in a file: its name, what is said of it, its cells.
Row = tuple[str, str, tuple[str, ...]]


def decide_event(conn: Connection, matter: str, place: Place) -> Decided:
    """What the newest table says of an event of `matter` at `place`; raises as `ask_table`."""
    names = {"matter": matter, "county": place.county, "town": place.town, "place_unit": place.finest or place.county}
    return ask_table(conn, TABLE, names, TASK)


def declare_table(city: City) -> None:
    """Make the table from the catalogue as it is; what people were learned from is kept. A table of the city's own is let be:
    one that has other inputs, or another hit policy than FIRST.
    """
    matters = list_matters(city)
    row = city.db.one(NEWEST, (TABLE,))
    before = _rows(str(row["dmn"])) if row else []
    if before is None:
        return
    after = [*(one for one in before if not one[0].startswith(OWN) and one[0] != REST), *_made(matters)]
    if after != before:
        declare_decision(city, TABLE, _file(after), SYSTEM)


def _made(matters: Iterable[Matter]) -> Iterator[Row]:
    for matter in matters:
        if matter.departments:
            roles = ", ".join(role for name in matter.departments for role in _roles(name))
            yield f"{OWN}{matter.code}", matter.title.zh, (f'"{matter.code}"', "-", "-", "", f'"{roles}"')
    yield REST, "其余由受理单位派单", ("-", "-", "-", "", "")


def _roles(department: str) -> list[str]:
    """Whom a department of the catalogue means: the county's own, else the city's."""
    return [TOWN_ROLE] if department == TOWN else [f"county.dept:{department}", f"city.dept:{department}"]


def _rows(dmn: str) -> list[Row] | None:
    """The rules of a file; None for a table that is not as we make it."""
    root = etree.fromstring(dmn.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    decision = next(one for one in root.iter("{*}decision") if one.get("id") == TABLE)
    table = decision.find("{*}decisionTable")
    inputs = [_text(one, "{*}inputExpression/{*}text") for one in table.findall("{*}input")]
    outputs = [one.get("name") for one in table.findall("{*}output")]
    if table.get("hitPolicy") != "FIRST" or inputs != list(INPUTS) or outputs != list(OUTPUTS):
        return None
    return [
        (
            str(rule.get("id") or f"kept-{n}"),
            _text(rule, "{*}description"),
            tuple(_text(cell, "{*}text") for kind in ("inputEntry", "outputEntry") for cell in rule.findall(f"{{*}}{kind}")),
        )
        for n, rule in enumerate(table.findall("{*}rule"), 1)
    ]


def _text(element: Any, path: str) -> str:
    found = element.find(path)
    return "".join(found.itertext()).strip() if found is not None else ""


def _file(rows: Iterable[Row]) -> str:
    """The table as a DMN file that an editor opens."""
    root = etree.Element(f"{{{SPACE}}}definitions", {"id": "event-dispatch-file", "name": "派单", "namespace": "urn:sanqu:decisions"}, {None: SPACE})
    decision = _add(root, "decision", id=TABLE, name="事件派单")
    table = _add(decision, "decisionTable", id=f"{TABLE}-table", hitPolicy="FIRST")
    for name, label in INPUTS.items():
        column = _add(table, "input", id=f"input-{name}", label=label)
        _add(_add(column, "inputExpression", id=f"input-{name}-said", typeRef="string"), "text").text = name
    for name in OUTPUTS:
        _add(table, "output", id=f"output-{name}", name=name, typeRef="string")
    for id_, about, cells in rows:
        rule = _add(table, "rule", id=id_)
        if about:
            _add(rule, "description").text = about
        for n, cell in enumerate(cells):
            kind = "inputEntry" if n < len(INPUTS) else "outputEntry"
            _add(_add(rule, kind, id=f"{id_}-{n}"), "text").text = cell
    return str(etree.tostring(root, encoding="unicode", pretty_print=True))


def _add(parent: Any, tag: str, **attributes: str) -> Any:
    return etree.SubElement(parent, f"{{{SPACE}}}{tag}", attributes)
