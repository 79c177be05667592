"""Finds datasets: words in Chinese and English, ranked, with facets, only what the asker may know of."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from time import perf_counter
from typing import Any, Literal
from uuid import UUID

import tantivy

from sanqu.catalog.audience import ADMIN, tokens_of
from sanqu.catalog.glossary import glossary_of
from sanqu.catalog.index import FACETS, RAW_FIELDS, SearchIndex, index_of, is_damage, raw_terms
from sanqu.catalog.records import Dataset, datasets_by_id
from sanqu.catalog.tokens import Glossary, Piece, Wanted, adjacent, marks, pieces
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import PUBLIC, Asker

log = logging.getLogger(__name__)

Sort = Literal["relevance", "newest", "oldest", "created", "created-up", "name", "title", "name-down", "title-down"]
SORTS: tuple[Sort, ...] = ("relevance", "newest", "oldest", "created", "created-up", "name", "title", "name-down", "title-down")
# Title above tags above items above description (which is in `all`, with everything else).
WEIGHTS = (("title", 6.0), ("tags_text", 3.0), ("items", 1.5))
SYNONYM = 0.7
ADJACENT = (("title", 2.0), ("all", 0.4))
FACET_SIZE = 50
DEEPEST = 100_000
SNIPPET = 160
# A longer question is a text, not a question; what is beyond is not looked at.
LONGEST_TEXT = 300
SHOWN_FACETS = ("subject", "unit", "opening", "format", "grade", "tag", "origin", "sample")
MOST_SORTED = 20_000
ALPHABETICAL = {
    sort: f"SELECT id FROM catalog_dataset WHERE id = ANY(%(ids)s::uuid[]) ORDER BY {order} LIMIT %(limit)s OFFSET %(offset)s"
    for sort, order in (
        ("name", "name"), ("name-down", "name DESC"), ("title", "title_zh, name"), ("title-down", "title_zh DESC, name"),
    )
}  # fmt: skip
MUST, SHOULD, NOT = tantivy.Occur.Must, tantivy.Occur.Should, tantivy.Occur.MustNot


@dataclass(frozen=True)
class FacetValue:
    """One value of a facet: how many of the found datasets have it, and whether it is filtered by."""

    value: str
    count: int
    chosen: bool = False


@dataclass(frozen=True)
class Hit:
    """A found dataset; `title` and `snippet` are pieces of text with whether each is to be marked."""

    dataset: Dataset
    score: float
    title: Text
    snippet: Text


@dataclass(frozen=True)
class Found:
    """The answer to a search. `relaxed`: nothing held every word, these hold some. `milliseconds`: how long it took."""

    total: int
    hits: list[Hit]
    facets: dict[str, list[FacetValue]]
    relaxed: bool
    milliseconds: float


@dataclass(frozen=True)
class Ask:
    """What is sought. `filters`: facet → values, one of which must hold; `without`: values that must not.

    `sort` is by relevance when there is text, else newest first. `facets` names the facets to count. `changed` bounds
    the time of the last change, in seconds since 1970.
    """

    text: str = ""
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    without: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sort: Sort = "relevance"
    limit: int = 20
    offset: int = 0
    facets: Sequence[str] = SHOWN_FACETS
    facet_size: int = FACET_SIZE
    changed: tuple[int | None, int | None] = (None, None)


class _Counted:
    """Facet counts of recent questions: they hold as long as the index has not moved."""

    MOST = 256

    def __init__(self, _city: City) -> None:
        self._kept: OrderedDict[tuple[object, ...], dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...]) -> dict[str, Any] | None:
        with self._lock:
            return self._kept.get(key)

    def put(self, key: tuple[object, ...], counts: dict[str, Any]) -> None:
        with self._lock:
            self._kept[key] = counts
            while len(self._kept) > self.MOST:
                self._kept.popitem(last=False)


def _check(ask: Ask) -> None:
    for name in (*ask.filters, *ask.without):
        if name not in FACETS and name not in ("name", "id"):
            raise BadInput(
                "catalog.unknown-facet",
                Text(zh=f"没有“{name}”这个筛选项", en=f"There is no facet “{name}”"),
                Text(zh=f"可用：{'、'.join(FACETS)}", en=f"There are: {', '.join(FACETS)}"),
                name,
            )
    if ask.offset + ask.limit > DEEPEST or ask.limit < 0 or ask.offset < 0:
        raise BadInput(
            "catalog.too-deep",
            Text(zh=f"搜索结果最多翻到第 {DEEPEST} 条", en=f"Search results can be paged up to number {DEEPEST}"),
            Text(zh="加上筛选条件，或用导出接口取全部", en="Add filters, or take the whole list by export"),
        )


def _clean(text: str) -> str:
    """`text` without what is no text: lone surrogates, NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", " ")


