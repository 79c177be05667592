"""What came of a scene's cases and alarms, as rows that its models read; and rules that ask what time it is."""

from __future__ import annotations

from typing import Any

from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.lake import lake_of
from sanqu.scenes.checking import check_folder
from sanqu.scenes.installing import install
from sanqu.scenes.keeping import Ready
from sanqu.scenes.models import tells_day, tells_time
from sanqu.scenes.package import open_scene
from sanqu.scenes.refreshing import refresh_all
from sanqu.scenes.rules import list_alarms

from .conftest import ORCHARDS, Write

PROCESS = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:spiffworkflow="http://spiffworkflow.org/bpmn/schema/1.0/core" id="file" targetNamespace="urn:sanqu:scenes">
  <process id="grove-visit" name="看果园" isExecutable="true">
    <startEvent id="begin"/><sequenceFlow id="a" sourceRef="begin" targetRef="look"/>
    <userTask id="look" name="去看看"><extensionElements><spiffworkflow:properties>
      <spiffworkflow:property name="title.en" value="Go and see"/><spiffworkflow:property name="unit" value="unit"/><spiffworkflow:property name="due" value="2wd"/>
      <spiffworkflow:property name="form" value='[{"name": "trees", "type": "number", "title": {"zh": "棵数", "en": "trees"}, "required": true}]'/>
    </spiffworkflow:properties></extensionElements></userTask>
    <sequenceFlow id="b" sourceRef="look" targetRef="end"/><endEvent id="end" name="看过"/>
  </process>
</definitions>
"""
RULES = """
[[rule]]
name = "small"
title = { zh = "太小", en = "Too small" }
sql = "SELECT orchard, county, area FROM grove_orchards WHERE area < 8"
key = ["orchard"]
message = { zh = "{orchard} 只有 {area} 亩", en = "{orchard} has {area} mu" }
case = { process = "grove-visit", title = "看 {orchard}", unit = "330802", data = { orchard = "{orchard}", unit = "330802" } }

[[rule]]
name = "unseen"
title = { zh = "没人看", en = "Nobody looks" }
sql = "SELECT number, orchard FROM grove_visits WHERE state = 'open' AND opened > city_now() - INTERVAL 1 HOUR"
key = ["number"]
message = { zh = "{orchard} 还没有人看", en = "Nobody has looked at {orchard}" }
"""


def book(name: str, law: dict[str, Any], *items: tuple[str, str]) -> dict[str, Any]:
    fields = [{"name": item, "type": kind, "title": {"zh": item, "en": item}} for item, kind in items]
    return {"name": name, "title": {"zh": name, "en": name}, "schema": {"primaryKey": [items[0][0]], "fields": fields}, "sanqu": {"sharing": "unconditional", "opening": "none", **law}}


VISITS = book("grove-visits", {"cases": ["grove-visit"]}, ("number", "string"), ("state", "string"), ("step", "string"), ("opened", "datetime"), ("closed", "datetime"), ("orchard", "string"), ("trees", "integer"), ("look_due", "datetime"), ("look_done", "datetime"))
ALARMS = book("grove-alarms", {"alarms": True}, ("alarm", "integer"), ("rule", "string"), ("message", "string"), ("area", "number"), ("case_number", "string"))


def rows(city: City, name: str, sql: str) -> list[tuple[Any, ...]]:
    lake = lake_of(city)
    with lake.engine() as duck:
        return duck.execute(sql.replace(name, f'lake.main."{name}"')).fetchall()


def test_cases_and_alarms_of_a_scene_are_rows_that_its_rules_read(town: City, write: Write) -> None:
    folder = write({"processes/grove-visit.bpmn": PROCESS, "rules/rules.toml": RULES}, [ORCHARDS, VISITS, ALARMS])
    install(town, SYSTEM, open_scene(folder), samples=True, steward="3308")
    refresh_all(town)
    [(alarm, area, number)] = rows(town, "grove-alarms", "SELECT message, area, case_number FROM grove-alarms WHERE rule = 'small'")
    assert (alarm, area) == ("A3 只有 5.0 亩", 5)
    visits = "SELECT number, state, step, orchard, trees, closed IS NULL FROM grove-visits"
    assert rows(town, "grove-visits", visits) == [(number, "open", "去看看", "A3", None, True)]
    assert [one.message.en for one in list_alarms(town, SYSTEM, "grove", "unseen", only_open=True)[0]] == ["Nobody has looked at A3"]

    officer = Asker(name="officer", user_id=11, held=(Role("steward", "330802", "/3308/330802/"),))
    [task], _ = tasks_for(town, officer)
    complete_task(town, officer, task.id, {"trees": 41})
    refresh_all(town)
    assert rows(town, "grove-visits", visits) == [(number, "done", None, "A3", 41, False)]
    assert rows(town, "grove-visits", "SELECT look_done = closed, look_due > opened FROM grove-visits") == [(True, True)]
    assert list_alarms(town, SYSTEM, "grove", "unseen", only_open=True)[0] == []


def test_a_book_of_a_process_that_is_not_there_is_named(write: Write) -> None:
    problems = check_folder(write({}, [ORCHARDS, VISITS]))
    assert [one.what.in_("en") for one in problems] == ["grove-visits: there is no process grove-visit"]


def test_the_day_is_another_but_once_a_day() -> None:
    assert (tells_time("SELECT city_now()"), tells_time("SELECT city_today()"), tells_time("SELECT current_date")) == (True, False, True)
    assert (tells_day("SELECT 1 WHERE city_today() > DATE '2026-01-01'"), tells_day("SELECT city_now()")) == (True, False)
    assert list(Ready("", (), False, True).marks) == ["its_words", "city_today"] and list(Ready("", (), True).marks) == ["its_words"]
