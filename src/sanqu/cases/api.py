"""Cases over HTTP: what waits for me, a case with its tasks and history, doing a task, what I was told."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.cases.forms import form_schema
from sanqu.cases.history import case_history, case_tasks, find_case, list_cases
from sanqu.cases.hooks import page_of_task
from sanqu.cases.notices import mark_read, notices_of
from sanqu.cases.processes import list_processes
from sanqu.cases.records import Case, CaseState, Step, Task, person_label
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


Result = Annotated[Completed, Body(openapi_examples={"one": {"value": {"result": {"complete": "yes"}}}})]
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
