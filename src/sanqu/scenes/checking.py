"""Checks a scene before anybody installs it (场景检查): every broken thing with file and line, by the engine itself over empty tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import duckdb

from sanqu.cases.bpmn import read_process
from sanqu.ground.errors import SanquError
from sanqu.ground.i18n import Text
from sanqu.indicators.keeping import read_indicator
from sanqu.lake import Contract, quote_ident
from sanqu.lake.allowed import parse_query
from sanqu.lake.engine import engine_alone
from sanqu.lines.records import Line
from sanqu.scenes.models import alias_of, in_order
from sanqu.scenes.package import Problem, Scene, find_scene, read_scene
from sanqu.scenes.rules import places_in
from sanqu.scenes.samples import ordered_samples, sample_query
from sanqu.scenes.writing.checking import problems
from sanqu.scenes.writing.reading import read_page

PARAMETER = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
PLACED = re.compile(r"LINE (\d+):")


def check_folder(folder: Path) -> list[Problem]:
    """Everything that is wrong with the scene in a folder; empty when it may be installed."""
    scene, problems = read_scene(folder)
    return problems if scene is None else [*problems, *check_scene(scene)]


def check_scene(scene: Scene) -> list[Problem]:
    """Everything that is wrong with a scene whose files could be read."""
    checker = _Checker(scene)
    checker.check()
    return checker.problems


class _Checker:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.problems: list[Problem] = []
        # Tables as the scene sees them, without a row: what the engine says of a query here it says of it anywhere.
        self.duck = engine_alone(threads=1)

    def check(self) -> None:
        """Look at every part."""
        self._translations()
        self._tables(self.scene.contracts)
        self._kept()
        self._needed()
        self._models()
        self._rules()
        self._lines()
        self._indicators()
        self._processes()
        self._samples()
        self._pages()
        self._tests()
        self.duck.close()

    def say(self, file: str, line: int, zh: str, en: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(file, line, Text(zh=zh, en=en)))

    def _said(self, file: str, line: int, fault: SanquError) -> None:
        self.say(file, line, fault.what.zh, fault.what.in_("en"))

    def line_of(self, file: str, text: str) -> int:
        """The first line of a file that holds `text`; 1 where none does."""
        try:
            lines = self.scene.read(file).splitlines()
        except (OSError, UnicodeDecodeError):
            return 1
        return next((number for number, line in enumerate(lines, 1) if text in line), 1)

    def file_of(self, folder: str, text: str) -> str:
        """The file of a folder that holds `text`."""
        files = sorted((self.scene.folder / folder).rglob("*"))
        return next((one.relative_to(self.scene.folder).as_posix() for one in files if one.is_file() and one.suffix == ".toml" and text in one.read_text("utf-8")), folder)

    def _translations(self) -> None:
        titles: list[tuple[str, str, Text]] = [("scene.toml", "title", self.scene.about.title)]
        titles += [("datapackage.json", f'"{name}"', contract.title) for name, contract in self.scene.contracts.items()]
        titles += [("datapackage.json", f'"{item.name}"', item.title) for contract in self.scene.contracts.values() for item in contract.fields]
        titles += [(self.file_of("rules", f'"{rule.name}"'), f'"{rule.name}"', text) for rule in self.scene.rules for text in (rule.title, rule.message, *([rule.case.title] if rule.case else []))]
        for file, text, title in titles:
            if not title.zh or not title.en:
                self.say(file, self.line_of(file, text), f"{text} 缺一种语言的文字", f"{text} lacks its words in one language")

    def _tables(self, contracts: Mapping[str, Contract]) -> None:
        for name, contract in contracts.items():
            columns = ", ".join(f"{quote_ident(item.name)} {item.lake_type}" for item in contract.fields)
            for one in dict.fromkeys((name, alias_of(name))):
                self.duck.execute(f"CREATE OR REPLACE TABLE {quote_ident(one)} ({columns})")

    def _kept(self) -> None:
        """Datasets that are filled from cases name processes of the scene."""
        processes = {Path(file).stem for file in self.scene.processes}
        for name, kept in self.scene.kept.items():
            for strange in sorted(set(kept.processes) - processes):
                self.say("datapackage.json", self.line_of("datapackage.json", f'"{strange}"'), f"{name}：没有流程 {strange}", f"{name}: there is no process {strange}")

    def _needed(self) -> None:
        """Scenes that this one needs and that lie beside it lend their datasets and models."""
        for name in self.scene.needs:
            try:
                other, problems = read_scene(find_scene(name) if not (self.scene.folder.parent / name).is_dir() else self.scene.folder.parent / name)
            except SanquError:
                continue
            if other is not None and not problems:
                self._tables({one: contract for one, contract in other.contracts.items() if one not in self.scene.contracts})

    def query(self, sql: str, file: str, start: int, thing: str = "", *, listed: bool = True) -> list[str]:
        """The columns that a query gives; what the door's list or the engine says against it is noted. `start` is its first line in the file."""
        try:
            parse_query(sql) if listed else sample_query(sql, file)
        except SanquError as fault:
            self._said(file, start + _line_in(fault.what.en) - 1, fault)
            return []
        params = dict.fromkeys(dict.fromkeys(PARAMETER.findall(sql)))
        try:
            described = self.duck.execute(f"DESCRIBE {sql}", params) if params else self.duck.execute(f"DESCRIBE {sql}")
            return [str(row[0]) for row in described.fetchall()]
        except duckdb.Error as fault:
            said = str(fault).split("\n")[0][:300]
            self.say(file, start + _line_in(str(fault)) - 1, f"{thing or 'SQL'} 跑不了：{said}", f"{thing or 'The SQL'} cannot run: {said}")
            return []

    def _models(self) -> None:
        try:
            ordered = in_order(self.scene.models)
        except SanquError as fault:
            self._said(self.scene.models[fault.thing].file if fault.thing in self.scene.models else fault.thing or "models", 1, fault)
            return
        for model in ordered:
            columns = self.query(model.sql, model.file, 1)
            if columns:
                self.duck.execute(f"CREATE OR REPLACE VIEW {quote_ident(model.name)} AS {model.sql}")
            if model.table and columns and not set(model.key) <= set(columns):
                self.say(model.file, self.line_of(model.file, "key:"), f"主键里的列不在结果里：{'、'.join(sorted(set(model.key) - set(columns)))}", f"The key names columns that the query does not give: {', '.join(sorted(set(model.key) - set(columns)))}")

    def _rules(self) -> None:
        processes = {Path(file).stem for file in self.scene.processes}
        seen: set[str] = set()
        for rule in self.scene.rules:
            file = self.file_of("rules", f'"{rule.name}"')
            at = self.line_of(file, f'"{rule.name}"')
            if rule.name in seen:
                self.say(file, at, f"规则 {rule.name} 写了两次", f"The rule {rule.name} stands twice")
            seen.add(rule.name)
            columns = set(self.query(rule.sql, file, self.line_of(file, rule.sql.strip().splitlines()[0]), rule.name))
            named = set(rule.key) | set(rule.when) | places_in(rule.message.zh) | places_in(rule.message.en)
            if rule.case is not None:
                named |= places_in(rule.case.title.zh) | places_in(rule.case.title.en) | places_in(rule.case.unit) | places_in(rule.case.enterprise) | {one for text in rule.case.data.values() for one in places_in(text)}
                if rule.case.process not in processes:
                    self.say(file, self.line_of(file, f'"{rule.case.process}"'), f"没有流程 {rule.case.process}", f"There is no process {rule.case.process}")
            if columns and (missing := sorted(named - columns)):
                self.say(file, at, f"规则 {rule.name} 用到查询没有给的列：{'、'.join(missing)}", f"The rule {rule.name} names columns that its query does not give: {', '.join(missing)}")

    def _lines(self) -> None:
        for stem, said in self.scene.lines.items():
            file = f"lines/{stem}.toml"
            try:
                line = Line.from_descriptor({"name": f"{self.scene.name}-{stem}", **said})
                self._steps(line)
            except SanquError as fault:
                self._said(file, 1, fault)
                continue
            for name in line.datasets:
                if name not in self.scene.contracts:
                    self.say(file, self.line_of(file, name), f"没有数据集 {name}", f"There is no dataset {name}")

    @staticmethod
    def _steps(line: Line) -> None:
        """Raise `BadInput` for steps that cannot be run."""
        if line.steps:
            # What reads steps is large, and few scenes have any.
            from sanqu.lines.live.steps import check_steps

            check_steps(line)

    def _indicators(self) -> None:
        for said in self.scene.indicators:
            code = str(said.get("code", ""))
            file = self.file_of("indicators", f'"{code}"')
            try:
                indicator = read_indicator(said)
            except SanquError as fault:
                self._said(file, self.line_of(file, f'"{code}"'), fault)
                continue
            for sql in [way.sql for way in indicator.ways if way.sql] + ([indicator.targets] if indicator.targets else []):
                columns = self.query(sql, file, self.line_of(file, sql.strip().splitlines()[0][:60]), code)
                if columns and (missing := sorted({"period", "value"} - set(columns))):
                    self.say(file, self.line_of(file, f'"{code}"'), f"指标 {code} 的查询没有给 {'、'.join(missing)}", f"The query of {code} does not give {', '.join(missing)}")

    def _processes(self) -> None:
        folder = self.scene.folder / "processes"
        beside = {one.name: one.read_text("utf-8") for one in sorted(folder.glob("*")) if one.suffix in (".dmn", ".json")} if folder.is_dir() else {}
        for file in self.scene.processes:
            try:
                read_process(self.scene.read(file), Path(file).stem, beside)
            except SanquError as fault:
                element = (fault.thing or "").rpartition(":")[2].strip() if fault.thing else ""
                self._said(file, self.line_of(file, f'id="{element}"') if element else 1, fault)
            except (OSError, UnicodeDecodeError) as fault:
                self.say(file, 0, f"文件读不出：{fault}", f"The file cannot be read: {fault}")

    def _samples(self) -> None:
        try:
            ordered_samples(self.scene)
        except SanquError as fault:
            self._said(fault.thing or "samples", 1, fault)
        for name, file in self.scene.samples.items():
            if name not in self.scene.contracts:
                continue
            columns = self._sample_columns(file)
            contract = self.scene.contracts[name]
            if columns is None:
                continue
            needed = {item.name for item in contract.fields if item.constraints.required} | set(contract.primaryKey)
            if strange := sorted(set(columns) - set(contract.names)):
                self.say(file, 1, f"样例的列不在数据契约里：{'、'.join(strange)}", f"The sample has columns that the contract has not: {', '.join(strange)}")
            if missing := sorted(needed - set(columns)):
                self.say(file, 1, f"样例缺少必填的列：{'、'.join(missing)}", f"The sample lacks columns that are needed: {', '.join(missing)}")

        for stem, file in self.scene.line_samples.items():
            if stem not in self.scene.lines:
                self.say(file, 0, f"没有专线 {stem}", f"There is no line {stem}")
            else:
                self._sample_columns(file)

    def _sample_columns(self, file: str) -> list[str] | None:
        if file.endswith(".sql"):
            return self.query(self.scene.read(file), file, 1, listed=False) or None
        if file.endswith(".csv"):
            with (self.scene.folder / file).open(encoding="utf-8-sig", newline="") as opened:
                return next(csv.reader(opened), [])
        return [str(row[0]) for row in self.duck.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(self.scene.folder / file)]).fetchall()]

    def _pages(self) -> None:
        for file in self.scene.pages:
            page = read_page(self.scene.read(file), Path(file).stem)
            # What a query gives, without saying twice what is wrong with it: that is said at its own line.
            given = {name: self.query(query.sql, file, query.line + 1, name) for name, query in page.queries.items()}
            columns = {query.sql: given[name] or None for name, query in page.queries.items()}
            for fault in problems(page, columns.get):
                self.say(file, fault.line, fault.what.zh, fault.what.in_("en"))

    def _tests(self) -> None:
        rules, processes = {rule.name for rule in self.scene.rules}, {Path(file).stem for file in self.scene.processes}
        codes, pages = {str(said.get("code")) for said in self.scene.indicators}, {Path(file).stem for file in self.scene.pages}
        for one in self.scene.expectations:
            file = self.file_of("tests", f'"{one.name}"')
            at = self.line_of(file, f'"{one.name}"')
            if one.sql:
                self.query(one.sql, file, self.line_of(file, one.sql.strip().splitlines()[0][:60]), one.name)
            for kind, value, known in (("规则 rule", one.rule, rules), ("流程 process", one.process, processes), ("指标 indicator", one.indicator, codes), ("页面 page", one.page, pages)):
                if value and value not in known:
                    self.say(file, at, f"没有{kind.split()[0]} {value}", f"There is no {kind.split()[1]} {value}")
            if not any((one.sql, one.rule, one.process, one.indicator, one.page)):
                self.say(file, at, f"“{one.name}”什么也没有看", f"“{one.name}” looks at nothing")


def _line_in(said: str) -> int:
    """The line that an error of the engine or the parser names; 1 where it names none."""
    found = PLACED.search(said) or re.search(r"[Ll]ine (\d+)", said)
    return int(found[1]) if found else 1
