"""Rules (规则) of scenes: rows that break one raise an alarm, once an incident; an alarm may open a case, and is over when its rows are gone."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import now, seconds_in
from sanqu.ground.database import Connection
from sanqu.ground.errors import SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.scenes.keeping import Installed, ready, scene_of
from sanqu.scenes.package import Case, Rule
from sanqu.scenes.speaking import purpose_of, speaker_of
from sanqu.scenes.wording import english_of, in_english
from sanqu.sharing.door import Question, ask
from sanqu.sharing.law import law_book
from sanqu.sharing.my_data import acting_for

log = logging.getLogger(__name__)

MOST_ROWS = 20_000
PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?$")

ALL_SEEN = "SELECT what, snapshots, at FROM scene_seen WHERE scene = %s"
SAVE_SEEN = """
INSERT INTO scene_seen (scene, what, snapshots, at, fault) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (scene, what) DO UPDATE SET snapshots = excluded.snapshots, at = excluded.at, fault = excluded.fault
"""
STANDING = "SELECT DISTINCT rule FROM scene_alarm WHERE scene = %s AND cleared IS NULL"
OPEN = "SELECT id, key, body FROM scene_alarm WHERE scene = %s AND rule = %s AND cleared IS NULL FOR UPDATE"
RECENT = "SELECT id FROM scene_alarm WHERE scene = %s AND rule = %s AND key = %s AND cleared > %s ORDER BY cleared DESC LIMIT 1"
AGAIN = "UPDATE scene_alarm SET cleared = NULL, seen = %s, times = times + 1, body = %s, message = %s WHERE id = %s"
RAISE = """
INSERT INTO scene_alarm (scene, rule, key, severity, body, message, raised, seen) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
REPEAT = "UPDATE scene_alarm SET seen = %s, times = times + 1, body = %s, message = %s WHERE id = %s"
CLEAR = "UPDATE scene_alarm SET cleared = %s WHERE id = ANY(%s)"
SET_CASE = "UPDATE scene_alarm SET case_number = %s WHERE id = %s"
COLUMNS = "id, scene, rule, key, severity, body, message, times, raised, seen, cleared, case_number"
WANTED = "scene = %(scene)s AND (%(rule)s::text IS NULL OR rule = %(rule)s) AND (NOT %(open)s OR cleared IS NULL)"
LIST = f"SELECT {COLUMNS} FROM scene_alarm WHERE {WANTED} ORDER BY cleared IS NOT NULL, seen DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n FROM scene_alarm WHERE {WANTED}"
PATH = "SELECT u.path FROM scene s JOIN org_unit u ON u.code = s.steward WHERE s.name = %s"


@dataclass(frozen=True)
class Alarm:
    """One incident: the row as it was seen last, how often, since when, and until when it lasted."""

    id: int
    scene: str
    rule: str
    key: str
    severity: str
    body: Mapping[str, Any]
    message: Text
    times: int
    raised: datetime
    seen: datetime
    cleared: datetime | None
    case_number: str | None


def all_seen(city: City, scene: str) -> dict[str, tuple[dict[str, int], datetime]]:
    """The snapshots of the sources when each thing of a scene was worked at last, and when that was; by what it is."""
    return {str(row["what"]): (dict(row["snapshots"]), row["at"]) for row in city.db.all(ALL_SEEN, (scene,))}


def note_seen(conn: Connection, scene: str, what: str, snapshots: Mapping[str, int], fault: SanquError | None = None, *, at: datetime | None = None) -> None:
    """Note at which snapshots something was worked at, and why it could not be."""
    told = None if fault is None else Jsonb({"what": fault.what.model_dump(), "todo": fault.todo.model_dump()})
    conn.execute(SAVE_SEEN, (scene, what, Jsonb(dict(snapshots)), at or now(), told))


