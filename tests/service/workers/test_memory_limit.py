"""A sample that takes too much memory fails; the worker, the other samples and the host do not notice."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from sampler.dataset.images.decode import DECODER_BYTES
from service.settings.server import Settings
from tests.support.coco_files import box_entry, category_entry, coco, image_entry, write_jpeg, write_json
from tests.support.live_server import live_server
from tests.support.processes import output_of
from tests.support.wire_client import one_batch

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not enforce the limit")

SIDE = 4800
SMALL, PLAIN, PROGRESSIVE, PNG = range(4)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A small image, and three of 23 million pixels."""
    folder = tmp_path_factory.mktemp("large")
    boxes = [box_entry(number, number, 1, [5, 5, 40, 40]) for number in range(1, 5)]
    names = ("plain.jpg", "progressive.jpg", "a.png")
    entries = [image_entry(1), *(image_entry(number, SIDE, SIDE, name) for number, name in enumerate(names, start=2))]
    annotations = write_json(folder / "annotations.json", coco(entries, boxes, [category_entry(1)]))
    images = write_jpeg(folder / "images" / entries[0]["file_name"], 64, 48).parent
    picture = Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8))
    picture.save(images / names[0])
    picture.save(images / names[1], progressive=True, subsampling=0)
    picture.save(images / names[2], compress_level=1)
    return {"annotations": annotations, "images": images, "cache_dir": folder / "cache", "workers": 1}


@pytest.mark.parametrize("index", [PLAIN, PROGRESSIVE, PNG])
def test_a_sample_beyond_the_limit_fails_and_names_the_setting(
    index: int, settings: Mapping[str, object], tmp_path: Path
) -> None:
    with live_server(tmp_path, **settings, worker_memory_mb=64) as server:
        expected = one_batch(server.url, f"indices={SMALL}").samples[0].arrays["crop"]
        document = httpx.get(f"{server.url}/debug/samples/{index}", timeout=60).json()
        assert "SAMPLER_WORKER_MEMORY_MB" in document["detail"]
        with suppress(httpx.RemoteProtocolError):  # the response ends early
            httpx.get(f"{server.url}/v1/batches?indices={index}&epoch=1", timeout=60)
        again = one_batch(server.url, f"indices={SMALL},{SMALL}").samples[0].arrays["crop"]
        assert np.array_equal(again, expected)
        assert server.metric("sampler_worker_restarts_total") == 0


def test_the_default_limit_is_enough_for_the_largest_image(settings: Mapping[str, object], tmp_path: Path) -> None:
    with live_server(tmp_path, **settings, max_image_pixels=SIDE * SIDE) as server:
        assert len(one_batch(server.url, f"indices={PLAIN},{PROGRESSIVE},{PNG}").samples) == 3


def test_the_default_grows_with_the_pixel_limit() -> None:
    assert Settings(max_image_pixels=1 << 28).worker_memory > DECODER_BYTES << 28
    assert Settings(max_image_pixels=1 << 28, worker_memory_mb=100).worker_memory == 100 << 20


def test_a_limit_that_is_already_lower_stays() -> None:
    code = (
        "import resource; from service.workers.memory_limit import limit_memory\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 31)); limit_memory(1 << 40)\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA) == (1 << 30, 1 << 31))"
    )
    assert output_of(code) == "True"
