"""URLs of pictures to compare: which may be cached for good."""

import pytest

from sampler.version import VERSION
from service.routes.compare import VariantParameters


@pytest.mark.parametrize(("config", "pinned"), [
    (None, True), ("served", True), ("cornernet", True), ("dataset:other", False),
])  # fmt: skip
def test_the_digests_of_a_url_do_not_cover_the_config_of_another_dataset(config: str | None, pinned: bool) -> None:
    assert VariantParameters(digest="0", pixels="1", version=VERSION, config=config).names_all is pinned
    assert not VariantParameters(digest="0", version=VERSION, config=config).names_all
