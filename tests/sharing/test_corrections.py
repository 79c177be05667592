"""A wrong value is reported by who may read it, verified by the steward, corrected in the dataset, and the readers hear of it."""

from __future__ import annotations

from typing import Any

import pytest

from sanqu.cases.history import find_case
from sanqu.cases.notices import notices_of
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.lake import Commit, lake_of
from sanqu.sharing.corrections import Objection, object_to
from sanqu.sharing.door import Question, ask
from sanqu.sharing.my_data import identify

from .conftest import Granting
from .staff import Staff, do, settle, waiting


@pytest.fixture
def staff(county: City) -> Staff:
    return settle(county)


def objected(city: City, asker: Asker, **more: Any) -> Any:
    said = {"dataset": "roads", "key": ["6"], "item": "metres", "proposed": "650", "evidence": "实地测量"} | more
    return object_to(city, asker, Objection.model_validate(said))


def metres(city: City, no: int) -> Any:
    with lake_of(city).engine() as duck:
        row = duck.execute("SELECT metres, plan FROM lake.main.roads WHERE no = ?", [no]).fetchone()
        assert duck.execute("SELECT count(*) FROM lake.main.roads").fetchone() == (30,)
    return row


def test_an_accepted_correction_is_in_the_dataset_under_the_stewards_name(county: City, staff: Staff) -> None:
    case = objected(county, staff.wang)
    assert waiting(county, staff.li).name == "verify"
    ended = do(county, staff.li, decision="accept")
    assert (ended.outcome, metres(county, 6)) == ("corrected", (650.0, "plan 6"))
    with lake_of(county).engine() as duck:
        said = duck.execute("SELECT author, commit_message FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1").fetchone()
    assert said == (staff.li.label, f"correction, case {case.number}")
    integrate(county)
    (entry,) = read_entries(county, kind="sharing.correction")
    assert (entry.actor, entry.facts["item"], "650" in entry.body) == (staff.li.label, "metres", False)
    (told, *_), _ = notices_of(county, staff.wang)
    assert told.text.zh.startswith("已办结（已更正）")


def test_the_steward_may_correct_it_to_something_else(county: City, staff: Staff) -> None:
    objected(county, staff.wang)
    with pytest.raises(BadInput):
        do(county, staff.li, decision="accept", value="about seven hundred")
    assert metres(county, 6) == (600.0, "plan 6")
    do(county, staff.li, decision="accept", value="655.5")
    assert metres(county, 6) == (655.5, "plan 6")


def test_what_is_not_corrected_is_refused_with_a_reason(county: City, staff: Staff) -> None:
    case = objected(county, staff.wang)
    with pytest.raises(BadInput):
        do(county, staff.li, decision="refuse")
    do(county, staff.li, decision="ask", note="附测量记录")
    do(county, staff.wang, more_evidence="记录 12 号")
    assert do(county, staff.li, decision="refuse", note="以竣工图为准").outcome == "refused"
    assert metres(county, 6) == (600.0, "plan 6")
    assert find_case(county, staff.wang, case.number).data["note"] == "以竣工图为准"


def test_those_who_read_the_item_under_a_grant_hear_of_the_correction(county: City, staff: Staff, grant: Granting) -> None:
    grant("residents", f"user:{staff.wang.user_id}", name="plain", age="plain")
    grant("residents", f"user:{staff.town.user_id}", age="plain")
    ask(county, staff.wang, Question("SELECT name FROM residents", "relief"))
    ask(county, staff.town, Question("SELECT age FROM residents", "relief"))
    with county.db.connection() as conn:
        identify(conn, SYSTEM, staff.chen.user_id or 0, "person", "ID0007")
    objected(county, staff.chen, dataset="residents", key=["ID0007"], item="name", proposed="陈")
    do(county, staff.li, decision="accept")
    assert [one.link for one in notices_of(county, staff.wang)[0]] == ["/datasets/residents"]
    assert notices_of(county, staff.town)[0] == []
    assert "陈" in ask(county, staff.wang, Question("SELECT name FROM residents", "relief")).table.column(0).to_pylist()


def test_only_who_may_read_the_value_may_object_and_only_to_what_can_be_corrected(county: City, staff: Staff) -> None:
    for asker, more, fault in (
        (staff.chen, {}, NotFound),
        (staff.wang, {"item": "plan"}, Refused),
        # A road of another county.
        (staff.wang, {"key": ["2"]}, NotFound),
        (staff.wang, {"key": ["999"]}, NotFound),
        (staff.wang, {"key": ["six"]}, BadInput),
        (staff.wang, {"key": ["6", "7"]}, BadInput),
        (staff.wang, {"item": "no", "proposed": "7"}, BadInput),
        (staff.wang, {"item": "width"}, BadInput),
        (staff.wang, {"proposed": "long"}, BadInput),
    ):
        with pytest.raises(fault):
            objected(county, asker, **more)


def test_a_resident_objects_to_ones_own_row_and_to_nobody_elses(county: City, staff: Staff) -> None:
    with county.db.connection() as conn:
        identify(conn, SYSTEM, staff.chen.user_id or 0, "person", "ID0007")
    mine = {"dataset": "residents", "key": ["ID0007"], "item": "income", "proposed": "1"}
    case = objected(county, staff.chen, **mine)
    assert case.data["shown"] == "1007.0"
    with pytest.raises((NotFound, Refused)):
        objected(county, staff.chen, **mine | {"key": ["ID0008"]})
    # What a case says of a person is for those who decide on it.
    with pytest.raises(NotFound):
        find_case(county, staff.clerk, case.number)


def test_a_row_that_is_gone_is_not_written_again(county: City, staff: Staff) -> None:
    objected(county, staff.wang)
    with lake_of(county).engine() as duck:
        lake_of(county).delete("roads", "SELECT 6 AS no", Commit("test"), duck=duck)
    with pytest.raises(Conflict, match="not in the dataset"):
        do(county, staff.li, decision="accept")
    do(county, staff.li, decision="refuse", note="这条路已拆")
