"""Who asks: a person, a key, or the public; what every decision about reading and changing takes."""

from __future__ import annotations

from dataclasses import dataclass, field

# No person has this number: the identity column starts at one.
SYSTEM_ID = 0


@dataclass(frozen=True)
class Role:
    """A role held at a unit; `path` is the unit's path in the org tree (`/3308/330802/`)."""

    role: str
    unit: str
    path: str


@dataclass(frozen=True)
class Asker:
    """The one who asks; `held` are the roles, empty for the public."""

    name: str = ""
    user_id: int | None = None
    key_id: int | None = None
    held: tuple[Role, ...] = field(default=())
    lang: str = "zh"
    # The sandbox rooms on whose behalf this is asked; empty outside of a room.
    rooms: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """How the ledger names the asker: never by a person's name."""
        if self.user_id is None:
            return "public"
        if self.user_id == SYSTEM_ID:
            return "system"
        return f"user:{self.user_id}" + (f"/key:{self.key_id}" if self.key_id is not None else "")

    @property
    def signed_in(self) -> bool:
        """Whether the city knows who this is."""
        return self.user_id is not None

    @property
    def roles(self) -> frozenset[str]:
        """The names of the roles held anywhere."""
        return frozenset(role.role for role in self.held)

    @property
    def units(self) -> frozenset[str]:
        """The codes of the units at which a role is held."""
        return frozenset(role.unit for role in self.held)

    @property
    def is_admin(self) -> bool:
        """Whether the asker administers the city."""
        return "admin" in self.roles

    @property
    def is_staff(self) -> bool:
        """Whether the asker works for the city in any role."""
        return bool(self.held)

    def may_steward(self, unit_path: str) -> bool:
        """Whether the asker answers for data of the unit at `unit_path`: its steward, or of a unit above, or admin."""
        return self.is_admin or any(role.role == "steward" and unit_path.startswith(role.path) for role in self.held)


PUBLIC = Asker()

# The city itself, when it works on its own account: loading the city pack, running a schedule.
SYSTEM = Asker(name="system", user_id=SYSTEM_ID, held=(Role("admin", "", "/"),))
