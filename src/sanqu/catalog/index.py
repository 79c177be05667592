"""The search index (tantivy): a copy of the catalogue that one process owns, fed by the catalogue's change numbers."""

from __future__ import annotations

import json
import logging
import math
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import tantivy

from sanqu.catalog.records import SEQ
from sanqu.catalog.tokens import analyzer, pairs, spaced
from sanqu.ground.city import City
from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text

log = logging.getLogger(__name__)

# Raised when what a document holds changes: an index of another form is rebuilt.
FORM = 3
TEXT_FIELDS = ("title", "tags_text", "items", "all")
FACETS = ("subject", "unit", "opening", "format", "grade", "tag", "origin", "sample", "state", "sharing", "licence")
RAW_FIELDS = ("audience", *FACETS)
HEAP_BYTES = 48_000_000
BATCH = 2_000
# At this many changes in one go building anew is quicker than deleting and adding.
REBUILD_FROM = 60_000

CHANGED = """
SELECT d.id::text AS id, d.name, d.title_zh, d.title_en, d.about_zh, d.about_en, d.unit, d.state, d.opening, d.sharing,
       d.grade, d.subjects, d.tags, d.licence, d.sample, d.origin, d.items, d.audience, d.modified, d.created,
       d.quality, d.used, d.seq, u.title_zh AS unit_zh, u.title_en AS unit_en, d.extras ->> 'publisher' AS publisher,
       (SELECT array_agg(DISTINCT upper(r.format)) FROM catalog_resource r
        WHERE r.dataset = d.id AND r.format <> '') AS formats,
       (SELECT string_agg(s.title_zh || ' ' || s.title_en, ' ') FROM catalog_subject s
        WHERE s.name = ANY(d.subjects)) AS subject_titles
FROM catalog_dataset d JOIN org_unit u ON u.code = d.unit
WHERE d.seq > %s AND d.seq <= %s
"""
PENDING = "SELECT count(*) AS n FROM catalog_dataset WHERE seq > %s"


