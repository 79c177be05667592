"""The door as those who read through it know it: what each may read, why not the rest, and what would be enough."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, NotFound, Refused, SanquError
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import PUBLIC, Asker
from sanqu.lake import Contract, lake_of
from sanqu.sharing.door import Answer, Question, ask, explain
from sanqu.sharing.grants import withdraw_grant

from .conftest import OFFICER, OTHER, RESIDENTS, SHOPS, STEWARD, TAX_OFFICER, TOWN_OFFICER, Granting


def read(city: City, asker: Asker, sql: str, purpose: str = "relief", **more: object) -> Answer:
    return ask(city, asker, Question(sql, purpose, **more))  # type: ignore[arg-type]


def rows(city: City, asker: Asker, sql: str, purpose: str = "relief") -> list[dict[str, object]]:
    found: list[dict[str, object]] = read(city, asker, sql, purpose).table.to_pylist()
    return found


def test_the_public_reads_open_items_and_a_star_is_those(county: City) -> None:
    assert rows(county, PUBLIC, "SELECT * FROM shops ORDER BY no LIMIT 1") == [{"no": 0, "town": "330802001", "turnover": 0.0}]


def test_a_closed_item_is_refused_by_name_clause_and_smallest_grant(county: City) -> None:
    with pytest.raises(Refused) as refused:
        read(county, OFFICER, "SELECT s.no, s.owner FROM shops s")
    facts = refused.value.facts
    assert refused.value.thing == "shops.owner"
    assert facts["closed"] == [
        {"dataset": "shops", "item": "owner", "clause": "grade=L3", "why": {"zh": "分级为 L3", "en": "is graded L3"}}
    ]
    assert facts["smallest_grants"][0]["items"] == [{"item": "owner", "uses": ["plain"]}]  # type: ignore[index]


def test_the_smallest_grant_for_a_join_is_a_join(county: City) -> None:
    said = explain(county, OFFICER, Question("SELECT s.turnover FROM shops s JOIN residents r ON s.owner = r.id", "relief"))
    wished = {wish.dataset: {item.item: item.uses for item in wish.items} for wish in said.wishes}
    assert wished == {"shops": {"owner": ("join",)}, "residents": {"id": ("join",)}}


def test_a_dataset_one_may_not_know_of_is_not_there(county: City) -> None:
    with pytest.raises(NotFound) as hidden:
        read(county, PUBLIC, "SELECT * FROM roads")
    with pytest.raises(NotFound) as missing:
        read(county, PUBLIC, "SELECT * FROM rodas")
    assert hidden.value.what == missing.value.what


def test_an_officer_sees_the_rows_of_the_own_place_and_below(county: City) -> None:
    count = "SELECT count(*) AS n FROM roads"
    seen = [rows(county, asker, count)[0]["n"] for asker in (TOWN_OFFICER, OFFICER, OTHER, TAX_OFFICER, STEWARD)]
    assert seen == [10, 20, 10, 30, 30]


def test_shapes_are_measured_in_metres_with_longitude_first(county: City) -> None:
    square = "ST_GeomFromText('POLYGON((118.0 28.0, 118.01 28.0, 118.01 28.01, 118.0 28.01, 118.0 28.0))')"
    sql = f"SELECT ST_Contains({square}, ST_Point(118.005, 28.005 + no * 0.01)) AS inside, round(ST_Area_Spheroid({square}) / 1e4) AS hectares, ST_AsGeoJSON(ST_Point(118, 28)) AS point FROM shops ORDER BY no LIMIT 2"
    point = '{"type":"Point","coordinates":[118.0,28.0]}'
    assert rows(county, PUBLIC, sql) == [{"inside": True, "hectares": 109.0, "point": point}, {"inside": False, "hectares": 109.0, "point": point}]
    for reading in ("SELECT * FROM ST_Read('/etc/passwd')", "SELECT ST_ReadOSM('x') FROM shops"):
        with pytest.raises(BadInput):
            rows(county, PUBLIC, reading)


def test_a_value_may_be_read_as_a_moment(county: City) -> None:
    assert rows(county, PUBLIC, "SELECT CAST('2026-11-27 08:00' AS TIMESTAMP) AS at FROM shops LIMIT 1") == [{"at": datetime(2026, 11, 27, 8)}]


def test_a_query_may_count_on_from_what_it_found(county: City) -> None:
    sql = "WITH RECURSIVE steps AS (SELECT min(no) AS no FROM shops UNION ALL SELECT no + 1 FROM steps WHERE no < 3) SELECT no FROM steps ORDER BY no"
    assert [row["no"] for row in rows(county, PUBLIC, sql)] == [0, 1, 2, 3]


def test_a_grant_opens_its_items_for_its_purpose_and_time(county: City, grant: Granting) -> None:
    sql = "SELECT name FROM residents ORDER BY name LIMIT 1"
    with pytest.raises(Refused):
        read(county, OFFICER, sql)
    given = grant("residents", "user:11", name="plain", until=now() + timedelta(hours=1))
    assert rows(county, OFFICER, sql) == [{"name": "person 0"}]
    with pytest.raises(Refused, match="purpose"):
        read(county, OFFICER, sql, "curiosity")
    with pytest.raises(Refused):
        read(county, OTHER, sql)
    with county.db.connection() as conn:
        withdraw_grant(conn, STEWARD, given.id)
    with pytest.raises(Refused):
        read(county, OFFICER, sql)


def test_a_grant_to_a_unit_is_for_those_who_work_there_or_below_on_their_own_rows(county: City, grant: Granting) -> None:
    grant("residents", "unit:330802", name="plain", town="plain", unit="*")
    count = "SELECT count(name) AS n FROM residents"
    assert rows(county, OFFICER, count) == [{"n": 200}]
    assert rows(county, TOWN_OFFICER, count) == [{"n": 100}]
    with pytest.raises(Refused):
        read(county, OTHER, count)


def test_a_raised_grade_closes_the_item_on_the_next_read(county: City) -> None:
    sql = "SELECT turnover FROM shops LIMIT 1"
    assert rows(county, PUBLIC, sql)
    said = {**SHOPS, "fields": [{**f, "grade": "L3"} if f["name"] == "turnover" else f for f in SHOPS["fields"]]}  # type: ignore[union-attr]
    lake_of(county).declare(Contract.from_descriptor(said), "test")
    with pytest.raises(Refused, match="L3"):
        read(county, PUBLIC, sql)


def test_masks_show_what_they_state_and_hashes_of_two_grants_do_not_match(county: City, grant: Granting) -> None:
    hashed = {"name": [{"kind": "hash"}], "id": [{"kind": "keep", "first": 1, "last": 1}]}
    grant("residents", "user:11", name="plain", id="plain", age="plain", masks=hashed)
    grant("residents", "user:15", name="plain", age="plain", masks=hashed)
    sql = "SELECT name FROM residents WHERE age = 20 ORDER BY name"
    mine, theirs = rows(county, OFFICER, sql), rows(county, OTHER, sql)
    assert mine == rows(county, OFFICER, sql)
    assert not {str(row["name"]) for row in mine} & {str(row["name"]) for row in theirs}
    shown = rows(county, OFFICER, "SELECT DISTINCT left(id, 2) AS first FROM residents")
    assert shown == [{"first": "I*"}]


def test_an_item_for_aggregates_is_added_up_over_enough_people_and_nothing_else(county: City, grant: Granting) -> None:
    grant("residents", "user:11", income="aggregate", town="plain", age="plain")
    by_town = rows(county, OFFICER, "SELECT town, avg(income) AS mean FROM residents GROUP BY town ORDER BY town")
    assert [round(float(str(row["mean"]))) for row in by_town] == [1148, 1150, 1150]
    for sql in (
        "SELECT income FROM residents",
        "SELECT max(income) FROM residents",
        "SELECT sum(CASE WHEN age = 20 THEN income END) FROM residents",
        "SELECT sum(income * age) FROM residents",
        "SELECT count(*) FROM residents WHERE income > 1100",
        "SELECT town FROM residents ORDER BY income",
        "SELECT sum(income) OVER () FROM residents",
        "SELECT (SELECT sum(income) FROM residents r WHERE r.town = s.town) FROM shops s",
    ):
        with pytest.raises(SanquError):
            read(county, OFFICER, sql)


def test_a_figure_about_too_few_people_is_empty(county: City, grant: Granting) -> None:
    grant("residents", "user:11", income="aggregate", age="plain", name="plain")
    assert rows(county, OFFICER, "SELECT sum(income) AS s FROM residents WHERE name = 'person 7'") == [{"s": None}]
    few = rows(county, OFFICER, "SELECT sum(income) FILTER (WHERE name = 'person 7') AS s, count(*) AS n FROM residents")
    assert few == [{"s": None, "n": 300}]


def test_a_row_counted_twice_makes_no_figure(county: City, grant: Granting) -> None:
    grant("residents", "user:11", income="aggregate", town="plain")
    sql = "SELECT sum(r.income) AS s FROM residents r JOIN range(2) w(i) ON w.i < 1 OR r.town = '330802001'"
    assert rows(county, OFFICER, sql) == [{"s": None}]


def test_two_figures_that_differ_by_a_few_people_are_not_both_given(county: City, grant: Granting) -> None:
    grant("residents", "user:11", income="aggregate", name="plain")
    assert rows(county, OFFICER, "SELECT sum(income) AS s FROM residents")[0]["s"]
    with pytest.raises(Refused, match="subtracting"):
        read(county, OFFICER, "SELECT sum(income) AS s FROM residents WHERE name <> 'person 7'")


def test_groups_may_be_named_by_an_item_that_may_not_be_read(county: City, grant: Granting) -> None:
    grant("residents", "user:11", diagnosis="group", age="plain")
    found = rows(county, OFFICER, "SELECT diagnosis, count(*) AS n FROM residents GROUP BY diagnosis ORDER BY diagnosis LIMIT 2")
    assert found == [{"diagnosis": "d0", "n": 43}, {"diagnosis": "d1", "n": 43}]
    few = rows(county, OFFICER, "SELECT diagnosis FROM residents WHERE age = 20 GROUP BY diagnosis")
    assert few == []
    with pytest.raises(Refused):
        read(county, OFFICER, "SELECT diagnosis FROM residents")


def test_items_that_match_may_be_joined_but_not_read(county: City, grant: Granting) -> None:
    grant("residents", "user:11", id="join", age="plain")
    grant("shops", "user:11", owner="join")
    sql = "SELECT count(*) AS n, min(r.age) AS youngest FROM shops s JOIN residents r ON s.owner = r.id"
    assert rows(county, OFFICER, sql) == [{"n": 60, "youngest": 20}]
    for other in (
        "SELECT count(*) FROM residents WHERE id = 'ID0007'",
        "SELECT r.id FROM shops s JOIN residents r ON s.owner = r.id",
        "SELECT count(*) FROM residents r JOIN (VALUES ('ID0007')) v(x) ON r.id = v.x",
    ):
        with pytest.raises(Refused):
            read(county, OFFICER, other)


def test_an_l4_item_cannot_be_granted_in_plain(county: City, grant: Granting) -> None:
    with pytest.raises(BadInput, match="L4"):
        grant("residents", "user:11", diagnosis="plain")


def test_a_quota_ends_the_day(county: City, grant: Granting) -> None:
    grant("residents", "user:11", name="plain", quota={"reads": 2, "rows": 5})
    assert len(rows(county, OFFICER, "SELECT name FROM residents")) == 5
    with pytest.raises(SanquError, match="quota"):
        read(county, OFFICER, "SELECT name FROM residents")


def test_every_read_and_refusal_is_in_the_ledger(county: City, grant: Granting) -> None:
    given = grant("residents", "user:11", name="plain")
    answer = read(county, OFFICER, "SELECT name FROM residents")
    with pytest.raises(Refused):
        read(county, OFFICER, "SELECT diagnosis FROM residents")
    integrate(county)
    (entry,) = read_entries(county, kind="sharing.read")
    assert entry.actor == "user:11" and entry.subject == "dataset:residents"
    assert entry.facts["items"] == {"name": ["plain"]} and entry.facts["rows"] == 300 and entry.facts["purpose"] == "relief"
    assert entry.facts["grant"] == given.number and entry.facts["result"] == answer.digest
    (refused,) = read_entries(county, kind="sharing.refused")
    assert list(refused.facts["closed"]) == ["residents.diagnosis"]


def test_a_loop_that_never_ends_is_stopped_and_the_next_query_runs(county: City) -> None:
    county.settings = county.settings.model_copy(update={"query_seconds": 1.0})
    with pytest.raises(BadInput, match="too long"):
        read(county, PUBLIC, "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r")
    assert rows(county, PUBLIC, "SELECT count(*) AS n FROM shops") == [{"n": 60}]


def test_an_error_in_the_engine_tells_no_value(county: City) -> None:
    with pytest.raises(BadInput) as fault:
        read(county, PUBLIC, "SELECT town::DATE FROM shops")
    assert "330802" not in str(fault.value) and "330802" not in str(fault.value.facts)


def test_a_contract_with_an_item_for_aggregates_needs_someone_to_count() -> None:
    said = {**RESIDENTS, "primaryKey": [], "fields": [{"name": "income", "type": "number", "uses": ["aggregate"]}]}
    with pytest.raises(BadInput, match="identifies"):
        Contract.from_descriptor(said)


def test_a_question_is_answered_by_another_engine_when_one_broke_off(county: City) -> None:
    asked = "SELECT count(*) AS n FROM shops"
    lake_of(county).flush("shops")
    before = rows(county, PUBLIC, asked)
    # What it has on its list is gone beneath it: an internal error, after which an engine answers nothing any more.
    with county.db.connection() as conn:
        for row in conn.execute("DELETE FROM ducklake.ducklake_inlined_data_tables RETURNING table_name").fetchall():
            conn.execute(f"DROP TABLE ducklake.{row['table_name']}")
    for _ in range(3):
        assert rows(county, PUBLIC, asked.replace("count(*)", "count(town)")) == before
