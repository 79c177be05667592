"""Two cities: a matter of one is filed in the other, handled where it belongs, and its certificate comes back; nobody else is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from sanqu.affairs.catalogue import catalogue_of
from sanqu.affairs.crossing import certificates_away
from sanqu.affairs.filing import New, amend, file_online
from sanqu.affairs.filings import find_filing
from sanqu.affairs.letters import PLACE, seal, send_letters
from sanqu.affairs.partners import New as NewPartner
from sanqu.affairs.partners import fetch_offers, find_partner, keep_partner, letters_sent, ourselves, switch_partner
from sanqu.affairs.processes import declare_processes
from sanqu.affairs.records import Filing
from sanqu.affairs.saved import saved
from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.work import complete_task, withdraw_case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Refused
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.units import Unit, save_units
from sanqu.sharing.my_data import identify
from tests.affairs.conftest import Hall, picture
from tests.affairs.test_pages import PHONE, UNLABELLED, WIDER
from tests.web.conftest import browser, sign_in

__all__ = ["browser"]

STATEMENT = "x3308-insurance-statement"
ID_NUMBER = "990802199908080019"
FORM = {"applicant_name": "样例甲", "insured_since": "2015-03-01", "paid_months": 120, "reason": "落户"}


@dataclass(frozen=True)
class Pair:
    """Two cities that know each other: one where people file (上饶), one that handles (衢州)."""

    home: City
    there: Hall
    address: str
    applicant: Asker
    admin: Asker

    def file(self, photos: dict[str, bytes] | None = None, **more: str) -> Filing:
        """File the statement of the other city here."""
        new = New({**FORM, **more}, {"id-card": picture()} if photos is None else photos, agreed=True)
        return file_online(self.home, self.applicant, STATEMENT, new).filing

    def here(self, filing: Filing) -> Filing:
        """The filing as its applicant sees it."""
        return find_filing(self.home, self.applicant, filing.number)

    def handled(self, filing: Filing) -> Filing:
        """The filing as the other city has it."""
        return find_filing(self.there.city, self.there.admin, self.here(filing).city_number)

    def post(self) -> None:
        """Both cities send what is due."""
        send_letters(self.home, at=now() + timedelta(hours=1))
        send_letters(self.there.city, at=now() + timedelta(hours=1))


def _pinned(of: City, address: str) -> NewPartner:
    one = ourselves(of)
    return NewPartner(one.code, one.title, address, one.key, one.suite)


@pytest.fixture
def pair(hall: Hall, make_city: Callable[[], City], serve: Callable[[City], str]) -> Pair:
    """The two cities, served, with each other's keys pinned."""
    home = make_city()
    with home.db.connection() as conn:
        save_units(conn, [
            Unit("3611", None, "city", "city", Text(zh="上饶市", en="Shangrao")),
            Unit("3611-zwfw", "3611", "department", "city", Text(zh="上饶市政务服务办", en="Services of Shangrao")),
        ])  # fmt: skip
        keep_fact(conn, "city", {"code": "3611", "title": {"zh": "上饶", "en": "Shangrao"}, "home": [], "boundaries": ""})
        keep_fact(conn, "affairs.window", "3611-zwfw")
        applicant, admin = (
            asker_for(conn, add_person(conn, SYSTEM, login, name, roles))  # type: ignore[arg-type]
            for login, name, roles in (("jia", "样例甲", []), ("root", "管理员", [("admin", "3611")]))
        )
        assert applicant is not None and admin is not None and applicant.user_id is not None
        identify(conn, admin, applicant.user_id, "person", ID_NUMBER)
    declare_processes(home)
    with hall.city.db.connection() as conn:
        conn.execute("TRUNCATE affairs_partner, affairs_taken CASCADE")
    address, there = serve(home), serve(hall.city)
    keep_partner(home, admin, _pinned(hall.city, there))
    keep_partner(hall.city, hall.admin, _pinned(home, address))
    return Pair(home, hall, there, applicant, admin)


