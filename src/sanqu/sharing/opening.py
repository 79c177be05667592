"""Decides whether an asker may read the rows of a dataset through the open doors, and says why not."""

from __future__ import annotations

from dataclasses import dataclass

from sanqu.catalog.records import Dataset
from sanqu.ground.errors import NotFound, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract


@dataclass(frozen=True)
class Opened:
    """A dataset whose rows this asker may read now."""

    dataset: Dataset
    contract: Contract
    items: tuple[str, ...]


# Grades that never leave through an open door, whatever the opening type of the dataset (DB33/T 2351 practice).
CLOSED_GRADES = frozenset({"L3", "L4"})


def decide_opening(dataset: Dataset, contract: Contract, asker: Asker, unit_path: str) -> Opened:
    """The items `asker` may read of `dataset`; raises `Refused` with the reason and the way in.

    Open to everyone: published, opened without conditions. Its steward (and those above) may always read. Items graded
    L3 or L4 are left out for everyone else.
    """
    if asker.may_steward(unit_path):
        return Opened(dataset, contract, contract.names)
    if dataset.state != "published":
        raise NotFound(
            "sharing.unpublished",
            Text(zh="没有这个已发布的数据集", en="There is no such published dataset"),
            Text(zh="从目录里选择", en="Choose one from the catalogue"),
            dataset.name,
        )
    if dataset.opening != "unconditional":
        raise Refused(
            "sharing.not-open",
            Text(zh="这个数据集没有无条件开放", en="This dataset is not open without conditions"),
            Text(
                zh=f"向数据责任单位 {contract.steward} 申请",
                en=f"Apply to the unit that answers for it: {contract.steward}",
            ),
            dataset.name,
            facts={"opening": dataset.opening, "steward": contract.steward},
        )
    items = tuple(item.name for item in contract.fields if (item.grade or contract.grade) not in CLOSED_GRADES)
    if not items:
        raise Refused(
            "sharing.all-closed",
            Text(
                zh="这个数据集的数据项都在 L3 及以上，不开放",
                en="Every item of this dataset is graded L3 or above and stays closed",
            ),
            Text(
                zh=f"向数据责任单位 {contract.steward} 申请",
                en=f"Apply to the unit that answers for it: {contract.steward}",
            ),
            dataset.name,
            facts={"steward": contract.steward},
        )
    return Opened(dataset, contract, items)
