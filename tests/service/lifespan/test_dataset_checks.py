"""What a server checks of a dataset before it serves it."""

import logging
from pathlib import Path

import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.errors import AnnotationError, ImageSourceError
from service.lifespan.dataset_checks import SAMPLED, check_dataset
from tests.support.coco_files import Entry, box_entry, category_entry, coco, image_entry, small_coco, write_dataset

NOTHING = box_entry(71, 20, 7, [1, 1, 0, 0])


def opened(folder: Path, content: Entry) -> Dataset:
    return open_dataset(*write_dataset(folder, content), folder / "cache")


def warnings_of(dataset: Dataset, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.INFO, "saccade_sampler"):
        check_dataset("train", dataset)
    assert all(record.levelname == "WARNING" for record in caplog.records)
    return [record.getMessage() for record in caplog.records]


def test_nothing_is_logged_of_a_dataset_that_is_used_completely(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings_of(opened(tmp_path, small_coco()), caplog) == []


def test_dropped_boxes_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = small_coco()
    content["annotations"].append(NOTHING)
    [line] = warnings_of(opened(tmp_path, content), caplog)
    assert line.startswith("train: 1 of 6 boxes are invalid and were dropped; run `saccade-sampler verify`")


def test_boxes_of_unlisted_images_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = small_coco()
    content["annotations"].append(box_entry(72, 99, 7, [1, 1, 5, 5]))
    [line] = warnings_of(opened(tmp_path, content), caplog)
    assert line.startswith("train: boxes of images that are not listed are ignored: 1; ")


def test_a_dataset_without_any_box_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = small_coco() | {"annotations": []}
    assert warnings_of(opened(tmp_path, content), caplog) == [
        "train: the dataset has no boxes: all targets will be empty"
    ]


def test_a_dataset_whose_boxes_were_all_dropped_is_refused(tmp_path: Path) -> None:
    dataset = opened(tmp_path, small_coco() | {"annotations": [NOTHING]})
    with pytest.raises(
        AnnotationError, match="none of the 1 boxes is valid; the first is annotation 71 of image 20"
    ) as caught:
        check_dataset("train", dataset)
    assert caught.value.file == str(tmp_path / "annotations.json")


def test_a_dataset_whose_boxes_are_all_of_other_images_is_refused(tmp_path: Path) -> None:
    dataset = opened(tmp_path, small_coco() | {"annotations": [box_entry(72, 99, 7, [1, 1, 5, 5])]})
    with pytest.raises(AnnotationError, match="none of the 1 boxes is of an image that is listed; the first is"):
        check_dataset("train", dataset)


def test_a_folder_without_any_of_the_images_is_refused_with_what_it_has(tmp_path: Path) -> None:
    dataset = opened(tmp_path, small_coco())
    for file in (tmp_path / "images").iterdir():
        file.rename(file.with_suffix(".png"))
    with pytest.raises(ImageSourceError, match=r"none of 3 sampled images exists here, .*; the folder has 0.*\.png"):
        check_dataset("train", dataset)


def test_each_of_several_folders_must_have_some_of_its_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = write_dataset(tmp_path / "first", small_coco())
    second = write_dataset(tmp_path / "second", small_coco() | {"images": [image_entry(40)], "annotations": []})
    files, folders = zip(first, second, strict=True)
    assert warnings_of(open_dataset(files, folders, tmp_path / "cache"), caplog) == []
    wrong = open_dataset(files, [folders[0], folders[0]], tmp_path / "cache")
    with pytest.raises(ImageSourceError, match=r"first/images: none of 1 sampled images exists here, .*000040\.jpg"):
        check_dataset("train", wrong)


def test_a_folder_whose_images_are_all_links_to_elsewhere_is_refused_with_the_cause(tmp_path: Path) -> None:
    dataset = opened(tmp_path, small_coco())
    (tmp_path / "elsewhere").mkdir()
    for file in (tmp_path / "images").iterdir():
        moved = file.rename(tmp_path / "elsewhere" / file.name)
        file.symlink_to(moved)
    with pytest.raises(ImageSourceError, match=r"none of 3 sampled images can be read, .*link.*SAMPLER_FOLLOW_LINKS"):
        check_dataset("train", dataset)


def test_some_missing_images_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = opened(tmp_path, small_coco())
    (tmp_path / "images/000000000010.jpg").unlink()
    [line] = warnings_of(dataset, caplog)
    assert line.startswith(f"train: images missing: 1 of 3 that were looked for ({tmp_path}/images/000000000010.jpg: ")


@pytest.mark.parametrize(("images", "looked_at"), [(1, 1), (31, 31), (32, 32), (500, 32)])
def test_at_most_32_images_are_looked_at(
    images: int, looked_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SAMPLED == 32
    entries = [image_entry(number, file_name="a.jpg") for number in range(images)]
    dataset = opened(tmp_path, coco(entries, [box_entry(1, 0, 1, [1, 1, 5, 5])], [category_entry(1)]))
    seen, read_range = list[str](), dataset.images.read_range

    def watched(name: str, start: int, length: int) -> bytes:
        seen.append(name)
        return read_range(name, start, length)

    monkeypatch.setattr(dataset.images, "read_range", watched)
    check_dataset("train", dataset)
    assert len(seen) == looked_at
