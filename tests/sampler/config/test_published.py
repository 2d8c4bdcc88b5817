"""A CornerNet-Lite file means what it means in the published code: values worked out by hand, and 1,000 random files.

The model of the published code in this file is written from its source, apart from the loader that it checks:
`core/dbs/detection.py` has the defaults, `core/sample/` the keys that each sampler reads.
"""

import json
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.config.cornernet_lite import config_of, load_config
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.errors import ConfigError
from sampler.recipe import Recipe
from sampler.replay import Case, render

THREE_MAPS = [((16, 16), 16, (96, 256)), ((32, 32), 8, (32, 96)), ((64, 64), 4, (0, 32))]


def of_family(function: str, **db: Any) -> SamplerConfig:
    return config_of({"system": {"sampling_function": function}, "db": db}, "mine")


# --- by hand ---

BY_HAND: list[tuple[str, dict[str, Any], str, Any]] = [
    ("cornernet", {}, "gaussian_iou", 0.7),
    ("cornernet", {}, "gaussian_radius", -1),
    ("cornernet", {}, "border", 64),
    ("cornernet", {}, "rand_color", False),
    ("cornernet", {}, "lighting", True),
    ("cornernet", {}, "gaussian_bump", False),
    ("cornernet", {}, "rand_scales", (1,)),
    ("cornernet", {"rand_scale_max": 1.4, "rand_scale_min": 0.6, "rand_scale_step": 0.1}, "rand_scales", (1,)),
    ("cornernet", {"rand_scales": None}, "rand_scales", (0.8, 1.0, 1.2)),
    ("cornernet", {"rand_scales": None, "rand_scale_step": 0.3}, "rand_scales", (0.8, 1.1)),
    ("cornernet", {}, "input_size", (383, 383)),
    ("cornernet", {}, "output_size", (96, 96)),
    ("cornernet", {"output_sizes": [[64, 64], [32, 32]]}, "output_size", (64, 64)),
    ("cornernet", {}, "max_objects", 128),
    ("cornernet", {"categories": 80}, "categories", 80),
    ("cornernet", {}, "categories", None),
    ("cornernet_saccade", {}, "gaussian_iou", 0.7),
    ("cornernet_saccade", {}, "rand_scales", (1,)),
    ("cornernet_saccade", {}, "rand_center", True),
    ("cornernet_saccade", {}, "min_scale", 16),
    ("cornernet_saccade", {"rand_color": False}, "rand_color", True),
    ("cornernet_saccade", {"lighting": False}, "lighting", True),
    ("cornernet_saccade", {"gaussian_bump": False}, "gaussian_bump", True),
    ("cornernet_saccade", {"max_scale": 5, "view_sizes": [9]}, "min_scale", 16),
    ("cornernet_saccade", {"categories": 80}, "categories", 80),
]
"""Sampling function, keys of the file (besides those without which the file is refused), field, value."""

NEEDED: dict[str, dict[str, Any]] = {"cornernet": {"rand_crop": True}, "cornernet_saccade": {"input_size": [255, 255]}}


@pytest.mark.parametrize(("function", "db", "field", "value"), BY_HAND)
@pytest.mark.filterwarnings("ignore::sampler.config.cornernet_lite.IgnoredKeysWarning")
def test_a_field_has_the_value_of_the_published_code(
    function: str, db: dict[str, Any], field: str, value: object
) -> None:
    found = getattr(of_family(function, **NEEDED[function], **db), field)
    assert found == (pytest.approx(value) if field == "rand_scales" else value)


def test_the_attention_maps_and_random_crops_of_saccade_have_the_class_defaults() -> None:
    config = of_family("cornernet_saccade", input_size=[255, 255])
    assert [(one.size, one.ratio, one.longest) for one in config.attention] == THREE_MAPS
    assert not config.rand_crop
    assert config.output_size == (96, 96)


# --- the bumps of CornerNet-multi_scale.json, the published file without gaussian_iou ---

MULTI_SCALE = {
    "system": {"dataset": "COCO", "batch_size": 49, "sampling_function": "cornernet", "train_split": "trainval"},
    "db": {
        "rand_scale_min": 0.6, "rand_scale_max": 1.4, "rand_scale_step": 0.1, "rand_scales": None, "rand_crop": True,
        "rand_color": True, "border": 128, "gaussian_bump": True, "input_size": [511, 511],
        "output_sizes": [[128, 128]], "test_scales": [0.5, 0.75, 1, 1.25, 1.5], "top_k": 100, "categories": 80,
        "ae_threshold": 0.5, "nms_threshold": 0.5, "merge_bbox": True, "weight_exp": 10, "max_per_image": 100,
    },
}  # fmt: skip

BOXES = [[40, 40, 104, 136, 1], [200, 60, 280, 100, 2], [300, 300, 460, 420, 2], [20, 430, 50, 500, 3]]


