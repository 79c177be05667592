"""The scene community on dirt of its field, and a call that nobody answers: it climbs from the grid worker to the centre to the family."""

from __future__ import annotations

from datetime import timedelta

from sanqu.cases.timers import fire_timers
from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.packs import find_pack, read_pack
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker, Role
from sanqu.ground.people.units import save_units
from sanqu.scenes.installing import install
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from sanqu.scenes.rules import list_alarms
from sanqu.scenes.showing.asking import Asking, Reader, params_of
from sanqu.scenes.showing.blocks import draw
from sanqu.scenes.showing.stages import stage_of
from tests.scenes.dirt import alarmed, feed, rows

FIGURES = "SELECT measure, sum(top) AS top, sum(bottom) AS bottom FROM shares WHERE measure <> 'answered' GROUP BY measure ORDER BY measure"


def test_dirt_changes_no_figure_and_a_call_climbs_until_somebody_answers(town: City) -> None:
    with town.db.connection() as conn:
        save_units(conn, [unit for unit in read_pack(find_pack("quzhou")).units if unit.code.startswith("3308") and len(unit.code) in (4, 6, 9, 12)])
    one = install(town, SYSTEM, open_scene(find_scene("community")), samples=True, steward="3308")
    refresh_all(town)
    figures, plan = rows(town, one, FIGURES), "SELECT sum(due), sum(done), sum(missed) FROM plan"
    due, before = rows(town, one, plan), {rule: alarmed(town, "community", rule) for rule in ("two-households", "visit-cannot-be", "device-of-nobody", "overspent", "call")}
    [(person, household, place, worker)] = rows(town, one, "SELECT c.person, p.household, p.place, c.worker FROM care AS c JOIN persons AS p ON p.person = c.person WHERE c.now_in_care AND p.households = 1 ORDER BY c.person LIMIT 1")
    [(other,)] = rows(town, one, f"SELECT household FROM community_households WHERE place <> '{place}' ORDER BY household LIMIT 1")
    [(helper, has)] = rows(town, one, "SELECT person, max_by(balance, happened) FROM ledger GROUP BY person ORDER BY person LIMIT 1")

    # Somebody of 150 years is refused; somebody in two households is named, and counted once, where the later one is.
    assert feed(town, "community-elders", "person,born\nP-old,1876-01-01\nP-none,\n") == 2
    assert feed(town, "community-members", f"household,person,since\n{other},{person},2001-01-01\n") == 0
    # Visits: before the care, far in the future, twice the same, of an outcome that nobody knows, of somebody who is not in care.
    assert feed(town, "community-visits", f"visit,person,worker,day,outcome,help\nX1,{person},{worker},1999-01-01,已访,\nX2,{person},{worker},2099-01-01,已访,送药\nX2,{person},{worker},2099-01-01,已访,送药\nX3,{person},{worker},2026-11-02,不知道,\nX4,P-none,{worker},2026-11-02,已访,\n") == 1
    # A device of nobody, a device that nobody registered, the same SOS three times in a minute and out of order.
    assert feed(town, "community-devices", f"device,person,kind,since\nD-mine,{person},呼叫按钮,2026-01-01\nD-ghost,P-none,呼叫按钮,2026-01-01\n") == 0
    sos = "".join(f"S-{second},D-mine,2026-11-22T21:12:{second:02},SOS\n" for second in (40, 5, 22))
    assert feed(town, "community-signals", f"signal,device,happened,kind\n{sos}S-g,D-wild,2026-11-22T21:00:00,SOS\nS-x,D-mine,2026-11-22T21:00:00,吼\nS-late,D-wild,2099-01-01T00:00:00,电量低\n") == 1
    # A spend that is larger than the balance takes nothing, and a small one after it is judged by what is there.
    assert feed(town, "community-points", f"entry,person,happened,kind,points,what\nE-all,{helper},2027-01-01T00:00:00,花,{has + 1},助餐抵扣\nE-some,{helper},2027-01-02T00:00:00,花,{has},助餐抵扣\nE-neg,{helper},2027-01-02T00:00:00,花,-5,助餐抵扣\n") == 1
    refresh_all(town)

    assert rows(town, one, FIGURES) == figures and rows(town, one, plan) == due
    found = {rule: alarmed(town, "community", rule) - before[rule] for rule in before}
    assert found == {"two-households": {person}, "visit-cannot-be": {"X1", "X2", "X4"}, "device-of-nobody": {"D-ghost", "D-wild"}, "overspent": {"E-all"}, "call": {"D-mine", "D-wild"}}
    assert rows(town, one, f"SELECT household, households FROM persons WHERE person = '{person}'") == [(household, 2)]
    assert rows(town, one, "SELECT signals, unit FROM incidents WHERE device IN ('D-mine', 'D-wild') ORDER BY device") == [(3, place), (1, "3308")]
    assert rows(town, one, f"SELECT entry, taken, balance FROM ledger WHERE person = '{helper}' AND entry IN ('E-all', 'E-some') ORDER BY entry") == [("E-all", False, has), ("E-some", True, 0)]

    # One press that came thrice is one case; nobody answers it, so it climbs, and the family's answer is in the book of calls.
    [case] = [alarm.case_number for alarm in list_alarms(town, SYSTEM, "community", "call", only_open=True)[0] if alarm.key.startswith("D-mine")]
    centre = Asker(name="centre", user_id=31, held=(Role("officer", place[:9], f"/3308/{place[:6]}/{place[:9]}/"),))
    steps = {}
    for minutes in (4, 6, 30):
        fire_timers(town, now() + timedelta(minutes=minutes))
        steps[minutes] = [task.title.en for task in tasks_for(town, centre, limit=200)[0] if task.case == case]
    assert steps == {4: [], 6: ["The centre takes over"], 30: ["Telephone the family; force the door and call 120 where needed"]}
    [task] = [task for task in tasks_for(town, centre, limit=200)[0] if task.case == case]
    complete_task(town, centre, task.id, {"family_result": "safe", "family_who": "女儿", "family_at": "21:31"})
    # A fourth signal of the same press comes late and says an earlier second: still the same call.
    assert feed(town, "community-signals", "signal,device,happened,kind\nS-04,D-mine,2026-11-22T21:12:01,SOS\n") == 0
    refresh_all(town)
    assert rows(town, one, "SELECT signals, second(started), second(called) FROM incidents WHERE device = 'D-mine'") == [(4, 1, 5)]
    assert [alarm.case_number for alarm in list_alarms(town, SYSTEM, "community", "call")[0] if alarm.key.startswith("D-mine")] == [case]
    assert rows(town, one, f"SELECT state, answered, result FROM community_calls WHERE number = '{case}'") == [("done", "family", "safe")]

    # What the public sees are figures; persons are nobody's without being at the unit.
    stage = stage_of(town, "community")
    for page, wanted in (("overview", {"shown", "empty"}), ("care", {"refused", "shown", "empty"})):
        seen = stage.page(page)
        asking = Asking(Reader(town, PUBLIC, stage, seen, "en", params_of(seen, {})))
        states = {block.id: draw(asking, block, {}).state for block in seen.blocks.values()}
        assert set(states.values()) <= wanted, states
        assert page != "care" or {states["who"], states["workers"]} == {"refused"}
