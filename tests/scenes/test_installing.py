"""A scene in a city: installed, bound to other names, refreshed, watched by its rules, taken away."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sanqu.cases.history import find_case
from sanqu.catalog.keeping import register_contract
from sanqu.ground.bus import Bus
from sanqu.ground.city import City
from sanqu.ground.database import Database
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker, Role
from sanqu.ground.people.units import save_units, unit
from sanqu.indicators.evaluate import evaluate
from sanqu.indicators.keeping import figures_of, list_indicators
from sanqu.lake import Commit, Contract, lake_of
from sanqu.lake.upkeep import compact
from sanqu.lines.keeping import lines
from sanqu.scenes.binding import read_binding
from sanqu.scenes.commands import app
from sanqu.scenes.installing import install, python_digest, uninstall
from sanqu.scenes.keeping import find_installed, installed, trust, woven_of
from sanqu.scenes.models import expand
from sanqu.scenes.package import open_scene
from sanqu.scenes.refreshing import refresh_all, refresh_scene
from sanqu.scenes.rules import list_alarms
from sanqu.scenes.testing import look
from sanqu.sharing.door import Question, ask
from tests.scenes.conftest import FILES, ORCHARDS, Write
from tests.scenes.test_deciding import dmn
from tests.scenes.test_package import BOUND, GARDENS

INDICATOR = '[[indicator]]\ncode = "grove_area"\ntitle = { zh = "面积", en = "Area" }\nunit = { zh = "亩", en = "mu" }\nways = [{ sql = "SELECT 2026 AS period, sum(area) AS value FROM grove_orchards" }]\n'
PROCESS = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:spiffworkflow="http://spiffworkflow.org/bpmn/schema/1.0/core" id="f" targetNamespace="urn:x">
<process id="grove-visit" name="走访" isExecutable="true"><startEvent id="s"/><sequenceFlow id="a" sourceRef="s" targetRef="visit"/>
<userTask id="visit" name="走访"><extensionElements><spiffworkflow:properties><spiffworkflow:property name="unit" value="where"/></spiffworkflow:properties></extensionElements></userTask>
<sequenceFlow id="b" sourceRef="visit" targetRef="e"/><endEvent id="e"/></process></definitions>"""
STAFF = Asker(name="staff", user_id=7, held=(Role("officer", "3308-nyj", "/3308/3308-nyj/"),))
ABOVE = Asker(name="above", user_id=9, held=(Role("officer", "3308", "/3308/"),))
COUNTY = Asker(name="county", user_id=10, held=(Role("steward", "330802", "/3308/330802/"),))


def read(city: City, sql: str, asker: Asker = SYSTEM) -> list[tuple[object, ...]]:
    """Rows of a query of the scene, as an asker gets them."""
    one = find_installed(city, "grove")
    return [tuple(row.values()) for row in ask(city, asker, Question(expand(woven_of(city, one), sql), "test")).table.to_pylist()]


def put(city: City, name: str, rows: str) -> None:
    with lake_of(city).engine() as duck:
        lake_of(city).upsert(name, rows, Commit("test"), duck=duck)


def test_a_scene_with_its_samples_does_what_it_expects(town: City, write: Write) -> None:
    expected = FILES["tests/expect.toml"] + '\n[[expect]]\nname = "the area"\nindicator = "grove_area"\nperiod = "2026"\nvalue = 45\n\n[[expect]]\nname = "wrong"\nsql = "SELECT 4"\nvalue = 5\n'
    folder = write({"indicators/a.toml": INDICATOR, "tests/expect.toml": expected})
    one = install(town, SYSTEM, open_scene(folder), samples=True)
    assert [(out.name, out.ok, out.found) for out in look(town, one, open_scene(folder))] == [("three orchards", True, "3"), ("one is small", True, "1"), ("the area", True, "45.0"), ("wrong", False, "4")]
    assert read(town, "SELECT county, area FROM large") == [("柯城区", 40.0)]
    evaluate(town)
    assert [figure.value for figure in figures_of(town, ["grove_area"])["grove_area"].values()] == [45.0]
    integrate(town)
    assert "scenes.installed" in {entry.kind for entry in read_entries(town, limit=200)}
    # The same files again change nothing.
    again = install(town, SYSTEM, open_scene(folder))
    assert again.digest == one.digest and [out.ok for out in look(town, again, open_scene(folder))] == [True, True, True, False]


