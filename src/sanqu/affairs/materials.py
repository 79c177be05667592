"""Checks a form and its materials by rule (材料规则校验): what is held is not asked for, what does not fit is named at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sanqu.affairs.catalogue import Material, Offered
from sanqu.affairs.held import Held
from sanqu.affairs.knowing import known_of
from sanqu.affairs.records import Origin
from sanqu.cases.conditions import holds
from sanqu.cases.forms import check_result
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text


@dataclass(frozen=True)
class Checked:
    """A form that fits: its values, where each came from, and how each material that applies was met.

    `complete` where everything was held or fits by rule: then nobody need look at it before the departments do.
    """

    form: dict[str, Any]
    origins: dict[str, Origin]
    materials: dict[str, dict[str, str]]
    complete: bool


@dataclass(frozen=True)
class Asked:
    """One material as the form shows it: how the city has it already (`held`, `made`), or that it must be brought."""

    material: Material
    how: str
    by: str = ""


def values_held(offered: Offered, held: Held) -> dict[str, Any]:
    """The fields of the form that the city holds."""
    found = {item.name: held.value(item.source) for item in offered.items if item.source}
    return {name: value for name, value in found.items() if value is not None and value != ""}


def asked_of(offered: Offered, held: Held, form: Mapping[str, Any], today: date) -> list[Asked]:
    """The materials that apply to a form as it is filled in, and how each stands."""
    names = names_of(offered, held, form, today)
    made = {matter.code for matter in offered.matters}
    found = []
    for one in offered.materials:
        if one.when and not holds(one.when, names, one.code):
            continue
        if one.kind == "statement":
            found.append(Asked(one, "stated"))
        elif one.made_by in made:
            found.append(Asked(one, "made", one.made_by))
        elif one.held and held.row(one.held) is not None:
            found.append(Asked(one, "held", one.held))
        else:
            found.append(Asked(one, "asked"))
    return found


def names_of(offered: Offered, held: Held, form: Mapping[str, Any], today: date) -> dict[str, Any]:
    """What the rules see: the form, what is held by dataset, what is worked out, and `today`."""
    names = {**{item.name: None for item in offered.items}, **form, **held.names(), "today": today.isoformat()}
    return {**names, **known_of(offered.thing.facts, names).names}


def check(
    offered: Offered, held: Held, said: Mapping[str, Any], brought: Mapping[str, str], today: date,
) -> Checked:  # fmt: skip
    """The form as `said`, with the materials `brought` (by code: `given` or `seen`), checked by every rule.

    A field that was left out takes what the city holds. Raises `BadInput` with what is wrong at each field and material in
    `facts["fields"]`.
    """
    there = values_held(offered, held)
    filled = {item.name: said[item.name] if item.name in said else there.get(item.name) for item in offered.items}
    unknown = {name: said[name] for name in said.keys() - filled.keys()}
    form = check_result([item.as_field() for item in offered.items], {**filled, **unknown}, {}, offered.code)
    origins = {name: _origin(form[name], there.get(name)) for name in form}
    names = names_of(offered, held, form, today)
    faults: dict[str, Text] = {}
    materials: dict[str, dict[str, str]] = {}
    for asked in asked_of(offered, held, form, today):
        one = asked.material
        how = brought.get(one.code, asked.how) if asked.how == "asked" else asked.how
        if how == "asked":
            faults[one.code] = Text(zh="还没有提供", en="has not been given")
        elif one.rule and not holds(one.rule, names, one.code):
            faults[one.code] = one.why
        materials[one.code] = {"how": how, "by": asked.by, "zh": one.title.zh, "en": one.title.en}
    for one in offered.thing.rules:
        if not holds(one.rule, names, one.code):
            faults[one.code] = one.why
    if faults:
        raise _unfit(offered, faults)
    complete = "differs" not in origins.values() and not any(one["how"] == "given" for one in materials.values())
    return Checked(form, origins, materials, complete)


def _origin(said: Any, there: Any) -> Origin:
    if there is None:
        return "typed"
    return "held" if str(said) == str(there) or _same_number(said, there) else "differs"


def _same_number(a: Any, b: Any) -> bool:
    return isinstance(a, int | float) and isinstance(b, int | float) and float(a) == float(b)


def _unfit(offered: Offered, faults: Mapping[str, Text]) -> BadInput:
    titles = {one.code: one.title for one in (*offered.materials, *offered.thing.rules)}
    return BadInput(
        "affairs.materials",
        Text(
            zh="还不能提交：" + "；".join(f"{titles[code].zh}：{fault.zh}" for code, fault in faults.items()),
            en="Not yet: " + "; ".join(f"{titles[code].in_('en')}: {fault.in_('en')}" for code, fault in faults.items()),
        ),
        Text(zh="补上再提交，不用跑窗口", en="Add it and send it again; there is no need to come"),
        offered.code,
        facts={"fields": {code: fault.model_dump() for code, fault in faults.items()}},
    )
