"""My data (个人数字资产): which datasets hold me, who read them and for what, and the consent that is mine to give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append, integrate, read_entries
from sanqu.ground.ledger.log import Entry
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.persons import asker_for
from sanqu.lake import Contract, lake_of, quote_ident

Kind = Literal["person", "enterprise"]

IDENTIFY = """
INSERT INTO sharing_identity (person, kind, value, actor) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
MINE = "SELECT kind, value FROM sharing_identity WHERE person = %s ORDER BY kind, value"
ACTS_FOR = "SELECT person FROM sharing_identity WHERE kind = %s AND value = %s ORDER BY created LIMIT 1"
WITH_CONTRACT = """
SELECT name, title_zh, title_en, unit, contract FROM catalog_dataset
WHERE contract IS NOT NULL AND state IN ('published', 'withdrawn') ORDER BY name
"""
ASKING = """
SELECT DISTINCT g.dataset, jsonb_array_elements_text(c -> 'rightOperand') AS purpose
FROM sharing_grant g, jsonb_array_elements(g.policy -> 'permission') p, jsonb_array_elements(p -> 'constraint') c
WHERE g.state = 'active' AND (g.policy ->> 'sanqu:consent')::boolean AND c ->> 'leftOperand' = 'purpose'
  AND g.dataset = ANY(%s)
"""
GIVEN = "SELECT dataset, purpose, given FROM sharing_consent WHERE subject = ANY(%s) AND withdrawn IS NULL"
GIVE = """
INSERT INTO sharing_consent (dataset, purpose, subject, person) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""
TAKE_BACK = """
UPDATE sharing_consent SET withdrawn = now()
WHERE dataset = %s AND purpose = %s AND subject = ANY(%s) AND withdrawn IS NULL RETURNING id
"""
MOST_ROWS = 100
MOST_READS = 30


@dataclass(frozen=True)
class Identity:
    """What a person is known by in datasets: an ID number, or the code of an enterprise the person acts for."""

    kind: Kind
    value: str

    @property
    def shown(self) -> str:
        """The value as a page may show it."""
        return self.value[:2] + "*" * max(len(self.value) - 4, 2) + self.value[-2:] if len(self.value) > 6 else "****"


@dataclass(frozen=True)
class Holding:
    """A dataset that holds rows of the asker."""

    dataset: str
    title: Text
    unit: str
    items: tuple[str, ...]
    key: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Consent:
    """A purpose for which a dataset asks the asker's consent, and since when it is given."""

    dataset: str
    purpose: str
    since: datetime | None


def identify(conn: Connection, actor: Asker, person: int, kind: Kind, value: str) -> None:
    """Put on record that a person was shown to be who an ID number or enterprise code names; by an administrator.

    Raises `Refused` for anyone else, `BadInput` for an empty value. The ledger gets no value.
    """
    if not actor.is_admin:
        raise Refused(
            "sharing.identify",
            Text(zh="只有管理员可以核对身份", en="Only an administrator may put an identity on record"),
            Text(zh="请管理员核对证件后登记", en="Ask an administrator to check the document and enter it"),
        )
    value = value.strip()
    if not value or len(value) > 64 or not value.isprintable():
        raise BadInput(
            "sharing.identity",
            Text(zh="证件号或统一社会信用代码为空或不可用", en="The ID number or enterprise code is empty or cannot be used"),
            Text(zh="照证件填写", en="Write it as it stands on the document"),
        )
    conn.execute(IDENTIFY, (person, kind, value, actor.label))
    append(conn, kind="sharing.identify", actor=actor.label, subject=f"user:{person}", facts={"kind": kind})


def acting_for(conn: Connection, kind: Kind, value: str) -> Asker | None:
    """The person on record as who an ID number names, or as acting for the enterprise of a code, the first of several; None for none."""
    row = conn.execute(ACTS_FOR, (kind, value)).fetchone()
    return asker_for(conn, int(row["person"])) if row else None


