"""Fixtures: the demo dataset, opened once."""

import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from service.demo.dataset import DemoDataset


@pytest.fixture(scope="package")
def dataset(demo: DemoDataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(demo.annotations, demo.images, tmp_path_factory.mktemp("cache"))
