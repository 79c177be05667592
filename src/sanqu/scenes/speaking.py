"""Who a scene is before the door (场景的身份): its unit, with that unit's rights and no others."""

from __future__ import annotations

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM_ID, Asker, Role
from sanqu.ground.people.units import unit
from sanqu.scenes.keeping import Installed


def speaker_of(city: City, one: Installed) -> Asker:
    """The asker that works for an installed scene: a steward of the scene's unit. What the unit may not read, the scene may not."""
    return speaker_at(city, one.name, one.steward)


def speaker_at(city: City, name: str, steward: str) -> Asker:
    """The asker that works for the scene `name` at the unit `steward`."""
    return Asker(name=f"scene:{name}", user_id=SYSTEM_ID, held=(Role("steward", steward, unit(city, steward).path),))


def purpose_of(one: Installed) -> str:
    """What the scene reads for, as grants name it."""
    return f"scene:{one.name}"
