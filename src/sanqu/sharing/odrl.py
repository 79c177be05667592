"""Evaluates ODRL 2.2 policies (Turtle or JSON-LD): which rules are active for a request in a state of the world, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from rdflib import BNode, Graph, Namespace
from rdflib import Literal as Value
from rdflib.namespace import RDF
from rdflib.term import Node

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

ODRL = Namespace("http://www.w3.org/ns/odrl/2/")
CONTEXT_URL = "http://www.w3.org/ns/odrl.jsonld"
LARGEST = 2_000_000
DEEPEST = 50

Kind = Literal["permission", "prohibition"]
DutyState = Literal["fulfilled", "nonset", "violated"]

# The context that policies name, as far as evaluation reads them; nothing is fetched.
CONTEXT: dict[str, Any] = {
    "@vocab": str(ODRL), "odrl": str(ODRL), "xsd": "http://www.w3.org/2001/XMLSchema#", "dct": "http://purl.org/dc/terms/",
    "rdf": str(RDF), "uid": "@id", "value": {"@id": "rdf:value", "@type": "@vocab"},
    **{name: {"@type": "@vocab"} for name in ("action", "leftOperand", "operator")},
    **{name: {"@type": "@id"} for name in ("target", "assignee", "assigner", "source", "profile", "partOf")},
}  # fmt: skip

# Actions of the ODRL vocabulary that another one includes, besides `use`, which includes all that `transfer` does not.
TRANSFERS = frozenset({"give", "sell"})
WITHIN = {
    "aggregate": "use", "extract": "reproduce", "move": "use", "play": "use", "print": "use", "read": "use", "reproduce": "use",
    "copy": "reproduce", "display": "play", "present": "use", "stream": "use", "textToSpeech": "use", "write": "modify",
    "appendTo": "modify", "install": "use", "uninstall": "use",
}  # fmt: skip
LOGICAL = ("and", "or", "xone", "andSequence")


@dataclass(frozen=True)
class Asked:
    """A request: who wants to do what with which asset, as IRIs."""

    assignee: str
    action: str
    target: str


@dataclass(frozen=True)
class World:
    """What holds when a policy is evaluated: the moment, who and what is part of which collection, duties, other operands.

    `facts` gives values of left operands by their IRI or, for those of ODRL, by their name.
    """

    at: datetime
    part_of: frozenset[tuple[str, str]] = frozenset()
    duties: Mapping[str, DutyState] = field(default_factory=dict)
    facts: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def is_part(self, one: str, whole: str) -> bool:
        """Whether `one` is `whole` or a part of it, at any depth."""
        seen: set[str] = set()
        waiting = [one]
        while waiting:
            here = waiting.pop()
            if here == whole:
                return True
            if here not in seen:
                seen.add(here)
                waiting.extend(above for part, above in self.part_of if part == here)
        return False


@dataclass(frozen=True)
class Premise:
    """One condition of a rule and whether it is met; `parts` are those of a logical constraint."""

    kind: Literal["target", "party", "action", "constraint"]
    satisfied: bool
    constraint: str = ""
    left: tuple[Any, ...] = ()
    operator: str = ""
    right: tuple[Any, ...] = ()
    parts: tuple[Premise, ...] = ()


@dataclass(frozen=True)
class RuleReport:
    """One rule: whether it is active, its premises, and the duties it depends on with their state."""

    kind: Kind
    rule: str
    active: bool
    premises: tuple[Premise, ...]
    conditions: tuple[tuple[str, DutyState], ...] = ()


def read_policy(text: str, *, format_: Literal["turtle", "json-ld"] = "turtle") -> Graph:
    """The triples of a policy; a JSON-LD policy may name ODRL's context, which is not fetched, and contexts of its own.

    Raises `BadInput` for what cannot be read, or would have to fetch another context.
    """
    if len(text) > LARGEST:
        raise _unfit("太大", "is too large")
    try:
        return Graph().parse(data=_local(text) if format_ == "json-ld" else text, format=format_)
    except BadInput:
        raise
    except Exception as fault:
        # rdflib's parsers raise what they please.
        raise _unfit(f"读不懂：{fault}", f"cannot be read: {fault}") from fault


def _local(text: str) -> str:
    said = json.loads(text)
    if not isinstance(said, dict):
        raise _unfit("不是 JSON 对象", "is no JSON object")
    given = said.get("@context", [])
    contexts = [CONTEXT if one == CONTEXT_URL else one for one in (given if isinstance(given, list) else [given])]
    said["@context"] = contexts
    if any(isinstance(one, str) for one in contexts) or _names_context(
        {**said, "@context": [c for c in contexts if c is not CONTEXT]}
    ):
        raise _unfit("引用了别处的 @context", "names a context elsewhere")
    return json.dumps(said)


def _names_context(said: Any) -> bool:
    """Whether a context further in is a link, or imports one: nothing is fetched for a policy."""
    if isinstance(said, list):
        return any(_names_context(one) for one in said)
    if not isinstance(said, dict):
        return False
    named = said.get("@context")
    links = named if isinstance(named, list) else [named]
    return "@import" in said or any(isinstance(one, str) for one in links) or any(_names_context(one) for one in said.values())


def _unfit(zh: str, en: str) -> BadInput:
    return BadInput(
        "sharing.odrl", Text(zh=f"ODRL 策略{zh}", en=f"The ODRL policy {en}"),
        Text(zh="写成 ODRL 2.2 的 Turtle 或 JSON-LD", en="Write it as ODRL 2.2 in Turtle or JSON-LD"),
    )  # fmt: skip


def evaluate(policy: Graph, asked: Asked, world: World, uid: str | None = None) -> list[RuleReport]:
    """Every rule of the policy (`uid` names one of several in the graph), with its premises and whether it is active.

    What is not understood is not satisfied.
    """
    rules = [
        (kind, policies, rule)
        for kind in get_args(Kind)
        for policies, rule in policy.subject_objects(ODRL[kind])
        if uid is None or str(policies) == uid
    ]
    return [_Rule(policy, rule, asked, world).report(kind) for kind, _, rule in rules]


def permitted(reports: Iterable[RuleReport]) -> bool:
    """Whether an active permission stands and no active prohibition does."""
    active = {report.kind for report in reports if report.active}
    return active == {"permission"}


class _Rule:
    """One rule in the making of its report."""

    def __init__(self, graph: Graph, rule: Node, asked: Asked, world: World) -> None:
        self._graph, self._rule, self._asked, self._world = graph, rule, asked, world

    def report(self, kind: Kind) -> RuleReport:
        premises = [*self._targets(), *self._parties(), *self._actions()]
        premises += [self._constraint(one, 0) for one in self._graph.objects(self._rule, ODRL.constraint)]
        duties = [str(one) for one in self._graph.objects(self._rule, ODRL.duty)]
        conditions = tuple((one, self._world.duties[one]) for one in duties if one in self._world.duties)
        active = all(one.satisfied for one in premises) and not any(state == "violated" for _, state in conditions)
        return RuleReport(kind, str(self._rule), active, tuple(premises), conditions)

    def _targets(self) -> list[Premise]:
        targets = list(self._graph.objects(self._rule, ODRL.target))
        return [Premise("target", any(self._is_of(self._asked.target, one) for one in targets))] if targets else []

    def _parties(self) -> list[Premise]:
        parties = list(self._graph.objects(self._rule, ODRL.assignee))
        return [Premise("party", any(self._is_of(self._asked.assignee, one) for one in parties))] if parties else []

    def _is_of(self, one: str, node: Node) -> bool:
        """Whether an asset or party is `node`, or in the collection that `node` is or refines."""
        wholes = [node, *self._graph.objects(node, ODRL.source)]
        if not any(not isinstance(whole, BNode) and self._world.is_part(one, str(whole)) for whole in wholes):
            return False
        return all(self._constraint(one, 0).satisfied for one in self._graph.objects(node, ODRL.refinement))

    def _actions(self) -> list[Premise]:
        actions = list(self._graph.objects(self._rule, ODRL.action))
        return [Premise("action", any(self._does(one) for one in actions))] if actions else []

    def _does(self, node: Node) -> bool:
        values = list(self._graph.objects(node, RDF.value)) or [node]
        if not any(str(value) in _at_or_above(self._asked.action) for value in values):
            return False
        return all(self._constraint(one, 0).satisfied for one in self._graph.objects(node, ODRL.refinement))

    def _constraint(self, node: Node, depth: int) -> Premise:
        if depth > DEEPEST:
            return Premise("constraint", False, _name(node))
        for logic in LOGICAL:
            parts = tuple(self._constraint(one, depth + 1) for one in self._listed(node, logic))
            if parts:
                met = [part.satisfied for part in parts]
                held = any(met) if logic == "or" else sum(met) == 1 if logic == "xone" else all(met)
                return Premise("constraint", held, _name(node), operator=logic, parts=parts)
        left = self._graph.value(node, ODRL.leftOperand)
        operator = str(self._graph.value(node, ODRL.operator) or "").removeprefix(str(ODRL))
        right = tuple(_plain(one) for one in self._graph.objects(node, ODRL.rightOperand))
        values = self._values(left)
        return Premise("constraint", self._holds(operator, values, right), _name(node), values, operator, right)

    def _listed(self, node: Node, logic: str) -> Iterable[Node]:
        for one in self._graph.objects(node, ODRL[logic]):
            if (one, RDF.first, None) in self._graph:
                yield from self._graph.items(one)
            else:
                yield one

    def _values(self, operand: Node | None) -> tuple[Any, ...]:
        if operand == ODRL.dateTime:
            return (self._world.at,)
        name = str(operand)
        return tuple(self._world.facts.get(name, self._world.facts.get(name.removeprefix(str(ODRL)), ())))

    def _holds(self, operator: str, left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
        if not left or not right:
            return False
        match operator:
            case "eq" | "isA":
                return set(left) == set(right)
            case "neq":
                return set(left) != set(right)
            case "isAnyOf":
                return bool(set(left) & set(right))
            case "isAllOf":
                return set(right) <= set(left)
            case "isNoneOf":
                return not set(left) & set(right)
            case "isPartOf":
                return any(self._world.is_part(str(one), str(whole)) for one in left for whole in right)
            case "hasPart":
                return any(self._world.is_part(str(one), str(whole)) for whole in left for one in right)
        return _ordered(operator, left[0], right[0])


def _ordered(operator: str, left: Any, right: Any) -> bool:
    try:
        match operator:
            case "lt":
                return bool(left < right)
            case "lteq":
                return bool(left <= right)
            case "gt":
                return bool(left > right)
            case "gteq":
                return bool(left >= right)
    except TypeError:
        return False
    return False


def _name(node: Node) -> str:
    return "" if isinstance(node, BNode) else str(node)


def _plain(value: Node) -> Any:
    """A right operand as a plain value; a moment without a zone is taken in UTC, so that it can be compared."""
    said = value.toPython() if isinstance(value, Value) else str(value)
    return said.replace(tzinfo=UTC) if isinstance(said, datetime) and said.tzinfo is None else said


def _at_or_above(action: str) -> set[str]:
    """The action and all that include it."""
    name = action.removeprefix(str(ODRL))
    found = {action}
    if name == action:
        return found
    while name in WITHIN:
        name = WITHIN[name]
        found.add(str(ODRL[name]))
    found.add(str(ODRL["transfer" if name in TRANSFERS or name == "transfer" else "use"]))
    return found
