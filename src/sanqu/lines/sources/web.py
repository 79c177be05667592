"""Sources on the web: files that are downloaded (and resumed), JSON in pages, CKAN sites, other cities of Sanqu."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from sanqu.ground.errors import BadInput, SanquError, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lines.records import Source
from sanqu.lines.sources import tables, text
from sanqu.lines.sources.reach import Fence
from sanqu.lines.sources.units import Opening, Unit

TRIES = 6
PAUSE_SECONDS = 0.3
MOST_PAGES = 1_000_000
PORTS = {"http": 80, "https": 443}
SUFFIX_OF_TYPE = {
    "text/csv": ".csv", "text/tab-separated-values": ".tsv", "application/json": ".json", "application/geo+json": ".geojson",
    "application/x-ndjson": ".ndjson", "application/vnd.apache.parquet": ".parquet", "application/vnd.ms-excel": ".xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}  # fmt: skip


class FencedTransport(httpx.BaseTransport):
    """HTTP within a fence: every request, after a redirect as well, goes to an address that was judged, and to no other."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer `request`; raises `Refused` for what is shut, `httpx.ConnectError` for what cannot be reached."""
        host = request.url.host
        try:
            addresses = self._fence.addresses(host, request.url.port or PORTS[request.url.scheme])
        except OSError as fault:
            raise httpx.ConnectError(str(fault), request=request) from fault
        return _first(addresses, lambda address: self._inner.handle_request(_to(request, address)))

    def close(self) -> None:
        """Hang up."""
        self._inner.close()


def _first(addresses: list[str], ask: Callable[[str], httpx.Response]) -> httpx.Response:
    for address in addresses[:-1]:
        try:
            return ask(address)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    return ask(addresses[-1])


def _to(request: httpx.Request, address: str) -> httpx.Request:
    """`request` for this address; the name stays in the Host header, and is what the certificate must be for."""
    return httpx.Request(
        request.method, request.url.copy_with(host=address), headers=request.headers, stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )  # fmt: skip


def _client(opening: Opening) -> httpx.Client:
    headers, timeout = opening.line.source.headers, httpx.Timeout(60, connect=15)
    if opening.fence is None:
        return httpx.Client(headers=headers, timeout=timeout, follow_redirects=True)
    # A proxy of the environment would look the name up anew, and might speak to what is shut.
    return httpx.Client(
        headers=headers, timeout=timeout, follow_redirects=True, transport=FencedTransport(opening.fence), trust_env=False
    )


def url_units(opening: Opening) -> Iterator[Unit]:
    """One unit: the file at the line's URL, downloaded whole before a row of it is read."""
    source = opening.line.source
    yield _downloaded(opening, source, source.url)


def _downloaded(opening: Opening, source: Source, url: str) -> Unit:
    with _client(opening) as client:
        file = download(client, url, opening.folder, opening.city.settings.max_download_mb << 20)
    return Unit(
        name=url,
        fingerprint=text.fingerprint_of(file, whole=True),
        open=partial(tables.open_file, opening, file, source),
        weight=max(1, file.stat().st_size),
    )


def download(client: httpx.Client, url: str, folder: Path, most: int) -> Path:
    """Fetch `url` into `folder`, at most `most` bytes; a transfer that dies goes on where it stopped if the server can.

    Raises `Unavailable` naming the URL and how far it came, `BadInput` for what is too large or refused.
    """
    part = folder / "download.part"
    part.unlink(missing_ok=True)
    mark, said = "", ""
    for attempt in range(TRIES):
        have = part.stat().st_size if part.exists() else 0
        headers = {"Range": f"bytes={have}-", "If-Range": mark} if have and mark else {}
        try:
            with client.stream("GET", url, headers={"Accept-Encoding": "identity", **headers}) as answer:
                if answer.status_code == 416 and have:
                    part.unlink()
                    continue
                _refuse_status(answer, url)
                resumed = answer.status_code == 206
                mark = answer.headers.get("etag", "") or answer.headers.get("last-modified", "")
                mark = "" if mark.startswith("W/") else mark
                suffix = _suffix(url, answer.headers)
                with part.open("ab" if resumed else "wb") as out:
                    size = have if resumed else 0
                    for chunk in answer.iter_bytes():
                        size += len(chunk)
                        if size > most:
                            raise _too_large(url, most)
                        out.write(chunk)
            target = folder / f"download{suffix}"
            part.replace(target)
            return target
        except httpx.HTTPError as fault:
            said = f"{type(fault).__name__}: {fault}"
            time.sleep(PAUSE_SECONDS * 2**attempt if attempt < TRIES - 1 else 0)
    have = part.stat().st_size if part.exists() else 0
    raise Unavailable(
        "lines.source-died",
        Text(
            zh=f"来源中断，试了 {TRIES} 次，只收到 {have:,} 字节：{said}",
            en=f"The source broke off {TRIES} times, {have:,} bytes came: {said}",
        ),
        Text(zh="稍后重跑；没有写入任何半截的数据", en="Run again later; nothing half-read was written"),
        url,
        facts={"bytes": have},
    )


