"""Cases over HTTP: what waits for me, a case with its tasks and history, doing a task, what I was told."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.cases.asking import ask_units
from sanqu.cases.delegating import delegate_to, delegations_of, end_delegation
from sanqu.cases.deploying import files_of, versions_of
from sanqu.cases.duty import add_duty, drop_duty, duties
from sanqu.cases.exporting import names_in, pdf_of, record_of
from sanqu.cases.files import LARGEST, add_file, content_of
from sanqu.cases.forms import form_schema
from sanqu.cases.forwarding import escalate_task, forward_task
from sanqu.cases.history import case_history, case_tasks, find_case, list_cases
from sanqu.cases.hooks import page_of_task
from sanqu.cases.migrating import migrate_case
from sanqu.cases.notices import mark_read, notices_of
from sanqu.cases.pausing import pause_task, resume_task
from sanqu.cases.processes import declare_process, list_processes
from sanqu.cases.proposals import proposals, settle_proposal
from sanqu.cases.records import Case, CaseState, Step, Task, person_label
from sanqu.cases.returning import return_task
from sanqu.cases.supervising import answer_supervision, supervise_task, supervisions_of
from sanqu.cases.work import claim_task, comment_on, comments_in, complete_task, find_task, tasks_for, withdraw_case
from sanqu.ground.http import InCity, Paging, SignedIn

router = APIRouter(tags=["办件 · Cases"])


class Completed(BaseModel):
    """What was filled into the form of a task, by the names of its fields."""

    model_config = ConfigDict(extra="forbid")

    result: dict[str, Any] = Given(default={}, description="表单各项 · values of the form's fields")


class Said(BaseModel):
    """A comment, or the reason of a withdrawal."""

    model_config = ConfigDict(extra="forbid")

    text: str = Given(default="", max_length=4000)


class Deployed(BaseModel):
    """A BPMN file, and the decision tables and forms that it names, by their file names."""

    model_config = ConfigDict(extra="forbid")

    bpmn: str
    files: dict[str, str] = Given(default={}, max_length=50)


class Forwarded(BaseModel):
    """To which unit a task goes, and why."""

    model_config = ConfigDict(extra="forbid")

    unit: str = Given(max_length=64)
    text: str = Given(default="", max_length=4000)


class Asked(BaseModel):
    """Which units are asked about a task, and what."""

    model_config = ConfigDict(extra="forbid")

    units: list[str] = Given(max_length=50)
    text: str = Given(default="", max_length=4000)


class Demanded(BaseModel):
    """What a superior demands, and within how many working days it is to be answered."""

    model_config = ConfigDict(extra="forbid")

    text: str = Given(default="", max_length=4000)
    days: int = 3


class OnDuty(BaseModel):
    """Who is on duty at a unit, from when until when (with the offset of the zone)."""

    model_config = ConfigDict(extra="forbid")

    unit: str = Given(max_length=64)
    login: str = Given(max_length=200)
    begins: AwareDatetime
    ends: AwareDatetime


class StandIn(BaseModel):
    """Who stands in for the asker, from one day until the end of another."""

    model_config = ConfigDict(extra="forbid")

    login: str = Given(max_length=200)
    begins: date
    ends: date


Result = Annotated[Completed, Body(openapi_examples={"one": {"value": {"result": {"complete": "yes"}}}})]
Files = Annotated[Deployed, Body(openapi_examples={"one": {"value": {"bpmn": "<definitions>…</definitions>", "files": {}}}})]
Handed = Annotated[Forwarded, Body(openapi_examples={"one": {"value": {"unit": "330802-slj", "text": "属水利部门职责"}}})]
Questions = Annotated[Asked, Body(openapi_examples={"one": {"value": {"units": ["330802-slj"], "text": "是否影响行洪？"}}})]
Demand = Annotated[Demanded, Body(openapi_examples={"one": {"value": {"text": "请三日内办结", "days": 3}}})]
Rostered = Annotated[
    OnDuty, Body(openapi_examples={"one": {"value": {"unit": "330802-slj", "login": "lin", "begins": "2026-10-09T08:30:00+08:00", "ends": "2026-10-09T17:30:00+08:00"}}})
]
Stand = Annotated[StandIn, Body(openapi_examples={"one": {"value": {"login": "lin", "begins": "2026-10-09", "ends": "2026-10-16"}}})]
Words = Annotated[Said, Body(openapi_examples={"one": {"value": {"text": "已补充材料 · papers added"}}})]


def task_facts(task: Task) -> dict[str, Any]:
    """A task as JSON; the form as JSON Schema."""
    said = asdict(task) | {"title": task.title.model_dump(), "lamp": task.lamp()}
    said["form"] = form_schema(task.form)
    return said


def case_facts(case: Case) -> dict[str, Any]:
    """A case as JSON, without what only its process needs to know."""
    return asdict(case)


def step_facts(step: Step) -> dict[str, Any]:
    """A step of a history as JSON."""
    return asdict(step) | {"title": step.title.model_dump()}


@router.get("/api/processes", summary="流程清单 · Processes")
def processes(city: InCity, _asker: SignedIn) -> dict[str, Any]:
    """The newest version of every process."""
    return {"processes": [asdict(one) | {"title": one.title.model_dump()} for one in list_processes(city)]}


@router.get("/api/processes/{name}", summary="流程的版本 · Versions of a process")
def process_versions(city: InCity, _asker: SignedIn, name: str) -> dict[str, Any]:
    """Every version, the newest first, with how many cases run on it."""
    found = versions_of(city, name)
    return {"versions": [asdict(one.process) | {"title": one.process.title.model_dump(), "open": one.open, "cases": one.cases} for one in found]}


@router.post("/api/processes/{name}", status_code=201, summary="发布流程 · Deploy a process")
def deploy(city: InCity, asker: SignedIn, name: str, said: Files) -> dict[str, Any]:
    """Keep a BPMN file with its tables and forms as the newest version; for administrators. What cannot run is named with 400."""
    made = declare_process(city, name, said.bpmn, asker, files=said.files)
    return asdict(made) | {"title": made.title.model_dump()}


@router.get("/api/processes/{name}/{version}/bpmn", summary="流程文件 · The file of a process")
def process_file(city: InCity, _asker: SignedIn, name: str, version: int) -> Response:
    """The BPMN file as it was deployed."""
    return Response(files_of(city, name, version)[0], media_type="application/xml", headers={"content-disposition": f'attachment; filename="{name}.bpmn"'})


@router.post("/api/cases/{number}/files", status_code=201, summary="附照片或签名 · Keep a photo or signature with a case")
async def file_it(
    request: Request, city: InCity, asker: SignedIn, number: str, kind: Literal["photo", "signature"] = "photo", name: str = "", task: UUID | None = None
) -> dict[str, Any]:
    """The picture as the body of the request, at most 12 MB; what it is is seen by its content."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > LARGEST:
            # What is too large is not read to its end.
            break
    return asdict(await run_in_threadpool(lambda: add_file(city, asker, number, kind, bytes(content), name=name, task=task)))


