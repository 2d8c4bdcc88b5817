"""Fixtures of the worker tests."""

from pathlib import Path

import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import open_dataset
from service.workers.protocol import DatasetSetup, WorkerSetup


@pytest.fixture
def setup(scenes: tuple[Path, Path], cache_dir: Path) -> WorkerSetup:
    """The setup of workers of the small dataset, without an arena."""
    annotations, images = scenes
    index_dir = open_dataset(annotations, images, cache_dir).index_dir
    return WorkerSetup((DatasetSetup(index_dir, (images,), preset("cornernet_saccade")),))
