"""The pages of cases: the in-tray, one's own cases, a case with its history and its forms, what one was told."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup
from starlette.datastructures import UploadFile

from sanqu.cases.asking import ask_units
from sanqu.cases.deadlines import working_days_between
from sanqu.cases.delegating import delegate_to, delegations_of, end_delegation
from sanqu.cases.deploying import files_of, versions_of
from sanqu.cases.diagram import Mark, diagram_of
from sanqu.cases.duty import add_duty, drop_duty, duties, people_at, rosters_of
from sanqu.cases.files import LARGEST, add_file, files_in
from sanqu.cases.forms import Field
from sanqu.cases.forwarding import escalate_task, forward_task
from sanqu.cases.history import case_history, case_tasks, find_case, list_cases
from sanqu.cases.hooks import page_of_task, shown_of
from sanqu.cases.migrating import migrate_case
from sanqu.cases.notices import count_waiting, mark_read, notices_of
from sanqu.cases.pausing import pause_task, resume_task
from sanqu.cases.processes import declare_process, list_processes
from sanqu.cases.proposals import chosen_units, inputs_of, proposals, settle_proposal
from sanqu.cases.records import Case, Task, person_label
from sanqu.cases.returning import return_task
from sanqu.cases.rights import may_act
from sanqu.cases.supervising import answer_supervision, may_supervise, supervise_task, supervisions_of
from sanqu.cases.work import claim_task, comment_on, comments_in, complete_task, find_task, tasks_for, withdraw_case
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import BadInput, NotFound
from sanqu.ground.http import InCity, Paging, SignedIn, asker_of, city_of, lang_of
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.pages import add_to_pages, render
from sanqu.ground.people.askers import Asker

router = APIRouter(include_in_schema=False)

Tray = Literal["near", "below", "mine", "all"]
NAMES = "SELECT 'user:' || id AS label, name FROM person WHERE 'user:' || id = ANY(%s)"
# Whom a task may be handed to: the city, and all that lies in the same county.
NEIGHBOURS = """
SELECT u.code, u.title_zh, u.title_en FROM org_unit u JOIN org_unit mine ON mine.code = %s
WHERE u.state = 'active' AND (u.path LIKE '/' || split_part(mine.path, '/', 2) || '/' || split_part(mine.path, '/', 3) || '/%%'
    OR u.parent = split_part(mine.path, '/', 2) AND u.kind IN ('department', 'county')) AND u.kind <> 'grid'
