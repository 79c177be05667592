"""Lineage over HTTP: where each item of a dataset comes from."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from sanqu.catalog.browse import show
from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.http import Asking, InCity
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.lines.keeping import lines, refuse_stranger, runs
from sanqu.lines.lineage import From, columns_of
from sanqu.lines.openlineage import event_of_run
from sanqu.lines.records import Line

router = APIRouter(prefix="/api/lineage", tags=["血缘 · Lineage"])


class Origin(BaseModel):
    """One thing that an item is made of: a column of a line's source, or an item of a dataset that is looked up."""

    line: str
    kind: str
    dataset: str | None
    item: str


class LineageShown(BaseModel):
    """A dataset's items with their origins; `events` (OpenLineage, each line's last run) for those who answer for it."""

    dataset: str
    items: dict[str, list[Origin]]
    events: list[dict[str, Any]]


def origins_of(city: City, asker: Asker, dataset: str) -> dict[str, list[Origin]]:
    """What each item of a dataset is made of, by every line that writes to it; datasets the asker may not know of have no name."""
    known: dict[str, bool] = {"": True}

    def origin(line: Line, one: From) -> Origin:
        if one.dataset not in known:
            known[one.dataset] = _may_know(city, asker, one.dataset)
        if not known[one.dataset]:
            return Origin(line=line.name, kind="closed", dataset=None, item="…")
        return Origin(line=line.name, kind=line.source.kind, dataset=one.dataset or None, item=one.item)

    contract = lake_of(city).contract(dataset)
    found: dict[str, list[Origin]] = {name: [] for name in contract.names}
    for line in lines(city, dataset=dataset):
        for item, parts in columns_of(line, contract, lake_of(city).contract).items():
            found[item] += [origin(line, one) for one in parts]
    return found


def _may_know(city: City, asker: Asker, dataset: str) -> bool:
    try:
        show(city, dataset, asker)
    except SanquError:
        return False
    return True


@router.get("/{dataset}", summary="字段血缘 · Where items come from")
def lineage(city: InCity, asker: Asking, dataset: str) -> LineageShown:
    """Each item of a dataset with the columns and items that it is made of."""
    shown = show(city, dataset, asker)
    if shown.contract is None:
        return LineageShown(dataset=dataset, items={}, events=[])
    events = []
    if _answers_for(city, shown.contract, asker):
        for line in lines(city, dataset=shown.contract):
            events += [event_of_run(city, line, run) for run in runs(city, line=line.name, limit=1)]
    return LineageShown(dataset=dataset, items=origins_of(city, asker, shown.contract), events=events)


def _answers_for(city: City, dataset: str, asker: Asker) -> bool:
    try:
        refuse_stranger(city, dataset, asker)
    except SanquError:
        return False
    return True
