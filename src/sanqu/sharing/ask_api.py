"""The door over HTTP: `/api/ask` runs a query, `/api/explain` says beforehand what would be allowed, masked or refused."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
import pyarrow as pa  # type: ignore[import-untyped]
from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.http import Asking, InCity, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.sharing.door import Answer, Question, ask, explain
from sanqu.sharing.grants import Grant, Granted, add_grant, grant_by_id, list_grants, withdraw_grant
from sanqu.sharing.law import DatasetLaw, known_law, law_book
from sanqu.sharing.limits import limit_rate
from sanqu.sharing.safe import safe_cell

router = APIRouter(tags=["共享 · Sharing"])

EXAMPLE = {"sql": "SELECT * FROM facts LIMIT 3", "purpose": "", "params": {}, "rows": 100}
GRANT_EXAMPLE = {
    "dataset": "residents", "assignee": "unit:330802", "purposes": ["relief"], "unit": "*", "until": "2027-12-31T00:00:00+08:00",
    "items": [{"item": "name", "uses": ["plain"], "masks": [{"kind": "keep", "first": 1, "last": 0}]}, {"item": "income", "uses": ["aggregate"]}],
}  # fmt: skip


class Asked(BaseModel):
    """A query with what it is for."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Given(max_length=100_000, description="一条 SELECT（DuckDB 方言） · one SELECT in DuckDB's dialect")
    purpose: str = Given(default="", max_length=200, description="用途 · what it is for; a grant holds for its purposes")
    params: dict[str, str | int | float | bool | None] = Given(default={}, description="参数 · values of `$name` in the query")
    rows: int | None = Given(default=None, ge=1, le=1_000_000, description="最多行数 · most rows wanted")
    format: Literal["json", "csv", "arrow"] = "json"

    def question(self, via: str) -> Question:
        """What the door is asked."""
        return Question(self.sql, self.purpose.strip(), self.params, self.rows, via)


Asks = Annotated[Asked, Body(openapi_examples={"facts": {"value": EXAMPLE}})]


@router.post("/api/ask", summary="按 SQL 读数据 · Read by SQL", response_class=Response)
def ask_by_sql(request: Request, city: InCity, asker: Asking, asked: Asks) -> Response:
    """Rows as JSON, CSV or Arrow, or a refusal (403) naming item, clause and the smallest grant that would be enough."""
    limit_rate(request, city, asker)
    question = asked.question("sql")
    if question.rows is not None:
        most = city.settings.query_rows
        question = Question(question.sql, question.purpose, question.params, min(question.rows, most), question.via)
    answer = ask(city, asker, question)
    headers = {
        "X-Sanqu-Law": str(answer.decision.version), "X-Sanqu-Digest": answer.digest,
        "X-Sanqu-More": "true" if answer.more else "false", "Cache-Control": "private, no-store",
    }  # fmt: skip
    return Response(_body(answer, asked.format), media_type=MEDIA[asked.format], headers=headers)


MEDIA = {"json": "application/json", "csv": "text/csv; charset=utf-8", "arrow": "application/vnd.apache.arrow.stream"}


def _body(answer: Answer, format_: str) -> bytes:
    if format_ == "arrow":
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, answer.table.schema) as writer:
            writer.write_table(answer.table)
        return bytes(sink.getvalue())
    if format_ == "csv":
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([safe_cell(name) for name in answer.table.column_names])
        columns = [column.to_pylist() for column in answer.table.columns]
        writer.writerows([[safe_cell(value) for value in row] for row in zip(*columns, strict=True)])
        return out.getvalue().encode()
    said = {
        "columns": [{"name": field.name, "type": str(field.type)} for field in answer.table.schema],
        "rows": answer.table.to_pylist(),
        "more": answer.more,
        "digest": answer.digest,
        "decision": answer.decision.as_facts(),
    }
    return orjson.dumps(said, default=str)


