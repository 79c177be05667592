"""What the city holds of an applicant (数据免填): read through the door, on the applicant's consent to this one purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sanqu.affairs.catalogue import Offered, StandingGrant, Who
from sanqu.catalog.records import dataset_by_key
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import NotFound, Refused
from sanqu.ground.facts import fact
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, SYSTEM_ID, Asker, Role
from sanqu.lake import Contract, lake_of, quote_ident
from sanqu.sharing.door import Question, ask
from sanqu.sharing.grants import Grant, ItemGrant, add_grant, grants_on, withdraw_grant
from sanqu.sharing.my_data import Identity, identities_of

UNIT = "SELECT code, path FROM org_unit WHERE code = %s"
# More rows than these of one person are no list to choose from.
MOST_ROWS = 20


@dataclass(frozen=True)
class Source:
    """A dataset that may fill a form: whose it is, which items of it are read, under which title."""

    dataset: str
    title: Text
    unit: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """What was found: the rows of each dataset, as texts, numbers and yes or no; empty where consent was not given."""

    rows: Mapping[str, tuple[dict[str, Any], ...]]
    picked: Mapping[str, int]

    def row(self, dataset: str) -> dict[str, Any] | None:
        """The row of a dataset that fills the form."""
        found = self.rows.get(dataset, ())
        return found[min(self.picked.get(dataset, 0), len(found) - 1)] if found else None

    def value(self, source: str) -> Any:
        """The value of an item such as `residents.name`; None where the city does not hold it."""
        dataset, _, item = source.partition(".")
        return (self.row(dataset) or {}).get(item)

    def names(self) -> dict[str, Any]:
        """What rules see: each dataset under its name with `_` for `-`, None where nothing is held."""
        return {dataset.replace("-", "_"): self.row(dataset) for dataset in self.rows}


NOTHING = Held({}, {})


def window_unit(city: City) -> str:
    """The unit that runs the window (一窗); raises `NotFound` in a city whose pack says none."""
    unit = fact(city, "affairs.window", "")
    if not unit:
        raise NotFound(
            "affairs.no-window",
            Text(zh="本市没有政务服务窗口", en="The city has no window for affairs"),
            Text(zh="在城市包的 affairs.toml 里写明 window", en="Say `window` in affairs.toml of the city pack"),
        )
    return str(unit)


def reader_of(city: City) -> Asker:
    """The window as it asks the door: an officer of its unit and nothing more, so that grants decide what it reads."""
    row = city.db.one(UNIT, (window_unit(city),))
    assert row is not None
    return Asker("window", SYSTEM_ID, held=(Role("officer", str(row["code"]), str(row["path"])),))


def keep_grants(city: City, conn: Connection, window: str, wanted: Sequence[StandingGrant]) -> None:
    """Keep the window's grants as the city pack says them, each on consent; what has changed is withdrawn and granted anew."""
    for one in wanted:
        contract = lake_of(city).contract(one.dataset)
        grant = Grant(
            dataset=one.dataset, assignee=f"unit:{window}", items=tuple(ItemGrant(item=item) for item in one.items), purposes=one.things,
            consent=True, ground=one.ground,
        )  # fmt: skip
        standing = [old for old in grants_on(conn, [one.dataset]) if old.grant.assignee == grant.assignee and old.grant.consent]
        if any(old.grant.model_copy(update={"begins": None}) == grant for old in standing):
            continue
        for old in standing:
            withdraw_grant(conn, SYSTEM, old.id)
        add_grant(conn, SYSTEM, grant, contract, contract.steward)


def identity_of(city: City, asker: Asker, who: Who) -> Identity | None:
    """What the asker is known by, as a person or for an enterprise; None for one whose identity nobody has checked."""
    return next((one for one in identities_of(city, asker) if one.kind == who), None)


def sources_of(city: City, offered: Offered) -> list[Source]:
    """The datasets that may fill the form of a thing, as the consent that is asked names them."""
    found = []
    with city.db.connection() as conn:
        for dataset in offered.datasets:
            record = dataset_by_key(conn, dataset, ["admin"])
            if record is not None:
                items = tuple(item.source.partition(".")[2] for item in offered.items if item.dataset == dataset)
                found.append(Source(dataset, record.title, record.unit, items))
    return found


def read_held(city: City, offered: Offered, subject: Identity, picked: Mapping[str, int] | None = None) -> Held:
    """What the city holds of `subject` for a thing, each dataset by one question to the door with the thing as its purpose.

    Where the subject has not consented to the purpose, nothing is found: the grants say so, not this room.
    """
    reader = reader_of(city)
    rows = {dataset: _rows_of(city, reader, dataset, offered.code, subject) for dataset in offered.datasets}
    return Held(rows, dict(picked or {}))


def _rows_of(city: City, reader: Asker, dataset: str, purpose: str, subject: Identity) -> tuple[dict[str, Any], ...]:
    with city.db.connection() as conn:
        granted = [
            one for one in grants_on(conn, [dataset]) if one.grant.assignee == f"unit:{reader.held[0].unit}" and purpose in one.grant.purposes
        ]
    key = _key(lake_of(city).contract(dataset), subject) if granted else None
    if key is None:
        return ()
    items = ", ".join(quote_ident(item.item) for item in granted[0].grant.items)
    sql = f"SELECT {items} FROM {quote_ident(dataset)} WHERE {quote_ident(key)} = $subject"
    try:
        answer = ask(city, reader, Question(sql, purpose, {"subject": subject.value}, rows=MOST_ROWS, via="affairs"))
    except (NotFound, Refused):
        # Without a grant in force the form is typed; the refusal is in the ledger.
        return ()
    return tuple({name: _plain(value) for name, value in row.items()} for row in answer.table.to_pylist())


def _key(contract: Contract, subject: Identity) -> str | None:
    """The item that says whose a row is: the first that names a person or an enterprise, whose consent it needs."""
    return next((item.name for item in contract.fields if item.identifies == subject.kind), None)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