ORDER BY u.path LIMIT 400
"""
UNITS = "SELECT code, title_zh, title_en FROM org_unit WHERE code = ANY(%s)"


def _waiting(request: Request) -> int:
    return count_waiting(city_of(request), asker_of(request))


add_to_pages("cases_waiting", _waiting)


@router.get("/cases")
def in_tray(request: Request, city: InCity, asker: SignedIn, page: Paging, tray: Tray = "near") -> HTMLResponse:
    """What waits for me and my units, what lies below, what I began, what I may know of."""
    tasks: list[Task] = []
    cases: list[Case] = []
    if tray in ("near", "below"):
        tasks, total = tasks_for(city, asker, below=tray == "below", limit=page.limit, offset=page.offset)
    else:
        applicant = person_label(asker) if tray == "mine" else None
        cases, total = list_cases(city, asker, applicant=applicant, limit=page.limit, offset=page.offset)
    context: dict[str, Any] = {"tray": tray, "tasks": tasks, "cases": cases, "total": total, "page": page}
    names = units_named(city, {task.unit for task in tasks} | {case.unit for case in cases})
    return render(request, "cases/tray.html", **context, units=names, told=notices_of(city, asker, limit=5), **TOOLS)


@router.get("/cases/notices")
def notices(request: Request, city: InCity, asker: SignedIn, page: Paging) -> HTMLResponse:
    """What I was told; once shown, it counts as read."""
    found, total = notices_of(city, asker, limit=page.limit, offset=page.offset)
    answer = render(request, "cases/notices.html", notices=found, total=total, page=page, **TOOLS)
    mark_read(city, asker)
    return answer


@router.get("/cases/processes")
def processes(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """Every process in its newest version."""
    return render(request, "cases/processes.html", processes=list_processes(city), fault=None, **TOOLS)


@router.get("/cases/processes/{name}")
def one_process(request: Request, city: InCity, asker: SignedIn, name: str, version: int | None = None) -> HTMLResponse:
    """A process: its versions, and the drawing of one."""
    versions = versions_of(city, name)
    shown = next((one for one in versions if one.process.version == version), versions[0])
    xml, files = files_of(city, name, shown.process.version)
    drawing = Markup(diagram_of(xml, lang_of(request)))
    return render(request, "cases/process.html", versions=versions, shown=shown, drawing=drawing, files=files, **TOOLS)


@router.post("/cases/processes")
async def deploy(request: Request, city: InCity, asker: SignedIn) -> Response:
    """Deploy a process from files; what cannot run is named beside the form."""
    form = await request.form(max_files=30, max_part_size=2_000_000)
    files = {one.filename: (await one.read()).decode("utf-8", "replace") for one in form.getlist("files") if isinstance(one, UploadFile) and one.filename}
    drawn = next((name for name in files if name.endswith(".bpmn")), None)
    name = str(form.get("name") or "").strip() or (drawn or "").removesuffix(".bpmn")
    try:
        made = declare_process(city, name, files.pop(drawn) if drawn else "", asker, files=files)
    except BadInput as fault:
        return render(request, "cases/processes.html", fault.status, processes=list_processes(city), fault=fault, **TOOLS)
    return RedirectResponse(f"/cases/processes/{made.name}", 303)


@router.post("/cases/{number}/files")
async def file_it(request: Request, city: InCity, asker: SignedIn, number: str) -> Response:
    """Keep photos, or a signature that was drawn, with a case."""
    form = await request.form(max_files=10, max_part_size=20_000_000)
    drawn = str(form.get("signature") or "")
    if drawn.startswith("data:image/png;base64,"):
        content = b64decode(drawn.split(",", 1)[1][:4_000_000])
        await run_in_threadpool(lambda: add_file(city, asker, number, "signature", content))
    for one in form.getlist("photos"):
        if isinstance(one, UploadFile) and one.filename:
            content, name = await one.read(LARGEST + 1), one.filename
            await run_in_threadpool(lambda content=content, name=name: add_file(city, asker, number, "photo", content, name=name))  # type: ignore[misc]
    return _back(number)


@router.post("/cases/{number}/migrate")
def migrate(city: InCity, asker: SignedIn, number: str) -> Response:
    """Move a case to the newest version of its process."""
    return _back(migrate_case(city, asker, number).number)


@router.get("/cases/dispatch")
def dispatching(request: Request, city: InCity, asker: SignedIn, page: Paging) -> HTMLResponse:
    """For administrators, what people's choices propose for the tables."""
    found, total = proposals(city, asker, limit=page.limit, offset=page.offset) if asker.is_admin else ([], 0)
    units = units_named(city, chosen_units(found))
    names = persons_named(city, {choice.actor for one in found for choice in one.choices})
    tables = inputs_of(city, {one.decision for one in found})
    context: dict[str, Any] = {"proposals": found, "total": total, "page": page, "tables": tables, "units": units, "names": names}
    return render(request, "cases/dispatch.html", **context, **TOOLS)


@router.post("/cases/dispatch/{id_}")
def settle(
    city: InCity, asker: SignedIn, id_: int, accept: Annotated[bool, Form()],
    of: Annotated[list[str] | None, Form()] = None, by: Annotated[list[str] | None, Form()] = None,
) -> Response:  # fmt: skip
    """Take a proposal into its table, or refuse it; of its inputs `of`, those ticked (`by`) count in the rule."""
    settle_proposal(city, asker, id_, accept=accept, without=set(of or ()) - set(by or ()))
    return RedirectResponse("/cases/dispatch", 303)


