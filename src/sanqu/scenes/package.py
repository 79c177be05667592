"""Reads a scene (场景包): a folder of contracts, lines, models, indicators, rules, processes, pages, samples and tests.

Whatever is wrong with it is named with file and line, all of it at once; see docs/writing-a-scene.md for the layout.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanqu.ground.errors import BadInput, NotFound, SanquError
from sanqu.ground.i18n import Text
from sanqu.lake import Contract
from sanqu.scenes.deciding import read_model
from sanqu.scenes.versions import Range, Version, parse_range, parse_version

NAME = r"^[a-z][a-z0-9-]{1,39}$"
SPAN = r"^P(?:[0-9]+D)?(?:T(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)?$"
LARGEST = 4 * 1024**2
LINE_SAMPLES = "samples/lines"
# A wheel carries the scenes inside the package; a checkout has them at its root.
PLACES = (Path(__file__).parents[1] / "packs" / "scenes", Path(__file__).parents[3] / "scenes")
T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """What is wrong, in which file and line (0 where there is none)."""

    file: str
    line: int
    what: Text

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what.zh} {self.what.in_('en')}"


class About(BaseModel):
    """The file scene.toml: `needs` are other scenes by name with a range of versions; `answers` the systems of the plan it stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    version: str
    title: Text
    about: Text = Text(zh="")
    steward: str = ""
    licence: str = "Apache-2.0"
    sample: bool = False
    needs: dict[str, str] = Field(default_factory=dict)
    answers: tuple[str, ...] = ()


class Case(BaseModel):
    """Which case an alarm opens: the values in braces are those of the row. `data` is what the process sees.

    `enterprise` is the code of whom it is about: where somebody is on record as acting for it, the case is theirs as applicant, and
    the process sees `has_account`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    process: str = Field(pattern=NAME)
    title: Text
    unit: str
    enterprise: str = ""
    data: dict[str, str] = Field(default_factory=dict)


class Rule(BaseModel):
    """A rule (规则): `sql` gives the rows that break it, `key` says which of them are the same incident.

    `when` picks among the rows by what a column says: rules with the same query ask it once.
    `quiet` is how long an incident that was over may come again and still be the same one, `pace` how long at least lies between two
    looks, for what need not be known at once over data that never rest (ISO 8601 durations, at most days).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    title: Text
    sql: str
    when: dict[str, str] = Field(default_factory=dict)
    key: tuple[str, ...] = Field(min_length=1)
    message: Text
    severity: Literal["info", "warning", "serious", "critical"] = "warning"
    quiet: str = Field(default="PT0S", pattern=SPAN)
    pace: str = Field(default="PT0S", pattern=SPAN)
    source: Text = Text(zh="")
    case: Case | None = None


class Expectation(BaseModel):
    """One expectation of a test: a query's first value, or the alarms of a rule, cases of a process, an indicator, what a page says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=120)
    sql: str = ""
    rule: str = ""
    process: str = ""
    indicator: str = ""
    period: str = ""
    page: str = ""
    contains: tuple[str, ...] = ()
    value: float | str | bool | None = None
    within: float = 0.0
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Model:
    """A model (模型): a query over datasets and other models. `table`: kept as a table by `key`, and refreshed when a source moves."""

    name: str
    sql: str
    file: str
    title: Text = field(default_factory=Text)
    table: bool = False
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """A dataset that the package fills by itself: from the cases of some of its processes, or from its alarms."""

    processes: tuple[str, ...] = ()
    alarms: bool = False

    @property
    def key(self) -> str:
        """The item that is its key."""
        return "alarm" if self.alarms else "number"


@dataclass(frozen=True)
class Scene:
    """Everything a scene says; files are named from its folder."""

    folder: Path
    about: About
    version: Version
    needs: Mapping[str, Range]
    contracts: Mapping[str, Contract]
    kept: Mapping[str, Kept]
    lines: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Model]
    indicators: tuple[Mapping[str, Any], ...]
    rules: tuple[Rule, ...]
    processes: tuple[str, ...]
    pages: tuple[str, ...]
    samples: Mapping[str, str]
    # Rows that live lines of the scene are shown, by the name of the line.
    line_samples: Mapping[str, str]
    expectations: tuple[Expectation, ...]
    python: tuple[str, ...]
    # What words of its data are in English.
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name."""
        return self.about.name

    def read(self, file: str) -> str:
        """The text of one of its files."""
        return (self.folder / file).read_text("utf-8")


