"""The ledger: what was committed is in it, what is in it can be proved, and a change to it shows."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, NotFound
from sanqu.ground.ledger import append, integrate, read_entries, verify
from sanqu.ground.ledger.checkpoint import signer_of
from sanqu.ground.ledger.merkle import (
    consistency_path,
    consistent,
    inclusion_path,
    leaf_hash,
    node_hash,
    range_hash,
    root_from_path,
    root_hash,
)  # fmt: skip
from sanqu.ground.ledger.proof import check, prove


def slow_hash(leaves: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(slow_hash(leaves[:split]), slow_hash(leaves[split:]))


def reader(leaves: list[bytes]):  # type: ignore[no-untyped-def]
    def read(level: int, index: int) -> bytes:
        if level == 0:
            return leaf_hash(leaves[index])
        return node_hash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))

    return read


@given(st.integers(0, 70), st.data())
def test_the_root_and_every_proof_are_those_of_the_standard(size: int, data: st.DataObject) -> None:
    leaves = [bytes([i]) * 3 for i in range(size)]
    read = reader(leaves)
    assert root_hash(read, size) == slow_hash(leaves)
    if size:
        index = data.draw(st.integers(0, size - 1))
        path = inclusion_path(read, index, size)
        assert root_from_path(leaf_hash(leaves[index]), index, size, path) == slow_hash(leaves)
        first = data.draw(st.integers(1, size))
        steps = consistency_path(read, first, size)
        assert consistent(first, size, slow_hash(leaves[:first]), slow_hash(leaves), steps)
        if first < size:
            assert not consistent(first, size, slow_hash(leaves[: first - 1]), slow_hash(leaves), steps)


def test_known_roots_of_the_transparency_test_vectors() -> None:
    # The eight leaves used by RFC 6962 reference tests; their root is published with them.
    leaves = [
        bytes.fromhex(x)
        for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
    ]
    assert range_hash(reader(leaves), 0, 8).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def write(city: City, count: int) -> None:
    with city.db.connection() as conn:
        for number in range(count):
            append(conn, kind="test.write", actor="user:1", subject=f"dataset:{number % 3}", facts={"n": number})


def test_what_commits_is_in_the_ledger_and_what_rolls_back_is_not(city: City) -> None:
    write(city, 3)
    with pytest.raises(RuntimeError), city.db.connection() as conn:
        append(conn, kind="test.never", actor="user:1", subject="dataset:0")
        raise RuntimeError
    assert integrate(city) == 3
    assert [entry.facts["n"] for entry in read_entries(city)] == [2, 1, 0]
    assert [entry.index for entry in read_entries(city, subject="dataset:1")] == [1]
    assert len(read_entries(city, kind="test")) == 3


def test_writers_at_the_same_time_give_one_unbroken_log(city: City) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: (write(city, 25), integrate(city)), range(8)))
    integrate(city)
    verdict = verify(city)
    assert verdict.sound, verdict.faults
    assert verdict.entries == 200


def test_a_proof_is_checked_offline_and_fails_for_another_text(city: City) -> None:
    write(city, 13)
    proof = prove(city, 7)
    assert check(proof) == 13
    for broken in (
        dataclasses.replace(proof, body=proof.body.replace("7", "8")),
        dataclasses.replace(proof, index=6),
        dataclasses.replace(proof, path=proof.path[:-1]),
        dataclasses.replace(proof, note=proof.note.replace("13", "14")),
    ):
        with pytest.raises(BadInput):
            check(broken)
    with pytest.raises(NotFound):
        prove(city, 13)


def test_the_tables_refuse_to_be_rewritten(city: City) -> None:
    write(city, 2)
    integrate(city)
    for statement in ("UPDATE ledger_entry SET body = 'x'", "DELETE FROM ledger_entry", "TRUNCATE ledger_node"):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"), city.db.connection() as conn:
            conn.execute(statement)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE ledger_entry SET body = replace(body, '\"n\":1', '\"n\":9') WHERE index = 1",
        "UPDATE ledger_entry SET actor = 'user:2' WHERE index = 1",
        "UPDATE ledger_entry SET at = at - interval '1 day' WHERE index = 1",
        "UPDATE ledger_entry SET body = 'x', leaf = sha256('\\x0078') WHERE index = 4",
        "UPDATE ledger_node SET hash = sha256('x') WHERE level = 1 AND index = 0",
        "DELETE FROM ledger_entry WHERE index = 4",
        "UPDATE ledger_checkpoint SET note = replace(note, 'sanqu/ledger', 'other/ledger')",
    ],
)
def test_a_change_behind_our_back_shows_in_the_verdict(city: City, tampering: str) -> None:
    write(city, 5)
    integrate(city)
    assert verify(city).sound
    with city.db.connection() as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute(tampering)
    assert not verify(city).sound


def _receipt(city: City, folder: Path) -> Path:
    with city.db.connection() as conn:
        append(conn, kind="test.read", actor="public", subject="dataset:air", facts={"rows": 3})
    file = folder / "receipt.json"
    file.write_text(json.dumps(dataclasses.asdict(prove(city, 0))), "utf-8")
    return file


def _verified(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sanqu.ground.ledger", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "SANQU_DATABASE_URL": "none"})


@pytest.mark.parametrize("suite", ["ed25519-sha256", "sm2-sm3"])
def test_a_receipt_verifies_where_there_is_no_city(city: City, tmp_path: Path, suite: str) -> None:
    city.settings = city.settings.model_copy(update={"ledger_suite": suite})
    file = _receipt(city, tmp_path)
    held = _verified(str(file))
    assert held.returncode == 0 and "dataset:air" in held.stdout and suite in held.stdout, held.stdout + held.stderr
    assert verify(city).sound


@pytest.mark.parametrize("suite", ["ed25519-sha256", "sm2-sm3"])
@pytest.mark.parametrize(("part", "change"), [("body", ("3", "4")), ("note", ("\n1\n", "\n2\n")), ("suite", ("s", "x"))])
def test_a_receipt_that_was_touched_does_not(city: City, tmp_path: Path, suite: str, part: str, change: tuple[str, str]) -> None:
    city.settings = city.settings.model_copy(update={"ledger_suite": suite})
    file = _receipt(city, tmp_path)
    said = json.loads(file.read_text("utf-8"))
    said[part] = said[part].replace(*change)
    file.write_text(json.dumps(said), "utf-8")
    assert _verified(str(file)).returncode == 1


def test_a_receipt_signed_with_another_key_than_the_one_known_does_not_hold(city: City, tmp_path: Path) -> None:
    file = _receipt(city, tmp_path)
    own = json.loads(file.read_text("utf-8"))["public_key"]
    other = base64.b64encode(bytes(32)).decode()
    assert (_verified(str(file), own).returncode, _verified(str(file), other).returncode) == (0, 1)
    assert _verified("/no/such/file").returncode == 1


def test_a_ledger_keeps_the_suite_it_was_begun_with(make_city: Callable[[], City]) -> None:
    city = make_city()
    with city.db.connection() as conn:
        append(conn, kind="test", actor="system", subject="x")
    integrate(city)
    again = City(city.settings.model_copy(update={"ledger_suite": "sm2-sm3"}), city.db, city.bus)
    assert signer_of(again).suite.name == "ed25519-sha256" and verify(again).sound
