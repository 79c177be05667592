"""Open311 GeoReport v2: what existing clients read and post, in JSON and XML, and how errors are said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from tests.governance.conftest import HERE, County, picture

SAMPLES = Path(__file__).parents[3] / "shared" / "conformance" / "open311" / "open311_v2_samples.json"
WHERE = {"lat": str(HERE[1]), "long": str(HERE[0])}


@pytest.fixture
def client(county: County, serve: Callable[[City], str]) -> Iterator[httpx.Client]:
    """A reporting client without a key; the language is asked for as clients do."""
    with httpx.Client(base_url=serve(county.city), headers={"accept-language": "en"}, timeout=30) as made:
        yield made


@pytest.fixture
def key(county: County) -> str:
    """Wang's key."""
    assert county.wang.user_id is not None
    with county.city.db.connection() as conn:
        return make_key(conn, SYSTEM, county.wang.user_id, "app")


def post(client: httpx.Client, key: str, form: str = "json", **said: Any) -> httpx.Response:
    return client.post(
        f"/open311/v2/requests.{form}", data={"api_key": key, "service_code": "road", "description": "a hole", **WHERE, **said}
    )


def test_services_and_what_they_ask_are_told_in_json_and_xml(client: httpx.Client) -> None:
    services = client.get("/open311/v2/services.json").json()
    assert {"service_code", "service_name", "description", "metadata", "type", "keywords", "group"} == set(services[0])
    codes = [one["service_code"] for one in services]
    # Alarms of devices are nobody's to report.
    assert "road" in codes and "camera-alarm" not in codes
    tree = etree.fromstring(client.get("/open311/v2/services.xml").content)
    assert [one.text for one in tree.findall("service/service_code")] == codes
    noise = client.get("/open311/v2/services/noise.json").json()
    assert noise["attributes"][0]["datatype"] == "singlevaluelist" and noise["attributes"][0]["required"] is True
    tree = etree.fromstring(client.get("/open311/v2/services/noise.xml").content)
    assert tree.tag == "service_definition" and tree.findtext("attributes/attribute/values/value/key") == "building"
    found = client.get("/open311/v2/discovery.xml")
    assert etree.fromstring(found.content).findtext("endpoints/endpoint/specification") == "http://wiki.open311.org/GeoReport_v2"


@pytest.mark.skipif(not SAMPLES.is_file(), reason="the published samples are not on this machine")
def test_the_shapes_are_those_of_the_published_samples(client: httpx.Client, key: str) -> None:
    samples = {(one["resource"], one["format"]): one["body"] for one in json.loads(SAMPLES.read_text("utf-8"))}
    number = post(client, key).json()[0]["service_request_id"]
    made = {
        "service-list": "services", "service-definition": "services/noise", "service-request-post": None,
        "request-from-token": f"tokens/{number}", "service-request-list": "requests", "single-service-request": f"requests/{number}",
    }  # fmt: skip
    compared = 0
    for (resource, form), body in samples.items():
        if form != "xml" or resource not in made:
            continue
        path = made[resource]
        answer = client.get(f"/open311/v2/{path}.xml") if path else post(client, key, "xml")
        ours, theirs = etree.fromstring(answer.content), etree.fromstring(body.encode())
        assert (ours.tag, ours[0].tag) == (theirs.tag, theirs[0].tag), resource
        missing = {one.tag for one in theirs.iter(etree.Element)} - {one.tag for one in ours.iter(etree.Element)}
        assert missing <= {"notice"}, (resource, missing)
        compared += 1
    assert compared >= 4


