"""The pack agrees with itself: units, subjects, contracts, lines, charts."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from sanqu.catalog.vocabularies import THEMES
from sanqu.ground.i18n import Text
from sanqu.ground.packs import CityPack
from sanqu.lake.contracts import Contract
from sanqu.lines.records import Line
from sanqu.samples import GENERATORS
from sanqu.web.charts import HomeChart

HAN = re.compile("[\u4e00-\u9fff]")


def both(text: Text) -> bool:
    """Whether it is said in Chinese and in English."""
    return bool(text.zh.strip()) and bool(text.en.strip())


def test_every_contract_loads_and_is_titled_in_both_languages(pack: CityPack, contracts: dict[str, Contract]) -> None:
    assert len(contracts) == len(pack.contracts) == 33
    for contract in contracts.values():
        assert both(contract.title) and both(contract.description), contract.name
        assert contract.source and contract.tags and contract.primaryKey, contract.name
        for item in contract.fields:
            assert both(item.title), f"{contract.name}.{item.name}"
            assert not HAN.search(item.title.en) or "(Chinese)" in item.title.en, f"{contract.name}.{item.name}"


def test_files_are_named_after_their_datasets(pack: CityPack, contracts: dict[str, Contract]) -> None:
    assert {file.stem for file in (pack.folder / "datasets").glob("*.toml")} == set(contracts)


def test_every_steward_is_a_unit(pack: CityPack, contracts: dict[str, Contract]) -> None:
    units = {unit.code for unit in pack.units}
    assert {contract.steward for contract in contracts.values()} <= units


def test_every_unit_hangs_on_another_and_is_titled(built_pack: CityPack) -> None:
    units = {unit.code: unit for unit in built_pack.units}
    for unit in units.values():
        assert unit.parent in units or unit.code == "3308", unit.code
        if "-" in unit.code:
            assert both(unit.title) and both(unit.about), unit.code
            assert unit.code.split("-")[0] == unit.parent


def test_units_hold_every_body_that_the_plan_makes_responsible(pack: CityPack, rows_of) -> None:
    said = " ".join(f"{unit.title.zh} {unit.about.zh}" for unit in pack.units)
    named = {name for row in rows_of("key-projects") for name in row["responsible"].split("；")}
    # 市级有关单位 (the city's units concerned) is nobody in particular.
    assert {name for name in named - {"市级有关单位"} if name not in said} == set()
    for county in ("柯城区", "衢江区", "常山县", "开化县", "龙游县", "江山市"):
        assert f"{county}发展和改革局" in said and f"{county}大数据局（中心）" in said
    assert "智造新城" in said and "智慧新城" in said


def test_every_dataset_lies_in_a_subject_library_and_none_is_empty(pack: CityPack, contracts: dict[str, Contract]) -> None:
    subjects = {subject["name"]: subject for subject in pack.about["subject"]}
    assert len(subjects) == len(pack.about["subject"])
    assert {contract.subject for contract in contracts.values()} == set(subjects)
    for subject in subjects.values():
        assert both(Text.model_validate(subject["title"])) and both(Text.model_validate(subject["about"]))
        assert subject["theme"] in THEMES


def test_samples_say_so_and_real_figures_do_not(contracts: dict[str, Contract]) -> None:
    for contract in contracts.values():
        assert contract.sample == ("样例" in contract.title.zh) == ("样例" in contract.tags) == (contract.name in GENERATORS)


def test_the_law_shows(contracts: dict[str, Contract]) -> None:
    openings = Counter(contract.opening for contract in contracts.values())
    assert openings["restricted"] >= 3 and openings["none"] >= 1
    assert {contract.grade for contract in contracts.values()} == {"L1", "L2", "L3"}
    assert any(item.grade == "L3" for c in contracts.values() if c.opening == "unconditional" for item in c.fields)


def test_foreign_keys_lead_to_items_of_known_datasets(contracts: dict[str, Contract]) -> None:
    for contract in contracts.values():
        for link in contract.foreignKeys:
            assert set(link.reference_fields) <= set(contracts[link.dataset].names), contract.name


def test_every_line_carries_a_file_or_a_sample_to_its_dataset(pack: CityPack, contracts: dict[str, Contract]) -> None:
    lines = [Line.from_descriptor(descriptor) for descriptor in pack.lines]
    assert sorted(line.dataset for line in lines) == sorted(contracts)
    assert {file.stem for file in (pack.folder / "lines").glob("*.toml")} == {line.name for line in lines}
    for line in lines:
        assert both(line.title), line.name
        if line.source.kind == "sample":
            assert line.source.generator in GENERATORS and contracts[line.dataset].sample
        elif not line.source.path.startswith("built/"):
            assert (pack.folder / line.source.path).is_file(), line.source.path


def test_every_data_file_has_a_line(pack: CityPack) -> None:
    carried = {Line.from_descriptor(descriptor).source.path for descriptor in pack.lines}
    assert {f"data/{file.name}" for file in (pack.folder / "data").glob("*.csv")} <= carried


def test_charts_of_the_front_page_draw_items_of_open_datasets(pack: CityPack, contracts: dict[str, Contract]) -> None:
    charts = [HomeChart.model_validate(said) for said in pack.about["home"]]
    assert 3 <= len(charts) <= 5
    for chart in charts:
        contract = contracts[chart.dataset]
        assert contract.opening == "unconditional" and not contract.sample and both(chart.title)
        assert {chart.x, *chart.y, *chart.only, *([chart.series] if chart.series else [])} <= set(contract.names)


def test_the_glossary_has_each_word_once(pack: CityPack) -> None:
    words = Counter(word.lower() for group in pack.glossary for word in group)
    assert len(pack.glossary) >= 60
    assert [word for word, times in words.items() if times > 1] == []
    assert all(len(group) >= 2 for group in pack.glossary)


@pytest.mark.parametrize("term", ["柑橘", "空气质量", "12345", "停车", "行政许可"])
def test_words_people_search_for_are_in_the_glossary(pack: CityPack, term: str) -> None:
    assert any(term in group for group in pack.glossary)
