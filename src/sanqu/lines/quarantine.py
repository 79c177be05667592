"""The quarantine (隔离区): rows that did not pass, kept with their reasons until they are mended or dropped."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.lines.keeping import refuse_stranger
from sanqu.lines.records import Fault, Line, Quarantined, RowState

BATCH = 2_000
COLUMNS = "id, line, run, dataset, unit, place, raw, items, faults, mended, state, created, changed, actor"
ADD = """
INSERT INTO lines_quarantine (line, run, dataset, unit, place, mark, raw, items, faults, rules)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (line, unit, mark) DO NOTHING
"""
CHOSEN = """
WHERE (%(line)s::text IS NULL OR line = %(line)s) AND (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
  AND (%(run)s::bigint IS NULL OR run = %(run)s) AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(rule)s::text IS NULL OR rules @> ARRAY[%(rule)s])
"""
LIST = f"SELECT {COLUMNS} FROM lines_quarantine {CHOSEN} AND id > %(after)s ORDER BY id LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n FROM lines_quarantine {CHOSEN}"
SUMMARY = f"""
SELECT f ->> 'item' AS item, f ->> 'rule' AS rule, count(*) AS n
FROM (SELECT * FROM lines_quarantine {CHOSEN}) q, jsonb_array_elements(q.faults) f GROUP BY 1, 2 ORDER BY n DESC, 1, 2
"""
ONE = f"SELECT {COLUMNS} FROM lines_quarantine WHERE id = %s FOR UPDATE"
MEND = "UPDATE lines_quarantine SET mended = %s, state = 'mended', changed = now(), actor = %s WHERE id = %s"
DROP = "UPDATE lines_quarantine SET state = 'dropped', changed = now(), actor = %s WHERE id = %s"
ROW_KIND = Text(zh="隔离行", en="quarantined row")


@dataclass(frozen=True)
class Refusal:
    """A row to quarantine."""

    place: Mapping[str, Any]
    raw: Mapping[str, str | None]
    items: Mapping[str, str | None]
    faults: tuple[Fault, ...]


def _storable(value: Any) -> Any:
    """PostgreSQL text holds no NUL and no half of a surrogate pair: both are shown by a sign."""
    if isinstance(value, str):
        if value.isprintable():
            return value
        return value.replace("\x00", "␀").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_storable(key): _storable(one) for key, one in value.items()}
    return value


def keep_refusals(city: City, line: Line, run: int, unit: str, refusals: Iterable[Refusal]) -> int:
    """Write rows into the quarantine, each once however often it is met at the same place; returns how many came."""
    count, iterator = 0, iter(refusals)
    while batch := list(itertools.islice(iterator, BATCH)):
        values = []
        for refusal in batch:
            raw = _storable(dict(refusal.raw))
            told = json.dumps([dict(refusal.place), raw], ensure_ascii=False, sort_keys=True)
            mark = sha1(told.encode(), usedforsecurity=False).hexdigest()
            faults = [_storable(fault.model_dump(mode="json")) for fault in refusal.faults]
            rules = sorted({fault.rule for fault in refusal.faults})
            values.append(
                (line.name, run, line.dataset, unit, Jsonb(dict(refusal.place)), mark, Jsonb(raw), Jsonb(_storable(dict(refusal.items))),
                 Jsonb(faults), rules)
            )  # fmt: skip
        with city.db.connection() as conn, conn.cursor() as cursor:
            cursor.executemany(ADD, values)
        count += len(batch)
    return count


def list_quarantine(
    city: City,
    *,
    line: str | None = None,
    dataset: str | None = None,
    run: int | None = None,
    state: str | None = None,
    rule: str | None = None,
    after: int = 0,
    limit: int = 50,
    offset: int = 0,
) -> list[Quarantined]:
    """Quarantined rows in the order they came, narrowed; `after` is a row's number to go on from."""
    wanted = {"line": line, "dataset": dataset, "run": run, "state": state, "rule": rule, "after": after}
    return [Quarantined.model_validate(row) for row in city.db.all(LIST, {**wanted, "limit": limit, "offset": offset})]


