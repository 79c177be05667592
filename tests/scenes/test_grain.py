"""The scene grain on dirt of its field: outlines that are none, plots upon others or away from their village, two growers on one plot, sights of the future; and who may check a proof."""

from __future__ import annotations

from sanqu.cases.history import find_case
from sanqu.cases.start import start_case
from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.ground.people.units import Unit, save_units
from sanqu.scenes.installing import install
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from tests.scenes.dirt import alarmed, feed, rows

SEASON = "2026-2"
STATES = f"SELECT plot, scheme, amount, state, why FROM subsidies WHERE season = '{SEASON}' AND scheme = 'soil'"


def test_what_is_drawn_or_claimed_wrongly_is_named_and_nobody_is_paid_for_it(town: City) -> None:
    with town.db.connection() as conn:
        places = [("3308", None, "city", "衢州市"), ("3308-nyj", "3308", "department", "农业农村局"), ("330825", "3308", "county", "龙游县"), *((f"330825{code}", "330825", "town", title) for code, title in (("101", "湖镇镇"), ("106", "詹家镇"), ("110", "横山镇"), ("213", "模环乡")))]
        save_units(conn, [Unit(code, above, kind, "city" if kind == "department" else kind, Text(zh=title, en=title)) for code, above, kind, title in places])
    one = install(town, SYSTEM, open_scene(find_scene("grain")), samples=True, steward="3308-nyj")
    before = {plot: (amount, state) for plot, _, amount, state, _ in rows(town, one, STATES)}
    [(under, outline)] = rows(town, one, "SELECT plot, outline FROM grain_plots WHERE plot = 'L213201-10'")
    taken = "L213201-12"
    assert before[under][1] == before[taken][1] == "payable"

    village = "330825213201"
    outlines = {
        "X1": "POLYGON((119.201 29.095, 119.2016 29.0954, 119.2016 29.095, 119.201 29.0954, 119.201 29.095))",  # Crosses itself
        "X2": "POLYGON((119.201 29.095, 119.2016 29.095, 119.2016 29.0954, 119.201 29.0954))",  # Not closed
        "X3": "POLYGON((119.301 29.195, 119.3016 29.195, 119.3016 29.1954, 119.301 29.1954, 119.301 29.195))",  # Outside
        "X4": outline,  # Upon another
        "X5": "POLYGON((29.095 119.201, 29.095 119.2016, 29.0954 119.2016, 29.0954 119.201, 29.095 119.201))",  # Latitude first
    }
    bad = f'X6,{village},G0001,4,true,"POLYGON((nonsense))"\nX7,{village},G0001,-4,true,"{outline}"\n'
    assert feed(town, "grain-plots", "plot,village,holder,right_mu,permanent,outline\n" + "".join(f'{plot},{village},G0001,4,true,"{text}"\n' for plot, text in outlines.items()) + bad) == 2
    sown = "".join(f"{plot},{SEASON},G0001,单季稻,嘉58,4,2026-06-15\n" for plot in outlines)
    assert feed(town, "grain-sowings", f"plot,season,grower,crop,variety,area_mu,sown\n{sown}{taken},{SEASON},G0300,单季稻,嘉58,4,2026-06-15\n{under},{SEASON},G0300,单季稻,嘉58,-4,2026-06-15\n") == 1
    assert feed(town, "grain-harvests", f"plot,season,harvested,kg\n{under},{SEASON},2026-10-20,-5\n") == 1
    seen = f"F1,{under},2099-03-01,遥感,建设,0.99\nF2,{under},2099-06-01,遥感,建设,0.99\nF3,nowhere,2026-06-01,遥感,建设,0.99\nF4,{under},2026-06-01,遥感,建设,1.4\n"
    assert feed(town, "grain-classes", f"class,plot,seen,how,found,confidence\n{seen}") == 1
    [(paid,)] = rows(town, one, "SELECT min(plot) FROM grain_payments WHERE season = '2025-2' AND scheme = 'soil'")
    assert feed(town, "grain-payments", f"payment,plot,season,scheme,payee,amount,paid\nAGAIN,{paid},2025-2,soil,G0002,100,2026-01-01\n") == 0
    start_case(town, SYSTEM, "grain-objection", "异议", "", "3308-nyj", {"town_code": "330825213", "plot": "L213201-20", "season": SEASON, "ground": "area"})
    refresh_all(town)

    after = {plot: (amount, state, why) for plot, _, amount, state, why in rows(town, one, STATES)}
    # What is no outline has no area and no amount; the others are held, with whom they lie upon.
    assert {plot: after[plot] for plot in ("X1", "X2", "X5")} == dict.fromkeys(("X1", "X2", "X5"), (None, "held", "outline"))
    assert after["X3"][1:] == ("held", "outside") and after["X4"][1:] == after[under][1:] == ("held", "overlap")
    assert after[taken][1:] == ("held", "two-claim") and after["L213201-20"][1:] == ("held", "objection")
    assert {plot: after[plot][:2] for plot in before if plot not in (under, taken, "L213201-20")} == {plot: before[plot] for plot in before if plot not in (under, taken, "L213201-20")}
    assert {"X1", "X2", "X5"} <= alarmed(town, "grain", "drawn-wrongly") and "X3" in alarmed(town, "grain", "outside")
    assert {"F1", "F2"} == alarmed(town, "grain", "seen-in-future") and under not in alarmed(town, "grain", "other-use") and alarmed(town, "grain", "seen-nowhere") == {"F3"}
    assert alarmed(town, "grain", "paid-twice") == {paid} and taken in alarmed(town, "grain", "two-claim")
    assert rows(town, one, f"SELECT count(*) FROM grain_objections WHERE state = 'open' AND plot = '{taken}'") == [(1,)]

    # A proof is checked by another person than the one who brought it.
    (number, plot, code), (mistaken, other, _) = rows(town, one, "SELECT u.number, u.plot, v.town_code FROM grain_uses AS u JOIN grain_plots AS p ON p.plot = u.plot JOIN grain_villages AS v ON v.village = p.village WHERE u.state = 'open' AND v.town_code = '330825110' ORDER BY u.number LIMIT 2")
    held = (Role("steward", code, f"/3308/330825/{code}/"),)
    first, second = Asker(name="first", user_id=21, held=held), Asker(name="second", user_id=22, held=held)

    def act(who: Asker, case: str = number, **said: str) -> None:
        [task] = [one for one in tasks_for(town, who, limit=50)[0] if one.case == case]
        complete_task(town, who, task.id, said)

    act(first, verdict="confirmed", spot_photo="p1")
    act(first, ordered="恢复种植条件", days="20wd")
    act(first, photo="p2", done="已清理")
    for who, result in ((first, "restored"), (second, "not-yet")):
        act(who, result=result, check_photo="p3")
    act(first, photo="p4", done="已复耕")
    act(second, result="restored", check_photo="p5")
    case = find_case(town, SYSTEM, number)
    assert (case.state, case.data["proof"]) == ("done", "restored")
    # What was put right, or was a mistake, is held no longer.
    held_for = f"SELECT count(*) FROM subsidies WHERE why = 'other-use' AND plot IN ('{plot}', '{other}')"
    assert rows(town, one, held_for)[0][0] > 0
    act(first, case=mistaken, verdict="mistake", spot_photo="p6")
    refresh_all(town)
    assert rows(town, one, held_for) == [(0,)] and not {plot, other} & alarmed(town, "grain", "other-use")