def schema() -> tantivy.Schema:
    """The fields of the index."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("name", tokenizer_name="raw", index_option="basic")
    for name in TEXT_FIELDS:
        builder.add_text_field(name, tokenizer_name="sanqu", index_option="freq")
    for name in RAW_FIELDS:
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    builder.add_float_field("prior", fast=True)
    builder.add_integer_field("modified", fast=True, indexed=True)
    builder.add_integer_field("created", fast=True, indexed=True)
    return builder.build()


def prior(row: Mapping[str, Any]) -> float:
    """What decides between equals: quality, use and recency, together at most a fifth of a score."""
    quality = float(row["quality"] or 0.0) / 100
    use: float = min(math.log10(1 + row["used"]) / 6, 1.0)
    years: float = min(max((row["modified"].timestamp() - 1_262_304_000) / (30 * 365 * 86_400), 0.0), 1.0)
    return 1.0 + 0.07 * quality + 0.07 * use + 0.06 * years


def document(row: Mapping[str, Any]) -> tantivy.Document:
    """A row of the catalogue as the index holds it."""
    titles = f"{row['title_zh']} | {row['title_en']}"
    title = f"{spaced(titles)} {' '.join(pairs(titles))}"
    tags = spaced(" | ".join(row["tags"]))
    items = spaced(
        " | ".join(f"{item['name']} | {item['title']['zh']} | {item['title']['en']}" for item in row["items"])
    )
    rest = " | ".join(
        str(row[name] or "")
        for name in ("about_zh", "about_en", "name", "unit_zh", "unit_en", "publisher", "subject_titles")
    )
    found = tantivy.Document()
    for field, value in (
        ("id", row["id"]), ("name", row["name"]), ("title", title), ("tags_text", tags), ("items", items),
        ("all", f"{title} {tags} {items} {spaced(rest)}"), ("unit", row["unit"]), ("opening", row["opening"]),
        ("grade", row["grade"]), ("origin", row["origin"]), ("sample", "true" if row["sample"] else "false"),
        ("state", row["state"]), ("sharing", row["sharing"]), ("licence", row["licence"]),
    ):  # fmt: skip
        found.add_text(field, value)
    for field, values in (
        ("audience", row["audience"]), ("subject", row["subjects"]), ("tag", row["tags"]), ("format", row["formats"] or ()),
    ):  # fmt: skip
        for value in values:
            found.add_text(field, value)
    found.add_float("prior", prior(row))
    found.add_integer("modified", int(row["modified"].timestamp()))
    found.add_integer("created", int(row["created"].timestamp()))
    return found


def is_damage(fault: BaseException) -> bool:
    """Whether tantivy says that the index cannot be read: it panics (no `Exception`) over a file cut short."""
    if isinstance(fault, UnicodeError):
        # Text that is no text was asked for; the index is well.
        return False
    return isinstance(fault, ValueError | OSError) or type(fault).__name__ == "PanicException"


class SearchIndex:
    """The index of one city in one process.

    The process that gets tantivy's writer lock feeds the index; any other reads what the owner last wrote.
    """

    def __init__(self, city: City) -> None:
        self._city = city
        self._home = Path(city.settings.home) / "search"
        self._lock = threading.RLock()
        self._index: tantivy.Index | None = None
        self._writer: tantivy.IndexWriter | None = None
        self._owner = True
        self._applied = -1
        self._epoch = ""
        self.schema = schema()

    @property
    def applied(self) -> int:
        """The change number up to which the index has read."""
        return self._applied

    def searcher(self) -> tantivy.Searcher:
        """A view of the index that holds every change committed to the catalogue before this call."""
        with self._lock:
            if self._index is None:
                self._open()
            self._catch_up()
            assert self._index is not None
            return self._index.searcher()

    def rebuild(self) -> int:
        """Build the index anew from the catalogue; returns how many datasets it holds."""
        with self._lock:
            self._drop_writer()
            folder = self._home / uuid4().hex
            folder.mkdir(parents=True)
            index = self._at(folder)
            writer = index.writer(HEAP_BYTES, 1)
            seq, epoch = self._clock()
            count = 0
            for row in self._rows(0, seq):
                if row["state"] != "deleted":
                    writer.add_document(document(row))
                    count += 1
            writer.commit()
            writer.wait_merging_threads()
            self._index, self._applied, self._epoch, self._owner = index, seq, epoch, True
            self._note(folder)
            index.reload()
            for other in self._home.iterdir():
                if other.is_dir() and other != folder:
                    shutil.rmtree(other, ignore_errors=True)
            log.info("search: built anew with %d datasets", count)
            return count

    def distrust(self) -> None:
        """Build anew because the index answered with an error (a damaged file, a full disk that was mended)."""
        log.warning("search: the index is damaged and is built anew", exc_info=True)
        try:
            self.rebuild()
        except BaseException as fault:
            if not is_damage(fault):
                raise
            raise Unavailable(
                "catalog.search-away",
                Text(zh=f"搜索索引写不下来：{fault}", en=f"The search index cannot be written: {fault}"),
                Text(zh="腾出磁盘空间；目录本身没有损失，索引会自动重建", en="Free some disk; the catalogue lost nothing, the index is built anew by itself"),
                str(self._home),
            ) from fault

    def close(self) -> None:
        """Let another process own the index."""
        with self._lock:
            self._drop_writer()
            self._index = None

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.wait_merging_threads()

    def _at(self, folder: Path) -> tantivy.Index:
        index = tantivy.Index(self.schema, path=str(folder))
        index.register_tokenizer("sanqu", analyzer())
        return index

    def _open(self) -> None:
        try:
            note = json.loads((self._home / "state.json").read_text("utf-8"))
            folder = self._home / str(note["folder"])
            if note["form"] != FORM or not tantivy.Index.exists(str(folder)):
                raise ValueError("of another form")
            index = self._at(folder)
            index.searcher()
        except BaseException as fault:
            if not (isinstance(fault, FileNotFoundError | KeyError | TypeError) or is_damage(fault)):
                raise
            log.info("search: no usable index (%s)", fault)
            self.rebuild()
            return
        self._index, self._applied, self._epoch = index, int(note["seq"]), str(note["epoch"])

    def _catch_up(self) -> None:
        seq, epoch = self._clock()
        if seq == self._applied and epoch == self._epoch:
            return
        if epoch != self._epoch or seq < self._applied:
            self.rebuild()
            return
        if not self._own():
            self._follow()
            return
        counted = self._city.db.one(PENDING, (self._applied,))
        if counted and counted["n"] > REBUILD_FROM:
            self.rebuild()
            return
        try:
            self._apply(seq)
        except BaseException as fault:
            if not is_damage(fault):
                raise
            self.distrust()

    def _apply(self, seq: int) -> None:
        assert self._writer is not None and self._index is not None
        for row in self._rows(self._applied, seq):
            self._writer.delete_documents_by_term("id", row["id"])
            if row["state"] != "deleted":
                self._writer.add_document(document(row))
        self._writer.commit()
        self._applied = seq
        self._note(None)
        self._index.reload()

    def _own(self) -> bool:
        if self._writer is not None:
            return True
        assert self._index is not None
        try:
            self._writer = self._index.writer(HEAP_BYTES, 1)
            self._owner = True
        except ValueError:
            # Another process holds the writer's lock.
            self._owner = False
        return self._owner

    def _follow(self) -> None:
        """Read what the owner last wrote, which may have moved to another folder."""
        note = json.loads((self._home / "state.json").read_text("utf-8"))
        self._index = self._at(self._home / str(note["folder"]))
        self._applied, self._epoch = int(note["seq"]), str(note["epoch"])

    def _clock(self) -> tuple[int, str]:
        row = self._city.db.one(SEQ)
        assert row is not None
        return int(row["seq"]), str(row["epoch"])

    def _rows(self, above: int, upto: int) -> Iterator[Mapping[str, Any]]:
        # A server-side cursor: 300,000 records never lie in memory at once.
        with self._city.db.connection() as conn, conn.cursor(name="catalog_feed") as cursor:
            cursor.itersize = BATCH
            cursor.execute(CHANGED, (above, upto))
            yield from cursor

    def _note(self, folder: Path | None) -> None:
        file = self._home / "state.json"
        name = folder.name if folder else str(json.loads(file.read_text("utf-8"))["folder"])
        new = file.with_suffix(".new")
        new.write_text(json.dumps({"form": FORM, "folder": name, "seq": self._applied, "epoch": self._epoch}), "utf-8")
        new.replace(file)


def index_of(city: City) -> SearchIndex:
    """The search index of this process."""
    return city.part(SearchIndex, SearchIndex)


def raw_terms(shape: tantivy.Schema, field: str, values: Sequence[str]) -> tantivy.Query:
    """A query for documents whose raw `field` is one of `values`, without a score."""
    if len(values) == 1:
        return tantivy.Query.const_score_query(tantivy.Query.term_query(shape, field, values[0], "basic"), 0.0)
    return tantivy.Query.const_score_query(tantivy.Query.term_set_query(shape, field, list(values)), 0.0)
