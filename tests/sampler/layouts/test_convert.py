"""A sample is a pure function of its key, and the same in every layout."""

import dataclasses
import hashlib
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.array_table import allocate, array_table, largest_sample
from sampler.arrays import LAYOUTS, Arrays, Layout
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.errors import InvalidRequestError
from sampler.layouts.convert import (
    compact,
    compact_to_dense,
    dense_to_sparse,
    lay_out,
    render,
    scatter,
    unpack_batch,
)
from sampler.sample.recipes import draw_recipe
from sampler.sample.sample import Sample, apply_recipe, make_sample, recipe_of
from sampler.stream.keys import SampleKey
from tests.support.laws import (
    CATEGORIES,
    Pictures,
    assert_batch_is_its_samples,
    assert_deterministic,
    assert_order_free,
    assert_same_arrays,
    random_boxes,
    random_numbers,
    sample_maker,
)
from tests.support.processes import run_python

PICTURES = Pictures()
SACCADE = PRESETS["cornernet_saccade"]
KEYS = st.builds(
    SampleKey, st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 63) - 1), st.integers(0, len(PICTURES) - 1)
)
FEW = settings(max_examples=12)


def config_named(name: str) -> SamplerConfig:
    """A preset; large ones are made smaller to save time."""
    config = PRESETS[name]
    if config.kind == "saccade":
        return config
    return dataclasses.replace(config, input_size=(127, 127), output_size=(32, 32))


CONFIGS = {name: config_named(name) for name in PRESETS}


def fingerprint(keys: Sequence[SampleKey], layout: Layout) -> str:
    """A digest over the bytes of some samples of PICTURES, of every config."""
    total = hashlib.blake2b()
    for config in CONFIGS.values():
        for key in keys:
            for name, array in lay_out(make_sample(PICTURES, config, key), layout, config, CATEGORIES).items():
                total.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return total.hexdigest()


