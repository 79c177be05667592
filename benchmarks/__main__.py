"""`./sanqu bench [name …]`: run benchmarks and print their tables."""

from __future__ import annotations

import sys
from datetime import date
from importlib import import_module
from pathlib import Path

from benchmarks.table import machine, show

TITLES = {
    "ingest": "File → lake, checks included",
    "rows": "Row API",
    "download": "Download",
    "search": "Search",
    "start": "Start and rest",
    "door": "The door",
    "lookup": "Lookup interfaces",
    "live": "Live lines",
    "failover": "Seen in a browser while processes die",
    "cases": "Cases",
    "pages": "Pages of scenes",
    "trucks": "Muck trucks live",
}
HELP = f"""./sanqu bench [NAME …]: runs the benchmarks named, or all, and prints a table of each.

Names: {", ".join(TITLES)}.

e.g. ./sanqu bench download lookup
"""


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.exit(HELP)
    wanted = sys.argv[1:] or [name for name in TITLES if (Path(__file__).parent / f"{name}.py").exists()]
    unknown = [name for name in wanted if name not in TITLES]
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(TITLES)}")
    print(f"{date.today()} · {machine()}")
    for name in wanted:
        show(TITLES[name], import_module(f"benchmarks.{name}").run())


if __name__ == "__main__":
    main()
