"""The law over a dataset: on which grounds an asker may read which of its items, and why not the others."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.records import Dataset, dataset_by_key, unit_paths
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract, lake_of
from sanqu.lake.contracts import Use
from sanqu.sharing.grants import Granted, grants_on, masks_of
from sanqu.sharing.masks import Mask

Ground = Literal["steward", "open", "shared", "grant"]

# Grades that are read without a grant where the dataset opens or is shared without conditions (DB33/T 2351 practice).
FREE_GRADES = frozenset({"L1", "L2"})
# A division is a place; a department is none, and stands for the place it belongs to.
PLACES = frozenset({"city", "county", "town", "village", "grid"})

CLOCK = """
SELECT c.seq, d.name, d.snapshot FROM law_clock c
LEFT JOIN (SELECT k.name, l.snapshot FROM catalog_dataset k JOIN lake_dataset l ON l.name = k.contract
           WHERE k.name = ANY(%s)) d ON true
"""
CONSENTS = "SELECT purpose, subject FROM sharing_consent WHERE dataset = %s AND withdrawn IS NULL"
TREE = "SELECT code, kind, path FROM org_unit"


@dataclass(frozen=True)
class Rule:
    """How one item may be used on a ground: the uses of its values, after the masks."""

    item: str
    uses: tuple[Use, ...] = ("plain",)
    masks: tuple[Mask, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether its values, masked or not, may be read."""
        return "plain" in self.uses


@dataclass(frozen=True)
class RowScope:
    """Only rows whose `item` names one of `codes`: the units at and below `units`."""

    item: str
    units: tuple[str, ...]
    codes: frozenset[str]


@dataclass(frozen=True)
class Basis:
    """A ground on which a dataset may be read: `rules` by item, the rows, and the clause that says so."""

    ground: Ground
    clause: str
    rules: Mapping[str, Rule]
    scope: RowScope | None = None
    granted: Granted | None = None
    purpose: str = ""
    # Where a grant rests on consent: the rows of those who gave it.
    consented: RowScope | None = None

    @property
    def plain_items(self) -> tuple[str, ...]:
        """The items whose values may be read, in the contract's order."""
        return tuple(item for item, rule in self.rules.items() if rule.plain)

    @property
    def narrowed(self) -> tuple[RowScope, ...]:
        """What each row that is read must satisfy."""
        return tuple(scope for scope in (self.scope, self.consented) if scope is not None)

    @property
    def bare(self) -> bool:
        """Whether the table can be read as it lies: every row, no mask."""
        return not self.narrowed and not any(rule.masks for rule in self.rules.values())


@dataclass(frozen=True)
class Closed:
    """Why an item is not readable: the clause that closes it, in words, and whether a grant could open it."""

    item: str
    clause: str
    why: Text
    grantable: bool = True


@dataclass(frozen=True)
class DatasetLaw:
    """A dataset with all that decides over it; the same for every asker."""

    dataset: Dataset
    contract: Contract
    unit_path: str
    audience: frozenset[str] = field(default=frozenset())
    grants: tuple[Granted, ...] = ()
    # Who has consented, by purpose.
    consents: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tree:
    """The org tree as row scopes need it: kind and path of every unit, and who lies at or below it."""

    kinds: Mapping[str, str]
    paths: Mapping[str, str]

    def place_of(self, code: str) -> str | None:
        """The division that a unit is or belongs to."""
        steps = self.paths.get(code, "").strip("/").split("/")
        return next((step for step in reversed(steps) if self.kinds.get(step) in PLACES), None)

    def below(self, codes: Iterable[str]) -> frozenset[str]:
        """These units and everything under them."""
        paths = tuple(self.paths[code] for code in codes if code in self.paths)
        return frozenset(code for code, path in self.paths.items() if path.startswith(paths)) if paths else frozenset()


