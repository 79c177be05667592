"""Decides about a query: allowed, with what limits, or refused, by which clause, and what grant would be enough."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import NotFound, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake.allowed import parse_query
from sanqu.lake.contracts import Use
from sanqu.sharing.contexts import allows, context_of
from sanqu.sharing.grants import Granted
from sanqu.sharing.law import (
    Basis,
    Closed,
    DatasetLaw,
    Tree,
    bases_of,
    choose_basis,
    known_law,
    law_book,
    own_rows,
    why_closed,
)  # fmt: skip
from sanqu.sharing.resolve import Occurrence, Resolved, Unresolved, names_in, resolve
from sanqu.sharing.rewrite import Rewritten, Source, rewrite


@dataclass(frozen=True)
class ItemUse:
    """What a query does with one item, and what the law makes of it."""

    item: str
    contexts: tuple[Use, ...]
    uses: tuple[Use, ...]
    masks: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableUse:
    """One dataset in a query: the ground it is read on, its items, the units whose rows are seen (None: every row)."""

    dataset: str
    contract: str
    title: Text
    basis: Basis
    items: tuple[ItemUse, ...]
    units: tuple[str, ...] | None
    least: int | None
    left_out: tuple[str, ...] = ()

    @property
    def granted(self) -> Granted | None:
        """The grant it is read under, if it is one."""
        return self.basis.granted


@dataclass(frozen=True)
class WantedItem:
    """An item a grant would have to give, and the least use of it that is enough."""

    item: str
    uses: tuple[Use, ...]


@dataclass(frozen=True)
class Wish:
    """The smallest grant that would be enough for one dataset; `unit` narrows it to the asker's own rows."""

    dataset: str
    items: tuple[WantedItem, ...]
    purpose: str
    unit: str | None
    steward: str
    grantable: bool


@dataclass(frozen=True)
class Decision:
    """What the door says of a query; `plan` is what would run, None when refused."""

    version: int
    purpose: str
    tables: tuple[TableUse, ...]
    closed: tuple[tuple[str, Closed], ...] = ()
    wishes: tuple[Wish, ...] = ()
    plan: Rewritten | None = None
    until: datetime | None = None

    @property
    def allowed(self) -> bool:
        """Whether the query may run."""
        return self.plan is not None

    def refusal(self) -> Refused:
        """The refusal that a decision against a query is: the items, the clauses, the smallest grant."""
        dataset, first = self.closed[0]
        count = len(self.closed)
        more = Text(zh=f"（另有 {count - 1} 项）", en=f" (and {count - 1} more)") if count > 1 else Text()
        wish = next((w for w in self.wishes if w.dataset == dataset), None)
        todo = (
            Text(zh=f"向责任单位 {wish.steward} 申请下面的最小授权", en=f"Apply to {wish.steward} for the smallest grant below")
            if wish and wish.grantable
            else Text(
                zh="这样用不能授权；换一种用法，如只作汇总",
                en="This use cannot be granted; use it otherwise, such as in aggregates only",
            )
        )
        return Refused(
            "sharing.closed",
            Text(
                zh=f"{dataset}.{first.item} {first.why.zh}{more.zh}，依据 {first.clause}",
                en=f"{dataset}.{first.item} {first.why.en}{more.en}; decided by {first.clause}",
            ),
            todo,
            f"{dataset}.{first.item}",
            facts=self.as_facts(),
        )  # fmt: skip

    def as_facts(self) -> dict[str, object]:
        """The decision as JSON, as `explain` gives it."""
        return {
            "allowed": self.allowed,
            "law": self.version,
            "purpose": self.purpose,
            "tables": [
                {
                    "dataset": table.dataset,
                    "ground": table.basis.ground,
                    "clause": table.basis.clause,
                    "rows": list(table.units) if table.units is not None else "all",
                    "items": [
                        {"item": one.item, "contexts": list(one.contexts), "uses": list(one.uses), "masks": list(one.masks)}
                        for one in table.items
                    ],
                    "least_group": table.least,
                    "left_out_of_star": list(table.left_out),
                }
                for table in self.tables
            ],
            "closed": [
                {"dataset": dataset, "item": one.item, "clause": one.clause, "why": one.why.model_dump()}
                for dataset, one in self.closed
            ],
            "smallest_grants": [
                {
                    "dataset": wish.dataset, "steward": wish.steward, "purpose": wish.purpose, "unit": wish.unit,
                    "grantable": wish.grantable,
                    "items": [{"item": item.item, "uses": list(item.uses)} for item in wish.items],
                }
                for wish in self.wishes
            ],
        }  # fmt: skip


