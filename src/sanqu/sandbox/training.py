"""Models trained on what may not be seen, in a process of their own; they leave as plain parameters, never as a pickle."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Unavailable
from sanqu.ground.i18n import Text
from sanqu.sandbox.bodies import Body, body_of
from sanqu.sandbox.inside import Entered, run, take_quotas

ModelKind = Literal["logistic", "linear", "tree"]
MOST_ROWS, MOST_FEATURES, MOST_SECONDS, MOST_MEMORY = 1_000_000, 100, 120, 4 << 30
# Fewer rows for each parameter than this, and parameters say more of rows than of the whole.
ROWS_PER_FEATURE = 10


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


def train(city: City, entered: Entered, asked: Mapping[str, Any]) -> Body:
    """The parameters of a model as JSON; raises `BadInput` for rows nothing can be learnt from, `Unavailable` without the library."""
    check_there()
    plan = entered.decision.plan
    assert plan is not None
    (ran,) = run(city, entered, [(plan.sql, take_quotas(city, entered, MOST_ROWS))], plan.params)
    said = Training.model_validate(asked)
    told = {
        "model": said.model, "target": said.target, "depth": said.depth, "least_leaf": max(said.least_leaf, entered.room.least),
        "least": entered.room.least,
    }  # fmt: skip
    answer = _in_own_process(told, ran.table)
    if "fault" in answer:
        raise _bad(*answer["fault"])
    return Body(json.dumps(answer, ensure_ascii=False).encode(), 1, False)


def _in_own_process(told: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", "from sanqu.sandbox.training import serve; serve()"],
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


def serve() -> None:
    """The child's side: limits itself, reads what to train and the rows, writes the parameters."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    told = json.loads(sys.stdin.buffer.readline())
    table = pa.ipc.open_stream(io.BytesIO(sys.stdin.buffer.read())).read_all()
    sys.stdout.write(json.dumps(_train(told, table)))


def _train(told: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
    target = str(told["target"])
    features = [name for name in table.column_names if name != target]
    if target not in table.column_names or not 0 < len(features) <= MOST_FEATURES:
        return {"fault": ["查询里没有目标列，或没有特征", "the query has no target or no features"]}
    table = table.drop_null()
    if table.num_rows < max(ROWS_PER_FEATURE * (len(features) + 1), 2 * int(told["least"])):
        return {"fault": ["行太少", "there are too few rows"]}
    for name in features:
        type_ = table.schema.field(name).type
        if not (
            pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_) or pa.types.is_decimal(type_)
        ):
            return {"fault": [f"特征 {name} 不是数", f"the feature {name} is no number"]}
    return _fit(told, table, features, target)


def _fit(told: Mapping[str, Any], table: pa.Table, features: list[str], target: str) -> dict[str, Any]:
    import numpy as np

    rows = np.column_stack([np.asarray(table[name].to_pylist(), dtype=float) for name in features])
    answers = table[target].to_pylist()
    said: dict[str, Any] = {"model": told["model"], "features": features, "target": target}
    numeric = all(isinstance(one, int | float) and not isinstance(one, bool) for one in answers)
    if told["model"] == "linear" and not numeric:
        return {"fault": ["目标不是数", "the target is no number"]}
    classes = told["model"] == "logistic" or (told["model"] == "tree" and (not numeric or len(set(answers)) <= 10))
    if classes:
        labels = [str(one) for one in answers]
        if len(set(labels)) < 2 or min(labels.count(one) for one in set(labels)) < int(told["least"]):
            return {"fault": ["目标的某一类太少", "a class of the target has too few rows"]}
        given: Any = np.asarray(labels)
    else:
        given = np.asarray(answers, dtype=float)
    if not np.isfinite(rows).all() or (not classes and not np.isfinite(given).all()):
        return {"fault": ["有的值不是有限的数", "some value is no finite number"]}
    return said | (_tree(told, rows, given, classes) if told["model"] == "tree" else _line(rows, given, classes))


def _line(rows: Any, given: Any, classes: bool) -> dict[str, Any]:
    from sklearn.linear_model import LinearRegression, LogisticRegression  # type: ignore[import-not-found,import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-not-found,import-untyped]

    scaler = StandardScaler().fit(rows)
    model = (LogisticRegression(max_iter=1000) if classes else LinearRegression()).fit(scaler.transform(rows), given)
    return {
        "mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist(), "coefficients": model.coef_.tolist(),
        "intercept": model.intercept_.tolist() if classes else float(model.intercept_),
        **({"classes": model.classes_.tolist()} if classes else {}),
    }  # fmt: skip


def _tree(told: Mapping[str, Any], rows: Any, given: Any, classes: bool) -> dict[str, Any]:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor  # type: ignore[import-not-found,import-untyped]

    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    model = kind(max_depth=int(told["depth"]), min_samples_leaf=int(told["least_leaf"]), random_state=0).fit(rows, given)
    tree = model.tree_
    nodes = [
        {"value": tree.value[node][0].tolist() if classes else float(tree.value[node][0][0])}
        if tree.children_left[node] < 0
        else {
            "feature": int(tree.feature[node]), "threshold": float(tree.threshold[node]), "left": int(tree.children_left[node]),
            "right": int(tree.children_right[node]),
        }
        for node in range(tree.node_count)
    ]  # fmt: skip
    return {"nodes": nodes, "least_leaf": int(told["least_leaf"]), **({"classes": model.classes_.tolist()} if classes else {})}
