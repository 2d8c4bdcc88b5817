"""Fixtures that many tests ask for."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the project with real COCO images and the published sampler's own outputs."""
    if not (SHARED / "coco-tiny").is_dir():
        pytest.skip("the folder ../shared with real COCO images is absent")
    return SHARED