def test_a_scene_is_bound_to_a_city_whose_columns_are_named_otherwise(town: City, write: Write) -> None:
    register_contract(town, GARDENS, "test", state="published")
    put(town, "gardens", "SELECT * FROM (VALUES (1, '柯城区', 20000.0, 1), (2, '衢江区', 2000.0, 2)) t(no, place, size, kind)")
    folder = write()
    install(town, SYSTEM, open_scene(folder), binding=read_binding(BOUND), samples=True)
    assert not lake_of(town).has("grove-orchards")
    assert read(town, "SELECT orchard, area, variety FROM grove_orchards ORDER BY 1") == [("1", 30.0, "椪柑"), ("2", 3.0, "胡柚")]
    assert read(town, "SELECT county FROM large") == [("柯城区",)]
    assert [alarm.message.zh for alarm in list_alarms(town, ABOVE, "grove")[0]] == ["2 只有 3.0 亩"]


def test_bound_rows_that_break_the_scenes_contract_are_counted_and_refused_beyond_what_is_tolerated(town: City, write: Write) -> None:
    register_contract(town, GARDENS, "test", state="published")
    put(town, "gardens", "SELECT i AS no, CASE WHEN i % 4 = 0 THEN NULL ELSE '柯城区' END AS place, CASE WHEN i = 1 THEN -5.0 ELSE 20000.0 END AS size, CASE WHEN i % 2 = 0 THEN 1 ELSE 9 END AS kind FROM range(100) t(i)")
    folder, said = write({"rules/rules.toml": None, "tests/expect.toml": None}), list[str]()
    with pytest.raises(BadInput, match=r"required of grove-orchards\.county: 25 of 100") as refused:
        install(town, SYSTEM, open_scene(folder), binding=read_binding(BOUND), say=said.append)
    assert [one.split(":")[0] for one in refused.value.facts["broken"]] == ["required of grove-orchards.county", "enum of grove-orchards.variety"]
    # One negative area in a hundred is the dirt of any city: it is said, and no reason to refuse.
    assert any("minimum of grove-orchards.area: 1 of 100" in line for line in said) and installed(town) == []
    assert install(town, SYSTEM, open_scene(folder), binding=read_binding(BOUND), tolerance=0.6).name == "grove"


def test_a_scene_cannot_read_past_the_door(town: City, write: Write) -> None:
    closed = GARDENS.model_copy(update={"opening": "none", "sharing": "conditional", "steward": "3308-nyj"})
    register_contract(town, closed, "test", state="published")
    put(town, "gardens", "SELECT 1 AS no, '柯城区' AS place, 20000.0 AS size, 1 AS kind")
    with pytest.raises((Refused, NotFound)):
        install(town, SYSTEM, open_scene(write()), binding=read_binding(BOUND), steward="330802")
    with pytest.raises((Refused, NotFound)):
        read(town, "SELECT orchard FROM grove_orchards", PUBLIC)
    # The unit that answers for the dataset may.
    install(town, SYSTEM, open_scene(write()), binding=read_binding(BOUND), steward="3308-nyj")
    assert read(town, "SELECT county FROM by_county", STAFF.__class__(name="s", user_id=8, held=(Role("steward", "3308-nyj", "/3308/3308-nyj/"),))) == [("柯城区",)]


def test_a_table_is_as_strict_as_the_strictest_that_it_comes_from(town: City, write: Write) -> None:
    graded = GARDENS.model_copy(update={"opening": "none", "fields": tuple(item.model_copy(update={"grade": "L3"}) if item.name == "size" else item for item in GARDENS.fields)})
    register_contract(town, graded, "test", state="published")
    install(town, SYSTEM, open_scene(write({"models/large.sql": None})), binding=read_binding(BOUND))
    made = lake_of(town).contract("grove-by-county")
    assert (made.opening, made.primaryKey, made.field("area").grade, made.field("county").grade) == ("none", ("county",), "L3", "L1")


def test_only_the_groups_that_changed_are_worked_out_and_the_table_is_as_if_all_were(town: City, write: Write) -> None:
    install(town, SYSTEM, open_scene(write({"rules/rules.toml": None, "tests/expect.toml": None})), samples=True)
    draw = random.Random(4)
    for round_ in range(6):
        rows = ", ".join(f"('A{draw.randrange(9)}', '{draw.choice(['柯城区', '衢江区', '江山市'])}', {draw.randrange(40)}.0, '椪柑')" for _ in range(3))
        put(town, "grove-orchards", f"SELECT * FROM (VALUES {rows}) t(orchard, county, area, variety) QUALIFY row_number() OVER (PARTITION BY orchard) = 1")
        if round_ == 3:
            with lake_of(town).engine() as duck:
                lake_of(town).delete("grove-orchards", "SELECT orchard FROM lake.main.\"grove-orchards\" WHERE county = '江山市'", Commit("test"), duck=duck)
        assert refresh_all(town) == {"grove": 1} and refresh_all(town) == {"grove": 0}
        kept = read(town, "SELECT county, orchards, area FROM by_county ORDER BY county")
        assert kept == read(town, "SELECT county, count(*) AS orchards, sum(area) AS area FROM grove_orchards GROUP BY county ORDER BY county")


