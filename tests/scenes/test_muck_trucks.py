"""The scene muck-trucks on dirt of its field, and however its positions are cut into rounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sanqu.cases.history import list_cases
from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Commit, lake_of
from sanqu.lines.keeping import line_of
from sanqu.lines.live.trial import carry_rows
from sanqu.lines.quarantine import list_quarantine
from sanqu.scenes.installing import install
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from sanqu.scenes.rules import list_alarms
from sanqu.sharing.my_data import identify

EIGHT = datetime(2026, 11, 26, 8)
SITE, ROAD = (118.850, 28.935), (118.80, 28.85)


def at(seconds: int, lon: float = ROAD[0], lat: float = ROAD[1], speed: float = 30, **more: Any) -> dict[str, Any]:
    """A position so many seconds after eight; on a road of 60 unless said."""
    return {"at": (EIGHT + timedelta(seconds=seconds)).isoformat(), "lon": lon, "lat": lat, "speed": speed, "load": "empty", "lift": 0, "cover": 0, "located": True, **more}


def trip() -> Iterator[dict[str, Any]]:
    """Six hours of one truck with a bit of everything: speed, a drift, doubles, a rest, silence, dumping, an open cover, no rest at all."""
    for step in range(0, 6 * 3600, 90):
        lon, lat = ROAD[0] + step * 1.2e-6, ROAD[1]
        yield at(step, lon, lat, 75 if 1800 <= step < 2700 else 0 if 3600 <= step < 5400 else 40, load="full" if step > 9000 else "empty", lift=int(6300 <= step < 6600), cover=int(10_000 < step < 12_000))
        if step in (1980, 4500, 9000):
            yield at(step + 20, 119.3, 29.2, 40)  # A drift, and the truck is back with the next position
        if step % 900 == 0:
            yield at(step, lon, lat, 0)  # The same moment once more


def rows(city: City, dataset: str, sql: str) -> list[tuple[Any, ...]]:
    with lake_of(city).engine() as duck:
        return duck.execute(sql.format(f'lake.main."{dataset}"')).fetchall()


def settled(city: City) -> None:
    """The scene with its registers and without a position."""
    install(city, SYSTEM, open_scene(find_scene("muck-trucks")), steward="3308")
    samples = {
        "truck-enterprises": "SELECT 'E1' AS enterprise, '企业' AS name, '柯城区' AS county, '330802' AS unit",
        "trucks": "SELECT 'T' || n AS truck, '1390000000' || n AS terminal, 'E1' AS enterprise, NULL AS driver, NULL AS route FROM range(1, 5) AS r(n)",
        "truck-areas": f"SELECT 'S' AS area, '工地' AS title, '工地' AS kind, ST_AsGeoJSON(ST_MakeEnvelope({SITE[0]} - .003, {SITE[1]} - .003, {SITE[0]} + .003, {SITE[1]} + .003))::VARCHAR AS shape",
        "truck-roads": "SELECT 'G' AS road, '国道' AS title, '国省道' AS class, 60 AS speed_limit, ST_AsGeoJSON(ST_MakeEnvelope(118, 28, 120, 30))::VARCHAR AS shape",
    }
    with lake_of(city).engine() as duck:
        for name, sql in samples.items():
            lake_of(city).upsert(name, sql, Commit("test"), duck=duck)


def send(city: City, terminal: int, *said: dict[str, Any]) -> int:
    """Take positions the way of the line; gives how many were refused."""
    return carry_rows(city, line_of(city, "muck-trucks-positions"), [{"terminal": f"1390000000{terminal}", **one} for one in said], "test").refused


def test_positions_make_the_same_spells_however_they_are_cut_and_dirt_is_named(town: City) -> None:
    settled(town)
    whole = list(trip())
    send(town, 1, *whole)
    for terminal, size in ((2, 97), (3, 41)):
        for start in range(0, len(whole), size):
            send(town, terminal, *whole[start : start + size])
    spells = "SELECT kind, since, until, worst, allowed, points, open FROM {} WHERE truck = '%s' ORDER BY kind, since"
    now = "SELECT moment, lon, speed, driving_since, still_since, round(driven_today, 6), odd_at FROM {} WHERE truck = '%s'"
    first = rows(town, "truck-spells", spells % "T1")
    assert {row[0] for row in first} == {"超速", "乱倒", "未密闭", "疲劳", "偏离线路", "定位漂移"}
    assert [(row[1] - EIGHT, row[2] - EIGHT, row[3]) for row in first if row[0] == "超速"] == [(timedelta(seconds=1800), timedelta(seconds=2610), 75.0)]
    # Half an hour of standing ended the first drive: four hours are counted from then on.
    assert [row[1] - EIGHT for row in first if row[0] == "疲劳"] == [timedelta(seconds=5400 + 4 * 3600 + 90)]
    for other in ("T2", "T3"):
        assert rows(town, "truck-spells", spells % other) == first
        assert rows(town, "truck-now", now % other) == rows(town, "truck-now", now % "T1")

    refused = send(
        town, 4, at(0), at(10, speed=-4), at(20, speed=260), at(30, lon=0.0, lat=0.0), at(40, speed=90), at(50, speed=90) | {"at": "not a time"},
        at(60, located=False, speed=99), at(70), at(70), at(65), {**at(80), "at": "2099-01-01T00:00:00"}, {**at(90), "terminal": "19999999999"},
    )  # fmt: skip
    assert refused == 5
    send(town, 4, at(66, speed=140), at(67, speed=140), at(68, speed=140))  # Too late: positions they stay, and no more
    assert {(one.faults[0].item, one.faults[0].rule) for one in list_quarantine(town, line="muck-trucks-positions")} == {
        ("speed", "minimum"), ("speed", "maximum"), ("lon", "minimum"), ("moment", "type"), ("truck", "required"),
    }  # fmt: skip
    # One fast position is a slip and no speeding; a clock of the future moves nothing.
    assert rows(town, "truck-now", "SELECT moment, speed FROM {} WHERE truck = 'T4'") == [(EIGHT + timedelta(seconds=70), 30.0)]
    with town.db.connection() as conn:
        # What is looked at once a minute was looked at when the scene was installed.
        conn.execute("UPDATE scene_seen SET at = at - interval '2 minutes'")
    refresh_all(town)
    assert [alarm.message.en[:28] for alarm in list_alarms(town, SYSTEM, "muck-trucks", "clock")[0]] == ["1 positions of T4 are of the"]
    assert {alarm.body["truck"] for alarm in list_alarms(town, SYSTEM, "muck-trucks", "speeding")[0]} == {"T1", "T2", "T3"}


def test_who_is_on_record_for_the_enterprise_explains_before_its_supervisor_looks_into_it_and_the_police_decide(town: City) -> None:
    settled(town)
    with town.db.connection() as conn:
        save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")), Unit("3308-gaj", "3308", "department", "city", Text(zh="公安局", en="Police"))])
        firm = asker_for(conn, add_person(conn, SYSTEM, "firm", "样例企业", []))
        assert firm is not None and firm.user_id is not None
        identify(conn, SYSTEM, firm.user_id, "enterprise", "E1")
    send(town, 1, at(0), at(10, lift=1), at(20, lift=1))
    refresh_all(town)
    supervisor = Asker("s", 11, held=(Role("officer", "330802", "/3308/330802/"),))
    police = Asker("p", 12, held=(Role("officer", "3308-gaj", "/3308/3308-gaj/"),))

    ((explains,), _) = tasks_for(town, firm)
    assert (explains.title.zh, tasks_for(town, supervisor)[1], tasks_for(town, police)[1]) == ("企业说明与整改", 0, 0)
    complete_task(town, firm, explains.id, {"firm_said": "临时倾倒", "firm_mended": "已清运"})
    ((looks,), _) = tasks_for(town, supervisor)
    complete_task(town, supervisor, looks.id, {"finding": "true"})
    ((decides,), _) = tasks_for(town, police)
    complete_task(town, police, decides.id, {"decision": "breach"})
    ((case,), _) = list_cases(town, firm)
    assert (case.state, case.data["kind"], case.data["firm_mended"]) == ("done", "乱倒", "已清运")
