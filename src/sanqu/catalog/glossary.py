"""The city's glossary: words in Chinese and English that mean the same, from the city pack."""

from __future__ import annotations

from collections.abc import Sequence

from sanqu.catalog.tokens import Glossary
from sanqu.ground.city import City


class _Known:
    """The glossary of this process; a test or a loader may set another."""

    def __init__(self, _city: City) -> None:
        self.glossary = Glossary()


def glossary_of(city: City) -> Glossary:
    """The glossary searches use."""
    return city.part(_Known, _Known).glossary


def use_glossary(city: City, groups: Sequence[Sequence[str]]) -> None:
    """Have searches in this process take the words of each group for the same."""
    city.part(_Known, _Known).glossary = Glossary.of(groups)
