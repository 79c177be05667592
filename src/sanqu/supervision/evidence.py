"""The verify file (验证文件) of a draw: everything that anybody needs to repeat it, with proofs from the ledger; and its check."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.ledger.proof import Proof, check, prove
from sanqu.ground.people.askers import Asker
from sanqu.supervision.draw import DrawFault, draw, repeat
from sanqu.supervision.drawing import entry_of, find_draw
from sanqu.supervision.plans import sees_all_of

SEES = "SELECT 1 FROM supervision_plan WHERE number = %(number)s AND (%(everywhere)s OR units && %(reach)s::text[])"
COMMITTED, DRAWN, VOID = "supervision.committed", "supervision.drawn", "supervision.void"


@dataclass(frozen=True)
class Verdict:
    """What a verify file proves: how many targets were drawn again, where commitment and draw stand in the ledger, and when."""

    drawn: int
    committed: int
    revealed: int
    committed_at: str
    revealed_at: str
    state: str


def verify_file(city: City, asker: Asker, number: str, round_: int) -> dict[str, Any]:
    """The verify file of a draw that was made or is void, for everybody.

    Who stands behind its numbers is told only to those who see the plan's inspections: weights tell of credit grades, which the
    public may not read. Raises `NotFound`, `Conflict` before the draw.
    """
    row = find_draw(city, number, round_)
    if row["state"] == "committed":
        raise Conflict(
            "supervision.sealed", Text(zh="还没有抽取，种子尚未公开", en="Nothing is drawn yet: the seed is sealed"),
            Text(zh="抽取之后再取", en="Come back after the draw"), f"{number}/{round_}",
        )  # fmt: skip
    lists = json.loads(row["lists"])
    committed = entry_of(city, number, round_, COMMITTED)
    # The seed was told by the draw, or, where none was made, when it was declared void.
    revealed = entry_of(city, number, round_, DRAWN if row["drawn"] is not None else VOID)
    result = row["result"] if row["result"] is not None else _would_have(lists, bytes(row["seed"]))
    file = {
        "plan": number, "round": round_, "state": row["state"], "reason": row["reason"], "lists": lists, "digest": row["digest"],
        "commitment": row["commitment"], "seed": bytes(row["seed"]).hex(), "witness": row["witness"], "result": result,
        # The commitment under the checkpoint of its own moment, and both entries under one checkpoint: that gives their order.
        "ledger": {"committed": row["committed_proof"], "committed_now": asdict(prove(city, committed)), "revealed": asdict(prove(city, revealed))},
    }  # fmt: skip
    with city.db.connection() as conn:
        if conn.execute(SEES, {"number": number, **sees_all_of(conn, asker)}).fetchone():
            file["names"] = row["names"]
    return file


def _would_have(lists: Mapping[str, Any], seed: bytes) -> list[dict[str, Any]]:
    return [{"target": one.target, "group": one.group, "inspectors": list(one.inspectors)} for one in draw(lists, seed)]


def check_file(file: Mapping[str, Any], public_key: str = "") -> Verdict:
    """Check a verify file with nothing but itself: the draw again, the commitment, and that it stood in the ledger before.

    `public_key` (base64) is the city's key as one knows it from elsewhere. Raises `BadInput` naming what does not hold.
    """
    try:
        drawn = repeat(file)
        proofs = {name: Proof(**said) for name, said in file["ledger"].items()}
        sizes = {name: check(proof) for name, proof in proofs.items()}
        bodies = {name: json.loads(proof.body) for name, proof in proofs.items()}
        return _verdict(file, len(drawn), proofs, sizes, bodies, public_key)
    except DrawFault as fault:
        raise _does_not_hold(str(fault)) from fault
    except SanquError as fault:
        raise _does_not_hold(fault.in_("en")) from fault
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise _does_not_hold(f"the file is not a verify file: {type(fault).__name__}: {fault}") from fault


def _verdict(
    file: Mapping[str, Any], drawn: int, proofs: Mapping[str, Proof], sizes: Mapping[str, int], bodies: Mapping[str, Any], public_key: str
) -> Verdict:
    before, again, after = proofs["committed"], proofs["committed_now"], proofs["revealed"]
    keys = {(base64.b64decode(one.public_key), one.suite) for one in proofs.values()}
    facts, told = bodies["committed"]["facts"], bodies["revealed"]["facts"]
    expected = {"round": file["round"], "commitment": file["commitment"]}
    for holds, else_said in (
        (len(keys) == 1, "the proofs are not signed with one key"),
        (not public_key or {key for key, _ in keys} == {base64.b64decode(public_key)}, "the proofs are not signed with the key given"),
        (before.body == again.body and before.index == again.index, "the commitment is not the same in both proofs"),
        (bodies["committed"]["kind"] == COMMITTED and bodies["committed"]["subject"] == f"plan:{file['plan']}", "the first proof is of another entry"),
        (bodies["revealed"]["kind"] in (DRAWN, VOID) and bodies["revealed"]["subject"] == f"plan:{file['plan']}", "the second proof is of another entry"),
        (facts.items() >= {**expected, "digest": file["digest"]}.items(), "the ledger tells of another commitment"),
        (told.items() >= {**expected, "seed": file["seed"]}.items(), "the ledger tells of another draw"),
        (told.get("witness", "") == file["witness"], "the ledger tells of another word of the witness"),
        (before.index < sizes["committed"] <= after.index, "the commitment did not stand in the ledger before the draw"),
    ):
        if not holds:
            raise DrawFault(else_said)
    return Verdict(drawn, before.index, after.index, str(bodies["committed"]["at"]), str(bodies["revealed"]["at"]), str(file["state"]))


def _does_not_hold(what: str) -> BadInput:
    return BadInput(
        "supervision.verify", Text(zh=f"验证不成立：{what}", en=f"The file does not hold: {what}"),
        Text(zh="从公示页重新取得验证文件；仍不成立的，向监督部门反映", en="Get the file from the public page again; where it still fails, tell whoever watches over the office"),
    )  # fmt: skip
