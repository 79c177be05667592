"""Grants (授权): who may use which items of a dataset, for what purpose, until when, under which limits; kept as ODRL 2.2."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract
from sanqu.lake.contracts import Use
from sanqu.sharing.masks import Mask, parse_masks

ADD = """
INSERT INTO sharing_grant (id, dataset, assignee, policy, begins, until, secret, actor)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING number
"""
COLUMNS = "id, number, dataset, assignee, policy, begins, until, state, secret, actor, created, withdrawn"
OF_DATASETS = f"SELECT {COLUMNS} FROM sharing_grant WHERE state = 'active' AND dataset = ANY(%s) ORDER BY number"
ONE = f"SELECT {COLUMNS} FROM sharing_grant WHERE id = %s"
LIST = f"""
SELECT {COLUMNS} FROM sharing_grant
WHERE (%(dataset)s::text IS NULL OR dataset = %(dataset)s) AND (%(assignee)s::text[] IS NULL OR assignee = ANY(%(assignee)s))
  AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY number DESC LIMIT %(limit)s OFFSET %(offset)s
"""
WITHDRAW = (
    "UPDATE sharing_grant SET state = 'withdrawn', withdrawn = now() WHERE id = %s AND state = 'active' RETURNING dataset, number"
)
TAKE_READ = """
INSERT INTO sharing_grant_use (grant_id, day, reads) VALUES (%(grant)s, current_date, 1)
ON CONFLICT (grant_id, day) DO UPDATE SET reads = sharing_grant_use.reads + 1
WHERE %(reads)s::bigint IS NULL OR sharing_grant_use.reads < %(reads)s
RETURNING reads, rows
"""
ADD_ROWS = "UPDATE sharing_grant_use SET rows = rows + %s WHERE grant_id = %s AND day = current_date"

ODRL = "http://www.w3.org/ns/odrl.jsonld"
TERMS = "urn:sanqu:terms:"
# What each use is called in a policy: ODRL's own action where there is one.
ACTIONS: dict[Use, str] = {
    "plain": "read", "compare": "sanqu:compare", "join": "sanqu:join", "group": "sanqu:group", "aggregate": "aggregate",
}  # fmt: skip
USE_OF = {action: use for use, action in ACTIONS.items()}


class ItemGrant(BaseModel):
    """What a grant gives of one item: the uses of its values, after the masks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: str
    uses: tuple[Use, ...] = ("plain",)
    masks: tuple[dict[str, Any], ...] = ()


class Quota(BaseModel):
    """How much may be read in a day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reads: int | None = Given(default=None, ge=1)
    rows: int | None = Given(default=None, ge=1)


class Grant(BaseModel):
    """One grant. `assignee` is `unit:330802`, `user:12`, `key:3` or `room:7`; `unit` narrows to the rows of a unit and below.

    `unit` may be `*`: every reader sees the rows of the units at which they hold a role (县乡一体).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    assignee: str = Given(pattern=r"^(unit|user|key|room):[^\s/]+$")
    items: tuple[ItemGrant, ...] = Given(min_length=1)
    purposes: tuple[str, ...] = Given(min_length=1)
    until: datetime | None = None
    begins: datetime | None = None
    unit: str | None = None
    quota: Quota = Quota()
    # Whether it rests on consent: then only rows of those who gave it for the purpose are read.
    consent: bool = False
    # The legal ground the grant rests on, as the applicant or the steward named it.
    ground: str = ""


