"""Decision tables as models say in SQL what they say in a case; what is missing is unknown; what contradicts itself is found with its rule."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sanqu.cases.dmn import decide, read_decisions
from sanqu.ground.errors import BadInput
from sanqu.lake.allowed import parse_query
from sanqu.scenes.checking import check_folder
from sanqu.scenes.deciding import read_model
from tests.scenes.conftest import Write

INPUTS = (("kind", "类别", "kind"), ("worth / staff", "人均", "per head"), ("worth", "产值", "worth"), ("since", "成立", "founded"), ("listed", "在库", "listed"))
RULES = {
    "R1": ('"a", "b"', "-", "[10..20]", "-", "-", "min([worth * 2, 30])"),
    "R2": ('not("a")', "> 1.5", "]10..40[", '>= date("2020-01-01")', "true", "5"),
    "R3": ("-", "<= 4", "< 30, > 50", '[date("2019-01-01")..date("2021-06-30")]', "-", "worth - staff"),
    "R4": ("null", "-", "not(0)", "-", "false", "0"),
    "R5": ("-", "-", "? * 2 > 60", "-", "-", "1 if kind == 'a' else 2"),
}


def dmn(rules: Mapping[str, tuple[str, ...]], *, policy: str = "COLLECT", inputs: tuple[tuple[str, str, str], ...] = INPUTS, domain: str = "", head: str = 'sanqu:source="firms" sanqu:key="firm"') -> str:
    def escape(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    heads = "".join(f'<input label="{zh}" sanqu:label-en="{en}"><inputExpression><text>{escape(sql)}</text></inputExpression>{f"<inputValues><text>{escape(domain)}</text></inputValues>" if domain and n == 0 else ""}</input>' for n, (sql, zh, en) in enumerate(inputs))
    rows = "".join(f'<rule id="{name}">' + "".join(f"<inputEntry><text>{escape(one)}</text></inputEntry>" for one in cells[:-1]) + f"<outputEntry><text>{escape(cells[-1])}</text></outputEntry></rule>" for name, cells in rules.items())
    return f'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" xmlns:sanqu="urn:sanqu:dmn"><decision id="d" name="表" {head}><decisionTable hitPolicy="{policy}">{heads}<output name="amount"/>{rows}</decisionTable></decision></definitions>'


def answers(xml: str, firms: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    sql = parse_query(read_model(xml, "t").sql).sql("duckdb")
    with duckdb.connect(":memory:") as duck:
        duck.execute("CREATE TABLE firms (firm INTEGER, kind VARCHAR, worth DOUBLE, staff DOUBLE, since DATE, listed BOOLEAN)")
        duck.execute("INSERT INTO firms SELECT UNNEST($1), UNNEST($2), UNNEST($3), UNNEST($4), UNNEST($5)::DATE, UNNEST($6)", [list(range(len(firms))), *([one[n] for one in firms] for n in range(5))])
        found = duck.execute(f"{sql} ORDER BY firm, rule")
        return [dict(zip([column[0] for column in found.description or ()], row, strict=True)) for row in found.fetchall()]


def test_a_table_says_in_sql_what_it_says_in_a_case() -> None:
    worths, days = (-1.0, 0.0, 9.5, 10.0, 20.0, 30.0, 30.5, 40.0, 50.5), ("2018-12-31", "2019-01-01", "2020-01-01", "2021-06-30", "2021-07-01")
    firms = list(itertools.product(("a", "b", "c", "it's"), worths, (1.0, 4.0, 20.0), days, (True, False)))
    xml = dmn(RULES)
    table = read_decisions(xml, "t")["d"]
    said: dict[int, list[Any]] = {n: [] for n in range(len(firms))}
    for row in answers(xml, firms):
        if row["hit"]:
            said[row["firm"]].append(row["amount"])
    for n, firm in enumerate(firms):
        told = decide(table, dict(zip(("kind", "worth", "staff", "since", "listed"), firm, strict=True)), "t")
        assert isinstance(told, list) and said[n] == [one["amount"] for one in told], firm


def test_what_is_missing_is_unknown_and_what_is_unmet_is_said() -> None:
    rows = {row["rule"]: row for row in answers(dmn(RULES), [(None, 15.0, None, "2020-05-05", True)])}
    assert [rows[name]["met"] for name in RULES] == [None, None, None, False, False]
    assert (rows["R1"]["unknown"], rows["R1"]["unsure"], rows["R1"]["unmet"], rows["R2"]["unknown_en"]) == ("类别", 1, 0, "kind, per head")
    assert rows["R5"]["missing"] == "产值 ? * 2 > 60（现为 15.0）" and rows["R4"]["missing_en"] == "listed must be no"
    assert [rows[name]["short"] for name in ("R4", "R5")] == [None, None]
    near = answers(dmn({"R1": ("-", "-", ">= 20", "-", "-", "1"), "R2": ("-", "-", "]1..10]", "-", "-", "1"), "R3": ('"a"', "-", ">= 20", "-", "-", "1")}), [("b", 15.0, None, None, None)])
    assert [row["short"] for row in near] == [0.25, 0.5, None]
    # Division by nothing is unknown, not endless and not an error.
    assert {row["met"] for row in answers(dmn({"R": ("-", "> 1", "-", "-", "-", "1")}), [("a", 5.0, 0.0, None, None)])} == {None}


def test_the_rules_in_words_are_a_model_over_nothing() -> None:
    xml = dmn({"R1": ('"a", "b"', "-", "[10..20]", "-", "true", "min([worth * 2, 30])"), "R2": ('not("a","b")', "<= 4", "]1..2], >= 30", '< date("2026-01-01")', "null", "5")}).replace("</rule>", "<annotationEntry><text>双倍</text></annotationEntry><annotationEntry><text>it's double</text></annotationEntry></rule>")
    with duckdb.connect(":memory:") as duck:
        said = duck.execute(parse_query(read_model(xml, "t").rules).sql("duckdb")).fetchall()
    assert said[0] == (1, "R1", "类别 a 或 b；产值 10 至 20；在库 须为“是”", "kind a or b; worth 10 to 20; listed must be yes", "双倍", "it's double", "min([worth * 2, 30])")
    assert said[1][2:4] == ("类别 不是 (a 或 b)；人均 ≤ 4；产值 > 1 且 ≤ 2 或 ≥ 30；成立 < 2026-01-01；在库 须为空", "kind not (a or b); per head ≤ 4; worth > 1 and ≤ 2 or ≥ 30; founded < 2026-01-01; listed must be empty")


def test_hit_policies_first_and_unique() -> None:
    rules = {"R1": ("-", "-", "> 10", "-", "-", "1"), "R2": ("-", "-", "> 5", "-", "-", "2"), "R3": ('"a"', "-", "> 20", "-", "-", "3")}
    firms = [("a", 30.0, 1.0, None, None), ("a", 7.0, 1.0, None, None), ("a", None, 1.0, None, None)]
    assert [[row["hit"] for row in answers(dmn(rules, policy="FIRST"), [one])] for one in firms] == [[True, False, False], [False, True, False], [None, None, None]]
    assert [[(row["hit"], row["hits"]) for row in answers(dmn(rules, policy="UNIQUE"), [one])] for one in firms[:2]] == [[(False, 3)] * 3, [(False, 1), (True, 1), (False, 1)]]


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (("-", "-", "[20..10]", "-", "-", "1"), "产值 [20..10]"),
        (("-", "-", "-", '[date("2026-12-31")..date("2026-01-01")]', "-", "1"), "成立"),
        (('"z"', "-", "-", "-", "-", "1"), "类别"),  # A word that the input never has
        (("-", "-", "-", '>= date("2026-02-30")', "-", "1"), "2026-02-30"),
        (("-", "-", "worth // 2", "-", "-", "1"), "worth // 2"),
        (("-", "-", "-", "-", "-", "pick(kind, 'a')"), "pick"),
    ],
)
def test_what_no_value_could_meet_is_refused_with_its_rule(cells: tuple[str, ...], what: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_model(dmn({"R1": ("-", "-", "-", "-", "-", "1"), "P7": cells}, domain='"a", "b", "c"'), "t")
    assert (refused.value.thing or "").endswith("P7") and what in refused.value.what.zh


def test_two_columns_of_one_input_may_contradict_each_other() -> None:
    twice = (("worth", "产值", "worth"), ("worth", "产值", "worth"))
    with pytest.raises(BadInput):
        read_model(dmn({"R1": (">= 20", "< 20", "1")}, inputs=twice), "t")
    assert read_model(dmn({"R1": (">= 20", "<= 20", "1")}, inputs=twice), "t").key == ()


@pytest.mark.parametrize("head", ["", 'sanqu:source="firms"', 'sanqu:source="fi rms" sanqu:key="firm"', 'sanqu:source="firms" sanqu:key="a; b"', 'sanqu:source="firms" sanqu:key="amount"'])
def test_a_table_without_source_or_key_is_refused(head: str) -> None:
    with pytest.raises(BadInput):
        read_model(dmn(RULES, head=head), "t")


def test_the_check_of_a_scene_names_file_and_line(write: Write) -> None:
    inputs = (("area", "面积", "area"),)
    head = 'sanqu:source="grove_orchards" sanqu:key="orchard" sanqu:refresh="table"'
    good, bad = dmn({"R1": (">= 20", "1")}, inputs=inputs, head=head), dmn({"R1": ("[3..1]", "1")}, inputs=inputs, head=head).replace("<rule", "\n<rule")
    assert check_folder(write({"models/kinds.dmn": good})) == []
    [problem] = check_folder(write({"models/kinds.dmn": bad}))
    assert (problem.file, problem.line) == ("models/kinds.dmn", 2) and "R1" in problem.what.en
    [strange] = check_folder(write({"models/kinds.dmn": dmn({"R1": ("-", "1")}, inputs=(("hectares", "a", "a"),), head=head)}))
    assert "hectares" in strange.what.en and Path(strange.file).name == "kinds.dmn"