def identities_of(city: City, asker: Asker) -> list[Identity]:
    """What the asker is known by."""
    return [Identity(row["kind"], row["value"]) for row in city.db.all(MINE, (asker.user_id,))] if asker.signed_in else []


def holdings_of(city: City, identities: Sequence[Identity]) -> list[Holding]:
    """The datasets that hold rows of these identities, and how many."""
    found = []
    for row in city.db.all(WITH_CONTRACT) if identities else []:
        contract = lake_of(city).contract(row["contract"])
        where, params = _is_mine(contract, identities)
        if not where:
            continue
        with lake_of(city).engine() as duck:
            counted = duck.execute(
                f"SELECT count(*) FROM {lake_of(city).at_snapshot(contract.name, None)} WHERE {where}", params
            ).fetchone()
        if counted and counted[0]:
            title = Text(zh=row["title_zh"], en=row["title_en"])
            found.append(Holding(row["name"], title, row["unit"], contract.names, contract.primaryKey, int(counted[0])))
    return found


def _is_mine(contract: Contract, identities: Sequence[Identity]) -> tuple[str, list[str]]:
    conditions, params = [], []
    for item in contract.fields:
        values = [one.value for one in identities if one.kind == item.identifies]
        if values:
            conditions.append(f"CAST({quote_ident(item.name)} AS VARCHAR) IN ({', '.join('?' * len(values))})")
            params += values
    return " OR ".join(conditions), params


def own_rows(city: City, asker: Asker, dataset: str) -> list[dict[str, Any]]:
    """The asker's own rows of a dataset, whole; a read like any other, so it is in the ledger. Raises `NotFound`."""
    identities = identities_of(city, asker)
    contract = _holding(city, dataset, identities)
    where, params = _is_mine(contract, identities)
    table = lake_of(city).at_snapshot(contract.name, None)
    with lake_of(city).engine() as duck:
        rows: list[dict[str, Any]] = (
            duck.execute(f"SELECT * FROM {table} WHERE {where} LIMIT {MOST_ROWS}", params).to_arrow_table().to_pylist()
        )
    with city.db.connection() as conn:
        append(conn, kind="sharing.own", actor=asker.label, subject=f"dataset:{dataset}", facts={"rows": len(rows)})
    return rows


def _holding(city: City, dataset: str, identities: Sequence[Identity]) -> Contract:
    held = {one.dataset for one in holdings_of(city, identities)}
    row = next((row for row in city.db.all(WITH_CONTRACT) if row["name"] == dataset), None)
    if row is None or dataset not in held:
        raise not_found(Text(zh="含有您的数据的数据集", en="dataset that holds you"), dataset)
    return lake_of(city).contract(row["contract"])


def reads_of(city: City, asker: Asker, dataset: str, before: int | None = None) -> list[Entry]:
    """Who read a dataset that holds the asker: the newest entries. Raises `NotFound` for any other dataset."""
    _holding(city, dataset, identities_of(city, asker))
    integrate(city)
    found: list[Entry] = []
    while len(found) < MOST_READS:
        batch = read_entries(city, before=before, kind="sharing", subject=f"dataset:{dataset}", limit=200)
        found += [entry for entry in batch if entry.kind in ("sharing.read", "sharing.reads", "sharing.own")]
        if len(batch) < 200:
            break
        before = batch[-1].index
    return found[:MOST_READS]


def is_about_mine(city: City, asker: Asker, entry_subject: str) -> bool:
    """Whether a ledger entry is about a dataset that holds the asker: then the asker may have its proof."""
    held = {f"dataset:{one.dataset}" for one in holdings_of(city, identities_of(city, asker))}
    return entry_subject in held