class Granted(BaseModel):
    """A grant on record."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    number: int
    grant: Grant
    begins: datetime
    state: Literal["active", "withdrawn"]
    secret: str = Given(repr=False)
    actor: str
    created: datetime

    def holds_at(self, at: datetime) -> bool:
        """Whether the grant is in force at `at`."""
        until = self.grant.until
        return self.state == "active" and self.begins <= at and (until is None or at < until)


def policy_of(grant: Grant, uid: UUID, assigner: str) -> dict[str, Any]:
    """The grant as an ODRL 2.2 agreement (JSON-LD): a permission for each item and use, constrained by purpose and time."""
    constraints: list[dict[str, Any]] = [
        {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": list(grant.purposes)},
    ]
    if grant.begins is not None:
        constraints.append(_moment("gteq", grant.begins))
    if grant.until is not None:
        constraints.append(_moment("lt", grant.until))
    for name, most in (("sanqu:readsPerDay", grant.quota.reads), ("sanqu:rowsPerDay", grant.quota.rows)):
        if most is not None:
            constraints.append({"leftOperand": name, "operator": "lteq", "rightOperand": most})
    permissions = [
        {
            "target": _target(grant, given.item),
            "action": ACTIONS[use],
            "assignee": f"urn:sanqu:{grant.assignee}",
            "constraint": constraints,
            **({"duty": [_mask_duty(mask) for mask in given.masks]} if given.masks else {}),
        }
        for given in grant.items
        for use in given.uses
    ]
    return {
        "@context": [ODRL, {"sanqu": TERMS}],
        "@type": "Agreement",
        "uid": f"urn:uuid:{uid}",
        "profile": f"{TERMS}profile",
        "assigner": f"urn:sanqu:{assigner}",
        "permission": permissions,
        **({"sanqu:ground": grant.ground} if grant.ground else {}),
        **({"sanqu:consent": True} if grant.consent else {}),
    }


def _moment(operator: str, at: datetime) -> dict[str, Any]:
    return {
        "leftOperand": "dateTime", "operator": operator, "rightOperand": {"@value": at.isoformat(), "@type": "xsd:dateTime"},
    }  # fmt: skip


def _target(grant: Grant, item: str) -> dict[str, Any]:
    refinement: list[dict[str, Any]] = [{"leftOperand": "sanqu:item", "operator": "eq", "rightOperand": item}]
    if grant.unit is not None:
        refinement.append({"leftOperand": "sanqu:unit", "operator": "isPartOf", "rightOperand": grant.unit})
    return {"@type": "AssetCollection", "source": f"urn:sanqu:dataset:{grant.dataset}", "refinement": refinement}


def _mask_duty(mask: Mapping[str, Any]) -> dict[str, Any]:
    settings = {key: value for key, value in mask.items() if key != "kind"}
    refinement = [{"leftOperand": f"sanqu:{key}", "operator": "eq", "rightOperand": value} for key, value in settings.items()]
    return {"action": [{"value": "anonymize", "sanqu:mask": mask["kind"], "refinement": refinement}]}


def grant_of(policy: Mapping[str, Any]) -> Grant:
    """The grant that `policy_of` wrote; raises `BadInput` where the policy says what no grant can."""
    try:
        return _grant_of(policy)
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        raise BadInput(
            "sharing.policy",
            Text(zh=f"这份 ODRL 策略不是授权：{fault}", en=f"This ODRL policy is no grant: {fault}"),
            Text(zh="按 docs/rooms/sharing.md 的写法改", en="Write it as docs/rooms/sharing.md shows"),
            str(policy.get("uid", "?")),
        ) from fault


def _grant_of(policy: Mapping[str, Any]) -> Grant:
    permissions = policy["permission"]
    first = permissions[0]
    limits = {(c["leftOperand"], c["operator"]): c["rightOperand"] for c in first["constraint"]}
    if any(permission["constraint"] != first["constraint"] for permission in permissions):
        raise ValueError("all permissions of a grant carry the same constraints")
    if any(permission["assignee"] != first["assignee"] for permission in permissions):
        raise ValueError("all permissions of a grant have the same assignee")
    refined = {r["leftOperand"]: r["rightOperand"] for r in first["target"]["refinement"]}
    uses: dict[str, list[Use]] = {}
    masks: dict[str, tuple[dict[str, Any], ...]] = {}
    for permission in permissions:
        item = next(r["rightOperand"] for r in permission["target"]["refinement"] if r["leftOperand"] == "sanqu:item")
        uses.setdefault(item, []).append(USE_OF[permission["action"]])
        masks[item] = tuple(_mask_of(duty) for duty in permission.get("duty", ()))
    return Grant(
        dataset=first["target"]["source"].removeprefix("urn:sanqu:dataset:"),
        assignee=first["assignee"].removeprefix("urn:sanqu:"),
        items=tuple(ItemGrant(item=item, uses=tuple(named), masks=masks[item]) for item, named in uses.items()),
        purposes=tuple(limits["purpose", "isAnyOf"]),
        begins=_time_in(limits.get(("dateTime", "gteq"))),
        until=_time_in(limits.get(("dateTime", "lt"))),
        unit=refined.get("sanqu:unit"),
        quota=Quota(reads=limits.get(("sanqu:readsPerDay", "lteq")), rows=limits.get(("sanqu:rowsPerDay", "lteq"))),
        ground=policy.get("sanqu:ground", ""),
        consent=bool(policy.get("sanqu:consent", False)),
    )


def _time_in(said: Mapping[str, Any] | None) -> datetime | None:
    return datetime.fromisoformat(said["@value"]) if said else None


def _mask_of(duty: Mapping[str, Any]) -> dict[str, Any]:
    action = duty["action"][0]
    settings = {r["leftOperand"].removeprefix("sanqu:"): r["rightOperand"] for r in action["refinement"]}
    return {"kind": action["sanqu:mask"], **settings}


def check_grant(grant: Grant, contract: Contract) -> None:
    """Raise `BadInput` naming the item that cannot be granted so: not there, graded L4, or a mask that does not fit."""
    for given in grant.items:
        field = contract.field(given.item)
        parse_masks(list(given.masks), field)
        if contract.grade_of(given.item) == "L4" and "plain" in given.uses:
            raise _ungrantable(given.item, "L4 数据项的原值永不离开，只能授权比对、关联、分组或汇总",
                               "values of an L4 item never leave: grant compare, join, group or aggregate")  # fmt: skip
        if given.masks and tuple(given.uses) != ("plain",):
            raise _ungrantable(given.item, "脱敏只用于直接读取", "masks go with the use `plain` only")
        if "aggregate" in given.uses and not contract.subject_items:
            raise _ungrantable(given.item, "数据集没有主体或主键，无法数出不同主体",
                               "the dataset names no subject and no key, so subjects cannot be counted")  # fmt: skip
    if grant.unit is not None and contract.unit_item is None:
        raise _ungrantable(
            grant.unit, "数据集没有标明所属机构的数据项", "no item of the dataset says to which unit a row belongs"
        )
    if grant.consent and not any(item.identifies in ("person", "enterprise") for item in contract.fields):
        raise _ungrantable(
            grant.dataset, "数据集没有标明主体的数据项，无从取得同意", "no item names whose data a row is, so nobody can consent"
        )
    if contract.sharing == "none" and any("plain" in given.uses for given in grant.items):
        raise _ungrantable(
            grant.dataset, "不予共享的数据集不能授权读取原值", "a dataset that is not shared cannot be granted in plain"
        )


def _ungrantable(thing: str, zh: str, en: str) -> BadInput:
    return BadInput(
        "sharing.ungrantable", Text(zh=f"不能这样授权：{zh}", en=f"This cannot be granted: {en}"),
        Text(zh="改授权的这一处", en="Change this place of the grant"), thing,
    )  # fmt: skip


def add_grant(conn: Connection, actor: Asker, grant: Grant, contract: Contract, assigner: str) -> Granted:
    """Put a grant on record, in the caller's transaction; raises `BadInput` when it cannot be granted so."""
    check_grant(grant, contract)
    uid, begins = uuid4(), grant.begins or now()
    grant = grant.model_copy(update={"begins": begins})
    secret = secrets.token_hex(32)
    policy = policy_of(grant, uid, assigner)
    row = conn.execute(
        ADD, (uid, grant.dataset, grant.assignee, Jsonb(policy), begins, grant.until, secret, actor.label)
    ).fetchone()
    number = int(row["number"]) if row else 0
    facts = {
        "grant": str(uid), "number": number, "assignee": grant.assignee, "purposes": list(grant.purposes),
        "items": {given.item: list(given.uses) for given in grant.items},
        "until": grant.until.isoformat() if grant.until else None,
    }  # fmt: skip
    append(conn, kind="sharing.grant", actor=actor.label, subject=f"dataset:{grant.dataset}", facts=facts)
    return Granted(
        id=uid, number=number, grant=grant, begins=begins, state="active", secret=secret, actor=actor.label, created=now()
    )


