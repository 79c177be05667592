"""Reads a CKAN site page by page; a page that fails is halved until the record that breaks it is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sanqu.catalog.harvest.fetch import Fetcher
from sanqu.catalog.harvest.foreign import (
    Batch,
    Foreign,
    Link,
    Raw,
    Unfit,
    bilingual,
    freshness_of,
    moment,
    plain,
    tags_of,
)
from sanqu.catalog.harvest.sources import Source
from sanqu.ground.errors import BadInput, Unavailable
from sanqu.ground.i18n import Text

ROWS = 100


class CkanSite:
    """The Action API of a CKAN site."""

    def __init__(self, source: Source, fetcher: Fetcher) -> None:
        self._fetch = fetcher
        self._rows = int(source.options.get("rows", ROWS))
        base = source.url.rstrip("/")
        self._site = base
        self._url = f"{base}/api/3/action/package_search"
        self._fq = str(source.options.get("fq", ""))

    def batches(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Pages in the order of creation, so that what is added meanwhile comes at the end."""
        start, total = int(position.get("start", 0)), None
        while total is None or start < total:
            self._fetch.check()
            page, total = self._page(start, self._rows)
            if not page:
                return
            start += len(page)
            yield Batch(page, {"start": start}, total)

    def _page(self, start: int, rows: int) -> tuple[list[Raw], int | None]:
        params = {"start": start, "rows": rows, "sort": "metadata_created asc, name asc"}
        if self._fq:
            params["fq"] = self._fq
        try:
            answer = self._fetch.json(self._url, params)
            if not isinstance(answer, dict) or not answer.get("success") or "result" not in answer:
                raise BadInput(
                    "harvest.not-ckan",
                    Text(zh="回答不像 CKAN 接口", en="The answer does not look like CKAN's API"),
                    Text(zh="核对地址与来源类型", en="Check the address and the kind of the source"),
                    self._url,
                )
        except (Unavailable, BadInput) as fault:
            if rows == 1 and start > 0:
                return [Raw(f"#{start}", f"start={start}", None, fault.what)], None
            if rows == 1 or (fault.code in ("harvest.not-ckan", "harvest.not-json") and start == 0) or fault.facts.get("status") in (401, 403, 404):
                raise
            return self._page(start, max(rows // 4, 1))
        result = answer["result"]
        found = result.get("results", []) if isinstance(result, dict) else []
        records = [
            Raw(str(body.get("id") or body.get("name") or f"#{start + i}"), f"start={start + i}", body)
            if isinstance(body, dict)
            else Raw(f"#{start + i}", f"start={start + i}", None, Text(zh="记录不是字典", en="The record is no dictionary"))
            for i, body in enumerate(found)
        ]
        return records, int(result.get("count", 0)) if isinstance(result, dict) else 0

    def foreign(self, body: Mapping[str, Any]) -> Foreign:
        """A package in our words."""
        title = plain(body.get("title") or body.get("name"), 500)
        if not title:
            raise Unfit("没有标题", "It has no title")
        both = body.get("title_translated")
        organization = body.get("organization")
        named = [one.get("name") if isinstance(one, dict) else one for one in body.get("tags") or []]
        groups = [one.get("name") if isinstance(one, dict) else one for one in body.get("groups") or []]
        extras = {str(one["key"]): one.get("value") for one in body.get("extras") or [] if isinstance(one, dict) and "key" in one}
        return Foreign(
            title=Text(zh=plain(both.get("zh"), 500), en=plain(both.get("en"), 500)) if isinstance(both, dict) and any(both.values()) else bilingual(title),
            about=bilingual(plain(body.get("notes"))),
            tags=tags_of(named),
            themes=[str(group) for group in groups if group],
            licence=str(body.get("license_id") or body.get("license_url") or body.get("license_title") or ""),
            freshness=freshness_of(body.get("freshness") or extras.get("frequency") or extras.get("accrualPeriodicity")),
            publisher=plain(organization.get("title") if isinstance(organization, dict) else body.get("author"), 200),
            page=f"{self._site}/dataset/{body.get('name') or body.get('id')}",
            created=moment(body.get("metadata_created")),
            modified=moment(body.get("metadata_modified")),
            links=[
                Link(
                    str(one.get("url") or ""), plain(one.get("name"), 200), str(one.get("format") or ""),
                    str(one.get("mimetype") or ""), plain(one.get("description"), 2000),
                )
                for one in body.get("resources") or [] if isinstance(one, dict)
            ],
            extras={k: v for k, v in extras.items() if isinstance(v, str | int | float | bool) and len(str(v)) < 2000},
        )  # fmt: skip
