"""CornerNet-Lite config files load unchanged."""

import json
from pathlib import Path
from typing import Any

import pytest

from sampler.config.cornernet_lite import IgnoredKeysWarning, config_of, load_config
from sampler.config.presets import PRESETS
from sampler.errors import ConfigError

SACCADE = PRESETS["cornernet_saccade"]

# The keys and values of the published files that a sampler could look at; what trains or tests is cut down.
PUBLISHED: dict[str, dict[str, Any]] = {
    "cornernet_saccade": {
        "system": {"sampling_function": "cornernet_saccade", "batch_size": 48, "chunk_sizes": [12, 12, 12, 12]},
        "db": {
            "rand_scale_min": 0.5, "rand_scale_max": 1.1, "rand_scale_step": 0.1, "rand_scales": None,
            "rand_full_crop": True, "gaussian_bump": True, "gaussian_iou": 0.5, "min_scale": 16,
            "input_size": [255, 255], "output_sizes": [[64, 64]], "categories": 80, "att_max_crops": 30,
            "max_per_image": 100,
        },
    },
    "cornernet": {
        "system": {"sampling_function": "cornernet", "batch_size": 49},
        "db": {
            "rand_scale_min": 0.6, "rand_scale_max": 1.4, "rand_scale_step": 0.1, "rand_scales": None,
            "rand_crop": True, "rand_color": True, "border": 128, "gaussian_bump": True, "gaussian_iou": 0.3,
            "input_size": [511, 511], "output_sizes": [[128, 128]], "test_scales": [1], "categories": 80,
        },
    },
    "cornernet_squeeze": {
        "system": {"sampling_function": "cornernet", "batch_size": 55},
        "db": {
            "rand_scale_min": 0.6, "rand_scale_max": 1.4, "rand_scale_step": 0.1, "rand_scales": None,
            "rand_crop": True, "rand_color": True, "border": 128, "gaussian_bump": True, "gaussian_iou": 0.3,
            "input_size": [511, 511], "output_sizes": [[64, 64]], "top_k": 20,
        },
    },
}  # fmt: skip


def write(folder: Path, document: object, name: str = "mine") -> str:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document))
    return str(file)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_files_give_the_presets_and_one_warning_with_the_ignored_keys(tmp_path: Path, name: str) -> None:
    with pytest.warns(IgnoredKeysWarning) as caught:
        config = load_config(write(tmp_path, PUBLISHED[name], name))
    assert config == PRESETS[name]
    assert len(caught) == 1
    listed = str(caught[0].message).split(": ")[1].split(", ")
    expected = {"rand_full_crop", "categories", "att_max_crops", "max_per_image", "test_scales", "top_k"}
    assert set(listed) == expected & set(PUBLISHED[name]["db"])
    assert listed == sorted(listed)


def test_a_preset_is_loaded_by_its_name() -> None:
    assert load_config("cornernet_squeeze") is PRESETS["cornernet_squeeze"]


def test_every_field_a_sample_depends_on_can_be_set() -> None:
    db = {
        "rand_crop": True, "rand_center": False, "rand_color": False, "lighting": False, "gaussian_bump": False,
        "gaussian_iou": 0.7, "gaussian_rad": 3, "min_scale": 8, "border": 64, "max_objects": 50, "keep_crowd": False,
        "rand_scales": [1, 2.5], "input_size": [127, 127], "output_sizes": [[32, 16]],
        "att_sizes": [[8, 8]], "att_ratios": [16], "att_ranges": [[0, 300]],
    }  # fmt: skip
    config = config_of({"db": db}, "mine")
    assert (config.kind, config.name) == ("saccade", "mine")
    assert (config.rand_crop, config.rand_center, config.rand_color, config.lighting) == (True, False, False, False)
    assert (config.gaussian_bump, config.gaussian_iou, config.gaussian_radius) == (False, 0.7, 3)
    assert (config.min_scale, config.border, config.max_objects, config.keep_crowd) == (8, 64, 50, False)
    assert (config.rand_scales, config.input_size, config.output_size) == ((1, 2.5), (127, 127), (32, 16))
    assert [(a.size, a.ratio, a.longest) for a in config.attention] == [((8, 8), 16, (0, 300))]


def test_the_sampling_function_selects_the_preset_or_else_the_keys_do() -> None:
    assert config_of({"system": {"sampling_function": "cornernet_saccade"}}, "a").kind == "saccade"
    assert config_of({"system": {}}, "a").kind == "cornernet"
    assert config_of({"db": {"att_ratios": [16, 8, 4]}}, "a").kind == "saccade"
    assert config_of({"border": 12}, "a").border == 12
    with pytest.warns(IgnoredKeysWarning, match="att_sizes"):
        config_of({"system": {"sampling_function": "cornernet"}, "db": {"att_sizes": []}}, "a")


