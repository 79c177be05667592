"""Runs a harvest: batch by batch, each with its position in one transaction, so that any cut can be gone on from."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

from sanqu.catalog.ckan.faces import format_of
from sanqu.catalog.harvest.ckan_site import CkanSite
from sanqu.catalog.harvest.csv_list import CsvList
from sanqu.catalog.harvest.dcat_file import DcatFile
from sanqu.catalog.harvest.fetch import Fetcher, OutOfTime
from sanqu.catalog.harvest.foreign import Batch, Foreign, Raw, Reader, Unfit
from sanqu.catalog.harvest.socrata import SocrataCatalogue
from sanqu.catalog.harvest.sources import Run, Source, run_by_id, source_by_name
from sanqu.catalog.keeping import check, write
from sanqu.catalog.licences import licence_of
from sanqu.catalog.records import Dataset, Item, Resource, datasets_by_id, hold
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.ledger import append

log = logging.getLogger(__name__)

BUDGET_SECONDS = 3600.0
READERS: dict[str, Any] = {"ckan": CkanSite, "dcat": DcatFile, "csv": CsvList, "socrata": SocrataCatalogue}

UNFINISHED = """
SELECT id FROM catalog_harvest_run WHERE source = %s AND id = (SELECT max(id) FROM catalog_harvest_run WHERE source = %s)
  AND state <> 'done'
"""
START = """
INSERT INTO catalog_harvest_run (source, state, actor, started, moved) VALUES (%s, 'running', %s, %s, %s) RETURNING id
"""
GO_ON = "UPDATE catalog_harvest_run SET state = 'running', cause = NULL, ended = NULL, moved = %s WHERE id = %s"
MOVE = """
UPDATE catalog_harvest_run SET position = %(position)s, total = coalesce(%(total)s, total), seen = seen + %(seen)s,
    added = added + %(added)s, changed = changed + %(changed)s, unchanged = unchanged + %(unchanged)s,
    failed = failed + %(failed)s, moved = %(moved)s
