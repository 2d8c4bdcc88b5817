"""Chromium as the distribution installs it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.browser.playwright import Browser, sync_playwright

ARGUMENTS = (
    "--no-sandbox",  # which root cannot use
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str:
    """Return the program that $CHROMIUM names, or else the distribution's; skip the test if there is none."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("Chromium is not installed: apt-get install chromium, or name another build in $CHROMIUM")
    return found


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run Chromium for the length of the block. The block must not run an event loop: Playwright has one."""
    program = find_chromium()
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=ARGUMENTS) as browser,
    ):
        yield browser
