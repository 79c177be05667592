"""Whether a line can fill its dataset under the contract of now (契约相容): said before a row is carried, not row by row after."""

from __future__ import annotations

from collections.abc import Sequence

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake import Contract, Field
from sanqu.lines.records import Line


def refuse_unfit(line: Line, target: Contract, given: Sequence[str] | None) -> None:
    """Raise `BadInput` naming what of the contract the line does not fit any more; `given` are the items its steps give, None without.

    Rows that wait are kept, and carried once the contract or the line is mended.
    """
    if bool(target.primaryKey) != (line.mode == "upsert") and line.mode != "replace":
        keyed = bool(target.primaryKey)
        raise _unfit(
            line, "数据集有了主键，这条专线还在追加" if keyed else "数据集不再有主键，改动与新行分不开",
            "the dataset has a key now, and the line appends" if keyed else "the dataset has no key any more: a change cannot be told from a new row",
        )  # fmt: skip
    fields = line.input if line.steps else target.fields
    known = {name for item in fields for name in (item.name, *item.aliases)}
    for named in line.columns.values():
        if named not in known:
            raise _unfit(line, f"columns 指向没有的数据项 {named}", f"columns names an item that is not there: {named}")
    if given is not None:
        refuse_ungiven(line, target, given)


def refuse_ungiven(line: Line, target: Contract, given: Sequence[str]) -> None:
    """Raise `BadInput` naming an item that must be there and that the step does not give."""
    for item in target.fields:
        if (item.constraints.required or item.name in target.primaryKey) and filled_by(item, given) is None:
            raise _unfit(line, f"步骤没有给出 {target.name} 必填的 {item.name}", f"the steps do not give {item.name} of {target.name}, which must be there")


def filled_by(item: Field, given: Sequence[str]) -> str | None:
    """Which of the names that steps give fills an item: its own, or one that it had before."""
    return next((name for name in (item.name, *item.aliases) if name in given), None)


def _unfit(line: Line, zh: str, en: str) -> BadInput:
    return BadInput(
        "live.contract",
        Text(zh=f"契约改了，专线不再相容：{zh}", en=f"The contract has changed and the line does not fit it: {en}"),
        Text(zh="改契约或改专线；等着的行都留着，改好后继续", en="Mend the contract or the line; rows that wait are kept and go on then"),
        line.name,
    )
