"""Serving a dataset with a CornerNet-Lite config file: values, their origins, and the number of category planes."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from client import SamplerClient
from sampler.array_table import allocate
from sampler.arrays import LAYOUTS, Layout
from sampler.config.cornernet_lite import config_of
from sampler.config.digest import sample_digest
from sampler.config_schema import SamplerConfig
from sampler.layouts.convert import unpack_batch
from tests.support.coco_files import write_dataset, write_json
from tests.support.live_server import LiveServer, failure, live_server
from tests.support.wire_client import get_spec, one_batch

SMALL = {"rand_crop": True, "input_size": [127, 127], "output_sizes": [[32, 32]], "gaussian_bump": True, "border": 32}
"""The `db` section of a cornernet config."""


def serving(tmp_path: Path, db: dict[str, Any]) -> dict[str, object]:
    """Return the settings of a server of a small dataset, which has 4 categories."""
    annotations, images = write_dataset(tmp_path)
    config = write_json(tmp_path / "mine.json", {"system": {"sampling_function": "cornernet"}, "db": db})
    return {"annotations": annotations, "images": images, "config": config, "cache_dir": tmp_path / "cache"}


def test_a_config_file_is_served_with_the_origin_of_every_value_and_one_warning_of_ignored_keys(tmp_path: Path) -> None:
    with live_server(tmp_path, workers=1, **serving(tmp_path, SMALL | {"top_k": 100, "categories": 80})) as server:
        assert one_batch(server.url, "indices=0").samples[0].arrays["crop"].shape == (127, 127, 3)
        (line,) = [line for line in server.log.splitlines() if "top_k" in line]
        assert "mine.json: config keys that no sample depends on are ignored: top_k" in line
        spec = get_spec(server.url)
    assert set(spec.origins) == {field.name for field in dataclasses.fields(SamplerConfig)}
    assert (spec.config.gaussian_iou, spec.origins["gaussian_iou"]) == (0.7, "published default")
    assert (spec.config.border, spec.origins["border"]) == (32, "file")


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a config of 9 categories; the annotations have 4."""
    folder = tmp_path_factory.mktemp("nine")
    with live_server(folder, workers=1, **serving(folder, SMALL | {"categories": 9})) as running:
        yield running


def test_the_spec_has_the_planes_of_the_config_and_the_names_of_the_annotations(nine: LiveServer) -> None:
    spec = get_spec(nine.url)
    assert (spec.categories, spec.config.categories, len(spec.category_names)) == (9, 9, 4)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_planes_beyond_the_annotations_are_empty_in_every_layout(nine: LiveServer, layout: Layout) -> None:
    spec = get_spec(nine.url)
    samples = [sample.arrays for sample in one_batch(nine.url, "indices=0,1", layout).samples]
    out = allocate(spec.config, spec.categories, len(samples))
    unpack_batch(samples, layout, spec.config, out)
    heats = out["tl_heats"]
    assert heats.shape == (2, 9, 32, 32)
    assert heats[:, :4].any()
    assert not heats[:, 4:].any()


def test_a_client_renders_planes_beyond_the_annotations(nine: LiveServer) -> None:
    with SamplerClient(nine.url) as client:
        assert client.batch([0, 1]).ys[0].shape == (2, 9, 32, 32)


def test_the_explorer_draws_a_sample_with_planes_beyond_the_annotations(nine: LiveServer) -> None:
    assert httpx.get(f"{nine.url}/debug/samples/0.png", timeout=60).status_code == 200


def test_as_many_categories_as_the_annotations_have_give_the_digest_of_a_file_without_the_key(tmp_path: Path) -> None:
    with live_server(tmp_path, workers=1, **serving(tmp_path, SMALL | {"categories": 4})) as server:
        spec = get_spec(server.url)
    assert spec.digest == sample_digest(spec.dataset_digest, config_of(SMALL, "without the key"))


def test_fewer_categories_than_the_annotations_have_are_refused_with_both_numbers(tmp_path: Path) -> None:
    line = failure(tmp_path, **serving(tmp_path, SMALL | {"categories": 3}))
    assert "config mine: categories = 3: expected at least 4, the number of categories in the annotations" in line


def test_a_config_whose_samples_would_fill_memory_is_refused_at_the_start(tmp_path: Path) -> None:
    huge = SMALL | {"input_size": [1024, 1024], "output_sizes": [[512, 512]], "categories": 16_000}
    line = failure(tmp_path, **serving(tmp_path, huge))
    assert "a sample of 16000 categories has 33,5" in line
    assert "expected at most 1,073,741,824 bytes; use a smaller output_size, or fewer categories" in line