@router.get("/api/cases/{number}/files/{id_}", summary="附件 · A photo or signature of a case")
def file_of(city: InCity, asker: SignedIn, number: str, id_: UUID) -> Response:
    """The picture, as it was kept."""
    media_type, content = content_of(city, find_case(city, asker, number), id_)
    return Response(content, media_type=media_type, headers={"cache-control": "private, max-age=86400", "x-content-type-options": "nosniff"})


@router.get("/api/cases/{number}/record", summary="办件档案 · The file of record of a case")
def record(city: InCity, asker: SignedIn, number: str) -> dict[str, Any]:
    """Everything that is kept of a case."""
    return record_of(city, asker, number)


@router.get("/api/cases/{number}/record.pdf", summary="办件档案 PDF · The file of record as PDF")
def record_pdf(city: InCity, asker: SignedIn, number: str) -> Response:
    """The same to read and to print, with photos and signatures."""
    made = pdf_of(city, asker, number, names_in(city, asker, number))
    return Response(made, media_type="application/pdf", headers={"content-disposition": f'attachment; filename="{number}.pdf"'})


@router.post("/api/cases/{number}/migrate", summary="换版本 · Move a case to another version")
def migrate(city: InCity, asker: SignedIn, number: str, version: int | None = None) -> dict[str, Any]:
    """Let a case go on by another version of its process, or by the newest; for administrators."""
    return case_facts(migrate_case(city, asker, number, version))


@router.get("/api/tasks", summary="待办 · Tasks that wait for me")
def tasks(city: InCity, asker: SignedIn, page: Paging, below: bool = False) -> dict[str, Any]:
    """Open tasks of the asker and the asker's units, the most urgent first; with `below`, all that the asker may do."""
    found, count = tasks_for(city, asker, below=below, limit=page.limit, offset=page.offset)
    return {"count": count, "tasks": [task_facts(one) for one in found]}


