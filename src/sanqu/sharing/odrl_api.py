"""The interface that evaluates an ODRL policy: one's own, a partner's, or that of a grant."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.ground.clock import now
from sanqu.ground.http import SignedIn
from sanqu.sharing.odrl import Asked, DutyState, World, evaluate, permitted, read_policy

api = APIRouter(tags=["规则 · Law"])

POLICY = "@prefix odrl: <http://www.w3.org/ns/odrl/2/>. <urn:p> odrl:permission [odrl:action odrl:use; odrl:target <urn:x>]."
EXAMPLE = {
    "policy": POLICY, "format": "turtle", "assignee": "urn:sanqu:user:12", "target": "urn:x",
    "action": "http://www.w3.org/ns/odrl/2/read", "facts": {"purpose": ["relief"]},
}  # fmt: skip


class Evaluated(BaseModel):
    """A policy, the request, and what holds: the moment, parts of collections, states of duties, values of operands."""

    model_config = ConfigDict(extra="forbid")

    policy: str = Given(max_length=2_000_000)
    format: Literal["turtle", "json-ld"] = "json-ld"
    assignee: str = Given(max_length=2000)
    action: str = Given(max_length=2000)
    target: str = Given(max_length=2000)
    at: AwareDatetime | None = None
    part_of: list[tuple[str, str]] = Given(default=[], max_length=10_000)
    duties: dict[str, DutyState] = {}
    facts: dict[str, list[str | int | float | bool | datetime]] = {}


@api.post("/api/policies/evaluate", summary="评估 ODRL 策略 · Evaluate an ODRL policy")
def evaluate_policy(
    _asker: SignedIn, said: Annotated[Evaluated, Body(openapi_examples={"one": {"value": EXAMPLE}})]
) -> dict[str, Any]:
    """Whether the policy permits the request, and each rule with its premises; nothing is read and nothing fetched."""
    facts = {name: tuple(values) for name, values in said.facts.items()}
    world = World(said.at or now(), frozenset(said.part_of), said.duties, facts)
    reports = evaluate(read_policy(said.policy, format_=said.format), Asked(said.assignee, said.action, said.target), world)
    return {"permitted": permitted(reports), "rules": [asdict(one) for one in reports]}
