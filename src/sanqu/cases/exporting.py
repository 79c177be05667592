"""A case as one file of record: everything about it as JSON, and the same to read as PDF."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from xml.sax.saxutils import escape

from sanqu.cases.files import content_of, files_in
from sanqu.cases.history import case_history, case_tasks, find_case
from sanqu.cases.supervising import supervisions_of
from sanqu.cases.work import comments_in
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker

# A font that readers of PDF bring themselves, for Chinese and Latin; no file of it is needed here.
FONT = "STSong-Light"
PEOPLE = "SELECT 'user:' || id AS label, name FROM person WHERE 'user:' || id = ANY(%s)"
UNITS = "SELECT code, title_zh FROM org_unit WHERE code = ANY(%s)"
STEPS = {
    "started": "开始", "task": "转到", "done": "办理", "service": "自动办理", "reminded": "提醒", "overdue": "逾期", "escalated": "上报",
    "cancelled": "不再需要", "withdrawn": "撤回", "ended": "办结", "claimed": "认领", "commented": "留言", "timer": "时间到", "message": "收到消息",
    "returned": "退回", "forwarded": "转办", "asked": "会签", "supervised": "督办", "answered": "答复督办", "paused": "暂停", "resumed": "恢复",
    "filed": "附件", "migrated": "换到新版本", "dispatched": "分派",
}  # fmt: skip


def record_of(city: City, asker: Asker, number: str) -> dict[str, Any]:
    """Everything that is kept of a case, as JSON can hold it; files by their digests. Raises `NotFound`."""
    case = find_case(city, asker, number)
    tasks = [
        asdict(task) | {"title": task.title.model_dump(), "form": [field.model_dump() for field in task.form]}
        for task in case_tasks(city, asker, number)
    ]  # fmt: skip
    with city.db.connection() as conn:
        append(conn, kind="cases.export", actor=asker.label, subject=f"case:{number}", facts={})
    return {
        "case": asdict(case), "tasks": tasks, "exported": now(),
        "history": [asdict(step) | {"title": step.title.model_dump()} for step in case_history(city, asker, number)],
        "comments": [asdict(one) for one in comments_in(city, case)],
        "supervisions": [asdict(one) for one in supervisions_of(city, case)],
        "files": [asdict(one) for one in files_in(city, case)],
    }  # fmt: skip


def names_in(city: City, asker: Asker, number: str) -> dict[str, str]:
    """The names of the people and units of a case, by what the case calls them; raises `NotFound`."""
    case, tasks = find_case(city, asker, number), case_tasks(city, asker, number)
    labels = {case.applicant, *(step.actor for step in case_history(city, asker, number)), *(one.actor for one in comments_in(city, case))}
    labels |= {label for task in tasks for label in (task.done_by, task.assignee, task.claimed_by) if label}
    plain = {label: label.split("/", 1)[0] for label in labels}
    people = {str(row["label"]): str(row["name"]) for row in city.db.all(PEOPLE, (sorted(set(plain.values())),))}
    units = sorted({unit for unit in (case.unit, *(task.unit for task in tasks)) if unit})
    titles = {str(row["code"]): str(row["title_zh"]) for row in city.db.all(UNITS, (units,))}
    return {label: people[person] for label, person in plain.items() if person in people} | titles


def pdf_of(city: City, asker: Asker, number: str, names: Mapping[str, str]) -> bytes:
    """The file of record of a case as PDF, with its photos; `names` are those of people and units. Raises `NotFound`."""
    # Slow to import, and wanted now and then only.
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Spacer

    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    plain = ParagraphStyle("plain", fontName=FONT, fontSize=10, leading=15, wordWrap="CJK")
    head = ParagraphStyle("head", parent=plain, fontSize=13, leading=20, spaceBefore=8)
    record = record_of(city, asker, number)
    case = find_case(city, asker, number)
    story: list[Any] = [Paragraph(_plain(case.title), ParagraphStyle("title", parent=plain, fontSize=18, leading=26))]
    for line in _lines(record, names):
        story.append(Paragraph(_plain(line.removeprefix("# ")), head if line.startswith("# ") else plain))
    for one in files_in(city, case):
        picture = Image(io.BytesIO(content_of(city, case, one.id)[1]))
        shrink = min(1.0, 400 / picture.imageWidth, 300 / picture.imageHeight)
        picture.drawWidth, picture.drawHeight = picture.imageWidth * shrink, picture.imageHeight * shrink
        story += [Spacer(1, 8), picture, Paragraph(_plain(f"{one.name} · SHA-256 {one.digest}"), plain)]
    made = io.BytesIO()
    SimpleDocTemplate(made, pagesize=A4, title=f"{number} {case.title}", author="Sanqu").build(story)
    return made.getvalue()


def _plain(text: str) -> str:
    # The font knows no letters beyond the first plane of Unicode.
    return escape("".join(letter if ord(letter) < 0x10000 else "□" for letter in text))


def _lines(record: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    case = record["case"]

    def who(label: Any) -> str:
        return names.get(str(label)) or ("系统" if label == "system" else str(label or ""))

    lines = [
        f"编号 {case['number']} · 流程 {case['process']} v{case['version']} · 状态 {case['state']} {case['outcome']}",
        f"申请人 {who(case['applicant'])} · 机构 {who(case['unit'])}",
        f"开始 {_at(case['created'])} · 办结 {_at(case['closed'])} · 导出 {_at(record['exported'])}", "# 任务",
    ]  # fmt: skip
    for task in record["tasks"]:
        lines.append(f"{task['title']['zh']} · {who(task['unit'] or task['assignee'])} · {task['state']} · {who(task['done_by'])} {_at(task['done_at'])}")
        titles = {field["name"]: field["title"]["zh"] for field in task["form"]}
        lines += [f"　{titles.get(name, name)}：{value}" for name, value in (task["result"] or {}).items()]
    lines += ["# 经过"]
    lines += [f"{_at(step['at'])} · {STEPS.get(step['what'], step['what'])} {step['title']['zh']} · {who(step['actor'])}" for step in record["history"]]
    if record["comments"]:
        lines += ["# 留言", *(f"{_at(one['at'])} · {who(one['actor'])}：{one['text']}" for one in record["comments"])]
    if record["supervisions"]:
        lines += ["# 督办"]
        lines += [f"{_at(one['at'])} · {who(one['actor'])}：{one['demand']} → {one['answer']}" for one in record["supervisions"]]
    if record["files"]:
        lines += ["# 附件", *(f"{one['name']} · {_at(one['taken'])} · {_place(one)}" for one in record["files"])]
    return lines


def _place(one: Mapping[str, Any]) -> str:
    return f"{one['lon']:.5f}, {one['lat']:.5f}" if one["lon"] is not None and one["lat"] is not None else "—"


def _at(moment: Any) -> str:
    return f"{moment.astimezone(CITY_ZONE):%Y-%m-%d %H:%M}" if moment else "—"
