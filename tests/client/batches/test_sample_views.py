"""Single samples of a batch: boxes, labels, images, and the form that torchvision's models take."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from client import Batch, ClientError, SamplerClient, TorchBatch, loader
from client.batches.sample_view import corners_of
from sampler.arrays import LAYOUTS
from sampler.sample.sample import make_sample
from tests.support.scripted_server import SMALL_CORNERNET, SMALL_SACCADE, ScriptedServer, scripted

WAYS = ("client", "stream", "tensors", "loader", "device")
"""Ways to the batch of step 1."""


@pytest.fixture(scope="module", params=[SMALL_SACCADE, SMALL_CORNERNET], ids=["saccade", "cornernet"])
def server(request: pytest.FixtureRequest) -> Iterator[ScriptedServer]:
    with scripted(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def batch(server: ScriptedServer) -> Batch[int]:
    with SamplerClient(server.url) as client:
        return client.batch(seed=5, step=1, batch_size=6)


def step_one(server: ScriptedServer, way: str, device: str = "cpu") -> Batch[int] | TorchBatch[int]:
    if way in ("tensors", "device"):
        pytest.importorskip("torch")
    if way == "loader":
        with loader(server.url, seed=5, batch_size=6, start=1, stop=2) as arrays:
            return next(arrays)
    if way == "device":
        with loader(server.url, seed=5, batch_size=6, start=1, stop=2, device=device) as tensors:
            return next(tensors)
    with SamplerClient(server.url) as client:
        if way == "stream":
            return next(client.stream(seed=5, batch_size=6, start=1, stop=2))
        made = client.batch(seed=5, step=1, batch_size=6)
        return made.torch(device) if way == "tensors" else made


@pytest.mark.parametrize("way", WAYS)
def test_boxes_are_those_of_the_sampler_whichever_way_a_batch_comes(server: ScriptedServer, way: str) -> None:
    batch = step_one(server, way)
    seen = 0
    for number, key in enumerate(batch.keys):
        made = make_sample(server.pictures, server.spec.config, key)
        for sample in (number, number - len(batch)):
            boxes, labels, objects = batch.boxes(sample), batch.labels(sample), batch.objects(sample)
            assert (boxes.dtype.str, labels.dtype.str, objects.dtype.str) == ("<f4", "<i8", "|b1")
            assert boxes.tobytes() == made.boxes[:, :4].tobytes()
            assert labels.tolist() == (made.boxes[:, 4] - 1).tolist()
            assert objects.tolist() == made.objects.tolist()
        seen += len(made.boxes)
    assert seen > 6


def test_an_empty_batch_has_no_samples_to_look_at(batch: Batch) -> None:
    with pytest.raises(IndexError, match="sample 0: this batch is empty"):
        batch[:0].image(0)
    with pytest.raises(IndexError, match=r"sample 1: expected −1 … 0 \(this batch has 1 sample\)"):
        batch[:1].boxes(1)


def test_boxes_are_copies(batch: Batch) -> None:
    before = batch.boxes(1).copy()
    batch.boxes(1)[...] = -1
    np.testing.assert_array_equal(batch.boxes(1), before)


@pytest.mark.parametrize("way", ["client", "tensors", "device"])
def test_an_image_without_augmented_colours_has_the_pixels_of_the_crop(server: ScriptedServer, way: str) -> None:
    with SamplerClient(server.url) as client:
        batch: Batch | TorchBatch = client.batch(indices=[2, 5], augment=False)
    if way == "tensors":
        pytest.importorskip("torch")
        batch = batch.torch()  # type: ignore[union-attr]
    elif way == "device":
        pytest.importorskip("torch")
        with loader(server.url, seed=0, batch_size=2, stop=1, augment=False, device="cpu") as batches:
            batch = next(batches)
    for number, key in enumerate(batch.keys):
        made = make_sample(server.pictures, server.spec.config, key, augment=False)
        image = batch.image(number)
        assert image.flags.c_contiguous
        assert image.flags.writeable
        np.testing.assert_array_equal(image, made.crop[:, :, ::-1])


def test_an_image_shows_the_colours_that_the_detector_sees(batch: Batch) -> None:
    mean, std = (np.array(values) for values in (batch.spec.config.mean, batch.spec.config.std))
    for number in range(len(batch)):
        seen = (batch.images[number].transpose(1, 2, 0) * std + mean)[:, :, ::-1] * 255
        assert np.abs(batch.image(number) - seen.clip(0, 255)).max() < 0.51
    assert batch.image(0).dtype == np.uint8


def test_corners_are_those_of_the_objects_that_have_tags(batch: Batch) -> None:
    config = batch.spec.config
    for number in range(len(batch)):
        top_left, bottom_right = corners_of(batch.arrays, number, config)
        expected = batch.boxes(number)[batch.objects(number)][: config.max_objects]
        np.testing.assert_allclose(np.hstack([top_left, bottom_right]), expected, atol=1e-3)


@pytest.mark.parametrize("sample", [6, -7, 100])
@pytest.mark.parametrize("view", ["boxes", "labels", "objects", "image", "show"])
def test_a_sample_that_is_not_there_is_an_index_error(batch: Batch, view: str, sample: int) -> None:
    if view == "show":
        pytest.importorskip("PIL")
    with pytest.raises(IndexError, match=rf"sample {sample}: expected −6 … 5 \(this batch has 6 samples\)"):
        getattr(batch, view)(sample)


@pytest.mark.parametrize("layout", ["sparse", "dense"])
@pytest.mark.parametrize("loaded", [False, True])
def test_without_boxes_the_error_names_the_layout(server: ScriptedServer, layout: str, loaded: bool) -> None:
    if loaded:
        with loader(server.url, seed=5, batch_size=6, stop=1, layout=layout) as batches:  # type: ignore[call-overload]
            batch = next(batches)
    else:
        with SamplerClient(server.url) as client:
            batch = client.batch(indices=[4, 5], layout=layout)  # type: ignore[call-overload]
    uses: list[Callable[[], object]] = [lambda: batch.boxes(0), lambda: batch.labels(0), lambda: batch.objects(0)]
    for use in uses:
        with pytest.raises(ClientError, match=r'this batch has no boxes.*layout "compact"'):
            use()
    assert batch[:1].box_table is None
    assert batch.image(0).shape == (63, 63, 3)


@pytest.mark.parametrize("way", ["client", "tensors"])
def test_torchvision_gets_images_and_the_objects_with_area(server: ScriptedServer, way: str) -> None:
    torch = pytest.importorskip("torch")
    batch = step_one(server, way)
    images, targets = batch.to_torchvision()
    assert len(images) == len(targets) == 6
    for number, (image, target) in enumerate(zip(images, targets, strict=True)):
        assert (image.dtype, tuple(image.shape)) == (torch.float32, (3, 63, 63))
        pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        assert np.abs(pixels.astype(int) - batch.image(number)).max() <= 1
        assert set(target) == {"boxes", "labels"}
        boxes, labels = batch.boxes(number), batch.labels(number)
        chosen = batch.objects(number) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        assert target["boxes"].dtype == torch.float32
        assert target["boxes"].tolist() == boxes[chosen].tolist()
        assert target["labels"].dtype == torch.int64
        assert target["labels"].tolist() == (labels[chosen] + 1).tolist()


def test_a_saved_batch_has_the_same_bytes_with_and_without_boxes(server: ScriptedServer, tmp_path: Path) -> None:
    with SamplerClient(server.url) as client:
        for layout in LAYOUTS:
            client.batch(indices=[2, 4], layout=layout).save(tmp_path / layout)
    assert len({(tmp_path / layout).read_bytes() for layout in LAYOUTS}) == 1
