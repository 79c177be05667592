"""Attacks from inside a room: on its rules, its noise, its models, its stewards and its uploads."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sanqu.ground.city import City
from sanqu.sandbox.approval import approve
from sanqu.sandbox.results import ask_in_room, take_out
from sanqu.sandbox.rooms import room_on_record

from .attempts import Attempt
from .county import EVERYONE
from .den import (
    GIANT,
    STUDY,
    Dens,
    InRoom,
    brings,
    decides,
    elsewhere,
    exact,
    explained,
    inside,
    learns,
    lists,
    looks,
    noisy,
    reads_state,
    takes,
)
from .hall import Hall

N = EVERYONE[9]
SUM, COUNT = "SELECT sum(income) AS s FROM residents", "SELECT count(*) AS n FROM residents"
WORTH = "SELECT sum(worth) AS s FROM estates"
RAW = exact("SELECT name, income, savings FROM residents WHERE name = 'person 9'")


def ids(*without: int) -> str:
    return "ids\n" + "\n".join(one.id for one in EVERYONE if one.number not in without)


def one(*numbers: int) -> str:
    return "ids\n" + "\n".join(EVERYONE[number].id for number in numbers)


def flagged(*numbers: int) -> str:
    return "ids,flag\n" + "\n".join(f"{each.id},{int(each.number in numbers)}" for each in EVERYONE)


MOST = "JOIN my_most m ON m.ids = r.id"
# Four people are of one year: who knows the year would ask what they have by asking with and without it.
SUMS = [100_000 * n for n in range(3, 10)]
YEAR, NONE_HAS, SOME_HAVE = next(
    (year, much, some) for year in range(1945, 1995) for much in SUMS for some in SUMS
    if {each.income > much for each in EVERYONE if each.born == year} == {False}
    and {each.income > some for each in EVERYONE if each.born == year} == {True, False}
)  # fmt: skip


def older(than: int, has: int) -> str:
    return f"{COUNT} WHERE born {'<' if than == YEAR else '<='} {YEAR} AND income > {has}"

ATTEMPTS: list[InRoom] = [
    # Small cells, by every way of naming a few.
    inside("every row", exact("SELECT * FROM residents")),
    inside("one row", RAW),
    inside("the largest", exact("SELECT max(income) AS m, min(savings) AS l FROM residents")),
    inside("the first by order", exact("SELECT income FROM residents ORDER BY income DESC LIMIT 1")),
    inside("a sum over one", exact(f"{SUM} WHERE name = 'person 9'")),
    inside("a sum over one by a number", exact(f"{SUM} WHERE rank = {N.rank}")),
    inside("a sum over one by a range", exact(f"{SUM} WHERE savings BETWEEN {N.savings} AND {N.savings}")),
    inside("a sum over a small band", exact("SELECT band, sum(income) AS s FROM residents GROUP BY band")),
    inside("a sum over a trio", exact(f"{SUM} WHERE band = 'trio'")),
    inside("groups of one each", exact("SELECT name, sum(income) AS s FROM residents GROUP BY name")),
    inside("groups by two keys", exact("SELECT age, born, sum(income) AS s FROM residents GROUP BY age, born")),
    inside("groups by part of a key", exact("SELECT left(name, 10) AS k, avg(income) AS s FROM residents GROUP BY left(name, 10)")),
    inside("HAVING leaves one", exact("SELECT name, sum(income) AS s FROM residents GROUP BY name HAVING sum(income) > 1000000")),
    inside("a sum that one weighs out", exact("SELECT sum(income * CASE WHEN name = 'person 9' THEN 1 ELSE 0 END) AS s FROM residents")),
    inside("a sum with an empty value", exact("SELECT sum(nullif(income, 1)) AS s FROM residents")),
    inside("a FILTER for one", exact("SELECT sum(income) FILTER (WHERE name = 'person 9') AS s FROM residents")),
    inside("a window", exact("SELECT sum(income) OVER (PARTITION BY name) AS s FROM residents")),
    inside("a list", exact("SELECT list(income) AS s FROM residents")),
    inside("a string of all", exact("SELECT string_agg(name || income, ',') AS s FROM residents")),
    inside("a scalar subquery", exact("SELECT (SELECT income FROM residents WHERE name = 'person 9') AS s, count(*) AS n FROM residents")),
    inside("a CTE around one", exact("WITH t AS (SELECT * FROM residents WHERE name = 'person 9') SELECT sum(income) AS s FROM t")),
    inside("a union of one and all", exact(f"{SUM} UNION ALL {SUM} WHERE name = 'person 9'")),
    inside("a correlated subquery", exact("SELECT count(*) AS n FROM residents r WHERE income = (SELECT max(income) FROM residents s WHERE s.name = r.name)")),
    inside("a count of one", exact("SELECT count(*) AS n FROM residents WHERE name = 'person 9'"), twin=[exact("SELECT count(*) AS n FROM residents WHERE name = 'nobody'")]),
    inside("a diagnosis beside a name", exact("SELECT name, diagnosis, count(*) AS n FROM residents GROUP BY name, diagnosis")),
    inside("a diagnosis of one", exact("SELECT diagnosis, count(*) AS n FROM residents WHERE name = 'person 9' GROUP BY diagnosis")),
    inside("a condition that sets one apart", exact(f"{SUM} WHERE name <> 'person 9'")),
    inside("conditions that set one apart together", exact(f"{SUM} WHERE age <> {N.age} OR born <> {N.born} OR town <> '{N.town}'")),
    inside("a pattern that sets one apart", exact(f"{SUM} WHERE name NOT LIKE 'person 9'")),
    # Subtraction: within the room, across members, rooms and kinds of figures.
    inside("all, then all but one brought along", brings("most", ids(9)), exact(SUM), exact(f"{SUM} r {MOST}")),
    inside("all but one, then all", brings("most", ids(9)), exact(f"{SUM} r {MOST}"), exact(SUM)),
    inside("by two members", brings("most", ids(9)), exact(SUM), exact(f"{SUM} r {MOST}", "li")),
    inside("in two rooms", brings("most", ids(9)), exact(SUM), elsewhere(f"{SUM} r {MOST}")),
    inside("in two rooms by two members", brings("most", ids(9)), exact(SUM, "li"), exact(f"{SUM} r {MOST}", "wang")),
    inside("an average and a count", brings("most", ids(9)), exact(f"{COUNT}"), exact("SELECT avg(income) AS a FROM residents"), exact(f"SELECT avg(income) AS a FROM residents r {MOST}")),
    inside("bands and the total", exact("SELECT band, sum(income) AS s FROM residents WHERE band LIKE 'band%' GROUP BY band"), exact(SUM)),
    inside("each band, then the total", *(exact(f"{SUM} WHERE band = 'band {n}'") for n in range(4)), exact(SUM)),
    inside("three lists that leave one", brings("a", ids(*range(100))), brings("b", ids(*range(99, 240))), exact(f"{SUM} r JOIN my_a m ON m.ids = r.id"), exact(f"{SUM} r JOIN my_b m ON m.ids = r.id"), exact(SUM)),
    inside("a flag brought along", brings("flags", flagged(9)), exact("SELECT m.flag, sum(r.income) AS s FROM residents r JOIN my_flags m ON m.ids = r.id GROUP BY m.flag")),
    inside("a flag in a condition", brings("flags", flagged(9)), exact(f"{SUM} r JOIN my_flags m ON m.ids = r.id WHERE m.flag = 0"), exact(SUM)),
    inside("a list of one", brings("few", one(9)), exact(f"{SUM} r JOIN my_few m ON m.ids = r.id")),
    inside("a list of four", brings("few", one(9, 10, 12, 13)), exact(f"{SUM} r JOIN my_few m ON m.ids = r.id")),
    inside("a list of one many times", brings("few", one(*[9] * 50)), exact(f"{SUM} r JOIN my_few m ON m.ids = r.id")),
    inside("a list in which one stands twice", brings("twice", f"{ids()}\n{N.id}"), exact(SUM), exact(f"{SUM} r JOIN my_twice m ON m.ids = r.id")),
    inside("what a LEFT JOIN leaves empty", brings("few", one(9)), exact(f"{SUM} r LEFT JOIN my_few m ON m.ids = r.id WHERE m.ids IS NULL"), exact(SUM)),
    inside("what a steward let out", exact(f"{SUM} WHERE name <> 'person 9'"), decides("civil"), exact(SUM)),
    inside("weights brought along", brings("weights", flagged(9)), exact("SELECT sum(m.flag) AS s FROM residents r JOIN my_weights m ON m.ids = r.id")),
    inside("weights and values", brings("weights", flagged(9)), exact("SELECT sum(m.flag * r.income) AS s FROM residents r JOIN my_weights m ON m.ids = r.id")),
    inside("an upload named as a dataset", brings("residents", ids()), exact("SELECT * FROM my_residents r JOIN residents s ON s.id = r.ids")),
    inside("an upload hidden by a CTE", brings("few", one(9)), exact(f"WITH my_few AS (SELECT '{N.id}' AS ids) {SUM} r JOIN my_few m ON m.ids = r.id")),
    inside("an upload with the columns of the rewrite", brings("own", "_sanqu_subject,_sanqu_row\n1,1\n"), exact("SELECT * FROM my_own")),
    inside("another room's upload", brings("few", one(9)), exact('SELECT * FROM "room/1/few"'), exact("SELECT * FROM lake.main.my_few")),
    inside("a few of one age", exact(f"{SUM} WHERE age < 60"), exact(f"{SUM} WHERE age < 61")),
    inside("a few of one age, the other way round", exact(f"{SUM} WHERE age < 61"), exact(f"{SUM} WHERE age < 60")),
    inside("a few of one age by two members", exact(f"{SUM} WHERE age < 60"), exact(f"{SUM} WHERE age < 61", "li")),
    inside("a few of one age in two rooms", exact(f"{SUM} WHERE age < 60"), elsewhere(f"{SUM} WHERE age < 61")),
    inside("a few of one age in two rooms by two members", exact(f"{SUM} WHERE age < 60", "li"), elsewhere(f"{SUM} WHERE age < 61")),
    inside("a few of one age, counted and added up", exact(f"{COUNT} WHERE age < 60"), exact("SELECT count(income) AS n, avg(income) AS a FROM residents WHERE age < 61")),
    inside("a few of one age by three", exact(f"{SUM} WHERE age < 60"), exact(f"{SUM} WHERE age >= 61"), exact(SUM)),
    inside("a small band in a list", exact(f"{SUM} WHERE band IN ('band 1', 'lone')")),
    inside("a small band left out", exact(f"{SUM} WHERE band NOT IN ('lone')")),
    # Whether a result passes is an answer too: it must not hang on whom a guess is about.
    *(inside(f"a refusal tells: {name}", brings("list", ids(9)), exact(sql.replace("{}", right)), twin=[brings("list", ids(9)), exact(sql.replace("{}", wrong))]) for name, sql, right, wrong in (
        ("who is there", f"{COUNT} WHERE name <> '{{}}'", "person 9", "person x"),
        ("who is there, begins so", f"{COUNT} WHERE name NOT LIKE '{{}}%'", "person 9", "person x"),
        ("who has a number", f"{COUNT} WHERE phone <> '{{}}'", N.phone, "13900000000"),
        ("what somebody has", f"{COUNT} WHERE income <> {{}}", str(N.income), "123456.789"),
        ("what somebody has, whole", f"{COUNT} WHERE savings <> {{}}", str(N.savings), "5123456789"),
        ("who is first", f"{COUNT} WHERE rank < {{}}", str(sorted(one.rank for one in EVERYONE)[5]), str(sorted(one.rank for one in EVERYONE)[3])),
        ("who of a list has more", "SELECT count(*) AS n FROM residents r JOIN my_list m ON m.ids = r.id WHERE r.income > {}", "400000", "500000"),
        ("who of the small band has more", "SELECT count(*) AS n FROM residents WHERE band IN ('band 1', 'lone') AND income > {}", "300000", "700000"),
    )),
    inside("a refusal tells: what those of a year have", exact(older(YEAR, NONE_HAS)), exact(older(YEAR + 1, NONE_HAS)), twin=[exact(older(YEAR, SOME_HAVE)), exact(older(YEAR + 1, SOME_HAVE))]),
    inside("a refusal tells: what those of a year have, by three", exact(f"{COUNT} WHERE born < {YEAR}"), exact(f"{COUNT} WHERE born > {YEAR}"), exact(f"{COUNT} WHERE income > 0")),
    # Dominance.
    inside("a sum that one makes up", exact(WORTH), near=(GIANT,)),
    inside("an average that one makes up", exact("SELECT avg(worth) AS a, count(worth) AS n FROM estates"), near=(GIANT, GIANT / 538)),
    inside("bands that one makes up", exact("SELECT band, sum(worth) AS s FROM estates GROUP BY band"), near=(GIANT,)),
    inside("one rounded", exact("SELECT round(sum(worth), -6) AS s FROM estates"), near=(GIANT,)),
    inside("one divided", exact("SELECT sum(worth) / 1000 AS s FROM estates"), near=(GIANT / 1000,)),
    inside("one by a join", exact("SELECT sum(e.worth) AS s FROM residents r JOIN estates e ON e.owner = r.id"), near=(GIANT,)),
    inside("one by another's rows", exact("SELECT sum(worth) AS s FROM estates WHERE band = 'band 1'"), near=(GIANT,)),
    inside("one behind many plots", exact("SELECT count(*) AS n FROM estates WHERE band = 'band 2'")),
    inside("one as a figure with noise, wide bounds", noisy(WORTH, bounds={"worth": [0, 1e13]}, epsilon=0.1), near=()),
    inside("one as a figure with noise, in a HAVING", noisy("SELECT band, sum(worth) AS s FROM estates GROUP BY band HAVING sum(worth) > 1e12", bounds={"worth": [0, 1e13]}, groups=[["band 1"]]), near=(GIANT,)),
    # Errors and refusals as oracles.
    *(inside(f"an error: {name}", exact(sql.replace("{}", "person 9")), twin=[exact(sql.replace("{}", "nobody"))]) for name, sql in (
        ("a cast", "SELECT count(*) AS n FROM residents WHERE CAST(CASE WHEN name = '{}' THEN 'x' ELSE '1' END AS INT) = 1"),
        ("a division", "SELECT count(*) AS n FROM residents WHERE 1 // (CASE WHEN name = '{}' THEN 0 ELSE 1 END) = 1"),
        ("an overflow", "SELECT sum(CASE WHEN name = '{}' THEN 9223372036854775807 ELSE 1 END) AS n FROM residents"),
        ("a pattern", "SELECT count(*) AS n FROM residents WHERE regexp_matches(name, CASE WHEN name = '{}' THEN '(' ELSE 'x' END)"),
        ("a long text", "SELECT count(*) AS n FROM residents WHERE length(repeat('x', CASE WHEN name = '{}' THEN 2000000000 ELSE 1 END)) > 0"),
        ("a date", "SELECT count(*) AS n FROM residents WHERE strptime(CASE WHEN name = '{}' THEN 'x' ELSE '2020' END, '%Y') IS NOT NULL"),
        ("a key that fails", "SELECT CAST(CASE WHEN name = '{}' THEN 'x' ELSE '1' END AS INT) AS k, count(*) AS n FROM residents GROUP BY 1"),
        ("an order that fails", "SELECT band, count(*) AS n FROM residents GROUP BY band ORDER BY max(CAST(CASE WHEN name = '{}' THEN 'x' ELSE '1' END AS INT))"),
        ("a comparison of kinds", "SELECT count(*) AS n FROM residents WHERE name = '{}' AND name = 7"),
        ("a subquery of two rows", "SELECT count(*) AS n FROM residents WHERE income = (SELECT income FROM residents WHERE name = '{}' OR age = 20)"),
    )),
    *(inside(f"explained: {name}", explained(sql)) for name, sql in (
        ("a closed item", "SELECT note FROM residents"), ("a hidden dataset", "SELECT * FROM vault"), ("a value", "SELECT name FROM residents WHERE CAST(name AS INT) = 1"),
    )),
    # The closed, the engine, and the ways around the text.
    *(inside(f"not granted: {name}", exact(sql), noisy(sql)) for name, sql in (
        ("a closed item", "SELECT count(note) AS n FROM residents"), ("a hidden dataset", "SELECT count(*) AS n FROM vault"),
        ("rows of a department", "SELECT count(label) AS n FROM roads"), ("an item of an open dataset", "SELECT count(secret) AS n FROM shops"),
        ("a file", "SELECT count(*) AS n FROM read_csv('/etc/passwd')"), ("the environment", "SELECT getenv('HOME') AS n"),
        ("two statements", f"{COUNT}; {SUM}"), ("a COPY", "COPY residents TO '/tmp/x.csv'"), ("an ATTACH", "ATTACH 'x.db'"), ("a PREPARE", f"PREPARE p AS {SUM}"),
        ("a parameter", f"{COUNT} WHERE name = $1"), ("a named parameter", f"{COUNT} WHERE name = $name"), ("a secret of a mask", "SELECT count($_sanqu_secret_1) AS n FROM residents"),
        ("the row's number", "SELECT count(rowid) AS n FROM residents"), ("the rewrite's subject", "SELECT count(_sanqu_subject) AS n FROM residents"),
        ("a comment that ends early", f"{COUNT} /* */ WHERE name = 'person 9' --"), ("a comment between", "SELECT/**/income/**/FROM/**/residents"),
        ("a name in quotes", 'SELECT sum("income"")--") AS s FROM residents'), ("another schema", "SELECT count(*) AS n FROM main.residents"),
    )),
    # Noise.
    inside("noise at a cost beyond the budget", noisy(COUNT, epsilon=10)),
    inside("noise without bounds", noisy(SUM)),
    inside("noise with bounds that are none", noisy(SUM, bounds={"income": [1e300, -1e300]})),
    inside("noise over what names two subjects", noisy("SELECT count(*) AS n FROM residents r JOIN estates e ON e.band = r.band WHERE r.name = 'person 9'")),
    inside("noise over one multiplied", brings("many", one(*[9] * 900)), noisy(f"{SUM} r JOIN my_many m ON m.ids = r.id", bounds={"income": [0, 2e6]}, rows=1000)),
    inside("noise by the largest", noisy("SELECT max(income) AS m FROM residents")),
    inside("noise by groups that the data name", noisy("SELECT name, sum(income) AS s FROM residents GROUP BY name", bounds={"income": [0, 2e6]})),
    inside("noise and the exact figure", exact(SUM), noisy(f"{SUM} WHERE name <> 'person 9'", bounds={"income": [0, 2e6]})),
    inside("noise with bounds around one", noisy(SUM, bounds={"income": [N.income, N.income + 1e-6]})),
    inside("noise in a comparison afterwards", noisy("SELECT sum(income) > 1 AS s FROM residents", bounds={"income": [0, 2e6]})),
    # Stewards, and results that are not out.
    inside("reading what waits", RAW, takes("wang"), reads_state("wang"), lists("wang"), lists("li")),
    inside("looking as a member", RAW, looks("wang"), looks("li")),
    inside("looking as another steward", RAW, looks("tax"), takes("tax"), reads_state("tax"), decides("tax")),
    inside("looking as a stranger", RAW, looks("outsider"), takes("outsider"), reads_state("outsider"), lists("outsider"), decides("outsider")),
    inside("approving as a member", RAW, decides("wang"), takes("wang")),
    inside("approving as the other member", RAW, decides("li"), takes("wang")),
    inside("approving as another steward", RAW, decides("tax"), takes("wang")),
    inside("reading what was refused", RAW, decides("civil", yes=False), takes("wang"), reads_state("wang")),
    inside("refused and then approved", RAW, decides("civil", yes=False), decides("civil"), takes("wang")),
    # Models: a coefficient, a leaf, a class, a threshold of one's own.
    inside("a coefficient of one", learns("SELECT age, CASE WHEN name = 'person 9' THEN 1 ELSE 0 END AS f, income FROM residents", "income", "linear")),
    inside("a coefficient of one, flagged from outside", brings("flags", flagged(9)), learns("SELECT r.age, m.flag, r.income FROM residents r JOIN my_flags m ON m.ids = r.id", "income", "linear")),
    inside("a coefficient of one by a great value", learns("SELECT age, CASE WHEN name = 'person 9' THEN 1e12 ELSE age END AS f, income FROM residents", "income", "linear")),
    inside("a class of one", learns("SELECT age, CASE WHEN name = 'person 9' THEN 'x' ELSE 'y' END AS t FROM residents", "t", "logistic")),
    inside("a leaf of one", learns("SELECT CASE WHEN name = 'person 9' THEN 1 ELSE 0 END AS f, income FROM residents", "income", "tree", least_leaf=2)),
    inside("a leaf of one with many rows", learns("SELECT plot, worth FROM estates", "worth", "tree", least_leaf=20)),
    inside("a threshold between two values", learns("SELECT income, income > 500000 AS t FROM residents", "t", "tree", least_leaf=2)),
    inside("a model of two rows", learns("SELECT age, income FROM residents WHERE name IN ('person 9', 'person 10')", "income", "linear")),
    inside("a model over a window", learns("SELECT age, sum(income) OVER (PARTITION BY name) AS t FROM residents", "t", "linear")),
    inside("a model of what is closed", learns("SELECT age, note FROM residents", "note", "tree")),
]


@pytest.fixture(scope="module")
def dens(hall: Hall) -> Dens:
    """Rooms in the county that is attacked."""
    return Dens(hall.city)


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda made: made.name)
def test_nothing_leaves_a_room_but_results(hall: Hall, dens: Dens, attempt: InRoom) -> None:
    den = dens.make()
    said = [step.take(den) for step in attempt.steps]
    leak = hall.leak_in(said, den.people["wang"], " ".join(step.text for step in attempt.steps))
    assert leak is None, f"{attempt.name}: {leak} came out"
    figures = [float(value) for each in said if isinstance(each, dict) and isinstance(each.get("rows"), list)
               for row in each["rows"] for value in row.values() if isinstance(value, int | float | Decimal)]  # fmt: skip
    near = [figure for figure in figures for secret in attempt.near if abs(figure - secret) < secret / 100]
    assert near == [], f"{attempt.name}: {near} tells of one"
    if attempt.twin_steps:
        den = dens.make()
        other = [step.take(den) for step in attempt.twin_steps]
        assert _shape(said) == _shape(other), f"{attempt.name}: {_shape(said)} is told of a right guess, {_shape(other)} of a wrong one"


def _shape(said: list[object]) -> list[object]:
    # Without the place in the query that a rule names: that is the asker's own text.
    return [
        (one.get("state"), one.get("cause", {}).get("rule"), one.get("code"), bool(one.get("rows"))) for one in said if isinstance(one, dict)
    ]


AVERAGING = Attempt("averaging noise", (COUNT,))


@pytest.mark.parametrize("attempt", [AVERAGING], ids=lambda made: made.name)
def test_noise_is_not_averaged_away(dens: Dens, attempt: Attempt) -> None:
    den = dens.make()
    ways = [COUNT, COUNT.lower(), f"{COUNT} -- 2", f"/* 3 */ {COUNT}", "SELECT count(*) AS other FROM residents", 'SELECT count(*) AS n FROM "residents"']
    said = [noisy(sql, who).take(den) for sql in ways for who in ("wang", "li")]
    assert len({one["rows"][0][name] for one in said for name in one["rows"][0]}) == 1
    assert room_on_record(den.city, den.room.id).budget_left == Decimal("0.9")
    # Written so that it is another question it costs again, and the budget ends it.
    tries = [noisy(f"{COUNT} WHERE age >= {-n}").take(den) for n in range(20)]
    assert [one.get("state", one.get("code")) for one in tries] == ["passed"] * 9 + ["sandbox.budget"] * 11


LINKING = Attempt("tokens of two rooms", ("SELECT badge FROM residents",))


@pytest.mark.parametrize("attempt", [LINKING], ids=lambda made: made.name)
def test_tokens_of_two_rooms_do_not_match(dens: Dens, attempt: Attempt) -> None:
    den = dens.make()
    assert den.other is not None
    (sql,) = attempt.asks
    tokens = [_approved(den.city, dens, room.id, sql) for room in (den.room, den.other)]
    assert len(tokens[0]) == len(tokens[1]) == len(EVERYONE) and not tokens[0] & tokens[1]
    # Nor does anybody pick people by those brought from the other room.
    brings("tokens", "badge\n" + "\n".join(sorted(tokens[1]))).take(den)
    found = exact("SELECT count(*) AS n FROM residents r JOIN my_tokens m ON m.badge = r.badge").take(den)
    assert (found["state"], found["cause"]["rule"]) == ("waiting", "names")


def _approved(city: City, dens: Dens, room: int, sql: str) -> set[str]:
    result = ask_in_room(city, dens.people["wang"], room, sql, STUDY)
    approve(city, dens.people["civil"], result.id, "tokens only")
    return {row["badge"] for row in take_out(city, dens.people["wang"], result.id)[1].table.to_pylist()}
