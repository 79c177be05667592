"""Files from the world, with their real dirt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sanqu.ground.city import City
from sanqu.lake import lake_of
from sanqu.lines.quarantine import count_quarantine, faults_of
from sanqu.lines.records import Run

from .conftest import balanced, rows, shared

Load = Callable[..., Run]


def _number(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "number", **more}


AIR = {
    "name": "air", "title": "空气质量", "steward": "330800", "primaryKey": ["No"], "missingValues": ["", "NA"],
    "fields": [
        {"name": "No", "type": "integer"}, {"name": "year", "type": "year"}, {"name": "month", "type": "integer"},
        {"name": "day", "type": "integer"}, {"name": "hour", "type": "integer", "constraints": {"minimum": 0, "maximum": 23}},
        *(_number(name.lower().replace(".", ""), aliases=[name]) for name in ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3")),
        *(_number(name.lower(), aliases=[name]) for name in ("TEMP", "PRES", "DEWP", "RAIN", "WSPM")),
        {"name": "wd"}, {"name": "station"},
    ],
}  # fmt: skip
COMPANIES = {
    "name": "companies", "title": "企业", "steward": "330800", "primaryKey": ["code"],
    "fields": [{"name": n} for n in ("code", "name", "full_name", "exchange")]
    + [{"name": "listed_on", "type": "date"}, {"name": "sw_industry_code"}, {"name": "sw_industry"}],
}  # fmt: skip
PRODUCTS = {
    "name": "products", "title": "产品", "steward": "330800",
    "fields": [
        {"name": "company_code", "constraints": {"required": True}}, {"name": "product", "constraints": {"required": True}},
        {"name": "revenue_share", "type": "number", "constraints": {"minimum": 0}},
    ],
}  # fmt: skip
REQUESTS = {
    "name": "requests", "title": "诉求", "steward": "330800", "primaryKey": ["id"],
    "fields": [
        {"name": "id", "aliases": ["Unique Key"]},
        {"name": "created", "type": "datetime", "format": "%m/%d/%Y %H:%M", "aliases": ["Created Date"], "constraints": {"required": True}},
        {"name": "closed", "type": "datetime", "format": "%m/%d/%Y %H:%M", "aliases": ["Closed Date"]},
        {"name": "complaint_type"}, {"name": "borough"},
        {"name": "latitude", "type": "number", "constraints": {"minimum": -90, "maximum": 90}},
        {"name": "longitude", "type": "number", "constraints": {"minimum": -180, "maximum": 180}},
    ],
}  # fmt: skip
TRANSFORMER = {
    "name": "transformer", "title": "变压器", "steward": "330800", "primaryKey": ["date"],
    "fields": [{"name": "date", "type": "datetime"}, *(_number(n) for n in ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"))],
}  # fmt: skip


def _path(name: str) -> dict[str, Any]:
    return {"kind": "file", "path": str(shared(name))}


def test_air_with_na_for_missing(city: City, load: Load) -> None:
    run = load(contract=AIR, source=_path("air_beijing_aotizhongxin.csv"))
    assert (run.cause, run.read, run.inserted, run.quarantined) == (None, 35064, 35064, 0)
    assert rows(city, "air", "count(*) - count(pm25)")[0][0] > 0


def test_transformer_load_is_carried_whole(city: City, load: Load) -> None:
    run = load(contract=TRANSFORMER, source=_path("ETTh1.csv"))
    assert (run.cause, run.inserted, run.quarantined) == (None, 17420, 0)


def test_companies_whose_codes_repeat_with_other_names(city: City, load: Load) -> None:
    run = load(contract=COMPANIES, source=_path("chain_companies.csv"))
    assert run.cause is None
    assert balanced(run)
    assert run.read == 4654
    assert "key-duplicate" in {rule for _, rule, _ in faults_of(city, line="companies")}
    assert run.quarantined == count_quarantine(city, line="companies") > 0
    with lake_of(city).engine() as duck:
        told = duck.execute('SELECT count(*), count(DISTINCT code) FROM lake.main."companies"').fetchone()
        assert told == (run.inserted, run.inserted)


def test_negative_shares_break_the_minimum(city: City, load: Load) -> None:
    run = load(contract=PRODUCTS, source=_path("chain_company_product.csv"))
    assert run.cause is None
    assert balanced(run)
    assert ("revenue_share", "minimum", 731) in faults_of(city, line="products")


def test_requests_with_american_dates_and_blank_places(city: City, load: Load) -> None:
    run = load(contract=REQUESTS, source=_path("requests_nyc311.csv"))
    assert run.cause is None
    assert balanced(run)
    assert (run.read, run.quarantined) == (4969, 0)
    assert rows(city, "requests", "count(*) - count(latitude)")[0][0] == 62
