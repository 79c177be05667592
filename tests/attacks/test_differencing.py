"""Figures that tell of one person once they are subtracted, and joins and comparisons that say who is who."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.people.askers import Asker
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing.door import Question, ask

from .attempts import Attempt, attempt, guess
from .county import EVERYONE, RESIDENTS, STEWARD, Person, give, officer, residents_rows, stranger
from .hall import Hall

SUM = "SELECT sum(income) AS s FROM residents"
# Two people have less: whoever could tell this threshold from another would know about them.
SECOND = sorted(one.income for one in EVERYONE)[2]
BELOW = f"WITH t AS (SELECT name, sum(income) AS s FROM residents GROUP BY name) {SUM} r JOIN t ON t.name = r.name WHERE t.s >= {{}} OR t.s IS NULL"

ATTEMPTS = [
    attempt("all, then all but one", f"{SUM}", f"{SUM} WHERE name <> 'person 7'"),
    attempt("all but one, then all", f"{SUM} WHERE name <> 'person 7'", f"{SUM}"),
    attempt("all, then all but one, as averages", "SELECT avg(income), count(*) AS n FROM residents", "SELECT avg(income), count(*) AS n FROM residents WHERE name <> 'person 7'"),
    attempt("a sum, then an average", f"{SUM}", "SELECT avg(income), count(*) AS n FROM residents WHERE name <> 'person 7'"),
    attempt("a town, then the town but one", f"{SUM} WHERE town = '330802002'", f"{SUM} WHERE town = '330802002' AND name <> 'person 7'"),
    attempt("within one query by two subqueries", f"SELECT ({SUM}) - ({SUM} WHERE name <> 'person 7')"),
    attempt("within one query by two FILTERs", "SELECT sum(income) FILTER (WHERE age > 0) - sum(income) FILTER (WHERE name <> 'person 7') FROM residents"),
    attempt("within one query by two CTEs", f"WITH a AS ({SUM}), b AS ({SUM} WHERE name <> 'person 7') SELECT * FROM a, b"),
    attempt("within one query by a set operation", f"{SUM} EXCEPT {SUM} WHERE name <> 'person 7'"),
    attempt("within one query, only the difference", f"SELECT (SELECT a.s - b.s FROM ({SUM}) a, ({SUM} WHERE name <> 'person 7') b)"),
    attempt("the total, then its bands", f"{SUM}", "SELECT band, sum(income) AS s FROM residents GROUP BY band"),
    attempt("the bands, then the total", "SELECT band, sum(income) AS s FROM residents GROUP BY band", f"{SUM}"),
    attempt("each band alone, then the total", *(f"{SUM} WHERE band = 'band {n}'" for n in range(4)), f"{SUM}"),
    attempt("halves, then the total", f"{SUM} WHERE band IN ('band 0', 'band 1')", f"{SUM} WHERE band IN ('band 2', 'band 3')", f"{SUM}"),
    attempt("thirds that overlap", f"{SUM} WHERE band IN ('band 0', 'band 1', 'lone')", f"{SUM} WHERE band IN ('band 1', 'band 2')", f"{SUM} WHERE band = 'band 0'", f"{SUM} WHERE band = 'band 1'", f"{SUM} WHERE band = 'band 2'"),
    attempt("crossed sets", f"{SUM} WHERE age < 45", f"{SUM} WHERE age >= 45 OR name = 'person 7'", f"{SUM}"),
    attempt("crossed sets by ages", f"{SUM} WHERE age BETWEEN 20 AND 40", f"{SUM} WHERE age BETWEEN 41 AND 69", f"{SUM} WHERE age BETWEEN 20 AND 69 AND name <> 'person 7'"),
    attempt("tracker", f"{SUM} WHERE town = '330802001' OR name = 'person 7'", f"{SUM} WHERE town <> '330802001' OR name = 'person 7'", f"{SUM}"),
    attempt("double tracker", f"{SUM} WHERE age < 50 OR name = 'person 7'", f"{SUM} WHERE age < 50 AND name <> 'person 7'"),
    attempt("by an order and a limit", f"{SUM} WHERE name IN (SELECT name FROM residents ORDER BY name LIMIT 100)", f"{SUM} WHERE name IN (SELECT name FROM residents ORDER BY name LIMIT 101)"),
    attempt("by a parameter", f"{SUM} WHERE name <> $n", f"{SUM} WHERE name <> $n OR name = 'person 7'", params={"n": "person 7"}),
    attempt("under another alias", f"{SUM}", "SELECT sum(x.income) AS other FROM residents AS x WHERE x.name <> 'person 7'"),
    attempt("in another form", f"{SUM}", "SELECT sum(r.income) FROM residents r JOIN (SELECT name FROM residents WHERE name <> 'person 7') q ON q.name = r.name"),
    attempt("with a HAVING that hides", f"{SUM}", f"{SUM} WHERE name <> 'person 7' HAVING sum(income) > 0"),
    attempt("with a LIMIT that hides", f"{SUM} LIMIT 0", f"{SUM} WHERE name <> 'person 7'", f"{SUM}"),
    attempt("with a FILTER beside a total", "SELECT sum(income) AS a, sum(income) FILTER (WHERE name <> 'person 7') AS b FROM residents"),
    attempt("with an empty value", "SELECT sum(savings) FROM residents", "SELECT sum(savings) FROM residents WHERE name <> 'person 7'"),
    attempt("with whoever has savings", "SELECT sum(income) FROM residents WHERE age > 20", "SELECT sum(income) FROM residents WHERE age > 20 AND name <> 'person 7'"),
    attempt("variances", "SELECT var_pop(income), avg(income), count(*) AS n FROM residents", "SELECT var_pop(income), avg(income), count(*) AS n FROM residents WHERE name <> 'person 7'"),
    attempt("counts of an item for sums", "SELECT count(savings) FROM residents WHERE age > 30", "SELECT count(savings) FROM residents WHERE age > 30 AND name <> 'person 16'"),
    attempt("groups that fall below the least", "SELECT diagnosis, count(*) AS n FROM residents WHERE age < 28 GROUP BY diagnosis", "SELECT diagnosis, count(*) AS n FROM residents WHERE age < 28 AND name <> 'person 7' GROUP BY diagnosis"),
    attempt("groups by a class that loses one", "SELECT diagnosis, age < 28 AS c, count(*) AS n FROM residents GROUP BY diagnosis, age < 28", "SELECT diagnosis, age < 28 AND name <> 'person 7' AS c, count(*) AS n FROM residents GROUP BY diagnosis, age < 28 AND name <> 'person 7'"),
    attempt("groups by three sets", "SELECT diagnosis, count(*) AS n FROM residents WHERE age < 45 OR name = 'person 27' GROUP BY diagnosis", "SELECT diagnosis, count(*) AS n FROM residents WHERE age >= 45 GROUP BY diagnosis", "SELECT diagnosis, count(*) AS n FROM residents GROUP BY diagnosis"),
    attempt("a bad statement before", "SELECT (SELECT sum(r.income) FROM residents r WHERE r.town = x.town AND EXISTS (SELECT 1 FROM shops x WHERE x.no = 1)) FROM shops x", f"{SUM}", f"{SUM} WHERE name <> 'person 7'"),
    attempt("two items for sums compared", "SELECT name FROM residents WHERE income > savings"),
    attempt("an item for comparisons put out", "SELECT rank FROM residents"),
    attempt("an item for comparisons sorted by", "SELECT name FROM residents ORDER BY rank"),
    attempt("an item for comparisons grouped by", "SELECT rank, count(*) FROM residents GROUP BY rank"),
    attempt("an item for comparisons added up", "SELECT sum(rank) FROM residents"),
    attempt("an item for comparisons computed with", "SELECT count(*) FROM residents r, residents s WHERE r.rank > s.rank + 1000"),
    attempt("an item for comparisons cast", "SELECT count(*) FROM residents r, residents s WHERE r.rank::DOUBLE / 2 > s.rank"),
    attempt("an item for comparisons by binary search", *(f"SELECT count(*) FROM residents WHERE name = 'person 9' AND rank > {2 ** n}" for n in range(28, 31))),
    attempt("an item for comparisons with BETWEEN", "SELECT name FROM residents WHERE rank BETWEEN 1 AND 500000000"),
    attempt("an item for comparisons with an aggregate", "SELECT name FROM residents WHERE rank = (SELECT max(rank) FROM residents)"),
    attempt("an item for comparisons with an open one", "SELECT r.name FROM residents r JOIN roads s ON r.rank > s.metres"),
    attempt("an item for comparisons with an item for sums", "SELECT r.name FROM residents r, residents s WHERE r.rank > s.income"),
    attempt("an item for joins put out", "SELECT r.id FROM residents r JOIN shops s ON s.owner = r.id"),
    attempt("an item for joins in the outer select", "SELECT q.id FROM (SELECT id FROM residents) q JOIN shops s ON s.owner = q.id"),
    attempt("an item for joins with USING", "SELECT * FROM (SELECT owner AS id, no FROM shops) s JOIN residents r USING (id)"),
    attempt("an item for joins with NATURAL", "SELECT * FROM residents NATURAL JOIN residents"),
    attempt("an item for joins, unequal", "SELECT r.name FROM residents r JOIN shops s ON s.owner > r.id"),
    attempt("an item for joins, outer", "SELECT r.name, s.no FROM residents r LEFT JOIN shops s ON s.owner = r.id"),
    attempt("an item for joins, full", "SELECT coalesce(r.id, s.owner) FROM residents r FULL JOIN shops s ON s.owner = r.id"),
    attempt("an item for joins, anti", "SELECT r.name, r.id FROM residents r ANTI JOIN shops s ON s.owner = r.id"),
    attempt("an item for joins, as of", "SELECT r.name, s.owner FROM residents r ASOF JOIN shops s ON r.id >= s.owner"),
    attempt("an item for joins, by its parts", "SELECT r.name FROM residents r JOIN range(10) t(i) ON substr(r.id, 4, 1) = t.i::VARCHAR"),
    attempt("an item for joins, enumerated", "SELECT r.name FROM residents r JOIN (SELECT 'IDX' || lpad(i::VARCHAR, 10, '0') AS g FROM range(1000) t(i)) q ON q.g = r.id"),
    attempt("an item for joins, enumerated by a masked one", "SELECT r.name FROM residents r JOIN residents s ON s.badge = r.id"),
    attempt("an item for joins, with OR", "SELECT r.name FROM residents r JOIN shops s ON s.owner = r.id OR r.id = 'IDX'"),
    attempt("an item for joins, negated", "SELECT r.name FROM residents r JOIN shops s ON NOT s.owner = r.id"),
    attempt("an item for joins, grouped", "SELECT r.id, count(*) FROM residents r JOIN shops s ON s.owner = r.id GROUP BY r.id"),
    attempt("an item for joins, by position", "SELECT r.id FROM residents r POSITIONAL JOIN shops s"),
    attempt("an item for joins, sorted", "SELECT r.name FROM residents r JOIN shops s ON s.owner = r.id ORDER BY r.id"),
    attempt("an item for joins, minimal", "SELECT min(r.id) FROM residents r JOIN shops s ON s.owner = r.id"),
    attempt("an item for joins, of a stranger", "SELECT count(*) FROM residents r JOIN shops s ON s.owner = r.id", who=stranger),
    guess("a figure of one inside a FILTER", "SELECT sum(income) FILTER (WHERE age > 0 AND {} < (SELECT sum(r.savings) FROM residents r WHERE r.name = 'person 9')) FROM residents", 1, 10**12),
    guess("a figure of one inside a HAVING of groups", "SELECT diagnosis FROM residents GROUP BY diagnosis HAVING {} < (SELECT sum(r.savings) FROM residents r WHERE r.name = 'person 9') ORDER BY 1", 1, 10**12),
    guess("a figure of one inside a WHERE", "SELECT sum(income) FROM residents WHERE {} < (SELECT sum(r.savings) FROM residents r WHERE r.name = 'person 9')", 1, 10**12),
    guess("a figure of one inside an ORDER BY", "SELECT town, sum(income) FROM residents GROUP BY town ORDER BY CASE WHEN {} < (SELECT sum(r.savings) FROM residents r WHERE r.name = 'person 9') THEN town END, town DESC", 1, 10**12),
    Attempt("a figure of one inside a CTE, by what is refused then", (SUM, BELOW.format(0)), twin=(SUM, BELOW.format(SECOND))),
    attempt("a figure of one inside a CTE that hides whom the figure is about", f"{SUM}",
            f"WITH t AS (SELECT name, sum(income) AS s FROM residents GROUP BY name) {SUM} r JOIN t ON t.name = r.name WHERE r.name <> 'person 7' AND (t.s IS NULL OR 1 = 2)"),
    attempt("a figure of one in a subquery that hides whom the figure is about", f"{SUM}",
            f"{SUM} WHERE name <> 'person 7' AND (SELECT sum(q.income) FROM residents q WHERE q.name = 'person 8') IS NULL"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda made: made.name)
def test_no_two_answers_tell_of_one(hall: Hall, attempt: Attempt) -> None:
    hall.try_(attempt)


def total(city: City, asker: Asker, sql: str = SUM) -> float:
    figure: Any = ask(city, asker, Question(sql, "relief")).table.to_pylist()[0]["s"]
    return float(figure)


def test_the_keys_of_one_person_are_one_asker(hall: Hall) -> None:
    """Two keys make two labels in the ledger, and no two people."""
    one, other = replace(officer(900), key_id=1), replace(officer(900), key_id=2)
    assert total(hall.city, one)
    with pytest.raises(Refused, match="subtract"):
        total(hall.city, other, f"{SUM} WHERE name <> 'person 7'")
    with pytest.raises(Refused, match="subtract"):
        total(hall.city, replace(officer(900), key_id=None), f"{SUM} WHERE name <> 'person 7'")


def keep(city: City, everyone: list[Person]) -> None:
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("pensioners", residents_rows(everyone), Commit("test"), duck=duck)


def test_a_total_before_and_after_one_change_is_not_given(hall: Hall) -> None:
    """The same people at two snapshots: the difference is what changed of one."""
    city, asker = hall.city, officer(901)
    register_contract(city, Contract.from_descriptor(RESIDENTS | {"name": "pensioners"}), "system", state="published")
    keep(city, EVERYONE)
    give(city, "user:901", "pensioners", income="aggregate", name="plain", age="plain")
    sql = "SELECT sum(income) AS s FROM pensioners"
    before = total(city, asker, sql)
    keep(city, [replace(one, income=one.income + 5) if one.number == 7 else one for one in EVERYONE])
    with pytest.raises(Refused, match="subtract"):
        total(city, asker, sql)
    with pytest.raises(Refused, match="subtract"):
        total(city, asker, "SELECT sum(income) AS s FROM pensioners WHERE age > 0")
    keep(city, [replace(one, income=one.income + 5) if one.number < 9 else one for one in EVERYONE])
    assert total(city, asker, sql) == pytest.approx(before + 45)


def test_tokens_of_two_grants_do_not_match_and_those_of_one_do(hall: Hall) -> None:
    sql = "SELECT badge FROM residents WHERE age = 27 ORDER BY badge"
    rows = [
        {str(row["badge"]) for row in ask(hall.city, who(number), Question(sql, "relief")).table.to_pylist()}
        for who, number in ((officer, 902), (officer, 903), (stranger, 904))
    ]
    assert rows[0] == rows[1] and len(rows[0]) == 5
    assert not rows[0] & rows[2]


def test_what_was_told_long_ago_is_still_held_against_what_is_asked(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can ask so much in between that the first answer is forgotten."""
    monkeypatch.setattr("sanqu.sharing.differing.MOST_EARLIER", 3)
    asker = officer(905)
    assert total(hall.city, asker)
    for age in (40, 50):
        assert total(hall.city, asker, f"{SUM} WHERE age < {age}")
    with pytest.raises(Refused):
        total(hall.city, asker, f"{SUM} WHERE age < 60")
    assert total(hall.city, asker)
    with pytest.raises(Refused):
        total(hall.city, asker, f"{SUM} WHERE name <> 'person 7'")


