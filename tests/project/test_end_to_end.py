"""End to end on real COCO images: responses of a real server equal what the sampler makes locally."""

import io
import json
from pathlib import Path

import cv2
import httpx
import msgpack
import msgpack_numpy
import numpy as np
import pytest

from client import SamplerClient
from sampler.array_table import allocate, array_table
from sampler.arrays import LAYOUTS
from sampler.config.presets import preset
from sampler.dataset.dataset import open_dataset
from sampler.layouts.convert import compact_to_dense, lay_out, scatter
from sampler.sample.sample import apply_recipe, make_sample
from sampler.stream.keys import SampleKey
from sampler.wire.messages import WireBatch
from tests.support.live_server import LiveServer, live_server
from tests.support.processes import run_python
from tests.support.wire_client import batches, body, get_spec, one_batch


def same_arrays(one: WireBatch, other: WireBatch) -> bool:
    return all(
        a.key == b.key and all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays)
        for a, b in zip(one.samples, other.samples, strict=True)
    )


def test_the_number_of_workers_does_not_change_a_byte(
    server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    query = "seed=11&step=2&batch_size=30&layout=dense"
    wanted = body(server.url, query)
    for workers in (1, 3):
        with live_server(
            tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=workers
        ) as other:
            assert body(other.url, query) == wanted


def test_a_server_sends_what_the_sampler_makes_locally(
    server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path
) -> None:
    dataset, config = open_dataset(*scenes, cache_dir), preset("cornernet_saccade")
    for layout in LAYOUTS:
        (served,) = one_batch(server.url, "indices=4&seed=3&epoch=6", layout).samples
        made = make_sample(dataset, config, SampleKey(3, 6, 4))
        for name, array in lay_out(made, layout, config, dataset.category_count).items():
            assert np.array_equal(served.arrays[name], array), (layout, name)


def test_every_layout_gives_the_same_dense_arrays(server: LiveServer) -> None:
    spec = get_spec(server.url)
    by_layout = {layout: one_batch(server.url, "seed=2&step=0&batch_size=24", layout) for layout in LAYOUTS}
    for compact, sparse, dense in zip(*(by_layout[layout].samples for layout in LAYOUTS), strict=True):
        rendered = compact_to_dense(compact.arrays, spec.config, spec.categories)
        scattered = allocate(spec.config, spec.categories)
        scatter(sparse.arrays, spec.config, scattered)
        for name, array in dense.arrays.items():
            assert np.array_equal(rendered[name], array), name
            assert np.array_equal(scattered[name], array), name


def test_a_sample_does_not_depend_on_its_batch(server: LiveServer) -> None:
    together = one_batch(server.url, "indices=9,4,17,9&seed=5")
    for place, index in enumerate((9, 4, 17, 9)):
        (alone,) = one_batch(server.url, f"indices={index}&seed=5").samples
        assert np.array_equal(alone.arrays["crop"], together.samples[place].arrays["crop"])
        assert alone.recipe == together.samples[place].recipe


def test_the_ranks_of_a_step_add_up_to_the_step(server: LiveServer) -> None:
    whole = one_batch(server.url, "seed=5&step=7&batch_size=10")
    parts = [one_batch(server.url, f"seed=5&step=7&batch_size=10&rank={rank}&world_size=3") for rank in range(3)]
    assert [len(part.samples) for part in parts] == [3, 3, 4]
    assert [sample.key for part in parts for sample in part.samples] == [sample.key for sample in whole.samples]


def test_an_epoch_visits_every_image_once(server: LiveServer) -> None:
    stream = batches(server.url, "/v1/stream?seed=8&batch_size=6&stop=8")
    keys = [sample.key for batch in stream for sample in batch.samples]
    for epoch in (0, 1):
        assert sorted(key.index for key in keys if key.epoch == epoch) == list(range(24))
    assert [key.index for key in keys[:24]] != [key.index for key in keys[24:]]


def test_msgpack_numpy_reads_a_dense_response_without_our_client(server: LiveServer) -> None:
    answer = httpx.get(f"{server.url}/v1/batches?indices=3,17&seed=7&layout=dense", timeout=60)
    header, first, second, trailer = msgpack.Unpacker(
        io.BytesIO(answer.content), object_hook=msgpack_numpy.decode, raw=False, max_buffer_size=len(answer.content)
    )
    assert (header["type"], header["count"], trailer["status"]) == ("header", 2, "ok")
    spec = get_spec(server.url)
    for sample, index in ((first, 3), (second, 17)):
        assert sample["key"] == {"seed": 7, "epoch": 0, "index": index}
        for row in array_table("dense", spec.config, spec.categories):
            array = sample["arrays"][row.name]
            assert isinstance(array, np.ndarray)
            assert (array.dtype.str, array.shape) == (row.dtype, row.shape)
    wanted = one_batch(server.url, "indices=3,17&seed=7", "dense")
    assert np.array_equal(first["arrays"]["images"], wanted.samples[0].arrays["images"])


@pytest.mark.parametrize("kept", ["true", "false"])
def test_the_recipe_command_prints_the_recipes_of_the_server(
    kept: str, scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    settings = {"annotations": scenes[0], "images": scenes[1], "cache_dir": cache_dir, "keep_crowd": kept}
    with live_server(tmp_path, **settings, workers=1) as served:
        digest = get_spec(served.url).digest
        batch = one_batch(served.url, "seed=3&step=9500&batch_size=24")
    arguments = ["recipe", "--seed", 3, "--step", 9500, "--batch-size", 24]
    told = run_python("-m", "sampler", *arguments, settings=settings)
    entries = json.loads(told.stdout)
    assert {entry["digest"] for entry in entries} == {digest}
    assert [entry["recipe"] for entry in entries] == [sample.recipe.as_dict() for sample in batch.samples]


@pytest.mark.parametrize("config", ["cornernet_saccade", "cornernet", "cornernet_squeeze"])
def test_batches_of_real_coco_images_are_exact(shared: Path, tmp_path: Path, config: str) -> None:
    images = shared / "coco-tiny/images/train2017"
    annotations = shared / "coco-tiny/annotations/instances_train2017.json"
    with live_server(
        tmp_path, annotations=annotations, images=images, config=config, cache_dir=tmp_path / "cache", workers=2
    ) as server:
        spec = get_spec(server.url)
        assert (spec.size, spec.categories) == (32, 80)
        document = json.loads(annotations.read_text())
        names = {place: row["file_name"] for place, row in enumerate(sorted(document["images"], key=lambda r: r["id"]))}
        dataset = open_dataset(annotations, images, tmp_path / "cache")
        with SamplerClient(server.url) as client:
            batch = client.batch(seed=1, step=0, batch_size=32)
    assert sorted(key.index for key in batch.keys) == list(range(32))
    for row, (key, recipe) in enumerate(zip(batch.keys, batch.recipes, strict=True)):
        pixels = np.asarray(cv2.imread(str(images / names[key.index])), np.uint8)
        wanted = lay_out(apply_recipe(pixels, dataset.boxes(key.index), recipe, spec.config), "dense", spec.config, 80)
        assert batch.arrays.keys() == wanted.keys()
        assert all(np.array_equal(array[row], wanted[name]) for name, array in batch.arrays.items())
