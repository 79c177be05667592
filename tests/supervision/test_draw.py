"""The draw as a function of a file: the same each time, fair by weights, never against an exclusion."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanqu.supervision import draw as module
from sanqu.supervision.draw import VERSION, DrawFault, commitment_of, digest_of, draw, opaque, repeat


def lists_of(weights: list[str], inspectors: int = 4, take: int = 3, count: int = 2, most: int = 20, avoids: dict[int, list[int]] | None = None) -> dict[str, Any]:
    """Lists of one group and one team; inspector n avoids the targets of `avoids[n]`."""
    return {
        "v": VERSION, "targets": [{"id": f"t{n}", "group": "all", "weight": weight} for n, weight in enumerate(weights)], "left_out": [],
        "inspectors": [{"id": f"i{n}", "team": "u", "avoids": [f"t{t}" for t in (avoids or {}).get(n, [])]} for n in range(inspectors)],
        "quota": {"all": take}, "teams": [{"unit": "u", "count": count}], "most": most,
    }  # fmt: skip


def file_of(lists: dict[str, Any], seed: bytes = b"s" * 32, witness: str = "6 17 23") -> dict[str, Any]:
    """A verify file without the ledger's part."""
    result = [{"target": one.target, "group": one.group, "inspectors": list(one.inspectors)} for one in draw(lists, seed, witness)]
    digest = digest_of(lists)
    return {"lists": lists, "digest": digest, "seed": seed.hex(), "commitment": commitment_of(seed, digest), "witness": witness, "result": result}


WEIGHTS = st.lists(st.sampled_from(["0.5", "1", "2", "4", "8"]), min_size=3, max_size=30)


@settings(max_examples=40)
@given(weights=WEIGHTS, seed=st.binary(min_size=32, max_size=32), witness=st.text(max_size=20), data=st.data())
def test_a_draw_is_a_function_of_lists_seed_and_witness_and_keeps_quota_and_exclusions(weights: list[str], seed: bytes, witness: str, data: st.DataObject) -> None:
    avoids = {n: data.draw(st.lists(st.integers(0, len(weights) - 1), max_size=6)) for n in range(3)}
    lists = lists_of(weights, inspectors=6, take=data.draw(st.integers(1, 30)), avoids=avoids)
    first = draw(lists, seed, witness)
    assert first == draw(json.loads(json.dumps(lists)), seed, witness)
    assert len(first) == min(lists["quota"]["all"], len(weights)) == len({one.target for one in first})
    avoided = {one["id"]: set(one["avoids"]) for one in lists["inspectors"]}
    for one in first:
        assert len(set(one.inspectors)) == 2 and not any(one.target in avoided[each] for each in one.inspectors)


def test_the_chance_of_a_target_follows_its_weight() -> None:
    lists = lists_of(["1", "2", "4", "8"], take=1)
    drawn = Counter(draw(lists, n.to_bytes(32, "big"))[0].target for n in range(1000))
    for n, weight in enumerate((1, 2, 4, 8)):
        share = weight / 15
        # Four standard deviations, with fixed seeds: it holds or it does not, the same each time.
        assert abs(drawn[f"t{n}"] / 1000 - share) < 4 * math.sqrt(share * (1 - share) / 1000), drawn


def test_loads_are_even_and_a_cap_is_kept_by_moving_others() -> None:
    loads = Counter(one for each in draw(lists_of(["1"] * 30, inspectors=6, take=30), b"x" * 32) for one in each.inspectors)
    assert set(loads.values()) == {10}
    # Two who avoid all but one target: the others must make room for nobody, and nobody goes twice.
    tight = draw(lists_of(["1"] * 3, inspectors=4, take=3, count=2, most=2, avoids={0: [1, 2], 1: [0, 1]}), b"y" * 32)
    assert all(len(set(one.inspectors)) == 2 for one in tight)


def test_too_few_inspectors_or_a_weight_of_nothing_is_no_draw() -> None:
    with pytest.raises(DrawFault, match="fewer than 2 inspectors"):
        draw(lists_of(["1"] * 3, inspectors=2, avoids={0: [0, 1, 2]}), b"z" * 32)
    with pytest.raises(DrawFault, match="not above 0"):
        draw(lists_of(["1", "0", "1"]), b"z" * 32)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file["lists"]["targets"][0].update(weight="9"), "not those of the digest"),
        (lambda file: file.update(seed=(b"t" * 32).hex()), "not the one that was committed to"),
        (lambda file: file.update(witness="another"), "another result"),
        (lambda file: file["result"][0].update(inspectors=["i0", "i1", "i2"]), "another result"),
        (lambda file: file["result"].pop(), "another result"),
        (lambda file: file.update(names={"targets": [{"number": "t0", "id": "E1", "salt": "x"}]}), "not what stands behind"),
        (lambda file: file["lists"].update(v="other"), "not known"),
        (lambda file: file.pop("digest"), "not a verify file"),
        (lambda file: file.update(result=7), "not a verify file"),
    ],
)
def test_a_file_that_was_changed_is_found(change: Any, said: str) -> None:
    file = file_of(lists_of(["1", "2", "4", "8"]))
    repeat(file)
    changed = copy.deepcopy(file)
    change(changed)
    with pytest.raises(DrawFault, match=said):
        repeat(changed)


def test_the_program_repeats_a_draw_alone(tmp_path: Path) -> None:
    file, program = tmp_path / "draw.json", tmp_path / "draw.py"
    file.write_text(json.dumps(file_of(lists_of(["1", "2", "4", "8"]))), "utf-8")
    # Taken away from the house: it needs nothing but Python.
    program.write_text(Path(module.__file__).read_text("utf-8"), "utf-8")
    done = subprocess.run([sys.executable, "-I", program, file], capture_output=True, text=True, encoding="utf-8", env={"PYTHONUTF8": "1"}, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("✓ 3"), done.stderr


def test_a_number_tells_nothing_without_its_salt() -> None:
    assert opaque("salt", "E001") != opaque("other", "E001") and len(opaque("salt", "E001")) == 64
