"""Photos, signatures, and the file of record of a case."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable
from datetime import datetime

import httpx
import pytest
from PIL import Image, ImageDraw

from sanqu.cases.exporting import names_in, pdf_of, record_of
from sanqu.cases.files import LARGEST, add_file, content_of, files_in, read_photo
from sanqu.cases.history import case_history
from sanqu.cases.processes import declare_process
from sanqu.cases.records import Case
from sanqu.cases.start import start_case
from sanqu.cases.work import comment_on, withdraw_case
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import BadInput, Conflict, NotFound
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from tests.cases.conftest import People
from tests.cases.drawing import flows, process, user


def photo(kind: str = "JPEG", *, placed: bool = True, size: tuple[int, int] = (800, 600)) -> bytes:
    """A made-up photo with what a phone writes into it."""
    image = Image.new("RGB", size, (90, 140, 60))
    exif = image.getexif()
    exif[0x010F] = "Made-up phone of somebody"
    exif[0x0112] = 6
    if placed:
        exif.get_ifd(0x8769)[0x9003] = "2026:10:01 10:20:30"
        place = exif.get_ifd(0x8825)
        place[1], place[2], place[3], place[4] = "N", (28.0, 58.0, 12.0), "E", (118.0, 52.0, 30.0)
    made = io.BytesIO()
    image.save(made, kind, exif=exif)
    return made.getvalue()


def signature(*, drawn: bool = True) -> bytes:
    image = Image.new("RGBA", (480, 160), (0, 0, 0, 0))
    if drawn:
        ImageDraw.Draw(image).line([(20, 100), (200, 40), (400, 120)], fill=(20, 30, 40, 255), width=3)
    made = io.BytesIO()
    image.save(made, "PNG")
    return made.getvalue()


@pytest.fixture
def case(city: City, people: People) -> Case:
    declare_process(city, "tried", process(user("look", unit="case_unit"), flows("s>look", "look>e")), SYSTEM)
    return start_case(city, people.applicant, "tried", "积水，道口", unit="330802")


def test_of_a_photo_time_and_place_are_kept_and_the_rest_of_what_it_says_is_not(city: City, people: People, case: Case) -> None:
    kept = add_file(city, people.officer, case.number, "photo", photo(), name="现场.jpg")
    assert kept.taken == datetime(2026, 10, 1, 10, 20, 30, tzinfo=CITY_ZONE)
    assert (kept.lon, kept.lat) == (118.875, 28.97)
    media_type, content = content_of(city, case, kept.id)
    assert media_type == "image/jpeg"
    assert hashlib.sha256(content).hexdigest() == kept.digest
    # Upright, and nothing of the phone in it.
    shown = Image.open(io.BytesIO(content))
    assert shown.size == (600, 800)
    assert dict(shown.getexif()) == {}
    assert b"somebody" not in content
    assert files_in(city, case) == [kept]
    filed = next(step for step in case_history(city, people.officer, case.number) if step.what == "filed")
    assert filed.facts["sha256"] == kept.digest


def test_what_is_no_picture_is_refused_whatever_it_calls_itself(city: City, people: People, case: Case) -> None:
    bomb = photo("PNG", placed=False).replace((800).to_bytes(4, "big") + (600).to_bytes(4, "big"), (60000).to_bytes(4, "big") * 2)
    for said in (b"", b"GIF89a" + b"0" * 50, b"\xff\xd8\xff" + b"0" * 500, photo()[:400], b"<svg/>", bomb, b"x" * (LARGEST + 1)):
        with pytest.raises(BadInput):
            add_file(city, people.officer, case.number, "photo", said)
    for said in (photo(), signature(drawn=False), b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(BadInput):
            add_file(city, people.officer, case.number, "signature", said)
    assert files_in(city, case) == []
    with pytest.raises(NotFound):
        add_file(city, people.stranger, case.number, "photo", photo())


def test_a_photo_that_says_nonsense_of_itself_is_kept_without_it() -> None:
    draw = random.Random(7)
    whole = photo()
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(6):
            broken[draw.randrange(2, 300)] = draw.randrange(256)
        try:
            kept = read_photo(bytes(broken))
        except BadInput:
            continue
        assert kept.lat is None or -90 <= kept.lat <= 90


def test_an_ended_case_takes_nothing_more(city: City, people: People, case: Case) -> None:
    withdraw_case(city, people.applicant, case.number)
    with pytest.raises(Conflict):
        add_file(city, people.officer, case.number, "photo", photo())


def test_the_file_of_record_holds_everything(city: City, people: People, case: Case, serve: Callable[[City], str]) -> None:
    add_file(city, people.officer, case.number, "photo", photo(), name="现场.jpg")
    add_file(city, people.officer, case.number, "signature", signature())
    comment_on(city, people.officer, case.number, "已到现场 <b>𠮷")
    record = record_of(city, people.officer, case.number)
    assert [one["kind"] for one in record["files"]] == ["photo", "signature"]
    assert record["comments"][0]["text"] == "已到现场 <b>𠮷"
    made = pdf_of(city, people.officer, case.number, names_in(city, people.officer, case.number))
    assert made.startswith(b"%PDF-")
    assert b"STSong-Light" in made
    assert made.count(b"/Subtype /Image") >= 2
    with pytest.raises(NotFound):
        record_of(city, people.stranger, case.number)
    with city.db.connection() as conn:
        officer, other = ({"Authorization": make_key(conn, SYSTEM, who.user_id or 0, "k")} for who in (people.officer, people.stranger))
    with httpx.Client(base_url=serve(city), timeout=30) as site:
        sent = site.post(f"/api/cases/{case.number}/files", params={"name": "二.jpg"}, content=photo(), headers=officer)
        assert sent.status_code == 201, sent.text
        file = f"/api/cases/{case.number}/files/{sent.json()['id']}"
        assert site.get(file, headers=officer).headers["content-type"] == "image/jpeg"
        assert site.get(file, headers=other).status_code == 404
        assert site.post(f"/api/cases/{case.number}/files", content=b"x" * (LARGEST + 9), headers=officer).status_code == 400
        assert site.get(f"/api/cases/{case.number}/record.pdf", headers=officer).content.startswith(b"%PDF-")
        assert site.get(f"/api/cases/{case.number}/record", headers=officer).json()["case"]["number"] == case.number
        page = site.get(f"/cases/{case.number}", headers=officer).text
        assert "118.87500, 28.97000" in page
