"""Reads Socrata's discovery catalogue: the API page by page, or a dump of it as one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sanqu.catalog.harvest.fetch import Fetcher
from sanqu.catalog.harvest.foreign import Batch, Foreign, Link, Raw, Unfit, bilingual, freshness_of, moment, plain, tags_of
from sanqu.catalog.harvest.sources import Source
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

ROWS = 100


class SocrataCatalogue:
    """`/api/catalog/v1` of Socrata, or its dump."""

    def __init__(self, source: Source, fetcher: Fetcher) -> None:
        self._fetch = fetcher
        self._url = source.url
        self._rows = int(source.options.get("rows", ROWS))

    def batches(self, position: Mapping[str, Any]) -> Iterator[Batch]:
        """Pages; a dump that comes whole is cut into batches here."""
        start, total = int(position.get("start", 0)), None
        paged = self._url.lower().startswith("http") and not self._url.split("?")[0].endswith(".json")
        while total is None or start < total:
            self._fetch.check()
            answer = self._fetch.json(self._url, {"offset": start, "limit": self._rows} if paged else None)
            found = answer.get("results") if isinstance(answer, dict) else None
            if not isinstance(found, list):
                raise BadInput(
                    "harvest.not-socrata",
                    Text(zh="回答里没有 results", en="The answer has no results"),
                    Text(zh="核对地址与来源类型", en="Check the address and the kind of the source"),
                    self._url,
                )
            total = int(answer.get("resultSetSize", len(found))) if paged else len(found)
            page = found if paged else found[start:]
            if not page:
                return
            for cut in range(0, len(page), self._rows):
                part = page[cut : cut + self._rows]
                records = [self._raw(body, start + i) for i, body in enumerate(part)]
                start += len(part)
                yield Batch(records, {"start": start}, total)

    @staticmethod
    def _raw(body: object, number: int) -> Raw:
        resource = body.get("resource") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(resource, dict) or not resource.get("id"):
            return Raw(f"#{number}", f"offset={number}", None, Text(zh="记录没有 id", en="The record has no id"))
        domain = (body.get("metadata") or {}).get("domain", "")
        return Raw(f"{domain}/{resource['id']}", f"offset={number}", body)

    def foreign(self, body: Mapping[str, Any]) -> Foreign:
        """A discovery record in our words."""
        resource, sorts = body["resource"], body.get("classification") or {}
        title = plain(resource.get("name"), 500)
        if not title:
            raise Unfit("没有标题", "It has no title")
        names, fields = resource.get("columns_name") or [], resource.get("columns_field_name") or []
        about = {str(one.get("key")): one.get("value") for one in sorts.get("domain_metadata") or [] if isinstance(one, dict)}
        page = str(body.get("permalink") or body.get("link") or "")
        frequency = next((value for key, value in about.items() if "requency" in key), None)
        links = [Link(page, "Web page", "HTML")] if page else []
        if page and resource.get("type") == "dataset" and "/d/" in page:
            base, _, id_ = page.partition("/d/")
            links += [Link(f"{base}/api/views/{id_}/rows.csv?accessType=DOWNLOAD", f"{title[:180]}", "CSV", "text/csv")]
        return Foreign(
            title=bilingual(title),
            about=bilingual(plain(resource.get("description"))),
            tags=tags_of([*(sorts.get("domain_tags") or []), *(sorts.get("tags") or [])]),
            themes=[str(one) for one in (sorts.get("domain_category"), *(sorts.get("categories") or [])) if one],
            licence=str((body.get("metadata") or {}).get("license") or ""),
            freshness=freshness_of(frequency),
            publisher=plain(resource.get("attribution") or (body.get("metadata") or {}).get("domain"), 200),
            page=page,
            created=moment(resource.get("createdAt")),
            modified=moment(resource.get("updatedAt") or resource.get("data_updated_at")),
            links=links,
            items=[(str(fields[i] if i < len(fields) else name), plain(name, 200)) for i, name in enumerate(names)],
            extras={"domain": str((body.get("metadata") or {}).get("domain", "")), "kind": str(resource.get("type") or "")},
        )
