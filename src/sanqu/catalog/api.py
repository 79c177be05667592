"""The catalogue over HTTP: CKAN's API, DCAT, and our own JSON."""

from __future__ import annotations

from fastapi import APIRouter

from sanqu.catalog.ckan.http import router as ckan_router
from sanqu.catalog.dcat_http import router as dcat_router


def routers() -> list[APIRouter]:
    """Every router of the catalogue, to be included by the web application."""
    return [ckan_router, dcat_router]
