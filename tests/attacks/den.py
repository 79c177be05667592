"""A room under attack: what an attacker inside does step by step, and what comes back from each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import RoleName, add_person, asker_for
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sandbox.api import result_facts, room_facts
from sanqu.sandbox.approval import approve, look_at, refuse
from sanqu.sandbox.private import Private, ask_privately
from sanqu.sandbox.records import Result, Room
from sanqu.sandbox.results import ask_in_room, explain_in_room, result_for, results_of, take_out
from sanqu.sandbox.rooms import NewRoom, add_member, make_room, room_for
from sanqu.sandbox.training import Training, ask_for_model
from sanqu.sandbox.uploads import add_upload

from .attempts import Attempt
from .county import EVERYONE, give

STUDY = "relief"
# One owner has nearly all there is: a sum over all is that one's.
GIANT = 7_654_321_987_654.0
ESTATES: dict[str, Any] = {
    "name": "estates", "title": {"zh": "房产", "en": "Estates"}, "steward": "civil", "primaryKey": ["plot"], "grade": "L3",
    "sharing": "conditional", "opening": "none",
    "fields": [
        {"name": "plot", "type": "integer"},
        {"name": "owner", "type": "string", "identifies": "person"},
        {"name": "band", "type": "string"},
        {"name": "worth", "type": "number"},
    ],
}  # fmt: skip


def estates_rows() -> str:
    """Two plots each, and a hundred more of the giant's neighbour, who has many plots of little worth."""
    rows = [
        (100 * one.number + n, one.id, one.band, GIANT if one.number == 9 and n == 0 else 1000.5 + one.number + n)
        for one in EVERYONE for n in range(60 if one.number == 10 else 2)
    ]  # fmt: skip
    return f"SELECT * FROM (VALUES {', '.join(map(repr, rows))}) AS t(plot, owner, band, worth)"


def furnish(city: City) -> None:
    """What rooms are granted beside the county's own."""
    register_contract(city, Contract.from_descriptor(ESTATES), "system", state="published")
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("estates", estates_rows(), Commit("test"), duck=duck)


PLAIN = dict.fromkeys(("id", "name", "town", "band", "age", "born", "income", "savings", "rank", "phone"), "plain")


@dataclass
class Den:
    """A room, its two members, and who stands outside."""

    city: City
    room: Room
    people: dict[str, Asker]
    other: Room | None = None
    results: list[Result] = field(default_factory=list)

    def told(self, result: Result) -> Any:
        """What a member sees of a result, and all that is in it where it is out."""
        self.results.append(result)
        said = result_facts(result) | {"asked": None}
        if result.out:
            body = take_out(self.city, self.people["wang"], result.id)[1]
            said["rows"] = body.table.to_pylist() if result.kind != "model" else [{"model": body.data.decode()}]
        else:
            said.pop("rows", None)
        return said


@dataclass(frozen=True)
class Step:
    """One thing that an attacker does; `text` is what they wrote themselves."""

    text: str
    do: Callable[[Den], Any]

    def take(self, den: Den) -> Any:
        """What comes back, an error's words included."""
        try:
            return self.do(den)
        except SanquError as fault:
            return {"code": fault.code, "what": fault.what.zh + fault.what.en, "todo": fault.todo.zh + fault.todo.en,
                    "facts": fault.facts, "thing": fault.thing}  # fmt: skip


@dataclass(frozen=True)
class InRoom(Attempt):
    """An attempt inside a room; `near` are figures to which none may come within a hundredth."""

    steps: tuple[Step, ...] = ()
    twin_steps: tuple[Step, ...] = ()
    near: tuple[float, ...] = ()


def inside(name: str, *steps: Step, twin: Sequence[Step] = (), near: tuple[float, ...] = ()) -> InRoom:
    """An attempt in one line of a table."""
    return InRoom(name, tuple(step.text for step in steps), steps=steps, twin_steps=tuple(twin), near=near)


def exact(sql: str, who: str = "wang") -> Step:
    """A query by the automatic rules."""
    return Step(sql, lambda den: den.told(ask_in_room(den.city, den.people[who], den.room.id, sql, STUDY)))


def elsewhere(sql: str, who: str = "wang") -> Step:
    """The same in another room of the same people."""
    return Step(sql, lambda den: den.told(ask_in_room(den.city, den.people[who], den.other.id if den.other else 0, sql, STUDY)))


