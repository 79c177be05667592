"""What a benchmark gives back, and how it is printed."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: ours, the peer's, their ratio, and what was promised of it."""

    what: str
    ours: str
    peer: str
    ratio: str
    promise: str
    kept: bool | None


def machine() -> str:
    """The machine in a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


def show(title: str, rows: list[Row]) -> None:
    """Print the rows as a Markdown table, which `docs/benchmarks.md` takes as it is."""
    print(f"\n### {title}\n\n| what | Sanqu | peer | ratio | promise | |\n|---|---|---|---|---|---|", flush=True)
    for row in rows:
        mark = {True: "kept", False: "**missed**", None: ""}[row.kept]
        print(f"| {row.what} | {row.ours} | {row.peer} | {row.ratio} | {row.promise} | {mark} |", flush=True)
