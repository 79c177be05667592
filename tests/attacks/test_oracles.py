"""Errors, casts, folds and refusals asked for what they tell of rows out of scope and items that are closed."""

from __future__ import annotations

import pytest

from .attempts import Attempt, guess
from .county import EVERYONE, ROAD_LABELS, ROAD_METRES, SHOP_SECRETS, public, town_officer
from .hall import Hall

N = EVERYONE[9]
# The longest road of all lies out of the town's scope: whether one is longer must not be told.
AMONG = max(ROAD_METRES[n] for n in range(30) if n % 3)
OUT, NONE, NOTE = ROAD_LABELS[2], "ROAD000000000", N.note

ATTEMPTS = [
    guess("an error if a row out of scope is so", "SELECT count(*) FROM roads WHERE CASE WHEN label = '{}' THEN CAST('x' || label AS INT) ELSE 1 END = 1", OUT, NONE, who=town_officer),
    guess("a division if a row out of scope is so", "SELECT count(*) FROM roads WHERE 1 // CASE WHEN label = '{}' THEN 0 ELSE 1 END = 1", OUT, NONE, who=town_officer),
    guess("an overflow if a row out of scope is so", "SELECT count(*) FROM roads WHERE metres * CASE WHEN label = '{}' THEN 9223372036854775807 ELSE 1 END > 0", OUT, NONE, who=town_officer),
    guess("a cast of rows out of scope", "SELECT count(*) FROM roads WHERE CAST(replace(label, '{}', 'x') AS VARCHAR) IS NOT NULL AND CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT) = 1", OUT, NONE, who=town_officer),
    guess("a cast in the SELECT", "SELECT CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT) FROM roads", OUT, NONE, who=town_officer),
    guess("a cast in ORDER BY", "SELECT no FROM roads ORDER BY CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT), no", OUT, NONE, who=town_officer),
    guess("a cast in GROUP BY", "SELECT count(*) FROM roads GROUP BY CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT)", OUT, NONE, who=town_officer),
    guess("a cast in an aggregate", "SELECT sum(CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT)) FROM roads", OUT, NONE, who=town_officer),
    guess("a cast in a FILTER", "SELECT count(*) FILTER (WHERE CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT) = 1) FROM roads", OUT, NONE, who=town_officer),
    guess("a cast in a join", "SELECT count(*) FROM roads a JOIN roads b ON a.no = b.no AND CAST(CASE WHEN a.label = '{}' THEN 'x' ELSE '1' END AS INT) = 1", OUT, NONE, who=town_officer),
    guess("a cast in a join with an open dataset", "SELECT count(*) FROM shops s JOIN roads a ON a.no = s.no WHERE CAST(CASE WHEN a.label = '{}' THEN 'x' ELSE '1' END AS INT) = 1", OUT, NONE, who=town_officer),
    guess("a cast in an outer join", "SELECT count(*) FROM shops s LEFT JOIN roads a ON a.no = s.no AND CAST(CASE WHEN a.label = '{}' THEN 'x' ELSE '1' END AS INT) = 1", OUT, NONE, who=town_officer),
    guess("a cast in a semi join", "SELECT count(*) FROM shops s WHERE s.no IN (SELECT no FROM roads WHERE CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT) = 1)", OUT, NONE, who=town_officer),
    guess("a cast in a correlated subquery", "SELECT count(*) FROM shops s WHERE EXISTS (SELECT 1 FROM roads a WHERE a.no = s.no AND CAST(CASE WHEN a.label = '{}' THEN 'x' ELSE '1' END AS INT) = 1)", OUT, NONE, who=town_officer),
    guess("a cast in a CTE used once", "WITH t AS NOT MATERIALIZED (SELECT label FROM roads) SELECT count(*) FROM t WHERE CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT) = 1", OUT, NONE, who=town_officer),
    guess("a cast in a CTE used twice", "WITH t AS (SELECT * FROM roads) SELECT count(*) FROM t a, t b WHERE a.no = b.no AND CAST(CASE WHEN a.label = '{}' THEN 'x' ELSE '1' END AS INT) = 1", OUT, NONE, who=town_officer),
    guess("a cast in both branches of a union", "SELECT count(*) FROM (SELECT label FROM roads UNION ALL SELECT label FROM roads) WHERE CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT) = 1", OUT, NONE, who=town_officer),
    guess("a cast behind the scope's own item", "SELECT count(*) FROM roads WHERE town = '330803001' AND CAST(CASE WHEN label = '{}' THEN 'x' ELSE '1' END AS INT) = 1", OUT, NONE, who=town_officer),
    guess("a cast of the scope's own item", "SELECT count(*) FROM roads WHERE CAST(CASE WHEN town = '{}' THEN 'x' ELSE '1' END AS INT) = 1", "330803001", "999999999", who=town_officer),
    guess("a pattern that is none", "SELECT count(*) FROM roads WHERE regexp_matches(label, CASE WHEN label = '{}' THEN '(' ELSE 'x' END)", OUT, NONE, who=town_officer),
    guess("a date that is none", "SELECT count(*) FROM roads WHERE strptime(CASE WHEN label = '{}' THEN 'x' ELSE '2020' END, '%Y') IS NOT NULL", OUT, NONE, who=town_officer),
    guess("a long text if a row out of scope is so", "SELECT sum(length(repeat('x', CASE WHEN label = '{}' THEN 2000000000 ELSE 1 END))) FROM roads", OUT, NONE, who=town_officer),
    guess("a scalar subquery of two rows", "SELECT (SELECT no FROM roads WHERE label IN ('{}', 'x')) AS x", OUT, NONE, who=town_officer),
    guess("how many rows are out of scope", "SELECT count(*) FROM roads WHERE metres >= {}", 0, 1, who=town_officer),
    guess("the statistics of rows out of scope", "SELECT count(*) FROM roads WHERE metres > {}", AMONG - 1, AMONG + 1, who=town_officer),
    guess("the smallest out of scope", "SELECT count(*) FROM roads WHERE metres < {}", AMONG + 1, AMONG - 1, who=town_officer),
    guess("a fold of a statistic", "SELECT CASE WHEN (SELECT max(metres) FROM roads) > {} THEN 1 ELSE 0 END", AMONG - 1, AMONG + 1, who=town_officer),
    guess("a closed item in an error", "SELECT CASE WHEN note = '{}' THEN 1 // 0 END FROM residents", NOTE, NONE),
    guess("a closed item in a cast", "SELECT CAST(note AS INT) FROM residents WHERE note = '{}'", NOTE, NONE),
    guess("a closed item in a TRY_CAST", "SELECT count(try_cast(note AS INT)) FROM residents WHERE note > '{}'", NOTE, NONE),
    guess("a closed item in a filter", "SELECT count(*) FROM residents WHERE note = '{}'", NOTE, NONE),
    guess("a closed item of an open dataset", "SELECT count(*) FROM shops WHERE secret = '{}'", SHOP_SECRETS[0], NONE),
    guess("an item for joins in a filter", "SELECT count(*) FROM residents WHERE id = '{}'", N.id, NONE),
    guess("an item for joins against VALUES", "SELECT count(*) FROM residents r JOIN (VALUES ('{}')) v(x) ON r.id = v.x", N.id, NONE),
    guess("an item for joins against a CTE", "WITH v(x) AS (SELECT '{}') SELECT count(*) FROM residents r JOIN v ON r.id = v.x", N.id, NONE),
    guess("an item for joins against a parameter", "SELECT count(*) FROM residents WHERE id = $g AND '{}' <> ''", N.id, NONE, params={"g": N.id}),
    guess("an item for joins against IN", "SELECT count(*) FROM residents WHERE id IN (SELECT '{}')", N.id, NONE),
    guess("an item for sums in a filter", "SELECT count(*) FROM residents WHERE income > {}", 0, 10000000),
    guess("an item for sums in HAVING", "SELECT name FROM residents GROUP BY name HAVING sum(income) > {}", 0, 10000000),
    guess("an item for sums in HAVING of a few", "SELECT name FROM residents GROUP BY name HAVING avg(income) > {} ORDER BY name", 0, 10000000),
    guess("an item for sums in an overflow", "SELECT sum(savings * {}) FROM residents", 1700000000, 1),
    guess("an item for sums in an infinity", "SELECT sum(income * {}) FROM residents", "1e303", "1.0"),
    guess("an item for sums in an underflow", "SELECT sum(income * {}) FROM residents", "5e-330", "1.0"),
    guess("an item for sums in a division", "SELECT count(income / (income - {})) FROM residents", N.income, 1),
    guess("an item for sums negated", "SELECT sum(-(savings - {})) FROM residents", N.savings or 1, 1),
    guess("an item for sums cast", "SELECT sum(CAST(savings AS {})) FROM residents", "BIGINT", "SMALLINT"),
    guess("an item for groups in a filter", "SELECT count(*) FROM residents WHERE name = 'person 9' AND diagnosis = '{}'", N.diagnosis, "DX6"),
    guess("an item for groups in HAVING", "SELECT count(*) FROM residents WHERE name = 'person 9' GROUP BY diagnosis HAVING diagnosis = '{}'", N.diagnosis, "DX6"),
    guess("an item for groups in a cast", "SELECT diagnosis::{} FROM residents GROUP BY diagnosis", "INT", "DATE"),
    guess("a compared item with a number", "SELECT count(*) FROM residents WHERE rank > {}", N.rank - 1, N.rank),
    guess("a compared item with a computed number", "SELECT count(*) FROM residents r, (SELECT {} AS x) v WHERE r.rank > v.x", N.rank - 1, N.rank),
    guess("a compared item with a list", "SELECT count(*) FROM residents r JOIN range({}, 1000000000) t(i) ON r.rank = t.i", N.rank, 999999999),
    guess("a hidden dataset", "SELECT * FROM {}", "vault", "vauld"),
    guess("a hidden dataset in a join", "SELECT * FROM shops s JOIN {} v ON v.no = s.no", "vault", "vauld"),
    guess("a hidden dataset in a subquery", "SELECT (SELECT count(*) FROM {})", "vault", "vauld"),
    guess("a hidden dataset's item", "SELECT {}.deed FROM {}", "vault", "vauld"),
    guess("a hidden dataset shadowed by a CTE", "WITH {} AS (SELECT 1 AS x) SELECT deed FROM (SELECT * FROM {}) q", "vault", "vauld"),
    guess("a hidden dataset for the public", "SELECT * FROM {}", "residents", "residence", who=public),
    guess("a table of the lake that is no dataset", "SELECT * FROM {}", "lake_dataset", "lake_dataset_x"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda made: made.name)
def test_a_right_guess_is_answered_as_a_wrong_one(hall: Hall, attempt: Attempt) -> None:
    hall.try_(attempt)
