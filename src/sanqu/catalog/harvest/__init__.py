"""Harvesting: other catalogues' records become ours, resumably, with every failure named (`harvest` in `run.py`)."""

from sanqu.catalog.harvest.sources import (
    Failure,
    Run,
    Source,
    add_source,
    failures,
    runs,
    source_by_name,
    sources,
)

__all__ = ["Failure", "Run", "Source", "add_source", "failures", "runs", "source_by_name", "sources"]
