"""How long the second start takes to its first page, and what the process tree weighs at rest."""

from __future__ import annotations

import time

import httpx
import psutil

from benchmarks.cities import scratch_home, served
from benchmarks.table import Row

REST_SECONDS = 20


def resident(process: psutil.Process) -> float:
    """Resident memory of a process tree in MB, shared pages counted once (PSS) where the system tells."""
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        try:
            full = member.memory_full_info()
            total += getattr(full, "pss", full.rss)
        except psutil.Error:
            continue
    return total / 2**20


def run() -> list[Row]:
    """Start the city of Quzhou twice."""
    with scratch_home() as home:
        with served(home / "city") as (base, _, first):
            while httpx.get(base + "/api/3/action/package_list").json()["result"] == []:
                time.sleep(0.5)
            time.sleep(REST_SECONDS)
        with served(home / "city") as (_, process, second):
            time.sleep(REST_SECONDS)
            postgres = [p for p in psutil.process_iter(["cmdline"]) if str(home) in " ".join(p.info["cmdline"] or [])]
            tree = resident(process)
            mine = {process.pid, *(p.pid for p in process.children(recursive=True))}
            tree += sum(resident(p) for p in postgres if p.pid not in mine)
    return [
        Row("first start to first page", f"{first:.1f} s", "", "", "", None),
        Row("second start to first page", f"{second:.1f} s", "", "", "< 4 s", second < 4),
        Row("resident memory of the whole tree at rest", f"{tree:,.0f} MB", "", "", "< 700 MB", tree < 700),
    ]
