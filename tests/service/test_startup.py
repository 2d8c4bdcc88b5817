"""Starting a server: settings and datasets, and one line instead of a stack trace if something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.demo.dataset import DemoDataset
from service.settings.load import SettingsError, load_settings
from tests.support.coco_files import Entry, box_entry, image_entry, small_coco, write_dataset, write_jpeg, write_json
from tests.support.live_server import LiveServer, failure, live_server
from tests.support.paths import ROOT
from tests.support.wire_client import get_spec, one_batch


def annotated(tmp_path: Path, content: object) -> dict[str, object]:
    """Settings for an annotation file with that content, next to a folder of images."""
    annotations, images = write_dataset(tmp_path)
    annotations.write_text(json.dumps(content))
    return {"annotations": annotations, "images": images}


def test_an_invalid_annotation_file_is_named_with_place_and_cause(tmp_path: Path) -> None:
    """Which files are invalid is tested with the parser of annotations."""
    content = small_coco()
    content["annotations"].append(box_entry(77, 10, 4, [1, 1, 9, 9]))
    line = failure(tmp_path, **annotated(tmp_path, content))
    assert "annotations.json: $.annotations[5].category_id: annotation 77 has category_id 4" in line


def test_a_missing_annotation_file_is_named(tmp_path: Path) -> None:
    settings = annotated(tmp_path, small_coco())
    line = failure(tmp_path, **{**settings, "annotations": tmp_path / "nowhere.json"})
    assert "nowhere.json" in line


def test_a_missing_image_folder_is_named(tmp_path: Path) -> None:
    settings = annotated(tmp_path, small_coco())
    line = failure(tmp_path, **{**settings, "images": tmp_path / "nowhere"})
    assert "nowhere: image folder does not exist" in line


def test_bad_single_boxes_are_dropped_and_the_rest_is_served(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"] += [
        box_entry(71, 20, 7, [1, 1, float("nan"), 5]),
        box_entry(72, 20, 7, [1, 1, -3, 5]),
        box_entry(73, 20, 7, [1, 1, 40, 5]),
    ]
    settings = annotated(tmp_path, content)
    with live_server(tmp_path, cache_dir=tmp_path / "cache", workers=1, **settings) as server:
        rows = httpx.get(f"{server.url}/debug/samples/1").json()["boxes"]
    assert [row["original"] for row in rows if row["original"]] == [[1.0, 1.0, 41.0, 6.0]]


def test_the_start_line_has_the_numbers_of_images_and_boxes(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"].append(box_entry(71, 20, 7, [1, 1, 0, 0]))
    with live_server(tmp_path, cache_dir=tmp_path / "cache", workers=1, **annotated(tmp_path, content)) as server:
        spec = get_spec(server.url)
        assert "serving annotations: 3 images (1 without boxes), 5 boxes (1 dropped), 4 categories" in server.log
        assert "1 of 6 boxes are invalid and were dropped" in server.log
    assert (spec.boxes, spec.dropped_boxes, spec.images_without_boxes) == (5, 1, 1)


def test_a_server_whose_boxes_were_all_dropped_does_not_start(tmp_path: Path) -> None:
    content = small_coco() | {"annotations": [box_entry(71, 20, 7, [1, 1, 0, 0])]}
    line = failure(tmp_path, **annotated(tmp_path, content))
    assert (
        "annotations.json: $.annotations: none of the 1 boxes is valid; the first is annotation 71 of image 20" in line
    )


def test_a_box_without_area_is_served_from_its_segmentation(tmp_path: Path) -> None:
    outline = [[5, 10, 25, 10, 25, 30, 5, 30]]
    content = small_coco() | {"annotations": [box_entry(71, 20, 7, [0, 0, 0, 0], segmentation=outline)]}
    with live_server(tmp_path, cache_dir=tmp_path / "cache", workers=1, **annotated(tmp_path, content)) as server:
        rows = httpx.get(f"{server.url}/debug/samples/1").json()["boxes"]
    assert [row["original"] for row in rows if row["original"]] == [[5.0, 10.0, 25.0, 30.0]]


def test_several_annotation_files_and_a_subset_are_one_dataset(tmp_path: Path) -> None:
    first, second = write_dataset(tmp_path / "0"), write_dataset(tmp_path / "1", moved(small_coco()))
    ids = write_json(tmp_path / "ids.json", [10, 11, 31])
    settings = {
        "annotations": json.dumps([str(first[0]), str(second[0])]),
        "images": json.dumps([str(first[1]), str(second[1])]),
        "subset": ids,
    }
    with live_server(tmp_path, cache_dir=tmp_path / "cache", workers=1, **settings) as server:
        assert get_spec(server.url).size == 3
        shown = [httpx.get(f"{server.url}/debug/samples/{index}").json()["image"] for index in range(3)]
        one_batch(server.url, "indices=0,1,2")
    assert [image["id"] for image in shown] == [10, 11, 31]
    assert [image["file_name"][:2] for image in shown] == ["0/", "1/", "1/"]


def moved(content: Entry) -> Entry:
    """The same images with other ids."""
    for entry in (*content["images"], *content["annotations"]):
        entry["image_id" if "image_id" in entry else "id"] += 1
    return content


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workers": "many"}, ["SAMPLER_WORKERS", "'many'", "integer"]),
        ({"config": "cornernet_lite"}, ["'cornernet_lite'", "cornernet_saccade"]),
        ({"config": "nowhere.json"}, ["nowhere.json"]),
    ],
)
def test_a_server_with_an_invalid_setting_names_it_and_the_valid_values(
    tmp_path: Path, settings: dict[str, object], words: list[str]
) -> None:
    line = failure(tmp_path, **settings)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("workers", 0, ["SAMPLER_WORKERS", "greater than or equal to 1"]),
        ("anotations", "x.json", ["SAMPLER_ANOTATIONS", "did you mean SAMPLER_ANNOTATIONS?"]),
        ("annotations", "x.json", ["SAMPLER_IMAGES is not set"]),
        ("annotations", '["x.json", 5]', ["SAMPLER_ANNOTATIONS", "expected one path, or a JSON list of paths"]),
        ("subset", "ids.json", ["SAMPLER_SUBSET is set without SAMPLER_ANNOTATIONS"]),
        ("settings", "nowhere.toml", ["SAMPLER_SETTINGS", "nowhere.toml"]),
        ("log_level", "loud", ["SAMPLER_LOG_LEVEL", "'loud'"]),
    ],
)
def test_an_invalid_setting_is_named_with_the_valid_values(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object, words: list[str]
) -> None:
    monkeypatch.setenv(f"SAMPLER_{name.upper()}", str(value))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workers = ", ["settings.toml"]),
        ("wokers = 2", ["settings.toml", "wokers", "no such setting; did you mean workers?"]),
        ("[dataset.train]", ["settings.toml: dataset: no such setting; did you mean datasets?"]),
        ("[datasets.train]\nanotations = 'x'", ["datasets.train.anotations: no such", "did you mean annotations?"]),
        ("annotations = 3", ["settings.toml: annotations = 3: expected a path or a list of paths"]),
        ("subset = 3", ["settings.toml: subset = 3: expected a path"]),
        ("datasets = 3", ["settings.toml: datasets = 3: expected tables such as [datasets.train]"]),
        ("[datasets]\ntrain = 3", ["datasets.train = 3: expected a table such as [datasets.train]"]),
        ("[datasets.'a/b']", ["datasets.a/b", "expected a name of letters, digits"]),
        ('max_batch = "many"', ["settings.toml: max_batch = 'many'"]),
    ],
)
def test_an_invalid_settings_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, words: list[str]
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    monkeypatch.setenv("SAMPLER_SETTINGS", str(file))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_toml_file_sets_what_variables_do_not(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    file = tmp_path / "settings.toml"
    file.write_text(f'annotations = "{annotations}"\nimages = "{images}"\nmax_batch = 7\nworkers = 1\n')
    with live_server(tmp_path, settings=file, max_batch=9, cache_dir=tmp_path / "cache") as server:
        assert get_spec(server.url).max_batch == 9
        assert len(server.workers()) == 1
        assert get_spec(server.url).size == 3


def test_crowd_boxes_can_be_dropped_which_is_another_digest(
    scenes: tuple[Path, Path], server: LiveServer, tmp_path: Path, cache_dir: Path
) -> None:
    annotations, images = scenes
    crowded = next(i for i in range(24) if any(_crowd_flags(server, i)))
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=1, keep_crowd="false"
    ) as without:
        assert get_spec(without.url).digest != get_spec(server.url).digest
        assert len(_crowd_flags(without, crowded)) < len(_crowd_flags(server, crowded))


def _crowd_flags(server: LiveServer, index: int) -> list[bool]:
    return [row["crowd"] for row in httpx.get(f"{server.url}/debug/samples/{index}").json()["boxes"]]


def test_with_no_settings_the_demo_dataset_is_served(demo: DemoDataset, cache_dir: Path, tmp_path: Path) -> None:
    with live_server(tmp_path, cache_dir=cache_dir) as server:
        spec = get_spec(server.url)
        assert (spec.size, spec.categories) == (256, 80)
        assert len(one_batch(server.url, "seed=1&step=0&batch_size=16").samples) == 16
        assert "drawing the demo dataset" not in server.log
    assert demo.annotations.is_relative_to(cache_dir)


def test_a_changed_annotation_file_is_indexed_anew(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    settings = {"annotations": annotations, "images": images, "cache_dir": tmp_path / "cache", "workers": 1}
    with live_server(tmp_path, **settings) as server:
        before = get_spec(server.url)
    content = small_coco()
    content["images"].append(image_entry(40))
    write_jpeg(images / content["images"][-1]["file_name"], 64, 48)
    annotations.write_text(json.dumps(content))
    with live_server(tmp_path, **settings) as server:
        after = get_spec(server.url)
    assert (before.size, after.size) == (3, 4)
    assert before.digest != after.digest


TOO_LARGE = """
import os, resource
from service.lifespan.startup import _arena
from service.settings.load import SettingsError
from service.settings.server import Settings
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
before = len(os.listdir("/dev/fd"))
try:
    _arena(Settings(buffer_mb=1 << 16), 1000)
except SettingsError as error:
    print(len(os.listdir("/dev/fd")) - before, error)
"""


def test_an_arena_larger_than_the_system_provides_is_an_error_that_names_its_settings() -> None:
    done = subprocess.run([sys.executable, "-c", TOO_LARGE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("0 SAMPLER_BUFFER_MB = 65536, SAMPLER_MAX_REQUESTS = 64: ")
