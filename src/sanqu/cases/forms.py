"""The form (表单) of a task: its fields, and the check of what was filled in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic import Field as Given

from sanqu.cases.conditions import holds
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

TRUE = frozenset({True, "true", "on", "1", "yes", "是"})
FALSE = frozenset({False, "false", "off", "0", "no", "否"})
LARGEST = 1e15


class Option(BaseModel):
    """One of the answers to a choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str = Given(min_length=1, max_length=100)
    title: Text = Text()


class Field(BaseModel):
    """One field. `when` is a condition over the case's data and the other fields: unmet, what was filled in is let go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Given(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    type: Literal["text", "long", "choice", "number", "date", "boolean", "object"] = "text"
    title: Text = Text()
    about: Text = Text()
    required: bool = False
    when: str = ""
    # For a choice; `"legal"` stands for the legal grounds that the task lists, `"from:names"` for those in the case's data.
    options: tuple[Option, ...] | Literal["legal"] | Annotated[str, Given(pattern=r"^from:[a-z_]{1,60}$")] = ()
    most: int = Given(default=2000, ge=1, le=20_000)


Fields = TypeAdapter(tuple[Field, ...])


def read_form(text: str, thing: str) -> tuple[Field, ...]:
    """The fields of a form: a JSON list of them, or a JSON Schema of an object; raises `BadInput` naming `thing`.

    Of JSON Schema (draft 2020-12) the room knows `properties` of the types string, number, integer, boolean and object with
    `title`, `description`, `enum`, `format: date`, `maxLength`, and `required`; `x-title-en` is the English title, `x-when` a
    condition.
    """
    try:
        said = json.loads(text)
        return Fields.validate_python(_of_schema(said) if isinstance(said, dict) else said)
    except (json.JSONDecodeError, ValidationError, RecursionError, TypeError, AttributeError) as fault:
        first = str(fault.errors()[0]["msg"]) if isinstance(fault, ValidationError) else str(fault)
        raise BadInput(
            "cases.process",
            Text(zh=f"流程不能运行：表单不合规：{first}", en=f"The process cannot run: has a form that does not fit: {first}"),
            Text(zh="改正属性 form", en="Mend the property form"),
            thing,
        ) from fault


def _of_schema(schema: dict[str, Any]) -> list[dict[str, Any]]:
    needed = schema.get("required") or []
    return [_of_property(name, said, name in needed) for name, said in (schema.get("properties") or {}).items()]


def _of_property(name: str, said: dict[str, Any], required: bool) -> dict[str, Any]:
    field: dict[str, Any] = {
        "name": name, "required": required, "when": said.get("x-when", ""),
        "title": {"zh": said.get("title", name), "en": said.get("x-title-en", "")},
        "about": {"zh": said.get("description", ""), "en": said.get("x-description-en", "")},
        "type": {"number": "number", "integer": "number", "boolean": "boolean", "object": "object"}.get(str(said.get("type")), "text"),
    }  # fmt: skip
    if said.get("enum"):
        field |= {"type": "choice", "options": [{"value": str(one)} for one in said["enum"]]}
    elif said.get("format") == "date":
        field["type"] = "date"
    elif said.get("maxLength", 0) > 200:
        field["type"] = "long"
    return field | ({"most": said["maxLength"]} if "maxLength" in said else {})


class Unfit(Exception):
    """A value that does not fit its field, with what would."""

    def __init__(self, zh: str, en: str) -> None:
        self.said = Text(zh=zh, en=en)
        super().__init__(en)


# What each type of field is in JSON Schema.
JSON_TYPES = {"number": "number", "boolean": "boolean", "object": "object"}


def form_schema(fields: Sequence[Field]) -> dict[str, Any]:
    """A form as JSON Schema, for programs that fill it in."""
    return {
        "type": "object", "additionalProperties": False, "properties": {field.name: _schema_of(field) for field in fields},
        "required": [field.name for field in fields if field.required and not field.when],
    }  # fmt: skip


def _schema_of(field: Field) -> dict[str, Any]:
    said: dict[str, Any] = {"type": JSON_TYPES.get(field.type, "string"), "title": field.title.zh, "x-title-en": field.title.en}
    if field.about.zh or field.about.en:
        said |= {"description": field.about.zh, "x-description-en": field.about.en}
    if field.type == "choice":
        said["enum"] = [option.value for option in options_of(field)]
    if field.type == "date":
        said["format"] = "date"
    if field.type in ("text", "long"):
        said["maxLength"] = field.most
    if field.when:
        said["x-when"] = field.when
    return said


def in_words(fields: Sequence[Field], result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was filled in, as people read it: the title of each field, and what was said or chosen, in both languages."""
    found = []
    for field in fields:
        value = result.get(field.name)
        if value in (None, ""):
            continue
        chosen = next((option.title for option in field.options if isinstance(option, Option) and option.value == value), Text())
        answered = Text(zh="是", en="yes") if value is True else Text(zh="否", en="no") if value is False else Text(zh=str(value))
        found.append({"title": (field.title if field.title.zh else Text(zh=field.name)).model_dump(), "value": (chosen if chosen.zh else answered).model_dump()})
    return found


