"""What whoever watches lines sees (线路总览): of every line, live and batch, what flows, what is late, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.people.askers import Asker
from sanqu.lines.live.locks import CARRY
from sanqu.lines.live.loss import LIVE_TODO, lost_of, what_is_lost
from sanqu.lines.live.meters import Lately, lately
from sanqu.lines.live.promise import Burn, age_of_line, burns, seconds_of
from sanqu.lines.live.standing import Leg, Standing, is_behind, standings
from sanqu.lines.records import Line
from sanqu.lines.sources.reach import without_password

# A line that nobody carries is given so long before it counts as trouble; a run that is due likewise.
PATIENCE = timedelta(seconds=15)
DUE = timedelta(minutes=5)
# From this share of refused rows on, it is said.
MANY_REFUSED = 0.05
# A clock that was wrong is spoken of for so long after the last row that showed it.
CLOCK_SAID = timedelta(hours=1)

WATCHED = """
SELECT l.name, l.body, l.enabled, l.next_run, u.path, c.body ->> 'freshness' AS freshness,
    r.state AS run_state, r.cause AS run_cause, r.started, r.ended, r.inserted + r.updated AS written,
    EXISTS (SELECT 1 FROM pg_locks p WHERE p.locktype = 'advisory' AND p.classid = %(carry)s AND p.granted
            AND p.objid = (hashtext(l.name)::bigint & 4294967295)::oid
            AND p.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS held
FROM lines_line l JOIN lake_dataset d ON d.name = l.dataset
JOIN lake_contract c ON c.name = d.name AND c.version = d.version
LEFT JOIN org_unit u ON u.code = c.body ->> 'steward'
LEFT JOIN LATERAL (SELECT * FROM lines_run WHERE line = l.name ORDER BY id DESC LIMIT 1) r ON true
WHERE %(name)s::text IS NULL OR l.name = %(name)s ORDER BY l.name
"""


@dataclass(frozen=True)
class Trouble:
    """Why a line does not do what it should: what is so, what to do, on which leg, and when it is tried again by itself."""

    what: Text
    todo: Text
    thing: str = ""
    next_try: datetime | None = None
    leg: Leg = "in"


@dataclass(frozen=True)
class Watched:
    """A line as whoever watches sees it.

    `state` of a live line: off, waiting, loading, flowing, late, stopped; of a batch line: off, resting, running, late, failed.
    Latencies are in ms, from source to lake, over the last five minutes.
    """

    line: Line
    state: str
    trouble: Trouble | None
    freshness: str
    per_second: float = 0.0
    read: int = 0
    refused: int = 0
    late: int = 0
    backlog: int = 0
    p50: float | None = None
    p99: float | None = None
    carried: datetime | None = None
    burn: Burn | None = None
    lost: bool = False

    @property
    def where(self) -> str:
        """Where the line's rows come from, without passwords."""
        source = self.line.source
        place = source.table or source.topic or source.subject or source.dataset or source.resource or source.generator or source.listen
        return place or source.path.rpartition("/")[2] or without_password(source.url).partition("?")[0]

    def as_json(self, lang: Lang | None = None) -> dict[str, Any]:
        """The line for programs and for the map; causes in both languages, or in `lang`."""
        trouble = self.trouble
        said = trouble and {
            "what": trouble.what.model_dump() if lang is None else trouble.what.in_(lang),
            "todo": trouble.todo.model_dump() if lang is None else trouble.todo.in_(lang),
            "thing": trouble.thing, "next_try": trouble.next_try.isoformat() if trouble.next_try else None,
            "leg": trouble.leg,
        }  # fmt: skip
        return {
            "line": self.line.name, "title": self.line.title.model_dump(), "dataset": self.line.dataset, "lane": self.line.lane,
            "kind": self.line.source.kind, "live": self.line.live, "state": self.state, "trouble": said,
            "per_second": round(self.per_second, 2), "read": self.read, "refused": self.refused, "late": self.late,
            "backlog": self.backlog, "p50_ms": self.p50, "p99_ms": self.p99,
            "carried": self.carried.isoformat() if self.carried else None, "freshness": self.freshness or None,
            "burn": {"hour": round(self.burn.hour, 2), "six_hours": round(self.burn.six, 2), "alert": self.burn.alert} if self.burn else None,
        }  # fmt: skip


def watch_lines(city: City, asker: Asker, name: str | None = None) -> list[Watched]:
    """Every line whose dataset the asker answers for (administrators: every line), or the one called `name`, as it stands."""
    rows = [row for row in city.db.all(WATCHED, {"carry": CARRY, "name": name}) if _may(asker, row)]
    standing, recent, burning, at = standings(city), lately(city), burns(city), now()
    return [_watched(row, standing.get(str(row["name"])), recent.get(str(row["name"])), burning.get(str(row["name"])), at) for row in rows]


def _may(asker: Asker, row: Mapping[str, Any]) -> bool:
    return asker.is_admin or bool(row["path"] and asker.may_steward(str(row["path"])))


def _watched(row: Mapping[str, Any], one: Standing | None, recent: Lately | None, burn: Burn | None, at: datetime) -> Watched:
    line, freshness = Line.from_descriptor(row["body"]), str(row["freshness"] or "")
    if one is None:
        state, trouble = batch_trouble(line, row["run_state"], row["run_cause"], row["next_run"], at)
        return Watched(line, state, trouble, freshness, carried=row["ended"])
    promised = seconds_of(freshness)
    if burn is None and promised is not None:
        burn = Burn(0.0, 0.0)
    state, trouble = live_trouble(line, one, recent, promised, bool(row["held"]), at)
    told = recent or Lately(line.name, 0, 0, 0, 0, 0.0, None, None)
    return Watched(
        line, state, trouble, freshness, told.per_second, told.read, told.refused, told.late, one.backlog, told.p50, told.p99,
        one.carried, burn, lost_of(one) is not None,
    )  # fmt: skip


def batch_trouble(
    line: Line, run: str | None, cause: Mapping[str, Any] | None, next_run: datetime | None, at: datetime
) -> tuple[str, Trouble | None]:
    """How a batch line stands, and why, by its last run."""
    if not line.enabled:
        return "off", None
    if run == "running":
        return "running", None
    if run in ("failed", "cut-off"):
        what = Text.model_validate(cause["what"]) if cause else Text(zh="上次运行中断了", en="The last run was cut off")
        todo = Text.model_validate(cause["todo"]) if cause else Text(zh="再运行一次，不会重复", en="Run it again; nothing is doubled")
        return "failed", Trouble(what, todo, str((cause or {}).get("thing") or ""), next_run, _leg_of(cause))
    if next_run is not None and at - next_run > DUE:
        what = Text(zh="到了计划的时间还没有运行", en="Its time has passed and it has not run")
        return "late", Trouble(what, Text(zh="检查后台进程 sanqu worker 是否在运行", en="Check that a background process, sanqu worker, runs"), leg="line")
    return "resting", None


def _leg_of(cause: Mapping[str, Any] | None) -> Leg:
    """Where a batch run broke: what the lake refused is no fault of the source, and one that was cut off was so here."""
    code = str((cause or {}).get("code") or "lines.cut-off")
    return "line" if code == "lines.cut-off" else "out" if code.startswith(("lake.", "lines.mostly-bad", "lines.rows-lost")) else "in"


def live_trouble(
    line: Line, one: Standing, recent: Lately | None, promised: float | None, held: bool, at: datetime
) -> tuple[str, Trouble | None]:  # fmt: skip
    """How a live line stands, and why; `held` says whether some process carries it."""
    if not line.enabled:
        return "off", None
    if one.state == "stopped" and one.cause:
        cause = one.cause
        what, todo = Text.model_validate(cause["what"]), Text.model_validate(cause["todo"])
        return "stopped", Trouble(what, todo, str(cause.get("thing") or ""), one.next_try, cause.get("leg", "in"))
    if not held and one.state != "loading" and at - one.changed > PATIENCE:
        what = Text(zh="没有进程在承运这条专线", en="No process carries this line")
        todo = Text(zh="检查 sanqu live 是否在运行；行都留着，恢复后自动续运", en="Check that sanqu live runs; rows are kept and carried when it is back")
        return "waiting", Trouble(what, todo, leg="line")
    if one.state != "flowing":
        return one.state, None
    return _flowing(line, one, recent, promised, at)


def _flowing(line: Line, one: Standing, recent: Lately | None, promised: float | None, at: datetime) -> tuple[str, Trouble | None]:
    if is_behind(one, at):
        what = Text(zh=f"积压 {one.backlog:,} 条消息，已有数秒没有装载", en=f"{one.backlog:,} messages wait and none was carried for some seconds")
        return "late", Trouble(what, Text(zh="看这条领域专线的限速与数据库的负载", en="Look at the lane's rows a second and at the load of the database"), leg="out")
    if lost := lost_of(one):
        return "flowing", Trouble(what_is_lost(line.name, lost), LIVE_TODO, leg="line")
    age = age_of_line(line.source.kind, one, at)
    if promised is not None and recent is not None and recent.p99 is not None and recent.p99 / 1000 > promised:
        what = Text(zh=f"从来源到可见用了 {recent.p99 / 1000:,.1f} 秒，超过承诺", en=f"Source to lake takes {recent.p99 / 1000:,.1f} s, more than promised")
        return "late", Trouble(what, Text(zh="看来源的时钟与网络", en="Look at the clock of the source, and the network"))
    if promised is not None and age > promised:
        return _silent(age, promised)
    if recent is not None and recent.read and recent.refused / recent.read > MANY_REFUSED:
        what = Text(zh=f"近五分钟 {recent.read:,} 行里有 {recent.refused:,} 行没通过契约", en=f"{recent.refused:,} of {recent.read:,} rows of five minutes did not fit the contract")
        return "flowing", Trouble(what, Text(zh="打开隔离区看每一行的原因", en="Open the quarantine: it has the reason of each row"), leg="out")
    return "flowing", _clock(line, one, at)


def _clock(line: Line, one: Standing, at: datetime) -> Trouble | None:
    """That a clock of the source is wrong: measured where the source can be asked for it, else seen in its rows within the last hour."""
    said = one.source.get("clock")
    if not said:
        return None
    seen, measured = datetime.fromisoformat(said["at"]), line.source.kind in ("postgres", "mysql")
    if not measured and at - seen > CLOCK_SAID:
        return None
    seconds, clock = abs(said["ms"]) / 1000, seen.strftime("%H:%M:%S")
    ahead = said["ms"] > 0
    what = Text(
        zh=f"来源的时钟{'快' if ahead else '慢'}了 {seconds:,.0f} 秒（{clock}）",
        en=f"A clock of the source is {seconds:,.0f} s {'ahead' if ahead else 'behind'} (seen at {clock})",
    )
    if measured:
        return Trouble(what, Text(zh="延迟已按时差折算；请校准来源的时钟", en="Latency is reckoned by the difference; set the clock of the source"))
    return Trouble(what, Text(
        zh="这些行按到达的时刻计延迟，推动窗口不超过一小时；请校准设备或来源的时钟",
        en="Such rows count from their arrival and carry windows no further than an hour; set the clock of the device or source",
    ))  # fmt: skip


def _silent(age: float, promised: float) -> tuple[str, Trouble]:
    what = Text(zh=f"{age:,.0f} 秒没有新数据，承诺是 {promised:,.0f} 秒", en=f"Nothing new for {age:,.0f} s; {promised:,.0f} s are promised")
    return "late", Trouble(what, Text(zh="检查设备或来源是否还在发送", en="Check that the devices or the source still send"))


def narrowed(found: Iterable[Watched], *, lane: str = "", state: str = "", q: str = "", live: bool | None = None) -> list[Watched]:
    """Those of a lane, in a state (`trouble`: whatever troubles them), with a text in their names or cause."""
    return [
        one
        for one in found
        if (not lane or one.line.lane == lane)
        and (not state or one.state == state or (state == "trouble" and one.trouble is not None))
        and (live is None or one.line.live == live)
        and (not q or q.casefold() in _text(one))
    ]


def _text(one: Watched) -> str:
    trouble = f"{one.trouble.what.zh} {one.trouble.what.en}" if one.trouble else ""
    return f"{one.line.name} {one.line.dataset} {one.line.title.zh} {one.line.title.en} {one.where} {trouble}".casefold()
