"""Search finds Chinese and English words, ranks them, counts facets, and hides what one may not know of."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from sanqu.catalog.index import SearchIndex, index_of
from sanqu.catalog.keeping import delete, publish, save_dataset, withdraw
from sanqu.catalog.records import Dataset, Item
from sanqu.catalog.search import Ask, search
from sanqu.ground.city import City
from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import PUBLIC, Asker

from .conftest import PEOPLE, Put


def names(city: City, text: str, asker: Asker = PUBLIC, **more: object) -> list[str]:
    return [hit.dataset.name for hit in search(city, Ask(text, **more), asker).hits]  # type: ignore[arg-type]


def test_each_word_for_citrus_finds_titles_descriptions_items_and_tags(town: City, put: Put) -> None:
    put("in-title", "柑橘产量年报")
    put("in-english", "年度农业统计", "Citrus output by county")
    put("in-tags", "农产品价格", tags=("椪柑",))
    put("in-items", "果园普查", items=(Item("area", Text(zh="柑橘种植面积", en="")),))
    put("in-about", "特产名录", about=Text(zh="收录本地柑橘等特产", en=""))
    put("other", "公交线路")
    everything = {"in-title", "in-english", "in-tags", "in-items", "in-about"}
    for word in ("柑橘", "柑", "citrus", "Citrus", "CITRUS", "椪柑"):
        assert set(names(town, word)) == everything, word


def test_a_title_ranks_above_tags_above_items_above_descriptions(town: City, put: Put) -> None:
    put("d", "特产名录", about=Text(zh="收录水质监测等内容", en=""))
    put("c", "河流普查", items=(Item("q", Text(zh="水质监测", en="")),))
    put("b", "环境公报", tags=("水质监测",))
    put("a", "水质监测", about=Text(zh="逐日", en=""))
    assert names(town, "水质监测") == ["a", "b", "c", "d"]


def test_characters_side_by_side_rank_above_scattered_ones(town: City, put: Put) -> None:
    put("scattered", "公园里的共享交流通道")
    put("together", "交通流量")
    assert names(town, "交通") == ["together"]
    found = search(town, Ask("车交通车"), PUBLIC)
    assert found.relaxed and found.hits[0].dataset.name == "together"


def test_english_words_side_by_side_rank_above_scattered_ones(town: City, put: Put) -> None:
    put("scattered", "甲", "Quality of the air conditioning")
    put("together", "乙", "The air quality conditioning of")
    assert names(town, "air quality")[0] == "together"


def test_traditional_characters_and_full_width_letters_find_simplified_ones(town: City, put: Put) -> None:
    put("a", "农业资料 PM2.5")
    assert names(town, "農業資料") == ["a"]
    assert names(town, "ＰＭ２.５") == ["a"]


def test_english_endings_do_not_matter(town: City, put: Put) -> None:
    put("a", "办件", "Building permits issued daily")
    assert names(town, "permit building") == ["a"]


def test_facets_count_what_was_found_and_filter_it(town: City, put: Put) -> None:
    put("a", "柑橘产量", subjects=("agriculture",), tags=("产量", "柑橘"))
    put("b", "柑橘价格", subjects=("agriculture",), opening="restricted")
    put("c", "公交客流", subjects=("traffic",), unit="3308-traffic", sample=True)
    found = search(town, Ask())
    assert {v.value: v.count for v in found.facets["subject"]} == {"agriculture": 2, "traffic": 1}
    assert {v.value: v.count for v in found.facets["opening"]} == {"unconditional": 2, "restricted": 1}
    assert {v.value: v.count for v in found.facets["sample"]} == {"false": 2, "true": 1}
    assert {v.value: v.count for v in found.facets["unit"]} == {"3308-agri": 2, "3308-traffic": 1}
    narrowed = search(town, Ask("柑橘", filters={"opening": ["restricted"]}))
    assert [h.dataset.name for h in narrowed.hits] == ["b"] and narrowed.facets["opening"][0].chosen
    assert names(town, "", without={"subject": ["agriculture"]}) == ["c"]


def test_what_was_sought_is_marked_and_everything_else_is_escaped(town: City, put: Put) -> None:
    put("a", "<b>柑橘</b>产量", about=Text(zh="很长" * 200 + "，柑橘在此 <script>", en=""))
    hit = search(town, Ask("柑橘")).hits[0]
    assert hit.title.zh == "&lt;b&gt;<mark>柑橘</mark>&lt;/b&gt;产量"
    assert "<mark>柑橘</mark>" in hit.snippet.zh and "<script>" not in hit.snippet.zh and hit.snippet.zh.startswith("…")


def test_one_finds_only_what_one_may_know_of(town: City, put: Put) -> None:
    put("open", "柑橘一")
    put("restricted", "柑橘二", opening="restricted")
    put("shared", "柑橘三", opening="none", sharing="conditional")
    put("closed", "柑橘四", opening="none", sharing="none", unit="330802-agri")
    put("draft", "柑橘五", state="draft", unit="330802-agri")
    seen = {
        "public": set(names(town, "柑橘")),
        "other": set(names(town, "柑橘", PEOPLE.traffic_steward)),
        "above": set(names(town, "柑橘", PEOPLE.county_steward)),
        "own": set(names(town, "柑橘", PEOPLE.officer)),
        "admin": set(names(town, "柑橘", PEOPLE.admin)),
    }
    assert seen["public"] == {"open", "restricted"}
    assert seen["other"] == {"open", "restricted", "shared"}
    everything = {"open", "restricted", "shared", "closed", "draft"}
    assert seen["above"] == seen["own"] == seen["admin"] == everything
    assert search(town, Ask("柑橘")).total == 2
    assert sum(v.count for v in search(town, Ask("柑橘")).facets["unit"]) == 2


def test_a_write_is_found_by_the_next_search(town: City, put: Put) -> None:
    made = put("a", "柑橘产量", state="draft")
    assert names(town, "柑橘") == []
    publish(town, "a", PEOPLE.steward)
    assert names(town, "柑橘") == ["a"]
    save_dataset(town, replace(made, title=Text(zh="水稻产量"), about=Text(zh="说明"), state="published"), PEOPLE.steward)
    assert names(town, "柑橘") == [] and names(town, "水稻") == ["a"]
    withdraw(town, "a", PEOPLE.steward)
    assert names(town, "水稻") == []
    delete(town, "a", PEOPLE.steward)
    assert names(town, "水稻", PEOPLE.admin) == []


def test_a_lost_or_damaged_index_is_built_anew(town: City, put: Put) -> None:
    put("a", "柑橘产量")
    assert names(town, "柑橘") == ["a"]
    home = town.settings.home / "search"
    index_of(town).close()
    for file in home.glob("*/*"):
        if file.suffix in (".term", ".idx", ".store", ".fast"):
            file.write_bytes(b"broken")
    assert names(town, "柑橘") == ["a"]
    index_of(town).close()
    shutil.rmtree(home)
    assert names(town, "柑橘") == ["a"]


def test_a_second_process_reads_what_the_owner_wrote(town: City, put: Put) -> None:
    put("a", "柑橘产量")
    assert names(town, "柑橘") == ["a"]
    put("b", "柑橘价格")
    assert len(names(town, "柑橘")) == 2
    other = SearchIndex(town)
    assert other.searcher().num_docs == 2
    put("c", "柑橘出口")
    other.searcher()
    assert len(names(town, "柑橘")) == 3
    assert other.searcher().num_docs == 3


def test_sorting_and_paging_walk_every_dataset_once(town: City, put: Put) -> None:
    made: list[Dataset] = [put(f"d-{i:02}", f"柑橘 {i}") for i in range(23)]
    seen: list[str] = []
    for offset in range(0, 30, 10):
        seen += names(town, "柑橘", limit=10, offset=offset)
    assert sorted(seen) == sorted(d.name for d in made)
    newest = names(town, "", sort="newest", limit=100)
    assert len(newest) == 23


def test_an_index_that_cannot_be_written_says_so_and_comes_back(town: City, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put("a", "柑橘产量")
    assert names(town, "柑橘") == ["a"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(SearchIndex, "_rows", full)
        put("b", "柑橘价格")
        with pytest.raises(Unavailable) as fault:
            names(town, "柑橘")
        assert "No space left" in fault.value.what.en and fault.value.todo.zh
    assert sorted(names(town, "柑橘")) == ["a", "b"]
