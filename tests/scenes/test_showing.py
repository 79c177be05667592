"""Pages of scenes as people read them: through the door, streamed, explained, exported, embedded, on a screen."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, SanquError
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import PUBLIC
from sanqu.lake import lake_of
from sanqu.scenes.keeping import find_installed
from sanqu.scenes.showing.asking import Asking, Reader, params_of
from sanqu.scenes.showing.blocks import draw, queries_of
from sanqu.scenes.showing.pages import words_of
from sanqu.scenes.showing.stages import Stage, stage_of
from sanqu.scenes.showing.streaming import parts_of
from sanqu.scenes.writing.components import COMPONENTS
from sanqu.scenes.writing.reading import read_page
from sanqu.sharing.kept import kept_answers
from tests.scenes.hall import Hall

PAGE = "/scenes/gallery/all"


@pytest.fixture
def site(hall: Hall, serve: Callable[[City], str]) -> str:
    """The address of the hall."""
    return serve(hall.city)


def test_the_page_shows_each_component_and_each_query_is_asked_once(hall: Hall, site: str) -> None:
    kept_answers(hall.city).forget()
    before = kept_answers(hall.city).asked
    with hall.reader(site) as reader:
        page = reader.get(PAGE)
        assert page.status_code == 200
        shown = {name for name in COMPONENTS if f"of-{name} is-shown" in page.text}
        assert shown == set(COMPONENTS)
        asked = kept_answers(hall.city).asked - before
        queries = stage_of(hall.city, "gallery").page("all").queries
        # That one is not for the public: the door said so and asked nothing.
        assert asked == len(queries) - 1
        again = reader.get(PAGE)
        assert again.status_code == 200
        assert kept_answers(hall.city).asked - before == asked


def test_the_places_of_all_blocks_are_sent_before_any_answer(hall: Hall, site: str) -> None:
    with hall.reader(site) as reader, reader.stream("GET", PAGE) as answer:
        first = next(answer.iter_raw())
    text = first.decode()
    assert 'template shadowrootmode="open"' in text
    assert all(f'<slot name="{block}">' in text for block in stage_of(hall.city, "gallery").page("all").blocks)
    assert 'class="block of-figure' not in text


def test_figures_and_tables_need_no_scripts(hall: Hall, site: str) -> None:
    total = sum(row["value"] for row in _rows(hall))
    with hall.reader(site) as reader:
        page = reader.get(PAGE, params={"lang": "en"}).text
    assert f"{total:,.0f}" in page
    assert "The city's output is" in page and "全市产值" not in page


def _rows(hall: Hall) -> list[dict[str, float]]:
    with lake_of(hall.city).engine() as duck:
        found: list[dict[str, float]] = duck.execute(f"SELECT * FROM {lake_of(hall.city).at_snapshot('gallery-output', lake_of(hall.city).newest())}").to_arrow_table().to_pylist()
    return found


def test_an_input_is_a_value_and_never_a_part_of_the_query(hall: Hall, site: str) -> None:
    with hall.reader(site) as reader:
        one = reader.get(PAGE, params={"county": "柯城区", "block": "total"}).text
        hostile = reader.get(PAGE, params={"county": "' OR '1' = '1", "block": "total"}).text
        chosen = reader.get(PAGE, params={"county": "柯城区", "block": "inputs_1"}).text
    kecheng = sum(row["value"] for row in _rows(hall) if row["county"] == "柯城区")
    assert f"{kecheng:,.0f}" in one
    assert "figure-value\">—" in hostile.replace("\n", "")
    assert '<option value="柯城区" selected>' in chosen


def test_a_reader_of_english_sees_english_words_and_chooses_by_what_stands_in_the_data(hall: Hall, site: str) -> None:
    with hall.reader(site) as reader:
        chosen = reader.get(PAGE, params={"county": "柯城区", "block": "inputs_1", "lang": "en"}).text
        found = reader.get(PAGE, params={"block": "table_1", "table_1.find": "kecheng", "lang": "en"}).text
        classes = reader.get(PAGE, params={"block": "area_1", "lang": "en"}).text
    assert '<option value="柯城区" selected>Kecheng</option>' in chosen
    assert f'<a href="/datasets?q={quote("柯城区")}">Kecheng</a>' in found and ">Qujiang</a>" not in found
    assert '"manufacturing"' in classes and "制造" not in classes


def test_a_map_tells_kinds_apart_and_names_them_in_words(hall: Hall, site: str) -> None:
    with hall.reader(site) as reader:
        zh, en = (reader.get(PAGE, params={"block": "states", "lang": lang}).text for lang in ("zh", "en"))
        measure = reader.get(PAGE, params={"block": "where"}).text
    option = json.loads(en.split('<script type="application/json">')[1].split("</script>")[0])
    kinds = option["kinds"]
    assert sorted(kinds) == ["high water", "level in order"] and [one["label"] for one in option["visualMap"]["pieces"]] == kinds
    assert {one["value"] for one in option["series"][0]["data"]} == {0, 1} and option["visualMap"]["type"] == "piecewise"
    assert "</i>水位过高</li>" in zh and "</i>high water</li>" in en
    # A measure says both ends of its scale; outlines are no words, and columns are called as the contract calls them.
    assert len(json.loads(measure.split('<script type="application/json">')[1].split("</script>")[0])["visualMap"]["text"]) == 2
    assert "Polygon" not in zh.split("</script>")[1] and "<th scope=\"col\">state</th>" in zh


WRONG = """+++
title = { zh = "页", en = "Page" }
+++
```sql q
SELECT county, value FROM gallery_output
```
```bar query=q x=county y=nothing
```
```picture query=q
```
```table query=q
```
```sql broken
SELECT county FROM gallery_nowhere
```
```table query=broken
```
"""


def test_a_block_that_is_wrong_says_so_and_the_rest_stands(hall: Hall) -> None:
    whole, page = stage_of(hall.city, "gallery"), read_page(WRONG, "wrong")
    asking = Asking(Reader(hall.city, PUBLIC, Stage("gallery", whole.title, {"wrong": page}, whole.weave), page, "en"))
    drawn = [draw(asking, block, {}) for block in page.blocks.values()]
    assert [one.state for one in drawn] == ["broken", "broken", "shown", "refused"]
    assert "The query q gives no column nothing" in drawn[0].html and "line 7" in drawn[0].html
    assert "There is no component picture" in drawn[1].html


def test_what_the_public_may_not_see_the_officer_is_told_how_to_get(hall: Hall, site: str) -> None:
    with hall.reader(site) as public, hall.reader(site, hall.officer) as officer, hall.reader(site, hall.steward) as steward:
        hidden = public.get(PAGE, params={"block": "bar_2", "lang": "en"})
        refused = officer.get(PAGE, params={"block": "bar_2", "lang": "en"})
        shown = steward.get(PAGE, params={"block": "bar_2", "lang": "en"})
        # The steward's answer is kept by now; it is nobody else's.
        after = officer.get(PAGE, params={"block": "bar_2", "lang": "en"})
        inside = public.get("/scenes/gallery/inside", headers={"Accept": "text/html"})
        assert (inside.status_code, officer.get("/scenes/gallery/inside").status_code) == (401, 200)
    assert [one.headers["X-Sanqu-State"] for one in (hidden, refused, shown, after)] == ["refused", "refused", "shown", "refused"]
    assert "gallery-wages.wage" in refused.text and 'action="/apply/gallery-wages"' in refused.text
    assert "江山市" in shown.text and "江山市" not in refused.text + after.text + hidden.text


def test_whoever_is_given_a_kept_answer_stands_in_the_ledger_too(hall: Hall, site: str) -> None:
    with hall.reader(site, hall.steward) as steward:
        steward.get("/scenes/gallery/inside")
        steward.get("/scenes/gallery/inside")
    integrate(hall.city)
    read = [entry for entry in read_entries(hall.city, limit=1000) if entry.kind == "sharing.read" and entry.subject == "dataset:gallery-wages"]
    actors = {entry.actor for entry in read}
    assert hall.steward.label in actors and "public" not in actors


def test_every_block_says_where_it_comes_from(hall: Hall, site: str) -> None:
    with hall.reader(site) as reader:
        said = reader.get(PAGE, params={"why": "rank"}).json()
        page = reader.get(PAGE, params={"why": "rank", "lang": "en"}, headers={"Accept": "text/html"}).text
    (one,) = said["datasets"]
    assert (one["dataset"], one["ground"], one["snapshot"] > 0, one["snapshot_at"][:3]) == ("gallery-output", "open", True, "202")
    assert said["written"].startswith("SELECT county, sum(value)") and '"gallery-output"' in said["asked"]
    assert len(said["digest"]) == 64 and said["rows"] == 6 and said["law"] > 0
    assert said["digest"] in page and "Where does this come from" in page


def test_a_table_is_sorted_searched_turned_and_exported_as_it_is_seen(hall: Hall, site: str) -> None:
    with hall.reader(site) as reader:
        first = reader.get(PAGE, params={"block": "table_1"}).text
        second = reader.get(PAGE, params={"block": "table_1", "table_1.page": "2"}).text
        file = reader.get(PAGE, params={"export": "table_1", "format": "csv", "table_1.sort": "people", "table_1.find": "县"})
        book = reader.get(PAGE, params={"export": "table_1", "format": "xlsx", "lang": "en"})
    counties = ["柯城区", "衢江区", "龙游县", "江山市", "常山县", "开化县"]
    on = [[county for county in counties if county in page] for page in (first, second)]
    assert [len(one) for one in on] == [4, 2] and set(on[0]) | set(on[1]) == set(counties)
    rows = list(csv.reader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert rows[0] == ["县（市、区）", "产值", "人数"]
    assert {row[0] for row in rows[1:]} == {"龙游县", "常山县", "开化县"}
    assert [int(row[2]) for row in rows[1:]] == sorted(int(row[2]) for row in rows[1:])
    sheet = openpyxl.load_workbook(io.BytesIO(book.content)).active
    assert sheet is not None and [cell.value for cell in sheet[1]] == ["county", "output", "people"] and sheet.max_row == 7


def test_one_block_is_shown_in_frames_of_allowed_sites_only(hall: Hall, site: str) -> None:
    with hall.reader(site) as reader:
        own = reader.get(PAGE, params={"embed": "rank"})
        hall.city.settings = hall.city.settings.model_copy(update={"embed_origins": "https://www.qz.example"})
        lent = reader.get(PAGE, params={"embed": "rank"})
        whole = reader.get(PAGE)
    assert "frame-ancestors 'self';" in own.headers["content-security-policy"] + ";"
    assert lent.headers["content-security-policy"].endswith("frame-ancestors 'self' https://www.qz.example")
    assert "x-frame-options" not in lent.headers and whole.headers["x-frame-options"] == "SAMEORIGIN"
    assert "of-bar" in lent.text and "of-figure" not in lent.text


def test_a_screen_is_laid_out_as_its_author_said_and_leads_to_the_next(hall: Hall, site: str) -> None:
    with hall.reader(site) as reader:
        screen = reader.get(PAGE, params={"screen": "1"}).text
        cockpit = reader.get("/cockpit")
    assert "grid-template-areas: 'total people target share' 'trend trend where where' 'trend trend rank rank'" in screen
    assert screen.count('class="one-screen"') == 2 and 'data-block="total"' in screen and "of-table" not in screen
    assert (cockpit.status_code, cockpit.headers["location"]) == (303, "/scenes/gallery/all?screen=1&cycle=city")


def test_a_form_begins_a_case_and_says_what_does_not_fit(hall: Hall, site: str) -> None:
    with hall.reader(site, hall.officer) as officer, hall.reader(site) as public:
        wrong = officer.post(f"{PAGE}/form_1", data={"place": "", "people": "three"})
        begun = officer.post(f"{PAGE}/form_1", data={"place": "果园", "people": "3"})
        case = officer.get(begun.headers["location"]).text
        cases = officer.get(PAGE, params={"block": "cases_1"}).text
        nobody = public.post(f"{PAGE}/form_1", data={"place": "果园"})
    assert (wrong.status_code, wrong.text.count('role="alert"') >= 2) == (422, True)
    assert begun.status_code == 303 and begun.headers["location"].startswith("/cases/")
    assert begun.headers["location"].removeprefix("/cases/") in cases
    # Who works at the case reads what was filled in.
    assert "<dd>果园</dd>" in case and "<dd>3</dd>" in case
    assert nobody.status_code == 401


def test_alarms_are_shown_to_the_unit_of_the_scene_and_to_nobody_who_might_not_read_what_they_say(hall: Hall, site: str) -> None:
    with hall.reader(site, hall.steward) as steward, hall.reader(site, hall.officer) as officer:
        assert "水位" in steward.get(PAGE, params={"block": "alarms_1"}).text
        assert "水位" not in officer.get(PAGE, params={"block": "alarms_1"}).text


def test_what_is_not_there_is_said(hall: Hall, site: str) -> None:
    with hall.reader(site) as reader:
        wanted = ("/scenes/none/all", "/scenes/gallery/none", f"{PAGE}?block=none", f"{PAGE}?why=inputs_1", f"{PAGE}?export=none")
        assert [reader.get(one).status_code for one in wanted] == [404] * len(wanted)


def test_a_scene_test_reads_pages_and_says_what_is_not_drawn(hall: Hall) -> None:
    one = find_installed(hall.city, "gallery")
    assert "江山市" in words_of(hall.city, one, "inside")
    with pytest.raises(BadInput, match="bar_2"):
        words_of(hall.city, one, "all")


def test_all_blocks_of_a_page_read_the_same_snapshots(hall: Hall) -> None:
    stage = stage_of(hall.city, "gallery")
    page = stage.page("all")
    asking = Asking(Reader(hall.city, PUBLIC, stage, page, "zh", params_of(page, {})))
    before = asking.outcome("totals")
    hall.put("SELECT 0 AS id, '柯城区' AS county, '制造' AS class, DATE '2025-01-01' AS month, 9000 AS value, 1::BIGINT AS staff")
    after = asking.outcome("by_county")
    assert before.snapshots == after.snapshots
    assert sum(row["value"] for row in after.rows) == pytest.approx(before.rows[0]["value"])
    assert queries_of(page.blocks["rank"], page) == ["by_county"]


def test_a_page_that_changes_nothing_tells_an_http_client_nothing_new(hall: Hall, site: str) -> None:
    with httpx.Client(base_url=site) as reader:
        assert reader.get(PAGE).headers["cache-control"] == "private, no-cache"


ECHO = """+++
title = { zh = "页", en = "Page" }
[inputs.said]
title = { zh = "说", en = "Said" }
+++
```sql q
SELECT $said AS a, $said || '!' AS b, 1 AS n
```
{{ q.a }}

