"""The scene traffic on dirt of its field: a stuck and a dead detector, speeds and volumes that cannot be, clocks, Y of 1 and more, an approach without counts."""

from __future__ import annotations

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.scenes.installing import install
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from sanqu.scenes.rules import list_alarms
from tests.scenes.dirt import alarmed, feed, rows


def test_dirt_changes_no_figure_and_no_cycle_is_negative(town: City) -> None:
    one = install(town, SYSTEM, open_scene(find_scene("traffic")), samples=True, steward="3308")
    refresh_all(town)
    seen = {rule: alarmed(town, "traffic", rule) for rule in ("detector-bad", "clock", "approach-blind", "no-cycle", "oversaturated")}
    figures = "SELECT begins, round(travel_time_index, 9) AS tti, round(mean_speed, 9) AS speed, sections FROM congestion ORDER BY begins"
    before = rows(town, one, figures)
    rest = "SELECT junction, stage, green FROM webster WHERE junction NOT IN ('J02', 'J05') ORDER BY junction, stage"
    plans = rows(town, one, rest)

    known = [f"{detector},{begins},{volume},{speed},{occupancy}" for detector, begins, volume, speed, occupancy in rows(town, one, "SELECT * FROM traffic_counts WHERE detector = 'J01-1-U' ORDER BY begins DESC LIMIT 3")]
    assert len(known) == 3
    bad = [
        "J01-1-S,2026-11-20T08:40:00,-3,30,5", "J01-1-S,2026-11-20T08:40:00,9,201,5", "J01-1-S,2026-11-20T08:40:00,99999,30,5", "J01-1-S,,9,30,5", "J01-1-S,2026-11-20T08:40:00,abc,30,5",  # Cannot be: quarantine
        *known, *reversed(known),  # What is known, doubled and out of order
        "J01-1-S,2099-01-01T00:00:00,40,30,5", "J01-1-S,1970-01-01T08:00:00,40,30,5", "J01-1-U,2026-11-20T08:33:17,40,30,5",  # Clocks
        "J01-2-S,2026-11-20T09:00:00,700,30,5", "GHOST-S,2026-11-20T08:30:00,40,30,5",  # More than lanes can carry, and later than all others; nobody knows this one
    ]  # fmt: skip
    assert feed(town, "traffic-counts", "detector,begins,volume,speed,occupancy\n" + "\n".join(bad) + "\n") == 5
    refresh_all(town)
    assert rows(town, one, figures) == before and rows(town, one, "SELECT strftime(at, '%m-%d %H:%M') FROM as_of") == [("11-20 08:35",)]
    assert alarmed(town, "traffic", "clock") - seen["clock"] == {"J01-1-S", "J01-1-U", "J01-2-S"} and alarmed(town, "traffic", "detector-bad") - seen["detector-bad"] == {"GHOST-S"}

    # J02: all of its greens together are asked for more than there is. J05: both detectors of an approach stick; what they say counts nowhere.
    peak = [f"2026-11-20T{7 + m // 60:02}:{m % 60:02}:00" for m in range(15, 100, 5)]
    heavy = [f"J02-{k}-{spot},{at},{260 + n + k},18,40" for k in (1, 2, 3, 4) for spot in "US" for n, at in enumerate(peak)]
    stuck = [f"J05-1-{spot},{at},41,33.3,9" for spot in "US" for at in peak]
    assert feed(town, "traffic-counts", "detector,begins,volume,speed,occupancy\n" + "\n".join([*heavy, *stuck]) + "\n") == 0
    refresh_all(town)
    [(total, optimum, wanted, verdict)] = rows(town, one, "SELECT max(total), max(optimum), max(wanted), any_value(verdict_en) FROM webster WHERE junction = 'J02'")
    assert total >= 1 and optimum is None and wanted == 150 and verdict == "oversaturated"
    assert rows(town, one, "SELECT green IS NULL, verdict_en FROM webster WHERE junction = 'J05'") == [(True, "blind")] * 2
    assert rows(town, one, rest) == plans and rows(town, one, "SELECT min(green) >= 7 FROM webster") == [(True,)]
    assert alarmed(town, "traffic", "no-cycle") == {"J02"} and alarmed(town, "traffic", "approach-blind") - seen["approach-blind"] == {"J05-1"} and {"J05-1-S", "J05-1-U"} <= alarmed(town, "traffic", "detector-bad")
    assert {key for key in alarmed(town, "traffic", "oversaturated") - seen["oversaturated"] if not key.startswith("J02")} == set()
    assert all(alarm.case_number for alarm in list_alarms(town, SYSTEM, "traffic", "approach-blind", only_open=True)[0])