def test_a_report_is_posted_followed_and_closed(client: httpx.Client, key: str, county: County) -> None:
    answer = post(client, key, first_name="三", last_name="王", phone="0570-0000000", media_url="https://example.org/a.jpg")
    assert answer.status_code == 201
    number = answer.json()[0]["service_request_id"]
    event = county.report(text="x", matter="litter")
    assert client.get(f"/open311/v2/tokens/{number}.json").json() == [{"service_request_id": number, "token": number}]
    (mine,) = client.get(f"/open311/v2/requests/{number}.json", params={"api_key": key}).json()
    assert mine["description"] == "a hole\nhttps://example.org/a.jpg" and mine["status"] == "open"
    assert (mine["long"], mine["lat"]) == HERE
    # The public is told where to a hundred metres, and no words of people.
    (seen,) = client.get(f"/open311/v2/requests/{number}.json").json()
    assert seen["description"] is None and seen["address"] is None and seen["long"] == round(HERE[0], 3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00", seen["requested_datetime"])
    county.act(county.town, event, "accept", decision="refuse", note="no")
    listed = client.get("/open311/v2/requests.json", params={"status": "open"}).json()
    assert [one["service_request_id"] for one in listed] == [number]
    both = client.get("/open311/v2/requests.json", params={"service_request_id": f"{number},{event.number}"}).json()
    assert len(both) == 2
    pages = [client.get("/open311/v2/requests.json", params={"page": n, "page_size": 1}).json() for n in (1, 2, 3)]
    assert [len(page) for page in pages] == [1, 1, 0] and pages[0] != pages[1]
    past = client.get(
        "/open311/v2/requests.json", params={"start_date": "2020-01-01T00:00:00Z", "end_date": "2020-02-01T00:00:00Z"}
    )
    assert past.json() == []


def test_a_client_on_another_site_may_report_by_key_and_never_in_a_readers_name(client: httpx.Client, key: str) -> None:
    elsewhere = {"origin": "https://reports.example.org"}
    form = {"api_key": key, "service_code": "road", "description": "a hole", **WHERE}
    assert client.post("/open311/v2/requests.json", data=form, headers=elsewhere).status_code == 201
    borrowed = client.post("/open311/v2/requests.json", data=form, headers={**elsewhere, "cookie": "sanqu_session=x"})
    assert borrowed.status_code == 403


def test_attributes_and_photos_are_taken_from_forms(client: httpx.Client, key: str, county: County) -> None:
    said = {"api_key": key, "service_code": "noise", "attribute[kind]": "trade", **WHERE}
    answer = client.post("/open311/v2/requests.xml", data=said, files={"media": ("a.jpg", picture(), "image/jpeg")})
    assert answer.status_code == 201, answer.text
    number = etree.fromstring(answer.content).findtext("request/service_request_id")
    row = county.city.db.one(
        "SELECT e.attributes, count(f.id) AS photos FROM governance_event e JOIN case_case c USING (number) JOIN case_file f ON f.case_id = c.id WHERE number = %s GROUP BY e.id",
        (number,),
    )
    assert row == {"attributes": {"kind": "trade"}, "photos": 1}


def test_what_is_wrong_is_said_as_a_list_of_codes_and_descriptions(client: httpx.Client, key: str) -> None:
    def said(answer: httpx.Response) -> tuple[int, int, str]:
        (one,) = answer.json()
        return answer.status_code, one["code"], one["description"]

    assert said(client.post("/open311/v2/requests.json", data={"service_code": "road", **WHERE}))[:2] == (403, 403)
    assert said(post(client, "sq_wrong"))[:2] == (403, 403)
    assert said(post(client, key, service_code=""))[:2] == (400, 400)
    assert said(post(client, key, service_code="nothing"))[:2] == (404, 404)
    assert said(post(client, key, lat="91"))[:2] == (400, 400)
    assert said(post(client, key, lat="north"))[:2] == (400, 400)
    assert said(post(client, key, long="0.1", lat="51.5"))[:2] == (400, 400)
    assert said(post(client, key, lat="", long=""))[:2] == (400, 400)
    assert "kind" in said(post(client, key, service_code="noise"))[2]
    assert said(post(client, key, description="x" * 4001))[:2] == (400, 400)
    assert said(post(client, key, jurisdiction_id="example.org"))[:2] == (404, 404)
    for path in ("requests/none", "services/none", "tokens/none"):
        assert said(client.get(f"/open311/v2/{path}.json"))[:2] == (404, 404)
    for query in ("status=maybe", "start_date=yesterday", "page=0", "page_size=5000", "service_code=none", "jurisdiction_id=x"):
        assert client.get(f"/open311/v2/requests.json?{query}").status_code in (400, 404), query
    tree = etree.fromstring(client.get("/open311/v2/requests/none.xml").content)
    assert (tree.tag, tree.findtext("error/code")) == ("errors", "404")
    assert client.get("/open311/v2/services.yaml").status_code == 404
