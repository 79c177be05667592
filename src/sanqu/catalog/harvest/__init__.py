"""Harvesting: other catalogues' records become ours, resumably, with every failure named."""

from sanqu.catalog.harvest.run import harvest
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

__all__ = ["Failure", "Run", "Source", "add_source", "failures", "harvest", "runs", "source_by_name", "sources"]