def consents_of(city: City, asker: Asker) -> list[Consent]:
    """For which purposes grants ask the asker's consent, and which are given."""
    identities = identities_of(city, asker)
    held = [one.dataset for one in holdings_of(city, identities)]
    given = {(row["dataset"], row["purpose"]): row["given"] for row in city.db.all(GIVEN, ([one.value for one in identities],))}
    wanted = {(row["dataset"], row["purpose"]) for row in city.db.all(ASKING, (held,))}
    return [Consent(dataset, purpose, given.get((dataset, purpose))) for dataset, purpose in sorted(wanted | given.keys())]


def give_consent(city: City, asker: Asker, dataset: str, purpose: str) -> None:
    """Consent to a purpose for one's own rows of a dataset; reads that rest on it find them from now on."""
    if Consent(dataset, purpose, None) not in [Consent(one.dataset, one.purpose, None) for one in consents_of(city, asker)]:
        raise not_found(Text(zh="征求同意的用途", en="purpose that asks for consent"), f"{dataset} {purpose}")
    contract = _holding(city, dataset, identities_of(city, asker))
    kind = contract.field(contract.subject_items[0]).identifies
    with city.db.connection() as conn:
        for one in identities_of(city, asker):
            if one.kind == kind:
                conn.execute(GIVE, (dataset, purpose, one.value, asker.user_id))
        append(
            conn,
            kind="sharing.consent",
            actor=asker.label,
            subject=f"dataset:{dataset}",
            facts={"purpose": purpose, "given": True},
        )


def consent_to(city: City, actor: Asker, datasets: Sequence[str], purpose: str, subject: Identity) -> list[str]:
    """Put on record that `subject` consents to a purpose for their rows of `datasets`, where a grant asks for it.

    `actor` is the subject, or whoever took the consent down in their presence: the ledger says who. Returns the datasets that
    were consented to now; those of before stand.
    """
    asked = {str(row["dataset"]) for row in city.db.all(ASKING, (list(datasets),)) if row["purpose"] == purpose}
    given = []
    with city.db.connection() as conn:
        for dataset in (one for one in datasets if one in asked):
            if conn.execute(GIVE, (dataset, purpose, subject.value, actor.user_id)).fetchone():
                append(
                    conn, kind="sharing.consent", actor=actor.label, subject=f"dataset:{dataset}", facts={"purpose": purpose, "given": True}
                )  # fmt: skip
                given.append(dataset)
    return given


def end_consent(conn: Connection, datasets: Sequence[str], purpose: str, value: str) -> None:
    """End the consent of a subject to a purpose once it has been served, in the caller's transaction; none given is none ended."""
    for dataset in datasets:
        if conn.execute(TAKE_BACK, (dataset, purpose, [value])).fetchall():
            append(conn, kind="sharing.consent", actor="system", subject=f"dataset:{dataset}", facts={"purpose": purpose, "given": False, "served": True})


def has_consented(city: City, datasets: Sequence[str], purpose: str, subject: Identity) -> bool:
    """Whether `subject` has consented to a purpose for any of `datasets`."""
    given = {(row["dataset"], row["purpose"]) for row in city.db.all(GIVEN, ([subject.value],))}
    return any((dataset, purpose) in given for dataset in datasets)


def withdraw_consent(city: City, asker: Asker, dataset: str, purpose: str) -> None:
    """Take consent back; the next read goes without. Raises `Conflict` where none was given."""
    values = [one.value for one in identities_of(city, asker)]
    with city.db.connection() as conn:
        if not conn.execute(TAKE_BACK, (dataset, purpose, values)).fetchall():
            raise Conflict(
                "sharing.no-consent",
                Text(zh="没有可以收回的同意", en="There is no consent to take back"),
                Text(zh="刷新页面看现在的状态", en="Look at the page again"),
                f"{dataset} {purpose}",
            )
        append(
            conn,
            kind="sharing.consent",
            actor=asker.label,
            subject=f"dataset:{dataset}",
            facts={"purpose": purpose, "given": False},
        )
