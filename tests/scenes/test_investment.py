"""The scene investment on dirt of its field: weights and shares that do not add up, amounts in yuan, projects of two counties, dates out of order; votes and settlements."""

from __future__ import annotations

from typing import Any

from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.packs import find_pack, read_pack
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.ground.people.units import save_units
from sanqu.scenes.installing import install
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from tests.scenes.dirt import feed, messages, rows

TRACKED = "SELECT round(sum(amount), 4), sum(large) FROM tracked WHERE year <= 2025"


def act(city: City, unit: str, case: str, result: dict[str, Any]) -> None:
    """A steward of a unit does its one task in a case."""
    path = {"3308": "/3308/"}.get(unit, f"/3308/{unit}/")
    steward = Asker(name=unit, user_id=20, held=(Role("steward", unit, path),))
    [task] = [task for task in tasks_for(city, steward, limit=200)[0] if task.case == case and task.unit == unit][:1]
    complete_task(city, steward, task.id, result)


def data_of(city: City, case: str) -> dict[str, Any]:
    found = city.db.one("SELECT data, state, outcome FROM case_case WHERE number = %s", (case,))
    assert found is not None
    return {**found["data"], "state": found["state"], "outcome": found["outcome"]}


def test_nothing_is_counted_twice_or_in_yuan_and_both_sides_add_up(town: City) -> None:
    with town.db.connection() as conn:
        save_units(conn, read_pack(find_pack("quzhou")).units)
    one = install(town, SYSTEM, open_scene(find_scene("investment")), samples=True, steward="3308")
    [before] = rows(town, one, TRACKED)
    [(name, amount)] = rows(town, one, "SELECT name, worth FROM amounts WHERE project = 'XM001'")

    # Negative amounts, dates that are none, a county that is none; a project of two counties by its name; one in yuan; milestones out of order.
    head = "project,name,credit_code,county,park,link,digital,signed,investment,land,energy,promised_output,promised_tax\n"
    assert feed(town, "invest-projects", f"{head}B1,负数,,柯城区,P01,IC01,true,2024-01-01,-5,,,,\nB2,没有日期,,柯城区,P01,IC01,true,,5,,,,\nB3,没有的县,,绍兴,P01,IC01,true,2024-01-01,5,,,,\nXM900,{name},,江山市,P05,IC01,true,2025-03-03,{amount},,,,\nXM901,样例大项目,91330800MA00000001,衢江区,P04,IC01,true,2024-03-03,1500000000,300,9000,180000,8000\nXM902,以亿元填报,,衢江区,P04,IC01,true,2024-03-03,12,300,9000,180000,8000\n") == 3
    feed(town, "invest-milestones", "project,seq,milestone,due,done\nXM901,1,签约,2024-03-03,2024-03-03\nXM901,2,落地,2024-02-01,2024-02-01\n")
    # Weights of 105; shares of 1.1 in one enclave, whose next quarter then is not settled.
    feed(town, "invest-criteria", "criterion,title,weight,zero_at,full_at\nsize,投资规模,20,0.5,10\n")
    feed(town, "invest-sharing", "enclave,item,above,home_share,host_share\nF1,税收,0,0.6,0.5\n")
    feed(town, "invest-enclave-figures", "enclave,period,item,amount\n" + "".join(f"{enclave},2026Q4,{item},1000001.01\n" for enclave in ("F1", "F2") for item in ("税收", "成本")))
    cases = rows(town, one, "SELECT count(*) FROM invest_admissions WHERE state = 'open'")
    refresh_all(town)
    assert rows(town, one, TRACKED) == [before] and any("reported twice" in text or "same company" in text for text in messages(town, "investment", "counted-twice"))
    assert rows(town, one, "SELECT standing FROM amounts WHERE project IN ('XM900', 'XM901', 'XM902') ORDER BY project") == [("double",), ("unchecked",), ("unchecked",)]
    assert messages(town, "investment", "weights") == ["The weights add up to 105.0, and 0 criteria have no points and all at the same value: nothing is scored"]
    assert rows(town, one, "SELECT count(least) FROM scores") == [(0,)] and rows(town, one, "SELECT count(*) FROM invest_admissions WHERE state = 'open'") == cases
    assert [text.split(":")[1] for text in messages(town, "investment", "shares-wrong")] == [" the shares add up to 1.1; nothing is settled"]
    assert rows(town, one, "SELECT enclave FROM invest_settlements WHERE period = '2026Q4'") == [("F2",)]
    assert ["XM901" in text for text in messages(town, "investment", "milestones-out-of-order")] == [True]

    # The county finds that it was yuan: then it counts.
    [(check,)] = rows(town, one, "SELECT number FROM invest_checks WHERE project = 'XM901'")
    act(town, "330803", check, {"verdict": "mistake", "corrected": 150000, "note": "协议原件"})
    # A vote without a quorum is held again; two thirds admit.
    [(vote,)] = rows(town, one, "SELECT number FROM invest_admissions WHERE state = 'open' ORDER BY number LIMIT 1")
    for verdicts in (("yes", "absent", "absent", "yes", "yes"), ("yes", "no", "yes", "yes", "absent")):
        for unit, verdict in zip(("3308-fgw", "3308-zgj", "3308-sthj", "3308-jxj", "3308-czj"), verdicts, strict=True):
            act(town, unit, vote, {"verdict": verdict, "reason": "用地未落实"})
        if "no" not in verdicts:
            assert data_of(town, vote)["present"] == 3
            act(town, "3308-xzzx", vote, {"convene_note": "人数不够"})
    act(town, "3308-xzzx", vote, {"support": 100, "park": "P06", "terms_note": "按亩均标准", "decided_on": "2026-11-27"})
    voted = data_of(town, vote)
    assert (voted["yes"], voted["no"], voted["present"], voted["decision"], voted["state"]) == (3, 1, 4, "admitted", "done")
    # One side says no; a proposal above the whole comes back; the next one both take, and it adds up to the cent.
    [(settle,)] = rows(town, one, "SELECT number FROM invest_settlements WHERE period = '2026Q4'")
    act(town, "330802", settle, {"home_says": "disagree", "home_reason": "成本口径"})
    act(town, "3308-xzzx", settle, {"host_says": "agree"})
    act(town, "3308-xzzx", settle, {"tax_home": 2000000, "cost_home": 500000, "propose_note": "写错"})
    act(town, "3308-xzzx", settle, {"tax_home": 600000.335, "cost_home": 400000, "propose_note": "折中"})
    act(town, "330802", settle, {"home_says": "agree"})
    act(town, "3308-xzzx", settle, {"host_says": "agree"})
    refresh_all(town)
    after = rows(town, one, TRACKED)[0]
    assert (round(after[0] - before[0], 4), after[1] - before[1]) == (15.0, 1)
    [(tax, home, host, rounds, how)] = rows(town, one, f"SELECT tax_total, tax_home, tax_host, rounds, settled FROM invest_settlements WHERE number = '{settle}'")
    assert round(home * 100) + round(host * 100) == round(tax * 100) and (round(home, 2), rounds, how) == (home, 2, "both")