@router.get("/cases/duty")
def duty_page(request: Request, city: InCity, asker: SignedIn, page: Paging, unit: str = "") -> HTMLResponse:
    """Who is on duty now and later; stewards put people of their units on the roster."""
    return _duty_page(request, city, asker, page, unit)


def _duty_page(request: Request, city: City, asker: Asker, page: Paging, unit: str, fault: BadInput | None = None) -> HTMLResponse:
    kept = rosters_of(city, asker)
    listed = duties(city, unit or None)
    shown = listed[page.offset : page.offset + page.limit]
    context: dict[str, Any] = {
        "duties": shown, "total": len(listed), "page": page, "kept": kept, "unit": unit, "fault": fault, "at": now(),
        "units": units_named(city, {unit, *(one.unit for one in listed)}),
        "people": people_at(city, unit) if unit in kept else [], "today": now().astimezone(CITY_ZONE).date(),
    }  # fmt: skip
    return render(request, "cases/duty.html", fault.status if fault else 200, **context, **TOOLS)


@router.post("/cases/duty")
def put_on_duty(
    request: Request, city: InCity, asker: SignedIn, page: Paging, unit: Annotated[str, Form()], login: Annotated[str, Form()],
    begins: Annotated[datetime, Form()], ends: Annotated[datetime, Form()],
) -> Response:  # fmt: skip
    """Put somebody on duty; the hours are those of the city's clock."""
    try:
        add_duty(city, asker, unit, login, begins.replace(tzinfo=CITY_ZONE), ends.replace(tzinfo=CITY_ZONE))
    except BadInput as fault:
        return _duty_page(request, city, asker, page, unit, fault)
    return RedirectResponse(f"/cases/duty?unit={quote(unit)}", 303)


@router.post("/cases/duty/{id_}/drop")
def take_off_duty(city: InCity, asker: SignedIn, id_: int, unit: Annotated[str, Form()] = "") -> Response:
    """Take somebody off the roster."""
    drop_duty(city, asker, id_)
    return RedirectResponse(f"/cases/duty?unit={quote(unit)}" if unit else "/cases/duty", 303)