@router.get("/api/tasks/{id_}", summary="一项任务 · One task")
def one_task(city: InCity, asker: SignedIn, id_: UUID) -> dict[str, Any]:
    """A task of a case that the asker may know of, with its form."""
    task = find_task(city, asker, id_)
    return task_facts(task) | {"page": page_of_task(find_case(city, asker, task.case), task.name)}


@router.post("/api/tasks/{id_}", summary="办理任务 · Complete a task")
def complete(city: InCity, asker: SignedIn, id_: UUID, said: Result) -> dict[str, Any]:
    """Complete a task; the answer is the case as it stands then. Of two who do it at once one gets 409."""
    return case_facts(complete_task(city, asker, id_, said.result))


@router.post("/api/tasks/{id_}/claim", summary="认领任务 · Take a task on")
def claim(city: InCity, asker: SignedIn, id_: UUID) -> dict[str, Any]:
    """Say that one does it; colleagues see who."""
    return task_facts(claim_task(city, asker, id_))


@router.delete("/api/tasks/{id_}/claim", summary="退回认领 · Give a task back")
def give_back(city: InCity, asker: SignedIn, id_: UUID) -> dict[str, Any]:
    """Leave it to the colleagues again."""
    return task_facts(claim_task(city, asker, id_, take=False))


@router.post("/api/tasks/{id_}/return", summary="退回任务 · Return a task to the step before it")
def give_back_to_step(city: InCity, asker: SignedIn, id_: UUID, said: Words) -> dict[str, Any]:
    """Let the step before be done again, for a reason; the answer is the case. What cannot be undone is named with 409."""
    return case_facts(return_task(city, asker, id_, said.text))


@router.post("/api/tasks/{id_}/forward", summary="转办任务 · Forward a task to another unit")
def forward(city: InCity, asker: SignedIn, id_: UUID, said: Handed) -> dict[str, Any]:
    """Let another unit do it, for a reason; the deadline stays."""
    return task_facts(forward_task(city, asker, id_, said.unit, said.text))


@router.post("/api/tasks/{id_}/escalate", summary="上报任务 · Pass a task up")
def escalate(city: InCity, asker: SignedIn, id_: UUID, said: Words) -> dict[str, Any]:
    """Let the unit above do it too, for a reason."""
    return task_facts(escalate_task(city, asker, id_, said.text))


@router.post("/api/tasks/{id_}/ask", summary="会签 · Ask other units about a task")
def ask(city: InCity, asker: SignedIn, id_: UUID, said: Questions) -> dict[str, Any]:
    """Ask units for their opinions; the task can be done once all have answered."""
    return {"tasks": ask_units(city, asker, id_, said.units, said.text)}


@router.post("/api/tasks/{id_}/pause", summary="暂停任务 · Pause a task")
def pause(city: InCity, asker: SignedIn, id_: UUID, said: Words) -> dict[str, Any]:
    """Stop its deadline, for a reason; the answer says when it goes on at the latest."""
    return {"until": pause_task(city, asker, id_, said.text)}


@router.delete("/api/tasks/{id_}/pause", status_code=204, summary="恢复任务 · Let a task go on")
def resume(city: InCity, asker: SignedIn, id_: UUID) -> None:
    """Let its deadline go on, later by the working time of the pause."""
    resume_task(city, asker, id_)


@router.post("/api/tasks/{id_}/supervise", summary="督办 · Supervise a task")
def supervise(city: InCity, asker: SignedIn, id_: UUID, said: Demand) -> dict[str, Any]:
    """Demand something of whoever must do it; for superiors."""
    return asdict(supervise_task(city, asker, id_, said.text, days=said.days))


@router.post("/api/supervisions/{id_}/answer", status_code=204, summary="答复督办 · Answer a supervision")
def answer(city: InCity, asker: SignedIn, id_: int, said: Words) -> None:
    """Say what was done about a demand."""
    answer_supervision(city, asker, id_, said.text)


@router.get("/api/duty", summary="值班表 · Who is on duty")
def duty(city: InCity, _asker: SignedIn, unit: str | None = None) -> dict[str, Any]:
    """The rosters of units, now and later."""
    return {"duty": [asdict(one) for one in duties(city, unit)]}


@router.post("/api/duty", status_code=201, summary="排班 · Put somebody on duty")
def put_on_duty(city: InCity, asker: SignedIn, said: Rostered) -> dict[str, Any]:
    """A person of the unit, from when until when; for its stewards."""
    return {"id": add_duty(city, asker, said.unit, said.login, said.begins, said.ends)}


