"""Things run whole: consent, a form filled from data held, departments side by side, certificates, ratings, what was saved."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sanqu.affairs.catalogue import catalogue_of
from sanqu.affairs.certificates import certificates_of, revoke, verify
from sanqu.affairs.filing import New, amend, amender, file_at_window, file_online, held_for
from sanqu.affairs.filings import find_filing, items_for
from sanqu.affairs.materials import values_held
from sanqu.affairs.saved import ratings, saved
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM
from sanqu.samples import generate
from sanqu.sharing.my_data import Identity, consent_to, withdraw_consent
from tests.affairs.conftest import DIVISIONS, SHOP, Hall, picture

MORNING = datetime(2026, 11, 27, 9, 0, tzinfo=CITY_ZONE)


def test_without_consent_nothing_is_read_and_with_it_only_the_rest_is_typed(hall: Hall) -> None:
    offered, subject = catalogue_of(hall.city).find("open-shop"), hall.subject(hall.founder)
    assert values_held(offered, held_for(hall.city, offered, subject)) == {}
    hall.agree(hall.founder, "open-shop")
    there = values_held(offered, held_for(hall.city, offered, subject))
    assert {"applicant_name", "applicant_address", "applicant_phone", "premises"} <= there.keys()
    assert set(SHOP) | set(there) | {"lease_until"} == {item.name for item in offered.items}
    # Each read is in the ledger, with its purpose and without the ID number.
    integrate(hall.city)
    (entry,) = read_entries(hall.city, kind="sharing.read", subject="dataset:residents", limit=1)
    assert entry.facts["purpose"] == "open-shop" and subject.value not in str(entry.facts)
    withdraw_consent(hall.city, hall.founder, "residents", "open-shop")
    assert "applicant_name" not in values_held(offered, held_for(hall.city, offered, subject))
    # Consent to one thing is none to another.
    assert values_held(catalogue_of(hall.city).find("property"), held_for(hall.city, catalogue_of(hall.city).find("property"), subject)) == {}


def test_a_shop_is_opened_by_six_departments_side_by_side_within_half_a_day(hall: Hall) -> None:
    hall.agree(hall.founder, "open-shop")
    filed = hall.file(hall.founder, "open-shop", MORNING, **SHOP).filing
    # All was held or fits by rule: nobody had to look at it first.
    assert filed.by_rule and filed.state == "handling" and filed.papers_asked == filed.papers_held > 0
    assert len(hall.open_tasks(filed)) == 6
    # Each department sees the fields of its own matters.
    seen = {item.name for item in items_for(hall.city, hall.officers["yqck"], filed, catalogue_of(hall.city).find("open-shop"))}
    assert seen == {"company_name", "bank", "applicant_phone"}
    with pytest.raises(NotFound):
        find_filing(hall.city, hall.owner, filed.number)
    hall.grant_all(filed)
    done = find_filing(hall.city, hall.founder, filed.number)
    assert done.state == "done"
    # The consent has served, and ends.
    assert values_held(catalogue_of(hall.city).find("open-shop"), held_for(hall.city, catalogue_of(hall.city).find("open-shop"), hall.subject(hall.founder))) == {}
    (licence,) = certificates_of(hall.city, done)
    checked = verify(hall.city, licence.number)
    assert checked.genuine and checked.state == "valid" and "*" in str(checked.shown["holder"])
    assert verify(hall.city, licence.number, licence.code).shown["facts"][0]["value"] == SHOP["company_name"]
    with pytest.raises(Refused):
        revoke(hall.city, hall.officers["gaj"], licence.number, "错发")
    revoke(hall.city, hall.officers["sjj"], licence.number, "虚假材料")
    assert verify(hall.city, licence.number).state == "revoked"
    with pytest.raises(Conflict):
        revoke(hall.city, hall.officers["sjj"], licence.number, "再撤")


def test_a_certificate_that_was_changed_is_not_genuine(hall: Hall) -> None:
    hall.agree(hall.founder, "insurance-statement")
    filed = hall.file(hall.founder, "insurance-statement", reason="贷款").filing
    hall.act(hall.officers["rsj"], filed, "handle-matter", result_matter="done")
    (one,) = certificates_of(hall.city, filed)
    with hall.city.db.connection() as conn:
        conn.execute("UPDATE affairs_certificate SET text = replace(text, 'IS', 'XX') WHERE number = %s", (one.number,))
    assert not verify(hall.city, one.number).genuine


def test_what_does_not_fit_is_named_before_anything_starts(hall: Hall) -> None:
    with pytest.raises(Refused, match="Nobody has checked"):
        hall.file(hall.nobody, "open-shop", **SHOP)
    hall.agree(hall.founder, "open-shop")
    with pytest.raises(BadInput) as fault:
        hall.file(hall.founder, "open-shop", MORNING, **{**SHOP, "company_kind": "国企", "staff": "很多"})
    assert set(fault.value.facts["fields"]) == {"company_kind", "staff"}  # type: ignore[call-overload]
    leased = {**SHOP, "premises_owned": "租用", "lease_until": "2026-01-01"}
    with pytest.raises(BadInput) as missing:
        hall.file(hall.founder, "open-shop", MORNING, **leased)
    assert missing.value.facts["fields"] == {"lease": {"zh": "还没有提供", "en": "has not been given"}}
    with pytest.raises(BadInput, match="lease has run out"):
        hall.file(hall.founder, "open-shop", MORNING, {"lease": picture()}, **leased)
    with pytest.raises(BadInput):
        hall.file(hall.founder, "open-shop", MORNING, {"lease": b"no picture"}, **{**leased, "lease_until": "2028-01-01"})
    assert hall.city.db.all("SELECT 1 FROM case_case") == []


def test_the_window_looks_at_what_differs_and_at_photos_and_may_ask_for_more(hall: Hall) -> None:
    hall.agree(hall.founder, "open-shop")
    said = {**SHOP, "applicant_address": "搬到别处了", "premises_owned": "租用", "lease_until": "2028-01-01"}
    filed = hall.file(hall.founder, "open-shop", None, {"lease": picture()}, **said).filing
    assert filed.origins["applicant_address"] == "differs" and filed.materials["lease"]["how"] == "given" and not filed.by_rule
    assert hall.open_tasks(filed) == ["accept"]
    hall.act(hall.officers["zwfw"], filed, "accept", decision="amend", note="地址与户籍不符")
    assert find_filing(hall.city, hall.founder, filed.number).state == "amending"
    offered = catalogue_of(hall.city).find("open-shop")
    address = values_held(offered, held_for(hall.city, offered, hall.subject(hall.founder)))["applicant_address"]
    amend(hall.city, hall.founder, find_filing(hall.city, hall.founder, filed.number), New({"applicant_address": address}, {}), "已改")
    again = find_filing(hall.city, hall.founder, filed.number)
    assert again.state == "submitted" and again.origins["applicant_address"] == "held" and hall.open_tasks(filed) == ["accept"]
    with pytest.raises(Conflict):
        amend(hall.city, hall.founder, again, New({}, {}), "再改")
    # A department may look at its fields, and not into the form that is amended.
    with pytest.raises(NotFound):
        amend(hall.city, hall.officers["sjj"], again, New({}, {}), "代改")
    hall.act(hall.officers["zwfw"], filed, "accept", decision="accept")
    assert len(hall.open_tasks(filed)) == 6


def test_one_department_that_refuses_says_why_and_nothing_is_issued(hall: Hall) -> None:
    hall.agree(hall.founder, "open-shop")
    filed = hall.file(hall.founder, "open-shop", **SHOP).filing
    with pytest.raises(BadInput):
        hall.act(hall.officers["sjj"], filed, "handle-business-licence", result_business_licence="refused")
    hall.act(hall.officers["sjj"], filed, "handle-business-licence", result_business_licence="refused", note_business_licence="名称已被登记")
    hall.grant_all(filed)
    ended = find_filing(hall.city, hall.founder, filed.number)
    assert ended.state == "refused" and "名称已被登记" in ended.outcome and certificates_of(hall.city, ended) == []


def test_a_newborn_needs_five_fields_and_no_paper(hall: Hall) -> None:
    hall.agree(hall.mother, "newborn")
    said = {"child_name": "小样", "settle_with": "随母亲", "allowance_account": "1234", "card_by": "只要电子卡"}
    filed = hall.file(hall.mother, "newborn", **said).filing
    assert filed.by_rule and filed.papers_held == filed.papers_asked >= 5 and len(filed.form) - filed.fields_held == 4
    hall.grant_all(filed)
    assert {one.number[:2] for one in certificates_of(hall.city, filed)} == {"BC", "HK", "SC"}


def test_a_home_changes_hands_within_sixty_minutes_and_not_under_seizure(hall: Hall) -> None:
    hall.agree(hall.owner, "property")
    said = {"buyer_name": "李四", "buyer_id": "990802199001010014", "price_10k": 98.5, "contract_no": "WQ-1"}
    filed = hall.file(hall.owner, "property", MORNING, {"sale-contract": picture()}, **said).filing
    assert filed.due - filed.submitted == timedelta(minutes=60)
    hall.act(hall.officers["zwfw"], filed, "accept", MORNING + timedelta(minutes=8), decision="accept")
    hall.grant_all(filed, MORNING + timedelta(minutes=50))
    assert {one.number[:2] for one in certificates_of(hall.city, filed)} == {"RE", "TX"}
    sealed = next(row for row in _rows(hall, "properties") if row["sealed"])
    with pytest.raises(BadInput, match="seizure"):
        _at_window(hall, str(sealed["owner_id"]), "property", said)


def _rows(hall: Hall, dataset: str) -> list[dict]:
    return generate(dataset, DIVISIONS).to_pylist()


def _at_window(hall: Hall, id_number: str, thing: str, said: dict):
    offered, subject = catalogue_of(hall.city).find(thing), Identity("person", id_number)
    consent_to(hall.city, hall.officers["zwfw"], offered.datasets, thing, subject)
    seen = frozenset(one.code for one in offered.materials)
    return file_at_window(hall.city, hall.officers["zwfw"], thing, subject, New(said, {}, seen))


def test_who_retires_is_told_when_and_cannot_go_too_early(hall: Hall) -> None:
    hall.agree(hall.retiree, "retirement")
    said = {"retire_on": "2026-12-15", "pension_bank": "样例农商银行", "withdraw_fund": True}
    with pytest.raises(BadInput, match="may be chosen"):
        hall.file(hall.retiree, "retirement", MORNING, **{**said, "retire_on": "2020-01-01"})
    filed = hall.file(hall.retiree, "retirement", MORNING, **said).filing
    hall.grant_all(filed)
    (card,) = certificates_of(hall.city, filed)
    assert card.body["title"]["zh"] == "退休证"


def test_at_the_window_a_person_without_account_follows_by_code(hall: Hall) -> None:
    stranger = next(row for row in _rows(hall, "social-insurance") if row["id_number"] not in {hall.subject(one).value for one in (hall.founder, hall.mother)})
    with pytest.raises(Refused):
        file_at_window(hall.city, hall.founder, "insurance-statement", hall.subject(hall.founder), New({}, {}))
    filed = _at_window(hall, stranger["id_number"], "insurance-statement", {"reason": "入学"})
    assert filed.code and filed.filing.channel == "window" and filed.filing.holder == stranger["name"]
    # What is to be mended for them the window mends.
    assert amender(hall.city, hall.officers["zwfw"], filed.filing) is SYSTEM
    known = _at_window(hall, hall.subject(hall.founder).value, "insurance-statement", {"reason": "入学"})
    assert known.code is None and find_filing(hall.city, hall.founder, known.filing.number).number == known.filing.number


def test_the_same_filing_sent_twice_is_one(hall: Hall) -> None:
    hall.agree(hall.founder, "open-shop")
    new = New(SHOP, {}, client_id="tap")
    assert file_online(hall.city, hall.founder, "open-shop", new).filing.number == file_online(hall.city, hall.founder, "open-shop", new).filing.number


def test_a_bad_rating_is_mended_by_the_steward_and_rated_again(hall: Hall) -> None:
    hall.agree(hall.founder, "open-shop")
    filed = hall.file(hall.founder, "open-shop", MORNING, **SHOP).filing
    hall.grant_all(filed)
    hall.act(hall.founder, filed, "rate", rating="1", about_unit="3308-gaj", rating_note="章刻错了")
    assert hall.open_tasks(filed) == ["follow-up"]
    with pytest.raises((Refused, NotFound)):
        hall.act(hall.mother, filed, "follow-up", reply="不")
    hall.act(hall.officers["gaj"], filed, "follow-up", reply="已重刻并道歉")
    hall.act(hall.founder, filed, "rerate", rerating="4")
    ended = find_filing(hall.city, hall.founder, filed.number)
    assert (ended.rating, ended.rerating, ended.reply) == (1, 4, "已重刻并道歉")
    (unit,) = ratings(hall.city, "unit")
    assert (unit.key, unit.bad, unit.followed, unit.content) == ("3308-gaj", 1, 1, 1)
    whole, (shop,) = saved(hall.city)
    assert shop.thing == "open-shop" and whole.papers_held == filed.papers_held and whole.visits_saved == 7
    assert whole.days_saved == pytest.approx(11 - whole.taken_days)
