"""Keeps the records true: saves, publishes, withdraws and deletes datasets, and takes in contracts and subjects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from psycopg.errors import UniqueViolation

from sanqu.catalog.audience import ADMIN, audience_of, check_steward, tokens_of
from sanqu.catalog.records import (
    GRADES,
    LOCAL,
    NAME,
    OPENINGS,
    SHARINGS,
    STATES,
    Dataset,
    Resource,
    State,
    Subject,
    dataset_by_key,
    hold,
    items_of,
    next_seq,
    resources_elsewhere,
    unit_paths,
    write_rows,
    write_subject,
)
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.lake.contracts import DURATION, Contract

# The downloads of a table: suffix, CKAN format, media type. The row API is the fifth door, as a data service.
DOWNLOADS = (
    ("csv", "CSV", "text/csv"),
    ("json", "JSON", "application/json"),
    ("xlsx", "XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("parquet", "Parquet", "application/vnd.apache.parquet"),
)
# The index hears of it with the dataset's next change: use alone is not worth a commit.
NOTE_USE = "UPDATE catalog_dataset SET used = used + %s WHERE name = %s"
LONGEST_TITLE = 500
DATASET = Text(zh="数据集", en="dataset")
# What a publication must say before it can go out: (attribute, zh, en).
NEEDED = (("title", "标题", "title"), ("about", "摘要", "description"), ("unit", "责任单位", "unit"))


def wrong(place: str, zh: str, en: str, thing: str = "") -> BadInput:
    """The error for a dataset whose `place` does not fit."""
    return BadInput(
        "catalog.invalid",
        Text(zh=f"{place}：{zh}", en=f"{place}: {en}"),
        Text(zh="改正这一处后再保存", en="Mend this and save again"),
        thing,
        facts={"at": place, "message": en},
    )


def check(dataset: Dataset) -> None:
    """Raise `BadInput` naming the first thing in the record that does not fit."""
    if not NAME.fullmatch(dataset.name):
        raise wrong("name", "1 到 100 个小写字母、数字、-、_", "1 to 100 lower-case letters, digits, - and _", dataset.name)
    if not str(dataset.title).strip():
        raise wrong("title", "不能为空", "must not be empty", dataset.name)
    if len(dataset.title.zh) > LONGEST_TITLE or len(dataset.title.en) > LONGEST_TITLE:
        raise wrong("title", f"最长 {LONGEST_TITLE} 字", f"at most {LONGEST_TITLE} characters", dataset.name)
    for place, value, known in (
        ("state", dataset.state, STATES), ("opening", dataset.opening, OPENINGS),
        ("sharing", dataset.sharing, SHARINGS), ("grade", dataset.grade, GRADES),
    ):  # fmt: skip
        if value not in known:
            raise wrong(place, f"“{value}”不在 {'、'.join(known)} 之中", f"“{value}” is none of {', '.join(known)}", dataset.name)
    if dataset.freshness is not None and not DURATION.fullmatch(dataset.freshness):
        raise wrong("freshness", "应为 ISO 8601 时长，如 P1D", "should be an ISO 8601 duration such as P1D", dataset.name)
    if dataset.grade in ("L3", "L4") and dataset.opening == "unconditional":
        raise wrong("opening", f"{dataset.grade} 数据不能无条件开放", f"{dataset.grade} data cannot open freely", dataset.name)
    if dataset.grade == "L4" and dataset.opening != "none":
        raise wrong("opening", "L4 数据禁止开放", "L4 data never opens", dataset.name)
    for place, text in (("title", dataset.title), ("about", dataset.about)):
        if "\x00" in text.zh + text.en:
            raise wrong(place, "含有 NUL 字符", "holds a NUL character", dataset.name)


def write(conn: Connection, datasets: Sequence[Dataset], actor: str, verb: str = "save") -> list[Dataset]:
    """Write records in the caller's transaction: checked, numbered for the index, and noted in the ledger.

    No question is asked about rights: doors ask before. Raises `BadInput`, `Conflict` (a name that is taken).
    """
    for dataset in datasets:
        check(dataset)
    seq = next_seq(conn)
    paths = unit_paths(conn, [dataset.unit for dataset in datasets])
    written: list[Dataset] = []
    for dataset in datasets:
        if dataset.unit not in paths:
            raise wrong("unit", f"没有机构“{dataset.unit}”", f"there is no unit “{dataset.unit}”", dataset.name)
        published = dataset.published or (now() if dataset.state == "published" else None)
        written.append(replace(dataset, published=published, seq=seq, resources=distributions(dataset)))
    elsewhere = resources_elsewhere(conn, [resource for dataset in written for resource in dataset.resources])
    if elsewhere:
        raise Conflict(
            "catalog.resource-elsewhere",
            Text(zh="这个资源属于另一个数据集", en="The resource belongs to another dataset"),
            Text(zh="去掉资源的 id，让系统另给一个", en="Leave the id of the resource out, a new one is given"),
            elsewhere[0],
            facts={"at": "resources"},
        )
    rows = [(d, audience_of(d.state, d.opening, d.sharing, paths[d.unit]), seq) for d in written]
    try:
        write_rows(conn, rows)
    except UniqueViolation as fault:
        raise Conflict(
            "catalog.name-taken",
            Text(zh="这个名称已被另一个数据集使用", en="The name is taken by another dataset"),
            Text(zh="换一个名称", en="Choose another name"),
            (fault.diag.message_detail or "")[:200],
            facts={"at": "name"},
        ) from fault
    if len(written) == 1:
        append(conn, kind=f"catalog.{verb}", actor=actor, subject=f"dataset:{written[0].name}", facts=_facts(written[0]))
    elif written:
        facts = {"datasets": len(written), "first": written[0].name, "last": written[-1].name}
        append(conn, kind=f"catalog.{verb}", actor=actor, subject=f"catalog:{written[0].origin}", facts=facts)
    return written


def _facts(dataset: Dataset) -> dict[str, object]:
    return {
        "state": dataset.state, "opening": dataset.opening, "sharing": dataset.sharing, "grade": dataset.grade,
        "unit": dataset.unit,
    }  # fmt: skip


def fresh(name: str, title: Text, unit: str, **more: Any) -> Dataset:
    """A new record, not yet saved, with an id and the present time."""
    at = now()
    return Dataset(id=uuid4(), name=name, title=title, unit=unit, created=at, modified=at, **more)


def distributions(dataset: Dataset) -> tuple[Resource, ...]:
    """A dataset's resources with the downloads that its table in the lake offers while it is open."""
    made = {uuid5(dataset.id, suffix): (suffix, label, mimetype) for suffix, label, mimetype in DOWNLOADS}
    others = tuple(resource for resource in dataset.resources if resource.id not in made)
    if dataset.contract is None or dataset.opening != "unconditional":
        return others if dataset.contract is not None else dataset.resources
    old = {resource.id: resource for resource in dataset.resources}
    derived = [
        old.get(id_)
        or Resource(
            id=id_, dataset=dataset.id, created=dataset.created, modified=dataset.modified, name=f"{dataset.name}.{suffix}",
            url=f"/open/{dataset.name}.{suffix}", format=label, mimetype=mimetype, lake_table=dataset.contract,
        )
        for id_, (suffix, label, mimetype) in made.items()
    ]  # fmt: skip
    return tuple(replace(resource, position=place) for place, resource in enumerate((*derived, *others)))


