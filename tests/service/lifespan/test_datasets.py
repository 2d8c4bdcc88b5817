"""How a server opens its datasets."""

import numpy as np
import pytest

from sampler.dataset.images.hashes import ImageHashes
from service.lifespan.datasets import share_hashes
from service.settings.load import SettingsError
from tests.support.system_faults import no_descriptors


def test_a_limit_that_hashes_reach_is_named() -> None:
    hashes = ImageHashes(np.ones((3, 2), np.uint64))
    assert np.array_equal(share_hashes(hashes).hashes.rows, hashes.rows)
    with no_descriptors(), pytest.raises(SettingsError, match=r"hashes of the images: Too many open .*ulimit -n"):
        share_hashes(hashes)
