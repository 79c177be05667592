"""Objections to wrong data (校核): who may read a value may say that it is wrong; the steward corrects it or says why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.cases.history import done_by
from sanqu.cases.hooks import Shown, on_service, on_show
from sanqu.cases.notices import tell
from sanqu.cases.records import Case
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, NotFound
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import Commit, Contract, lake_of, quote_ident
from sanqu.lake.tables import table_of
from sanqu.lines.checks import compile_checks
from sanqu.sharing.applications import law_over
from sanqu.sharing.door import Question, ask
from sanqu.sharing.interfaces import parse_key
from sanqu.sharing.law import DatasetLaw, law_book
from sanqu.sharing.my_data import holdings_of, identities_of, own_rows

PROCESS = "data-correction"

# Who was given values of an item by a grant; the ledger says so of every read.
READERS = """
SELECT DISTINCT split_part(actor, '/', 1) AS person FROM (
    SELECT actor, body::jsonb -> 'facts' AS facts FROM ledger_entry WHERE subject = %(subject)s AND kind = 'sharing.read'
    UNION ALL
    SELECT body::jsonb ->> 'actor', body::jsonb -> 'facts' FROM ledger_pending
    WHERE body::jsonb ->> 'subject' = %(subject)s AND body::jsonb ->> 'kind' = 'sharing.read'
) r WHERE jsonb_typeof(facts -> 'grant') = 'number' AND facts -> 'items' ? %(item)s
"""


class Objection(BaseModel):
    """A value that is said to be wrong: which row, which item, what it should be (None: nothing), and what shows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Given(max_length=200)
    key: tuple[str, ...] = Given(min_length=1, max_length=20)
    item: str = Given(min_length=1, max_length=200)
    proposed: str | None = Given(default=None, max_length=2000)
    evidence: str = Given(min_length=1, max_length=2000)
    purpose: str = Given(default="", max_length=200)


def object_to(city: City, asker: Asker, said: Objection) -> Case:
    """Object to a value that the asker may read, or that is about the asker; it becomes a task of the steward's unit.

    Raises `NotFound` for a dataset or row that is not there for the asker, `Refused` as the door does, `BadInput` for an
    item that cannot be corrected so or a value that the contract does not allow.
    """
    law, shown = _read_by(city, asker, said)
    _check_item(law.contract, said.item)
    typed_value(city, law.contract, said.item, said.proposed)
    data = said.model_dump(mode="json") | {
        "shown": None if shown is None else str(shown), "steward": law.dataset.unit,
        "answer_within": f"{city.settings.apply_answer_days}wd", "amend_within": f"{city.settings.apply_amend_days}wd",
    }  # fmt: skip
    title = f"{law.dataset.title.zh or said.dataset} · {said.item}"[:200]
    return start_case(city, asker, PROCESS, title, f"dataset:{said.dataset}", None, data)


def _read_by(city: City, asker: Asker, said: Objection) -> tuple[DatasetLaw, Any]:
    """The law and the value as the asker sees it: their own row, else through the door."""
    if any(one.dataset == said.dataset for one in holdings_of(city, identities_of(city, asker))):
        law = law_book(city).law(law_book(city).current([])[0], said.dataset)
        if law is not None:
            for row in own_rows(city, asker, said.dataset):
                if tuple(str(row[name]) for name in law.contract.primaryKey) == said.key:
                    return law, row.get(said.item)
    law = law_over(city, asker, said.dataset)
    _check_item(law.contract, said.item)
    names = law.contract.primaryKey
    where = " AND ".join(f"{quote_ident(name)} = $key{index}" for index, name in enumerate(names))
    sql = f"SELECT {quote_ident(said.item)} FROM {quote_ident(said.dataset)} WHERE {where}"
    params = {f"key{index}": value for index, value in enumerate(parse_key(law.contract, said.key))}
    found = ask(city, asker, Question(sql, said.purpose.strip(), params, rows=1, via="objection")).table
    if found.num_rows == 0:
        raise NotFound(
            "sharing.no-row",
            Text(zh="没有这个键的行，或它不在您能读的范围里", en="There is no row of this key among those you may read"),
            Text(zh="核对主键", en="Check the key"),
            said.dataset,
        )
    return law, found.column(0)[0].as_py()


def _check_item(contract: Contract, item: str) -> None:
    if not contract.primaryKey or item in contract.primaryKey or item not in contract.names:
        raise BadInput(
            "sharing.objection",
            Text(zh="这个数据项不能这样更正：数据集要有主键，主键本身不改",
                 en="This item cannot be corrected so: the dataset needs a key, and the key itself stays"),
            Text(zh="直接告诉责任单位", en="Tell the steward's unit"),
            item,
        )  # fmt: skip


