"""What a quality rule says: no doubles, only known values, no drift, the usual volume, two datasets that agree."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

NAME = r"^[a-z][a-z0-9-]{0,62}$"
DURATION = r"^P(\d+D)?(T(\d+H)?(\d+M)?)?$"


class _Rule(BaseModel):
    """What every rule says: its name within the dataset, how people call it, whether it is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    dataset: str
    title: Text
    enabled: bool = True


class Unique(_Rule):
    """The values of `items` together stand once each; at most `most` rows (a share of all) may not."""

    kind: Literal["unique"]
    items: tuple[str, ...] = Field(min_length=1)
    most: float = Field(default=0.0, ge=0, le=1)


class Reference(_Rule):
    """What stands in `items` stands in `other_items` of the dataset `other`; at most `most` rows (a share) may not."""

    kind: Literal["reference"]
    items: tuple[str, ...] = Field(min_length=1)
    other: str
    other_items: tuple[str, ...] = ()
    most: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _as_many(self) -> Reference:
        if self.other_items and len(self.other_items) != len(self.items):
            raise ValueError("items and other_items are not as many")
        return self


class Drift(_Rule):
    """The newest rows (`window`, by the item `time`) are spread as those before them (`reference`): the population stability
    index of `item` is at most `most`. Under 0.1 nothing has changed, above 0.25 much has.
    """

    kind: Literal["drift"]
    item: str
    time: str
    window: str = Field(default="P7D", pattern=DURATION)
    reference: str = Field(default="P28D", pattern=DURATION)
    most: float = Field(default=0.25, gt=0)


class Volume(_Rule):
    """The last whole hour (by the item `time`) has about as many rows as that hour of that weekday had in the last `weeks`;
    without `time`, the last run of the dataset's lines as many as its runs before. At most `most` robust deviations off.
    """

    kind: Literal["volume"]
    time: str = ""
    weeks: int = Field(default=8, ge=4, le=52)
    most: float = Field(default=5.0, gt=0)
    clock: Literal["city", "utc"] = "city"


class Agreement(_Rule):
    """By `keys`, the count of rows (or the sum of `item`) is that of the dataset `other`, but for `tolerance` (a share)."""

    kind: Literal["agreement"]
    other: str
    keys: tuple[str, ...] = ()
    other_keys: tuple[str, ...] = ()
    item: str = ""
    other_item: str = ""
    tolerance: float = Field(default=0.0, ge=0)
    # At most so many keys (a share) may differ.
    most: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _as_many(self) -> Agreement:
        if self.other_keys and len(self.other_keys) != len(self.keys):
            raise ValueError("keys and other_keys are not as many")
        return self


Rule = Unique | Reference | Drift | Volume | Agreement
# An example of each kind, as people write it.
KINDS = {
    "unique": 'kind = "unique"\nname = "one-number"\ntitle = { zh = "证号不重复", en = "Numbers stand once" }\nitems = ["number"]',
    "reference": 'kind = "reference"\nname = "known-unit"\ntitle = { zh = "单位在机构表里", en = "Units are known" }\nitems = ["unit"]\nother = "units"\nother_items = ["code"]',
    "drift": 'kind = "drift"\nname = "spread"\ntitle = { zh = "读数分布未漂移", en = "Readings are spread as usual" }\nitem = "value"\ntime = "at"\nwindow = "P7D"\nreference = "P28D"\nmost = 0.25',
    "volume": 'kind = "volume"\nname = "usual-hour"\ntitle = { zh = "每小时行数正常", en = "As many rows an hour as usual" }\ntime = "at"',
    "agreement": 'kind = "agreement"\nname = "same-sum"\ntitle = { zh = "与财政口径一致", en = "Agrees with finance" }\nother = "finance"\nkeys = ["unit"]\nitem = "amount"\ntolerance = 0.01',
}
_READER: TypeAdapter[Rule] = TypeAdapter(Annotated[Rule, Field(discriminator="kind")])


def read_rule(said: Mapping[str, Any]) -> Rule:
    """A rule as a pack or a request says it; raises `BadInput` naming what does not fit."""
    try:
        return _READER.validate_python(dict(said))
    except ValidationError as fault:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in fault.errors()[:5])
        raise BadInput(
            "catalog.rule",
            Text(zh=f"质量规则读不懂：{told}", en=f"The quality rule cannot be read: {told}"),
            Text(zh="按 docs/rooms/catalog.md 的“质量规则”改正", en="Mend it as “Quality rules” in docs/rooms/catalog.md says"),
            str(said.get("name", ""))[:80],
        ) from fault


def rules_in(text: str, dataset: str) -> list[Rule]:
    """The rules of a TOML text, one alone or several as `[[rule]]`, of the dataset called so; raises `BadInput`."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise BadInput(
            "catalog.rule",
            Text(zh=f"不是合规的 TOML：{fault}", en=f"This is no TOML: {fault}"),
            Text(zh="照页面上的例子改正", en="Mend it as the example on the page shows"),
            dataset,
        ) from fault
    return [read_rule({**one, "dataset": dataset}) for one in said.get("rule", [said])]


class Verdict(BaseModel):
    """What a rule found: whether it holds (None: too little is known to say), the figure and its limit, the query behind it."""

    model_config = ConfigDict(frozen=True)

    holds: bool | None
    value: float | None
    limit: float
    checked: int = 0
    bad: int = 0
    figures: dict[str, Any] = Field(default_factory=dict)
    query: str = ""
    fault: dict[str, Any] | None = None


class Told(BaseModel):
    """A rule with its last verdict, when that was, and the case that is open because of it."""

    model_config = ConfigDict(frozen=True)

    rule: Rule
    verdict: Verdict | None
    at: datetime | None
    case: str | None