BAD_DB: list[tuple[dict[str, Any], str]] = [
    ({"rand_scale_min": 0.5}, "rand_scale_min: expected rand_scale_min, rand_scale_max and rand_scale_step together"),
    ({"rand_scale_min": 2, "rand_scale_max": 1, "rand_scale_step": 0.1}, "expected min < max"),
    ({"rand_scale_min": 0, "rand_scale_max": 1, "rand_scale_step": 0}, "expected min < max and a step above 0"),
    ({"rand_scale_min": 0.1, "rand_scale_max": 1, "rand_scale_step": 1e-300}, "at most 1024 scales"),
    (
        {"rand_scale_min": float("nan"), "rand_scale_max": 1, "rand_scale_step": 0.1},
        "rand_scale_min = nan: expected a finite number",
    ),
    ({"rand_scale_min": 0.1, "rand_scale_max": float("inf"), "rand_scale_step": 0.1}, "rand_scale_max = inf: expected"),
    (
        {"rand_scale_min": "0", "rand_scale_max": 1, "rand_scale_step": 0.1},
        "rand_scale_min = '0': expected a finite number",
    ),
    (
        {"rand_scale_min": 10**400, "rand_scale_max": 1, "rand_scale_step": 1},
        "rand_scale_min = 10*: expected a finite number",
    ),
    ({"rand_scales": 3}, "rand_scales = 3"),
    ({"rand_scales": [[1]]}, r"rand_scales = \[1\]"),
    ({"rand_scales": [10**400]}, "rand_scales = "),
    ({"input_size": 255}, r"input_size = 255: expected \[height, width\]"),
    ({"input_size": [255, "255"]}, "input_size = '255': expected an integer"),
    ({"output_sizes": [64, 64]}, r"output_sizes = \[64, 64\]: expected a list of one"),
    ({"output_sizes": [[64, 64], [32, 32]]}, "expected a list of one"),
    ({"output_sizes": [[64]]}, r"output_sizes\[0\] = \[64\]"),
    ({"gaussian_iou": 1.5}, r"gaussian_iou = 1\.5: expected a number above 0 and below 1"),
    ({"gaussian_rad": -5}, "gaussian_radius = -5"),
    ({"border": "128"}, "border = '128'"),
    ({"rand_color": 1}, "rand_color = 1: expected true or false"),
    ({"att_sizes": 3}, "att_sizes = 3: expected a list"),
    ({"att_ratios": [16, 8]}, "att_sizes has 3, att_ratios has 2, att_ranges has 3: expected equal lengths"),
    ({"att_ranges": [[1], [2], [3]]}, r"att_ranges\[0\] = \[1\]"),
    ({"att_ranges": [["a", "b"], [0, 1], [0, 1]]}, r"attention\[0\]\.longest = 'a'"),
    ({"att_sizes": [[16, 16], [32, 32], [6, 64]]}, "covers 24 pixels"),
]


@pytest.mark.parametrize(("db", "cause"), BAD_DB)
def test_a_bad_value_is_refused_with_its_file_and_name(tmp_path: Path, db: dict[str, Any], cause: str) -> None:
    document = {"system": {"sampling_function": "cornernet_saccade"}, "db": db}
    with pytest.raises(ConfigError, match=cause) as caught:
        load_config(write(tmp_path, document))
    assert str(caught.value).startswith(str(tmp_path / "mine.json: "))


@pytest.mark.parametrize(("document", "cause"), [
    ([], "expected an object with a `db` section, found list"),
    ({"db": 3}, "db = 3: expected an object"),
    ({"system": {"sampling_function": "yolo"}, "db": {}}, r"system\.sampling_function = 'yolo': expected one of"),
    ({"system": {"sampling_function": []}, "db": {}}, r"system\.sampling_function = \[\]"),
])  # fmt: skip
def test_a_document_of_another_form_is_refused(tmp_path: Path, document: object, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        load_config(write(tmp_path, document))


def test_errors_name_a_path_without_a_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="config = 'nothing': expected one of"):
        load_config("nothing")
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read: No such file"):
        load_config(str(tmp_path / "none.json"))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(str(tmp_path))
    for content in (b" ", b"{", b'"\\x"'):
        (tmp_path / "bad.json").write_bytes(content)
        with pytest.raises(ConfigError, match=r"bad\.json: not JSON"):
            load_config(str(tmp_path / "bad.json"))