def widest_shift(height: int, width: int, least_iou: float) -> int:
    """Count how many cells both corners may move while the box still overlaps the true one by `least_iou`."""

    def fits(by: int) -> bool:
        area, inner, outer = height * width, (height - 2 * by) * (width - 2 * by), (height + 2 * by) * (width + 2 * by)
        common = (height - by) * (width - by)  # of two boxes of equal size
        ious = (inner / area, area / outer, common / (2 * area - common))
        return height >= 2 * by and width >= 2 * by and min(ious) >= least_iou

    return max(by for by in range(200) if fits(by))


def bump_cells(corner: int, least_iou: float) -> set[tuple[int, int, int]]:
    """Return the cells (category − 1, y, x) of a heatmap above 0. corner: 0 is top-left, 2 bottom-right."""
    cells = set()
    for box in BOXES:
        ratio = 128 / 511
        radius = widest_shift(math.ceil((box[3] - box[1]) * ratio), math.ceil((box[2] - box[0]) * ratio), least_iou)
        x, y = int(box[corner] * ratio), int(box[corner + 1] * ratio)
        square = range(-radius, radius + 1)
        cells |= {(box[4] - 1, y + down, x + right) for down in square for right in square}
    return {(plane, y, x) for plane, y, x in cells if 0 <= x < 128 and 0 <= y < 128}


def positive_cells(config: SamplerConfig) -> Iterator[set[tuple[int, int, int]]]:
    """Make a sample of `BOXES`, not scaled and not moved; yield the cells of both heatmaps above 0."""
    recipe = Recipe(scale=1.0, reference=None, center=(255, 255), flip=False)
    boxes = np.array(BOXES, np.float32)
    case = Case("one", config, "", "a.png", (511, 511), config.planes(3), boxes, recipe)
    arrays = render(case, np.zeros((511, 511, 3), np.uint8))
    for name in ("tl_heats", "br_heats"):
        assert arrays[name].shape == (config.planes(3), 128, 128)
        yield {(int(plane), int(y), int(x)) for plane, y, x in np.argwhere(arrays[name] > 0)}


@pytest.mark.filterwarnings("ignore::sampler.config.cornernet_lite.IgnoredKeysWarning")
def test_multi_scale_draws_the_small_bumps_of_the_class_default_and_not_those_of_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "CornerNet-multi_scale.json"
    file.write_text(json.dumps(MULTI_SCALE))
    config = load_config(str(file))
    assert (config.gaussian_iou, config.categories, config.border) == (0.7, 80, 128)
    assert [round(scale, 9) for scale in config.rand_scales] == [0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3]
    found = list(positive_cells(config))
    assert found == [bump_cells(corner, 0.7) for corner in (0, 2)]
    of_preset = list(positive_cells(PRESETS["cornernet"]))
    assert of_preset == [bump_cells(corner, 0.3) for corner in (0, 2)]
    assert [len(cells) for cells in found] == [44, 44]
    assert [len(cells) for cells in of_preset] == [380, 380]


# --- random files ---

DEFAULTS: dict[str, Any] = {
    "rand_scales": [1], "rand_scale_min": 0.8, "rand_scale_max": 1.4, "rand_scale_step": 0.2,
    "input_size": [383, 383], "output_sizes": [[96, 96], [48, 48], [24, 24], [12, 12]],
    "lighting": True, "border": 64, "gaussian_bump": False, "gaussian_iou": 0.7, "gaussian_radius": -1,
    "rand_crop": False, "rand_color": False, "rand_center": True, "view_sizes": [], "min_scale": 16, "max_scale": 32,
    "att_sizes": [[16, 16], [32, 32], [64, 64]], "att_ranges": [[96, 256], [32, 96], [0, 32]],
    "att_ratios": [16, 8, 4],
}  # fmt: skip