@router.delete("/api/duty/{id_}", status_code=204, summary="撤班 · Take somebody off duty")
def take_off_duty(city: InCity, asker: SignedIn, id_: int) -> None:
    """For the unit's stewards."""
    drop_duty(city, asker, id_)


@router.get("/api/dispatch/proposals", summary="派单建议 · Proposals for tables of dispatch")
def dispatch_proposals(city: InCity, asker: SignedIn, page: Paging, state: Literal["proposed", "accepted", "refused"] = "proposed") -> dict[str, Any]:
    """Where people sent cases elsewhere than the table did, the same together, the most frequent first; for administrators."""
    found, count = proposals(city, asker, state, limit=page.limit, offset=page.offset)
    return {"count": count, "proposals": [asdict(one) for one in found]}


@router.post("/api/dispatch/proposals/{id_}", summary="处理派单建议 · Settle a proposal")
def settle(
    city: InCity, asker: SignedIn, id_: int, accept: bool, without: Annotated[list[str] | None, Query(max_length=50)] = None
) -> dict[str, Any]:
    """Make it the first rule of the table, in a new version, or refuse it; inputs named in `without` do not count in the rule."""
    return asdict(settle_proposal(city, asker, id_, accept=accept, without=without or ()))


@router.get("/api/delegations", summary="委托 · Who stands in")
def delegations(city: InCity, asker: SignedIn) -> dict[str, Any]:
    """Who stands in for the asker, and for whom the asker does, now and later."""
    return {"delegations": [asdict(one) for one in delegations_of(city, asker)]}


@router.post("/api/delegations", status_code=201, summary="委托他人 · Name a delegate")
def delegate(city: InCity, asker: SignedIn, said: Stand) -> dict[str, Any]:
    """Let somebody stand in for the asker while away; needs a session, not a key."""
    return {"id": delegate_to(city, asker, said.login, said.begins, said.ends)}


@router.delete("/api/delegations/{id_}", status_code=204, summary="收回委托 · End a delegation")
def undelegate(city: InCity, asker: SignedIn, id_: int) -> None:
    """Act for oneself again."""
    end_delegation(city, asker, id_)


@router.get("/api/cases", summary="办件清单 · Cases")
def cases(
    city: InCity, asker: SignedIn, page: Paging, process: str | None = None, state: CaseState | None = None,
    subject: str | None = None, mine: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The cases that the asker may know of, the newest first; with `mine`, those the asker began."""
    found, count = list_cases(
        city, asker, process=process, state=state, subject=subject, applicant=person_label(asker) if mine else None,
        limit=page.limit, offset=page.offset,
    )  # fmt: skip
    return {"count": count, "cases": [case_facts(one) for one in found]}


@router.get("/api/cases/{number}", summary="一件办件 · One case")
def one_case(city: InCity, asker: SignedIn, number: str) -> dict[str, Any]:
    """A case with its tasks, its history and what was said."""
    case = find_case(city, asker, number)
    return case_facts(case) | {
        "tasks": [task_facts(one) for one in case_tasks(city, asker, number)],
        "history": [step_facts(one) for one in case_history(city, asker, number)],
        "comments": [asdict(one) for one in comments_in(city, case)],
        "supervisions": [asdict(one) for one in supervisions_of(city, case)],
    }


@router.post("/api/cases/{number}/withdraw", summary="撤回办件 · Withdraw a case")
def withdraw(city: InCity, asker: SignedIn, number: str, said: Words) -> dict[str, Any]:
    """End a case at the wish of its applicant."""
    return case_facts(withdraw_case(city, asker, number, said.text))


@router.post("/api/cases/{number}/comments", status_code=204, summary="留言 · Comment on a case")
def comment(city: InCity, asker: SignedIn, number: str, said: Words) -> None:
    """Say something to the others of the case."""
    comment_on(city, asker, number, said.text)


@router.get("/api/notices", summary="通知 · What I was told")
def notices(city: InCity, asker: SignedIn, page: Paging) -> dict[str, Any]:
    """What the asker was told, the newest first."""
    found, count = notices_of(city, asker, limit=page.limit, offset=page.offset)
    return {"count": count, "notices": [asdict(one) | {"text": one.text.model_dump()} for one in found]}


@router.post("/api/notices/read", status_code=204, summary="已读 · All notices read")
def read_all(city: InCity, asker: SignedIn) -> None:
    """Mark everything as read."""
    mark_read(city, asker)
