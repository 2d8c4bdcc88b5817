"""One Chromium and one server for all tests of pages.

The fixtures end with the last test of this folder that a process runs: Playwright's event loop would be in the way of
tests that run one of their own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service.demo.dataset import DemoDataset
from tests.support.live_server import LiveServer, live_server

if TYPE_CHECKING:
    from tests.browser.playwright import Browser
    from tests.browser.visits import Visits

TOKEN = "a-token-for-a-person"


@pytest.fixture(scope="package")
def chromium() -> "Iterator[Browser]":
    """A running Chromium."""
    from tests.browser.chromium import running_chromium  # skips the test if Playwright is not installed

    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def site(
    demo: DemoDataset, scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server of two datasets: the demo's, and a small one for another detector."""
    folder = tmp_path_factory.mktemp("site")
    annotations, images = scenes
    settings = folder / "settings.toml"
    settings.write_text(
        f"[datasets.demo]\nannotations = '{demo.annotations}'\nimages = '{demo.images}'\n"
        f"[datasets.scenes]\nannotations = '{annotations}'\nimages = '{images}'\nconfig = 'cornernet'\n"
    )
    with live_server(folder, settings=settings, cache_dir=cache_dir, workers=2) as running:
        yield running


@pytest.fixture(scope="package")
def protected(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server of one dataset with a token."""
    annotations, images = scenes
    folder = tmp_path_factory.mktemp("protected-site")
    with live_server(
        folder, annotations=annotations, images=images, cache_dir=cache_dir, workers=1, token=TOKEN
    ) as running:
        yield running


@pytest.fixture
def visit(chromium: "Browser", site: LiveServer) -> "Iterator[Visits]":
    """Opens pages of `site`; the test fails if anything goes wrong in them."""
    yield from _visits(chromium, site)


@pytest.fixture
def visit_protected(chromium: "Browser", protected: LiveServer) -> "Iterator[Visits]":
    """Opens pages of `protected`; the test fails if anything goes wrong in them."""
    yield from _visits(chromium, protected)


def _visits(chromium: "Browser", server: LiveServer) -> "Iterator[Visits]":
    from tests.browser.visits import Visits  # needs Playwright, which `chromium` has found

    visits = Visits(chromium, server.url)
    yield visits
    visits.close()