READ = {
    "cornernet": {
        "categories", "input_size", "output_sizes", "border", "lighting", "rand_crop", "rand_color", "rand_scales",
        "gaussian_bump", "gaussian_iou", "gaussian_radius",
    },
    "cornernet_saccade": {
        "categories", "input_size", "output_sizes", "rand_scales", "rand_crop", "rand_center", "gaussian_iou",
        "gaussian_radius", "att_ratios", "att_ranges", "att_sizes", "min_scale",
    },
}  # fmt: skip
"""The keys that a sampler reads and uses; `view_sizes` and `max_scale` are read and not used."""

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "categories": st.integers(1, 100),
    "rand_scales": st.none() | st.lists(st.sampled_from([0.5, 1, 1.25]), min_size=1, max_size=3),
    "rand_scale_min": st.sampled_from([0.25, 0.5, 0.6, 0.9]),
    "rand_scale_max": st.sampled_from([1, 1.1, 1.4, 2]),
    "rand_scale_step": st.sampled_from([0.1, 0.25, 0.3]),
    "input_size": st.sampled_from([[127, 127], [255, 255], [511, 511]]),
    "output_sizes": st.lists(st.sampled_from([[32, 64], [64, 64], [128, 128]]), min_size=1, max_size=3),
    "border": st.integers(1, 200),
    "gaussian_iou": st.floats(0.1, 0.9),
    "gaussian_radius": st.integers(-1, 9),
    "min_scale": st.integers(0, 99),
    "max_scale": st.integers(0, 99),
    "view_sizes": st.just([]),
    "att_sizes": st.sampled_from([[], [[16, 16]], [[16, 32], [32, 32]], [[64, 64]] * 3, [[16, 16]] * 4]),
    "att_ratios": st.sampled_from([[16], [16, 8], [16, 16, 4], [32, 32, 32, 32]]),
    "att_ranges": st.lists(st.sampled_from([[0, 32], [32, 96], [96, 256]]), max_size=4),
    **dict.fromkeys(
        ("rand_crop", "rand_center", "rand_color", "lighting", "gaussian_bump", "data_aug", "test_flipped"),
        st.booleans(),
    ),
    **dict.fromkeys(("top_k", "rand_full_crop", "gaussian_rad", "my_own_key"), st.sampled_from([1, None, "x"])),
}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw a sampling function and a `db` section, mostly with the keys without which it is refused."""
    function = draw(st.sampled_from(sorted(READ)))
    db = draw(st.fixed_dictionaries({}, optional=VALUES))
    return function, db | NEEDED[function] if draw(st.integers(0, 4)) else db


class Published:
    """What the published code makes of a file's `db` section."""

    def __init__(self, function: str, db: dict[str, Any]) -> None:
        self.function, self.db = function, db
        self.configs = DEFAULTS | {key: value for key, value in db.items() if key in DEFAULTS}
        if self.configs["rand_scales"] is None:
            low, high, step = (self.configs[f"rand_scale_{part}"] for part in ("min", "max", "step"))
            self.configs["rand_scales"] = np.arange(low, high, step).tolist()

    def fails(self) -> bool:
        """Whether the sampler cannot be what the file says: the published code fails, or crops are not random."""
        (height, width), (side, _) = self.configs["output_sizes"][0], self.configs["input_size"]
        if height > side or width > side:
            return True
        if self.function == "cornernet":
            return not self.configs["rand_crop"]
        sizes, ratios, ranges = (self.configs[f"att_{column}"] for column in ("sizes", "ratios", "ranges"))
        if min(len(ratios), len(ranges)) < len(sizes):
            return True
        return any(min(size) * ratio < side for size, ratio in zip(sizes, ratios, strict=False))

    def values(self) -> dict[str, Any]:
        """Return the values that a sample depends on, under the names of `SamplerConfig`."""
        configs = self.configs
        names = {"gaussian_iou", "gaussian_radius", "rand_crop"}
        if self.function == "cornernet":
            names |= {"border", "lighting", "rand_color", "gaussian_bump"}
        else:
            names |= {"rand_center", "min_scale"}
        values = {name: configs[name] for name in names} | {
            "input_size": tuple(configs["input_size"]),
            "output_size": tuple(configs["output_sizes"][0]),
            "rand_scales": tuple(configs["rand_scales"]),
            "categories": self.db.get("categories"),
            "max_objects": 128,
        }
        if self.function == "cornernet_saccade":
            values |= {"rand_color": True, "lighting": True, "gaussian_bump": True}  # without a condition
        return values

    def maps(self) -> list[tuple[tuple[int, ...], int, tuple[float, ...]]]:
        if self.function == "cornernet":
            return []
        columns = (self.configs["att_sizes"], self.configs["att_ratios"], self.configs["att_ranges"])
        return [(tuple(size), ratio, tuple(longest)) for size, ratio, longest in zip(*columns, strict=False)]

    def unused(self) -> set[str]:
        read = READ[self.function]
        if "rand_scales" in self.db and self.db["rand_scales"] is None:
            read = read | {"rand_scale_min", "rand_scale_max", "rand_scale_step"}
        return set(self.db) - read


@settings(max_examples=1000, deadline=None)
@given(files())
def test_a_random_file_means_what_it_means_in_the_published_code(
    tmp_path_factory: pytest.TempPathFactory, content: tuple[str, dict[str, Any]]
) -> None:
    function, db = content
    published = Published(function, db)
    file = tmp_path_factory.getbasetemp() / "random.json"
    file.write_text(json.dumps({"system": {"sampling_function": function}, "db": db}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if published.fails():
            with pytest.raises(ConfigError, match=r"random\.json: "):
                load_config(str(file))
            return
        config = load_config(str(file))
    values = published.values()
    assert {name: getattr(config, name) for name in values} == values
    assert [(one.size, one.ratio, one.longest) for one in config.attention] == published.maps()
    ignored = {key for one in caught for key in str(one.message).split(": ")[1].split("; ")[0].split(", ")}
    assert {key for key in ignored if "[" not in key} == published.unused()