def test_what_failed_for_one_asker_answers_no_other(hall: Hall) -> None:
    """A query of several statements whose first one fails leaves nothing behind for whoever asks next."""
    fails = "SELECT (SELECT sum(r.income) FROM residents r WHERE r.town = x.town AND EXISTS (SELECT 1 FROM shops x WHERE x.no = 1)) FROM shops x"
    for number in range(3):
        hall.try_(attempt("fails", fails, who=lambda n: officer(910)))
        found = ask(hall.city, officer(911), Question(f"SELECT {number} AS n")).table.to_pylist()
        assert found == [{"n": number}]


def test_the_reader_of_answers_sees_what_a_steward_sees(hall: Hall) -> None:
    """Were the reader blind, no attempt could fail."""
    steward, nobody = STEWARD, officer(912)
    for sql in (
        "SELECT note FROM residents", "SELECT id FROM residents LIMIT 1", "SELECT income FROM residents WHERE name = 'person 7'",
        "SELECT sum(income) FROM residents WHERE name = 'person 9'", "SELECT list(savings) FROM residents WHERE age = 27",
        "SELECT name, diagnosis FROM residents LIMIT 1", "SELECT label FROM roads WHERE town = '330803001'",
        f"{SUM} UNION ALL {SUM} WHERE name <> 'person 7'", "SELECT 'x' || note FROM residents WHERE age = 27",
        "SELECT avg(income), count(*) AS n FROM residents UNION ALL SELECT avg(income), count(*) FROM residents WHERE name <> 'person 7'",
        "SELECT band, sum(income) AS s FROM residents WHERE band <> 'trio' GROUP BY ROLLUP (band) HAVING band IS NULL OR band <> 'lone'",
    ):  # fmt: skip
        said = [{"rows": ask(hall.city, steward, Question(sql, rows=20)).table.to_pylist()}]
        assert hall.leak_in(said, nobody) is not None, sql
