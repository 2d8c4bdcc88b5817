"""A task of Ray Data with images in object storage: the bytes of local images, and requests under way at once."""

from pathlib import Path

import pytest

from sampler.stream.shards import Shard
from service.settings.server import Settings
from tests.support.object_store import ObjectStore

ray_steps = pytest.importorskip("service.ray_steps", reason="pyarrow is not installed", exc_type=ImportError)

STEPS = [5, 6, 7]


def batches(scenes: tuple[Path, Path], images: str, cache_dir: Path, store: ObjectStore) -> list[bytes]:
    settings = Settings(annotations=(scenes[0],), images=(images,), cache_dir=cache_dir)
    sampler = ray_steps.StepSampler(settings, None)
    request = ray_steps.RowsRequest(settings.model_dump_json(exclude_unset=True), None, 7, Shard(16), 5, True)
    store.settle()  # it has looked at some objects
    store.proxy.latency = 0.05
    return [row["batch"][0].as_py() for row in sampler.rows(STEPS, request)]


def test_images_in_object_storage_are_fetched_ahead(
    scenes: tuple[Path, Path], store: ObjectStore, tmp_path: Path
) -> None:
    url = store.upload(scenes[1], tmp_path.name)
    expected = batches(scenes, str(scenes[1]), tmp_path / "cache", store)
    assert batches(scenes, url, tmp_path / "cache", store) == expected
    assert store.proxy.most >= 8
