"""Lists of the room as CSV files, streamed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.responses import StreamingResponse


def csv_answer(name: str, head: list[str], rows: Callable[[], Iterator[list[Any]]]) -> StreamingResponse:
    """The file `name` with `head` and `rows`, as they come."""

    def body() -> Iterator[str]:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(head)
        yield "\ufeff" + out.getvalue()
        for row in rows():
            out.seek(0)
            out.truncate()
            writer.writerow([_safe(cell) for cell in row])
            yield out.getvalue()

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(body(), media_type="text/csv; charset=utf-8", headers=headers)


def _safe(cell: Any) -> Any:
    """A cell a spreadsheet would take for a formula gets an apostrophe (OWASP, CSV injection)."""
    return "'" + cell if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
