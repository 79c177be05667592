"""Signing in and acting over HTTP: other sites, keys, guesses, and values that no table can hold."""

from __future__ import annotations

import time

import httpx
import pytest

from sanqu.ground.city import City
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person, check_password, set_password
from sanqu.ground.people.sessions import make_link

PASSWORD = "long-enough-1"


@pytest.fixture
def city(quzhou: City) -> City:
    """Whose pages `site` reads."""
    return quzhou


@pytest.fixture
def li(quzhou: City) -> int:
    """A steward with a password."""
    with quzhou.db.connection() as conn:
        person = add_person(conn, SYSTEM, "li", "李四", [("steward", "330802")])
        set_password(conn, SYSTEM, person, PASSWORD)
    return person


def test_another_site_cannot_sign_a_reader_in_under_its_own_account(li: int, site: httpx.Client) -> None:
    form = {"login": "li", "password": PASSWORD}
    refused = site.post("/sign-in", data=form, headers={"Origin": "https://evil.example"})
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
    unnamed = site.post("/sign-in", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert (unnamed.status_code, unnamed.headers["content-type"]) == (403, "application/problem+json")
    own = site.post("/sign-in", data=form, headers={"Origin": str(site.base_url).rstrip("/")})
    assert own.status_code == 303


def test_programs_of_other_sites_may_still_use_the_interfaces(li: int, quzhou: City, site: httpx.Client) -> None:
    elsewhere = {"Origin": "https://app.example"}
    assert site.post("/api/3/action/package_search", json={}, headers=elsewhere).status_code == 200


@pytest.mark.parametrize("public_url", ["https://data.example.cn", ""])
def test_the_session_cookie_keeps_to_https_where_the_city_is_reached_by_it(quzhou: City, li: int, serve, public_url: str) -> None:  # type: ignore[no-untyped-def]
    quzhou.settings = quzhou.settings.model_copy(update={"public_url": public_url})
    headers = {"Host": "data.example.cn"}
    answer = httpx.post(serve(quzhou) + "/sign-in", data={"login": "li", "password": PASSWORD}, headers=headers)
    assert ("secure" in answer.headers["set-cookie"].lower()) is bool(public_url)


def test_a_key_makes_no_keys_and_sets_no_password(li: int, quzhou: City, site: httpx.Client) -> None:
    with quzhou.db.connection() as conn:
        key = make_key(conn, SYSTEM, li, "program")
    asking = {"Authorization": key}
    assert site.post("/me/keys", data={"name": "another"}, headers=asking).status_code == 403
    assert site.post("/me/password", data={"password": "taken-over-1"}, headers=asking).status_code == 403
    with quzhou.db.connection() as conn:
        assert check_password(conn, "li", PASSWORD) == li
        boss = make_key(conn, SYSTEM, add_person(conn, SYSTEM, "boss", "王五", [("admin", "3308")]), "program")
    assert site.post(f"/admin/people/{li}/link", headers={"Authorization": boss}).status_code == 403
    assert site.get("/admin/people", headers={"Authorization": boss}).status_code == 200


def test_one_who_guesses_does_not_shut_the_owner_out(li: int, quzhou: City, make_city, serve) -> None:  # type: ignore[no-untyped-def]
    quzhou.settings = quzhou.settings.model_copy(update={"trust_proxy": True})
    base = serve(quzhou)
    for _ in range(60):
        httpx.post(base + "/sign-in", data={"login": "li", "password": "guess"}, headers={"X-Forwarded-For": "203.0.113.9"})
    own = httpx.post(base + "/sign-in", data={"login": "li", "password": PASSWORD}, headers={"X-Forwarded-For": "192.0.2.1"})
    assert own.status_code == 303


def test_a_login_that_is_not_there_takes_as_much_work_as_a_wrong_password(li: int, quzhou: City) -> None:
    def work(login: str) -> float:
        # Of this process alone, in all its threads: a busy machine does not change it.
        seconds = []
        for _ in range(5):
            began = time.process_time()
            with quzhou.db.connection() as conn:
                assert check_password(conn, login, "wrong") is None
            seconds.append(time.process_time() - began)
        return min(seconds)

    # One more or one less verification would be twice as much, or next to nothing.
    assert 0.65 < work("nobody") / work("li") < 1.5


def test_a_link_made_for_someone_is_in_the_ledger(li: int, quzhou: City) -> None:
    with quzhou.db.connection() as conn:
        make_link(conn, li, SYSTEM)
    integrate(quzhou)
    assert [entry.actor for entry in read_entries(quzhou, kind="people.link")] == ["system"]


@pytest.mark.parametrize(
    "path",
    [
        "/datasets/a%00b",
        "/api/open/a%00b",
        "/api/ledger/99999999999999999999/proof",
        "/ledger?subject=%00",
        "/units/%00",
        "/datasets.csv?tag=%00",
    ],
)
def test_a_value_that_no_table_can_hold_is_a_bad_request(quzhou: City, site: httpx.Client, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code in (400, 404, 422), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_text_that_no_encoding_can_say_is_a_bad_request(li: int, quzhou: City, site: httpx.Client) -> None:
    with quzhou.db.connection() as conn:
        boss = make_key(conn, SYSTEM, add_person(conn, SYSTEM, "boss", "王五", [("admin", "3308")]), "program")
    asking = {"Authorization": boss, "Content-Type": "application/json"}
    for path, body in (("/api/lines", b'{"name": "\\ud800"}'), ("/api/catalog/openlists", b'{"label": "\\ud800"}')):
        answer = site.post(path, content=body, headers=asking)
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_that_does_not_work_is_said_on_a_page_too(quzhou: City, site: httpx.Client) -> None:
    for accept, kind in (("text/html", "text/html; charset=utf-8"), ("*/*", "application/problem+json")):
        answer = site.get("/datasets", headers={"Authorization": "sq_wrong", "Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (401, kind)


def test_the_password_of_a_proxy_is_no_key(quzhou: City, site: httpx.Client) -> None:
    assert site.get("/datasets", headers={"Authorization": "Basic bGk6c2VjcmV0"}).status_code == 200


def test_signing_in_goes_on_to_the_page_one_wanted_and_to_no_other_site(li: int, site: httpx.Client) -> None:
    page = site.get("/workbench?q=a%26b", headers={"Accept": "text/html"})
    assert (page.status_code, "/sign-in?next=/workbench%3Fq%3Da%2526b" in page.text) == (401, True)
    assert 'value="/workbench?q=a%26b"' in site.get("/sign-in?next=/workbench%3Fq%3Da%2526b").text
    for wanted, reached in (
        ("/workbench", "/workbench"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\\\evil", "/"),
    ):
        answer = site.post("/sign-in", data={"login": "li", "password": PASSWORD, "next": wanted})
        assert (answer.status_code, answer.headers["location"]) == (303, reached)


def test_a_household_of_ipv6_is_one_address(li: int, quzhou: City, serve) -> None:  # type: ignore[no-untyped-def]
    quzhou.settings = quzhou.settings.model_copy(update={"trust_proxy": True})
    base = serve(quzhou)
    guess = {"login": "li", "password": "guess"}
    codes = [
        httpx.post(base + "/sign-in", data=guess, headers={"X-Forwarded-For": f"2001:db8:1:2::{number:x}"}).status_code
        for number in range(12)
    ]
    assert codes[-1] == 429
    own = httpx.post(base + "/sign-in", data=guess, headers={"X-Forwarded-For": "2001:db8:1:3::1"})
    assert own.status_code == 403
