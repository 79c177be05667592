"""Citrus is carried to a second city: other datasets, other names, units and codes; proposed, confirmed, installed, running, without code."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import segno

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Commit, Contract, lake_of
from sanqu.scenes.binding import Bound, Column
from sanqu.scenes.installing import install
from sanqu.scenes.keeping import woven_of
from sanqu.scenes.models import expand
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.proposing import propose
from sanqu.scenes.refreshing import refresh_all
from sanqu.scenes.rules import list_alarms
from sanqu.scenes.samples import make_samples
from sanqu.sharing.door import Question, ask

# How Shangrao calls the same things: title and column → (item of the scene, how its values differ).
GARDENS: dict[str, Any] = {
    "name": "jy-yuandi", "title": {"zh": "桔园地块台账", "en": "Orange gardens"}, "key": ["dkbh"],
    "fields": [("dkbh", "string", "地块编号", "plot", None), ("ymc", "string", "果园名称", "orchard", None), ("xzqh", "string", "县代码", "county code", None), ("xqmc", "string", "县区名称", "county", None),
               ("pz", "integer", "品种代码", "variety", None), ("mj", "number", "面积", "area", "m²"), ("zs", "integer", "株数", "trees", None)],
    "rows": "SELECT plot AS dkbh, orchard AS ymc, '361102' AS xzqh, '信州区' AS xqmc, CASE variety WHEN '椪柑' THEN 1 WHEN '胡柚' THEN 2 WHEN '红美人' THEN 3 ELSE 4 END AS pz, area * 10000 / 15 AS mj, trees AS zs FROM \"citrus-plots\"",
}  # fmt: skip
PICKED: dict[str, Any] = {
    "name": "jy-caishou", "title": {"zh": "采收登记", "en": "Pickings"}, "key": ["pch"],
    "fields": [("pch", "string", "批次号", "batch", None), ("dkbh", "string", "地块编号", "plot", None), ("csrq", "date", "采收日期", "picked", None), ("zl", "number", "采收量", "weight", "斤")],
    "rows": "SELECT batch AS pch, plot AS dkbh, picked AS csrq, weight * 2 AS zl FROM \"citrus-batches\"",
}  # fmt: skip
SPRAYED: dict[str, Any] = {
    "name": "jy-nongshi", "title": {"zh": "农事登记", "en": "Farming records"}, "key": ["jlh"],
    "fields": [("jlh", "string", "记录编号", "act", None), ("dkbh", "string", "地块编号", "plot", None), ("rq", "date", "日期", "day", None), ("lb", "string", "农事类别", "kind", None),
               ("tr", "string", "投入品", "material", None), ("jgq", "integer", "安全间隔期", "safety interval", "天")],
    "rows": "SELECT act AS jlh, plot AS dkbh, day AS rq, kind AS lb, material AS tr, interval_days AS jgq FROM \"citrus-acts\"",
}  # fmt: skip
CODES = {"1": "椪柑", "2": "胡柚", "3": "红美人", "4": "温州蜜柑"}


def shangrao(city: City) -> None:
    """The other city: units of its own, and its books of gardens, pickings and farming."""
    with city.db.connection() as conn:
        save_units(conn, [Unit("3611", None, "city", "city", Text(zh="上饶市", en="Shangrao")), Unit("361102", "3611", "county", "county", Text(zh="信州区", en="Xinzhou"))])
        keep_fact(conn, "city", {"code": "3611", "title": {"zh": "上饶", "en": "Shangrao"}, "home": [], "boundaries": ""})
    made = make_samples(open_scene(find_scene("citrus")), city.settings.home / "books")
    with lake_of(city).engine() as duck:
        for said in (GARDENS, PICKED, SPRAYED):
            fields = [{"name": name, "type": kind, "title": {"zh": zh, "en": en}, **({"unit": unit} if unit else {})} for name, kind, zh, en, unit in said["fields"]]
            contract = Contract.from_descriptor({"name": said["name"], "title": said["title"], "steward": "3611", "primaryKey": said["key"], "fields": fields, "opening": "unconditional"})
            register_contract(city, contract, "test", state="published")
            sql = said["rows"]
            for name, path in made.items():
                sql = sql.replace(f'"{name}"', f"read_parquet('{path}')")
            lake_of(city).upsert(said["name"], sql, Commit("test"), duck=duck)


def first_value(city: City, one: Any, sql: str) -> Any:
    """The first value of a query of the scene."""
    return next(iter(ask(city, SYSTEM, Question(expand(woven_of(city, one), sql), "test")).table.to_pylist()[0].values()))


def test_citrus_runs_in_a_city_whose_columns_are_named_otherwise(city: City) -> None:
    shangrao(city)
    scene = open_scene(find_scene("citrus"))
    proposed = propose(city, SYSTEM, scene)
    best = {name: proposals[0].bound for name, proposals in proposed.items() if name in ("citrus-plots", "citrus-batches", "citrus-acts")}
    assert {name: bound.dataset for name, bound in best.items()} == {"citrus-plots": "jy-yuandi", "citrus-batches": "jy-caishou", "citrus-acts": "jy-nongshi"}
    read = {(name, item): column.column for name, bound in best.items() for item, column in bound.columns.items()}
    assert (read["citrus-plots", "plot"], read["citrus-plots", "area"], read["citrus-batches", "weight"], read["citrus-acts", "interval_days"]) == ("dkbh", "mj", "zl", "jgq")
    assert any("换算" in why.zh for guess in proposed["citrus-plots"][0].guesses for why in guess.why)
    # A person confirms, and says what nobody can guess: which code is which variety.
    confirmed = best | {"citrus-plots": Bound(dataset="jy-yuandi", columns={**best["citrus-plots"].columns, "variety": Column(column="pz", codes=CODES)})}
    one = install(city, SYSTEM, scene, binding=confirmed, steward="3611")
    assert not lake_of(city).has("citrus-plots") and lake_of(city).has("citrus-sales")
    assert first_value(city, one, "SELECT count(*) FROM batch_trace WHERE county = '信州区'") == 1503
    assert first_value(city, one, "SELECT sum(area) FROM citrus_plots") == pytest.approx(first_value(city, one, 'SELECT sum(mj) * 15 / 10000 FROM "jy-yuandi"'))
    assert first_value(city, one, "SELECT count(*) FROM citrus_plots WHERE variety = '胡柚'") == first_value(city, one, 'SELECT count(*) FROM "jy-yuandi" WHERE pz = 2')
    alarms, count = list_alarms(city, SYSTEM, "citrus", "interval-broken")
    assert count == 34 and alarms[0].case_number is not None
    # New rows of the other city's own book are seen, converted, and break the rule.
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("jy-nongshi", "SELECT 'X1' AS jlh, plot AS dkbh, picked - 1 AS rq, '用药' AS lb, '螺螨酯' AS tr, 30 AS jgq FROM (SELECT dkbh AS plot, csrq AS picked FROM lake.main.\"jy-caishou\" ORDER BY pch LIMIT 1)", Commit("test"), duck=duck)
    refresh_all(city)
    assert list_alarms(city, SYSTEM, "citrus", "interval-broken")[1] == 35


def test_a_batch_is_looked_up_by_anybody_behind_a_qr_code(city: City, serve: Callable[[City], str]) -> None:
    with city.db.connection() as conn:
        save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")), *(Unit(code, "3308", "county", "county", Text(zh=code)) for code in ("330802", "330803", "330822", "330824", "330825", "330881"))])
    install(city, SYSTEM, open_scene(find_scene("citrus")), steward="3308", samples=True)
    with httpx.Client(base_url=serve(city), timeout=30) as anybody:
        page = anybody.get("/scenes/citrus/batch?batch=B2026-P0003-1").text
        assert "采收" in page and "B2026-P0003-1" in page and 'href="/scenes/citrus/batch/qr.svg?batch=B2026-P0003-1"' in page
        code = anybody.get("/scenes/citrus/batch/qr.svg?batch=B2026-P0003-1&lang=en")
        assert code.headers["content-type"] == "image/svg+xml"
        expected = io.BytesIO()
        segno.make(f"{anybody.base_url}/scenes/citrus/batch?batch=B2026-P0003-1".replace("//scenes", "/scenes"), error="m", micro=False).save(expected, kind="svg", scale=6, border=4)
        assert code.content == expected.getvalue()
        assert anybody.get("/scenes/citrus/quality/qr.svg").status_code in (401, 403) and anybody.get("/scenes/none/x/qr.svg").status_code == 404
        assert anybody.get("/scenes").status_code == 200 and "浙里柑橘" in anybody.get("/scenes/citrus").text and "农药管理条例" in anybody.get("/scenes/citrus").text
