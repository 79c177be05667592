"""The child's side of training: fits a model to rows, holds its parameters against the least group, writes them as plain data."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

MOST_FEATURES, MOST_MEMORY = 100, 4 << 30
# Fewer subjects for each parameter than this, and parameters say more of subjects than of the whole.
SUBJECTS_PER_FEATURE = 10
# How many digits of a threshold are told: it lies half-way between two values that somebody has.
DIGITS = 3
CLASSES = 10


class Unfit(Exception):
    """The rows are none that a model may be told of; both languages, and nothing that only the rows can say."""

    def __init__(self, zh: str, en: str) -> None:
        self.said = [zh, en]
        super().__init__(en)


def serve() -> None:
    """Limit oneself, read what to train and the rows, write the parameters."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    told = json.loads(sys.stdin.buffer.readline())
    table = pa.ipc.open_stream(io.BytesIO(sys.stdin.buffer.read())).read_all()
    sys.stdout.write(json.dumps(fit(told, table)))


def fit(told: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
    """The parameters of the model that `told` names, or its `fault`."""
    try:
        return _fit(told, table)
    except Unfit as fault:
        return {"fault": fault.said}


def _fit(told: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
    import numpy as np

    target, least = str(told["target"]), int(told["least"])
    features = [name for name in table.column_names if name != target and name not in told["subjects"]]
    if target not in table.column_names or not 0 < len(features) <= MOST_FEATURES:
        raise Unfit("查询里没有目标列，或没有特征", "the query has no target or no features")
    table = table.drop_null()
    subjects = [np.unique(table[name].to_pylist(), return_inverse=True)[1] for name in told["subjects"]]
    enough = max(SUBJECTS_PER_FEATURE * (len(features) + 1), 2 * least)
    if any(len(set(one.tolist())) < enough for one in subjects):
        raise Unfit("主体太少", "there are too few subjects")
    rows = np.column_stack([_numbers(table, name) for name in features])
    given, classes = _target(told, table[target].to_pylist(), subjects)
    if not np.isfinite(rows).all():
        raise Unfit("有的值不是有限的数", "some value is no finite number")
    said = {"model": told["model"], "features": features, "target": target}
    if told["model"] == "tree":
        return said | _tree(told, rows, given, classes, subjects)
    return said | _line(rows, given, classes, subjects, least)


def _numbers(table: pa.Table, name: str) -> Any:
    import numpy as np

    type_ = table.schema.field(name).type
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    if not any(is_(type_) for is_ in kinds):
        raise Unfit(f"特征 {name} 不是数", f"the feature {name} is no number")
    return np.asarray(table[name].to_pylist(), dtype=float)


def _target(told: Mapping[str, Any], answers: list[Any], subjects: Sequence[Any]) -> tuple[Any, bool]:
    """The column to predict, and whether it names classes."""
    import numpy as np

    numeric = all(isinstance(one, int | float) and not isinstance(one, bool) for one in answers)
    if told["model"] == "linear" and not numeric:
        raise Unfit("目标不是数", "the target is no number")
    if told["model"] == "linear" or (told["model"] == "tree" and numeric and len(set(answers)) > CLASSES):
        given = np.asarray(answers, dtype=float)
        if not np.isfinite(given).all():
            raise Unfit("有的值不是有限的数", "some value is no finite number")
        return given, False
    labels = np.asarray([str(one) for one in answers])
    found = set(labels.tolist())
    few = any(len(set(one[labels == label].tolist())) < int(told["least"]) for label in found for one in subjects)
    if len(found) < 2 or few:
        raise Unfit("目标的某一类主体太少", "a class of the target has too few subjects")
    return labels, True


def _line(rows: Any, given: Any, classes: bool, subjects: Sequence[Any], least: int) -> dict[str, Any]:
    from sklearn.linear_model import LinearRegression, LogisticRegression  # type: ignore[import-not-found,import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-not-found,import-untyped]

    scaler = StandardScaler().fit(rows)
    scaled = scaler.transform(rows)
    _check_leverage(scaled, subjects, least)
    model = (LogisticRegression(max_iter=1000) if classes else LinearRegression()).fit(scaled, given)
    return {
        "mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist(), "coefficients": model.coef_.tolist(),
        "intercept": model.intercept_.tolist() if classes else float(model.intercept_),
        **({"classes": model.classes_.tolist()} if classes else {}),
    }  # fmt: skip


def _check_leverage(scaled: Any, subjects: Sequence[Any], least: int) -> None:
    """Raise `Unfit` where a coefficient would be about fewer than `least` subjects.

    The leverage of rows (the diagonal of the hat matrix) says how much of the fit there is their own doing: a feature
    that marks n people gives each of them 1/n (Hoaglin and Welsch 1978).
    """
    import numpy as np

    whole = np.column_stack([np.ones(len(scaled)), scaled])
    left, values, _ = np.linalg.svd(whole, full_matrices=False)
    kept = left[:, values > values.max() * 1e-10]
    leverage = (kept**2).sum(axis=1)
    if any(np.bincount(one, weights=leverage).max() > 1 / least for one in subjects):
        raise Unfit("某几个主体单独决定了一个系数", "a few subjects decide a coefficient on their own")


def _tree(told: Mapping[str, Any], rows: Any, given: Any, classes: bool, subjects: Sequence[Any]) -> dict[str, Any]:
    """A tree in whose every leaf enough distinct subjects stand; where there are too few, its leaves are made larger."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor  # type: ignore[import-not-found,import-untyped]

    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    leaf = int(told["least_leaf"])
    while leaf * 2 <= len(rows):
        model = kind(max_depth=int(told["depth"]), min_samples_leaf=leaf, random_state=0).fit(rows, given)
        nodes = _nodes(model.tree_, classes)
        if _fewest(nodes, rows, subjects) >= int(told["least"]):
            return {"nodes": nodes, "least_leaf": leaf, **({"classes": model.classes_.tolist()} if classes else {})}
        leaf *= 2
    raise Unfit("没有一棵树的每个叶子都有足够多的主体", "no tree has enough subjects in each of its leaves")


def _nodes(tree: Any, classes: bool) -> list[dict[str, Any]]:
    return [
        {"value": tree.value[node][0].tolist() if classes else float(tree.value[node][0][0])}
        if tree.children_left[node] < 0
        else {
            "feature": int(tree.feature[node]), "threshold": float(f"{tree.threshold[node]:.{DIGITS}g}"),
            "left": int(tree.children_left[node]), "right": int(tree.children_right[node]),
        }
        for node in range(tree.node_count)
    ]  # fmt: skip


def _fewest(nodes: Sequence[Mapping[str, Any]], rows: Any, subjects: Sequence[Any]) -> int:
    """The distinct subjects in the emptiest leaf, as the thresholds that are told divide the rows."""
    import numpy as np

    at = np.zeros(len(rows), dtype=int)
    for number, node in enumerate(nodes):
        if "feature" in node:
            # Children stand behind their parent: each row has moved on by the time its node is met.
            here = at == number
            low = rows[:, node["feature"]] <= node["threshold"]
            at[here & low], at[here & ~low] = node["left"], node["right"]
    leaves = [number for number, node in enumerate(nodes) if "feature" not in node]
    return min((len(set(one[at == leaf].tolist())) for leaf in leaves for one in subjects), default=0)