def check_result(fields: Sequence[Field], given: Mapping[str, Any], data: Mapping[str, Any], thing: str) -> dict[str, Any]:
    """What was filled in, in the types of the fields; dates as ISO text, what was left empty left out.

    Raises `BadInput` with what is wrong at each field in `facts["fields"]`.
    """
    faults: dict[str, Text] = {
        name: Text(zh="没有这一项", en="there is no such field") for name in given.keys() - {f.name for f in fields}
    }
    values: dict[str, Any] = {}
    for field in fields:
        try:
            value = _value(field, given.get(field.name))
        except Unfit as fault:
            faults[field.name] = fault.said
            continue
        if value is not None:
            values[field.name] = value
    applying = {f.name for f in fields if not f.when or holds(f.when, {**data, **values}, thing)}
    for field in fields:
        if field.name not in applying:
            values.pop(field.name, None)
            faults.pop(field.name, None)
        elif field.required and field.name not in values and field.name not in faults:
            faults[field.name] = Text(zh="必填", en="is needed")
    if faults:
        raise _unfit(fields, faults, thing)
    return values


def _unfit(fields: Sequence[Field], faults: Mapping[str, Text], thing: str) -> BadInput:
    titles = {field.name: field.title for field in fields}
    said = [(titles.get(name, Text(zh=name[:80], en=name[:80])), fault) for name, fault in faults.items()]
    return BadInput(
        "cases.form",
        Text(
            zh="填写有误：" + "；".join(f"{title.zh}：{fault.zh}" for title, fault in said),
            en="The form does not fit: " + "; ".join(f"{title.in_('en')}: {fault.en}" for title, fault in said),
        ),
        Text(zh="改正后再提交", en="Mend it and send it again"),
        thing,
        facts={"fields": {name[:80]: fault.model_dump() for name, fault in faults.items()}},
    )


def _value(field: Field, given: Any) -> Any:
    if isinstance(given, str):
        given = given.strip()
    if given is None or given == "":
        return None
    match field.type:
        case "boolean":
            return _boolean(given)
        case "number":
            return _number(given)
        case "date":
            return _date(given)
        case "choice":
            return _choice(field, given)
        case "object":
            return _object(field, given)
    return _text(field, given)


def _boolean(given: Any) -> bool:
    if isinstance(given, str | bool | int) and given in TRUE:
        return True
    if isinstance(given, str | bool | int) and given in FALSE:
        return False
    raise Unfit("应是 是 或 否", "must be yes or no")


def _number(given: Any) -> int | float:
    if isinstance(given, int | float) and not isinstance(given, bool):
        number = float(given)
    elif isinstance(given, str) and len(given) <= 40:
        try:
            number = float(given)
        except ValueError as fault:
            raise Unfit("应是数", "must be a number") from fault
    else:
        raise Unfit("应是数", "must be a number")
    if not math.isfinite(number) or abs(number) > LARGEST:
        raise Unfit("数太大", "is too large a number")
    return int(number) if number.is_integer() else number


def _date(given: Any) -> str:
    try:
        return date.fromisoformat(given).isoformat()
    except (TypeError, ValueError) as fault:
        raise Unfit("应是日期，如 2026-10-09", "must be a date, such as 2026-10-09") from fault


def _choice(field: Field, given: Any) -> str:
    known = [option.value for option in options_of(field)]
    if given not in known:
        raise Unfit(f"应是 {'、'.join(known)} 之一", f"must be one of {', '.join(known)}")
    return str(given)


def options_of(field: Field) -> tuple[Option, ...]:
    """The answers to a choice, once it is known which they are."""
    return field.options if isinstance(field.options, tuple) else ()


def with_options(field: Field, data: Mapping[str, Any]) -> Field:
    """The field with the answers that the case's data list, where the process says `from:`; texts or `{value, title}`."""
    if not isinstance(field.options, str) or not field.options.startswith("from:"):
        return field
    listed = data.get(field.options.removeprefix("from:"))
    found = [Option(value=one) if isinstance(one, str) else Option.model_validate(one) for one in listed or ()]
    return field.model_copy(update={"options": tuple(found)})


def _object(field: Field, given: Any) -> dict[str, Any]:
    if isinstance(given, str) and len(given) <= field.most:
        try:
            given = json.loads(given)
        except (json.JSONDecodeError, RecursionError) as fault:
            raise Unfit("应是 JSON 对象", "must be a JSON object") from fault
    if not isinstance(given, dict) or len(json.dumps(given, default=str)) > field.most:
        raise Unfit(f"应是 JSON 对象，至多 {field.most} 个字符", f"must be a JSON object of at most {field.most} characters")
    return given


def _text(field: Field, given: Any) -> str:
    if not isinstance(given, str) or "\0" in given:
        raise Unfit("应是文字", "must be text")
    if len(given) > field.most:
        raise Unfit(f"至多 {field.most} 个字符", f"has at most {field.most} characters")
    return given
