"""Policies as ODRL 2.2: the cases of a public test suite, and stored grants, evaluated by the same evaluator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from rdflib import Graph, Namespace, URIRef
from rdflib.namespace import DCTERMS, RDF
from rdflib.term import Node

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.sharing.grants import TERMS, Grant, ItemGrant, policy_of
from sanqu.sharing.odrl import ODRL, Asked, DutyState, Premise, RuleReport, World, evaluate, permitted, read_policy

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "odrl"
HELD = Path(__file__).parent / "odrl"
EX = Namespace("http://example.org/")
REPORT = Namespace("https://w3id.org/force/compliance-report#")
NOW = URIRef("http://example.com/request/currentTime")
KINDS = {REPORT.PermissionReport: "permission", REPORT.ProhibitionReport: "prohibition"}
PREMISES = {REPORT.TargetReport: "target", REPORT.PartyReport: "party", REPORT.ActionReport: "action"}
BIG = "urn:uuid:29b08c0a-97ea-41b1-b8e9-88400b1230cf"
# These two expect the report of a duty that belongs to another policy than the one evaluated.
OTHER_DUTY = {"testcase-066-bob-sell", "testcase-068-bob-write-y-past"}


def cases() -> list[Any]:
    found = sorted(CASES.glob("*.ttl"))
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason="../shared/conformance/odrl is not there"))]
    return [pytest.param(file, id=file.stem) for file in found]


@cache
def held(name: str) -> Graph:
    return Graph().parse(HELD / f"{name}.ttl", format="turtle")


@cache
def policy_named(uid: str) -> Graph:
    """One policy of the file: several number their constraints alike."""
    head, *policies = (HELD / "policies.ttl").read_text("utf-8").split("\n\n")
    (found,) = (text for text in policies if text.startswith(f"<{uid}> a odrl:Set"))
    return read_policy(f"{head}\n{found}")


def world_of(sotw: Node) -> World:
    graph = held("sotw")
    included = set(graph.objects(sotw, EX.includes))
    # Each world includes one moment; the file holds the moments of all.
    moments = {str(one) for one in (WORLDS[str(sotw)],)}
    parts = frozenset((str(s), str(o)) for s, o in graph.subject_objects(ODRL.partOf) if s in included)
    states: dict[Node, DutyState] = {REPORT.Fulfilled: "fulfilled", REPORT.NonSet: "nonset", REPORT.Violated: "violated"}
    duties = {
        str(graph.value(rule, REPORT.rule)): states[state]
        for policy in included
        for rule in graph.objects(policy, REPORT.ruleReport)
        if (state := graph.value(rule, REPORT.deonticState)) in states
    }
    return World(datetime.fromisoformat(moments.pop()), parts, duties)


WORLDS = {
    "urn:uuid:d63ea76e-0aed-4e4e-9a8c-0b7083ebc6e2": "2024-02-12T11:20:10.999Z",
    "urn:uuid:14ddb075-8be9-4014-acbb-58dabd93d5ee": "2025-02-12T11:20:10.999Z",
    "urn:uuid:192620fa-06d9-447b-adbd-bd1ece4f9b12": "2017-02-12T11:20:10.999Z",
    "urn:uuid:88fcb9ab-2216-49df-860f-3f2a1ac5c397": "2024-02-12T05:20:10.999Z",
    "urn:uuid:116a8435-a356-45f5-a20f-a1e593d4a55d": "2024-02-12T11:20:10.999Z",
    "urn:uuid:2e6995b1-1b7e-4463-9c18-fde444523fef": "2024-02-12T11:20:10.999Z",
    "urn:uuid:f048231b-b932-4248-a47d-8653a390247b": "2024-02-12T11:20:10.999Z",
    "urn:uuid:45625fcf-3563-4559-a901-a2b1b14bf94a": "2024-02-12T11:20:10.999Z",
    "urn:uuid:69ba5872-de47-40d3-bf36-a33b7d44f5bc": "2023-02-12T11:20:10.999Z",
    "urn:uuid:da98666e-e80d-429a-a839-1575f85a9b3c": "2024-02-12T11:20:10.999Z",
}


def asked_in(request: Node) -> Asked:
    graph = held("requests")
    rule = graph.value(request, ODRL.permission)
    return Asked(*(str(graph.value(rule, ODRL[name])) for name in ("assignee", "action", "target")))


def weekdays(report: Graph) -> Graph:
    """The policy of 9 to 17 on the weekdays of 2024: its days by the numbers that the report gives their constraints."""
    lines = [f"<{BIG}> odrl:permission <urn:uuid:f5d5f6d7-ef4b-43bc-9838-b79aef793883>."]
    lines.append(
        "<urn:uuid:f5d5f6d7-ef4b-43bc-9838-b79aef793883> odrl:assignee ex:alice; odrl:action odrl:read; odrl:target ex:x;"
    )
    (whole,) = report.subjects(REPORT.constraintLogicalOperand, ODRL["or"])
    root = report.value(whole, REPORT.constraint)
    lines.append(f"  odrl:constraint <{root}>.")
    for day in report.objects(whole, REPORT.premiseReport):
        lines.append(f"<{root}> odrl:or <{report.value(day, REPORT.constraint)}>.")
        leaves = list(report.objects(day, REPORT.premiseReport))
        met = [leaf for leaf in leaves if (leaf, REPORT.satisfactionState, REPORT.Satisfied) in report]
        told = {
            str(report.value(leaf, REPORT.constraintOperator)): report.value(leaf, REPORT.constraintRightOperand) for leaf in met
        }
        date = next(str(value)[:10] for value in told.values())
        for leaf in leaves:
            other = "gt" if str(ODRL.lt) in told else "lt"
            operator = str(report.value(leaf, REPORT.constraintOperator) or other).removeprefix(str(ODRL))
            hour = {"gt": "09", "lt": "17"}[operator]
            name = report.value(leaf, REPORT.constraint)
            lines.append(f"<{report.value(day, REPORT.constraint)}> odrl:and <{name}>.")
            lines.append(
                f'<{name}> odrl:leftOperand odrl:dateTime; odrl:operator odrl:{operator}; odrl:rightOperand "{date}T{hour}:00:00.000Z"^^xsd:dateTime.'
            )
    head = f"@prefix odrl: <{ODRL}>. @prefix ex: <{EX}>. @prefix xsd: <http://www.w3.org/2001/XMLSchema#>.\n"
    return read_policy(head + "\n".join(lines))


def expected_premise(report: Graph, one: Node) -> tuple[Any, ...]:
    met = (one, REPORT.satisfactionState, REPORT.Satisfied) in report
    kind = report.value(one, RDF.type)
    if kind in PREMISES:
        return PREMISES[kind], met
    logic = report.value(one, REPORT.constraintLogicalOperand)
    parts = tuple(sorted(expected_premise(report, part) for part in report.objects(one, REPORT.premiseReport)))
    said = str(logic or (report.value(one, REPORT.constraintOperator) if met else "")).removeprefix(str(ODRL))
    return "constraint", met, str(report.value(one, REPORT.constraint)), said, parts


def made_premise(one: Premise) -> tuple[Any, ...]:
    if one.kind != "constraint":
        return one.kind, one.satisfied
    parts = tuple(sorted(made_premise(part) for part in one.parts))
    return "constraint", one.satisfied, one.constraint, one.operator if one.satisfied or one.parts else "", parts


def expected(report: Graph) -> list[tuple[Any, ...]]:
    return [
        (
            kind, str(report.value(one, REPORT.rule)), (one, REPORT.activationState, REPORT.Active) in report,
            sorted(expected_premise(report, part) for part in report.objects(one, REPORT.premiseReport)),
            len(list(report.objects(one, REPORT.conditionReport))),
        )
        for type_, kind in KINDS.items() for one in report.subjects(RDF.type, type_)
    ]  # fmt: skip


def made(reports: list[RuleReport]) -> list[tuple[Any, ...]]:
    return [(one.kind, one.rule, one.active, sorted(map(made_premise, one.premises)), len(one.conditions)) for one in reports]


@pytest.mark.parametrize("file", cases())
def test_a_case_of_the_suite_evaluates_as_its_expected_report_says(file: Path) -> None:
    report = Graph().parse(file, format="turtle")
    (case,) = report.subjects(RDF.type, EX.TestCase)
    uid = str(report.value(case, EX.policy))
    policy = weekdays(report) if uid == BIG else policy_named(uid)
    request, sotw = report.value(case, EX.request), report.value(case, EX.sotw)
    assert request is not None and sotw is not None
    world = world_of(sotw)
    assert str(next(report.objects(None, DCTERMS.created)))[:19] == world.at.isoformat()[:19]
    found = made(evaluate(policy, asked_in(request), world, uid))
    wanted = expected(report)
    if file.stem in OTHER_DUTY:
        found, wanted = [one[:-1] for one in found], [one[:-1] for one in wanted]
    assert found == wanted


def test_the_suite_is_whole() -> None:
    if not CASES.is_dir():
        pytest.skip("../shared/conformance/odrl is not there")
    assert len(list(CASES.glob("*.ttl"))) == 34


def test_a_stored_grant_permits_what_it_gives_and_nothing_else() -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    grant = Grant(
        dataset="residents", assignee="unit:330802", purposes=("relief", "audit"), until=until, unit="330802",
        items=(ItemGrant(item="name", masks=({"kind": "keep", "first": 1, "last": 0},)), ItemGrant(item="income", uses=("aggregate",))),
    )  # fmt: skip
    policy = read_policy(orjson.dumps(policy_of(grant, uuid4(), "unit:civil")).decode(), format_="json-ld")
    asked = Asked("urn:sanqu:user:12", str(ODRL.read), "urn:sanqu:dataset:residents")
    world = World(
        until - timedelta(days=1), frozenset({("urn:sanqu:user:12", "urn:sanqu:unit:330802"), ("330802001", "330802")}),
        facts={"purpose": ("relief",), f"{TERMS}item": ("name",), f"{TERMS}unit": ("330802001",)},
    )  # fmt: skip
    assert permitted(evaluate(policy, asked, world))
    aggregate = replace(asked, action=str(ODRL.aggregate))
    income = replace(world, facts={**world.facts, f"{TERMS}item": ("income",)})
    assert permitted(evaluate(policy, aggregate, income))
    for who, where in (
        (asked, income),
        (aggregate, world),
        (asked, replace(world, at=until)),
        (asked, replace(world, facts={**world.facts, "purpose": ("debt",)})),
        (asked, replace(world, facts={**world.facts, f"{TERMS}unit": ("330803",)})),
        (asked, replace(world, facts={})),
        (replace(asked, assignee="urn:sanqu:user:13"), world),
        (replace(asked, target="urn:sanqu:dataset:shops"), world),
        (replace(asked, action=str(ODRL.sell)), world),
    ):
        assert not permitted(evaluate(policy, who, where))


@pytest.mark.parametrize("text", ["{", "[]", '{"@context": "http://127.0.0.1:1/x"}', '{"@context": [{"@import": "http://127.0.0.1:1/x"}]}',
                                  '{"permission": {"@context": "file:///etc/passwd"}}'])  # fmt: skip
def test_what_is_no_policy_or_would_fetch_something_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read_policy(text, format_="json-ld")


def test_a_prohibition_outweighs_a_permission_and_an_unknown_operator_meets_nothing() -> None:
    head = "@prefix odrl: <http://www.w3.org/ns/odrl/2/>. @prefix ex: <http://example.org/>.\n"
    asked, world = Asked(str(EX.alice), str(ODRL.read), str(EX.x)), World(datetime(2024, 1, 1, tzinfo=UTC))
    assert not permitted(
        evaluate(
            read_policy(head + "ex:p odrl:permission [odrl:action odrl:use]; odrl:prohibition [odrl:action odrl:read]."),
            asked,
            world,
        )
    )
    odd = read_policy(
        head
        + "ex:p odrl:permission [odrl:constraint [odrl:leftOperand odrl:dateTime; odrl:operator ex:near; odrl:rightOperand 1]]."
    )
    assert not permitted(evaluate(odd, asked, world))


def test_the_interface_says_which_rule_and_premise_decides(county: City, site_of_county: httpx.Client) -> None:
    with county.db.connection() as conn:
        key = {"Authorization": make_key(conn, SYSTEM, add_person(conn, SYSTEM, "zhou", "周", []), "k")}
    policy = "@prefix odrl: <http://www.w3.org/ns/odrl/2/>. <urn:p> odrl:permission [odrl:action odrl:read; odrl:target <urn:x>]."
    said = {"policy": policy, "format": "turtle", "assignee": "urn:a", "action": str(ODRL.read), "target": "urn:x"}
    assert site_of_county.post("/api/policies/evaluate", json=said).status_code == 401
    answer = site_of_county.post("/api/policies/evaluate", json=said, headers=key).json()
    assert answer["permitted"] is True
    other = site_of_county.post("/api/policies/evaluate", json=said | {"target": "urn:y"}, headers=key).json()
    assert (other["permitted"], [one["satisfied"] for one in other["rules"][0]["premises"]]) == (False, [False, True])
    assert site_of_county.post("/api/policies/evaluate", json=said | {"policy": "<"}, headers=key).status_code == 400