def count_quarantine(
    city: City,
    *,
    line: str | None = None,
    dataset: str | None = None,
    run: int | None = None,
    state: str | None = None,
    rule: str | None = None,
) -> int:
    """How many rows `list_quarantine` would give."""
    row = city.db.one(COUNT, {"line": line, "dataset": dataset, "run": run, "state": state, "rule": rule})
    return int(row["n"]) if row else 0


def faults_of(city: City, *, line: str | None = None, dataset: str | None = None, run: int | None = None) -> list[tuple[str, str, int]]:
    """Item, rule and number of the faults of rows that wait, the most frequent first."""
    wanted = {"line": line, "dataset": dataset, "run": run, "state": RowState.WAITING.value, "rule": None}
    return [(str(r["item"]), str(r["rule"]), int(r["n"])) for r in city.db.all(SUMMARY, wanted)]


def quarantined(city: City, number: int) -> Quarantined:
    """The quarantined row `number`; raises `NotFound`."""
    row = city.db.one(f"SELECT {COLUMNS} FROM lines_quarantine WHERE id = %s", (number,))
    if row is None:
        raise not_found(ROW_KIND, str(number))
    return Quarantined.model_validate(row)


def mend(city: City, number: int, values: Mapping[str, str | None], asker: Asker) -> Quarantined:
    """Give items of a quarantined row new values (text, as a source would); it is checked again when replayed.

    Raises `NotFound`, `Refused`, `Conflict` (already replayed or dropped), `BadInput` naming an item that is not there.
    """
    row = quarantined(city, number)
    refuse_stranger(city, row.dataset, asker)
    contract = lake_of(city).contract(row.dataset)
    for item in values:
        contract.field(item)
    with city.db.connection() as conn:
        held = conn.execute(ONE, (number,)).fetchone()
        now_held = Quarantined.model_validate(held) if held else row
        _refuse_settled(now_held)
        merged = _storable({**(now_held.mended or {}), **values})
        conn.execute(MEND, (Jsonb(merged), asker.label, number))
        facts = {"row": number, "items": sorted(values)}
        append(conn, kind="lines.mend", actor=asker.label, subject=f"dataset:{row.dataset}", facts=facts)
    return quarantined(city, number)


def drop(city: City, number: int, asker: Asker) -> Quarantined:
    """Give a quarantined row up; it stays on record as dropped. Raises `NotFound`, `Refused`, `Conflict`."""
    row = quarantined(city, number)
    refuse_stranger(city, row.dataset, asker)
    with city.db.connection() as conn:
        held = conn.execute(ONE, (number,)).fetchone()
        _refuse_settled(Quarantined.model_validate(held) if held else row)
        conn.execute(DROP, (asker.label, number))
        append(conn, kind="lines.drop", actor=asker.label, subject=f"dataset:{row.dataset}", facts={"row": number})
    return quarantined(city, number)


def _refuse_settled(row: Quarantined) -> None:
    if row.state in (RowState.REPLAYED, RowState.DROPPED):
        done = Text(zh="已重放", en="replayed") if row.state == RowState.REPLAYED else Text(zh="已放弃", en="dropped")
        raise Conflict(
            "lines.settled",
            Text(zh=f"这一行{done.zh}，不能再改", en=f"The row was {done.en} and cannot be changed"),
            Text(zh="在数据集里按主键更正", en="Correct it in the dataset by its key"),
            str(row.id),
        )


def wrong_values(values: object) -> BadInput:
    """What to raise for mended values that are no object of texts."""
    return BadInput(
        "lines.mend-values",
        Text(zh="应为 {数据项: 文本}", en="It should be {item: text}"),
        Text(zh="例：{\"name\": \"新值\"}", en="For example {\"name\": \"new value\"}"),
        str(values)[:100],
    )