def change(
    city: City, key: str, asker: Asker, decide: Callable[[Connection, Dataset], Dataset], verb: str = "save"
) -> Dataset:
    """Read a dataset, let `decide` say what it should be, and write that, with no other writer in between.

    Raises `NotFound`, `Refused` unless the asker is steward of its unit (and of the new one), `BadInput`, `Conflict`.
    """
    with city.db.connection() as conn:
        hold(conn)
        old = dataset_by_key(conn, key, tokens_of(asker))
        if old is None:
            raise not_found(DATASET, key)
        _check_rights(conn, asker, old, None)
        wish = decide(conn, old)
        _check_rights(conn, asker, wish, None)
        return write(conn, [replace(wish, modified=now())], asker.label, verb)[0]


def save_dataset(city: City, dataset: Dataset, asker: Asker) -> Dataset:
    """Add or change a dataset; returns it as saved.

    Raises `Refused` unless the asker is a steward of its unit (and of the unit it had before), `BadInput`, `Conflict`.
    """
    with city.db.connection() as conn:
        hold(conn)
        old = dataset_by_key(conn, str(dataset.id), [ADMIN])
        _check_rights(conn, asker, dataset, old)
        return write(conn, [replace(dataset, modified=now())], asker.label, "save" if old else "add")[0]


def _check_rights(conn: Connection, asker: Asker, dataset: Dataset, old: Dataset | None) -> None:
    paths = unit_paths(conn, [dataset.unit, *([old.unit] if old else [])])
    if dataset.unit not in paths:
        raise wrong("unit", f"没有机构“{dataset.unit}”", f"there is no unit “{dataset.unit}”", dataset.name)
    for path in paths.values():
        check_steward(asker, path, dataset.name)


