"""Playwright's names for the tests; a module that imports them is skipped if Playwright is not installed."""

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser extra is not installed: make test BROWSER=1")
pytest.importorskip("axe_playwright_python", reason="the browser extra is not installed: make test BROWSER=1")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    Route,
    expect,
    sync_playwright,
)

expect.set_options(timeout=30_000)  # for machines that do other things, too

__all__ = [
    "Axe",
    "Browser",
    "BrowserContext",
    "ConsoleMessage",
    "Locator",
    "Page",
    "Request",
    "Response",
    "Route",
    "expect",
    "sync_playwright",
]
