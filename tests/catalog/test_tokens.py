"""Tokens and the index agree with a naive search over the same texts; folding keeps places; nothing breaks them."""

from __future__ import annotations

import tantivy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanqu.catalog.index import FORM, schema
from sanqu.catalog.search import _piece
from sanqu.catalog.tokens import Glossary, analyzer, fold, marks, pieces, spaced, tokens

CJK = "柑橘产量农业数据交通衢州龙游資料農業"
TEXT = st.lists(st.text(CJK, min_size=1, max_size=8) | st.sampled_from(["citrus", "Air", "quality", "permits", "PM2.5", "2024年", "-", "，"]), max_size=8).map(" ".join)
GLOSSARY = Glossary.of([["柑橘", "柑", "citrus"], ["空气质量", "air quality"], ["农业", "agriculture"]])


@given(st.text())
def test_folding_keeps_every_place_and_folds_once(text: str) -> None:
    assert len(fold(text)) == len(text) and fold(fold(text)) == fold(text)


@given(st.text())
def test_any_text_gives_tokens_that_find_it(text: str) -> None:
    found = tokens(text)
    for piece in pieces(text, Glossary()):
        assert piece.met_by(found)
    assert all(" " not in token for token in found)


@given(st.text(), st.text())
def test_marks_are_places_in_the_text_in_order(text: str, query: str) -> None:
    last = -1
    for start, end in marks(text, pieces(query, GLOSSARY)):
        assert last < start < end <= len(text)
        last = end


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXT, min_size=1, max_size=12), st.lists(TEXT, min_size=1, max_size=6))
def test_the_index_finds_what_a_naive_search_finds(texts: list[str], queries: list[str]) -> None:
    index = tantivy.Index(schema())
    index.register_tokenizer("sanqu", analyzer())
    writer = index.writer(15_000_000, 1)
    for number, text in enumerate(texts):
        document = tantivy.Document()
        document.add_text("id", str(number))
        document.add_text("all", spaced(text))
        writer.add_document(document)
    writer.commit()
    index.reload()
    searcher = index.searcher()
    for query in queries:
        sought = pieces(query, GLOSSARY)
        if not sought:
            continue
        wish = tantivy.Query.boolean_query([(tantivy.Occur.Must, _piece(index.schema, piece, scored=False)) for piece in sought])
        found = {searcher.doc(address)["id"][0] for _, address in searcher.search(wish, limit=100).hits}
        assert found == {str(n) for n, text in enumerate(texts) if all(piece.met_by(tokens(text)) for piece in sought)}, query


def test_known_words_bring_each_other_and_cut_runs() -> None:
    for query in ("柑橘", "柑", "citrus", "CITRUS"):
        (piece,) = pieces(query, GLOSSARY)
        assert piece.met_by(tokens("衢州柑橘产量")) and piece.met_by(tokens("Citrus output")) and not piece.met_by(tokens("水稻"))
    assert [p.ways[0].tokens for p in pieces("衢州柑橘产量", GLOSSARY)] == [("衢州",), ("柑橘",), ("产量",)]
    (both,) = pieces("Air Quality", GLOSSARY)
    assert both.met_by(tokens("空气质量")) and FORM


def test_a_word_without_end_stays_a_small_token() -> None:
    assert max(len(token) for token in tokens("x" * 1_000_000 + " 柑橘")) <= 64