def look_at_rules(city: City, one: Installed) -> int:
    """Look at every rule whose datasets or query changed since the last time, or that asks what time it is; gives how many.

    A rule that cannot be looked at says why, the others go on.
    """
    book, seen = law_book(city), all_seen(city, one.name)
    law, _ = book.current([])
    rules = [(rule, ready(city, one, law, rule.sql, rule.name)) for rule in scene_of(city, one).rules]
    _, newest = book.current(list({name for _, asked in rules for name in asked.datasets}))
    answers, noted, moment = _Answers(city, one), [], now()
    standing = {str(row["rule"]) for row in city.db.all(STANDING, (one.name,))}
    for rule, asked in rules:
        now_at = {**{name: newest[name] for name in asked.datasets if name in newest}, **asked.marks}
        before, at = seen.get(f"rule:{rule.name}", (None, None))
        if (before == now_at and not asked.timely) or (at is not None and before and moment - at < span_of(rule.pace)):
            continue
        fault: SanquError | None = None
        try:
            rows = [row for row in answers.of(asked.sql) if all(str(row.get(name)) == value for name, value in rule.when.items())]
            if rows or rule.name in standing:
                keep_alarms(city, one, rule, rows)
        except SanquError as refused:
            log.warning("scene %s, rule %s: %s", one.name, rule.name, refused.what.in_("en"))
            fault = refused
        noted.append((rule, now_at if fault is None else {}, fault))
    with city.db.connection() as conn:
        for rule, now_at, fault in noted:
            note_seen(conn, one.name, f"rule:{rule.name}", now_at, fault)
    return sum(fault is None for _, _, fault in noted)