class Decisions:
    """Decisions of this process, kept as long as the law they were made under."""

    MOST = 4096

    def __init__(self, _city: City) -> None:
        self._kept: OrderedDict[object, tuple[float, Decision]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> Decision | None:
        """The decision made before, while no grant in it has begun or ended since."""
        with self._lock:
            found = self._kept.get(key)
            if found is None or (found[1].until is not None and found[1].until <= now()):
                return None
            self._kept.move_to_end(key)
            return found[1]

    def put(self, key: object, decision: Decision) -> None:
        """Keep a decision."""
        with self._lock:
            self._kept[key] = (time.monotonic(), decision)
            while len(self._kept) > self.MOST:
                self._kept.popitem(last=False)


# Table names of recent queries, so that a decision known already needs no parse.
_NAMES: OrderedDict[str, tuple[tuple[str, ...], frozenset[str], frozenset[str]]] = OrderedDict()
_NAMES_LOCK = threading.Lock()


def _names(sql: str) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
    with _NAMES_LOCK:
        found = _NAMES.get(sql)
    if found is None:
        tables, ctes, columns = names_in(parse_query(sql))
        found = (tuple(tables), frozenset(ctes), frozenset(columns))
        with _NAMES_LOCK:
            _NAMES[sql] = found
            while len(_NAMES) > Decisions.MOST:
                _NAMES.popitem(last=False)
    return found


def decide(city: City, asker: Asker, purpose: str, sql: str) -> tuple[Decision, dict[str, int]]:
    """What the door says of `sql` for this asker and purpose, and the newest snapshot of each dataset it names.

    Raises `BadInput` for what is no query, `NotFound` for a dataset that is not there or may not be known of, and
    `Unresolved` for a column that is in no dataset.
    """
    tables, ctes, columns = _names(sql)
    version, snapshots = law_book(city).current(tables)
    key = (sql, asker.user_id, asker.key_id, asker.held, asker.rooms, purpose, version)
    kept = city.part(Decisions, Decisions)
    decision = kept.get(key)
    if decision is None:
        decision = _Case(city, asker, purpose, version).decide(sql, tables, ctes, columns)
        kept.put(key, decision)
    return decision, snapshots


class _Case:
    """One decision in the making."""

    def __init__(self, city: City, asker: Asker, purpose: str, version: int) -> None:
        self._city, self._asker, self._purpose, self._version = city, asker, purpose, version
        self._tree: Tree = law_book(city).tree(version)
        self._laws: dict[str, DatasetLaw] = {}
        self._bases: dict[str, Basis | None] = {}

    def decide(self, sql: str, tables: Sequence[str], ctes: frozenset[str], columns: frozenset[str]) -> Decision:
        self._read_laws(tables, ctes)
        for name, law in self._laws.items():
            self._bases[name] = choose_basis(bases_of(law, self._asker, self._purpose, self._tree), _asked(law, columns))
        if all(basis is not None for basis in self._bases.values()):
            try:
                resolved = self._resolve(sql, full=False)
            except Unresolved as fault:
                if not self._closed_column(fault):
                    raise
            else:
                contexts, closed = self._judge(resolved)
                if not closed:
                    return self._allow(resolved, contexts)
        return self._refuse(sql)

    def _read_laws(self, tables: Sequence[str], ctes: frozenset[str]) -> None:
        for name in tables:
            try:
                self._laws[name] = known_law(self._city, self._version, self._asker, name)
            except NotFound:
                if name not in ctes:
                    raise

    def _resolve(self, sql: str, *, full: bool) -> Resolved:
        items: dict[str, Sequence[str]] = {}
        visible: dict[str, Sequence[str]] = {}
        for name, law in self._laws.items():
            basis = self._bases[name]
            plain = basis.plain_items if basis is not None else ()
            items[name] = law.contract.names if full or basis is None else tuple(basis.rules)
            visible[name] = plain or law.contract.names
        return resolve(parse_query(sql), items, visible)

    def _closed_column(self, fault: Unresolved) -> bool:
        wanted = fault.column.replace('"', "").rpartition(".")[2].lower()
        return any(wanted in map(str.lower, law.contract.names) for law in self._laws.values())

    def _rule_uses(self, one: Occurrence) -> tuple[Use, ...]:
        basis = self._bases[one.dataset]
        rule = basis.rules.get(one.item) if basis is not None else None
        return rule.uses if rule is not None else ()

    def _judge(self, resolved: Resolved) -> tuple[dict[tuple[str, str], set[Use]], list[tuple[str, Closed]]]:
        """What the query does with each item, and the items it may not use so."""
        restricted = frozenset(id(one.column) for one in resolved.occurrences if "plain" not in self._rule_uses(one))
        contexts: dict[tuple[str, str], set[Use]] = defaultdict(set)
        for one in resolved.occurrences:
            plain = id(one.column) not in restricted
            contexts[one.dataset, one.item].add("plain" if plain else context_of(one, restricted))
        closed = []
        for (dataset, item), found in contexts.items():
            basis = self._bases[dataset]
            rule = basis.rules.get(item) if basis is not None else None
            if rule is None:
                closed.append((dataset, why_closed(self._laws[dataset], self._asker, self._purpose, item)))
            elif not all(allows(rule.uses, context) for context in found) and basis is not None:
                closed.append((dataset, _misused(item, rule.uses, basis)))
        return contexts, closed

    def _allow(self, resolved: Resolved, contexts: Mapping[tuple[str, str], set[Use]]) -> Decision:
        sources: dict[str, Source] = {}
        for name in {name for _, name in resolved.tables}:
            basis = self._bases[name]
            assert basis is not None
            sources[name] = Source(self._laws[name].contract, basis, self._laws[name].contract.least_group)
        used = [self._table_use(name, source, contexts) for name, source in sorted(sources.items())]
        return Decision(
            self._version, self._purpose, tuple(used), plan=rewrite(resolved, sources), until=self._until(sources.values())
        )

    def _table_use(self, name: str, source: Source, contexts: Mapping[tuple[str, str], set[Use]]) -> TableUse:
        basis, law = source.basis, self._laws[name]
        items = tuple(
            ItemUse(
                item, tuple(sorted(contexts[name, item])), basis.rules[item].uses, tuple(m.kind for m in basis.rules[item].masks)
            )
            for item in law.contract.names
            if (name, item) in contexts
        )
        guarded = any(not basis.rules[one.item].plain for one in items)
        left = tuple(item for item in law.contract.names if item not in basis.plain_items)
        return TableUse(
            name, law.contract.name, law.dataset.title, basis, items, basis.scope.units if basis.scope else None,
            source.least if guarded else None, left,
        )  # fmt: skip

    def _until(self, sources: Iterable[Source]) -> datetime | None:
        """When a grant begins or ends that the decision could rest on."""
        moments = [
            at for law in self._laws.values() for one in law.grants for at in (one.begins, one.grant.until)
            if at is not None and at > now()
        ]  # fmt: skip
        return min(moments, default=None)

    def _refuse(self, sql: str) -> Decision:
        resolved = self._resolve(sql, full=True)
        contexts, closed = self._judge(resolved)
        # Of a table whose items are not named the number of rows is read, and that needs a ground too.
        named = {dataset for dataset, _ in closed}
        bare = dict.fromkeys(name for _, name in resolved.tables if self._bases[name] is None and name not in named)
        closed += [
            (name, why_closed(self._laws[name], self._asker, self._purpose, self._laws[name].contract.names[0])) for name in bare
        ]
        wishes = tuple(
            self._wish(name, [one for of, one in closed if of == name], contexts) for name in dict.fromkeys(n for n, _ in closed)
        )
        return Decision(self._version, self._purpose, (), tuple(closed), wishes, until=self._until(()))

    def _wish(self, name: str, closed: Sequence[Closed], contexts: Mapping[tuple[str, str], set[Use]]) -> Wish:
        law = self._laws[name]
        shut = {one.item for one in closed}
        named = [
            item
            for item in law.contract.names
            if item in shut or ((name, item) in contexts and not self._free(law, item, contexts))
        ]
        items = tuple(WantedItem(item, _least(contexts.get((name, item), {"plain"}))) for item in named)
        own = own_rows(law.contract, self._asker, self._tree) if self._asker.is_staff else None
        grantable = all(self._can_grant(law, item) for item in items)
        return Wish(name, items, self._purpose, "*" if own is not None else None, law.dataset.unit, grantable)

    def _free(self, law: DatasetLaw, item: str, contexts: Mapping[tuple[str, str], set[Use]]) -> bool:
        """Whether the item needs no grant. What another grant gives must be in the new one too: one query, one ground."""
        bases = bases_of(replace(law, grants=()), self._asker, self._purpose, self._tree)
        rules = [basis.rules[item] for basis in bases if item in basis.rules]
        return any(all(allows(rule.uses, one) for one in contexts[law.dataset.name, item]) for rule in rules)

    def _can_grant(self, law: DatasetLaw, wanted: WantedItem) -> bool:
        if "plain" not in wanted.uses:
            return True
        return law.contract.grade_of(wanted.item) != "L4" and law.contract.sharing != "none" and law.dataset.sharing != "none"


def _asked(law: DatasetLaw, columns: frozenset[str]) -> list[str]:
    return [item for item in law.contract.names if item.lower() in columns]


def _least(contexts: set[Use]) -> tuple[Use, ...]:
    """The narrowest uses that are enough for what a query does."""
    if "plain" in contexts:
        return ("plain",)
    return tuple(sorted(contexts - {"join"} if "compare" in contexts else contexts))


WORDS: dict[Use, Text] = {
    "plain": Text(zh="直接读取", en="be read"),
    "compare": Text(zh="与同类数据项比较", en="be compared with another such item"),
    "join": Text(zh="与同类数据项关联", en="be joined with another such item"),
    "group": Text(zh="作分组名", en="name a group"),
    "aggregate": Text(zh="汇总", en="be added up"),
}


def _misused(item: str, uses: Sequence[Use], basis: Basis) -> Closed:
    zh, en = "、".join(WORDS[use].zh for use in uses), " or ".join(WORDS[use].en for use in uses)
    return Closed(item, f"{basis.clause}, uses={','.join(uses)}", Text(zh=f"只可{zh}", en=f"may only {en}"))