def test_an_alarm_is_one_incident_opens_one_case_and_is_over_when_its_rows_are_gone(town: City, write: Write) -> None:
    rule = '[[rule]]\nname = "small"\ntitle = { zh = "太小", en = "Too small" }\nsql = "SELECT orchard, county, area, variety, \'330802\' AS place, DATE \'2026-10-01\' + INTERVAL 8 HOUR AS seen FROM grove_orchards WHERE area < 8"\nkey = ["orchard"]\nmessage = { zh = "{county} {orchard} {variety} {seen}", en = "{county} {orchard} {variety} {seen}" }\ncase = { process = "grove-visit", title = { zh = "走访 {orchard}", en = "Visit {variety}" }, unit = "{place}", data = { where = "{place}", area = "{area}" } }\nquiet = "PT1H"\n'
    with town.db.connection() as conn:
        save_units(conn, [unit(town, "3308"), replace(unit(town, "330803"), title=Text(zh="衢江区", en="Qujiang"))])
    install(town, SYSTEM, open_scene(write({"rules/rules.toml": rule, "processes/grove-visit.bpmn": PROCESS, "words.toml": '"胡柚" = "pomelo"\n"椪柑" = "ponkan"\n"温州蜜柑" = "satsuma"\n'})), samples=True, steward="3308-nyj")
    (first,), count = list_alarms(town, STAFF, "grove")
    assert count == 1 and first.case_number is not None and first.body["area"] == 5.0
    # Moments are read with a space, words of the data and names of counties in the reader's language.
    called = find_case(town, SYSTEM, first.case_number).called
    english = {"胡柚": "pomelo", "椪柑": "ponkan", "温州蜜柑": "satsuma"}[first.body["variety"]]
    assert (first.message.zh, first.message.en) == (f"衢江区 A3 {first.body['variety']} 2026-10-01 08:00:00", f"Qujiang A3 {english} 2026-10-01 08:00:00")
    assert (called.zh, called.en) == ("走访 A3", f"Visit {english}")
    put(town, "grove-orchards", "SELECT 'A3' AS orchard, '衢江区' AS county, 6.0 AS area, '椪柑' AS variety")
    refresh_all(town)
    (second,), _ = list_alarms(town, STAFF, "grove")
    assert (second.id, second.times, second.body["area"], second.case_number) == (first.id, 2, 6.0, first.case_number)
    put(town, "grove-orchards", "SELECT 'A3' AS orchard, '衢江区' AS county, 60.0 AS area, '椪柑' AS variety")
    refresh_all(town)
    assert list_alarms(town, STAFF, "grove", only_open=True) == ([], 0)
    # Soon after, it is the same incident again: no second case.
    put(town, "grove-orchards", "SELECT 'A3' AS orchard, '衢江区' AS county, 1.0 AS area, '椪柑' AS variety")
    refresh_all(town)
    (third,), _ = list_alarms(town, STAFF, "grove", only_open=True)
    assert (third.id, third.case_number) == (first.id, first.case_number)
    # The unit of the scene and those above see them; nobody else, for whom the door might say no.
    assert list_alarms(town, ABOVE, "grove")[1] == 1
    assert list_alarms(town, PUBLIC, "grove") == list_alarms(town, COUNTY, "grove") == ([], 0)
    cases = town.db.all("SELECT data FROM case_case WHERE process = 'grove-visit'")
    assert [(row["data"]["where"], row["data"]["area"]) for row in cases] == [("330802", 5.0)]


def test_bad_rows_of_a_sample_wait_in_quarantine(town: City, write: Write) -> None:
    install(town, SYSTEM, open_scene(write({"samples/grove-orchards.csv": "orchard,county,area,variety\nA1,柯城区,-3,椪柑\nA2,柯城区,3,苹果\nA3,柯城区,9,椪柑\n", "tests/expect.toml": None})), samples=True)
    assert read(town, "SELECT orchard FROM grove_orchards") == [("A3",)]