```figure query=q value=a label=b
```
```table query=q filter
links = { a = "/datasets?q={a}" }
```
```timeline query=q when=a what=b detail=a kind=b
```
```bar query=q x=a y=n
```
```graph query=q source=a target=b
```
"""


class _Tags(HTMLParser):
    """Tags and attributes of a piece of HTML, and what stands in its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=60), st.sampled_from(["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\" onmouseover=\"x", "javascript:alert(1)", "//evil.example/{a}"])))
def test_what_a_reader_or_a_row_says_is_never_a_tag(hall: Hall, said: str) -> None:
    whole, page = stage_of(hall.city, "gallery"), read_page(ECHO, "echo")
    try:
        params = params_of(page, {"said": said})
        html = "".join(draw(asking, part, {"table_1.find": said}).html for asking in [Asking(Reader(hall.city, PUBLIC, Stage("gallery", whole.title, {"echo": page}, whole.weave), page, "zh", params))] for part in parts_of(page))
    except SanquError:
        return
    tags = _Tags(html).tags
    assert {tag for tag, _ in tags} <= {"header", "h2", "a", "svg", "circle", "path", "p", "span", "small", "form", "input", "button", "div", "table", "thead", "tbody", "tr", "th", "td", "ol", "li", "time", "strong", "script", "details", "summary", "label", "select", "option", "i"}
    assert all(attrs.get("type") == "application/json" and set(attrs) == {"type"} for tag, attrs in tags if tag == "script")
    assert not [name for _tag, attrs in tags for name in attrs if name.startswith("on")]
    assert all((attrs.get("href") or "/").startswith("/") and not (attrs.get("href") or "/").startswith("//") for tag, attrs in tags if tag == "a")