def _way(shape: tantivy.Schema, way: Wanted, *, scored: bool) -> tantivy.Query:
    """Documents that satisfy one way of saying a piece."""
    terms = [tantivy.Query.term_query(shape, "all", token, "freq") for token in way.tokens]
    if way.least >= len(terms):
        parts = [(MUST, term) for term in terms]
    else:
        parts = [(MUST, tantivy.Query.boolean_query([(SHOULD, term) for term in terms], way.least))]
    if scored:
        parts += [
            (SHOULD, tantivy.Query.boost_query(tantivy.Query.term_query(shape, name, token, "freq"), weight))
            for name, weight in WEIGHTS
            for token in way.tokens
        ]
    return tantivy.Query.boolean_query(parts)


def _piece(shape: tantivy.Schema, piece: Piece, *, scored: bool) -> tantivy.Query:
    ways = [_way(shape, way, scored=scored) for way in piece.ways]
    if len(ways) == 1:
        return ways[0]
    first, *others = ways
    lowered = [tantivy.Query.boost_query(way, SYNONYM) for way in others] if scored else others
    return tantivy.Query.boolean_query([(SHOULD, way) for way in (first, *lowered)])


def _loosely(shape: tantivy.Schema, found: Sequence[Piece], *, scored: bool) -> tantivy.Query:
    """Documents with any token of the query, single characters included."""
    tokens = dict.fromkeys(token for piece in found for way in piece.ways for token in way.tokens)
    singles = dict.fromkeys(char for token in tokens if len(token) == 2 and ord(token[0]) > 0x2E7F for char in token)
    parts = [(SHOULD, tantivy.Query.term_query(shape, "all", token, "freq")) for token in tokens]
    parts += [
        (SHOULD, tantivy.Query.boost_query(tantivy.Query.term_query(shape, "title", token, "freq"), 6.0)) for token in tokens
    ]
    if scored:
        lone = [tantivy.Query.term_query(shape, "all", char, "freq") for char in singles]
        parts += [(SHOULD, tantivy.Query.boost_query(term, 0.1)) for term in lone]
    return tantivy.Query.boolean_query(parts)


def _query(
    shape: tantivy.Schema, ask: Ask, audience: Sequence[str], found: Sequence[Piece], *, scored: bool, relaxed: bool
) -> tantivy.Query:
    parts: list[tuple[tantivy.Occur, tantivy.Query]] = []
    if ADMIN not in audience:
        parts.append((MUST, raw_terms(shape, "audience", audience)))
    parts += [(MUST, raw_terms(shape, name, list(values))) for name, values in ask.filters.items() if values]
    if ask.changed != (None, None):
        low, high = ask.changed
        bounds = tantivy.Query.range_query(shape, "modified", tantivy.FieldType.Integer, low, high)
        parts.append((MUST, tantivy.Query.const_score_query(bounds, 0.0)))
    if found:
        if relaxed:
            parts.append((MUST, _loosely(shape, found, scored=scored)))
        else:
            parts += [(MUST, _piece(shape, piece, scored=scored)) for piece in found]
            if scored:
                parts += [
                    (SHOULD, tantivy.Query.boost_query(tantivy.Query.term_query(shape, name, token, "freq"), weight))
                    for name, weight in ADJACENT
                    for token in adjacent(ask.text)
                ]
    if not any(occur == MUST for occur, _ in parts):
        parts.append((MUST, tantivy.Query.all_query()))
    parts += [(NOT, raw_terms(shape, name, list(values))) for name, values in ask.without.items() if values]
    return tantivy.Query.boolean_query(parts)


def _hits(
    city: City, searcher: tantivy.Searcher, query: tantivy.Query, ask: Ask, *, by_score: bool
) -> tuple[int, list[tuple[float, UUID]]]:
    if ask.sort in ALPHABETICAL:
        return _by_alphabet(city, searcher, query, ask)
    how: dict[str, Any] = {"limit": max(ask.limit, 1), "offset": ask.offset}
    if by_score:
        result = searcher.search(query, weight_by_field="prior", **how)
    else:
        name = "created" if ask.sort in ("created", "created-up") else "modified"
        order = tantivy.Order.Asc if ask.sort in ("oldest", "created-up") else tantivy.Order.Desc
        result = searcher.search(query, order_by_field=name, order=order, **how)
    hits = [(float(score or 0), UUID(searcher.doc(address)["id"][0])) for score, address in result.hits[: ask.limit]]
    return int(result.count), hits  # type: ignore[attr-defined]


def _by_alphabet(
    city: City, searcher: tantivy.Searcher, query: tantivy.Query, ask: Ask
) -> tuple[int, list[tuple[float, UUID]]]:
    """What was found in the order of names or titles, which PostgreSQL knows and the index does not."""
    result = searcher.search(query, limit=MOST_SORTED, order_by_field="modified")
    total = int(result.count)  # type: ignore[attr-defined]
    if total > MOST_SORTED:
        raise BadInput(
            "catalog.too-many-to-sort",
            Text(zh=f"结果有 {total} 条，超过 {MOST_SORTED} 条时不能按名称排序", en=f"{total} results are too many to sort by name"),
            Text(zh="加上筛选条件，或按相关度、更新时间排序", en="Add filters, or sort by relevance or time"),
        )
    ids = [searcher.doc(address)["id"][0] for _, address in result.hits]
    rows = city.db.all(ALPHABETICAL[ask.sort], {"ids": ids, "limit": ask.limit, "offset": ask.offset})
    return total, [(0.0, row["id"]) for row in rows]