def test_a_newer_version_takes_over_and_an_older_is_refused(town: City, write: Write) -> None:
    install(town, SYSTEM, open_scene(write()), samples=True)
    newer = write({"scene.toml": 'name = "grove"\nversion = "1.1.0"\ntitle = { zh = "果园", en = "Grove" }\nsample = true\n', "models/large.sql": "SELECT * FROM by_county WHERE area > 1"})
    assert install(town, SYSTEM, open_scene(newer)).version == "1.1.0" and len(read(town, "SELECT county FROM large")) == 2
    older = write({"scene.toml": 'name = "grove"\nversion = "1.0.9"\ntitle = { zh = "果园", en = "Grove" }\n'})
    with pytest.raises(Conflict, match="does not go back"):
        install(town, SYSTEM, open_scene(older))


def test_a_newer_version_may_rename_and_add_items_and_the_rows_stay(town: City, write: Write) -> None:
    install(town, SYSTEM, open_scene(write()), samples=True)
    changed = json.loads(json.dumps(ORCHARDS).replace('"name": "area"', '"name": "size", "aliases": ["area"]'))
    changed["schema"]["fields"].append({"name": "slope", "type": "number", "title": {"zh": "坡度", "en": "slope"}})
    rewritten = {file: text.replace("area", "size") for file, text in FILES.items() if file.startswith(("models", "rules"))}
    newer = write({"scene.toml": FILES["scene.toml"].replace("1.0.0", "2.0.0"), "samples/grove-orchards.csv": None, **rewritten}, [changed])
    assert install(town, SYSTEM, open_scene(newer)).version == "2.0.0"
    assert read(town, "SELECT orchard, size, slope FROM grove_orchards ORDER BY orchard") == [("A1", 10.0, None), ("A2", 30.0, None), ("A3", 5.0, None)]
    # An item that changes into what its rows are not is refused, and nothing is changed.
    odd = json.loads(json.dumps(changed).replace('"county", "type": "string"', '"county", "type": "date"'))
    with pytest.raises((Conflict, BadInput)):
        install(town, SYSTEM, open_scene(write({"scene.toml": FILES["scene.toml"].replace("1.0.0", "3.0.0"), **rewritten}, [odd])))
    assert find_installed(town, "grove").version == "2.0.0"


def test_scenes_need_each_other_by_range_of_versions(town: City, write: Write) -> None:
    needing = write({"scene.toml": 'name = "press"\nversion = "1.0.0"\ntitle = { zh = "a", en = "b" }\n[needs]\ngrove = "^1.0.0"\n'} | dict.fromkeys(("models/large.sql", "models/by_county.sql", "rules/rules.toml", "tests/expect.toml", "samples/grove-orchards.csv")), [], "press")
    with pytest.raises(Conflict, match="needs the scene grove"):
        install(town, SYSTEM, open_scene(needing))
    install(town, SYSTEM, open_scene(write()))
    install(town, SYSTEM, open_scene(needing))
    with pytest.raises(Conflict, match="press needs it"):
        uninstall(town, SYSTEM, "grove")


def test_python_runs_only_where_its_digest_was_allowed(town: City, write: Write) -> None:
    scene = open_scene(write({"python/work.py": "print('hello')\n"}))
    with pytest.raises(Refused, match="Python"):
        install(town, SYSTEM, scene)
    with pytest.raises(Refused):
        trust(town, STAFF, "python", python_digest(scene))
    trust(town, SYSTEM, "python", python_digest(scene))
    install(town, SYSTEM, scene)


def test_what_is_taken_away_leaves_its_data(town: City, write: Write) -> None:
    install(town, SYSTEM, open_scene(write({"indicators/a.toml": INDICATOR})), samples=True)
    uninstall(town, SYSTEM, "grove")
    assert installed(town) == [] and list_indicators(town) == [] and lake_of(town).has("grove-orchards")
    assert [line.name for line in lines(town)] == []
    with pytest.raises(NotFound):
        find_installed(town, "grove")
    with pytest.raises(Refused):
        install(town, STAFF, open_scene(write()))


def test_what_the_city_had_before_is_read_and_never_written(town: City, write: Write) -> None:
    mine = open_scene(write()).contracts["grove-orchards"].model_copy(update={"steward": "3308"})
    register_contract(town, mine, "test", state="published")
    put(town, "grove-orchards", "SELECT 'Z9' AS orchard, '柯城区' AS county, 99.0 AS area, '椪柑' AS variety")
    for _ in range(2):
        one = install(town, SYSTEM, open_scene(write()), samples=True)
        assert one.binding["grove-orchards"].dataset == "grove-orchards" and read(town, "SELECT orchard FROM grove_orchards") == [("Z9",)]
    uninstall(town, SYSTEM, "grove")
    assert lake_of(town).count("grove-orchards") == 1


