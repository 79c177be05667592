"""Chinese and English side by side: texts carried by data, and the words that pages use."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, ...] = ("zh", "en")


class Text(BaseModel):
    """One thing said in both languages; either may stand in for the other."""

    model_config = ConfigDict(frozen=True)

    zh: str = ""
    en: str = ""

    @model_validator(mode="before")
    @classmethod
    def _accept_plain_string(cls, value: Any) -> Any:
        return {"zh": value, "en": value} if isinstance(value, str) else value

    def in_(self, lang: Lang) -> str:
        """The text in `lang`, or in the other language where `lang` is empty."""
        mine, other = (self.zh, self.en) if lang == "zh" else (self.en, self.zh)
        return mine or other

    def filled(self, **values: object) -> Self:
        """The text with `{name}` places filled in, in both languages."""
        return type(self)(zh=self.zh.format(**values), en=self.en.format(**values))

    def __str__(self) -> str:
        return self.in_("zh")


@cache
def words() -> dict[str, Text]:
    """Every word that pages use, keyed `room.word`, read from each room's `words.toml`."""
    rooms = Path(__file__).parent.parent
    found: dict[str, Text] = {}
    for file in sorted(rooms.glob("*/words.toml")):
        for key, value in tomllib.loads(file.read_text("utf-8")).items():
            found[f"{file.parent.name}.{key}"] = Text.model_validate(value)
    return found


def say(key: str, lang: Lang, **values: object) -> str:
    """The word `room.word` in `lang`, with places filled; the key itself where nobody wrote it down."""
    text = words().get(key)
    if text is None:
        return key
    said = text.in_(lang)
    return said.format(**values) if values else said
