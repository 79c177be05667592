"""Lines of stewards stay outside of the city's own machines; those an administrator answers for may go in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, ip_address

import httpx
import psutil
import pytest

from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.people.askers import Asker, Role
from sanqu.lines.keeping import approved_by, line_of, save_line
from sanqu.lines.records import Line, Run, RunState
from sanqu.lines.run import run_line
from sanqu.lines.sources.reach import Fence, fence_of, networks
from sanqu.lines.sources.web import FencedTransport

from .conftest import HEAD
from .test_doors import keys as keys

Load = Callable[..., Run]
Keys = dict[str, dict[str, str]]


class Site(BaseHTTPRequestHandler):
    """A file, and a way from here to wherever the path says."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = (HEAD + f"1,{self.headers['Host'].split(':')[0][:20]},,,,\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def inside() -> Iterator[int]:
    """The port of a private service on this machine."""
    server = ThreadingHTTPServer(("0.0.0.0", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def lead(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Let the name `data.example` lead to each of these in turn, and to the last from then on."""
    real, waiting = socket.getaddrinfo, list(answers)

    def found(host: str, port: int, *more: object, **named: object) -> object:
        if host == "data.example":
            host = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return real(host, port, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def line(url: str) -> dict[str, object]:
    return {"name": "shops", "dataset": "shops", "source": {"kind": "url", "url": url}}


def test_a_steward_is_refused_by_address_and_an_administrator_may(
    city: City, load: Load, site: httpx.Client, keys: Keys, inside: int
) -> None:
    load(HEAD)
    url = f"http://127.0.0.1:{inside}/file.csv"
    refused = site.put("/api/lines/shops", json=line(url), headers=keys["mine"])
    assert (refused.status_code, refused.json()["code"]) == (403, "lines.closed-address")
    assert "127.0.0.1" in refused.json()["title"]
    assert site.put("/api/lines/shops", json=line(url), headers=keys["admin"]).json()["approved"] is True
    assert run_line(city, "shops").inserted == 1


@pytest.mark.parametrize("answers", [("127.0.0.1",), ("192.0.2.7", "127.0.0.1"), ("192.0.2.7", "::ffff:127.0.0.1")])
def test_a_name_that_comes_to_lead_inside_is_refused_when_the_line_runs(
    city: City, load: Load, site: httpx.Client, keys: Keys, inside: int, monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...]
) -> None:
    load(HEAD)
    lead(monkeypatch, "192.0.2.7")
    url = f"http://data.example:{inside}/file.csv"
    assert site.put("/api/lines/shops", json=line(url), headers=keys["mine"]).json()["approved"] is False
    lead(monkeypatch, *answers[-1:])
    run = run_line(city, "shops")
    assert (run.state, run.inserted) == (RunState.FAILED, 0)
    assert run.cause is not None
    assert run.cause["code"] == "lines.closed-address"
    assert f"data.example → {answers[-1]}" in run.cause["what"]["en"]


def test_an_approval_holds_until_the_source_is_changed(city: City, load: Load, site: httpx.Client, keys: Keys, inside: int) -> None:
    load(HEAD)
    there = line(f"http://localhost:{inside}/file.csv")
    save_line(city, Line.from_descriptor(line("http://192.0.2.7/file.csv")), _steward(city))
    assert site.post("/api/lines/shops/approve", headers=keys["mine"]).status_code == 403
    assert site.post("/api/lines/shops/approve", headers=keys["admin"]).json()["approved"] is True
    kept = {**line("http://192.0.2.7/file.csv"), "schedule": "0 1 * * *"}
    assert site.put("/api/lines/shops", json=kept, headers=keys["mine"]).json()["approved"] is True
    assert site.put("/api/lines/shops", json=there, headers=keys["mine"]).status_code == 403
    assert site.put("/api/lines/shops", json=line("http://192.0.2.8/"), headers=keys["mine"]).json()["approved"] is False
    assert approved_by(city, "shops") == ""
    assert line_of(city, "shops").source.url == "http://192.0.2.8/"


def _steward(city: City) -> Asker:
    path = city.db.one("SELECT path FROM org_unit WHERE code = '330800'")
    assert path is not None
    return Asker(name="mine", user_id=99, held=(Role("steward", "330800", str(path["path"])),))


def _elsewhere() -> str:
    """An address of this machine that a fence without `own` takes for one elsewhere."""
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family == socket.AF_INET and not ip_address(entry.address).is_loopback:
                return entry.address
    pytest.skip("this machine has no address beside its loopback")


def test_a_redirect_is_judged_like_the_first_request(inside: int) -> None:
    start = f"http://{_elsewhere()}:{inside}"
    with httpx.Client(transport=FencedTransport(Fence()), follow_redirects=True, trust_env=False) as client:
        assert client.get(f"{start}/file.csv").text.startswith(HEAD)
        assert client.get(f"{start}/to/{start}/file.csv").status_code == 200
        for shut in ("127.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]", "0.0.0.0", "2130706433", "169.254.169.254"):
            with pytest.raises(Refused, match="may not reach"):
                client.get(f"{start}/to/http://{shut}:{inside}/file.csv")


def test_the_connection_goes_to_the_address_that_was_judged(inside: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lead(monkeypatch, _elsewhere(), "127.0.0.1")
    with httpx.Client(transport=FencedTransport(Fence()), trust_env=False) as client:
        assert ",data.example," in client.get(f"http://data.example:{inside}/file.csv").text
        with pytest.raises(Refused, match=r"data\.example → 127\.0\.0\.1"):
            client.get(f"http://data.example:{inside}/file.csv")


def test_what_the_city_closes_is_shut_and_what_departments_have_is_open(city: City) -> None:
    fence = Fence(closed=networks("10.1.0.0/24, 192.168.7.9"))
    assert {a: fence.why_shut(ip_address(a)) is None for a in ("10.1.0.9", "10.1.1.9", "192.168.7.9", "192.168.7.8", "59.202.1.1")} == {
        "10.1.0.9": False, "10.1.1.9": True, "192.168.7.9": False, "192.168.7.8": True, "59.202.1.1": True,
    }  # fmt: skip
    assert all(fence_of(city).why_shut(ip_address(own)) for own in (_elsewhere(), "127.8.8.8", "100.100.100.200", "fe80::1", "::"))


@pytest.mark.parametrize("shut", ["127.0.0.1", "169.254.169.254", "10.1.0.9", "0.1.2.3", "224.0.0.1"])
def test_an_address_that_is_shut_is_shut_in_all_its_spellings(shut: str) -> None:
    fence, number = Fence(closed=networks("10.1.0.0/24")), int(IPv4Address(shut))
    spelled = [f"::ffff:{shut}", f"64:ff9b::{shut}", f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1", f"::{shut}"]
    assert all(fence.why_shut(ip_address(one)) for one in (shut, *spelled))
