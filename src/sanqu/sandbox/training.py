"""Models trained on what may not be seen, in a process of their own; they leave as plain parameters, never as a pickle."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given
from sqlglot import exp

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake.allowed import OWN
from sanqu.sandbox.bodies import Body, body_of
from sanqu.sandbox.checks import SideQueries, who
from sanqu.sandbox.inside import Entered, enter, refuse_closed, resolved, run, sources_of, take_quotas, unknown_shape
from sanqu.sandbox.records import Result
from sanqu.sandbox.results import keep
from sanqu.sandbox.rooms import room_to_work_in
from sanqu.sandbox.shape import Unclear, read_rows

ModelKind = Literal["logistic", "linear", "tree"]
MOST_ROWS, MOST_SECONDS = 1_000_000, 120


class Training(BaseModel):
    """What to train: one SELECT of features and target, the kind of model, and for a tree the rows of its smallest leaf."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Given(max_length=100_000, description="一条 SELECT，列为特征与目标 · one SELECT of features and target")
    target: str = Given(max_length=200, description="目标列 · the column to predict")
    model: ModelKind = Given(description="模型 · logistic regression, linear regression or decision tree")
    purpose: str = Given(default="", max_length=200)
    least_leaf: int = Given(default=20, ge=2, le=100_000, description="最小叶 · rows in the smallest leaf, at least the room's k")
    depth: int = Given(default=4, ge=1, le=8, description="深度 · levels of a tree")


def check_there() -> None:
    """Raise `Unavailable` where scikit-learn is not installed."""
    if importlib.util.find_spec("sklearn") is None:
        raise Unavailable(
            "sandbox.no-sklearn",
            Text(zh="没有安装 scikit-learn，不能训练模型", en="scikit-learn is not installed, so no model can be trained"),
            Text(zh="pip install 'sanqu[sandbox]'", en="pip install 'sanqu[sandbox]'"),
            "scikit-learn",
        )


def ask_for_model(city: City, asker: Asker, number: int, said: Training) -> Result:
    """Ask for a model; it is trained when those who answer for the data look, and leaves when they agree.

    Raises the door's refusal, `BadInput` for a query in which a row is not somebody's, `Unavailable` without scikit-learn.
    """
    check_there()
    room = room_to_work_in(city, asker, number)
    entered = enter(city, room, asker.user_id or 0, said.purpose, said.sql)
    refuse_closed(city, entered)
    if not entered.guarded:
        raise unknown_shape("opening=unconditional")
    _rows_of(city, entered)
    return keep(city, entered, "model", said.model_dump(mode="json"), {"rule": "model", "thing": said.model}, None)


def train(city: City, entered: Entered, asked: Mapping[str, Any]) -> Body:
    """The parameters of a model as JSON; raises `BadInput` for rows nothing can be learnt from, `Unavailable` without the library."""
    check_there()
    side, subjects = _rows_of(city, entered)
    outputs = [*side.shape.tree.expressions, *(who(table).as_(name, quoted=True) for name, table in subjects.items())]
    most = take_quotas(city, entered, MOST_ROWS)
    (ran,) = run(city, entered, [(side.select(outputs, []), most)], side.params)
    said = Training.model_validate(asked)
    told = {
        "model": said.model, "target": said.target, "depth": said.depth, "least_leaf": max(said.least_leaf, entered.room.least),
        "least": max([entered.room.least, *(side.sources[dataset].least for _, dataset in side.shape.guarded)]),
        "subjects": list(subjects),
    }  # fmt: skip
    answer = _in_own_process(told, ran.table)
    if "fault" in answer:
        raise _bad(*answer["fault"])
    return Body(json.dumps(answer, ensure_ascii=False).encode(), 1, False)


def _rows_of(city: City, entered: Entered) -> tuple[SideQueries, dict[str, exp.Table]]:
    """The query's rows with columns that say whose each row is; an asker can name no such column."""
    sources = sources_of(city, entered)
    try:
        side = SideQueries(read_rows(resolved(entered, sources), sources, entered.uploads), sources)
    except Unclear as unclear:
        raise unknown_shape(unclear.what) from unclear
    return side, {f"{OWN}_who_{number}": table for number, (table, _) in enumerate(side.shape.guarded)}


def _in_own_process(told: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", "from sanqu.sandbox.fitting import serve; serve()"],
            input=json.dumps(told).encode() + b"\n" + body_of(table, False).data, capture_output=True, timeout=MOST_SECONDS,
            check=False, env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "2"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as fault:
        raise _bad("训练超时", "training took too long") from fault
    if done.returncode != 0:
        raise _bad("训练没有成功，或用完了内存", "training failed or used up its memory")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _bad(zh: str, en: str) -> BadInput:
    return BadInput(
        "sandbox.training",
        Text(zh=f"模型没有训练出来：{zh}", en=f"The model was not trained: {en}"),
        Text(zh="改查询或换一种模型", en="Change the query or choose another model"),
        status=422,
    )
