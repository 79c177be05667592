"""The sealed process: small tables that are asked for again and again lie ready in it, at the version that is asked for."""

from __future__ import annotations

import pytest

from sanqu.ground.city import City
from sanqu.lake import Commit, Contract, lake_of, sealed
from sanqu.lake.sealed import Kept

TOLD = {"name": "units", "title": {"zh": "单位"}, "steward": "330800", "primaryKey": ["id"], "fields": [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for often is copied at once, not when it has stood for seconds."""
    monkeypatch.setattr(sealed, "SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(sealed, "STANDS_SECONDS", 0.0)


@pytest.fixture
def versions(city: City) -> list[str]:
    """A small dataset at two versions, as SQL."""
    lake_of(city).declare(Contract.from_descriptor(TOLD), "test")
    with lake_of(city).engine() as duck:
        made = [lake_of(city).upsert("units", f"SELECT range AS id, 'v{n}' AS name FROM range({n * 10})", Commit("test"), duck=duck).snapshot for n in (1, 2)]
    return [lake_of(city).at_snapshot("units", one) for one in made]


def test_a_small_table_that_is_asked_for_again_and_again_is_copied_and_each_version_says_what_it_said(city: City, versions: list[str]) -> None:
    query = "SELECT count(*), max(name) FROM mark"
    with lake_of(city).engine() as duck:
        kept = Kept(duck)
        asked = []
        for table, says in zip(versions, [(10, "v1"), (20, "v2")], strict=True):
            for _ in range(sealed.ASKED_BEFORE + 2):
                asked.append(kept.lead(query, {"mark": table}))
                assert duck.execute(asked[-1]).fetchone() == says
                kept.keep()
    assert versions[0] in asked[0] and "_sanqu_kept_" in asked[sealed.ASKED_BEFORE + 1]
    assert versions[1] in asked[sealed.ASKED_BEFORE + 2] and "_sanqu_kept_" in asked[-1]


def test_a_table_that_moves_all_the_time_is_not_copied(city: City, versions: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "STANDS_SECONDS", 1e9)
    with lake_of(city).engine() as duck:
        kept = Kept(duck)
        for table in versions * (sealed.ASKED_BEFORE + 3):
            assert kept.lead("FROM mark", {"mark": table}) == f"FROM {table}"
            kept.keep()


def test_large_tables_are_not_copied_nor_those_whose_version_is_not_said(city: City, versions: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "KEPT_LETTERS", 50)
    with lake_of(city).engine() as duck:
        kept = Kept(duck)
        for table in (versions[1], "lake.main.units"):
            for _ in range(sealed.ASKED_BEFORE + 3):
                assert kept.lead("FROM mark", {"mark": table}) == f"FROM {table}"
                kept.keep()


def test_copies_are_few_and_go_when_nobody_asks_any_more(city: City, versions: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "MOST_KEPT", 1)
    copies = "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE '_sanqu_kept_%'"
    with lake_of(city).engine() as duck:
        kept = Kept(duck)
        for table in versions:
            for _ in range(sealed.ASKED_BEFORE + 2):
                kept.lead("FROM mark", {"mark": table})
                kept.keep()
        assert duck.execute(copies).fetchone() == (1,)
        monkeypatch.setattr(sealed, "IDLE_SECONDS", -1.0)
        kept.keep()
        assert duck.execute(copies).fetchone() == (0,)
        assert kept.lead("FROM mark", {"mark": versions[1]}) == f"FROM {versions[1]}"
