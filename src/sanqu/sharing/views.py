"""A dataset as one asker may read it now: what a structured read (rows, file, chart, preview) is made over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import psycopg

from sanqu.catalog.records import Dataset
from sanqu.ground.city import City
from sanqu.ground.ear import Ear
from sanqu.ground.errors import Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract
from sanqu.lake.contracts import Field, FieldType
from sanqu.sharing.decide import Decision, WantedItem, Wish
from sanqu.sharing.law import Basis, DatasetLaw, bases_of, choose_basis, known_law, law_book, own_rows, why_closed
from sanqu.sharing.masks import masked_type
from sanqu.sharing.rewrite import Source, mark, relation

log = logging.getLogger(__name__)

# How old the snapshot of a remembered view may be; its law is never older than the last change.
REMEMBER_SECONDS = 0.2
CHANNELS = ("sanqu_law", "sanqu_lake")
FIELD_TYPES: dict[str, FieldType] = {
    "VARCHAR": "string", "BIGINT": "integer", "DOUBLE": "number", "BOOLEAN": "boolean", "DATE": "date", "TIME": "time",
    "TIMESTAMP": "datetime", "INTEGER": "year",
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """A dataset on the ground on which this asker may read it; `snapshot` is the newest that changed it.

    `contract` describes the items as they are seen: a hashed number is text. `items` are those that may be read.
    """

    asker: Asker
    purpose: str
    law: DatasetLaw
    basis: Basis
    contract: Contract
    items: tuple[str, ...]
    snapshot: int
    version: int

    @property
    def dataset(self) -> Dataset:
        """The dataset as the catalogue knows it."""
        return self.law.dataset

    @property
    def table(self) -> str:
        """The name of its table in the lake."""
        return self.law.contract.name

    @property
    def shared_by_all(self) -> bool:
        """Whether everyone reads the same: then an answer may be kept and given again."""
        return self.basis.ground == "open"

    def over(self, table: str) -> str:
        """What the asker sees of `table` (SQL, a snapshot or a copy of it), as SQL to read from; needs `prepare` before."""
        if self.basis.bare:
            return table
        source = Source(self.law.contract, self.basis, self.law.contract.least_group)
        seen = relation(source, self.dataset.name, self.items, {}, kept=True)
        return f"({seen.sql('duckdb', identify=True)}) AS seen".replace(mark(self.dataset.name), table)

    def prepare(self, duck: duckdb.DuckDBPyConnection) -> None:
        """Put what hashes are made with where `over` looks for it, out of the text of any query."""
        granted = self.basis.granted
        if granted is not None and any(mask.kind == "hash" for rule in self.basis.rules.values() for mask in rule.masks):
            duck.execute(f"SET VARIABLE _sanqu_secret_{granted.number} = ?", [granted.secret])


class Views:
    """Views by dataset and asker, as long as nothing changes: a watcher hears of every change as it commits."""

    MOST = 2048

    def __init__(self, city: City) -> None:
        self._city = city
        self._seen: dict[object, tuple[float, View]] = {}
        self._lock = threading.Lock()
        self._watching = threading.Event()
        self._ear = Ear()
        self._watcher: threading.Thread | None = None

    def get(self, key: object) -> View | None:
        """The view remembered, while it is fresh."""
        found = self._seen.get(key)
        return found[1] if found and found[0] > time.monotonic() and self._watching.is_set() else None

    def put(self, key: object, view: View) -> None:
        """Remember a view."""
        self._watch()
        with self._lock:
            if len(self._seen) >= self.MOST:
                self._seen.clear()
            self._seen[key] = (time.monotonic() + REMEMBER_SECONDS, view)

    def forget(self) -> None:
        """Forget every view: a law has changed, or a dataset has rows that were not there."""
        with self._lock:
            self._seen.clear()

    def _watch(self) -> None:
        with self._lock:
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._listen, name="sanqu-law", daemon=True)
                self._watcher.start()

    def _listen(self) -> None:
        while not self._ear.closed:
            try:
                with self._city.db.own_connection() as conn:
                    for channel in CHANNELS:
                        conn.execute(f"LISTEN {channel}")
                    self.forget()
                    self._watching.set()
                    while not self._ear.closed:
                        if self._ear.hear(conn, 0.5):
                            self.forget()
            except psycopg.Error:
                log.debug("the law's watcher lost its connection", exc_info=True)
            self._watching.clear()
            self.forget()
            self._ear.rest(1.0)

    def close(self) -> None:
        """Stop listening."""
        self._ear.close()
        if self._watcher is not None:
            self._watcher.join(2.0)


def _key(asker: Asker, name: str, purpose: str) -> tuple[object, ...]:
    return (name, asker.user_id, asker.key_id, asker.held, asker.rooms, purpose)


def remembered_view(city: City, asker: Asker, name: str, purpose: str = "") -> View | None:
    """The view of dataset `name`, if it was looked up a moment ago; never blocks."""
    return city.part(Views, Views).get((*_key(asker, name, purpose), None))


def view_of(
    city: City, asker: Asker, name: str, purpose: str = "", wanted: Sequence[str] = (), table: str | None = None
) -> View:  # fmt: skip
    """What `asker` may read of dataset `name` for `purpose`; of several grounds, the one with most of the `wanted` items.

    `table` names another table that a resource of the dataset has: the law is the dataset's, the items are the table's.

    Raises `NotFound`, or `Refused` with the clause and the smallest grant.
    """
    views = city.part(Views, Views)
    key = (*_key(asker, name, purpose), table)
    found = views.get(key)
    if found is not None and not wanted:
        return found
    version, snapshots = law_book(city).current([name])
    law = known_law(city, version, asker, name, table)
    tree = law_book(city).tree(version)
    basis = choose_basis(bases_of(law, asker, purpose, tree), wanted)
    if basis is None or not basis.plain_items:
        own = own_rows(law.contract, asker, tree) if asker.is_staff else None
        raise _refusal(law, asker, purpose, version, wanted or law.contract.names, "*" if own is not None else None)
    contract = law.contract if basis.bare else _as_seen(law.contract, basis)
    view = View(asker, purpose, law, basis, contract, basis.plain_items, snapshots.get(name, 0), version)
    if not wanted:
        views.put(key, view)
    return view


def view_naming(city: City, asker: Asker, name: str, purpose: str, named: Sequence[str]) -> View:
    """The view for a read that names these items, on the ground on which a query that names them is decided.

    Raises as `view_of`.
    """
    try:
        widest = view_of(city, asker, name, purpose)
    except Refused:
        if not named:
            raise
    else:
        if set(named) <= set(widest.items):
            return widest
    return view_of(city, asker, name, purpose, named)


def _as_seen(contract: Contract, basis: Basis) -> Contract:
    fields = tuple(_field_as_seen(field, basis) for field in contract.fields)
    return contract.model_copy(update={"fields": fields})


def _field_as_seen(field: Field, basis: Basis) -> Field:
    rule = basis.rules.get(field.name)
    if rule is None or not rule.masks:
        return field
    seen = masked_type(rule.masks, field)
    return field if seen == field.lake_type else field.model_copy(update={"type": FIELD_TYPES[seen], "unit": None})


def _refusal(law: DatasetLaw, asker: Asker, purpose: str, version: int, items: Sequence[str], unit: str | None) -> Refused:
    name = law.dataset.name
    closed = [(name, why_closed(law, asker, purpose, item)) for item in items]
    wished = [item for item in items if law.contract.grade_of(item) != "L4"]
    grantable = bool(wished) and law.dataset.sharing != "none"
    wish = Wish(name, tuple(WantedItem(item, ("plain",)) for item in wished), purpose, unit, law.dataset.unit, grantable)
    decision = Decision(version, purpose, (), tuple(closed), (wish,))
    if len(items) < len(law.contract.names):
        return decision.refusal()
    first = closed[0][1]
    told = decision.refusal()
    return Refused(
        "sharing.closed",
        Text(
            zh=f"这个数据集不能直接读取：{first.why.zh}（{first.clause}）",
            en=f"This dataset cannot be read without more ado: it {first.why.en} ({first.clause})",
        ),
        told.todo,
        name,
        facts=told.facts | {"steward": law.dataset.unit, "opening": law.dataset.opening},
    )
