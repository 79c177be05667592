"""Matches the columns of a source to the items of a contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake import Contract
from sanqu.lines.records import Line


@dataclass(frozen=True)
class Bound:
    """Item → number of the source column that fills it; what was left over on either side."""

    columns: Mapping[str, int]
    extra: tuple[str, ...]
    absent: tuple[str, ...]

    def sql(self, contract: Contract) -> dict[str, str | None]:
        """Item → SQL of its raw text."""
        return {name: f"c{self.columns[name]}" if name in self.columns else None for name in contract.names}

    @property
    def notes(self) -> tuple[Text, ...]:
        """What a steward should know."""
        told = []
        if self.extra:
            listed = self.extra[:20]
            told.append(Text(zh=f"未装载多出的列：{'、'.join(listed)}", en=f"Columns not loaded: {', '.join(listed)}"))
        if self.absent:
            told.append(Text(zh=f"来源没有这些数据项：{'、'.join(self.absent)}", en=f"The source lacks: {', '.join(self.absent)}"))
        return tuple(told)


def folded(name: str) -> str:
    """A name without case, spaces and strokes, as people vary them."""
    return re.sub(r"[\s_\-\ufeff]+", "", name).casefold()


def bind(contract: Contract, line: Line, found: Sequence[str]) -> Bound:
    """Match by the line's `columns`, then name, alias, title, and at last without regard to case and spaces.

    Raises `BadInput` naming a required item that no column fills, or a column too many where the line refuses them.
    """
    names = [name.strip().removeprefix("\ufeff") for name in found]
    taken: dict[str, int] = {}
    for column, item in line.columns.items():
        if item not in contract.names:
            raise _refused(contract, line, names, f"columns 指向没有的数据项 {item}", f"columns names an item that is not there: {item}")
        if column in names:
            taken[item] = names.index(column)
        elif line.source.kind != "sample":
            raise _refused(contract, line, names, f"来源没有列“{column}”", f"the source has no column “{column}”")
    used = set(taken.values())
    for fold in (False, True):
        for field in contract.fields:
            wanted = [field.name, *field.aliases, field.title.zh, field.title.en]
            keys = {folded(one) if fold else one for one in wanted if one}
            place = next((i for i, n in enumerate(names) if i not in used and (folded(n) if fold else n) in keys), None)
            if field.name not in taken and place is not None:
                taken[field.name] = place
                used.add(place)
    absent = tuple(name for name in contract.names if name not in taken)
    needed = [i.name for i in contract.fields if i.name in absent and (i.constraints.required or i.name in contract.primaryKey)]
    if needed or not taken:
        raise _refused(
            contract, line, names, f"缺少必填的列：{'、'.join(needed) or '全部'}", f"required columns are missing: {', '.join(needed) or 'all'}"
        )
    extra = tuple(name for i, name in enumerate(names) if i not in used and name)
    if extra and line.extra == "refuse":
        raise _refused(contract, line, names, f"多出的列：{'、'.join(extra)}", f"columns too many: {', '.join(extra)}")
    return Bound(taken, extra, absent)


def _refused(contract: Contract, line: Line, names: Sequence[str], zh: str, en: str) -> BadInput:
    listed = ", ".join(names[:60])
    return BadInput(
        "lines.columns",
        Text(zh=f"{zh}；来源的列：{listed}", en=f"{en}; the columns found: {listed}"),
        Text(zh="在专线的 columns 里对应，或在契约的 aliases 里补上列名", en="Match them in columns of the line, or add the name to aliases of the contract"),
        line.name,
        facts={"columns": list(names), "dataset": contract.name},
    )