@router.post("/api/explain", summary="读取前的说明 · What the door would say")
def explain_sql(request: Request, city: InCity, asker: Asking, asked: Asks) -> dict[str, Any]:
    """Allowed or not, what is masked or limited, which clause decided, and the smallest grant; nothing is run."""
    limit_rate(request, city, asker)
    return explain(city, asker, asked.question("explain")).as_facts()


def law_for_steward(city: City, asker: Asker, dataset: str) -> DatasetLaw:
    """The law over `dataset` for one who answers for it; raises `Refused` for everyone else."""
    version, _ = law_book(city).current([dataset])
    law = known_law(city, version, asker, dataset)
    if not asker.may_steward(law.unit_path):
        raise Refused(
            "sharing.not-steward",
            Text(zh="只有数据责任单位可以授权", en="Only the unit that answers for the data may grant"),
            Text(zh=f"向 {law.dataset.unit} 申请", en=f"Apply to {law.dataset.unit}"),
            dataset,
        )
    return law


def grant_facts(granted: Granted) -> dict[str, Any]:
    """A grant as JSON; never its secret."""
    return {
        "id": str(granted.id), "number": granted.number, "state": granted.state, "begins": granted.begins, "created": granted.created,
        "grant": granted.grant.model_dump(mode="json"),
    }  # fmt: skip


@router.post("/api/grants", status_code=201, summary="授权 · Grant items of a dataset")
def give(
    city: InCity, asker: SignedIn, grant: Annotated[Grant, Body(openapi_examples={"one": {"value": GRANT_EXAMPLE}})]
) -> dict[str, Any]:
    """Who may use which items, for what, until when, on which rows, under which masks; by the steward."""
    law = law_for_steward(city, asker, grant.dataset)
    with city.db.connection() as conn:
        return grant_facts(add_grant(conn, asker, grant, law.contract, law.dataset.unit))


@router.get("/api/grants", summary="授权清单 · Grants")
def grants(
    city: InCity, asker: SignedIn, page: Paging, dataset: str | None = None, state: Literal["active", "withdrawn"] | None = None
) -> dict[str, Any]:
    """The grants on a dataset one answers for; without a dataset, those one holds."""
    if dataset is not None:
        law_for_steward(city, asker, dataset)
    held = None if dataset is not None else assignees_of(asker)
    found = list_grants(city, dataset=dataset, assignees=held, state=state, limit=page.limit, offset=page.offset)
    return {"grants": [grant_facts(one) for one in found]}


def assignees_of(asker: Asker) -> list[str]:
    """Everyone an asker counts as, as grants name them: the person, the key, the units held and those above them."""
    units = {code for role in asker.held for code in role.path.strip("/").split("/")}
    own = [f"user:{asker.user_id}", *([f"key:{asker.key_id}"] if asker.key_id is not None else [])]
    return [*own, *(f"unit:{code}" for code in sorted(units))]


@router.delete("/api/grants/{id_}", status_code=204, summary="撤回授权 · Withdraw a grant")
def take_back(city: InCity, asker: SignedIn, id_: UUID) -> Response:
    """The next read does without it."""
    granted = grant_by_id(city, id_)
    law_for_steward(city, asker, granted.grant.dataset)
    with city.db.connection() as conn:
        withdraw_grant(conn, asker, id_)
    return Response(status_code=204)


@router.get("/api/grants/{id_}/policy", summary="授权的 ODRL 策略 · A grant as ODRL 2.2")
def policy(city: InCity, asker: SignedIn, id_: UUID) -> Response:
    """The policy as JSON-LD, for the one who gave it and the one who holds it."""
    granted = grant_by_id(city, id_)
    if granted.grant.assignee not in assignees_of(asker):
        law_for_steward(city, asker, granted.grant.dataset)
    row = city.db.one("SELECT policy FROM sharing_grant WHERE id = %s", (id_,))
    return Response(orjson.dumps(row["policy"] if row else {}), media_type="application/ld+json")
