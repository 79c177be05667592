"""Turns Chinese and English text into the tokens that are indexed, and a query into the tokens that are sought."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources

import tantivy

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# A run of CJK characters, or a run of letters and digits of any other script.
ATOM = re.compile(rf"(?P<cjk>[{CJK}]+)|(?P<word>[^\W_{CJK}]+)")
# Longer than any real word; a 1 MB "word" must not become a 1 MB term.
LONGEST_WORD = 64
# A run of this many bigrams or more is a sentence rather than a name: most of its bigrams are enough.
SENTENCE = 4
# Share of a sentence's bigrams that must be there.
SENTENCE_SHARE = 0.6


class _Fold(dict[int, int]):
    """Maps a character to its folded one, always one to one, so that positions in a text stay true."""

    def __missing__(self, code: int) -> int:
        folded = self[code] = ord(_fold_one(chr(code)))
        return folded


@cache
def _simplified() -> dict[str, str]:
    """Traditional → simplified characters, from OpenCC's table (the first of several is the usual one)."""
    table = resources.files("opencc").joinpath("dictionary", "TSCharacters.txt").read_text("utf-8")
    pairs = (line.split("\t") for line in table.splitlines() if "\t" in line)
    return {old: new.split(" ")[0] for old, new in pairs if len(old) == 1 and len(new.split(" ")[0]) == 1}


def _fold_one(char: str) -> str:
    wide = unicodedata.normalize("NFKC", char)
    one = wide if len(wide) == 1 else char
    if "\u00c0" <= one <= "\u024f" or "\u1e00" <= one <= "\u1eff":
        one = unicodedata.normalize("NFD", one)[0]
    low = one.lower()
    one = low if len(low) == 1 else one
    return _simplified().get(one, one)


_FOLD = _Fold()


def fold(text: str) -> str:
    """`text` in half width, lower case, without accents, in simplified characters; same length as `text`."""
    return text.translate(_FOLD)


@cache
def analyzer() -> tantivy.TextAnalyzer:
    """Splits at spaces and stems English words; CJK tokens pass unchanged."""
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).filter(tantivy.Filter.stemmer("english")).build()
    )


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """The stem of one folded word."""
    stems = analyzer().analyze(word)
    return str(stems[0]) if stems else word


def _atoms(folded: str) -> Iterable[tuple[str, int, bool]]:
    """Each (text, start, is CJK) of a folded text."""
    for match in ATOM.finditer(folded):
        if match.lastgroup == "cjk":
            yield match[0], match.start(), True
        else:
            yield match[0][:LONGEST_WORD], match.start(), False


def spaced(text: str) -> str:
    """`text` as tokens with spaces between, unstemmed (the index stems): CJK unigrams and bigrams, words."""
    parts: list[str] = []
    for atom, _, is_cjk in _atoms(fold(text)):
        if is_cjk:
            parts.extend(atom)
            parts.extend(atom[i : i + 2] for i in range(len(atom) - 1))
        else:
            parts.append(atom)
    return " ".join(parts)


def tokens(text: str) -> set[str]:
    """The tokens under which `text` can be found."""
    return {stem(part) for part in spaced(text).split()}


@dataclass(frozen=True)
class Wanted:
    """One way to satisfy a piece of a query: at least `least` of `tokens` must be there."""

    tokens: tuple[str, ...]
    least: int

    def met_by(self, found: set[str]) -> bool:
        """Whether a text with the tokens `found` satisfies this."""
        return sum(token in found for token in set(self.tokens)) >= self.least


@dataclass(frozen=True)
class Piece:
    """A part of a query that must be satisfied in one of several ways; the first is what was typed."""

    ways: tuple[Wanted, ...]

    def met_by(self, found: set[str]) -> bool:
        """Whether a text with the tokens `found` satisfies this."""
        return any(way.met_by(found) for way in self.ways)