class LawBook:
    """The laws of this process, kept as long as no law changes (`version`)."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._version = -1
        self._laws: dict[tuple[str, str | None], DatasetLaw | None] = {}
        self._tree: Tree | None = None
        self._lock = threading.Lock()

    def current(self, names: Sequence[str]) -> tuple[int, dict[str, int]]:
        """The number of the law now, and the newest snapshot of each dataset; one question to the database."""
        rows = self._city.db.all(CLOCK, (list(names),))
        return int(rows[0]["seq"]), {str(row["name"]): int(row["snapshot"]) for row in rows if row["name"]}

    def law(self, version: int, name: str, table: str | None = None) -> DatasetLaw | None:
        """The law over dataset `name` at `version`; None where there is no dataset with rows of that name.

        With `table`, over another table that a resource of the dataset has.
        """
        with self._lock:
            self._turn(version)
            if (name, table) in self._laws:
                return self._laws[name, table]
        with self._city.db.connection() as conn:
            read = _read_law(self._city, conn, name, table)
        with self._lock:
            if self._version == version:
                self._laws[name, table] = read
        return read

    def tree(self, version: int) -> Tree:
        """The org tree at `version`."""
        with self._lock:
            self._turn(version)
            if self._tree is None:
                rows = self._city.db.all(TREE)
                self._tree = Tree({r["code"]: r["kind"] for r in rows}, {r["code"]: r["path"] for r in rows})
            return self._tree

    def _turn(self, version: int) -> None:
        if version != self._version:
            self._version, self._laws, self._tree = version, {}, None


def law_book(city: City) -> LawBook:
    """The laws as this process knows them."""
    return city.part(LawBook, LawBook)


def _read_law(city: City, conn: Connection, name: str, table: str | None) -> DatasetLaw | None:
    dataset = dataset_by_key(conn, name, ["admin"])
    # By its name only: an id is no name that a query may use.
    table = table or (dataset.contract if dataset is not None else None)
    if dataset is None or table is None or dataset.name != name:
        return None
    row = conn.execute("SELECT audience FROM catalog_dataset WHERE name = %s", (name,)).fetchone()
    path = unit_paths(conn, [dataset.unit]).get(dataset.unit, "/?/")
    grants = tuple(grants_on(conn, [name]))
    contract = lake_of(city).contract(table)
    consents: dict[str, set[str]] = {}
    if any(one.grant.consent for one in grants):
        for given in conn.execute(CONSENTS, (name,)):
            consents.setdefault(str(given["purpose"]), set()).add(str(given["subject"]))
    agreed = {purpose: frozenset(subjects) for purpose, subjects in consents.items()}
    return DatasetLaw(dataset, contract, path, frozenset(row["audience"]) if row else frozenset(), grants, agreed)


def knows_of(asker: Asker, law: DatasetLaw) -> bool:
    """Whether the asker may know that the dataset is there."""
    return bool(law.audience.intersection(tokens_of(asker))) or any(covers(granted, asker) for granted in law.grants)


def known_law(city: City, version: int, asker: Asker, name: str, table: str | None = None) -> DatasetLaw:
    """The law over `name`; raises `NotFound` where there is none, or the asker may not know of it: in the same words."""
    law = law_book(city).law(version, name, table)
    if law is None or not knows_of(asker, law):
        raise not_found(Text(zh="可读取的数据集", en="dataset with rows"), name)
    return law


def covers(granted: Granted, asker: Asker) -> bool:
    """Whether the asker is whom a grant was given to: the person, the key, the room, or one with a role at or below the unit."""
    kind, _, whom = granted.grant.assignee.partition(":")
    match kind:
        case "user":
            return whom == str(asker.user_id)
        case "key":
            return whom == str(asker.key_id)
        case "unit":
            return any(f"/{whom}/" in role.path for role in asker.held)
        case _:
            return whom in asker.rooms


def bases_of(law: DatasetLaw, asker: Asker, purpose: str, tree: Tree) -> list[Basis]:
    """Every ground on which the asker may read something of the dataset for `purpose`, the widest first."""
    if asker.may_steward(law.unit_path):
        return [Basis("steward", f"steward={law.dataset.unit}", {name: Rule(name) for name in law.contract.names})]
    free = [basis for basis in (_open(law), _shared(law, asker, tree)) if basis is not None and basis.rules]
    granted = [_granted(law, asker, purpose, tree, one, free) for one in usable_grants(law, asker, purpose)]
    return sorted([*granted, *free], key=lambda basis: (basis.scope is not None, -len(basis.rules)))


def usable_grants(law: DatasetLaw, asker: Asker, purpose: str) -> list[Granted]:
    """The grants that cover the asker and the purpose now."""
    at = now()
    return [one for one in law.grants if one.holds_at(at) and purpose in one.grant.purposes and covers(one, asker)]


def _open(law: DatasetLaw) -> Basis | None:
    if law.dataset.state != "published" or law.dataset.opening != "unconditional":
        return None
    return Basis("open", "opening=unconditional", _free_rules(law.contract))


def _shared(law: DatasetLaw, asker: Asker, tree: Tree) -> Basis | None:
    if law.dataset.state != "published" or law.dataset.sharing != "unconditional" or not asker.is_staff:
        return None
    scope = own_rows(law.contract, asker, tree)
    return Basis("shared", "sharing=unconditional", _free_rules(law.contract), scope)


def _free_rules(contract: Contract) -> dict[str, Rule]:
    return {item.name: Rule(item.name, item.uses) for item in contract.fields if contract.grade_of(item.name) in FREE_GRADES}


def own_rows(contract: Contract, asker: Asker, tree: Tree) -> RowScope | None:
    """The rows of the places at which the asker holds a role; None where that is the whole city, or rows name no unit."""
    if contract.unit_item is None:
        return None
    places = {place for role in asker.held if (place := tree.place_of(role.unit)) is not None}
    if any(tree.kinds[place] == "city" for place in places):
        return None
    return RowScope(contract.unit_item, tuple(sorted(places)), tree.below(places))


def _granted(
    law: DatasetLaw, asker: Asker, purpose: str, tree: Tree, granted: Granted, free: Sequence[Basis]
) -> Basis:  # fmt: skip
    grant = granted.grant
    scope = _rows_of_grant(law.contract, asker, tree, grant.unit)
    rules = _beside(free, scope)
    rules |= {given.item: Rule(given.item, given.uses, masks_of(given, law.contract)) for given in grant.items}
    ordered = {name: rules[name] for name in law.contract.names if name in rules}
    consented = None
    if grant.consent:
        agreed = law.consents.get(purpose, frozenset())
        consented = RowScope(law.contract.subject_items[0], (), agreed)
    return Basis("grant", f"grant {granted.number}", ordered, scope, granted, purpose, consented)


def _beside(free: Sequence[Basis], scope: RowScope | None) -> dict[str, Rule]:
    """What needs no grant may be read beside what does, where it may be read on all the rows of the grant."""
    beside: dict[str, Rule] = {}
    for basis in free:
        if basis.scope is None or (scope is not None and scope.codes <= basis.scope.codes):
            beside |= basis.rules
    return beside


def _rows_of_grant(contract: Contract, asker: Asker, tree: Tree, unit: str | None) -> RowScope | None:
    if unit is None or contract.unit_item is None:
        return None
    if unit == "*":
        return own_rows(contract, asker, tree)
    return RowScope(contract.unit_item, (unit,), tree.below([unit]))


def choose_basis(bases: Sequence[Basis], wanted: Iterable[str]) -> Basis | None:
    """The ground that covers most of the wanted items (in any use); of equals the first, which is the widest."""
    names = set(wanted)
    return max(bases, key=lambda basis: len(names & basis.rules.keys()), default=None)


def why_closed(law: DatasetLaw, asker: Asker, purpose: str, item: str) -> Closed:
    """The clause that keeps `item` from the asker."""
    contract, dataset = law.contract, law.dataset
    grade = contract.grade_of(item)
    lapsed = next((one for one in law.grants if covers(one, asker) and item in {g.item for g in one.grant.items}), None)
    if lapsed is not None:
        return _lapsed(lapsed, item, purpose)
    if dataset.sharing == "none":
        return Closed(item, "sharing=none", Text(zh="不予共享", en="is not shared"), grantable=False)
    if grade not in FREE_GRADES and (dataset.opening == "unconditional" or dataset.sharing == "unconditional"):
        return Closed(item, f"grade={grade}", Text(zh=f"分级为 {grade}", en=f"is graded {grade}"))
    if dataset.state != "published":
        return Closed(
            item, f"state={dataset.state}", Text(zh="所在数据集未发布", en="belongs to a dataset that is not published")
        )
    # Rooms are given data by sharing, as staff are.
    if asker.is_staff or asker.rooms:
        return Closed(item, f"sharing={dataset.sharing}", Text(zh="有条件共享", en="is shared on conditions"))
    return Closed(item, f"opening={dataset.opening}", Text(zh="没有无条件开放", en="is not open without conditions"))


def _lapsed(granted: Granted, item: str, purpose: str) -> Closed:
    grant, clause = granted.grant, f"grant {granted.number}"
    if purpose not in grant.purposes:
        asked = "、".join(grant.purposes)
        return Closed(
            item, f"{clause}, purpose",
            Text(zh=f"的授权用途是：{asked}；这次说的是：{purpose or '（没有说）'}",
                 en=f"was granted for: {', '.join(grant.purposes)}; this read states: {purpose or '(nothing)'}"),
        )  # fmt: skip
    return Closed(item, f"{clause}, until", Text(zh="的授权不在有效期内", en="was granted for another time"))


def with_items(basis: Basis, items: Iterable[str]) -> Basis:
    """The same ground, narrowed to some items."""
    kept = set(items)
    return replace(basis, rules={item: rule for item, rule in basis.rules.items() if item in kept})