def explained(sql: str) -> Step:
    """What would be said of it."""

    def do(den: Den) -> Any:
        decision, failed = explain_in_room(den.city, den.people["wang"], den.room.id, sql, STUDY)
        return {"facts": decision.as_facts(), "failed": str(failed)}

    return Step(sql, do)


def noisy(sql: str, who: str = "wang", **how: Any) -> Step:
    """A query for figures with noise."""

    def do(den: Den) -> Any:
        said = Private.model_validate({"sql": sql, "purpose": STUDY, **how})
        return den.told(ask_privately(den.city, den.people[who], den.room.id, said)[0])

    return Step(f"{sql} {how}", do)


def brings(name: str, csv: str) -> Step:
    """A table brought along, to the room and to the other one."""

    def do(den: Den) -> Any:
        for room in (den.room, *([den.other] if den.other else [])):
            add_upload(den.city, den.people["wang"], room, name, csv.encode())
        return {"rows": []}

    return Step(csv, do)


def learns(sql: str, target: str, model: str, **how: Any) -> Step:
    """A model, looked at and let out by a steward who sees only that the rules raised nothing."""

    def do(den: Den) -> Any:
        said = Training.model_validate({"sql": sql, "purpose": STUDY, "target": target, "model": model, **how})
        result = ask_for_model(den.city, den.people["wang"], den.room.id, said)
        return den.told(approve(den.city, den.people["civil"], result.id, "parameters"))

    return Step(f"{sql} {target}", do)


def takes(who: str, at: int = -1) -> Step:
    """Reading an earlier result."""
    return Step(
        "", lambda den: {"rows": take_out(den.city, den.people[who], den.results[at].id)[1].table.to_pylist()}
    )  # fmt: skip


def looks(who: str) -> Step:
    """Looking at what waits."""
    return Step("", lambda den: {"rows": look_at(den.city, den.people[who], den.results[-1].id)[1].table.to_pylist()})


def reads_state(who: str) -> Step:
    """The state of an earlier result."""
    return Step("", lambda den: result_facts(result_for(den.city, den.people[who], den.results[-1].id)[0]) | {"asked": None})


def lists(who: str) -> Step:
    """The results of the room."""

    def do(den: Den) -> Any:
        room = room_for(den.city, den.people[who], den.room.id)
        return [room_facts(room), *(result_facts(one) | {"asked": None} for one in results_of(den.city, room))]

    return Step("", do)


def decides(who: str, *, yes: bool = True) -> Step:
    """A word over what waits, by one who may not say it."""
    act = approve if yes else refuse
    return Step("", lambda den: den.told(act(den.city, den.people[who], den.results[-1].id, "please")))


class Dens:
    """Makes a den for each attempt, so that none is refused for another's."""

    def __init__(self, city: City) -> None:
        furnish(city)
        self.city = city
        roles: dict[str, list[tuple[RoleName, str]]] = {
            "wang": [("officer", "330802")], "li": [], "civil": [("steward", "civil")], "tax": [("steward", "tax")],
            "outsider": [("officer", "330803")],
        }  # fmt: skip
        self.people = {login: self._person(f"den-{login}", held) for login, held in roles.items()}

    def _person(self, login: str, roles: list[tuple[RoleName, str]]) -> Asker:
        with self.city.db.connection() as conn:
            found = asker_for(conn, add_person(conn, SYSTEM, login, login, roles))
        assert found is not None
        return found

    def make(self) -> Den:
        """A den that nobody was told anything in; the members are the same, their past is forgotten."""
        with self.city.db.connection() as conn:
            conn.execute("DELETE FROM sharing_answered WHERE asker = ANY(%s)", ([f"user:{self.people[one].user_id}" for one in ("wang", "li")],))
        return Den(self.city, self._room(), self.people, self._room())

    def _room(self) -> Room:
        said = NewRoom(title="den", unit="3308", purposes=(STUDY,), budget=Decimal(1), epsilon=Decimal("0.1"))
        room = make_room(self.city, SYSTEM, said)
        for login in ("den-wang", "den-li"):
            add_member(self.city, SYSTEM, room.id, login)
        give(self.city, room.assignee, **PLAIN, badge="plain", diagnosis="group")
        give(self.city, room.assignee, "estates", plot="plain", owner="plain", band="plain", worth="plain")
        return room
