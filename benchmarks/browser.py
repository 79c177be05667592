"""A browser for benchmarks that look at pages: Chromium without a window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright


@contextmanager
def browsed() -> Iterator[Page]:
    """A new page; the browser goes with it."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "no Chromium on this machine: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page()
        browser.close()