def _suffix(url: str, headers: Mapping[str, str]) -> str:
    by_name = Path(urlsplit(url).path).suffix.lower()
    if by_name in tables.FORMATS:
        return by_name
    return SUFFIX_OF_TYPE.get(headers.get("content-type", "").split(";")[0].strip().lower(), by_name or ".csv")


def _refuse_status(answer: httpx.Response, url: str) -> None:
    if answer.status_code < 400:
        return
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        raise httpx.RemoteProtocolError(f"HTTP {answer.status_code}")
    raise BadInput(
        "lines.source-refused",
        Text(zh=f"来源回答 HTTP {answer.status_code}", en=f"The source answered HTTP {answer.status_code}"),
        Text(zh="核对地址与 source.headers 里的凭证", en="Check the address, and the credentials in source.headers"),
        url,
        facts={"status": answer.status_code},
    )


def _too_large(url: str, most: int) -> BadInput:
    return BadInput(
        "lines.too-large",
        Text(zh=f"来源超过下载上限 {most >> 20} MB", en=f"The source exceeds the download limit of {most >> 20} MB"),
        Text(zh="调高 max_download_mb，或把来源拆开", en="Raise max_download_mb, or split the source"),
        url,
    )


def _page(client: httpx.Client, url: str, params: Mapping[str, Any]) -> tuple[Any, httpx.Response]:
    """One JSON page; transient failures are tried again."""
    said = ""
    for attempt in range(TRIES):
        try:
            answer = client.get(url, params=dict(params) or None)
            _refuse_status(answer, url)
            return answer.json(), answer
        except (httpx.HTTPError, ValueError) as fault:
            said = f"{type(fault).__name__}: {fault}"
            time.sleep(PAUSE_SECONDS * 2**attempt if attempt < TRIES - 1 else 0)
    raise Unavailable(
        "lines.source-died",
        Text(zh=f"来源的这一页读不到：{said}", en=f"This page of the source cannot be read: {said}"),
        Text(zh="稍后重跑；没有写入任何半截的数据", en="Run again later; nothing half-read was written"),
        url,
        facts={"params": dict(params)},
    )


def _pages(client: httpx.Client, source: Source, since: Mapping[str, Any], most: int) -> Iterator[list[Any]]:
    params: dict[str, Any] = {
        key: str(value).replace("{cursor}", str(since.get("cursor") or "")) if isinstance(value, str) else value
        for key, value in source.params.items()
    }
    url, size, offset, page, seen = source.url, 0, 0, source.first_page, set[str]()
    if source.paging in ("page", "offset"):
        params[source.size_param or ("per_page" if source.paging == "page" else "limit")] = source.page_size
    for _ in range(MOST_PAGES):
        if source.paging == "page":
            params[source.page_param or "page"] = page
        elif source.paging == "offset":
            params[source.page_param or "offset"] = offset
        body, answer = _page(client, url, params)
        size += len(answer.content)
        if size > most:
            raise _too_large(url, most)
        rows = tables.find_records(body, source.records, url)
        yield rows
        offset, page = offset + len(rows), page + 1
        following = _at(body, source.next_path) if source.next_path else None
        if source.paging == "none" or (source.paging in ("page", "offset") and not rows):
            return
        if source.paging == "cursor":
            if not following:
                return
            params[source.cursor_param] = following
        if source.paging == "link":
            link = following if source.next_path else answer.links.get("next", {}).get("url") or _at(body, "next")
            if not link:
                return
            url, params = urljoin(str(answer.url), str(link)), {}
        mark = f"{url} {params}"
        if mark in seen:
            raise BadInput(
                "lines.pages-turn",
                Text(zh="来源的分页在打转：同一页出现了两次", en="The pages of the source go round: one page came twice"),
                Text(zh="核对 source.paging 与 next_path", en="Check source.paging and next_path"),
                source.url,
            )
        seen.add(mark)


