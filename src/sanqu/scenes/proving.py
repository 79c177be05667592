"""Proves a binding (绑定核验): the scene's own contract, looked at over the rows that the city's datasets give for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract, lake_of, quote_ident
from sanqu.scenes.binding import Binding, is_same
from sanqu.scenes.models import Woven, expand
from sanqu.scenes.package import Scene
from sanqu.sharing.door import Question, ask

# Real data have some dirt; what breaks a rule in more rows than this share was bound wrongly.
TOLERANCE = 0.01
MOST_VALUES = 50_000


@dataclass(frozen=True)
class Proof:
    """One rule of a contract over bound rows: how many of them break it."""

    dataset: str
    item: str
    rule: str
    bad: int
    rows: int

    @property
    def share(self) -> float:
        """The share of rows that break it."""
        return self.bad / self.rows if self.rows else 0.0

    @property
    def what(self) -> Text:
        """What was found, in words."""
        return Text(zh=f"{self.dataset}.{self.item} 的 {self.rule}：{self.rows:,} 行里 {self.bad:,} 行不合（{self.share:.1%}）", en=f"{self.rule} of {self.dataset}.{self.item}: {self.bad:,} of {self.rows:,} rows break it ({self.share:.1%})")


def prove(city: City, asker: Asker, scene: Scene, binding: Binding) -> list[Proof]:
    """Every rule of the contracts of bound datasets, looked at as `asker` may read them; raises what the door says."""
    lake = lake_of(city)
    woven = Woven(scene, binding, {name: lake.contract(bound.dataset) for name, bound in binding.items()})
    return [proof for name, bound in binding.items() if not is_same(bound) for proof in _prove_one(city, asker, woven, name)]


def _prove_one(city: City, asker: Asker, woven: Woven, name: str) -> Iterator[Proof]:
    contract = woven.scene.contracts[name]
    rules = list(_rules(contract))
    table = quote_ident(name)
    counts = ", ".join(f"count(*) FILTER (WHERE {broken}) AS r{number}" for number, (_, _, broken, _) in enumerate(rules))
    params = {key: value for _, _, _, told in rules for key, value in told.items()}
    sql = expand(woven, f"SELECT count(*) AS n{', ' + counts if counts else ''} FROM {table}", name)
    row = ask(city, asker, Question(sql, f"scene:{woven.scene.name}", params, via="scenes")).table.to_pylist()[0]
    for number, (item, rule, _, _) in enumerate(rules):
        yield Proof(name, item, rule, int(row[f"r{number}"]), int(row["n"]))
    for one in contract.fields:
        if one.constraints.pattern:
            yield Proof(name, one.name, "pattern", _misfits(city, asker, woven, name, one.name, one.constraints.pattern), int(row["n"]))
    if contract.primaryKey:
        keys = ", ".join(quote_ident(key) for key in contract.primaryKey)
        sql = expand(woven, f"SELECT coalesce(sum(n - 1), 0) AS doubles FROM (SELECT count(*) AS n FROM {table} GROUP BY {keys}) AS groups WHERE n > 1", name)
        doubles = ask(city, asker, Question(sql, f"scene:{woven.scene.name}", via="scenes")).table.to_pylist()[0]["doubles"]
        yield Proof(name, " + ".join(contract.primaryKey), "primaryKey", int(doubles), int(row["n"]))


def _misfits(city: City, asker: Asker, woven: Woven, name: str, item: str, pattern: str) -> int:
    """How many rows hold a value that is not of the pattern; the door's language has no patterns, so values are looked at here."""
    column = quote_ident(item)
    sql = expand(woven, f"SELECT CAST({column} AS VARCHAR) AS v, count(*) AS n FROM {quote_ident(name)} WHERE {column} IS NOT NULL GROUP BY 1", name)
    answer = ask(city, asker, Question(sql, f"scene:{woven.scene.name}", rows=MOST_VALUES, via="scenes"))
    return sum(int(row["n"]) for row in answer.table.to_pylist() if re.fullmatch(pattern, row["v"]) is None)


def _rules(contract: Contract) -> Iterator[tuple[str, str, str, Mapping[str, object]]]:
    """Item, name, the SQL that holds for a row that breaks it, and the parameters of that."""
    for place, item in enumerate(contract.fields):
        column = quote_ident(item.name)
        limits = item.constraints
        if limits.required or item.name in contract.primaryKey:
            yield item.name, "required", f"{column} IS NULL", {}
        if limits.enum:
            names = [f"e{place}_{number}" for number in range(len(limits.enum))]
            wanted = ", ".join(f"${one}" for one in names)
            yield item.name, "enum", f"{column} IS NOT NULL AND CAST({column} AS VARCHAR) NOT IN ({wanted})", dict(zip(names, map(str, limits.enum), strict=True))
        for rule, sign in (("minimum", "<"), ("maximum", ">")):
            bound = getattr(limits, rule)
            if bound is not None:
                yield item.name, rule, f"{column} {sign} CAST($b{place}_{rule} AS {item.lake_type})", {f"b{place}_{rule}": str(bound)}


def refuse_unproven(scene: Scene, proofs: list[Proof], tolerance: float = TOLERANCE) -> None:
    """Raise `BadInput` naming every rule that is broken in more rows than `tolerance` says."""
    broken = [one for one in proofs if one.share > tolerance]
    if broken:
        raise BadInput(
            "scenes.unproven", Text(zh=f"绑定核验不通过：{broken[0].what.zh}（共 {len(broken)} 条）", en=f"The binding does not hold: {broken[0].what.in_('en')} ({len(broken)} rules)"),
            Text(zh="改正绑定（列、单位、代码），或用 --tolerate 放宽", en="Mend the binding (columns, units, codes), or allow more with --tolerate"), scene.name,
            facts={"broken": [one.what.in_("en") for one in broken]},
        )  # fmt: skip
