"""Names that mean two things: aliases, quotes, cases and letters, and marks that would become SQL."""

from __future__ import annotations

import pytest

from .attempts import Attempt, attempt, guess
from .county import EVERYONE, town_officer
from .hall import Hall

N = EVERYONE[9]
WRONG = "IDX0000000000"
# The item `id` may only be joined on; the alias makes it look like an output of the query.
JOINED = "SELECT s.no, 1 AS id FROM shops s JOIN residents r ON s.owner = r.id"

ATTEMPTS = [
    attempt("alias like a closed item", "SELECT name AS note FROM residents ORDER BY note LIMIT 1"),
    guess("ordered by an item for joins under an alias", f"{JOINED} ORDER BY substr(id, 4) = substr('{{}}', 4) DESC, no LIMIT 1", N.id, WRONG),
    guess("ordered by a choice over an item for joins", f"{JOINED} ORDER BY CASE WHEN id = '{{}}' THEN 0 ELSE 1 END, no LIMIT 1", N.id, WRONG),
    guess("ordered by a text of an item for joins", f"{JOINED} ORDER BY id || '' = '{{}}', no LIMIT 1", N.id, WRONG),
    guess("ordered by a list of an item for joins", f"{JOINED} ORDER BY [id] = ['{{}}'] DESC, no LIMIT 1", N.id, WRONG),
    guess("a window ordered under an alias", "SELECT s.no AS id, row_number() OVER (ORDER BY id = '{}' DESC) FROM shops s JOIN residents r ON s.owner = r.id", N.id, WRONG),
    guess("QUALIFY under an alias", "SELECT 'x' AS id, s.no FROM shops s JOIN residents r ON s.owner = r.id QUALIFY row_number() OVER (ORDER BY id = '{}' DESC) = 1", N.id, WRONG),
    guess("HAVING under an alias", "SELECT town AS income, count(*) FROM residents GROUP BY town HAVING income > '{}'", 1, 2),
    attempt("GROUP BY under an alias", "SELECT town AS income, list(income) FROM residents GROUP BY income"),
    attempt("lateral alias", "SELECT town AS income, income AS x FROM residents"),
    attempt("lateral alias in a sum", "SELECT max(age) AS income, income + 1 FROM residents"),
    attempt("lateral alias swapped", "SELECT name AS a, note AS name, name AS b FROM residents"),
    attempt("alias of the table like an item", "SELECT note.name FROM residents AS note"),
    attempt("alias of the table like another table", "SELECT residents.note FROM shops AS residents"),
    attempt("alias of two tables swapped", "SELECT roads.secret FROM shops AS roads, roads AS shops"),
    attempt("new names for the columns", "SELECT b FROM residents AS r(a, b, c, d, e, f, g, h, i, j, k, l, m, n)"),
    attempt("new names for a subquery's columns", "SELECT x FROM (SELECT note FROM residents) AS t(x)"),
    attempt("upper case", "SELECT NOTE FROM RESIDENTS"),
    attempt("mixed case in quotes", 'SELECT "NoTe" FROM "ReSiDents"'),
    attempt("fullwidth letters", "SELECT \uff4e\uff4f\uff54\uff45 FROM residents"),
    attempt("fullwidth table", "SELECT note FROM \uff52esidents"),
    attempt("a letter with a zero width", 'SELECT "no\u200bte" FROM residents'),
    attempt("Kelvin for k", "SELECT ran\u212a FROM residents"),
    attempt("dotless i", "SELECT d\u0131agnosis FROM residents"),
    attempt("combining mark", 'SELECT "note\u0301" FROM residents'),
    attempt("the subject's own column", 'SELECT "_sanqu_subject" FROM residents'),
    attempt("the subject's own column in capitals", 'SELECT "_SANQU_SUBJECT", sum(income) FROM residents GROUP BY 1'),
    attempt("the row's own column", "SELECT _sanqu_row, sum(income) FROM residents GROUP BY 1"),
    attempt("the subject's own column in fullwidth", 'SELECT "\uff3fsanqu_subject", sum(income) FROM residents GROUP BY 1'),
    attempt("the barrier's own table", 'SELECT * FROM "_sanqu_rows_0", roads', who=town_officer),
    attempt("the barrier's own table as a CTE", 'WITH "_sanqu_rows_0" AS (SELECT 1 AS no) SELECT r.label FROM roads r, "_sanqu_rows_0"', who=town_officer),
    attempt("the secret as a parameter", "SELECT badge, $_sanqu_secret_1 FROM residents"),
    attempt("the secret as a named argument", "SELECT badge, @_sanqu_secret_1 FROM residents"),
    attempt("the secret as a variable", "SELECT badge, getvariable('_sanqu_secret_1') FROM residents"),
    attempt("a parameter named like the secret", "SELECT badge, $x FROM residents", params={"_sanqu_secret_1": "x", "x": 1}),
    attempt("a part of a date that is SQL", "SELECT extract(\"YEAR FROM DATE '2020-01-01'), (SELECT list(deed) FROM lake.vault), extract(YEAR\" FROM DATE '2021-01-01')"),
    attempt("a part of a date that is SQL, in a string", "SELECT extract('YEAR FROM DATE ''2020-01-01''), (SELECT list(note) FROM lake.residents), extract(YEAR' FROM DATE '2021-01-01')"),
    attempt("a unit of time that is SQL", "SELECT DATE '2020-01-01' + INTERVAL (1) \"DAY, (SELECT list(deed) FROM lake.vault)\""),
    attempt("a unit of time that is SQL, in a function", "SELECT date_add(DATE '2020-01-01', 'x', \"DAY, (SELECT list(deed) FROM lake.vault)\")"),
    attempt("a difference in SQL", "SELECT date_diff('day'', (SELECT max(deed) FROM lake.vault), ''', DATE '2020-01-01', DATE '2020-01-02')"),
    attempt("a truncation in SQL", "SELECT date_trunc('day'', DATE ''2020-01-01''), (SELECT max(deed) FROM lake.vault), upper(''', DATE '2020-01-01')"),
    attempt("a type that is SQL", 'SELECT CAST(1 AS "INT), (SELECT max(deed) FROM lake.vault), CAST(1 AS INT")'),
    attempt("a function's name that is SQL", 'SELECT "lower(deed) FROM lake.vault --"(1)'),
    attempt("an alias that closes its quotes", 'SELECT 1 AS "x"", (SELECT max(deed) FROM lake.vault) AS ""y"'),
    attempt("a string that closes its quotes", "SELECT 'x'', (SELECT max(deed) FROM lake.vault), ''y'"),
    attempt("a backslash before a quote", "SELECT 'x\\', (SELECT max(deed) FROM lake.vault) AS y --'"),
    attempt("an escape string", "SELECT E'x\\'', (SELECT max(deed) FROM lake.vault) AS y --'"),
    attempt("a dollar string", "SELECT $$x'$$, (SELECT max(deed) FROM lake.vault)"),
    attempt("a comment in the middle", "SELECT no/**/te FROM residents"),
    attempt("a comment that ends early", "SELECT /* /* */ note */ name FROM residents"),
    attempt("a line comment with a carriage return", "SELECT name --\rnote\n FROM residents"),
    attempt("a hint", "SELECT /*+ note */ name FROM residents"),
    attempt("two statements", "SELECT 1; SELECT note FROM residents"),
    attempt("two statements behind a comment", "SELECT 1 --; \n; SELECT note FROM residents"),
    attempt("a NUL", "SELECT name\0, note FROM residents"),
    attempt("a keyword as a name", 'SELECT "select", note FROM (SELECT name AS "select", 1 AS note FROM residents) t'),
    attempt("a table by its place in the lake", "SELECT * FROM lake.main.residents"),
    attempt("a table by its place in quotes", 'SELECT * FROM "lake.main.residents"'),
    attempt("a table by a string", "SELECT * FROM 'residents'"),
    attempt("a column by its place", "SELECT lake.main.residents.note FROM residents"),
    attempt("a column by its schema", "SELECT main.residents.note FROM residents"),
    attempt("a prepared statement", "PREPARE x AS SELECT note FROM residents"),
    attempt("an executed statement", "EXECUTE x"),
    attempt("a described query", "DESCRIBE SELECT note FROM residents"),
    attempt("an explained query", "EXPLAIN ANALYZE SELECT note FROM residents"),
    attempt("a summarized table", "SUMMARIZE residents"),
    attempt("a parameter for a table", "SELECT * FROM $t", params={"t": "residents"}),
    attempt("a parameter for a column", "SELECT $c FROM residents", params={"c": "note"}),
    attempt("a parameter with SQL", "SELECT name FROM residents WHERE name = $n", params={"n": "x' OR note <> '"}),
    attempt("a positional parameter", "SELECT ?, $1 FROM residents", params={"1": "x"}),
    attempt("a parameter named with letters elsewhere", "SELECT $\u00f1", params={"\u00f1": 1}),
]  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda made: made.name)
def test_a_name_means_what_was_judged(hall: Hall, attempt: Attempt) -> None:
    hall.try_(attempt)