def _at(body: Any, path: str) -> Any:
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return body


def _spooled(opening: Opening, name: str, fill: Callable[[Path], object]) -> Unit:
    """A unit of rows that were fetched into a file of one object a line."""
    spool = opening.folder / f"pages-{sha1(name.encode(), usedforsecurity=False).hexdigest()[:12]}.ndjson"
    spool.unlink(missing_ok=True)
    spool.touch()
    fill(spool)

    @contextmanager
    def open_unit() -> Iterator[Any]:
        yield tables.open_ndjson(opening, spool, Source(kind="file", path=str(spool)))

    return Unit(name, text.fingerprint_of(spool, whole=True), open_unit, max(1, spool.stat().st_size))


def api_units(opening: Opening) -> Iterator[Unit]:
    """One unit: every page of a JSON interface; `{cursor}` in `params` stands for where the last run ended."""
    source, most = opening.line.source, opening.city.settings.max_download_mb << 20

    def fill(spool: Path) -> None:
        with _client(opening) as client:
            for rows in _pages(client, source, opening.since, most):
                tables.spool_objects(rows, spool)
                opening.say(Text(zh="正在读取来源的分页", en="Reading the pages of the source"))

    yield _spooled(opening, source.url, fill)


def ckan_units(opening: Opening) -> Iterator[Unit]:
    """One unit: a CKAN resource, from its datastore where it has one, else its file."""
    source = opening.line.source
    base = source.url.rstrip("/") + "/api/3/action/"
    with _client(opening) as client:
        about, _ = _page(client, base + "resource_show", {"id": source.resource})
    resource = about.get("result", {}) if isinstance(about, dict) else {}
    if not resource.get("datastore_active"):
        if not resource.get("url"):
            raise BadInput(
                "lines.no-resource",
                Text(zh="这个 CKAN 资源没有文件也没有数据表", en="The CKAN resource has neither a file nor a datastore"),
                Text(zh="核对 source.resource", en="Check source.resource"),
                source.resource,
            )
        yield _downloaded(opening, source, urljoin(source.url, str(resource["url"])))
        return
    paged = source.model_copy(
        update={
            "url": base + "datastore_search",
            "params": {"resource_id": source.resource, "sort": "_id"},
            "paging": "offset",
            "page_size": min(source.page_size, 32_000),
            "records": "result.records",
        }
    )
    most = opening.city.settings.max_download_mb << 20

    def fill(spool: Path) -> None:
        with _client(opening) as client:
            for rows in _pages(client, paged, {}, most):
                tables.spool_objects(({k: v for k, v in row.items() if k != "_id"} for row in rows), spool)

    yield _spooled(opening, f"{source.url}#{source.resource}", fill)


def sanqu_units(opening: Opening) -> Iterator[Unit]:
    """One unit: an open dataset of another city, by its row interface, page after page of one snapshot."""
    source = opening.line.source
    paged = source.model_copy(
        update={
            "url": f"{source.url.rstrip('/')}/api/open/{source.dataset}",
            "records": "rows",
            "paging": "link",
            "next_path": "next",
            "params": {"format": "json", "limit": source.page_size, **source.params},
        }
    )
    most = opening.city.settings.max_download_mb << 20

    def fill(spool: Path) -> None:
        with _client(opening) as client:
            for rows in _pages(client, paged, {}, most):
                tables.spool_objects(rows, spool)

    try:
        yield _spooled(opening, paged.url, fill)
    except SanquError as fault:
        raise type(fault)(fault.code, fault.what, fault.todo, paged.url, fault.status, fault.facts) from fault
