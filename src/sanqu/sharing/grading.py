"""Grades as stewards work with them: what values were found to be, which items are graded too low, and changing the law."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract, lake_of
from sanqu.lake.contracts import Grade, Identifies, Opening, Sharing, Use
from sanqu.sharing.detect import Finding, inspect_dataset, too_low

log = logging.getLogger(__name__)

FORGET = "DELETE FROM sharing_finding WHERE dataset = %s"
ADD = "INSERT INTO sharing_finding (dataset, item, kind, share, checked, grade, reason) VALUES (%s, %s, %s, %s, %s, %s, %s)"
INSPECTED = """
INSERT INTO sharing_inspected (dataset, snapshot) VALUES (%s, %s)
ON CONFLICT (dataset) DO UPDATE SET snapshot = excluded.snapshot, at = now()
"""
FOUND = "SELECT item, kind, share, checked, grade, reason FROM sharing_finding WHERE dataset = %s ORDER BY item"
TO_INSPECT = """
SELECT k.name, k.contract, l.snapshot FROM catalog_dataset k JOIN lake_dataset l ON l.name = k.contract
LEFT JOIN sharing_inspected i ON i.dataset = k.name
WHERE k.state <> 'deleted' AND l.snapshot > 0 AND i.snapshot IS DISTINCT FROM l.snapshot ORDER BY k.name
"""
NEWEST = "SELECT k.contract, l.snapshot FROM catalog_dataset k JOIN lake_dataset l ON l.name = k.contract WHERE k.name = %s"


class ItemLaw(BaseModel):
    """What a steward sets for one item; `grade` empty means the dataset's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grade: Grade | None = None
    uses: tuple[Use, ...] = ("plain",)
    identifies: Identifies | None = None


class DatasetRules(BaseModel):
    """What a steward sets for a dataset and its items; items left out stay as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grade: Grade
    sharing: Sharing
    opening: Opening
    least_group: int = 5
    items: Mapping[str, ItemLaw] = {}


def set_rules(city: City, actor: Asker, contract: Contract, rules: DatasetRules) -> Contract:
    """Change grade, types and uses; what is read next is read under them. Raises `BadInput` where they contradict."""
    said = contract.descriptor()
    said |= {"grade": rules.grade, "sharing": rules.sharing, "opening": rules.opening, "least_group": rules.least_group}
    for item in rules.items:
        contract.field(item)
    said["fields"] = [_with_rules(field, rules.items.get(str(field["name"]))) for field in said["fields"]]
    changed = Contract.from_descriptor(said)
    register_contract(city, changed, actor.label)
    return changed


def _with_rules(field: dict[str, Any], law: ItemLaw | None) -> dict[str, Any]:
    if law is None:
        return field
    kept = {key: value for key, value in field.items() if key not in ("grade", "uses", "identifies")}
    return kept | law.model_dump(mode="json", exclude_defaults=True)


def inspect(city: City, dataset: str) -> list[Finding]:
    """Look at a dataset's values and keep what they are found to be."""
    row = city.db.one(NEWEST, (dataset,))
    found = inspect_dataset(city, str(row["contract"])) if row else []
    with city.db.connection() as conn:
        conn.execute(FORGET, (dataset,))
        for one in found:
            conn.execute(ADD, (dataset, one.item, one.kind, one.share, one.checked, one.grade, Jsonb(one.reason.model_dump())))
        if row:
            conn.execute(INSPECTED, (dataset, row["snapshot"]))
    return found


def findings_of(city: City, dataset: str) -> list[Finding]:
    """What was found when the dataset was last looked at."""
    return [
        Finding(
            row["item"], row["kind"], float(row["share"]), int(row["checked"]), row["grade"], Text.model_validate(row["reason"])
        )
        for row in city.db.all(FOUND, (dataset,))
    ]


def flagged(contract: Contract, findings: Sequence[Finding]) -> dict[str, Finding]:
    """The items whose declared grade is lower than their values show."""
    there = [one for one in findings if one.item in contract.names]
    return {one.item: one for one in too_low(contract, there)}


@job("sharing.inspect", every="41 2 * * *")
def inspect_what_changed(city: City) -> None:
    """Every night, look at the datasets whose rows have changed since they were last looked at."""
    for row in city.db.all(TO_INSPECT):
        try:
            low = flagged(lake_of(city).contract(str(row["contract"])), inspect(city, str(row["name"])))
            if low:
                log.warning("%s: graded lower than the values show: %s", row["name"], ", ".join(sorted(low)))
        except SanquError:
            log.warning("%s could not be looked at", row["name"], exc_info=True)
