"""Search over synthetic catalogues: latency with facets, freshness after a write, and what the index costs.

Makes a city of its own in a temporary folder (PostgreSQL as a child), fills it with seeded records through COPY, builds
the index as the web process would, and asks as a web page does: rights, ranking, facets, the page's records from
PostgreSQL, marks. Facet counts of a question asked before are remembered, so each timed question is new.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from uuid import UUID

from psycopg.types.json import Jsonb

from benchmarks.cities import scratch_home
from benchmarks.table import Row
from sanqu.catalog.audience import audience_of
from sanqu.catalog.glossary import use_glossary
from sanqu.catalog.index import index_of
from sanqu.catalog.keeping import write
from sanqu.catalog.records import datasets_by_id
from sanqu.catalog.search import Ask, search
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.ground.opening import open_city
from sanqu.ground.people.askers import PUBLIC, Asker, Role
from sanqu.ground.people.units import Unit, save_units

PLACES = [
    "衢州",
    "柯城",
    "衢江",
    "龙游",
    "江山",
    "常山",
    "开化",
    "智造新城",
    "智慧新城",
    "石梁",
    "航埠",
    "高家",
    "杜泽",
    "湖镇",
    "溪口",
    "贺村",
    "峡口",
    "辉埠",
    "球川",
    "华埠",
    "马金",
]
THINGS = [
    "柑橘",
    "水稻",
    "茶叶",
    "企业",
    "交通",
    "空气",
    "水质",
    "气象",
    "医院",
    "学校",
    "社保",
    "信用",
    "用电",
    "用水",
    "农产品",
    "旅游",
    "物流",
    "园区",
    "社区",
    "网格",
    "公交",
    "停车",
    "道路",
    "桥梁",
    "森林",
    "河道",
    "水库",
    "养老",
    "低保",
    "就业",
    "人才",
    "专利",
    "商标",
    "税收",
    "项目",
    "土地",
    "规划",
    "房产",
    "婚姻",
    "户籍",
    "消防",
    "应急",
    "食品",
    "药品",
    "特种设备",
    "排污",
    "噪声",
    "垃圾",
    "燃气",
    "供热",
    "统计",
    "档案",
    "图书",
    "体育",
    "文物",
    "非遗",
    "民宿",
    "景区",
    "客流",
    "快递",
    "仓储",
    "港口",
    "铁路",
    "机场",
    "种子",
    "农机",
    "渔业",
    "畜牧",
    "林权",
    "湿地",
    "矿产",
    "地质",
]
KINDS = [
    "产量",
    "价格",
    "监测",
    "登记",
    "统计",
    "名录",
    "许可",
    "处罚",
    "排放",
    "能耗",
    "投诉",
    "办件",
    "收入",
    "支出",
    "库存",
    "检验",
    "预警",
    "事故",
    "合同",
    "招标",
    "中标",
    "验收",
    "评价",
    "排名",
    "补贴",
]
ENDS = ["数据", "信息", "清单", "明细", "年报", "月报", "目录", "记录", "情况", "台账", "公示", "汇总"]
ENGLISH = [
    "citrus",
    "rice",
    "tea",
    "company",
    "traffic",
    "air",
    "water",
    "weather",
    "hospital",
    "school",
    "credit",
    "power",
    "product",
    "tourism",
    "logistics",
    "park",
    "community",
    "bus",
    "parking",
    "road",
]
ENGLISH_KINDS = [
    "output",
    "price",
    "monitoring",
    "registry",
    "statistics",
    "list",
    "permit",
    "penalty",
    "emission",
    "energy",
    "complaint",
    "case",
    "income",
    "budget",
    "stock",
    "inspection",
    "warning",
]
COMMON = "的一是在有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经".strip()
COLUMNS = (
    "id, name, title_zh, title_en, about_zh, about_en, unit, state, opening, sharing, grade, subjects, tags, licence, freshness, "
    "sample, origin, items, extras, created, modified, published, quality, used, audience, seq"
)
GLOSSARY = [["柑橘", "柑", "citrus", "椪柑"], ["空气质量", "air quality"], ["企业", "company"]]


def fill(city: City, records: int, seed: int = 7) -> None:
    """Write `records` seeded datasets, one in ten known to staff only."""
    draw = random.Random(seed)
    units = [Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou"))]
    units += [
        Unit(f"3308-{i:03}", "3308", "department", "city", Text(zh=f"{draw.choice(THINGS)}局{i}", en=f"Bureau {i}"))
        for i in range(300)
    ]
    with city.db.connection() as conn:
        save_units(conn, units)
        for i in range(20):
            conn.execute("INSERT INTO catalog_subject (name, title_zh) VALUES (%s, %s)", (f"s{i}", THINGS[i]))
    tags = [f"{a}{b}" for a in THINGS for b in KINDS[:20]]
    at = now()
    with (
        city.db.connection() as conn,
        conn.cursor() as cursor,
        cursor.copy(f"COPY catalog_dataset ({COLUMNS}) FROM STDIN") as copy,
    ):
        copy.set_types(
            [
                "uuid",
                *["text"] * 10,
                "text[]",
                "text[]",
                "text",
                "text",
                "bool",
                "text",
                "jsonb",
                "jsonb",
                *["timestamptz"] * 3,
                "float4",
                "int8",
                "text[]",
                "int8",
            ]
        )
        for i in range(records):
            place, thing, kind, end = draw.choice(PLACES), draw.choice(THINGS), draw.choice(KINDS), draw.choice(ENDS)
            english = f"{draw.choice(ENGLISH)} {draw.choice(ENGLISH_KINDS)} {i % 40 + 1985}".title() if i % 3 == 0 else ""
            about = "".join(
                f"{draw.choice(PLACES)}{draw.choice(THINGS)}{''.join(draw.choices(COMMON, k=6))}{draw.choice(KINDS)}，"
                for _ in range(4)
            )
            items = [
                {
                    "name": f"c{j}",
                    "title": {"zh": f"{draw.choice(THINGS)}{draw.choice(KINDS)}", "en": ""},
                    "about": {"zh": "", "en": ""},
                }
                for j in range(6)
            ]
            opening = "none" if i % 10 == 0 else draw.choice(["unconditional", "restricted"])
            unit = f"3308-{draw.randrange(300):03}"
            copy.write_row(
                (UUID(int=draw.getrandbits(128), version=4), f"d-{i}", f"{place}{thing}{kind}{end}", english, about, "", unit, "published", opening,
                 "conditional", draw.choice(["L1", "L2"]), [f"s{draw.randrange(20)}"], draw.sample(tags, 3), "cc-by", None, i % 5 == 0,
                 draw.choice(["local", "portal-a", "portal-b"]), Jsonb(items), Jsonb({}), at, at, at, draw.random() * 100, draw.randrange(5000),
                 audience_of("published", opening, "conditional", f"/3308/{unit}/"), 1)  # type: ignore[arg-type]
            )  # fmt: skip
    with city.db.connection() as conn:
        conn.execute(
            "INSERT INTO catalog_resource (id, dataset, format, created, modified) "
            "SELECT gen_random_uuid(), id, f, created, modified FROM catalog_dataset, unnest(CASE WHEN seq % 2 = 0 THEN ARRAY['CSV','JSON'] ELSE "
            "ARRAY['CSV', (ARRAY['XLSX','PDF','JSON','XML'])[1 + used % 4]] END) AS f"
        )
        conn.execute("UPDATE catalog_clock SET seq = 1")
        conn.execute("ANALYZE catalog_dataset, catalog_resource")


def questions(n: int, seed: int = 11) -> dict[str, list[Ask]]:
    """New questions of each kind, as people ask them."""
    draw = random.Random(seed)
    facets = ("subject", "unit", "opening", "format", "grade", "tag", "origin", "sample")

    def ask(text: str, **more: object) -> Ask:
        return Ask(text, facets=facets, **more)  # type: ignore[arg-type]

    def filters() -> dict[str, list[str]]:
        return {"subject": [f"s{draw.randrange(20)}"], "opening": ["unconditional"], "state": ["published"]}

    return {
        "one word": [ask(draw.choice(THINGS), offset=i) for i in range(n)],
        "a glossary word": [ask(draw.choice(["柑橘", "柑", "citrus"]), offset=i) for i in range(n)],
        "two words run together": [ask(draw.choice(THINGS) + draw.choice(KINDS), offset=i) for i in range(n)],
        "place, thing, kind, end": [
            ask(draw.choice(PLACES) + draw.choice(THINGS) + draw.choice(KINDS) + draw.choice(ENDS)) for _ in range(n)
        ],
        "English words": [ask(f"{draw.choice(ENGLISH)} {draw.choice(ENGLISH_KINDS)}", offset=i) for i in range(n)],
        "one common character": [ask(draw.choice(COMMON), offset=i) for i in range(n)],
        "word and filters": [ask(draw.choice(THINGS), filters=filters()) for _ in range(n)],
        "whole list, newest first": [ask("", sort="newest", offset=20 * i) for i in range(n)],
        "nothing fits (relaxed)": [ask(f"{draw.choice(THINGS)} zebra{i}") for i in range(n)],
    }


def timed(run: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1000


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def measure(city: City, each: int) -> list[float]:
    """Ask every kind of question and print a line for each; returns all latencies."""
    staff = Asker("o", 1, None, (Role("officer", "3308-001", "/3308/3308-001/"),))
    everything: list[float] = []
    print(f"{'question':<28}{'hits':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    from sanqu.catalog.search import _Counted

    for kind, asks in questions(each).items():
        times, hits = [], []
        for i, one in enumerate(asks):
            # Nothing remembered from the question before.
            city.part(_Counted, _Counted)._kept.clear()
            asker = staff if i % 2 else PUBLIC
            started = time.perf_counter()
            hits.append(search(city, one, asker).total)
            times.append((time.perf_counter() - started) * 1000)
        everything += times
        print(
            f"{kind:<28}{statistics.median(hits):>10,.0f}{statistics.median(times):>9.1f}{percentile(times, 0.95):>9.1f}{percentile(times, 0.99):>9.1f}{max(times):>9.1f}"
        )
    return everything


def catalogue(records: int, *, promised: bool, each: int = 100) -> list[Row]:
    """Latency over a catalogue of so many records, `each` questions of every kind; and what a write costs the next search."""
    with scratch_home() as home, open_city(home) as city:
        use_glossary(city, GLOSSARY)
        fill(city, records)
        built = timed(lambda: index_of(city).rebuild()) / 1000
        size = sum(file.stat().st_size for file in (home / "search").rglob("*") if file.is_file()) / 2**20
        search(city, Ask("预热"))
        took = measure(city, each)
        fresh = [after_write(city) for _ in range(20)]
    p99 = percentile(took, 0.99)
    return [
        Row(
            f"{records:,} records, {len(took):,} new questions with 8 facets",
            f"p50 {statistics.median(took):.1f} ms, p99 {p99:.1f} ms", "", "", "p99 < 50 ms" if promised else "", p99 < 50 if promised else None,
        ),
        Row(f"{records:,} records, first search after a write", f"p50 {statistics.median(fresh):.1f} ms", "", "", "", None),
        Row(f"{records:,} records, index from nothing", f"{built:.0f} s, {size:.0f} MB", "", "", "", None),
    ]  # fmt: skip


def after_write(city: City) -> float:
    """Milliseconds of the first search after a dataset was written; it must hold what was written."""
    row = city.db.one("SELECT id FROM catalog_dataset ORDER BY random() LIMIT 1")
    assert row is not None
    with city.db.connection() as conn:
        write(conn, datasets_by_id(conn, [row["id"]], ["admin"]), "bench")
    return timed(lambda: search(city, Ask("柑橘")))


def run() -> list[Row]:
    """A city's catalogue, and three times as many."""
    return [*catalogue(100_000, promised=True), *catalogue(300_000, promised=False)]