def typed_value(city: City, contract: Contract, item: str, text: str | None) -> Any:
    """What a text means as a value of `item`; raises `BadInput` naming the rule of the contract that it breaks."""
    field = contract.field(item)
    alone = contract.model_copy(update={"fields": (field,), "primaryKey": (), "foreignKeys": ()})
    checks = compile_checks(alone, {item: "c0"})
    with lake_of(city).engine() as duck:
        row = duck.execute(checks.staged("SELECT CAST(? AS VARCHAR) AS c0", 1), [text]).fetchone()
    assert row is not None
    faults: Sequence[dict[str, Any]] = row[1] or ()
    if faults:
        raise BadInput(
            "sharing.objection-value",
            Text(zh=f"{item} 不能是这个值：{faults[0]['rule']} {faults[0]['want']}", en=f"{item} cannot be this: {faults[0]['rule']} {faults[0]['want']}"),
            Text(zh="照契约填写", en="Write it as the contract says"),
            item,
            facts={"rule": faults[0]["rule"]},
        )  # fmt: skip
    return row[0]


def _correct(city: City, conn: Connection, case: Case) -> dict[str, Any]:
    """Carry the correction into the dataset, under the name of the steward who decided; tell those who read the wrong value."""
    said = Objection.model_validate({name: case.data.get(name) for name in Objection.model_fields})
    law = law_book(city).law(law_book(city).current([])[0], said.dataset)
    if law is None or law.dataset.unit != case.data["steward"]:
        raise Conflict(
            "sharing.steward-changed",
            Text(zh="数据集已不在，或已换了责任单位", en="The dataset is gone, or another unit answers for it now"),
            Text(zh="请申请人撤回，向新的责任单位提出", en="Ask the applicant to withdraw and to tell the new one"),
            said.dataset,
        )
    decided = case.data.get("value")
    value = typed_value(city, law.contract, said.item, decided if decided is not None else said.proposed)
    by = done_by(conn, case, "verify")
    snapshot = _write(city, law.contract, said, value, Commit(by, f"correction, case {case.number}", {"case": case.number}))
    facts = {"case": case.number, "item": said.item, "snapshot": snapshot}
    append(conn, kind="sharing.correction", actor=by, subject=f"dataset:{said.dataset}", facts=facts)
    told = [str(row["person"]) for row in conn.execute(READERS, {"subject": f"dataset:{said.dataset}", "item": said.item})]
    text = Text(
        zh=f"您凭授权读过的 {said.dataset}.{said.item} 有一处已更正，请重新读取",
        en=f"A value of {said.dataset}.{said.item}, which you read under a grant, has been corrected: read it again",
    )
    tell(conn, [one for one in told if one != case.applicant], now(), text, f"/datasets/{said.dataset}")
    return {"snapshot": snapshot}


def _write(city: City, contract: Contract, said: Objection, value: Any, commit: Commit) -> int:
    columns = ", ".join(
        f"CAST(? AS {contract.field(name).lake_type}) AS {quote_ident(name)}" if name == said.item else quote_ident(name)
        for name in contract.names
    )
    where = " AND ".join(f"{quote_ident(name)} = ?" for name in contract.primaryKey)
    lake = lake_of(city)
    with lake.engine() as duck:
        duck.execute("DROP TABLE IF EXISTS temp.main._sanqu_correction")
        query = f"CREATE TEMP TABLE _sanqu_correction AS SELECT {columns} FROM {table_of(contract.name)} WHERE {where}"
        duck.execute(query, [value, *parse_key(contract, said.key)])
        try:
            return _upsert(city, contract, commit, duck)
        finally:
            duck.execute("DROP TABLE IF EXISTS temp.main._sanqu_correction")


def _upsert(city: City, contract: Contract, commit: Commit, duck: duckdb.DuckDBPyConnection) -> int:
    counted = duck.execute("SELECT count(*) FROM temp.main._sanqu_correction").fetchone()
    if counted is None or not counted[0]:
        raise Conflict(
            "sharing.row-gone",
            Text(zh="这一行已不在数据集里", en="The row is not in the dataset any more"),
            Text(zh="写明情况，不予更正", en="Say so, and do not correct it"),
            contract.name,
        )
    source = "SELECT * FROM temp.main._sanqu_correction"
    return lake_of(city).upsert(contract.name, source, commit, duck=duck, keys_are_unique=True).snapshot


def _show(city: City, asker: Asker, case: Case) -> Shown:
    data = case.data
    facts: list[tuple[Text, Text | str]] = [
        (Text(zh="数据集", en="Dataset"), str(data["dataset"])), (Text(zh="主键", en="Key"), ", ".join(map(str, data["key"]))),
        (Text(zh="数据项", en="Item"), str(data["item"])), (Text(zh="现在的值", en="Value shown"), str(data.get("shown") or "—")),
        (Text(zh="应为", en="Should be"), str(data.get("proposed") or "—")), (Text(zh="证据", en="Evidence"), str(data["evidence"])),
    ]  # fmt: skip
    if data.get("more_evidence"):
        facts.append((Text(zh="补充证据", en="More evidence"), str(data["more_evidence"])))
    return Shown(tuple(facts), ((Text(zh="数据集", en="The dataset"), f"/datasets/{data['dataset']}"),))


on_service(PROCESS, "correct", _correct)
on_show(PROCESS, _show)
