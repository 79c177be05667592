"""A line as people read and change it: a descriptor or a TOML text without its secrets, and back to what it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha1
from typing import Any

from sanqu.lines.records import Line

PASSWORD = re.compile(r"(://[^:/@]*:)[^@]*@")
BARE = re.compile(r"[A-Za-z0-9_-]+")


def shown(line: Line) -> dict[str, Any]:
    """The line as JSON, with *** for its password and for what its headers say."""
    said = line.descriptor()
    source = said.get("source", {})
    if source.get("url"):
        source["url"] = PASSWORD.sub(r"\1***@", source["url"])
    if source.get("headers"):
        source["headers"] = dict.fromkeys(source["headers"], "***")
    return said


def with_secrets(line: Line, kept: Line | None) -> Line:
    """A password or header shown as *** stays what it was, as long as the source stays where it was."""
    if kept is None:
        return line
    source, old = line.source, kept.source
    if "***" in source.url and PASSWORD.sub(r"\1***@", old.url) == source.url:
        source = source.model_copy(update={"url": old.url})
    same_place = source.url == old.url
    headers = {name: old.headers.get(name, "") if said == "***" and same_place else said for name, said in source.headers.items()}
    return line.model_copy(update={"source": source.model_copy(update={"headers": headers})})


def mark_of(line: Line) -> str:
    """A short mark of the line as it stands: whoever changes it says which they saw."""
    return sha1(json.dumps(line.descriptor(), sort_keys=True).encode(), usedforsecurity=False).hexdigest()[:16]


def as_toml(line: Line) -> str:
    """The line as TOML, with *** for its secrets; `Line.from_toml` reads it back."""
    return "\n".join(_document(shown(line))) + "\n"


def _document(said: Mapping[str, Any]) -> Iterator[str]:
    steps = said.get("steps", [])
    for key, value in said.items():
        if key not in ("source", "steps"):
            yield f"{_key(key)} = {_value(value)}"
    yield from ("", "[source]", *(f"{_key(key)} = {_value(value)}" for key, value in said["source"].items()))
    for step in steps:
        yield from ("", "[[steps]]", *(f"{_key(key)} = {_value(value)}" for key, value in step.items()))


def _key(name: str) -> str:
    return name if BARE.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _lines(value) if _is_written_in_lines(value) else _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        whole = any(isinstance(one, Mapping) for one in value)
        return "[\n    " + ",\n    ".join(map(_value, value)) + ",\n]" if whole else "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_written_in_lines(value: str) -> bool:
    """SQL over several lines is shown as it was written."""
    quiet = all(one in "\n\t" or (one.isprintable() and one != "\x7f") for one in value)
    return "\n" in value and quiet and "'''" not in value and not value.endswith("'")


def _lines(value: str) -> str:
    return f"'''\n{value}'''"
