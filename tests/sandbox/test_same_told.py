"""The same question by page, by interface, by SQL and in a room is told the same."""

from __future__ import annotations

import httpx

from sanqu.sharing.door import Question, ask

from .conftest import Granting, Hut, key_of

TOWNS = "SELECT town, count(*) AS n, sum(income) AS s FROM residents GROUP BY town ORDER BY town"


def test_an_officer_is_told_the_same_everywhere(hut: Hut, grant: Granting, site_of_hut: httpx.Client) -> None:
    grant("residents", f"user:{hut.wang.user_id}", id="plain", name="plain", town="plain", age="plain", income="plain", purposes=("study",))
    key, said = key_of(hut.city, hut.wang), {"sql": TOWNS, "purpose": "study"}
    by_sql = ask(hut.city, hut.wang, Question(TOWNS, "study")).table.to_pylist()
    by_interface = site_of_hut.post("/api/ask", headers=key, json=said).json()["rows"]
    in_a_room = site_of_hut.post(f"/api/rooms/{hut.room.id}/ask", headers=key, json=said).json()
    from_there = site_of_hut.get(in_a_room["get"], headers=key).json()["rows"]
    assert by_sql == by_interface == from_there and [row["n"] for row in by_sql] == [100, 100, 100]
    page, part = (site_of_hut.post(path, headers=key, data=said).text for path in ("/ask/run", f"/rooms/{hut.room.id}/run"))
    for row in by_sql:
        assert row["town"] in page and row["town"] in part
        assert str(row["n"]) in page and str(row["n"]) in part and f"{row['s']:.10g}" in part and str(row["s"]) in page
    refused = "SELECT diagnosis FROM residents"
    told = [
        site_of_hut.post(path, headers=key, json={"sql": refused, "purpose": "study"}).json()
        for path in ("/api/ask", f"/api/rooms/{hut.room.id}/ask")
    ]
    assert {one["code"] for one in told} == {"sharing.closed"}
    assert [one["facts"]["closed"][0]["item"] for one in told] == ["diagnosis", "diagnosis"]
    assert told[0]["facts"]["smallest_grants"][0]["items"] == told[1]["facts"]["smallest_grants"][0]["items"]
