"""Models trained inside: asked for by a member, looked at and let out by the steward, as plain data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sanqu.ground.errors import BadInput, Refused
from sanqu.sandbox.approval import approve, look_at
from sanqu.sandbox.records import Result
from sanqu.sandbox.training import Training, ask_for_model
from sanqu.sandbox.uploads import add_upload

from .conftest import Hut

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'sanqu[sandbox]'")

LINE = {"sql": "SELECT age, income FROM residents", "target": "income", "model": "linear"}


def ask(hut: Hut, **said: Any) -> Result:
    return ask_for_model(hut.city, hut.wang, hut.room.id, Training(purpose="study", **said))


def learnt(hut: Hut, **said: Any) -> dict[str, Any]:
    """The parameters as the steward sees them."""
    return json.loads(look_at(hut.city, hut.civil, ask(hut, **said).id)[1].data)  # type: ignore[no-any-return]


def test_a_model_leaves_as_plain_data_when_the_steward_agrees(hut: Hut) -> None:
    result = ask(hut, **LINE)
    assert (result.state, result.kind, result.cause["rule"]) == ("waiting", "model", "model")
    with pytest.raises(Refused):
        hut.out(result)
    assert approve(hut.city, hut.civil, result.id, "no more than a line").state == "approved"
    model = json.loads(hut.out(result).data)
    assert model["features"] == ["age"] and len(model["coefficients"]) == 1


def test_a_tree_and_a_classifier_are_learnt(hut: Hut) -> None:
    rich = "SELECT age, income, CASE WHEN income > 1150 THEN 'rich' ELSE 'poor' END AS class FROM residents"
    assert learnt(hut, sql=rich, target="class", model="logistic")["classes"] == ["poor", "rich"]
    tree = learnt(hut, sql=rich, target="class", model="tree")
    assert any("threshold" in node for node in tree["nodes"]) and tree["classes"] == ["poor", "rich"]


def test_no_parameter_is_about_a_few(hut: Hut) -> None:
    # A feature that marks one person would make her value a coefficient, or a leaf of her own.
    marked = "SELECT age, CASE WHEN name = 'person 7' THEN 1000 ELSE 0 END AS she, {} AS t FROM residents"
    nodes = learnt(hut, sql=marked.format("income"), target="t", model="tree")["nodes"]
    assert not any(node.get("feature") == 1 for node in nodes)
    for model, target in (("linear", "income"), ("logistic", "CASE WHEN income > 1150 THEN 'a' ELSE 'b' END")):
        result = ask(hut, sql=marked.format(target), target="t", model=model)
        with pytest.raises(BadInput, match="few subjects"):
            look_at(hut.city, hut.civil, result.id)


def test_rows_of_one_person_make_no_leaf_however_many_they_are(hut: Hut) -> None:
    # A thousand rows are one resident's: a leaf of a hundred rows would hold her alone.
    result = ask(hut, sql="SELECT no, cost + no / 1000.0 AS cost FROM visits", target="cost", model="tree", least_leaf=100)
    with pytest.raises(BadInput, match="no tree has enough subjects"):
        look_at(hut.city, hut.civil, result.id)


def test_what_was_brought_along_marks_nobody(hut: Hut) -> None:
    add_upload(hut.city, hut.wang, hut.room, "mark", ("ids,mark\n" + "".join(f"ID{i:04d},{int(i == 7)}\n" for i in range(300))).encode())
    sql = "SELECT m.mark, r.age, r.income FROM residents r JOIN my_mark m ON m.ids = r.id"
    with pytest.raises(BadInput, match="few subjects"):
        look_at(hut.city, hut.civil, ask(hut, sql=sql, target="income", model="linear").id)


NOBODYS = [
    "SELECT age, sum(income) AS income FROM residents GROUP BY age",
    "SELECT age, income FROM residents LIMIT 60",
    "SELECT age, income FROM (SELECT * FROM residents)",
    "SELECT age, lag(income) OVER (ORDER BY id) AS income FROM residents",
    "SELECT DISTINCT age, income FROM residents",
    "SELECT no AS age, turnover AS income FROM shops",
]


def test_rows_must_each_be_somebodys(hut: Hut) -> None:
    for sql in NOBODYS:
        with pytest.raises(BadInput):
            ask(hut, sql=sql, target="income", model="linear")
            pytest.fail(sql)


def test_what_may_not_be_read_is_not_learnt_from(hut: Hut) -> None:
    with pytest.raises(Refused):
        ask(hut, sql="SELECT age, diagnosis FROM residents", target="diagnosis", model="tree")
