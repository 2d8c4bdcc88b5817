"""`saccade-sampler index --hash-images`: what it records, prints and returns."""

import json
import subprocess
from pathlib import Path

from sampler.dataset.dataset import Dataset, open_dataset
from tests.support.coco_files import image_file, write_jpeg
from tests.support.processes import run_python
from tests.support.stores import Source


def index(source: Source, cache_dir: Path, *options: object) -> "subprocess.CompletedProcess[str]":
    settings = dict(zip(("annotations", "images", "cache_dir"), (*source, cache_dir), strict=True))
    return run_python("-m", "sampler", "index", *options, settings=settings, check=False)


def pixels(source: Source, cache_dir: Path) -> str | None:
    return open_dataset(*source, cache_dir).pixels


def test_the_hashes_of_all_images_are_recorded(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    assert index(source, tmp_path).returncode == 0
    assert pixels(source, tmp_path) is None, "hashing reads every image, so it is not done unasked"
    done = index(source, tmp_path, "--hash-images")
    assert done.returncode == 0, done.stderr
    assert "24/24" in done.stderr
    found = pixels(source, tmp_path)
    assert found is not None
    assert found in done.stdout
    assert dataset.digest in done.stdout
    again = index(source, tmp_path, "--hash-images")
    assert "no file has changed" in again.stdout
    assert found in index(source, tmp_path).stdout, "the digest is shown from now on"
    assert pixels(source, tmp_path) == found


def test_changed_files_are_counted_and_named_with_both_digests(
    source: Source, dataset: Dataset, tmp_path: Path
) -> None:
    index(source, tmp_path, "--hash-images")
    older = pixels(source, tmp_path)
    for place in (3, 8, 9):
        height, width = dataset.size(place)
        write_jpeg(image_file(dataset, place), width, height, seed=99)
    done = index(source, tmp_path, "--hash-images", "--examples", 2)
    newer = pixels(source, tmp_path)
    assert done.returncode == 0
    assert older is not None
    assert newer is not None
    assert older != newer
    assert older in done.stdout
    assert newer in done.stdout
    assert f"changed {image_file(dataset, 3)}" in done.stdout
    assert "changed … and 1 more" in done.stdout


def test_missing_images_are_listed_and_the_exit_status_is_1(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    image_file(dataset, 5).unlink()
    done = index(source, tmp_path, "--hash-images")
    assert done.returncode == 1, done.stderr
    assert f"missing {image_file(dataset, 5)}: the file does not exist" in done.stdout
    assert pixels(source, tmp_path) is not None


def test_hashes_stay_as_they_are_if_no_image_can_be_read(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    """Such as in a folder whose disk is not mounted."""
    index(source, tmp_path, "--hash-images")
    recorded = pixels(source, tmp_path)
    for place in range(len(dataset)):
        image_file(dataset, place).unlink()
    done = index(source, tmp_path, "--hash-images")
    assert done.returncode != 0
    assert "none of 24 images can be read" in done.stderr
    assert pixels(source, tmp_path) == recorded


def test_the_folder_of_the_images_is_needed(source: Source, tmp_path: Path) -> None:
    settings = {"annotations": source[0], "cache_dir": tmp_path}
    done = run_python("-m", "sampler", "index", "--hash-images", settings=settings, check=False)
    assert done.returncode == 2
    assert "SAMPLER_IMAGES" in done.stderr


def test_one_folder_may_serve_several_annotation_files(source: Source, tmp_path: Path) -> None:
    annotations, images = source
    files = [annotations, tmp_path / "more.json"]
    content = json.loads(annotations.read_text())
    files[1].write_text(json.dumps(content | {"images": [content["images"][0] | {"id": -1}], "annotations": []}))
    settings = {"annotations": json.dumps([str(file) for file in files]), "images": images, "cache_dir": tmp_path}
    done = run_python("-m", "sampler", "index", "--hash-images", settings=settings, check=False)
    assert done.returncode == 0, done.stdout
    assert open_dataset(files, images, tmp_path).pixels is not None


def test_an_empty_folder_of_one_of_several_annotation_files_is_an_error(source: Source, tmp_path: Path) -> None:
    annotations, images = source
    files, empty = [annotations, tmp_path / "more.json"], tmp_path / "not mounted"
    content = json.loads(annotations.read_text())
    files[1].write_text(json.dumps(content | {"images": [content["images"][0] | {"id": -1}], "annotations": []}))
    empty.mkdir()
    lists = {"annotations": [*map(str, files)], "images": [str(images), str(empty)]}
    settings = {name: json.dumps(paths) for name, paths in lists.items()} | {"cache_dir": tmp_path}
    done = run_python("-m", "sampler", "index", "--hash-images", settings=settings, check=False)
    assert done.returncode == 2
    assert f"{empty}: none of 1 images can be read, such as {empty}/" in done.stderr
    assert open_dataset(files, [images, empty], tmp_path).pixels is None


def test_there_must_be_as_many_folders_as_annotation_files(source: Source, tmp_path: Path) -> None:
    settings = {"annotations": source[0], "images": json.dumps([str(source[1])] * 2), "cache_dir": tmp_path}
    done = run_python("-m", "sampler", "index", settings=settings, check=False)
    assert done.returncode == 2
    assert "error: annotation files: 1, image folders: 2; give as many folders as files" in done.stderr
