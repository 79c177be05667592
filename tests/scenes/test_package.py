"""A scene is checked before anybody installs it: every broken thing with file and line; models and bindings woven into SQL."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.ground.errors import BadInput
from sanqu.lake import Contract
from sanqu.scenes.binding import Bound, Column, check_bound, read_binding, select_of, write_binding
from sanqu.scenes.checking import check_folder
from sanqu.scenes.models import Woven, datasets_in, expand, lineage
from sanqu.scenes.package import open_scene
from sanqu.scenes.samples import make_samples
from sanqu.scenes.skeleton import make_skeleton
from sanqu.scenes.units import UNITS, factor
from sanqu.scenes.versions import Version, parse_range, parse_version
from tests.scenes.conftest import Write

GARDENS = Contract.from_descriptor({
    "name": "gardens", "title": "园地", "steward": "3308", "primaryKey": ["no"],
    "fields": [{"name": "no", "type": "integer"}, {"name": "place"}, {"name": "size", "type": "number", "unit": "m²"}, {"name": "kind", "type": "integer"}],
})  # fmt: skip
BOUND = {"grove-orchards": {"dataset": "gardens", "columns": {"orchard": "no", "county": "place", "area": "size", "variety": {"column": "kind", "codes": {"1": "椪柑", "2": "胡柚"}}}}}


def said(folder: Path) -> list[str]:
    return [str(one) for one in check_folder(folder)]


def test_a_whole_scene_and_the_skeleton_have_nothing_to_say(write: Write, tmp_path: Path) -> None:
    assert said(write()) == []
    make_skeleton(tmp_path / "new", "new-one")
    assert said(tmp_path / "new") == []


@pytest.mark.parametrize(
    ("file", "text", "where", "what"),
    [
        ("scene.toml", 'name = "grove"\nversion = "1"\ntitle = { zh = "a", en = "b" }\n', "scene.toml:2", "no version"),
        ("scene.toml", 'name = "grove"\nversion = "1.0.0"\ntitle = { zh = "只有中文" }\n', "scene.toml:3", "one language"),
        ("scene.toml", "name = \n", "scene.toml:1", "no TOML"),
        ("scene.toml", 'name = "grove"\nversion = "1.0.0"\ntitle = { zh = "a", en = "b" }\ncolour = 1\n', "scene.toml:4", "Extra inputs"),
        ("datapackage.json", '{"name": "grove",\n "resources": [}\n', "datapackage.json:2", "no JSON"),
        ("models/by_county.sql", "SELECT county,\n       count(*) AS n\nFROM nowhere GROUP BY 1\n", "models/by_county.sql:3", "nowhere"),
        ("models/by_county.sql", "SELECT county,\n       hectares AS n\nFROM grove_orchards\n", "models/by_county.sql:2", "hectares"),
        ("models/by_county.sql", "SELECT read_text('/etc/passwd') AS county\n", "models/by_county.sql:1", "may not use"),
        ("models/large.sql", "SELECT * FROM other\n", "models/large.sql:1", "other"),
        ("rules/rules.toml", '[[rule]]\nname = "small"\ntitle = { zh = "a", en = "b" }\nsql = "SELECT orchard FROM grove_orchards"\nkey = ["orchard"]\nmessage = { zh = "{plot}", en = "{plot}" }\n', "rules/rules.toml:2", "plot"),
        ("rules/rules.toml", '[[rule]]\nname = "small"\ntitle = { zh = "a", en = "b" }\nsql = "SELECT orchard FROM grove_orchards"\nkey = ["orchard"]\nmessage = { zh = "a", en = "b" }\ncase = { process = "none-such", title = "t", unit = "3308" }\n', "rules/rules.toml:7", "none-such"),
        ("tests/expect.toml", '[[expect]]\nname = "x"\nrule = "none-such"\nvalue = 1\n', "tests/expect.toml:2", "none-such"),
        ("tests/expect.toml", '[[expect]]\nname = "x"\n', "tests/expect.toml:2", "looks at nothing"),
        ("samples/grove-orchards.csv", "orchard,colour\nA,1\n", "samples/grove-orchards.csv:1", "colour"),
        ("samples/grove-orchards.csv", "orchard\nA\n", "samples/grove-orchards.csv:1", "county"),
        ("samples/other.csv", "a\n1\n", "samples/other.csv:0", "no dataset other"),
        ("lines/air.toml", 'dataset = "none-such"\nsource = { kind = "push" }\n', "lines/air.toml:1", "none-such"),
        ("indicators/a.toml", '[[indicator]]\ncode = "grove_area"\ntitle = { zh = "a", en = "b" }\nunit = { zh = "亩", en = "mu" }\nways = [{ sql = "SELECT 1 AS n" }]\n', "indicators/a.toml:2", "period, value"),
        ("processes/p.bpmn", "<definitions>\n", "processes/p.bpmn:1", ""),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_with_file_and_line(write: Write, file: str, text: str, where: str, what: str) -> None:
    found = said(write({file: text}))
    assert any(one.startswith(where + ":") and what in one for one in found), found


def test_models_that_go_round_in_a_circle_are_named(write: Write) -> None:
    assert any("circle" in one for one in said(write({"models/by_county.sql": "SELECT * FROM large", "models/large.sql": "SELECT * FROM by_county"})))


def test_a_query_of_a_scene_becomes_one_over_the_citys_own_datasets(write: Write) -> None:
    scene = open_scene(write({"models/by_county.sql": "SELECT county, variety, sum(area) AS area FROM grove_orchards GROUP BY ALL"}))
    woven = Woven(scene, read_binding(BOUND), {"grove-orchards": GARDENS})
    sql = expand(woven, 'WITH mine AS (SELECT * FROM large) SELECT m.*, o.orchard FROM mine m JOIN "grove-orchards" o ON o.county = m.county WHERE m.variety = $v')
    assert datasets_in(sql) == ["gardens"]
    with duckdb.connect() as duck:
        duck.execute("CREATE TABLE gardens AS SELECT * FROM (VALUES (7, '柯城区', 20000.0, 1), (8, '柯城区', 10.0, 2)) t(no, place, size, kind)")
        assert duck.execute(sql, {"v": "椪柑"}).fetchall() == [("柯城区", "椪柑", 30.0, "7"), ("柯城区", "椪柑", 30.0, "8")]
    assert {origin.column: origin.of for origin in lineage(sql, {"gardens": GARDENS})} == {
        "county": (("gardens", "place"),), "variety": (("gardens", "kind"),), "area": (("gardens", "size"),), "orchard": (("gardens", "no"),),
    }  # fmt: skip


def test_a_name_that_the_query_makes_itself_is_its_own(write: Write) -> None:
    woven = Woven(open_scene(write()), {}, {})
    assert datasets_in(expand(woven, "WITH grove_orchards AS (SELECT 1 AS a) SELECT a FROM grove_orchards")) == []


def test_a_binding_names_what_does_not_fit(write: Write) -> None:
    wanted = open_scene(write()).contracts["grove-orchards"]
    bound = Bound(dataset="gardens", columns={"orchard": Column(column="nr"), "area": Column(column="size", unit="kg"), "colour": Column(constant=1)})
    assert [one.en for one in check_bound("grove-orchards", bound, wanted, GARDENS)] == [
        "grove-orchards.county is needed and not bound", "gardens has no column nr", "grove-orchards.area: kg cannot be converted to 亩", "grove-orchards of the scene has no colour",
    ]  # fmt: skip
    with pytest.raises(BadInput, match="column or by a constant"):
        read_binding({"a": {"dataset": "gardens", "columns": {"orchard": {"column": "no", "constant": "x"}}}})


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
COLUMNS = st.one_of(
    st.builds(Column, column=NAMES, unit=st.sampled_from(["", "m²"]), factor=st.one_of(st.none(), st.floats(0.01, 100)), codes=st.dictionaries(NAMES, NAMES, max_size=3), strict=st.booleans()),
    st.builds(Column, constant=st.one_of(NAMES, st.floats(-10, 10), st.booleans())),
)  # fmt: skip


@given(st.dictionaries(NAMES, st.builds(Bound, dataset=NAMES, columns=st.dictionaries(NAMES, COLUMNS, max_size=4)), max_size=3))
def test_a_binding_that_is_written_is_read_as_it_was(binding: dict[str, Bound]) -> None:
    import tomllib

    assert read_binding(tomllib.loads(write_binding(binding))) == binding


@given(NAMES, NAMES, st.dictionaries(NAMES, NAMES, max_size=3))
def test_names_and_codes_of_a_binding_are_values_and_never_sql(dataset: str, column: str, codes: dict[str, str]) -> None:
    wanted = Contract.from_descriptor({"name": "w", "title": "w", "steward": "x", "fields": [{"name": "a"}]})
    sql = select_of(Bound(dataset=dataset, columns={"a": Column(column=column, codes=codes)}), wanted, None).sql("duckdb")
    with duckdb.connect() as duck:
        quoted = [one.replace('"', '""') for one in (dataset, column)]
        duck.execute(f'CREATE TABLE "{quoted[0]}" ("{quoted[1]}" VARCHAR)')
        duck.executemany(f'INSERT INTO "{quoted[0]}" VALUES (?)', [[one] for one in [*codes, "else"]])
        assert {row[0] for row in duck.execute(sql).fetchall()} == {codes.get(one, one) for one in [*codes, "else"]}


@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)))
def test_units_convert_there_and_back(one: str, other: str) -> None:
    there, back = factor(one, other), factor(other, one)
    assert (there is None) == (back is None)
    assert there is None or back is None or there * back == pytest.approx(1)


@given(st.tuples(*[st.integers(0, 30)] * 3), st.tuples(*[st.integers(0, 30)] * 3), st.sampled_from(["^", "~", ">=", "<=", ">", "<", "="]))
def test_ranges_hold_what_they_say(one: tuple[int, int, int], other: tuple[int, int, int], sign: str) -> None:
    low, version = Version(*one), Version(*other)
    assert parse_version(str(version)) == version
    holds = version in parse_range(f"{sign}{low}")
    match sign:
        case "^":
            assert holds == (version >= low and (version.major == low.major if low.major else version[:2] == low[:2]))
        case "~":
            assert holds == (version >= low and version[:2] == low[:2])
        case _:
            assert holds == {">=": version >= low, "<=": version <= low, ">": version > low, "<": version < low, "=": version == low}[sign]


def test_samples_of_sql_are_the_same_each_time_and_reach_no_file(write: Write, tmp_path: Path) -> None:
    sql = "SELECT 'A' || i AS orchard, '柯城区' AS county, (hash(i) % 90)::DOUBLE AS area FROM range(50) t(i)"
    scene = open_scene(write({"samples/grove-orchards.csv": None, "samples/grove-orchards.sql": sql}))
    first, second = (make_samples(scene, tmp_path / name)["grove-orchards"].read_bytes() for name in ("one", "two"))
    assert first == second
    for reach in ("read_text('/etc/passwd')", "(SELECT content FROM read_text('/etc/hostname'))"):
        broken = open_scene(write({"samples/grove-orchards.sql": f"SELECT 'a' AS orchard, {reach}::VARCHAR AS county", "samples/grove-orchards.csv": None}))
        with pytest.raises(BadInput, match=re.compile("cannot be made|cannot run|read_text", re.S)):
            make_samples(broken, tmp_path / "three")
