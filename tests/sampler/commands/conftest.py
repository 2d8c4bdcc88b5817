"""Fixtures: a small dataset, as files and opened."""

from pathlib import Path

import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from tests.support.scenes import write_scenes
from tests.support.stores import Source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A dataset of 24 images."""
    return write_scenes(tmp_path)


@pytest.fixture
def dataset(source: Source, tmp_path: Path) -> Dataset:
    return open_dataset(*source, tmp_path)