def withdraw_grant(conn: Connection, actor: Asker, id_: UUID) -> None:
    """End a grant now; the next read does without it. Raises `Conflict` when it has ended already."""
    row = conn.execute(WITHDRAW, (id_,)).fetchone()
    if row is None:
        raise Conflict(
            "sharing.grant-ended",
            Text(zh="没有这条生效中的授权", en="There is no such grant in force"),
            Text(zh="它可能已被撤回；刷新列表", en="It may have been withdrawn; look at the list again"),
            str(id_),
        )
    append(
        conn, kind="sharing.withdraw", actor=actor.label, subject=f"dataset:{row['dataset']}",
        facts={"grant": str(id_), "number": row["number"]},
    )  # fmt: skip


def _granted(row: Mapping[str, Any]) -> Granted:
    return Granted(
        id=row["id"], number=row["number"], grant=grant_of(row["policy"]), begins=row["begins"], state=row["state"],
        secret=row["secret"], actor=row["actor"], created=row["created"],
    )  # fmt: skip


def grants_on(conn: Connection, datasets: Iterable[str]) -> list[Granted]:
    """The active grants on these datasets, whoever holds them."""
    return [_granted(row) for row in conn.execute(OF_DATASETS, (list(datasets),))]


def grant_by_id(city: City, id_: UUID) -> Granted:
    """One grant; raises `NotFound`."""
    row = city.db.one(ONE, (id_,))
    if row is None:
        raise not_found(Text(zh="授权", en="grant"), str(id_))
    return _granted(row)