WHERE id = %(run)s
"""
END = "UPDATE catalog_harvest_run SET state = %s, cause = %s, ended = %s, moved = %s WHERE id = %s"
WITHDREW = "UPDATE catalog_harvest_run SET withdrawn = %s WHERE id = %s"
KNOWN = "SELECT record, dataset, hash, gone FROM catalog_harvest_record WHERE source = %s AND record = ANY(%s)"
SEEN = "UPDATE catalog_harvest_record SET run = %s WHERE source = %s AND record = ANY(%s)"
KEEP = """
INSERT INTO catalog_harvest_record (source, record, dataset, hash, run) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (source, record) DO UPDATE SET dataset = excluded.dataset, hash = excluded.hash, run = excluded.run, gone = false
"""
FAIL = """
INSERT INTO catalog_harvest_failure (run, record, place, reason, at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (run, record) DO UPDATE SET reason = excluded.reason, place = excluded.place
"""
VANISHED = "SELECT record, dataset FROM catalog_harvest_record WHERE source = %s AND run <> %s AND NOT gone"
GONE = "UPDATE catalog_harvest_record SET gone = true WHERE source = %s AND record = ANY(%s)"


@dataclass
class _Count:
    """What one batch did."""

    seen: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    failed: int = 0


@contextmanager
def _alone(city: City, source: str) -> Any:
    """Be the only run of this source; the lock goes with its connection, also when the process dies."""
    with city.db.own_connection() as conn:
        row = conn.execute("SELECT pg_try_advisory_lock(hashtext(%s)) AS got", (f"harvest:{source}",)).fetchone()
        if not row or not row["got"]:
            raise Conflict(
                "harvest.running",
                Text(zh="这个来源正在收割", en="This source is being harvested"),
                Text(zh="等它结束，进度见收割记录", en="Wait for its end; see the list of runs"),
                source,
            )
        try:
            yield
        finally:
            # A connection that is closed gives its lock up a moment later, and who comes next would be refused.
            with suppress(psycopg.Error):
                conn.execute("SELECT pg_advisory_unlock(hashtext(%s))", (f"harvest:{source}",))


def harvest(
    city: City, source_name: str, actor: str = "system", *, budget: float = BUDGET_SECONDS, afresh: bool = False
) -> Run:
    """Harvest a source to its end, going on where an unfinished run stopped (unless `afresh`).

    Ends in state `done`; `paused` when `budget` seconds were not enough; `failed` with the cause when the source broke.
    Records that cannot be taken in are failures of the run, not its end. Raises `NotFound`, `Conflict` (it runs already).
    """
    source = source_by_name(city, source_name)
    with _alone(city, source.name):
        run = _begin(city, source, actor, afresh)
        fetcher = Fetcher(budget, city.settings.max_download_mb * 1_048_576, source.options.get("headers"))
        reader: Reader = READERS[source.kind](source, fetcher)
        try:
            for batch in reader.batches(run.position):
                _take_in(city, source, reader, run.id, batch, actor)
                city.bus.publish(f"catalog.harvest.{source.name}", {"run": run.id, "position": dict(batch.position)})
            _end(city, source, run.id, actor)
        except OutOfTime:
            _stop(city, run.id, "paused", _out_of_time(budget))
        except SanquError as fault:
            _stop(city, run.id, "failed", fault.record())
        except Exception as fault:
            log.exception("harvest of %s broke", source.name)
            _stop(city, run.id, "failed", _broken(fault))
            raise
        finally:
            fetcher.close()
    return run_by_id(city, run.id)


@job("catalog.harvest")
def harvest_in_background(city: City, source: str, actor: str = "system") -> None:
    """Harvest a source as background work; a run that was paused goes on by itself."""
    from sanqu.ground.jobs import defer

    run = harvest(city, source, actor)
    if run.state == "paused":
        with city.db.connection() as conn:
            defer(conn, "catalog.harvest", {"source": source, "actor": actor}, lock=f"harvest:{source}")


def _begin(city: City, source: Source, actor: str, afresh: bool) -> Run:
    with city.db.connection() as conn:
        unfinished = None if afresh else conn.execute(UNFINISHED, (source.name, source.name)).fetchone()
        if unfinished is not None:
            conn.execute(GO_ON, (now(), unfinished["id"]))
            id_ = unfinished["id"]
        else:
            made = conn.execute(START, (source.name, actor, now(), now())).fetchone()
            assert made is not None
            id_ = made["id"]
    return run_by_id(city, id_)


def _take_in(city: City, source: Source, reader: Reader, run: int, batch: Batch, actor: str) -> None:
    """Write one batch and the position after it."""
    count = _Count(seen=len(batch.records))
    with city.db.connection() as conn:
        hold(conn)
        raws = {raw.id: raw for raw in batch.records}
        known = {row["record"]: row for row in conn.execute(KNOWN, (source.name, list(raws)))}
        # Also what fails this time is still there: it must not be taken for vanished.
        conn.execute(SEEN, (run, source.name, list(known)))
        old = {d.id: d for d in datasets_by_id(conn, [row["dataset"] for row in known.values()], ["admin"])}
        fit: list[tuple[Raw, Dataset]] = []
        for raw in raws.values():
            before = known.get(raw.id)
            if before and raw.body is not None and bytes(before["hash"]) == raw.digest and not before["gone"]:
                count.unchanged += 1
                continue
            try:
                fit.append((raw, _record(source, reader, raw, old.get(before["dataset"]) if before else None)))
            except _Failed as fault:
                count.failed += 1
                conn.execute(FAIL, (run, raw.id[:500], raw.place[:500], Jsonb(fault.reason.model_dump()), now()))
        if fit:
            write(conn, [dataset for _, dataset in fit], actor, "harvest")
            with conn.cursor() as cursor:
                cursor.executemany(KEEP, [(source.name, raw.id, dataset.id, raw.digest, run) for raw, dataset in fit])
        count.changed = sum(raw.id in known for raw, _ in fit)
        count.added = len(fit) - count.changed
        doubles = len(batch.records) - len(raws)
        conn.execute(
            MOVE,
            {"position": Jsonb(dict(batch.position)), "total": batch.total, "moved": now(), "run": run, **vars(count)}
            | {"unchanged": count.unchanged + doubles},
        )


class _Failed(Exception):
    def __init__(self, reason: Text) -> None:
        super().__init__(reason.en)
        self.reason = reason


def _record(source: Source, reader: Reader, raw: Raw, old: Dataset | None) -> Dataset:
    """The dataset a record becomes; raises `_Failed` with the reason."""
    if raw.body is None:
        raise _Failed(raw.fault or Text(zh="没有内容", en="It has no content"))
    try:
        dataset = _dataset(source, raw.id, reader.foreign(raw.body), old)
        check(dataset)
    except Unfit as fault:
        raise _Failed(fault.reason) from fault
    except SanquError as fault:
        raise _Failed(fault.what) from fault
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as fault:
        # A record of a shape nobody foresaw fails alone.
        said = f"{type(fault).__name__}: {fault}"[:300]
        raise _Failed(Text(zh=f"记录的结构出乎意料（{said}）", en=f"The record has an unforeseen shape ({said})")) from fault
    return dataset


def _dataset(source: Source, record: str, foreign: Foreign, old: Dataset | None) -> Dataset:
    id_ = uuid5(NAMESPACE_URL, f"sanqu:harvest:{source.name}:{record}")
    at = now()
    themes: Mapping[str, str] = source.options.get("subjects") or {}
    subjects = [themes[theme] for theme in foreign.themes if theme in themes]
    subjects += [str(source.options["subject"])] if source.options.get("subject") else []
    licence = licence_of(foreign.licence)
    extras: dict[str, Any] = dict(foreign.extras)
    extras |= {"publisher": foreign.publisher, "harvested_from": foreign.page, "themes": ", ".join(foreign.themes)}
    base = old or Dataset(
        id=id_, name=_name(source, foreign, id_), title=foreign.title, unit=source.unit, created=at, modified=at, origin=source.name,
    )  # fmt: skip
    return replace(
        base, title=foreign.title, about=foreign.about, unit=source.unit, state="published", opening="unconditional",
        sharing="unconditional", subjects=tuple(dict.fromkeys(subjects)), tags=tuple(foreign.tags),
        licence=licence.id if licence else (foreign.licence or str(source.options.get("licence", "")))[:200],
        freshness=foreign.freshness, source=foreign.page, created=foreign.created or base.created,
        modified=foreign.modified or at,
        items=tuple(Item(name, title=Text(zh=title or name)) for name, title in foreign.items),
        extras={key: value for key, value in extras.items() if value not in ("", None)},
        resources=_resources(foreign, id_ if old is None else old.id),
    )  # fmt: skip


def _name(source: Source, foreign: Foreign, id_: UUID) -> str:
    """A name nobody else has: the source, what the title gives in ASCII, and a bit of the id."""
    slug = re.sub(r"[^a-z0-9]+", "-", (foreign.title.en or "").lower()).strip("-")[:50].strip("-")
    return "-".join(part for part in (source.name[:30], slug, id_.hex[:10]) if part)


def _resources(foreign: Foreign, dataset: UUID) -> tuple[Resource, ...]:
    at = foreign.modified or now()
    return tuple(
        Resource(
            uuid5(dataset, f"{place}:{link.url}:{link.format}"), dataset, at, at, link.name, link.about, link.url,
            format_of(link.format, link.url), link.mimetype[:100], link.size, place,
        )
        for place, link in enumerate(foreign.links)
    )  # fmt: skip


def _end(city: City, source: Source, run: int, actor: str) -> None:
    """Withdraw what the source no longer has, and close the run; an empty source withdraws nothing."""
    seen = run_by_id(city, run).seen
    with city.db.connection() as conn:
        hold(conn)
        vanished = conn.execute(VANISHED, (source.name, run)).fetchall()
        if vanished and seen == 0:
            cause = SanquError(
                "harvest.empty",
                Text(zh=f"来源一条记录也没有，而此前有 {len(vanished)} 条", en=f"The source has no record, and had {len(vanished)} before"),
                Text(zh="核对地址；若确已清空，请手工撤下", en="Check the address; if it is truly empty withdraw them by hand"),
                source.url,
            )
            conn.execute(END, ("failed", Jsonb(cause.record()), now(), now(), run))
            return
        _withdraw(conn, source, [(row["record"], row["dataset"]) for row in vanished], actor)
        conn.execute(WITHDREW, (len(vanished), run))
        conn.execute(END, ("done", None, now(), now(), run))
        append(conn, kind="catalog.harvested", actor=actor, subject=f"harvest:{source.name}", facts={"run": run, "seen": seen, "withdrawn": len(vanished)})


def _withdraw(conn: Connection, source: Source, gone: Sequence[tuple[str, UUID]], actor: str) -> None:
    if not gone:
        return
    records = datasets_by_id(conn, [dataset for _, dataset in gone], ["admin"])
    standing = [replace(d, state="withdrawn", modified=now()) for d in records if d.state == "published"]
    if standing:
        write(conn, standing, actor, "withdraw")
    conn.execute(GONE, (source.name, [record for record, _ in gone]))


def _stop(city: City, run: int, state: str, cause: Mapping[str, Any]) -> None:
    with city.db.connection() as conn:
        conn.execute(END, (state, Jsonb(dict(cause)), now(), now(), run))


def _out_of_time(budget: float) -> dict[str, Any]:
    return SanquError(
        "harvest.out-of-time",
        Text(zh=f"{budget:.0f} 秒内没有收完", en=f"It was not finished within {budget:.0f} seconds"),
        Text(zh="再跑一次，会从断点继续", en="Run again, it goes on from here"),
    ).record()


def _broken(fault: Exception) -> dict[str, Any]:
    return SanquError(
        "harvest.broke",
        Text(zh=f"程序出错：{fault}", en=f"The program failed: {type(fault).__name__}: {fault}"),
        Text(zh="请把这条信息交给维护者", en="Hand this to the maintainers"),
    ).record()
