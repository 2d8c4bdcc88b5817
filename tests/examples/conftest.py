"""Fixture: a server with the datasets that examples use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.datasets import split, write_settings
from tests.support.live_server import LiveServer, live_server

VALIDATED = 5
"""Images of the dataset for validation."""


@pytest.fixture(scope="package")
def example_server(
    scenes: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory, cache_dir: Path
) -> Iterator[LiveServer]:
    """A server with the datasets `train` and `val`, for all examples."""
    folder = tmp_path_factory.mktemp("examples")
    settings = write_settings(folder, split(*scenes, folder, VALIDATED))
    with live_server(folder, settings=settings, cache_dir=cache_dir, workers=2) as server:
        yield server
