"""CKAN's datastore over the lake: create, insert, upsert, search, delete; bad rows are named."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from ckanapi import NotAuthorized, NotFound, RemoteCKAN, ValidationError

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.lake import Commit, Contract, lake_of

from .conftest import Served

FIELDS = [
    {"id": "code", "type": "text"}, {"id": "year", "type": "int"}, {"id": "tons", "type": "numeric", "info": {"label": "产量", "notes": "吨"}},
    {"id": "day", "type": "date"}, {"id": "at", "type": "timestamp"}, {"id": "ok", "type": "bool"}, {"id": "more", "type": "json"},
]  # fmt: skip
ROWS = [
    {"code": "柯城", "year": 2023, "tons": "12.5", "day": "2023-01-02", "at": "2023-01-02T03:04:05", "ok": True, "more": {"a": 1}},
    {"code": "衢江", "year": 2023, "tons": 7, "day": None, "at": None, "ok": "f", "more": None},
    {"code": "龙游", "year": 2022, "tons": 3.25},
]


@pytest.fixture
def ckan(served: Served) -> RemoteCKAN:
    return RemoteCKAN(served.url, apikey=served.key)


@pytest.fixture
def table(ckan: RemoteCKAN) -> str:
    made = ckan.action.package_create(name="citrus", title="柑橘", owner_org="3308-agri", resources=[{"name": "t", "url": "http://x.example/t"}])
    id_ = str(made["resources"][0]["id"])
    ckan.action.datastore_create(resource_id=id_, fields=FIELDS, records=ROWS, primary_key=["code"])
    return id_


def test_rows_come_back_filtered_sorted_and_in_any_shape(served: Served, ckan: RemoteCKAN, table: str) -> None:
    public = RemoteCKAN(served.url)
    found = public.action.datastore_search(resource_id=table, sort="code asc")
    assert found["total"] == 3 and [f["id"] for f in found["fields"]] == ["_id", *[f["id"] for f in FIELDS]]
    first = next(r for r in found["records"] if r["code"] == "柯城")
    assert first["tons"] == 12.5 and first["day"] == "2023-01-02" and first["at"] == "2023-01-02T03:04:05" and first["ok"] is True
    assert found["fields"][3]["info"] == {"label": "产量", "notes": "吨"}
    search = public.action.datastore_search
    assert search(resource_id=table, filters={"year": 2023})["total"] == 2
    assert search(resource_id=table, filters={"year": [2022, "2023"], "ok": True})["total"] == 1
    assert search(resource_id=table, filters={"day": None})["total"] == 2
    assert search(resource_id=table, q="柯")["total"] == 1 and search(resource_id=table, q={"code": "龙"})["total"] == 1
    sorted_ = search(resource_id=table, sort="year desc, tons asc", fields=["code", "tons"])
    assert [r["code"] for r in sorted_["records"]] == ["衢江", "柯城", "龙游"] and list(sorted_["records"][0]) == ["code", "tons"]
    paged = search(resource_id=table, limit=1, offset=1, sort="tons")
    assert paged["records"][0]["code"] == "衢江" and paged["total"] == 3 and "offset=2" in paged["_links"]["next"]
    assert search(resource_id=table, distinct=True, fields="year", sort="year")["records"] == [{"year": 2022}, {"year": 2023}]
    assert search(resource_id=table, records_format="lists", fields="code", sort="code")["records"][0] == ["柯城"]
    assert search(resource_id=table, records_format="csv", fields="year,code", filters={"code": "龙游"})["records"] == "2022,龙游\r\n"
    assert "total" not in search(resource_id=table, include_total=False, limit=0)
    by_id = search(resource_id=table, filters={"_id": first["_id"]})
    assert by_id["records"][0]["code"] == "柯城"
    assert requests.get(f"{served.url}/api/3/action/datastore_search", params={"resource_id": table, "filters": '{"year":2022}'}, timeout=10).json()["result"]["total"] == 1


def test_upsert_changes_only_what_it_names(ckan: RemoteCKAN, table: str) -> None:
    ckan.action.datastore_upsert(resource_id=table, records=[{"code": "柯城", "tons": 20}, {"code": "江山", "year": 2024}])
    rows = {r["code"]: r for r in ckan.action.datastore_search(resource_id=table)["records"]}
    assert rows["柯城"]["tons"] == 20 and rows["柯城"]["year"] == 2023 and rows["柯城"]["day"] == "2023-01-02"
    assert rows["江山"]["year"] == 2024 and len(rows) == 4
    ckan.action.datastore_upsert(resource_id=table, method="update", records=[{"code": "江山", "tons": 1}])
    with pytest.raises(ValidationError) as fault:
        ckan.action.datastore_upsert(resource_id=table, method="update", records=[{"code": "无", "tons": 1}])
    assert "无" in str(fault.value.error_dict["key"])
    with pytest.raises(ValidationError) as fault:
        ckan.action.datastore_upsert(resource_id=table, method="insert", records=[{"code": "江山"}])
    assert "duplicate" in str(fault.value.error_dict["records"])
    ckan.action.datastore_upsert(resource_id=table, records=[{"code": "双", "tons": 1}, {"code": "双", "tons": 2}])
    assert ckan.action.datastore_search(resource_id=table, filters={"code": "双"})["records"][0]["tons"] == 2


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        ({"code": "a", "year": "x"}, "year", "x"), ({"code": "a", "tons": "many"}, "tons", "many"), ({"code": "a", "day": "2023-13-01"}, "day", "2023-13-01"),
        ({"code": "a", "ok": "perhaps"}, "ok", "perhaps"), ({"code": "a", "at": "noon"}, "at", "noon"), ({"code": "a", "year": 1.5}, "year", "1.5"),
        ({"code": "a", "year": 2**70}, "year", str(2**70)), ({"code": "a", "tons": "NaN"}, "tons", "NaN"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_and_nothing_is_written(ckan: RemoteCKAN, table: str, record: dict[str, Any], field: str, value: str) -> None:
    with pytest.raises(ValidationError) as fault:
        ckan.action.datastore_upsert(resource_id=table, records=[{"code": "good"}, record])
    said = str(fault.value.error_dict[field])
    assert value in said and "row 2" in said
    assert ckan.action.datastore_search(resource_id=table)["total"] == 3


def test_unknown_fields_and_hostile_filters_are_refused(ckan: RemoteCKAN, table: str) -> None:
    for bad in ({"filters": {"nope": 1}}, {"sort": "nope"}, {"sort": 'code"; DROP TABLE x --'}, {"fields": "nope"}, {"filters": {"year": "1 OR 1=1"}}, {"limit": "many"}):
        with pytest.raises(ValidationError):
            ckan.action.datastore_search(resource_id=table, **bad)
    assert ckan.action.datastore_search(resource_id=table, filters={"code": "' OR 1=1 --"})["total"] == 0
    with pytest.raises(ValidationError):
        ckan.action.datastore_upsert(resource_id=table, records=[{"nope": 1}])
    with pytest.raises(NotAuthorized):
        ckan.action.datastore_search_sql(sql="select 1")


def test_rows_are_deleted_by_filter_and_the_table_without_one(ckan: RemoteCKAN, table: str) -> None:
    ckan.action.datastore_delete(resource_id=table, filters={"year": 2023})
    assert ckan.action.datastore_search(resource_id=table)["total"] == 1
    info = ckan.action.datastore_info(id=table)
    assert info["meta"]["count"] == 1 and info["fields"][0]["schema"]["uidx"]
    ckan.action.datastore_delete(resource_id=table)
    with pytest.raises(NotFound):
        ckan.action.datastore_search(resource_id=table)
    assert not ckan.action.resource_show(id=table)["datastore_active"]


def test_a_table_without_a_key_takes_records_and_widens(served: Served, ckan: RemoteCKAN) -> None:
    ckan.action.package_create(name="citrus", title="柑橘", owner_org="3308-agri")
    made = ckan.action.datastore_create(resource={"package_id": "citrus", "name": "rows"}, records=[{"a": 1, "b": "=1+1"}, {"a": 2.5, "b": None}])
    id_ = made["resource_id"]
    assert [(f["id"], f["type"]) for f in made["fields"]] == [("a", "float8"), ("b", "text")]
    ckan.action.datastore_create(resource_id=id_, fields=[{"id": "c", "type": "date"}], records=[{"a": 3, "c": "2024-01-01"}])
    assert ckan.action.datastore_search(resource_id=id_)["total"] == 3
    with pytest.raises(ValidationError):
        ckan.action.datastore_upsert(resource_id=id_, records=[{"a": 1}])
    ckan.action.datastore_upsert(resource_id=id_, records=[{"a": 4}], method="insert")
    ckan.action.datastore_delete(resource_id=id_, filters={"a": 1})
    assert ckan.action.datastore_search(resource_id=id_)["total"] == 3
    dump = requests.get(ckan.action.resource_show(id=id_)["url"], timeout=10)
    assert dump.text.splitlines()[0] == "a,b,c" and dump.headers["content-type"].startswith("text/csv")
    with pytest.raises(ValidationError):
        ckan.action.datastore_create(resource_id=id_, fields=[{"id": "a", "type": "text"}])


def test_rows_of_datasets_that_are_not_open_are_refused(served: Served, ckan: RemoteCKAN, table: str) -> None:
    public = RemoteCKAN(served.url)
    with pytest.raises(NotAuthorized):
        public.action.datastore_upsert(resource_id=table, records=[{"code": "x"}])
    ckan.action.package_patch(id="citrus", opening="restricted")
    with pytest.raises(NotAuthorized):
        public.action.datastore_search(resource_id=table)
    assert ckan.action.datastore_search(resource_id=table)["total"] == 3
    ckan.action.package_patch(id="citrus", private=True)
    with pytest.raises(NotFound):
        public.action.datastore_search(resource_id=table)


def test_a_contract_can_be_read_by_its_name_but_not_written(served: Served, town: City, ckan: RemoteCKAN) -> None:
    contract = Contract.from_descriptor(
        {"name": "air", "title": {"zh": "空气质量", "en": "Air"}, "steward": "3308-agri", "primaryKey": ["k"], "description": "d",
         "fields": [{"name": "k", "type": "integer"}, {"name": "v", "type": "number", "title": {"zh": "浓度", "en": ""}}, {"name": "secret", "grade": "L3"}]}
    )  # fmt: skip
    first = register_contract(town, contract, "test")
    assert register_contract(town, contract, "test") == first
    with lake_of(town).engine() as duck:
        lake_of(town).append("air", "SELECT 1 AS k, 2.5 AS v, 's' AS secret", Commit("test"), duck=duck)
    public = RemoteCKAN(served.url)
    shown = public.action.package_show(id="air")
    assert [r["format"] for r in shown["resources"]] == ["CSV", "JSON", "XLSX", "Parquet"] and shown["resources"][0]["datastore_active"]
    assert shown["resources"][0]["url"] == f"{served.url}/open/air.csv"
    for id_ in ("air", shown["resources"][0]["id"]):
        assert public.action.datastore_search(resource_id=id_)["records"] == [{"_id": 1, "k": 1, "v": 2.5}]
    with pytest.raises(ValidationError):
        public.action.datastore_search(resource_id="air", fields="secret")
    with pytest.raises(ValidationError):
        public.action.datastore_search(resource_id="air", filters={"secret": "s"})
    with pytest.raises(NotAuthorized):
        ckan.action.datastore_upsert(resource_id=shown["resources"][0]["id"], records=[{"k": 2}])
    assert ckan.action.datastore_search(resource_id="air")["records"][0]["secret"] == "s"
    assert Text(zh="空气质量", en="Air") == first.title


def test_a_field_name_that_the_lake_keeps_for_itself_is_refused(ckan: RemoteCKAN) -> None:
    ckan.action.package_create(name="citrus", title="柑橘", owner_org="3308-agri")
    with pytest.raises(ValidationError) as fault:
        ckan.action.datastore_create(resource={"package_id": "citrus"}, fields=[{"id": "row_id", "type": "int"}], records=[])
    assert "row_id" in str(fault.value.error_dict)