def find_scene(name: str) -> Path:
    """The folder of the scene called `name`, or at that path; raises `NotFound` naming those there are."""
    for folder in (Path(name), *(place / name for place in PLACES)):
        if (folder / "scene.toml").is_file():
            return folder.resolve()
    there = sorted({one.parent.name for place in PLACES for one in place.glob("*/scene.toml")})
    raise NotFound(
        "scenes.none", Text(zh="没有这个场景", en="There is no such scene"),
        Text(zh=f"可用：{'、'.join(there)}；或给出它的路径", en=f"There are: {', '.join(there)}; or give its path"), name,
    )  # fmt: skip


def open_scene(folder: Path) -> Scene:
    """The scene in a folder; raises `BadInput` naming the first thing that is wrong and how many more there are."""
    scene, problems = read_scene(folder)
    if scene is None or problems:
        raise broken(folder.name, problems)
    return scene


def broken(name: str, problems: list[Problem]) -> BadInput:
    """The error for a scene that has problems."""
    first, more = problems[0], len(problems) - 1
    return BadInput(
        "scenes.broken", Text(zh=f"{first.file} 第 {first.line} 行：{first.what.zh}" + (f"（另有 {more} 处）" if more else ""), en=f"{first.file}, line {first.line}: {first.what.in_('en')}" + (f" (and {more} more)" if more else "")),
        Text(zh=f"运行 sanqu scene check {name} 看全部", en=f"Run sanqu scene check {name} to see all"), name, facts={"problems": [str(one) for one in problems]},
    )  # fmt: skip


def read_scene(folder: Path) -> tuple[Scene | None, list[Problem]]:
    """A scene and everything that is wrong with its files, each by itself; None where scene.toml cannot be read."""
    reader = _Reader(folder)
    return reader.read(), reader.problems