class _Answers:
    """What the rules of one look are told: rules with the same query ask once."""

    def __init__(self, city: City, one: Installed) -> None:
        self._city, self._one = city, one
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def of(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query; raises what the door raises."""
        if sql not in self._rows:
            asked = Question(sql, purpose_of(self._one), rows=MOST_ROWS, via="scenes", repeated=True)
            self._rows[sql] = ask(self._city, speaker_of(self._city, self._one), asked).table.to_pylist()
        return self._rows[sql]


def keep_alarms(city: City, one: Installed, rule: Rule, rows: list[dict[str, Any]], at: datetime | None = None) -> None:
    """Raise, repeat and clear alarms so that they are what `rows` say, in one transaction with the cases they open."""
    moment, words = at or now(), english_of(city, scene_of(city, one).words)
    found = {_key(rule, row): _plain(row) for row in rows}
    with city.db.connection() as conn:
        conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"scene-rule:{one.name}:{rule.name}",))
        standing = {row["key"]: row for row in conn.execute(OPEN, (one.name, rule.name)).fetchall()}
        over = [row["id"] for key, row in standing.items() if key not in found]
        if over:
            conn.execute(CLEAR, (moment, over))
        raised = repeated = 0
        for key, row in found.items():
            message = Jsonb(_message(rule.message, row, words).model_dump())
            if key not in standing:
                raised += _raise(city, conn, one, rule, key, row, message, moment, words)
            elif standing[key]["body"] != row:
                conn.execute(REPEAT, (moment, Jsonb(row), message, standing[key]["id"]))
                repeated += 1
        if raised or over:
            append(conn, kind="scenes.alarms", actor=f"scene:{one.name}", subject=f"rule:{rule.name}", facts={"raised": raised, "cleared": len(over)})
    if raised or repeated or over:
        # Once it is there to be read: pages that show alarms look again.
        city.bus.publish(f"scenes.alarms.{one.name}", {"scene": one.name, "rule": rule.name, "raised": raised, "cleared": len(over)})


def _raise(city: City, conn: Connection, one: Installed, rule: Rule, key: str, row: dict[str, Any], message: Jsonb, at: datetime, words: Mapping[str, str]) -> int:
    before = conn.execute(RECENT, (one.name, rule.name, key, at - span_of(rule.quiet))).fetchone() if rule.quiet != "PT0S" else None
    if before is not None:
        conn.execute(AGAIN, (at, Jsonb(row), message, before["id"]))
        return 0
    made = conn.execute(RAISE, (one.name, rule.name, key, rule.severity, Jsonb(row), message, at, at)).fetchone()
    assert made is not None
    if rule.case is not None:
        # Where nobody is on record the process goes on without it.
        speaker = acting_for(conn, "enterprise", filled(rule.case.enterprise, row)) if rule.case.enterprise else None
        has_account = {"has_account": speaker is not None} if rule.case.enterprise else {}
        case = start_case(
            city, speaker or SYSTEM, rule.case.process, _case_title(rule.case.title, row, words), f"alarm:{made['id']}", filled(rule.case.unit, row) or one.steward,
            {**_case_data(rule.case, row), **has_account, "alarm": made["id"], "scene": one.name, "said": [{"title": {"zh": "起因", "en": "What it is about"}, "value": message.obj}]}, conn=conn, at=at,
        )  # fmt: skip
        conn.execute(SET_CASE, (case.number, made["id"]))
    return 1


def _case_data(case: Case, row: Mapping[str, Any]) -> dict[str, Any]:
    """What the process sees: a value that is just one column keeps its type."""
    found: dict[str, Any] = {}
    for name, template in case.data.items():
        whole = PLACE.fullmatch(template)
        found[name] = row.get(whole[1]) if whole else filled(template, row)
    return found


def filled(template: str, row: Mapping[str, Any]) -> str:
    """A text with the values of a row in its braces; what the row does not have stays empty."""
    return PLACE.sub(lambda place: "" if row.get(place[1]) is None else str(row[place[1]]), template)


def places_in(template: str) -> set[str]:
    """The columns that a text names in braces."""
    return set(PLACE.findall(template))


def _message(message: Text, row: Mapping[str, Any], words: Mapping[str, str]) -> Text:
    # A moment is read with a space between day and time.
    said = {name: MOMENT.sub(r"\1 \2", value, count=1) if isinstance(value, str) else value for name, value in row.items()}
    return Text(zh=filled(message.zh, said), en=filled(message.en, {**said, **_english(said, words)}))


def _english(row: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """What stands for a column in English: its companion `name_en` where the row has one, else the county's name or the scene's word."""
    known = {name: in_english(value, words) for name, value in row.items() if isinstance(value, str)}
    return known | {name.removesuffix("_en"): known.get(name, value) for name, value in row.items() if name.endswith("_en") and value is not None}


def _case_title(title: Text, row: Mapping[str, Any], words: Mapping[str, str]) -> Text:
    told = _message(title, row, words)
    return Text(zh=told.zh[:200], en=told.en[:200])


def _key(rule: Rule, row: Mapping[str, Any]) -> str:
    return "\x1f".join("" if row.get(name) is None else str(row[name]) for name in rule.key)[:500]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON takes it."""
    return dict(orjson.loads(orjson.dumps(row, default=str)))


def span_of(said: str) -> timedelta:
    """How long a rule rests: an ISO 8601 duration of days and less, which the package has checked.

    >>> span_of("P1DT2H")
    datetime.timedelta(days=1, seconds=7200)
    """
    return timedelta(seconds=seconds_in(said) or 0)


def may_see_alarms(city: City, asker: Asker, scene: str) -> bool:
    """Whether the asker sees a scene's alarms: whoever works at its unit, or at one above.

    An alarm says what the scene's unit may read; somebody elsewhere might not, and a rule is no way past the door.
    """
    row = city.db.one(PATH, (scene,))
    return row is not None and any(str(row["path"]).startswith(role.path) for role in asker.held)


def list_alarms(city: City, asker: Asker, scene: str, rule: str | None = None, *, only_open: bool = False, limit: int = 50, offset: int = 0) -> tuple[list[Alarm], int]:
    """A page of a scene's alarms, open ones first, the newest first, and how many there are; none for those who may not see them."""
    if not may_see_alarms(city, asker, scene):
        return [], 0
    wanted = {"scene": scene, "rule": rule, "open": only_open, "limit": limit, "offset": offset}
    counted = city.db.one(COUNT, wanted)
    return [Alarm(**{**row, "message": Text.model_validate(row["message"])}) for row in city.db.all(LIST, wanted)], int(counted["n"]) if counted else 0
