"""Subqueries: nested, correlated, LATERAL, in every clause, and CTEs that shadow."""

from __future__ import annotations

import pytest

from .attempts import Attempt, attempt
from .county import town_officer
from .hall import Hall

ATTEMPTS = [
    attempt("scalar", "SELECT (SELECT max(note) FROM residents)"),
    attempt("nested three deep", "SELECT (SELECT (SELECT max(note) FROM residents))"),
    attempt("in FROM", "SELECT * FROM (SELECT note AS n FROM residents) t"),
    attempt("in FROM renamed", "SELECT t.x FROM (SELECT income FROM residents) t(x)"),
    attempt("in WHERE", "SELECT name FROM residents WHERE note IN (SELECT note FROM residents WHERE age = 27)"),
    attempt("in GROUP BY", "SELECT count(*) FROM residents r GROUP BY (SELECT r.note)"),
    attempt("in ORDER BY", "SELECT name FROM residents r ORDER BY (SELECT r.note) LIMIT 1"),
    attempt("in LIMIT", "SELECT name FROM residents LIMIT (SELECT min(income)::BIGINT FROM residents)"),
    attempt("in LIMIT of a rank", "SELECT i FROM range(1000000000) t(i) LIMIT 1 OFFSET (SELECT min(rank) FROM residents)"),
    attempt("in VALUES", "SELECT * FROM (VALUES ((SELECT max(note) FROM residents))) v(x)"),
    attempt("in unnest", "SELECT * FROM unnest((SELECT list(note) FROM residents)) u(x)"),
    attempt("in range", "SELECT count(*) FROM range((SELECT min(savings) FROM residents WHERE name = 'person 7'))"),
    attempt("in a window frame", "SELECT sum(age) OVER (ORDER BY age ROWS BETWEEN (SELECT max(rank) FROM residents) PRECEDING AND CURRENT ROW) FROM residents"),
    attempt("correlated", "SELECT (SELECT r.note) FROM residents r"),
    attempt("correlated twice", "SELECT (SELECT (SELECT r.note)) FROM residents r"),
    attempt("correlated through a name nearer by", "SELECT (SELECT note FROM shops note) FROM residents"),
    attempt("correlated sum", "SELECT name, (SELECT sum(r.income)) FROM residents r"),
    attempt("correlated sum of the outer row", "SELECT r.name, (SELECT sum(s.income) FROM residents s WHERE s.name = r.name) AS x FROM residents r"),
    attempt("correlated sum by an inequality", "SELECT r.name, (SELECT sum(s.income) FROM residents s WHERE s.name <> r.name) AS x FROM residents r"),
    attempt("correlated count of a group", "SELECT r.name, (SELECT count(*) FROM (SELECT s.diagnosis FROM residents s WHERE s.name = r.name GROUP BY s.diagnosis)) FROM residents r"),
    attempt("correlated with a hidden alias", "SELECT (SELECT sum(r.income) FROM residents r WHERE r.town = x.town AND EXISTS (SELECT 1 FROM shops x WHERE x.no = 1)) FROM shops x"),
    attempt("EXISTS on a closed item", "SELECT name FROM residents r WHERE EXISTS (SELECT 1 FROM residents s WHERE s.note > r.note)"),
    attempt("ANY on a closed item", "SELECT name FROM residents WHERE 'NOTE1' < ANY (SELECT note FROM residents)"),
    attempt("ALL on an item for sums", "SELECT name FROM residents WHERE 100000 < ALL (SELECT income FROM residents)"),
    attempt("array of a subquery", "SELECT ARRAY(SELECT note FROM residents)"),
    attempt("LATERAL", "SELECT v FROM residents r, LATERAL (SELECT r.note AS v) q"),
    attempt("LATERAL sum", "SELECT r.name, q.s FROM residents r, LATERAL (SELECT sum(s.income) AS s FROM residents s WHERE s.age = r.age) q"),
    attempt("LATERAL unnest", "SELECT v FROM residents r, unnest([r.note]) q(v)"),
    attempt("LATERAL values", "SELECT v FROM residents r, (VALUES (r.note)) q(v)"),
    attempt("LATERAL range over an item for sums", "SELECT r.name, count(*) FROM residents r, range(r.savings // 100000000) q(v) GROUP BY r.name"),
    attempt("JOIN LATERAL", "SELECT v FROM shops s JOIN LATERAL (SELECT s.secret AS v) q ON true"),
    attempt("table in parentheses", "SELECT note FROM (residents)"),
    attempt("joined table in parentheses", "SELECT note FROM (residents r JOIN shops s ON s.town = r.town)"),
    attempt("CTE", "WITH t AS (SELECT note FROM residents) SELECT * FROM t"),
    attempt("CTE materialized", "WITH t AS MATERIALIZED (SELECT note FROM residents) SELECT * FROM t"),
    attempt("CTE not materialized", "WITH t AS NOT MATERIALIZED (SELECT * FROM roads) SELECT * FROM t", who=town_officer),
    attempt("CTE with new names", "WITH t(a, b) AS (SELECT name, note FROM residents) SELECT b FROM t"),
    attempt("CTE named like its dataset", "WITH residents AS (SELECT note FROM residents) SELECT * FROM residents"),
    attempt("CTE named like another dataset", "WITH shops AS (SELECT income AS turnover FROM residents) SELECT turnover FROM shops"),
    attempt("CTE named like a hidden dataset", "WITH vault AS (SELECT 1 AS no) SELECT * FROM vault v, (SELECT deed FROM vault) w"),
    attempt("CTE named like a hidden dataset, used outside", "SELECT (WITH vault AS (SELECT 'x' AS deed) SELECT deed FROM vault), deed FROM vault"),
    attempt("CTE named like a table of the engine", "WITH duckdb_tables AS (SELECT 1 AS sql) SELECT sql FROM duckdb_tables"),
    attempt("CTE named like a table of the engine, used outside", "SELECT (WITH duckdb_databases AS (SELECT 1 AS path) SELECT path FROM duckdb_databases), (SELECT max(path) FROM duckdb_databases)"),
    attempt("CTE named so, used in VALUES", "SELECT (WITH sqlite_master AS (SELECT 1 AS sql) SELECT max(sql) FROM sqlite_master) AS a, x FROM (VALUES ((SELECT max(sql) FROM sqlite_master))) v(x)"),
    attempt("CTE named so, used in unnest", "SELECT (WITH duckdb_databases AS (SELECT 1 AS path) SELECT max(path) FROM duckdb_databases) AS a, x FROM unnest((SELECT list(path) FROM duckdb_databases)) u(x)"),
    attempt("CTE named so, used in a later CTE", "WITH a AS (WITH duckdb_settings AS (SELECT 1 AS value) SELECT * FROM duckdb_settings), b AS (SELECT value FROM duckdb_settings) SELECT * FROM b"),
    attempt("CTE that reads one after it", "WITH a AS (SELECT * FROM b), b AS (SELECT note FROM residents) SELECT * FROM a"),
    attempt("CTE twice", "WITH a AS (SELECT name FROM residents), a AS (SELECT note FROM residents) SELECT * FROM a"),
    attempt("CTE in a subquery that shadows", "WITH t AS (SELECT name FROM residents) SELECT * FROM (WITH t AS (SELECT note FROM residents) SELECT * FROM t)"),
    attempt("recursive CTE", "WITH RECURSIVE t AS (SELECT note FROM residents UNION SELECT note FROM t) SELECT * FROM t"),
    attempt("recursive CTE named like its dataset", "WITH RECURSIVE residents AS (SELECT note FROM residents) SELECT * FROM residents"),
    attempt("sums round by round", "WITH RECURSIVE t AS (SELECT 0 AS i, 0.0::DOUBLE AS s UNION ALL SELECT t.i + 1, sum(r.income) FROM t, residents r WHERE t.i < 2 AND (t.i = 0 OR r.name <> 'person 7') GROUP BY t.i) SELECT * FROM t"),
    attempt("sums round by round in a subquery", "WITH RECURSIVE t AS (SELECT 0 AS i, 0.0::DOUBLE AS s UNION ALL SELECT q.i, q.s FROM (SELECT t.i + 1 AS i, sum(r.income) AS s FROM t, residents r WHERE t.i < 2 AND (t.i = 0 OR r.name <> 'person 7') GROUP BY t.i) q) SELECT * FROM t"),
    attempt("a union of both", "SELECT name FROM residents UNION ALL SELECT note FROM residents"),
    attempt("a union by name", "SELECT name AS x FROM residents UNION ALL BY NAME SELECT note AS x FROM residents"),
    attempt("a union by name with one more column", "SELECT name FROM residents UNION BY NAME SELECT name, note FROM residents"),
    attempt("a union of types", "SELECT age FROM residents UNION ALL SELECT note::INT FROM residents"),
    attempt("a union with NULL", "SELECT NULL AS x UNION ALL SELECT income FROM residents"),
    attempt("a union ordered by a name of the other branch", "SELECT name FROM residents UNION ALL SELECT name FROM residents ORDER BY note"),
    attempt("an intersection with a guess", "SELECT id FROM residents INTERSECT SELECT 'IDX0000000000'"),
    attempt("an intersection of two items for joins", "SELECT id FROM residents INTERSECT SELECT owner FROM shops"),
    attempt("a difference with guesses", "SELECT name, income FROM residents EXCEPT SELECT name, 1.0 FROM residents"),
    attempt("a difference of rows in and out of scope", "SELECT no FROM shops EXCEPT SELECT no FROM roads", who=town_officer),
    attempt("a union of sums that differ by one", "SELECT sum(income) FROM residents UNION ALL SELECT sum(income) FROM residents WHERE name <> 'person 7'"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda made: made.name)
def test_no_subquery_looks_further(hall: Hall, attempt: Attempt) -> None:
    hall.try_(attempt)