def list_grants(
    city: City, *, dataset: str | None = None, assignees: list[str] | None = None, state: str | None = None,
    limit: int = 50, offset: int = 0,
) -> list[Granted]:  # fmt: skip
    """A page of grants, the newest first."""
    wanted = {"dataset": dataset, "assignee": assignees, "state": state, "limit": limit, "offset": offset}
    return [_granted(row) for row in city.db.all(LIST, wanted)]


def take_read(conn: Connection, granted: Granted) -> int | None:
    """Count one read against the grant's quota; returns how many rows may still be read today (None: any number).

    Raises `Conflict` when the day's reads are used up. Two reads at once take two.
    """
    quota = granted.grant.quota
    row = conn.execute(TAKE_READ, {"grant": granted.id, "reads": quota.reads}).fetchone()
    left = None if row is None or quota.rows is None else quota.rows - int(row["rows"])
    if row is None or (left is not None and left <= 0):
        raise Conflict(
            "sharing.quota",
            Text(zh=f"授权 {granted.number} 今天的额度已用完", en=f"Today's quota of grant {granted.number} is used up"),
            Text(zh="明天再读，或申请更大的额度", en="Read again tomorrow, or apply for a larger quota"),
            granted.grant.dataset,
            facts={"grant": granted.number, "reads": quota.reads, "rows": quota.rows},
            status=429,
        )
    return left


def note_rows(conn: Connection, granted: Granted, rows: int) -> None:
    """Add the rows that a read gave to the day's count."""
    conn.execute(ADD_ROWS, (rows, granted.id))


def masks_of(given: ItemGrant, contract: Contract) -> tuple[Mask, ...]:
    """The masks of an item as typed data."""
    return parse_masks(list(given.masks), contract.field(given.item))