def test_a_dataset_of_the_same_name_with_other_items_is_not_touched(town: City, write: Write) -> None:
    other = Contract.from_descriptor({"name": "grove-orchards", "title": "别的", "steward": "3308-nyj", "fields": [{"name": "x"}]})
    register_contract(town, other, "test")
    with pytest.raises(Conflict, match="other items"):
        install(town, SYSTEM, open_scene(write()))
    with pytest.raises(BadInput):
        install(town, SYSTEM, open_scene(write()), binding=read_binding({"grove-orchards": {"dataset": "none-such", "columns": {}}}))


def test_an_author_makes_checks_and_tests_a_scene_from_the_command_line(tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(app, ["new", "my-scene", "--folder", str(tmp_path)]).exit_code == 0
    assert run.invoke(app, ["new", "my-scene", "--folder", str(tmp_path)]).exit_code != 0
    assert run.invoke(app, ["check", str(tmp_path / "my-scene")]).exit_code == 0
    done = run.invoke(app, ["test", str(tmp_path / "my-scene")])
    assert done.exit_code == 0 and "3 ✓ 0 ✗" in done.output
    (tmp_path / "my-scene" / "models" / "by_station.sql").write_text("SELECT nothing FROM my_scene_readings")
    broken = run.invoke(app, ["check", str(tmp_path / "my-scene")])
    assert broken.exit_code == 1 and "models/by_station.sql:1" in broken.output.replace("\n", "")


def test_a_newer_version_works_its_tables_out_anew_where_only_a_label_changed(town: City, write: Write) -> None:
    table = dmn({"R1": (">= 20", "1")}, inputs=(("area", "面积", "area"),), head='sanqu:source="grove_orchards" sanqu:key="orchard" sanqu:refresh="table"')
    install(town, SYSTEM, open_scene(write({"models/kinds.dmn": table})), samples=True)
    short = "SELECT DISTINCT missing_en FROM kinds WHERE orchard = 'A1'"
    assert read(town, short) == [("area ≥ 20 (is 10.0)",)]
    # The data stay as they are: it is the words that make the difference.
    one = install(town, SYSTEM, open_scene(write({"models/kinds.dmn": table.replace('label-en="area"', 'label-en="hectares"')})))
    assert read(town, short) == [("hectares ≥ 20 (is 10.0)",)]
    assert refresh_scene(town, one) == 0


def test_a_scene_is_installed_over_an_older_version_of_itself_while_its_rows_are_moved_into_files(town: City, write: Write) -> None:
    other, over = City(town.settings, Database(town.settings.database_url), Bus(town.settings.nats_url)), threading.Event()

    def move() -> None:
        while not over.is_set():
            compact(other, written=["grove-orchards"])

    moving = threading.Thread(target=move)
    install(town, SYSTEM, open_scene(write()), samples=True)
    moving.start()
    try:
        newer = json.loads(json.dumps(ORCHARDS))
        for place in range(1, 6):
            newer["schema"]["fields"].append({"name": f"slope{place}", "type": "number", "title": {"zh": f"坡度{place}", "en": f"slope {place}"}})
            install(town, SYSTEM, open_scene(write({"scene.toml": FILES["scene.toml"].replace("1.0.0", f"1.{place}.0")}, [newer])), samples=True)
            assert count_orchards(town) == 3
    finally:
        over.set()
        moving.join()
        other.close()
    assert forms_of_rows(town) > 1
    # The first night empties what earlier versions left, the next one takes it off the list of what readers ask for.
    for _night in range(2):
        lake_of(town).maintain()
    assert forms_of_rows(town) == 1 and count_orchards(town) == 3


def count_orchards(city: City) -> int:
    with lake_of(city).engine() as duck:
        return len(duck.execute('SELECT * FROM lake.main."grove-orchards"').fetchall())


def forms_of_rows(city: City) -> int:
    """In how many forms of theirs rows of the orchards are looked for in PostgreSQL."""
    return len(city.db.all("SELECT 1 FROM ducklake.ducklake_inlined_data_tables i JOIN ducklake.ducklake_table t ON t.table_id = i.table_id AND t.end_snapshot IS NULL WHERE t.table_name = 'grove-orchards'"))
