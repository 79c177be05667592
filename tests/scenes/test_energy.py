"""The scene energy on dirt of its field (negative and impossible readings, doubled and out-of-order ones, gaps), and on a real series of hours."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.quarantine import count_quarantine
from sanqu.lines.records import Line
from sanqu.lines.run import run_line
from sanqu.scenes.installing import install
from sanqu.scenes.keeping import Installed, woven_of
from sanqu.scenes.models import expand
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from sanqu.scenes.rules import list_alarms
from sanqu.sharing.door import Question, ask

# Loads of transformers of a Chinese county by the hour (ETDataset, CC BY-ND 4.0): read where it lies, no part of this repository.
SERIES = Path(__file__).parents[3] / "shared" / "data" / "ETTh1.csv"


def rows(city: City, one: Installed, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in ask(city, SYSTEM, Question(expand(woven_of(city, one), sql), "test")).table.to_pylist()]


def test_bad_readings_wait_in_quarantine_and_gaps_are_no_forecast(town: City) -> None:
    one = install(town, SYSTEM, open_scene(find_scene("energy")), samples=True, steward="3308")
    inbox = town.settings.home / "inbox"
    inbox.mkdir(exist_ok=True)
    whole = "\n".join(f"M900,2026-11-01T{hour:02}:{quarter * 15:02}:00,10" for hour in range(23, -1, -1) for quarter in range(4) if (hour, quarter) != (5, 1))
    (inbox / "readings.csv").write_text(f"meter,begins,kwh\nM900,2026-10-31T00:00:00,-4\nM900,2026-10-31T00:15:00,1000000\nM900,,3\nM900,2026-10-31T00:30:00,abc\nM900,2026-11-01T00:00:00,10\n{whole}\n")
    save_line(town, Line.from_descriptor({"name": "dirt", "title": {"zh": "脏数据"}, "dataset": "energy-readings", "mode": "upsert", "source": {"kind": "file", "path": str(inbox / "readings.csv")}}), SYSTEM)
    run = run_line(town, "dirt")
    assert run.counts.quarantined == 4 and count_quarantine(town, line="dirt", state="waiting") == 4
    refresh_all(town)
    # Doubled and out of order, the day is counted once; the quarter that lacks is an alarm.
    assert rows(town, one, "SELECT kwh, readings FROM days WHERE meter = 'M900'") == [(950.0, 95)]
    assert [alarm.message.en for alarm in list_alarms(town, SYSTEM, "energy", "missing")[0] if alarm.key.startswith("M900")] == ["M900 lacks 1 readings on 2026-11-01"]
    # Where something is missing within four weeks, nothing is forecast instead of something wrong.
    assert rows(town, one, "SELECT count(*) FROM ahead AS a WHERE NOT EXISTS (SELECT 1 FROM energy_readings AS r WHERE r.meter = a.meter AND r.begins = a.begins - INTERVAL 28 DAY)") == [(0,)]
    assert lake_of(town).count("energy-readings") == 161152 + 95


def test_a_real_series_by_the_hour_is_what_plain_python_says(town: City) -> None:
    if not SERIES.exists():
        pytest.skip("../shared/data/ETTh1.csv is not here")
    # HUFL, the high useful load, stands for the meter's energy. Its publisher gives no unit, so it is taken as it is; what is below zero the contract refuses.
    read = [(datetime.fromisoformat(row["date"]), row["HUFL"]) for row in csv.DictReader(SERIES.open(encoding="utf-8"))]
    kept = {at: float(text) for at, text in read if float(text) >= 0}
    one = install(town, SYSTEM, open_scene(find_scene("energy")), samples=False, steward="3308")
    inbox = town.settings.home / "inbox"
    inbox.mkdir(exist_ok=True)
    prices = {hour: (hour + 1) / 10 for hour in range(24)}
    (inbox / "tariff.csv").write_text("hour,period,price\n" + "".join(f"{hour},低谷,{price}\n" for hour, price in prices.items()), "utf-8")
    # A second meter of quarter hours beside it: each has its own step.
    quarters = "".join(f"QUARTER,{datetime(2018, 6, 25) + timedelta(minutes=15 * i)},2\n" for i in range(96) if i != 7)
    (inbox / "series.csv").write_text("meter,begins,kwh\n" + "".join(f"ETTh1,{at},{text}\n" for at, text in read) + quarters, "utf-8")
    for name, dataset in (("tariff", "energy-tariff"), ("series", "energy-readings")):
        save_line(town, Line.from_descriptor({"name": name, "title": {"zh": name}, "dataset": dataset, "mode": "upsert", "source": {"kind": "file", "path": str(inbox / f"{name}.csv")}}), SYSTEM)
        run_line(town, name)
    assert len(read) - len(kept) == 2318 and count_quarantine(town, line="series", state="waiting") == 2318
    refresh_all(town)
    assert rows(town, one, "SELECT meter, minutes, a_day FROM steps ORDER BY meter") == [("ETTh1", 60, 24), ("QUARTER", 15, 96)]

    days: dict[date, list[float]] = defaultdict(list)
    for at, kwh in kept.items():
        days[at.date()].append(kwh)
    found = {row[0]: row[1:] for row in rows(town, one, "SELECT day, readings, kwh, peak_kw FROM days WHERE meter = 'ETTh1'")}
    assert found == {day: (len(values), pytest.approx(sum(values)), pytest.approx(max(values))) for day, values in days.items()}
    lacking = {day: 24 - len(values) for day, values in days.items() if len(values) < 24}
    missing = {row[0]: row[1] for row in rows(town, one, "SELECT day, a_day - readings FROM days WHERE meter = 'ETTh1' AND readings < a_day")}
    assert missing == lacking and sum(lacking.values()) == 2318 + 4 - 24 * (len({at.date() for at, _ in read}) - len(days))
    # An alarm for each day that is over, the quarter hour of the other meter among them.
    alarms, count = list_alarms(town, SYSTEM, "energy", "missing", limit=500)
    assert count == len(lacking) and {alarm.message.en for alarm in alarms} == {"QUARTER lacks 1 readings on 2018-06-25", *(f"ETTh1 lacks {n} readings on {day}" for day, n in lacking.items() if day != max(days))}
    assert list_alarms(town, SYSTEM, "energy", "step")[1] == 0
    assert rows(town, one, "SELECT readings, a_day, peak_kw FROM days WHERE meter = 'QUARTER'") == [(95, 96, 8.0)]

    total = sum(kept.values())
    base = rows(town, one, "SELECT base_kw, peak_kw, load_factor FROM base_load WHERE meter = 'ETTh1'")[0]
    assert base == pytest.approx((quantiles(kept.values(), n=10, method="inclusive")[0], max(kept.values()), total / len(kept) / max(kept.values()))) and 0 < base[2] < 1
    assert rows(town, one, "SELECT sum(cost) FROM costed WHERE meter = 'ETTh1'")[0][0] == pytest.approx(sum(kwh * prices[at.hour] for at, kwh in kept.items()))

    weeks = {at: [kept[before] for n in range(1, 5) if (before := at - timedelta(days=7 * n)) in kept] for at in kept}
    judged = {at: before for at, before in weeks.items() if len(before) == 4}
    used = sum(kept[at] for at in judged)
    error = 100 * sum(abs(kept[at] - sum(before) / 4) for at, before in judged.items()) / used
    naive = 100 * sum(abs(kept[at] - before[0]) for at, before in judged.items()) / used
    assert rows(town, one, "SELECT readings, error, naive_error FROM forecast_errors WHERE meter = 'ETTh1'") == [(len(judged), pytest.approx(error), pytest.approx(naive))]
    # The figures of docs/rooms/scenes.md.
    assert (len(judged), round(error, 1), round(naive, 1)) == (12718, 22.2, 23.8)
    known = {at: kept[at - timedelta(days=1)] for at in judged if at - timedelta(days=1) in kept}
    assert round(100 * sum(abs(kept[at] - day) for at, day in known.items()) / sum(kept[at] for at in known), 1) == 18.2

    whole = sorted(day for day, values in days.items() if len(values) == 24)
    sums = [(day, sum(days[day])) for day in whole]
    now = median(kwh for day, kwh in sums if day > whole[-1] - timedelta(days=7))
    before = median(kwh for day, kwh in sums if whole[-1] - timedelta(days=35) < day <= whole[-1] - timedelta(days=7))
    assert rows(town, one, "SELECT change FROM shifts WHERE meter = 'ETTh1'")[0][0] == pytest.approx(now / before - 1)