def test_a_matter_is_filed_here_handled_there_and_its_certificate_comes_back(pair: Pair) -> None:
    offered = catalogue_of(pair.home).find(STATEMENT)
    assert offered.thing.city == "3308" and offered.matters[0].legal and not offered.datasets
    with pytest.raises(BadInput, match="not consented"):
        file_online(pair.home, pair.applicant, STATEMENT, New(FORM, {"id-card": picture()}))
    filing = pair.file()
    assert filing.state == "submitted" and filing.city == "3308"
    pair.post()
    handled = pair.handled(filing)
    assert (handled.origin, handled.origin_number, handled.subject, handled.form) == ("3611", filing.number, ID_NUMBER, FORM)
    # What was taken is not kept in the outbox, and no letter is told twice.
    assert pair.home.db.one("SELECT letter FROM affairs_letter") == {"letter": None}
    hall = pair.there
    # Nothing that another city says is accepted by rule: the window looks at the photo.
    assert hall.open_tasks(handled) == ["accept"]
    hall.act(hall.officers["zwfw"], handled, "accept", decision="amend", note="身份证看不清")
    pair.post()
    assert (pair.here(filing).state, pair.here(filing).outcome) == ("amending", "身份证看不清")
    amend(pair.home, pair.applicant, pair.here(filing), New({"reason": "贷款"}, {"id-card": picture()}), "重拍了")
    pair.post()
    assert pair.handled(filing).form["reason"] == "贷款" and hall.open_tasks(handled) == ["accept"]
    hall.act(hall.officers["zwfw"], handled, "accept", decision="accept")
    pair.post()
    assert pair.here(filing).state == "handling"
    hall.act(hall.officers["rsj"], handled, "handle-matter", result_matter="done")
    pair.post()
    done = pair.here(filing)
    (one,) = certificates_away(pair.home, [done])
    assert done.state == "done" and one.genuine and one.body["holder"] == "样例甲" and one.body["filing"] == handled.number
    # Its own city says of the same certificate that it is in force.
    answer = httpx.get(f"{pair.address}/api/affairs/certificates/{one.number}", params={"code": one.code}).json()
    assert answer["genuine"] and answer["state"] == "valid" and answer["whole"]
    (rate,) = [task for task in case_tasks(pair.home, SYSTEM, filing.number) if task.state == "ready"]
    complete_task(pair.home, pair.applicant, rate.id, {"rating": "5"})
    assert pair.here(filing).rating == 5
    # What was saved is counted once, where the applicant is.
    assert saved(pair.home)[0].filings == 1 and saved(hall.city)[0].filings == 0
    with pair.home.db.connection() as conn:
        conn.execute("UPDATE affairs_certificate_away SET text = replace(text, '120', '240')")
    assert not certificates_away(pair.home, [done])[0].genuine


def test_a_refusal_there_and_a_withdrawal_here_end_both(pair: Pair) -> None:
    refused, withdrawn = pair.file(), pair.file()
    pair.post()
    pair.there.act(pair.there.officers["zwfw"], pair.handled(refused), "accept", decision="refuse", note="不是参保人")
    withdraw_case(pair.home, pair.applicant, withdrawn.number, "不办了")
    pair.post()
    assert (pair.here(refused).state, pair.here(refused).outcome) == ("refused", "不是参保人")
    assert pair.handled(withdrawn).state == "withdrawn" and pair.here(withdrawn).state == "withdrawn"
    pair.post()
    assert letters_sent(pair.there.city, "waiting")[1] == letters_sent(pair.home, "refused")[1] == 0
    # What is no longer offered there is refused there, and the case that waits says why.
    late = pair.file()
    with pair.there.city.db.connection() as conn:
        conn.execute("UPDATE affairs_entry SET body = body || '{\"cross\": false}' WHERE code = 'insurance-statement'")
    try:
        pair.post()
        assert pair.here(late).state == "refused" and "跨省" in pair.here(late).outcome
        assert fetch_offers(pair.home, "3308").matters == 0 and STATEMENT not in {one.code for one in catalogue_of(pair.home).offered()}
        # Filings of it are still read.
        assert catalogue_of(pair.home).find(late.thing).thing.title.zh == "社保参保证明"
    finally:
        with pair.there.city.db.connection() as conn:
            conn.execute("UPDATE affairs_entry SET body = body || '{\"cross\": true}' WHERE code = 'insurance-statement'")


