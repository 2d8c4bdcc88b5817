"""Config files are loaded: CornerNet-Lite's unchanged, and those of other detector families."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sampler.config.cornernet_lite import FIELDS, IgnoredKeysWarning, config_of, load_config, load_with_origins
from sampler.config.presets import PRESETS
from sampler.errors import ConfigError
from tests.support import toy_family
from tests.support.system_faults import forbidden

TOY = toy_family.FAMILY.presets[0]

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
            "input_size": [511, 511], "output_sizes": [[64, 64]], "top_k": 20, "categories": 80,
        },
    },
}  # fmt: skip


SACCADE = {"input_size": [255, 255], "output_sizes": [[64, 64]]}
"""A `db` section that cornernet_saccade accepts."""

CORNERNET = {"rand_crop": True}
"""A `db` section that cornernet accepts."""


def write(folder: Path, document: object, name: str = "mine") -> str:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document))
    return str(file)


def of_family(function: str, db: dict[str, Any]) -> dict[str, Any]:
    return {"system": {"sampling_function": function}, "db": db}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_files_give_the_presets_and_one_warning_with_the_ignored_keys(tmp_path: Path, name: str) -> None:
    with pytest.warns(IgnoredKeysWarning) as caught:
        config = load_config(write(tmp_path, PUBLISHED[name], name))
    assert config == dataclasses.replace(PRESETS[name], categories=80)
    assert config.fit(80) == PRESETS[name]
    assert len(caught) == 1
    listed = str(caught[0].message).split(": ")[1].split(", ")
    expected = {"rand_full_crop", "att_max_crops", "max_per_image", "test_scales", "top_k"}
    if name == "cornernet_saccade":
        expected.add("gaussian_bump")  # that sampler always draws bumps
    assert set(listed) == expected & set(PUBLISHED[name]["db"])
    assert listed == sorted(listed)


def test_a_preset_is_loaded_by_its_name() -> None:
    assert load_config("cornernet_squeeze") is PRESETS["cornernet_squeeze"]


def test_every_field_that_cornernet_depends_on_can_be_set() -> None:
    db = {
        "rand_crop": True, "rand_color": True, "lighting": False, "gaussian_bump": True, "gaussian_iou": 0.4,
        "gaussian_radius": 3, "border": 65, "max_objects": 50, "keep_crowd": False, "categories": 7,
        "rand_scales": [1, 2.5], "input_size": [127, 127], "output_sizes": [[32, 16]],
    }  # fmt: skip
    config = config_of({"db": db}, "mine")
    assert (config.kind, config.name) == ("cornernet", "mine")
    assert (config.rand_crop, config.rand_color, config.lighting, config.gaussian_bump) == (True, True, False, True)
    assert (config.gaussian_iou, config.gaussian_radius, config.border, config.max_objects) == (0.4, 3, 65, 50)
    assert (config.keep_crowd, config.categories) == (False, 7)
    assert (config.rand_scales, config.input_size, config.output_size) == ((1, 2.5), (127, 127), (32, 16))


def test_every_field_that_cornernet_saccade_depends_on_can_be_set() -> None:
    db = {
        "rand_crop": True, "rand_center": False, "gaussian_iou": 0.4, "gaussian_radius": 3, "min_scale": 8,
        "max_objects": 50, "keep_crowd": False, "categories": 7,
        "rand_scales": [1, 2.5], "input_size": [127, 127], "output_sizes": [[32, 16]],
        "att_sizes": [[8, 8]], "att_ratios": [16], "att_ranges": [[0, 300]],
    }  # fmt: skip
    config = config_of({"db": db}, "mine")
    assert (config.kind, config.name) == ("saccade", "mine")
    assert (config.rand_crop, config.rand_center) == (True, False)
    assert (config.gaussian_iou, config.gaussian_radius, config.min_scale, config.max_objects) == (0.4, 3, 8, 50)
    assert (config.keep_crowd, config.categories) == (False, 7)
    assert (config.rand_scales, config.input_size, config.output_size) == ((1, 2.5), (127, 127), (32, 16))
    assert [(a.size, a.ratio, a.longest) for a in config.attention] == [((8, 8), 16, (0, 300))]


def test_the_sampling_function_selects_the_family_or_else_the_keys_do() -> None:
    assert config_of(of_family("cornernet_saccade", SACCADE), "a").kind == "saccade"
    assert config_of({"system": {}, "db": CORNERNET}, "a").kind == "cornernet"
    assert config_of({"db": SACCADE | {"att_ratios": [16, 8, 4]}}, "a").kind == "saccade"
    assert config_of(CORNERNET | {"border": 12}, "a").border == 12
    with pytest.warns(IgnoredKeysWarning, match="att_sizes"):
        config_of(of_family("cornernet", CORNERNET | {"att_sizes": []}), "a")


def test_cornernet_without_random_crops_is_refused_whether_the_key_is_false_or_missing() -> None:
    with pytest.raises(ConfigError, match="rand_crop = False: expected true; a cornernet sample is always a") as caught:
        config_of(of_family("cornernet", {"rand_crop": False}), "a")
    assert "not in the file" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"\(rand_crop: not in the file, so CornerNet-Lite's default is used\)$"):
        config_of(of_family("cornernet", {}), "a")


def test_a_refusal_says_so_if_the_family_is_assumed() -> None:
    with pytest.raises(ConfigError, match=r"; system\.sampling_function: not in the file, so cornernet is assumed\)$"):
        config_of({"border": 64}, "a")


def test_a_refused_value_that_is_a_default_is_reported_as_one() -> None:
    cause = (
        r"attention\[0\]: size \(16, 16\) × ratio 16 covers 256 pixels: expected at least input_size = 383, or .*"
        r" \(input_size and attention: not in the file"
    )
    with pytest.raises(ConfigError, match=cause):
        config_of(of_family("cornernet_saccade", {}), "a")


def test_a_file_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(CORNERNET), encoding="utf-8-sig")
    assert load_config(str(file)) == config_of(CORNERNET, "mine")


def test_of_a_key_given_more_than_once_the_last_counts_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"db": {"rand_crop": true, "border": 5, "border": 7}}')
    with pytest.warns(IgnoredKeysWarning, match="given more than once, of which the last counts: border$"):
        assert load_config(str(file)).border == 7


def test_a_key_with_a_line_break_forges_no_line(tmp_path: Path) -> None:
    with pytest.warns(IgnoredKeysWarning) as caught:
        load_config(write(tmp_path, CORNERNET | {"a\nINFO serving": 1}))
    assert str(caught[0].message).endswith(r"ignored: a\nINFO serving")


# --- origins ---


def test_every_value_of_a_preset_comes_from_the_preset_and_the_categories_from_the_annotations() -> None:
    origins = load_with_origins("cornernet").origins
    assert tuple(origins) == FIELDS
    assert {field for field in origins if origins[field] != "preset"} == {"categories"}
    assert origins["categories"] == "annotations"


def test_the_values_of_a_file_come_from_the_file_the_published_code_or_the_family(tmp_path: Path) -> None:
    db = {"input_size": [255, 255], "output_sizes": [[64, 64]], "rand_scales": None, "att_ratios": [16, 8, 4]}
    origins = load_with_origins(write(tmp_path, of_family("cornernet_saccade", db))).origins
    assert {field for field in FIELDS if origins[field] == "file"} == {
        "kind", "name", "input_size", "output_size", "rand_scales", "attention",
    }  # fmt: skip
    assert {field for field in FIELDS if origins[field] == "family"} == {
        "rand_color", "lighting", "gaussian_bump", "border",
    }  # fmt: skip
    assert {field for field in FIELDS if origins[field] == "published default"} == {
        "gaussian_iou", "rand_crop", "rand_center", "gaussian_radius", "max_objects", "min_scale", "keep_crowd",
        "jitter", "lighting_std", "mean", "std", "eigenvalues", "eigenvectors",
    }  # fmt: skip


def test_crowd_boxes_dropped_by_the_setting_are_not_attributed_to_the_file(tmp_path: Path) -> None:
    keeping = write(tmp_path, CORNERNET | {"keep_crowd": True}, "keeping")
    dropping = write(tmp_path, CORNERNET | {"keep_crowd": False}, "dropping")
    assert load_with_origins(keeping).origins["keep_crowd"] == "file"
    loaded = load_with_origins(keeping, keep_crowd=False)
    assert (loaded.config.keep_crowd, loaded.origins["keep_crowd"]) == (False, "setting")
    loaded = load_with_origins(dropping, keep_crowd=False)
    assert (loaded.config.keep_crowd, loaded.origins["keep_crowd"]) == (False, "file")
    assert load_with_origins("cornernet", keep_crowd=False).origins["keep_crowd"] == "setting"


# --- detector families by import path ---


def test_a_family_by_import_path_starts_from_its_first_preset(tmp_path: Path) -> None:
    file = write(tmp_path, of_family(toy_family.PATH, {"gaussian_radius": 1}))
    loaded = load_with_origins(file)
    assert loaded.config == dataclasses.replace(TOY, name="mine", gaussian_radius=1)
    assert {field for field in FIELDS if loaded.origins[field] == "file"} == {"kind", "name", "gaussian_radius"}
    assert loaded.origins["rand_scales"] == "preset"
    assert loaded.origins["attention"] == "family"


def test_a_family_by_import_path_may_give_a_range_of_scales_without_a_null() -> None:
    bounds = {"rand_scale_min": 0.5, "rand_scale_max": 1.5, "rand_scale_step": 0.5}
    assert config_of(of_family(toy_family.PATH, bounds), "mine").rand_scales == (0.5, 1.0)
    del bounds["rand_scale_max"]
    with pytest.raises(ConfigError, match="rand_scale_min, rand_scale_step: expected rand_scale_min, rand_scale_max"):
        config_of(of_family(toy_family.PATH, bounds), "mine")


# --- refusals ---


@pytest.mark.parametrize(("document", "cause"), [
    ([], "expected an object with a `db` section, found list"),
    ({"db": 3}, "db = 3: expected an object"),
    ({"system": [], "db": {}}, r"system = \[\]: expected an object"),
    ({"info": {}, "images": [], "annotations": [], "categories": []}, "found the keys info, images, annotations; give"),
    ({"system": {"sampling_function": "yolo"}, "db": {}}, r"system\.sampling_function = 'yolo': expected one of"),
    ({"system": {"sampling_function": []}, "db": {}}, r"system\.sampling_function = \[\]"),
    (of_family("cornernet", CORNERNET | {"border": "64"}), "border = '64'"),
])  # fmt: skip
def test_a_document_that_cannot_be_used_is_refused_with_its_file(tmp_path: Path, document: object, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause) as caught:
        load_config(write(tmp_path, document))
    assert str(caught.value).startswith(str(tmp_path / "mine.json: "))


def test_the_name_of_a_config_is_one_line_of_valid_text(tmp_path: Path) -> None:
    for name, shown in ((b"caf\xe9", "caf\\xe9"), (b"line\nbreak", "line\\nbreak"), ("größe".encode(), "größe")):
        file = tmp_path / os.fsdecode(name + b".json")
        file.write_text(json.dumps({"db": {"rand_crop": True}}))
        assert load_config(str(file)).name == shown


def test_the_path_of_a_config_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"db": {"rand_crop": True}})
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_config("~/mine.json").name == "mine"
    with pytest.raises(ConfigError, match=r"config = '~nobody-of-this-name/mine.json': the home folder is unknown"):
        load_config("~nobody-of-this-name/mine.json")


def test_a_config_that_this_user_may_not_see_is_not_called_unknown(tmp_path: Path) -> None:
    folder = tmp_path / "of_others"
    folder.mkdir()
    for name in ("mine.json", "mine"):
        with forbidden(folder), pytest.raises(ConfigError, match=f"{name}: cannot be read: Permission denied for user"):
            load_config(str(folder / name))


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
