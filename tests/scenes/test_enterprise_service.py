"""The scene enterprise-service on dirt of its field: figures that are negative or missing, policies that contradict themselves, payments that are too much or twice."""

from __future__ import annotations

from sanqu.cases.start import start_case
from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.packs import find_pack, read_pack
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.ground.people.units import save_units
from sanqu.scenes.installing import install
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from tests.scenes.dirt import feed, messages, rows


def test_nobody_is_paid_by_mistake_and_nobody_refused_in_silence(town: City) -> None:
    with town.db.connection() as conn:
        save_units(conn, read_pack(find_pack("quzhou")).units)
    one = install(town, SYSTEM, open_scene(find_scene("enterprise-service")), samples=True, steward="3308")
    finance = Asker(name="finance", user_id=11, held=(Role("steward", "3308-czj", "/3308/3308-czj/"),))
    # Paid in the first half under the first version of P01, and entitled by the second: not paid again, though the rule holds.
    paid = "SELECT count(*) FROM firm_grants AS g JOIN eligible AS e ON e.firm = g.firm AND e.policy = g.policy AND e.rule <> g.rule WHERE g.year = e.year AND g.policy = 'P01'"
    assert rows(town, one, paid)[0][0] > 50
    assert rows(town, one, "SELECT count(*) FROM allotted AS a JOIN firm_grants AS g ON g.firm = a.firm AND g.policy = a.policy AND g.year = a.year") == [(0,)]

    # Finance stops one payment; another is paid: more than is due comes back.
    tasks = tasks_for(town, finance)[0]
    stopped, payed = tasks[0], tasks[1]
    complete_task(town, finance, stopped.id, {"confirmed": "no", "confirm_note": "经营异常"})
    complete_task(town, finance, payed.id, {"confirmed": "yes", "account_checked": True})
    amount = town.db.one("SELECT data->>'amount' AS amount, data->>'firm' AS firm, data->>'policy' AS policy FROM case_case WHERE number = %s", (payed.case,))
    assert amount is not None

    def pay(much: float) -> None:
        [task] = [task for task in tasks_for(town, finance)[0] if task.case == payed.case]
        complete_task(town, finance, task.id, {"paid": much, "paid_on": "2026-11-27"})

    pay(float(amount["amount"]) + 1)
    pay(float(amount["amount"]))

    # Negative people, a figure that is none, an industry that is none; figures that are missing; a budget that is cut below what was used; dates the wrong way round.
    [(firm, *_)] = rows(town, one, "SELECT e.firm FROM entitlements AS e WHERE e.rule = 'P01-2' AND e.met AND NOT EXISTS (SELECT 1 FROM firm_grants AS g WHERE g.firm = e.firm AND g.policy = 'P01' AND g.year = 2025) ORDER BY e.firm LIMIT 1")
    assert feed(town, "firm-years", f"firm,year,employees,revenue,rnd\nQF0001,2025,-3,100,1\nQF0002,2025,5,abc,1\nQF0003,,5,1,1\n{firm},2025,50,5000,\n") == 3
    assert feed(town, "firm-register", "firm,name,industry,county\nX1,没有的行业,炼金业,柯城区\n") == 1
    # A firm that was paid as a small one turns out to be large.
    [(grown,)] = rows(town, one, "SELECT firm FROM firm_grants WHERE year = 2025 AND rule = 'P08-1' AND state = 'done' ORDER BY firm LIMIT 1")
    assert feed(town, "firm-years", f"firm,year,employees,revenue,assets,rnd,loan,confirmed\n{grown},2025,5000,900000,900000,10,9,true\n") == 0
    head = "policy,year,title,department,grp,budget,priority,way,begins,ends\n"
    assert feed(town, "firm-policies", f"{head}P01,2025,研发投入奖补,3308-kjj,research,1000,research,免申即享,2026-01-01,2030-12-31\nP08,2025,小微贷款贴息,3308-jrb,finance,300,small,免申即享,2026-12-31,2026-01-01\nP99,2025,没有规则,3308-jxj,nowhere,100,credit,免申即享,2026-01-01,2030-12-31\nP02,2025,高企,3308-kjj,research,-5,credit,免申即享,2026-01-01,2030-12-31\n") == 1

    # Yuan for 10,000 yuan: unknown, not rich.
    [(rich, told)] = rows(town, one, "SELECT p.firm, p.revenue FROM profile AS p JOIN entitlements AS e ON e.firm = p.firm AND e.rule = 'P06-1' AND e.met WHERE p.revenue_before > 0 ORDER BY p.firm LIMIT 1")
    feed(town, "firm-years", f"firm,year,employees,revenue,rnd\n{rich},2025,30,{told * 10000},10\n")
    feed(town, "firm-policy-groups", "grp,title,rule,cap\njobs,稳岗扩岗,cap,\n")

    # The same request twice.
    for _ in range(2):
        start_case(town, SYSTEM, "firm-request", "诉求", "", "3308-jxj", {"firm": "QF0007", "county": "330802", "kind": "用工", "ask": "缺二十名操作工，请帮助"})
    before = rows(town, one, "SELECT count(*) FROM firm_grants")
    refresh_all(town)
    assert rows(town, one, f"SELECT met, unknown, hit FROM entitlements WHERE firm = '{firm}' AND rule = 'P01-2'") == [(None, "研发占比（%）", None)]
    assert rows(town, one, f"SELECT kind, lacks_en FROM lacking WHERE firm = '{firm}' AND policy = 'P01'") == [("unknown", "figure missing: share of research (%)")]
    assert [text.split(":")[0] for text in messages(town, "enterprise-service", "budget-overdrawn")] == ["“研发投入奖补” 2025"]
    assert sorted("P" + text.split(" (P")[1] for text in messages(town, "enterprise-service", "policy-contradicts")) == ["P08, 2025): it ends before it begins; nobody is paid", *(f"P09, {year}): its group has no cap; nobody is paid" for year in range(2022, 2026)), *(f"P12, {year}): its group has no cap; nobody is paid" for year in range(2022, 2026)), "P99, 2025): there is no group nowhere; nobody is paid"]
    assert rows(town, one, f"SELECT met, unknown_en FROM entitlements WHERE firm = '{rich}' AND rule = 'P06-1'") == [(None, "revenue (10k yuan), growth of revenue (%)")] and len(messages(town, "enterprise-service", "figures-doubtful")) == 1
    assert len(messages(town, "enterprise-service", "asked-twice")) == 1 and messages(town, "enterprise-service", "paid-twice") == []
    # Conditions are in words that readers of English know, also where the data's own stand in them.
    assert any(text.startswith(f"{grown}, P08 (") and "size small or micro (is large)" in text for text in messages(town, "enterprise-service", "no-longer-fits"))
    # Nothing more of the overdrawn and the contradicting policy; what was stopped is not offered again; what was paid is what was due.
    assert rows(town, one, "SELECT count(*) FILTER (WHERE state = 'fits') FROM allotted WHERE policy IN ('P01', 'P08', 'P09')") == [(0,)]
    assert rows(town, one, f"SELECT count(*) FROM allotted AS a JOIN firm_grants AS g ON g.firm = a.firm AND g.policy = a.policy AND g.year = a.year WHERE g.number = '{stopped.case}'") == [(0,)]
    assert rows(town, one, f"SELECT state, paid FROM firm_grants WHERE number = '{payed.case}'") == [("done", float(amount["amount"]))]
    assert rows(town, one, "SELECT count(*) FROM budgets WHERE policy <> 'P01' AND left_over < 0") == [(0,)] and rows(town, one, "SELECT count(*) FROM firm_grants")[0][0] >= before[0][0]