class TestPureFunction:
    @FEW
    @given(KEYS, st.sampled_from(LAYOUTS), st.sampled_from(list(CONFIGS)))
    def test_the_same_key_gives_the_same_bytes(self, key: SampleKey, layout: Layout, name: str) -> None:
        assert_deterministic(sample_maker(PICTURES, CONFIGS[name], layout), [key])

    @FEW
    @given(st.lists(KEYS, min_size=2, max_size=5), st.data())
    def test_the_order_in_which_samples_are_made_changes_nothing(
        self, keys: list[SampleKey], data: st.DataObject
    ) -> None:
        order = data.draw(st.permutations(range(len(keys))))
        assert_order_free(sample_maker(PICTURES, SACCADE, "compact"), keys, order)

    @FEW
    @given(st.lists(KEYS, max_size=5))
    def test_a_batch_made_by_threads_equals_its_samples(self, keys: list[SampleKey]) -> None:
        make = sample_maker(PICTURES, SACCADE, "sparse")
        with ThreadPoolExecutor(4) as pool:
            assert_batch_is_its_samples(lambda batch: list(pool.map(make, batch)), make, keys)

    @pytest.mark.parametrize("hash_seed", ["0", "12345"])
    def test_another_process_makes_the_same_bytes(self, hash_seed: str) -> None:
        keys = [SampleKey(7, epoch, index) for epoch in range(2) for index in range(5)]
        program = (
            "from sampler.stream.keys import SampleKey\nfrom tests.sampler.layouts.test_convert import fingerprint\n"
            "import numpy as np, random\nnp.random.seed(1); random.seed(2)\n"
            f"keys = {[(key.seed, key.epoch, key.index) for key in keys]}\n"
            "for layout in ('compact', 'sparse', 'dense'):\n"
            "    print(fingerprint([SampleKey(*key) for key in keys], layout))"
        )
        variables = {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
        done = run_python("-W", "error", "-c", program, variables=variables)
        assert done.stdout.split() == [fingerprint(keys, layout) for layout in LAYOUTS]

    def test_global_random_state_is_neither_read_nor_touched(self) -> None:
        key = SampleKey(1, 1, 3)
        np.random.seed(3)  # noqa: NPY002 - the global state is what is tested
        before = pickle.dumps(np.random.get_state())  # noqa: NPY002 - as above
        first = lay_out(make_sample(PICTURES, SACCADE, key), "dense", SACCADE, CATEGORIES)
        assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002 - as above
        np.random.seed(4)  # noqa: NPY002 - as above
        assert_same_arrays(lay_out(make_sample(PICTURES, SACCADE, key), "dense", SACCADE, CATEGORIES), first)

    def test_different_keys_give_different_samples(self) -> None:
        images = {lay_out(make_sample(PICTURES, SACCADE, SampleKey(seed, epoch, 4)), "compact", SACCADE, 5)["colour"]
                  .tobytes() for seed in range(5) for epoch in range(5)}  # fmt: skip
        assert len(images) == 25

    def test_without_augmentation_seed_and_epoch_change_nothing(self) -> None:
        for index in range(len(PICTURES)):
            samples = [make_sample(PICTURES, SACCADE, SampleKey(seed, seed, index), augment=False) for seed in (0, 9)]
            assert samples[0].recipe == samples[1].recipe
            assert_same_arrays(*(lay_out(sample, "dense", SACCADE, CATEGORIES) for sample in samples))

    @FEW
    @given(KEYS)
    def test_a_recipe_makes_the_same_sample_again(self, key: SampleKey) -> None:
        sample = make_sample(PICTURES, SACCADE, key)
        recipe = recipe_of(PICTURES, SACCADE, key)
        assert recipe == sample.recipe
        again = apply_recipe(PICTURES.read(key.index).pixels, PICTURES.boxes(key.index), recipe, SACCADE)
        assert_same_arrays(compact(again), compact(sample))

    def test_samples_are_pinned(self) -> None:
        """If the bytes of a preset change, `SAMPLER_VERSION` must rise. A new preset only adds an entry."""
        y, x, channel = np.ogrid[:300, :400, :3]
        image = ((y * 7 + x * 13 + channel * 29 + y * x // 97) % 256).astype(np.uint8)
        rows = [[10, 20, 200.5, 280.25, 1], [150, 30, 190, 90, 2], [300, 200, 420, 260, 5], [5, 5, 9, 9, 2]]
        boxes = np.array(rows, np.float32)
        found = []
        for name, config in PRESETS.items():
            total = hashlib.blake2b(digest_size=16)
            for index in range(12):
                recipe = draw_recipe(SampleKey(7, 3, index), config, 300, 400, boxes)
                for array in lay_out(apply_recipe(image, boxes, recipe, config), "dense", config, CATEGORIES).values():
                    total.update(array.tobytes())
            found.append((name, total.hexdigest()))
        assert found == PINNED


def crowded(config: SamplerConfig) -> Sample:
    """A sample with more objects than rows of tags."""
    numbers = random_numbers(5)
    boxes = random_boxes(numbers, 300, 250, 250, CATEGORIES)
    recipe = recipe_of(PICTURES, config, SampleKey(0, 0, 0), augment=False)
    return apply_recipe(PICTURES.read(0).pixels, boxes, recipe, config)


def scattered(sparse: Arrays, config: SamplerConfig) -> Arrays:
    dense = allocate(config, CATEGORIES)
    scatter(sparse, config, dense)
    return dense


class TestLayouts:
    @settings(max_examples=30)
    @given(KEYS, st.sampled_from(list(CONFIGS)))
    def test_every_layout_leads_to_the_same_dense_arrays(self, key: SampleKey, name: str) -> None:
        self.assert_all_ways_agree(make_sample(PICTURES, CONFIGS[name], key), CONFIGS[name])

    @pytest.mark.parametrize("name", CONFIGS)
    def test_crowded_and_empty_samples_are_the_same_in_every_layout(self, name: str) -> None:
        self.assert_all_ways_agree(crowded(CONFIGS[name]), CONFIGS[name])
        self.assert_all_ways_agree(make_sample(PICTURES, CONFIGS[name], SampleKey(0, 0, 0)), CONFIGS[name])

    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("name", CONFIGS)
    def test_arrays_match_the_array_table(self, layout: Layout, name: str) -> None:
        config = CONFIGS[name]
        for sample in (crowded(config), make_sample(PICTURES, config, SampleKey(0, 0, 0))):
            arrays = lay_out(sample, layout, config, CATEGORIES)
            table = array_table(layout, config, CATEGORIES)
            assert list(arrays) == [spec.name for spec in table]
            lengths: dict[str, int] = {}
            for spec in table:
                array = arrays[spec.name]
                assert array.dtype.str == spec.dtype
                assert len(array.shape) == len(spec.shape)
                for found, side in zip(array.shape, spec.shape, strict=True):
                    assert found == (lengths.setdefault(side, found) if isinstance(side, str) else side)

    def test_coordinates_ascend_and_omit_the_background(self) -> None:
        arrays = lay_out(crowded(SACCADE), "sparse", SACCADE, CATEGORIES)
        for name, background in (("tl_heats", 0), ("br_heats", 0), ("tl_valids", 1), ("br_valids", 1)):
            places = [tuple(place) for place in arrays[f"{name}_idx"].tolist()]
            assert places == sorted(set(places))
            assert (arrays[f"{name}_val"] != background).all()

    def test_unpacking_writes_into_existing_arrays(self) -> None:
        sample = make_sample(PICTURES, SACCADE, SampleKey(1, 2, 4))
        dense = lay_out(sample, "dense", SACCADE, CATEGORIES)
        for layout in LAYOUTS:
            arrays = lay_out(sample, layout, SACCADE, CATEGORIES)
            batch = allocate(SACCADE, CATEGORIES, batch=3)
            unpack_batch([arrays], layout, SACCADE, {name: array[1:2] for name, array in batch.items()})
            empty = allocate(SACCADE, CATEGORIES)
            for name, array in batch.items():
                assert array[1].tobytes() == dense[name].tobytes()
                assert array[0].tobytes() == array[2].tobytes() == empty[name].tobytes()

    def test_read_only_arrays_render(self) -> None:
        arrays = lay_out(make_sample(PICTURES, SACCADE, SampleKey(1, 2, 4)), "compact", SACCADE, CATEGORIES)
        for array in arrays.values():
            array.flags.writeable = False
        render(arrays, SACCADE, allocate(SACCADE, CATEGORIES))

    def test_an_unknown_layout_is_refused_by_name(self) -> None:
        with pytest.raises(InvalidRequestError, match="layout = 'thin': expected one of compact, sparse, dense"):
            array_table("thin", SACCADE, CATEGORIES)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_the_largest_sample_bounds_every_layout(self, layout: Layout) -> None:
        arrays = lay_out(make_sample(PICTURES, SACCADE, SampleKey(0, 0, 0)), layout, SACCADE, CATEGORIES)
        assert sum(array.nbytes for array in arrays.values()) <= largest_sample(layout, SACCADE, CATEGORIES)

    @staticmethod
    def assert_all_ways_agree(sample: Sample, config: SamplerConfig) -> None:
        dense: Arrays = lay_out(sample, "dense", config, CATEGORIES)
        assert_same_arrays(compact_to_dense(lay_out(sample, "compact", config, CATEGORIES), config, CATEGORIES), dense)
        sparse = lay_out(sample, "sparse", config, CATEGORIES)
        assert_same_arrays(scattered(sparse, config), dense)
        assert_same_arrays(dense_to_sparse(scattered(sparse, config), config, CATEGORIES), sparse)


PINNED = [
    ("cornernet_saccade", "8e9ae415a33e25163d56db76783c0835"),
    ("cornernet", "4d743f7416296c525ab2ea09b9f005b1"),
    ("cornernet_squeeze", "c4859f7f88202a610a7341763c52625d"),
]