def test_a_city_that_is_away_gets_the_letter_later_and_once(pair: Pair) -> None:
    with pair.home.db.connection() as conn:
        conn.execute("UPDATE affairs_partner SET address = 'http://127.0.0.1:9'")
    filing = pair.file()
    assert send_letters(pair.home) == 0
    ((letter,), _) = letters_sent(pair.home)
    assert (letter.state, letter.tries) == ("waiting", 1) and letter.cause is not None and letter.next_try > letter.made
    # Not due yet.
    assert send_letters(pair.home) == 0 and letters_sent(pair.home)[0][0].tries == 1
    with pair.home.db.connection() as conn:
        conn.execute("UPDATE affairs_partner SET address = %s", (pair.address,))
        (kept,) = conn.execute("SELECT number, letter FROM affairs_letter").fetchall()
    later = now() + timedelta(minutes=30)
    assert send_letters(pair.home, at=later) == 1 and send_letters(pair.home, at=later) == 0
    assert find_case(pair.home, pair.applicant, filing.number).state == "open"
    # Told again, it is answered the same and done no second time.
    first, second = (httpx.post(pair.address + PLACE, content=kept["letter"].encode()) for _ in range(2))
    assert first.status_code == 200 and first.text == second.text and json.loads(json.loads(first.text)["body"])["filing"] == pair.here(filing).city_number
    assert pair.there.city.db.all("SELECT count(*) AS n FROM affairs_filing") == [{"n": 1}]
    # Another letter under the same number is refused.
    other = seal(pair.home, "3308", "withdrawn", kept["number"], {"filing": filing.number, "note": ""}, now())
    assert httpx.post(pair.address + PLACE, content=other.encode()).status_code == 409
    # So is the same filing under another.
    body = json.loads(json.loads(kept["letter"])["body"])
    again = httpx.post(pair.address + PLACE, content=seal(pair.home, "3308", "filing", "e" * 32, body, now()).encode())
    assert json.loads(json.loads(again.text)["body"])["cause"]["code"] == "affairs.letter-twice"
    assert pair.handled(filing).state == "submitted"


def test_who_is_not_known_and_what_was_changed_is_not_believed(pair: Pair, make_city: Callable[[], City]) -> None:
    body = {"filing": "20261127-000001", "note": "我叫样例甲"}

    def told(letter: str) -> tuple[int, str]:
        answer = httpx.post(pair.address + PLACE, content=letter.encode())
        return answer.status_code, answer.json().get("code", "")

    good = seal(pair.home, "3308", "withdrawn", "a" * 32, body, now())
    changed = json.loads(good) | {"body": json.loads(good)["body"].replace("样例甲", "样例乙")}
    assert told(json.dumps(changed)) == (403, "affairs.letter-body")
    head = json.loads(good)["head"].replace('"withdrawn"', '"granted"')
    assert told(json.dumps(json.loads(good) | {"head": head})) == (403, "affairs.letter-signature")
    assert told(seal(pair.home, "3607", "withdrawn", "b" * 32, body, now())) == (403, "affairs.letter-receiver")
    stranger = make_city()
    with stranger.db.connection() as conn:
        keep_fact(conn, "city", {"code": "3611", "title": "冒名"})
    assert told(seal(stranger, "3308", "withdrawn", "c" * 32, body, now())) == (403, "affairs.letter-signature")
    with stranger.db.connection() as conn:
        keep_fact(conn, "city", {"code": "4403", "title": "外地"})
    assert told(seal(stranger, "3308", "withdrawn", "d" * 32, body, now())) == (403, "affairs.letter-sender")
    assert told("[]") == (400, "affairs.letter")
    # The ledger notes each, and nothing of what they say.
    integrate(pair.there.city)
    noted = [entry for entry in read_entries(pair.there.city, kind="affairs.letter-refused", limit=20) if entry.at > now() - timedelta(minutes=1)]
    assert len(noted) >= 6 and "样例" not in str(noted) and {entry.subject for entry in noted} == {"city:3611", "city:unknown"}
    # A letter that is believed, about a filing that is not there, is refused under seal.
    answer = httpx.post(pair.address + PLACE, content=good.encode())
    assert answer.status_code == 200 and json.loads(json.loads(answer.text)["head"])["kind"] == "refused"
    switch_partner(pair.there.city, pair.there.admin, "3611", False)
    assert told(good) == (403, "affairs.letter-sender")


