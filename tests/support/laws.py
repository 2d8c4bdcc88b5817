"""The guarantees of the sampler as reusable checks, and a small dataset in memory to check them with."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import numpy as np

from sampler.arrays import Arrays, Layout
from sampler.config_schema import SamplerConfig
from sampler.image_part import ImagePart, Region
from sampler.layouts.convert import lay_out
from sampler.ops.boxes import Boxes
from sampler.sample.sample import SampleSource, make_sample
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, step_keys
from sampler.stream.substitutes import Substitutes

CATEGORIES = 5

MakeSample = Callable[[SampleKey], Arrays]
MakeBatch = Callable[[Sequence[SampleKey]], Sequence[Arrays]]


def random_numbers(seed: int) -> np.random.Generator:
    """Return a random generator for test data."""
    return np.random.Generator(np.random.Philox(key=seed))


def random_boxes(numbers: np.random.Generator, count: int, height: int, width: int, categories: int) -> Boxes:
    """Return (count, 5) float32 boxes of all sizes; some reach beyond the image."""
    starts = numbers.uniform(-0.1, 0.95, (count, 2)) * (width, height)
    sides = np.exp(numbers.uniform(np.log(2), np.log(max(height, width, 3)), (count, 2)))
    labels = numbers.integers(1, categories + 1, (count, 1))
    return np.hstack([starts, starts + sides, labels]).astype(np.float32)


class Pictures:
    """A dataset in memory: images of many shapes. The first has no boxes, the second is one pixel.

    Reading one of the `unusable` images fails.
    """

    def __init__(self, count: int = 12, unusable: tuple[int, ...] = ()) -> None:
        self.substitutes = Substitutes(unusable, count)
        numbers = random_numbers(count)
        shapes = [(200, 300), (1, 1), *numbers.integers(20, 400, (count, 2)).tolist()][:count]
        self._images = [numbers.integers(0, 256, (height, width, 3), np.uint8) for height, width in shapes]
        counts = [0, 1, *numbers.integers(1, 9, count).tolist()][:count]
        self._boxes = [
            random_boxes(numbers, n, height, width, CATEGORIES)
            for n, (height, width) in zip(counts, shapes, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int, region: Region | None = None) -> ImagePart:  # noqa: ARG002 - all pixels are there
        assert index not in self.substitutes.unusable
        return ImagePart(self._images[index])

    def image_of(self, key: SampleKey) -> int:
        return self.substitutes.image_of(key)

    def size(self, index: int) -> tuple[int, int]:
        height, width = self._images[index].shape[:2]
        return height, width

    def boxes(self, index: int, keep_crowd: bool = True) -> Boxes:  # noqa: ARG002 - there are no crowd boxes here
        return self._boxes[index].copy()


def sample_maker(dataset: SampleSource, config: SamplerConfig, layout: Layout) -> MakeSample:
    """Return a function that makes samples of a dataset in this process."""
    return lambda key: lay_out(make_sample(dataset, config, key), layout, config, CATEGORIES)


def assert_same_arrays(found: Arrays, expected: Arrays) -> None:
    """Check for the same names, dtypes, shapes and bytes, in the same order."""
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].shape == array.shape, name
        assert found[name].tobytes() == array.tobytes(), name


def assert_deterministic(make: MakeSample, keys: Iterable[SampleKey]) -> None:
    """Check that a key gives the same bytes each time."""
    for key in keys:
        assert_same_arrays(make(key), make(key))


def assert_order_free(make: MakeSample, keys: Sequence[SampleKey], order: Sequence[int]) -> None:
    """Check that samples do not depend on the order in which they are made."""
    straight = [make(key) for key in keys]
    turned = {place: make(keys[place]) for place in order}
    for place, expected in enumerate(straight):
        assert_same_arrays(turned[place], expected)


def assert_batch_is_its_samples(make_batch: MakeBatch, make: MakeSample, keys: Sequence[SampleKey]) -> None:
    """Check that a batch holds the samples that its keys give alone, in request order."""
    batch = make_batch(keys)
    assert len(batch) == len(keys)
    for found, key in zip(batch, keys, strict=True):
        assert_same_arrays(found, make(key))


def assert_ranks_cover_a_step_once(size: int, seed: int, step: int, batch_size: int, world_size: int) -> None:
    """Check that the shards of all ranks, concatenated, are the step of a single rank."""
    shards = [Shard(batch_size, rank, world_size) for rank in range(world_size)]
    parts = [step_keys(size, seed, step, shard) for shard in shards]
    assert [len(part) for part in parts] == [shard.count for shard in shards]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(parts)
    assert list(chain(*parts)) == step_keys(size, seed, step, Shard(batch_size))


def assert_resume_continues(steps_from: Callable[[int], Iterable[object]], start: int, resumed: int) -> None:
    """Check that a stream resumed at `resumed` continues the one that started at `start`."""
    assert list(steps_from(start))[resumed - start :] == list(steps_from(resumed))


def assert_stream_visits_epochs_whole(size: int, seed: int, batch_size: int, epochs: int) -> None:
    """Check that the stream visits each index once per epoch, epoch after epoch."""
    steps = -(-size * epochs // batch_size)
    keys = list(chain(*(step_keys(size, seed, step, Shard(batch_size)) for step in range(steps))))
    for epoch in range(epochs):
        part = keys[epoch * size : (epoch + 1) * size]
        assert {key.epoch for key in part} == {epoch}
        assert sorted(key.index for key in part) == list(range(size))
