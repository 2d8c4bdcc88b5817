"""A sample has the same bytes whichever way its pixels come: whole files, entry points, decoded store, image cache."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decoded_store.reader import find_store
from sampler.dataset.images.image_cache import ImageCache
from sampler.families.registry import family_of
from sampler.kernels.compiled.kernels import COMPILED
from sampler.kernels.reference import REFERENCE
from sampler.layouts.convert import lay_out
from sampler.recipe import Recipe
from sampler.sample.sample import fill_sample, make_sample
from sampler.stream.keys import SampleKey
from tests.support.entry_points import with_entry_points
from tests.support.laws import assert_same_arrays
from tests.support.stores import write_store


def paths(plain: Dataset, cache_dir: Path) -> dict[str, Dataset]:
    """The dataset with each way to its pixels."""
    assert write_store(plain, cache_dir) == []
    cache = ImageCache.create(1, len(plain))  # too small for all images, so that some are in it and others not
    return {
        "entry points": with_entry_points(plain, cache_dir),
        "store": plain.with_decoded(find_store(cache_dir, plain.store_meta)),
        "cache": plain.with_decoded(cache=cache),
        "cache and entry points": with_entry_points(plain.with_decoded(cache=cache), cache_dir),
    }


def samples(
    plain: Dataset, config: SamplerConfig, epochs: int, augment: bool = True
) -> Iterator[tuple[SampleKey, dict[str, np.ndarray]]]:
    for epoch in range(epochs):
        for index in range(len(plain)):
            key = SampleKey(11, epoch, index)
            yield key, dict(lay_out(make_sample(plain, config, key, augment=augment), "compact", config, 80))


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
def test_samples_are_the_same_on_every_path(scenes: tuple[Path, Path], tmp_path: Path, config: SamplerConfig) -> None:
    plain = open_dataset(*scenes, tmp_path)
    ways = paths(plain, tmp_path)
    for key, expected in samples(plain, config, epochs=4):
        for dataset in ways.values():
            found = lay_out(make_sample(dataset, config, key, kernels=COMPILED), "compact", config, 80)
            assert_same_arrays(found, expected)
    counts = ways["entry points"].counts
    assert counts.recorded == len(plain)
    assert counts.parts > 0


def test_published_crops_are_the_same_on_every_path(shared: Path, tmp_path: Path) -> None:
    """What the published sampler made of real COCO images, from the pixels that each path reads for it."""
    cases = json.loads((shared / "golden/cases.json").read_text())
    opened = {}
    for split in ("train2017", "val2017"):
        folder = shared / "coco-tiny"
        source = folder / f"annotations/instances_{split}.json", folder / f"images/{split}"
        plain = open_dataset(*source, tmp_path)
        names = {plain.file_name(index): index for index in range(len(plain))}
        opened[split] = names, {"whole": plain, **paths(plain, tmp_path)}
    for case in cases * 2:  # the first time, entry points are recorded
        names, ways = opened[case["split"]]
        index, config, recipe = names[case["file_name"]], PRESETS[case["config"]], Recipe.parse(case["recipe"])
        boxes = np.array(case["boxes"], np.float32).reshape(-1, 5)
        plan = family_of(config).plan_crop(*ways["whole"].size(index), boxes, recipe, config, REFERENCE)
        golden = np.load(shared / f"golden/{case['case']}.npz")["crop_bgr_u8"]
        for way, dataset in ways.items():
            part = dataset.read(index, plan.source_region(*dataset.size(index)))
            for kernels in (REFERENCE, COMPILED):
                crop = fill_sample(part, plan, recipe, config, kernels).crop
                assert np.array_equal(crop, golden), (case["case"], way)
    assert sum(ways["entry points"].counts.parts for _, ways in opened.values()) > len(cases) // 4