class _Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self.kept: dict[str, Kept] = {}

    def read(self) -> Scene | None:
        said = self._toml("scene.toml", missing=True)
        about = self._model(About, said, "scene.toml") if said is not None else None
        if about is None:
            return None
        version = self._try("scene.toml", about.version, lambda: parse_version(about.version)) or Version(0, 0, 0)
        needs = {name: wanted for name, text in about.needs.items() if (wanted := self._try("scene.toml", text, lambda text=text: parse_range(text))) is not None}  # type: ignore[misc]
        contracts = self._contracts(about)
        return Scene(
            self.folder, about, version, needs, contracts, self.kept, self._lines(), self._models(), tuple(self._tables("indicators", "indicator")),
            tuple(self._each("rules", "rule", Rule)), self._files("processes", ".bpmn"), self._pages(), self._samples(contracts), self._line_samples(),
            tuple(self._each("tests", "expect", Expectation)), self._files("python", ".py"), self._words(),
        )  # fmt: skip

    def say(self, file: str, line: int, zh: str, en: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(file, line, Text(zh=zh, en=en)))

    def _try(self, file: str, text: str, work: Callable[[], Any]) -> Any:
        """What `work` gives; what it refuses is noted at the line that holds `text`."""
        try:
            return work()
        except SanquError as fault:
            self.say(file, self._line_of(file, text), fault.what.zh, fault.what.in_("en"))
            return None

    def _line_of(self, file: str, text: str, nth: int = 0) -> int:
        """The line of the `nth` place that holds `text`; 1 where there is none."""
        try:
            lines = (self.folder / file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return 1
        found = [number for number, line in enumerate(lines, 1) if text in line]
        return found[min(nth, len(found) - 1)] if found else 1

    def _text(self, file: str) -> str | None:
        path = self.folder / file
        try:
            if path.stat().st_size > LARGEST:
                self.say(file, 0, f"文件超过 {LARGEST // 1024**2} MB", f"The file is larger than {LARGEST // 1024**2} MB")
                return None
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            self.say(file, 0, f"文件读不出：{fault}", f"The file cannot be read: {fault}")
            return None

    def _toml(self, file: str, *, missing: bool = False) -> dict[str, Any] | None:
        if not (self.folder / file).is_file():
            if missing:
                self.say(file, 0, "没有这个文件", "There is no such file")
            return None
        text = self._text(file)
        if text is None:
            return None
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            place = re.search(r"line (\d+)", str(fault))
            self.say(file, int(place[1]) if place else 1, f"TOML 写法不对：{fault}", f"This is no TOML: {fault}")
            return None

    def _model(self, kind: type[T], said: Mapping[str, Any], file: str, nth: int = 0, table: str = "") -> T | None:
        try:
            return kind.model_validate(said)
        except ValidationError as fault:
            for one in fault.errors():
                where = ".".join(str(part) for part in one["loc"])
                key = next((str(part) for part in one["loc"] if isinstance(part, str)), table)
                line = self._line_of(file, f"{key} =", nth) if key and key in said else self._line_of(file, f"[[{table}]]", nth) if table else 1
                self.say(file, line, f"{where}：{one['msg']}", f"{where}: {one['msg']}")
            return None

    def _files(self, folder: str, *endings: str) -> tuple[str, ...]:
        found = sorted(one for one in (self.folder / folder).rglob("*") if one.is_file() and one.suffix in endings)
        return tuple(one.relative_to(self.folder).as_posix() for one in found)

    def _tables(self, folder: str, name: str) -> Iterator[Mapping[str, Any]]:
        for file in self._files(folder, ".toml"):
            said = self._toml(file)
            for one in (said or {}).get(name, []):
                if isinstance(one, dict):
                    yield one
            for strange in sorted(set(said or {}) - {name}):
                self.say(file, self._line_of(file, strange), f"这里只有 [[{name}]]，没有 {strange}", f"Only [[{name}]] stands here, no {strange}")

    def _each(self, folder: str, name: str, kind: type[T]) -> Iterator[T]:
        for file in self._files(folder, ".toml"):
            for nth, said in enumerate((self._toml(file) or {}).get(name, [])):
                found = self._model(kind, said, file, nth, name)
                if found is not None:
                    yield found

    def _contracts(self, about: About) -> dict[str, Contract]:
        file = "datapackage.json"
        text = self._text(file) if (self.folder / file).is_file() else None
        if text is None:
            return {}
        try:
            said = json.loads(text)
        except ValueError as fault:
            self.say(file, getattr(fault, "lineno", 1), f"JSON 写法不对：{fault}", f"This is no JSON: {fault}")
            return {}
        found: dict[str, Contract] = {}
        for one in said.get("resources", []) if isinstance(said, dict) else []:
            name = str(one.get("name", "?")) if isinstance(one, dict) else "?"
            contract = self._try(file, f'"{name}"', lambda one=one: contract_of(one, about))  # type: ignore[misc]
            if name in found:
                self.say(file, self._line_of(file, f'"{name}"', 1), f"{name} 写了两次", f"{name} stands twice")
            if contract is not None:
                found[name] = contract
                self._note_kept(name, dict(one.get("sanqu") or {}), contract)
        return found

    def _note_kept(self, name: str, law: Mapping[str, Any], contract: Contract) -> None:
        """Note that a dataset is filled from cases or alarms, where its law says so."""
        if not law.get("cases") and not law.get("alarms"):
            return
        kept = Kept(tuple(str(one) for one in law.get("cases") or ()), bool(law.get("alarms")))
        if contract.primaryKey != (kept.key,) or (kept.alarms and kept.processes):
            self.say("datapackage.json", self._line_of("datapackage.json", f'"{name}"'), f"{name} 由程序填写，主键应是 {kept.key}", f"{name} is filled by the package: its key is {kept.key}")
        self.kept[name] = kept

    def _lines(self) -> dict[str, Mapping[str, Any]]:
        """The lines; one that is `like` another has what it does not say itself from there."""
        found = {Path(file).stem: said for file in self._files("lines", ".toml") if (said := self._toml(file)) is not None}
        for name, said in found.items():
            if (other := said.pop("like", None)) is None:
                continue
            if other not in found or other == name:
                self.say(f"lines/{name}.toml", self._line_of(f"lines/{name}.toml", "like"), f"没有专线 {other}", f"There is no line {other}")
                continue
            found[name] = {**{key: value for key, value in found[other].items() if key != "like"}, **said}
        return dict(found)

    def _models(self) -> dict[str, Model]:
        found: dict[str, Model] = {}
        for file in self._files("models", ".sql", ".dmn"):
            text = self._text(file)
            for model in () if text is None else self._one_table(file, text) if file.endswith(".dmn") else self._one_model(file, text):
                if model.name in found:
                    self.say(file, 0, f"模型 {model.name} 写了两次", f"The model {model.name} stands twice")
                found.setdefault(model.name, model)
        return found

    def _one_table(self, file: str, text: str) -> tuple[Model, ...]:
        """A decision table as a model, and its rules in words as another; see `deciding`."""
        if not self._is_named(file):
            return ()
        try:
            decided = read_model(text, file)
        except SanquError as fault:
            rule = (fault.thing or "").rpartition(": ")[2]
            self.say(file, self._line_of(file, f'id="{rule}"'), fault.what.zh, fault.what.in_("en"))
            return ()
        name, title = Path(file).stem, decided.title
        told = Text(zh=f"{title.zh}：规则", en=f"{title.in_('en')}: rules")
        return Model(name, decided.sql, file, title, decided.table, decided.key), Model(f"{name}_rules", decided.rules, file, told)

    def _is_named(self, file: str) -> bool:
        fits = re.fullmatch(r"[a-z][a-z0-9_]{0,59}", Path(file).stem) is not None
        if not fits:
            self.say(file, 0, "模型的文件名用小写字母、数字和 _", "The name of a model has lower-case letters, digits and _")
        return fits

    def _one_model(self, file: str, text: str) -> tuple[Model, ...]:
        """A model; comments at its head say `title.zh`, `title.en`, `refresh: table`, `key: a, b`."""
        name = Path(file).stem
        if not self._is_named(file):
            return ()
        said: dict[str, str] = {}
        for line in text.splitlines():
            if not (head := re.match(r"--\s*([a-z.]+)\s*[:：]\s*(.*)", line)):
                break
            said[head[1]] = head[2].strip()
        table = said.get("refresh", "view") == "table"
        key = tuple(one.strip() for one in said.get("key", "").split(",") if one.strip())
        if table and not key:
            self.say(file, 1, "物化的模型要写主键：-- key: …", "A model that is kept as a table needs its key: -- key: …")
        return (Model(name, text, file, Text(zh=said.get("title.zh", ""), en=said.get("title.en", "")), table, key),)

    def _words(self) -> dict[str, str]:
        said = self._toml("words.toml") or {}
        for word, english in said.items():
            if not isinstance(english, str) or not english.strip():
                self.say("words.toml", self._line_of("words.toml", f'"{word}"'), f"“{word[:40]}”的英文要写成文本", f"The English of “{word[:40]}” is a text")
        return {word: english for word, english in said.items() if isinstance(english, str) and english.strip()}

    def _pages(self) -> tuple[str, ...]:
        return tuple(file for file in self._files("pages", ".md"))

    def _samples(self, contracts: Mapping[str, Contract]) -> dict[str, str]:
        found: dict[str, str] = {}
        for file in self._files("samples", ".csv", ".sql", ".parquet"):
            name = Path(file).stem
            if file.startswith(LINE_SAMPLES):
                continue
            if name not in contracts:
                self.say(file, 0, f"没有数据集 {name}", f"There is no dataset {name}")
            found[name] = file
        return found

    def _line_samples(self) -> dict[str, str]:
        return {Path(file).stem: file for file in self._files(LINE_SAMPLES, ".csv", ".sql", ".parquet")}


def contract_of(resource: Mapping[str, Any], about: About) -> Contract:
    """The contract of a resource of datapackage.json (Frictionless Data Package; the city's law stands under `sanqu`).

    Raises `BadInput` naming what does not fit.
    """
    schema = resource.get("schema") or {}
    law = {key: value for key, value in dict(resource.get("sanqu") or {}).items() if key not in ("cases", "alarms")}
    descriptor: dict[str, Any] = {"name": resource.get("name", "?"), "title": resource.get("title", ""), "steward": about.steward or "scene", "sample": about.sample}
    if "description" in resource:
        descriptor["description"] = resource["description"]
    descriptor |= {key: schema[key] for key in ("fields", "missingValues") if key in schema}
    if "primaryKey" in schema:
        key = schema["primaryKey"]
        descriptor["primaryKey"] = [key] if isinstance(key, str) else key
    return Contract.from_descriptor(descriptor | law)
