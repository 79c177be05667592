"""A line written for people is read back as the same line, whatever is in it; its secrets are not shown."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sanqu.lines.records import Line
from sanqu.lines.writing import as_toml, mark_of, with_secrets

# TOML has no lone surrogates, and reads every end of a line as one.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
sql = st.lists(st.sampled_from(["SELECT *", "  FROM input", "'x'", "'''", '"y"', "\\", "\t", "\r", "水位"]), max_size=6).map("\n".join)
lines = st.builds(
    lambda title, path, columns, steps, params, header: {
        "name": "wells", "dataset": "wells", "title": {"zh": title, "en": ""}, "columns": columns,
        "source": {"kind": "push", "path": path.replace("\0", ""), "params": params, "header": header},
        "input": [{"name": "id", "type": "integer", "title": {"zh": title}}],
        "steps": [{"name": f"s{n}", "sql": one} for n, one in enumerate(steps)],
    },
    texts, texts, st.dictionaries(texts, texts, max_size=3), st.lists(sql | texts, max_size=3),
    st.dictionaries(texts, st.booleans() | st.integers(-(2**40), 2**40) | texts, max_size=3), st.booleans(),
)  # fmt: skip


@given(lines)
def test_what_is_written_is_read_back(said: dict[str, Any]) -> None:
    line = Line.from_descriptor(said)
    assert Line.from_toml(as_toml(line)) == line


def test_secrets_are_not_shown_and_stay_as_they_were_while_the_source_stays_where_it_was() -> None:
    kept = Line.from_descriptor(
        {"name": "w", "dataset": "w", "source": {"kind": "api", "url": "https://u:s3cret@example.org/x", "headers": {"X-Key": "k3y"}}}
    )
    text = as_toml(kept)
    assert "s3cret" not in text and "k3y" not in text
    assert with_secrets(Line.from_toml(text), kept) == kept
    moved = with_secrets(Line.from_toml(text.replace("example.org", "example.com")), kept)
    assert "s3cret" not in moved.source.url and moved.source.headers == {"X-Key": "***"}
    assert mark_of(kept) != mark_of(moved)