def wanted(text: str) -> Wanted | None:
    """What a text must hold to count as holding `text`; None when `text` has no tokens."""
    need: list[str] = []
    least = 0
    for atom, _, is_cjk in _atoms(fold(text)):
        if not is_cjk:
            grams = [stem(atom)]
        elif len(atom) == 1:
            grams = [atom]
        else:
            grams = [atom[i : i + 2] for i in range(len(atom) - 1)]
        fresh = [gram for gram in dict.fromkeys(grams) if gram not in need]
        need += fresh
        least += len(fresh) if len(fresh) < SENTENCE else -(-int(len(fresh) * SENTENCE_SHARE * 10) // 10)
    return Wanted(tuple(need), max(least, 1)) if need else None


@dataclass(frozen=True)
class Glossary:
    """Words that mean the same (zh and en); a query for one finds the others."""

    groups: tuple[tuple[str, ...], ...] = ()
    _by_term: dict[str, tuple[str, ...]] = field(init=False, repr=False, compare=False, hash=False, default_factory=dict)

    def __post_init__(self) -> None:
        for group in self.groups:
            for term in group:
                key = self._key(term)
                if key:
                    self._by_term[key] = tuple(dict.fromkeys([*self._by_term.get(key, ()), *group]))

    @classmethod
    def of(cls, groups: Sequence[Sequence[str]]) -> Glossary:
        """A glossary of `groups`, each a list of words for one thing."""
        return cls(tuple(tuple(group) for group in groups))

    @staticmethod
    def _key(term: str) -> str:
        return " ".join(atom if is_cjk else stem(atom) for atom, _, is_cjk in _atoms(fold(term)))

    def same_as(self, term: str) -> tuple[str, ...]:
        """Every word of the groups that hold `term`, `term` among them; empty when it is in none."""
        return self._by_term.get(self._key(term), ())

    def split_run(self, run: str) -> list[str]:
        """A run of CJK characters cut around the longest known words of two characters or more."""
        parts: list[str] = []
        rest = start = 0
        while start < len(run):
            end = next(
                (end for end in range(min(len(run), start + 8), start + 1, -1) if run[start:end] in self._by_term), None
            )
            if end is None:
                start += 1
                continue
            if start > rest:
                parts.append(run[rest:start])
            parts.append(run[start:end])
            rest = start = end
        if rest < len(run):
            parts.append(run[rest:])
        return parts


def pieces(query: str, glossary: Glossary) -> list[Piece]:
    """A query as the pieces that all must be satisfied; known words bring the words that mean the same."""
    terms: list[str] = []
    words: list[str] = []

    def flush() -> None:
        start = 0
        while start < len(words):
            for end in range(min(len(words), start + 4), start, -1):
                phrase = " ".join(words[start:end])
                if end == start + 1 or glossary.same_as(phrase):
                    terms.append(phrase)
                    start = end
                    break
        words.clear()

    for atom, _, is_cjk in _atoms(fold(query)):
        if is_cjk:
            flush()
            terms.extend(glossary.split_run(atom))
        else:
            words.append(atom)
    flush()
    found: list[Piece] = []
    for term in dict.fromkeys(terms):
        ways = dict.fromkeys(way for text in (term, *glossary.same_as(term)) if (way := wanted(text)) is not None)
        if ways:
            found.append(Piece(tuple(ways)))
    return found


def marks(text: str, query_pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Where in `text` the tokens of a query stand: [start, end) pairs in order, not overlapping."""
    sought = {token for piece in query_pieces for way in piece.ways for token in way.tokens}
    hits: list[tuple[int, int]] = []
    for atom, start, is_cjk in _atoms(fold(text)):
        if not is_cjk:
            if stem(atom) in sought:
                hits.append((start, start + len(atom)))
            continue
        for size in (2, 1):
            hits.extend(
                (start + i, start + i + size) for i in range(len(atom) - size + 1) if atom[i : i + size] in sought
            )
    merged: list[tuple[int, int]] = []
    for start, end in sorted(hits):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def pairs(text: str) -> list[str]:
    """Adjacent words of `text` as one token each (`air_quality`), so that words in order can be told from scattered ones."""
    found: list[str] = []
    before = None
    end = -1
    folded = fold(text)
    for atom, start, is_cjk in _atoms(folded):
        word = None if is_cjk else atom
        if word and before and folded[end:start].strip(" \t\n-_,.'") == "":
            found.append(f"{stem(before)}_{stem(word)}")
        before, end = word, start + len(atom)
    return found


def adjacent(query: str) -> list[str]:
    """The tokens that only a text with the query's words side by side has."""
    grams = [
        atom[i : i + 2] for atom, _, is_cjk in _atoms(fold(query)) if is_cjk for i in range(len(atom) - 1)
    ]
    return list(dict.fromkeys([*grams, *(stem(pair) for pair in pairs(query))]))
