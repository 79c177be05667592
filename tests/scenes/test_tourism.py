"""The scene tourism on dirt of its field: counters that run backwards, begin anew, come twice, out of order and from the future; no capacity; and a partner's city that is read as its line says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sanqu.cases.start import start_case
from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.ground.people.units import Unit, save_units
from sanqu.lines.keeping import line_of, save_line
from sanqu.lines.run import run_line
from sanqu.scenes.installing import install
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from sanqu.scenes.rules import list_alarms
from tests.scenes.dirt import alarmed, feed, rows

PRESENT = "SELECT area, present, share, doubt, level FROM present"
PARTNERS = [
    {"city": "黄山市", "province": "安徽省", "area": "黄山风景区", "瞬时承载量": 20000, "在园人数": 19000, "moment": "2026-10-03T14:30:00"},
    {"city": "黄山市", "province": "安徽省", "area": "齐云山", "瞬时承载量": 0, "在园人数": 300, "moment": "2026-10-03T14:30:00"},
    {"city": "黄山市", "province": "安徽省", "area": "宏村", "瞬时承载量": 9000, "在园人数": -4, "moment": "2026-10-03T14:30:00"},
]


class Partner(BaseHTTPRequestHandler):
    """Another city's open rows, a page for each."""

    def do_GET(self) -> None:
        path, _, said = self.path.partition("?")
        at = int(dict(part.split("=") for part in said.split("&")).get("after", 0))
        if path != "/api/open/tourism-areas-now":
            self.send_error(404)
            return
        body = json.dumps({"rows": PARTNERS[at : at + 1], "next": f"{path}?after={at + 1}" if at + 1 < len(PARTNERS) else None}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def huangshan() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Partner)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_counters_that_err_are_no_figure_and_a_partners_rows_come_by_its_line(town: City, huangshan: str) -> None:
    with town.db.connection() as conn:
        places = [("3308", None, "city", "衢州市"), ("3308-wgl", "3308", "department", "文化广电旅游局"), ("330824", "3308", "county", "开化县"), ("330881", "3308", "county", "江山市")]
        save_units(conn, [Unit(code, above, kind, "city" if kind == "department" else kind, Text(zh=title, en=title)) for code, above, kind, title in places])
    one = install(town, SYSTEM, open_scene(find_scene("tourism")), samples=True, steward="3308-wgl")
    before = {area: said for area, *said in rows(town, one, PRESENT)}
    assert before["JLS"][3] == "full" and before["KSJ"][2:] == before["SQS"][2:] == [None, "calm"]
    [full] = list_alarms(town, SYSTEM, "tourism", "full")[0]
    assert full.case_number is not None

    known = rows(town, one, "SELECT gate, area, strftime(moment, '%Y-%m-%dT%H:%M:%S'), entered, gone FROM tourism_gates WHERE gate = 'LKS-1' AND moment >= (SELECT max(moment) FROM courses) - INTERVAL 1 HOUR ORDER BY moment DESC")
    again = "".join(",".join(map(str, row)) + "\n" for row in (*known, *known))
    assert feed(town, "tourism-gates", f"gate,area,moment,entered,gone\n{again}"
        "KSJ-3,KSJ,2026-10-03T14:30:00,10,900\n"  # More went than ever came
        "SQS-1,SQS,2026-10-03T14:30:00,7,3\n"  # A counter began anew
        "NBD-1,NBD,2099-01-01T10:00:00,9000,0\n"  # A clock ahead
        "ZZ-1,ZZ,2026-10-03T14:30:00,5,0\n"  # A gate of no area
        "KSJ-1,KSJ,2026-10-03T14:45:00,-5,0\nKSJ-1,KSJ,,5,0\nKSJ-1,KSJ,2026-10-03T14:45:00,many,0\n") == 3  # fmt: skip
    assert feed(town, "tourism-areas", "area,name,name_en,county_code,county,lon,lat,capacity,opens,closes,visit,interest\nSTM,水亭门历史街区,Shuitingmen,330802,柯城区,118.867,28.975,0,09:00,21:00,90,文化\n") == 0
    assert feed(town, "tourism-spots", "area,spot,surface,per_head\nSTM,入口广场,100,0\nSTM,主游线,100,0\nSTM,展馆与平台,100,0\n") == 0

    # The partner's line lies in the scene; put its address in, let it run, and its rows take the place of the samples.
    line = line_of(town, "tourism-huangshan")
    assert not line.enabled and line.source.kind == "sanqu"
    save_line(town, line.model_copy(update={"enabled": True, "source": line.source.model_copy(update={"url": huangshan})}), SYSTEM)
    run = run_line(town, line.name)
    assert (run.cause, run.read, run.counts.quarantined) == (None, 3, 1)
    # Who acts when an area is full, and how a complaint goes its way.
    bureau = Asker(name="bureau", user_id=31, held=(Role("steward", "3308-wgl", "/3308/3308-wgl/"),))
    county = Asker(name="county", user_id=32, held=(Role("steward", "330881", "/3308/330881/"),))

    def act(who: Asker, case: str, **said: Any) -> None:
        [task] = [one for one in tasks_for(town, who, limit=50)[0] if one.case == case]
        complete_task(town, who, task.id, said)

    act(county, full.case_number, announced=True, measures="停止入园，分流到廿八都")
    complaint = start_case(town, SYSTEM, "tourism-complaint", "投诉", "", None, {"area": "JLS", "kind": "票务", "happened": "2026-10-03", "text": "…", "wanted": "…"}).number
    act(bureau, complaint, accepted="yes", county_code="330881", why="属于受理范围")
    act(county, complaint, decided="调解成功", answer="已退票")
    refresh_all(town)
    assert rows(town, one, f"SELECT state, measures, step FROM tourism_limits WHERE number = '{full.case_number}'") == [("open", "停止入园，分流到廿八都", "恢复入园")]
    assert rows(town, one, f"SELECT state, outcome, area, accepted, decided FROM tourism_complaints WHERE number = '{complaint}'") == [("done", "answered", "JLS", "yes", "调解成功")]

    after = {area: said for area, *said in rows(town, one, PRESENT)}
    assert after["KSJ"][0] == before["KSJ"][0] - 890 < 0 and after["KSJ"][2:] == ["negative", "unknown"]
    assert after["SQS"][2:] == ["reset", "unknown"] and after["STM"][1] is None and after["STM"][3] == "no-capacity"
    # Twice, out of order, of the future, of no area: nobody else's figure moves.
    assert {area: said for area, said in after.items() if area not in ("KSJ", "SQS", "STM")} == {area: said for area, said in before.items() if area not in ("KSJ", "SQS", "STM")}
    assert {"KSJ", "SQS"} <= alarmed(town, "tourism", "doubtful") and alarmed(town, "tourism", "clock-ahead") == {"NBD-1"} and alarmed(town, "tourism", "gate-nowhere") == {"ZZ-1"} and "STM" in alarmed(town, "tourism", "no-capacity")
    assert dict(rows(town, one, "SELECT area, share FROM partners WHERE city = '黄山市' AND area IN ('黄山风景区', '齐云山')")) == {"黄山风景区": 95.0, "齐云山": None}
