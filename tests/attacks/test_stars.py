"""Stars, and what takes items out of them, puts others in or reads whole rows."""

from __future__ import annotations

import pytest

from .attempts import Attempt, attempt
from .county import public, stranger
from .hall import Hall

ATTEMPTS = [
    attempt("star", "SELECT * FROM residents"),
    attempt("star of an alias", "SELECT r.* FROM residents AS r"),
    attempt("star of a stranger", "SELECT * FROM residents", who=stranger),
    attempt("star of the public", "SELECT * FROM shops", who=public),
    attempt("star without a purpose", "SELECT * FROM residents", purpose=""),
    attempt("star replaced by a closed item", "SELECT * REPLACE (note AS name) FROM residents"),
    attempt("star replaced by an item for sums", "SELECT * REPLACE (income AS age) FROM residents"),
    attempt("star replaced by an item for joins", "SELECT * REPLACE (id AS name) FROM residents"),
    attempt("star replaced by an expression", "SELECT * REPLACE (name || note AS name) FROM residents"),
    attempt("star without the open items", "SELECT * EXCLUDE (name, town, band) FROM residents"),
    attempt("star without a closed item", "SELECT * EXCLUDE (note) FROM residents"),
    attempt("star renamed", "SELECT * RENAME (note AS name) FROM residents"),
    attempt("columns of a pattern", "SELECT COLUMNS('.*') FROM residents"),
    attempt("columns of a function", "SELECT COLUMNS(c -> c LIKE 'n%') FROM residents"),
    attempt("columns unpacked", "SELECT coalesce(*COLUMNS(*)) FROM residents"),
    attempt("star in a list", "SELECT list_value(*) FROM residents"),
    attempt("star in a row", "SELECT row(*) FROM residents"),
    attempt("star in concat", "SELECT concat_ws('|', *) FROM residents"),
    attempt("star in an aggregate beside a sum", "SELECT sum(income), list(list_value(*)) FROM residents"),
    attempt("star in coalesce", "SELECT coalesce(*) FROM residents"),
    attempt("star of a subquery with the closed item", "SELECT * FROM (SELECT *, note FROM residents)"),
    attempt("star in exists", "SELECT name FROM residents r WHERE EXISTS (SELECT * FROM residents s WHERE s.note = 'x')"),
    attempt("whole row", "SELECT residents FROM residents"),
    attempt("whole row of an alias", "SELECT r FROM residents AS r"),
    attempt("whole row as text", "SELECT CAST(r AS VARCHAR) FROM residents AS r"),
    attempt("whole row counted", "SELECT count(r), max(r) FROM residents AS r"),
    attempt("whole row in a list", "SELECT list(r) FROM residents AS r"),
    attempt("whole row unnested", "SELECT unnest(r) FROM residents AS r"),
    attempt("an item of a whole row", "SELECT (r).note FROM residents AS r"),
    attempt("an item of a whole row by brackets", "SELECT r['note'] FROM residents AS r"),
    attempt("an item of a whole row by function", "SELECT struct_extract(r, 'note') FROM residents AS r"),
    attempt("whole row in a comparison", "SELECT count(*) FROM residents AS r WHERE r = r"),
    attempt("whole row ordered by", "SELECT name FROM residents AS r ORDER BY r LIMIT 1"),
    attempt("row number as an item", "SELECT rowid, name FROM residents WHERE rowid = 7"),
    attempt("table without SELECT", "FROM residents"),
    attempt("table first", "FROM residents SELECT note"),
    attempt("TABLE command", "TABLE residents"),
    attempt("star over a join that repeats an item", "SELECT * FROM residents r JOIN shops s ON s.owner = r.id"),
    attempt("star of USING", "SELECT * FROM shops s JOIN (SELECT no, town FROM roads) t USING (no)"),
    attempt("star over a set operation", "SELECT * FROM residents UNION ALL SELECT * FROM residents"),
    attempt("an open dataset's closed item", "SELECT secret FROM shops", who=public),
]  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda made: made.name)
def test_a_star_is_the_readable_items_and_nothing_more(hall: Hall, attempt: Attempt) -> None:
    hall.try_(attempt)