def test_a_partner_is_kept_with_its_key_and_refused_with_another(pair: Pair, make_city: Callable[[], City]) -> None:
    pinned = _pinned(pair.there.city, pair.address)
    with pytest.raises(Refused):
        keep_partner(pair.home, pair.applicant, pinned)
    wrong = NewPartner("3308", pinned.title, pinned.address, ourselves(make_city_with_code(make_city)).key)
    with pytest.raises(BadInput, match="not by the key"):
        keep_partner(pair.home, pair.admin, wrong)
    assert find_partner(pair.home, "3308").key_text == pinned.key
    for place, given in (
        ("partner-key", NewPartner("3308", pinned.title, pinned.address, "AAAA")), ("partner-address", NewPartner("3308", pinned.title, "file:///etc", pinned.key)),
        ("partner-code", NewPartner("3611", pinned.title, pinned.address, pinned.key)), ("partner-title", NewPartner("3308", Text(), pinned.address, pinned.key)),
    ):  # fmt: skip
        with pytest.raises(BadInput) as fault:
            keep_partner(pair.home, pair.admin, given)
        assert fault.value.code == f"affairs.{place}"
    # Whoever cannot be reached now is kept, with the cause.
    assert keep_partner(pair.home, pair.admin, NewPartner("3607", Text(zh="抚州", en="Fuzhou"), "http://127.0.0.1:9", pinned.key)).cause is not None


def test_an_administrator_pins_a_city_and_somebody_files_on_a_phone(pair: Pair, browser: Browser) -> None:
    home = find_partner(pair.there.city, "3611").address

    def enter(asker: Asker, phone: bool = False) -> Page:
        page = browser.new_context(base_url=home, locale="zh-CN", viewport=PHONE if phone else None).new_page()  # type: ignore[arg-type]
        return sign_in(page, pair.home, asker)

    admin = enter(pair.admin)
    admin.goto("/affairs/partners")
    for label, value in (("城市代码", "3308"), ("中文名", "衢州"), ("地址", pair.address), ("公钥（base64）", ourselves(pair.home).key)):
        admin.get_by_label(label, exact=True).fill(value)
    admin.get_by_role("button", name="核对并登记").click()
    expect(admin.get_by_role("alert")).to_contain_text("签名不是登记的公钥签的")
    admin.get_by_label("公钥（base64）").fill(ourselves(pair.there.city).key)
    admin.get_by_role("button", name="核对并登记").click()
    expect(admin.get_by_role("alert")).to_have_count(0)
    page = enter(pair.applicant, phone=True)
    page.goto("/affairs")
    page.get_by_role("link", name="跨省通办 · 衢州办理").click()
    page.get_by_role("link", name="办理", exact=True).click()
    assert page.evaluate(UNLABELLED) == [] and page.evaluate(WIDER) <= 0
    for label, value in (("申请人姓名", "样例甲"), ("参保时间", "2015-03-01"), ("累计缴费月数", "120"), ("用途说明", "落户")):
        page.get_by_label(label).fill(value)
    page.get_by_label("身份证复印件（照片）").set_input_files({"name": "id.jpg", "mimeType": "image/jpeg", "buffer": picture()})
    page.get_by_role("button", name="提交", exact=True).click()
    expect(page.locator("main .wrong")).to_contain_text("没有同意")
    page.get_by_label("身份证复印件（照片）").set_input_files({"name": "id.jpg", "mimeType": "image/jpeg", "buffer": picture()})
    page.get_by_label("我同意").check()
    page.get_by_role("button", name="提交", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("衢州办理")
    admin.goto("/affairs/partners")
    admin.get_by_role("button", name="立即发送到期的").click()
    expect(admin.get_by_role("cell", name="已送达")).to_be_visible()
    for one in (admin, page):
        one.context.close()


def make_city_with_code(make_city: Callable[[], City]) -> City:
    """A third city, with a key of its own."""
    city = make_city()
    with city.db.connection() as conn:
        keep_fact(conn, "city", {"code": "3607", "title": "第三城"})
    return city