def _turn(city: City, key: str, asker: Asker, state: State, verb: str) -> Dataset:
    def decide(_conn: Connection, old: Dataset) -> Dataset:
        if state == "published":
            for attribute, zh, en in NEEDED:
                if not str(getattr(old, attribute)).strip():
                    raise wrong(attribute, f"发布前请填写{zh}", f"fill in the {en} before publishing", old.name)
        return replace(old, state=state)

    return change(city, key, asker, decide, verb)


def publish(city: City, key: str, asker: Asker) -> Dataset:
    """Put a dataset on the list for those its law allows; raises `BadInput` naming what is missing, `Refused`."""
    return _turn(city, key, asker, "published", "publish")


def withdraw(city: City, key: str, asker: Asker) -> Dataset:
    """Take a dataset off the list; its unit still sees it. Raises `Refused`, `NotFound`."""
    return _turn(city, key, asker, "withdrawn", "withdraw")


def delete(city: City, key: str, asker: Asker) -> Dataset:
    """Mark a dataset deleted: only administrators still see it, and its table stays. Raises `Refused`, `NotFound`."""
    return _turn(city, key, asker, "deleted", "delete")


def dataset_from_contract(contract: Contract, old: Dataset | None, at: datetime) -> Dataset:
    """The record a contract asks for; what only the catalogue knows (licence, extras, state) is kept from `old`."""
    base = old or Dataset(
        id=uuid5(NAMESPACE_URL, f"sanqu:dataset:{contract.name}"), name=contract.name, title=contract.title,
        unit=contract.steward, created=at, modified=at, state="published", licence="cc-by",
    )  # fmt: skip
    return replace(
        base,
        title=contract.title,
        about=contract.description,
        unit=contract.steward,
        opening=contract.opening,
        sharing=contract.sharing,
        grade=contract.grade,
        subjects=(contract.subject,) if contract.subject else base.subjects,
        tags=tuple(dict.fromkeys(contract.tags)),
        freshness=contract.freshness,
        sample=contract.sample,
        source=contract.source or "",
        contract=contract.name,
        items=items_of(contract),
    )


def register_contract(city: City, contract: Contract, actor: str, *, state: State | None = None) -> Dataset:
    """Declare a contract in the lake and list its dataset; doing it again changes nothing.

    `state` is the state a new record gets (published unless said). Raises what `lake.declare` raises, and `Conflict`
    when the name is taken by a dataset of another origin.
    """
    lake_of(city).declare(contract, actor)
    with city.db.connection() as conn:
        hold(conn)
        old = dataset_by_key(conn, contract.name, [ADMIN])
        if old is not None and (old.contract not in (None, contract.name) or old.origin != LOCAL):
            raise Conflict(
                "catalog.name-taken",
                Text(zh="这个名称已被另一个数据集使用", en="The name is taken by another dataset"),
                Text(zh="给数据契约换一个名称", en="Give the contract another name"),
                contract.name,
            )
        wish = dataset_from_contract(contract, old, now())
        if old is None and state is not None:
            wish = replace(wish, state=state)
        if old is not None and wish == old:
            return old
        return write(conn, [replace(wish, modified=now())], actor, "save" if old else "add")[0]


def load_subjects(city: City, subjects: Iterable[Subject], actor: str) -> int:
    """Add or change subject libraries; returns how many were given."""
    given = list(subjects)
    with city.db.connection() as conn:
        for subject in given:
            if not NAME.fullmatch(subject.name):
                raise wrong("name", "1 到 100 个小写字母、数字、-、_", "1 to 100 lower-case letters, digits, - and _", subject.name)
            write_subject(conn, subject)
        append(conn, kind="catalog.subjects", actor=actor, subject="catalog", facts={"subjects": len(given)})
    return len(given)


def note_use(city: City, uses: Mapping[str, int]) -> None:
    """Add to how often datasets (by name) were used; what is used more stands before its equals in a search."""
    with city.db.connection() as conn, conn.cursor() as cursor:
        cursor.executemany(NOTE_USE, [(times, name) for name, times in sorted(uses.items())])


def touch(conn: Connection, ids: Sequence[UUID]) -> None:
    """Have the index read these datasets again, in the caller's transaction."""
    conn.execute("UPDATE catalog_dataset SET seq = %s WHERE id = ANY(%s)", (next_seq(conn), list(ids)))
