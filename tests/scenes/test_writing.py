"""The page language: what an author writes, what is said of what they wrote wrongly, and that nothing they write breaks anything."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from sanqu.ground.i18n import Text
from sanqu.scenes.writing.checking import problems
from sanqu.scenes.writing.components import COMPONENTS
from sanqu.scenes.writing.page import Block, Page, Prose
from sanqu.scenes.writing.prose import render_prose
from sanqu.scenes.writing.reading import read_page

HEAD = '+++\ntitle = { zh = "页", en = "Page" }\n+++\n'


def said(text: str, **columns: list[str]) -> list[tuple[int, str]]:
    """Line and English words of everything wrong."""
    page = read_page(text, "page")
    return [(fault.line, fault.what.en) for fault in problems(page, (lambda sql: columns[sql.strip().split()[-1]]) if columns else None)]


def test_a_page_is_its_head_its_queries_and_its_blocks_in_their_order() -> None:
    page = read_page(
        HEAD + '# 标题\n\n```sql a\nSELECT 1 AS n FROM a\n```\n\n```figure query=a value=n title="数" title.en="Number" digits=1\nnote = { zh = "注", en = "Note" }\n```\n\n尾\n', "first"
    )  # fmt: skip
    assert page.title == Text(zh="页", en="Page")
    assert list(page.queries) == ["a"]
    prose, figure, end = page.parts
    assert isinstance(prose, Prose) and isinstance(end, Prose) and isinstance(figure, Block)
    assert (figure.id, figure.query, figure.words("title"), figure.words("note").en, figure.number("digits")) == ("figure_1", "a", Text(zh="数", en="Number"), "Note", 1)
    assert page.faults == ()


def test_prose_may_be_in_two_languages_and_the_queries_stand_once() -> None:
    page = read_page(HEAD + "::: zh\n你好\n::: en\nHello\n:::\nboth\n", "page")
    assert [(part.lang, part.text.strip()) for part in page.parts if isinstance(part, Prose)] == [("zh", "你好"), ("en", "Hello"), (None, "both")]


def test_each_mistake_is_named_with_its_line() -> None:
    text = HEAD + "```sql a\nSELECT 1 FROM a\n```\n```picture query=a\n```\n```bar query=a x=n colour=red title=\"只有中文\"\n```\n```line query=b x=n y=n\n```\n{{ a.gone }}\n"
    assert said(text, a=["n"]) == [
        (7, f"There is no component picture; there are: {', '.join(COMPONENTS)}"),
        (9, "bar has no option colour; it has: id, title, note, span, height, unit, digits, empty, x, y, series, stack, names, top, lying, query"),
        (9, "bar needs the option y"),
        (9, "title of bar_1 is in one language only"),
        (11, "There is no query b"),
        (13, "The query a gives no column gone"),
    ]


def test_a_column_that_the_query_does_not_give_is_named() -> None:
    text = HEAD + "```sql a\nSELECT 1 FROM a\n```\n```line query=a x=month y=value,cost\n```\n"
    assert said(text, a=["month", "value"]) == [(7, "The query a gives no column cost; it gives month, value")]


def test_a_head_that_does_not_fit_opens_nothing() -> None:
    page = read_page('+++\ntitle = { zh = "页", en = "Page" }\naudience = "pubilc"\n+++\n', "page")
    assert page.audience == "staff"
    assert [fault.what.en for fault in page.faults] == ["audience is public, staff or unit"]


def test_inputs_may_not_take_the_words_of_the_address() -> None:
    page = read_page('+++\ntitle = { zh = "页", en = "Page" }\n[inputs.why]\ntitle = "x"\n+++\n', "page")
    assert page.inputs == ()
    assert "The input why" in page.faults[0].what.en


def test_a_screen_names_blocks_that_are_there_and_says_nothing_else_in_css() -> None:
    head = '+++\ntitle = { zh = "页", en = "Page" }\n[screen]\nareas = ["a b"]\ncolumns = "1fr;} body{display:none"\n+++\n'
    page = read_page(head + "```sql q\nSELECT 1\n```\n```figure query=q value=n id=a\n```\n", "page")
    assert [fault.what.en for fault in page.faults] == ["b on the screen is no block of the page"]
    assert page.screens[0].columns == ""


LINES = st.sampled_from(["+++", "```", "````", "~~~", "```sql a", "```sql", "```line query=a x=n y=n", "```bar", ":::", "::: en", "{{ a.n }}", "{{", "title = 1", "[inputs.a]", "[screen]", "areas = [", "<script>alert(1)</script>"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(LINES, st.text(max_size=40)), max_size=30))
def test_no_text_breaks_the_reader(lines: list[str]) -> None:
    page = read_page("\n".join(lines), "page")
    assert isinstance(page, Page)
    problems(page)
    assert len({part.id for part in page.parts}) == len(page.parts)


class _Tags(HTMLParser):
    """The tags and handlers in a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, value in attrs if name.startswith("on") or (value or "").strip().lower().startswith("javascript:"))}


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=120), st.text(max_size=60))
def test_prose_never_lets_a_tag_of_its_own_or_of_a_value_through(text: str, value: str) -> None:
    for hostile in ("<script>", "<img src=x onerror=1>", '" onclick="x', "[a](javascript:x)", f"\ue0000\ue001{value}"):
        html = render_prose(f"{text}\n\n{hostile} {{{{ a.n }}}} [x](/y \"{{{{ a.n }}}}\")", lambda _query, _column, _digits: f"{value}<b onmouseover=x>")
        assert not _Tags(html).found & {"script", "iframe", "b", "onclick", "onerror", "onmouseover", "style"}
        assert "href=\"javascript" not in html