@router.get("/cases/leave")
def leave(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """Who stands in for me while I am away, and for whom I do."""
    return render(request, "cases/leave.html", delegations=delegations_of(city, asker), today=now().astimezone(CITY_ZONE).date(), **TOOLS)


@router.get("/cases/{number}")
def one_case(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """A case: what it is about, where it stands, what may be done, what happened and how long it took."""
    return show_case(request, city, asker, number)


def show_case(
    request: Request, city: City, asker: Asker, number: str, *, status: int = 200, fault: BadInput | None = None,
    filled: Mapping[str, Any] | None = None, at_task: UUID | None = None,
) -> HTMLResponse:  # fmt: skip
    """The page of a case; with `fault`, what is wrong with the form of `at_task` that was `filled` in."""
    case, tasks = find_case(city, asker, number), case_tasks(city, asker, number)
    with city.db.connection() as conn:
        open_tasks = [(task, may_act(conn, asker, task)) for task in tasks if task.state == "ready"]
        superior = {task.id for task, _ in open_tasks if may_supervise(conn, asker, task)}
        acted = next((task.unit for task, mine in open_tasks if mine and task.unit), None)
        neighbours = [(str(r["code"]), Text(zh=str(r["title_zh"]), en=str(r["title_en"]))) for r in conn.execute(NEIGHBOURS, (acted,))]
    demands = supervisions_of(city, case)
    steps, comments = case_history(city, asker, number), comments_in(city, case)
    newest = versions_of(city, case.process)[0].process.version
    drawing = Markup(diagram_of(files_of(city, case.process, case.version)[0], lang_of(request), marks_of(tasks, lang_of(request))))
    people = {case.applicant, *(step.actor for step in steps), *(one.actor for one in comments)}
    people |= {one.actor for one in demands} | {one.answered_by for one in demands if one.answered_by}
    people |= {label for task in tasks for label in (task.claimed_by, task.done_by) if label}
    context: dict[str, Any] = {
        "case": case, "open_tasks": open_tasks, "done_tasks": [task for task in tasks if task.state == "done"], "steps": steps,
        "comments": comments, "shown": shown_of(city, asker, case), "fault": fault, "filled": filled or {}, "at_task": at_task,
        "names": persons_named(city, people), "mine": case.applicant == person_label(asker),
        "units": units_named(city, {case.unit, *(task.unit for task in tasks), *(task.escalated_to for task in tasks)}),
        "pages": {task.id: page_of_task(case, task.name) for task, _ in open_tasks}, "me": person_label(asker),
        "files": files_in(city, case), "drawing": drawing, "newest": newest, "superior": superior, "neighbours": neighbours, "demands": demands,
    }  # fmt: skip
    return render(request, "cases/case.html", status, **context, **TOOLS)


@router.post("/cases/tasks/{id_}")
async def complete(request: Request, city: InCity, asker: SignedIn, id_: UUID) -> Response:
    """Complete a task with its form; what is wrong is said beside it."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    task = find_task(city, asker, id_)
    try:
        case = complete_task(city, asker, id_, form)
    except BadInput as fault:
        return show_case(request, city, asker, task.case, status=fault.status, fault=fault, filled=form, at_task=id_)
    return _back(case.number)


@router.post("/cases/tasks/{id_}/claim")
def claim(city: InCity, asker: SignedIn, id_: UUID, take: Annotated[bool, Form()] = True) -> Response:
    """Take a task on, or give it back."""
    return _back(claim_task(city, asker, id_, take=take).case)


Act = Literal["return", "forward", "escalate", "ask", "pause", "resume", "supervise"]


@router.post("/cases/tasks/{id_}/{act}")
async def act_on(request: Request, city: InCity, asker: SignedIn, id_: UUID, act: Act) -> Response:
    """Return a task, forward it, ask about it, pause it, pass it up, supervise it; each with a reason."""
    form = await request.form()
    task = find_task(city, asker, id_)
    reason = str(form.get("reason") or "")
    units = [str(one).strip() for one in form.getlist("unit") if str(one).strip()]
    match act:
        case "return":
            return_task(city, asker, id_, reason)
        case "forward":
            forward_task(city, asker, id_, units[0] if units else "", reason)
        case "escalate":
            escalate_task(city, asker, id_, reason)
        case "ask":
            ask_units(city, asker, id_, [code for unit in units for code in unit.replace("，", ",").replace(",", " ").split()], reason)
        case "pause":
            pause_task(city, asker, id_, reason)
        case "resume":
            resume_task(city, asker, id_)
        case "supervise":
            days = str(form.get("days") or "3")
            supervise_task(city, asker, id_, reason, days=int(days) if days.isdigit() else 0)
    # Whoever hands a task on may not know of the case any more.
    return _back(task.case) if _knows(city, asker, task.case) else RedirectResponse("/cases", 303)


def _knows(city: City, asker: Asker, number: str) -> bool:
    try:
        find_case(city, asker, number)
    except NotFound:
        return False
    return True


@router.post("/cases/supervisions/{id_}")
def answer(city: InCity, asker: SignedIn, id_: int, number: Annotated[str, Form()], reason: Annotated[str, Form()] = "") -> Response:
    """Answer a demand."""
    answer_supervision(city, asker, id_, reason)
    return _back(number)


@router.post("/cases/leave")
def name_delegate(
    city: InCity, asker: SignedIn, login: Annotated[str, Form()], begins: Annotated[date, Form()], ends: Annotated[date, Form()]
) -> Response:
    """Let somebody stand in for me."""
    delegate_to(city, asker, login.strip(), begins, ends)
    return RedirectResponse("/cases/leave", 303)


@router.post("/cases/leave/{id_}/end")
def end_leave(city: InCity, asker: SignedIn, id_: int) -> Response:
    """I am back."""
    end_delegation(city, asker, id_)
    return RedirectResponse("/cases/leave", 303)


@router.post("/cases/{number}/withdraw")
def withdraw(city: InCity, asker: SignedIn, number: str, reason: Annotated[str, Form()] = "") -> Response:
    """End my case."""
    return _back(withdraw_case(city, asker, number, reason).number)


@router.post("/cases/{number}/comments")
def comment(city: InCity, asker: SignedIn, number: str, text: Annotated[str, Form()] = "") -> Response:
    """Say something in a case."""
    comment_on(city, asker, number, text)
    return _back(number)


def _back(number: str) -> Response:
    return RedirectResponse(f"/cases/{number}", 303)


def persons_named(city: City, labels: set[str]) -> dict[str, str]:
    """The names of people, by what cases call them; keys of people under the people's."""
    plain = {label: label.split("/", 1)[0] for label in labels}
    found = {str(row["label"]): str(row["name"]) for row in city.db.all(NAMES, (sorted(set(plain.values())),))}
    return {label: found.get(person, "") for label, person in plain.items()}


def units_named(city: City, codes: set[str | None]) -> dict[str, Text]:
    """The titles of units by their codes."""
    rows = city.db.all(UNITS, (sorted(code for code in codes if code),))
    return {str(row["code"]): Text(zh=str(row["title_zh"]), en=str(row["title_en"])) for row in rows}


def value_in(field: Field, filled: Mapping[str, Any], case: Case) -> str:
    """What a field shows before it is filled in: what was sent last, else what the case already says."""
    said = filled.get(field.name, case.data.get(field.name) if not field.when else None)
    if isinstance(said, bool):
        return "true" if said else "false"
    return "" if said is None or isinstance(said, dict | list) else str(said)


def moment(at: datetime | None) -> str:
    """A moment on the clocks of the city."""
    return f"{at.astimezone(CITY_ZONE):%Y-%m-%d %H:%M}" if at is not None else "—"


def took(start: datetime, end: datetime) -> Text:
    """How long a step took: in minutes or hours, else in working days."""
    span = end - start
    if span < timedelta(hours=1):
        minutes = max(1, round(span / timedelta(minutes=1)))
        return Text(zh=f"{minutes} 分钟", en=f"{minutes} min")
    if span < timedelta(days=1):
        hours = round(span / timedelta(hours=1))
        return Text(zh=f"{hours} 小时", en=f"{hours} h")
    days = working_days_between(start, end)
    return Text(zh=f"{days} 个工作日", en=f"{days} working days")


def marks_of(tasks: Sequence[Task], lang: Lang) -> dict[str, Mark]:
    """How the elements of a process stand in a case, with how long each took."""
    marks: dict[str, Mark] = {}
    for task in (one for one in tasks if one.asked_for is None and one.state in ("done", "ready")):
        end = task.done_at or now()
        marks[task.name] = Mark("now" if task.state == "ready" else "done", took(task.made, end).in_(lang))
    return marks


def left_of(task: Task) -> Text:
    """How many working days there are until a deadline, or by how many it was missed."""
    if task.due is None:
        return Text()
    days = working_days_between(now(), task.due)
    if task.due < now():
        late = max(1, working_days_between(task.due, now()))
        return Text(zh=f"逾期 {late} 个工作日", en=f"{late} working days late")
    return Text(zh="今天到期", en="due today") if days == 0 else Text(zh=f"还有 {days} 个工作日", en=f"{days} working days left")


TOOLS: dict[str, Any] = {"moment": moment, "took": took, "left_of": left_of, "value_in": value_in}
