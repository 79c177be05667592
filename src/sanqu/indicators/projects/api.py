"""Key projects over HTTP: how they stand, tasks, reports of progress."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from sanqu.ground.http import InCity, SignedIn
from sanqu.indicators.projects.keeping import add_task, drop_task, find_standing, require_staff, standings, task_history
from sanqu.indicators.projects.progress import ask_progress, list_reports
from sanqu.indicators.projects.records import Standing

router = APIRouter(prefix="/api/plan", tags=["重点工程 · Key projects"])


class NewTask(BaseModel):
    """A task that a measure is broken down to (年度任务)."""

    model_config = ConfigDict(extra="forbid")

    measure: int
    title: str = Field(max_length=200)
    unit: str = Field(max_length=64)
    since: date
    due: date
    weight: float = 1.0


class AskedPeriod(BaseModel):
    """A quarter of which progress is asked."""

    model_config = ConfigDict(extra="forbid")

    period: str = Field(max_length=10)


def as_json(stood: Standing) -> dict[str, Any]:
    """A project as it stands, as JSON takes it."""
    return {
        "project": asdict(stood.project) | {"title": stood.project.title.model_dump(), "lead": stood.project.lead}, "percent": stood.percent, "lamp": stood.lamp,
        "targets": [asdict(one) | {"title": one.title.model_dump(), "share": one.share} for one in stood.targets],
        "tasks": [asdict(one) | {"title": one.title.model_dump()} for one in stood.tasks],
    }  # fmt: skip


@router.get("/projects", summary="重点工程 · All projects as they stand")
def projects(city: InCity, asker: SignedIn) -> list[dict[str, Any]]:
    """Every project with its targets, tasks and lamps."""
    require_staff(asker)
    return [as_json(one) for one in standings(city)]


@router.get("/projects/{code}", summary="一项工程 · One project")
def project(city: InCity, asker: SignedIn, code: str) -> dict[str, Any]:
    """One project with the reports that were asked and given."""
    require_staff(asker)
    return as_json(find_standing(city, code)) | {"reports": [asdict(one) for one in list_reports(city, asker, code)]}


@router.get("/tasks/{id_}", summary="一项任务的进展 · History of a task")
def task(city: InCity, asker: SignedIn, id_: int) -> list[dict[str, Any]]:
    """Everything that was confirmed of a task."""
    require_staff(asker)
    return task_history(city, id_)


@router.post("/tasks", summary="分解任务 · Break a measure down", status_code=201)
def new_task(city: InCity, asker: SignedIn, body: NewTask) -> dict[str, int]:
    """Make a task of a measure."""
    return {"id": add_task(city, asker, body.measure, body.title, body.unit, body.since, body.due, body.weight)}


@router.delete("/tasks/{id_}", summary="撤回任务 · Take a task back", status_code=204)
def old_task(city: InCity, asker: SignedIn, id_: int) -> None:
    """Take back a task that was made of a measure."""
    drop_task(city, asker, id_)


@router.post("/progress", summary="要求报进展 · Ask for progress")
def progress(city: InCity, asker: SignedIn, body: AskedPeriod) -> dict[str, int]:
    """Ask every unit for the progress of a quarter, each once."""
    return {"asked": ask_progress(city, asker, body.period)}
