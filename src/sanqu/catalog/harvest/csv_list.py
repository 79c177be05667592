"""Reads a list of datasets kept as CSV, with a mapping from our words to its columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sanqu.catalog.harvest.fetch import Fetcher
from sanqu.catalog.harvest.foreign import Batch, Foreign, Link, Raw, Unfit, bilingual, freshness_of, moment, plain, tags_of
from sanqu.catalog.harvest.sources import Source
from sanqu.catalog.tokens import fold
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

ROWS = 200
LARGEST_CELL = 8 * 1_048_576
# Our word → headings seen on such lists (folded: simplified, lower case); `columns` of the source overrules them.
HEADINGS: dict[str, tuple[str, ...]] = {
    "id": ("编号", "资料集编号", "数据集编号", "id", "identifier"),
    "title": ("资料名称", "数据集名称", "资料集名称", "数据名称", "标题", "title", "name"),
    "about": ("资料集描述", "数据集描述", "数据摘要", "摘要", "描述", "description", "notes"),
    "publisher": ("资料集提供机关", "资料来源", "提供单位", "数据来源", "提供机关", "publisher", "organization"),
    "frequency": ("更新频率", "更新周期", "frequency"),
    "format": ("资源格式", "档案格式", "文件格式", "format"),
    "url": ("资料连结网址", "数据链接", "下载地址", "url", "link"),
    "theme": ("分类及编号", "主题", "分类", "theme", "category"),
    "items": ("主要栏位", "主要字段", "数据项", "items", "columns"),
    "tags": ("标签/关键字", "标签", "关键字", "tags", "keywords"),
    "licence": ("授权方式", "许可", "license", "licence"),
    "modified": ("最后更新时间", "更新时间", "modified"),
    "created": ("建立日期", "创建时间", "created"),
}
ENCODINGS = ("utf-8-sig", "gb18030", "big5hkscs")


def decoded(body: bytes) -> str:
    """The text of a file whose encoding is not told: UTF-8, GB18030 or Big5; raises `BadInput`."""
    for encoding in ENCODINGS:
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadInput(
        "harvest.encoding",
        Text(zh="认不出文件的编码", en="The encoding of the file is not known"),
        Text(zh="转为 UTF-8 后重试", en="Turn it into UTF-8 and try again"),
    )


class CsvList:
    """A CSV whose rows are datasets."""

    def __init__(self, source: Source, fetcher: Fetcher) -> None:
        self._source = source
        self._fetch = fetcher
        self._rows = int(source.options.get("rows", ROWS))
        self._columns: dict[str, str] = {}

    def batches(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """The rows, some at a time; `position` counts rows."""
        text = decoded(self._fetch.read(self._source.url)[0]).replace("\x00", "")
        csv.field_size_limit(LARGEST_CELL)
        reader = csv.reader(io.StringIO(text), delimiter=str(self._source.options.get("delimiter", ",")))
        try:
            rows = list(reader)
        except csv.Error as fault:
            raise BadInput(
                "harvest.csv",
                Text(zh=f"第 {reader.line_num} 行读不懂：{fault}", en=f"Line {reader.line_num} cannot be read: {fault}"),
                Text(zh="改正这一行后重试", en="Mend that line and try again"),
                self._source.url,
            ) from fault
        if not rows:
            return
        heading, rows = [cell.strip() for cell in rows[0]], rows[1:]
        self._columns = self._mapping(heading)
        done = int(position.get("row", 0))
        for start in range(done, len(rows), self._rows):
            self._fetch.check()
            part = rows[start : start + self._rows]
            records = [self._raw(heading, cells, start + i) for i, cells in enumerate(part)]
            yield Batch(records, {"row": start + len(part)}, len(rows))

    def _raw(self, heading: list[str], cells: list[str], number: int) -> Raw:
        place = f"row {number + 2}"
        body = dict(zip(heading, cells, strict=False))
        id_ = body.get(self._columns.get("id", ""), "").strip()
        if len(cells) < 2 or not any(cell.strip() for cell in cells):
            return Raw(id_ or f"#{number + 2}", place, None, Text(zh="空行或只有一列", en="The row is empty or has one cell only"))
        return Raw(id_ or body.get(self._columns["title"], "").strip() or f"#{number + 2}", place, body)

    def _mapping(self, heading: list[str]) -> dict[str, str]:
        said = {str(k): str(v) for k, v in (self._source.options.get("columns") or {}).items()}
        missing = [column for column in said.values() if column not in heading]
        by_folded = {fold(name): name for name in reversed(heading)}
        found = {
            word: by_folded[match]
            for word, names in HEADINGS.items()
            if (match := next((name for name in names if name in by_folded), None))
        }
        found |= said
        if missing or "title" not in found:
            lost = ", ".join(missing) or "title"
            raise BadInput(
                "harvest.column-missing",
                Text(zh=f"清单里没有这一列：{lost}", en=f"The list has no such column: {lost}"),
                Text(zh=f"在 columns 里写明；清单有：{'、'.join(heading)}", en=f"Say it in columns; the list has: {', '.join(heading)}"),
                self._source.url,
            )
        return found

    def foreign(self, body: Mapping[str, Any]) -> Foreign:
        """A row in our words."""

        def cell(word: str) -> str:
            return plain(body.get(self._columns.get(word, ""), ""))

        title = cell("title")[:500]
        if not title:
            raise Unfit("没有标题", "It has no title")
        names = [name.strip() for name in re.split(r"[、;；\n]|,(?![^(（]*[)）])", cell("items")) if name.strip()]
        items = [re.match(r"([^(（]*)(?:[(（](.*)[)）])?", name) for name in names]
        formats = [one.strip() for one in re.split(r"[;；、,/\s]+", cell("format")) if one.strip()]
        url = str(body.get(self._columns.get("url", ""), "")).strip()
        return Foreign(
            title=bilingual(title),
            about=bilingual(cell("about")),
            tags=tags_of(re.split(r"[,，;；、]", cell("tags"))),
            themes=[re.sub(r"\s*\(\d+\)\s*$", "", cell("theme"))] if cell("theme") else [],
            licence=cell("licence").replace("－", "-"),
            freshness=freshness_of(cell("frequency")),
            publisher=re.sub(r"^\S+\s*【(.*)】$", r"\1", cell("publisher"))[:200],
            page=url if url.startswith("http") else "",
            created=moment(cell("created")),
            modified=moment(cell("modified")),
            links=[Link(url, title[:200], form) for form in (formats or [""])] if url else [],
            items=[(m[1].strip()[:120], (m[2] or "").strip()[:200]) for m in items if m and m[1].strip()],
        )
