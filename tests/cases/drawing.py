"""Draws small processes as BPMN for the tests."""

from __future__ import annotations

from html import escape

HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" '
    'id="file" targetNamespace="https://example.org/sanqu">'
)


def properties(**said: str) -> str:
    """Properties as Camunda Modeler writes them."""
    rows = "".join(f'<camunda:property name="{name}" value="{escape(value)}"/>' for name, value in said.items())
    return f"<extensionElements><camunda:properties>{rows}</camunda:properties></extensionElements>" if rows else ""


def user(id_: str, inner: str = "", **said: str) -> str:
    """A user task; of the applicant, where nothing else is said."""
    return f'<userTask id="{id_}" name="{id_}">{properties(**(said or {"unit": "applicant"}))}{inner}</userTask>'


def element(tag: str, id_: str, inner: str = "", **attributes: str) -> str:
    """Any other element."""
    said = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f'<{tag} id="{id_}"{said}>{inner}</{tag}>'


def flows(*ways: str) -> str:
    """Sequence flows, each as `a>b` or `a>b if condition`."""
    drawn = []
    for way in ways:
        ends, _, condition = way.partition(" if ")
        source, target = ends.split(">")
        inner = f"<conditionExpression>{escape(condition)}</conditionExpression>" if condition else ""
        drawn.append(element("sequenceFlow", f"{source}-{target}", inner, sourceRef=source, targetRef=target))
    return "".join(drawn)


def process(*elements: str, before: str = "", id_: str = "tried") -> str:
    """A file with one process, begun at `s` and ended at `e`."""
    ends = element("startEvent", f"{'' if id_ == 'tried' else id_ + '-'}s") + element("endEvent", f"{'' if id_ == 'tried' else id_ + '-'}e")
    return f'{HEAD}{before}<process id="{id_}" name="{id_}" isExecutable="true">{ends}{"".join(elements)}</process></definitions>'


def timer(span: str) -> str:
    """A timer that runs out after `span`."""
    return f"<timerEventDefinition><timeDuration>{escape(span)}</timeDuration></timerEventDefinition>"


def many(over: str, item: str, collect: str, until: str = "", one_by_one: bool = False) -> str:
    """A multi-instance over a list of the case."""
    ends = f"<completionCondition>{escape(until)}</completionCondition>" if until else ""
    return (
        f'<multiInstanceLoopCharacteristics isSequential="{str(one_by_one).lower()}"><loopDataInputRef>{over}</loopDataInputRef>'
        f'<loopDataOutputRef>{collect}</loopDataOutputRef><inputDataItem id="{item}_" name="{item}"/>{ends}'
        "</multiInstanceLoopCharacteristics>"
    )


def table(id_: str, inputs: list[str], outputs: list[str], rules: list[list[str]], policy: str = "UNIQUE", more: str = "") -> str:
    """A DMN file with one decision table; each rule holds the cells of its inputs, then those of its outputs."""
    head = "".join(f'<input id="i{n}"><inputExpression id="x{n}"><text>{escape(e)}</text></inputExpression></input>' for n, e in enumerate(inputs))
    head += "".join(f'<output id="o{n}" name="{name}"/>' for n, name in enumerate(outputs))
    for n, cells in enumerate(rules):
        kinds = ["inputEntry"] * len(inputs) + ["outputEntry"] * (len(cells) - len(inputs))
        row = "".join(f'<{kind} id="c{n}-{m}"><text>{escape(cell)}</text></{kind}>' for m, (kind, cell) in enumerate(zip(kinds, cells, strict=True)))
        head += f'<rule id="r{n}">{row}</rule>'
    return (
        '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="file" name="file" namespace="x">'
        f'<decision id="{id_}" name="{id_}"><decisionTable id="t" hitPolicy="{policy}"{more}>{head}</decisionTable></decision></definitions>'
    )
