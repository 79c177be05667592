"""The scene zero-touch on dirt of its field: a clock that jumps, events that come twice and out of order, kinds that no system knows."""

from __future__ import annotations

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lines.keeping import save_line
from sanqu.lines.quarantine import count_quarantine
from sanqu.lines.records import Line
from sanqu.lines.run import run_line
from sanqu.scenes.installing import install
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from sanqu.scenes.rules import list_alarms
from tests.scenes.dirt import rows

FIGURES = "SELECT o.unit, o.an_hour, a.auto_share FROM operations AS o JOIN automatic AS a ON a.loop = o.loop WHERE o.unit = 'U01' ORDER BY o.loop"
LOAD = "SELECT unit, in_ten_minutes, flood_share FROM alarm_load ORDER BY unit"


def test_a_clock_that_jumps_changes_no_figure_and_is_an_alarm(town: City) -> None:
    one = install(town, SYSTEM, open_scene(find_scene("zero-touch")), samples=True, steward="3308")
    refresh_all(town)
    figures, load = rows(town, one, FIGURES), rows(town, one, LOAD)
    assert figures and load and list_alarms(town, SYSTEM, "zero-touch", "clock")[0] == []
    [(event, happened)] = rows(town, one, "SELECT event, happened FROM dcs_events WHERE kind = '操作' AND unit = 'U01' ORDER BY event LIMIT 1")
    [(loop,)] = rows(town, one, f"SELECT loop FROM dcs_events WHERE event = '{event}'")
    inbox = town.settings.home / "inbox"
    inbox.mkdir(exist_ok=True)
    same = f"{event},{happened.isoformat()},U01,{loop},操作,,"
    (inbox / "events.csv").write_text(
        "event,happened,unit,loop,kind,tag,priority\n"
        f"X1,2099-01-01T00:00:00,U01,{loop},操作,,\nX2,1970-01-01T08:00:00,U01,,报警,T1,高\n"  # Clocks that jumped
        f"{same}\n{same}\n"  # What is known already, twice
        f"X3,{happened.isoformat()},U01,{loop},不知道,,\nX4,,U01,{loop},操作,,\nX5,{happened.isoformat()},,{loop},操作,,\nX6,{happened.isoformat()},U01,,报警,T1,最高\n"
    )
    save_line(town, Line.from_descriptor({"name": "dirt", "title": {"zh": "脏数据"}, "dataset": "dcs-events", "mode": "upsert", "source": {"kind": "file", "path": str(inbox / "events.csv")}}), SYSTEM)
    assert run_line(town, "dirt").counts.quarantined == 4 and count_quarantine(town, line="dirt", state="waiting") == 4
    refresh_all(town)
    assert rows(town, one, FIGURES) == figures and rows(town, one, LOAD) == load
    assert [alarm.message.en.split(" lie")[0] for alarm in list_alarms(town, SYSTEM, "zero-touch", "clock")[0]] == ["2 events of U01"]