def _facets(city: City, index: SearchIndex, searcher: tantivy.Searcher, query: tantivy.Query, ask: Ask, key: object) -> dict[str, Any]:
    kept = city.part(_Counted, _Counted)
    at = (index.applied, key)
    counts = kept.get(at)
    if counts is None:
        wish = {
            name: {"terms": {"field": name, "size": ask.facet_size, "segment_size": ask.facet_size * 20}}
            for name in ask.facets
        }
        counts = searcher.aggregate(query, wish) if wish else {}
        kept.put(at, counts)
    return counts


def search(city: City, ask: Ask, asker: Asker = PUBLIC, glossary: Glossary | None = None) -> Found:
    """Find what `ask` wants among what `asker` may know of.

    Every piece of the text must be there (a long run of Chinese: most of it), in title, tags, items, description or
    the unit's name; words of the glossary bring each other. Where nothing has every piece, `relaxed` results have some.
    Raises `BadInput` for an unknown facet or a page beyond `DEEPEST`.
    """
    _check(ask)
    ask = replace(
        ask,
        text=_clean(ask.text)[:LONGEST_TEXT],
        filters={name: [_clean(value) for value in values] for name, values in ask.filters.items()},
        without={name: [_clean(value) for value in values] for name, values in ask.without.items()},
    )
    index = index_of(city)
    try:
        return _search(city, index, ask, asker, glossary)
    except BaseException as fault:
        if not is_damage(fault):
            raise
        # The catalogue itself is in PostgreSQL, so nothing is lost.
        index.distrust()
        return _search(city, index, ask, asker, glossary)


def _search(city: City, index: SearchIndex, ask: Ask, asker: Asker, glossary: Glossary | None) -> Found:
    started = perf_counter()
    audience = tokens_of(asker)
    sought = pieces(ask.text, glossary or glossary_of(city))
    searcher = index.searcher()
    by_score = bool(sought) and ask.sort == "relevance"
    relaxed = False
    query = _query(index.schema, ask, audience, sought, scored=by_score, relaxed=False)
    total, hits = _hits(city, searcher, query, ask, by_score=by_score)
    if total == 0 and sought:
        relaxed = True
        query = _query(index.schema, ask, audience, sought, scored=by_score, relaxed=True)
        total, hits = _hits(city, searcher, query, ask, by_score=by_score)
    counts: dict[str, Any] = {}
    if ask.facets:
        plain = _query(index.schema, ask, audience, sought, scored=False, relaxed=relaxed)
        key = (
            tuple(audience), tuple(sought), relaxed, tuple(ask.facets), ask.facet_size,
            tuple((name, tuple(values)) for name, values in sorted(ask.filters.items())),
            tuple((name, tuple(values)) for name, values in sorted(ask.without.items())), ask.changed,
        )  # fmt: skip
        counts = _facets(city, index, searcher, plain, ask, key)
    with city.db.connection() as conn:
        records = {d.id: d for d in datasets_by_id(conn, [id_ for _, id_ in hits], audience)}
    return Found(
        total,
        [_hit(records[id_], score, sought) for score, id_ in hits if id_ in records],
        {name: _values(counts, name, ask) for name in ask.facets},
        relaxed,
        (perf_counter() - started) * 1000,
    )


def _values(counts: Mapping[str, Any], name: str, ask: Ask) -> list[FacetValue]:
    chosen = set(ask.filters.get(name, ()))
    buckets = counts.get(name, {}).get("buckets", [])
    return [
        FacetValue(bucket["key"], int(bucket["doc_count"]), bucket["key"] in chosen)
        for bucket in buckets
        if bucket["key"] != ""
    ]


def _hit(dataset: Dataset, score: float, sought: Sequence[Piece]) -> Hit:
    return Hit(
        dataset,
        score,
        Text(zh=marked(dataset.title.zh, sought), en=marked(dataset.title.en, sought)),
        Text(zh=snippet(dataset.about.zh, sought), en=snippet(dataset.about.en, sought)),
    )


def marked(text: str, sought: Sequence[Piece]) -> str:
    """`text` as HTML with what was sought inside `<mark>`; everything else escaped."""
    parts: list[str] = []
    rest = 0
    for start, end in marks(text, sought):
        parts += [escape(text[rest:start]), "<mark>", escape(text[start:end]), "</mark>"]
        rest = end
    parts.append(escape(text[rest:]))
    return "".join(parts)


def snippet(text: str, sought: Sequence[Piece]) -> str:
    """The part of `text` around the first place that was sought, as HTML with marks."""
    flat = " ".join(text.split())
    places = marks(flat, sought)
    start = max(places[0][0] - SNIPPET // 4, 0) if places else 0
    cut = flat[start : start + SNIPPET]
    return ("…" if start else "") + marked(cut, sought) + ("…" if start + SNIPPET < len(flat) else "")


__all__ = ["FACETS", "RAW_FIELDS", "SORTS", "Ask", "FacetValue", "Found", "Hit", "search"]
