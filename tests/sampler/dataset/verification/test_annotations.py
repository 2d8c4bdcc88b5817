"""Findings in boxes, ids and names. The data is used as it is."""

from pathlib import Path

import pytest

from sampler.dataset.dataset import open_dataset
from sampler.dataset.verification.report import Report
from sampler.dataset.verification.verify import verify_dataset
from tests.support.coco_files import Entry, box_entry, category_entry, coco, image_entry, write_dataset

BOX = [10, 20, 30, 20]


def verified(folder: Path, content: Entry) -> Report:
    return verify_dataset(open_dataset(*write_dataset(folder, content), folder))


def only(report: Report, kind: str) -> list[str]:
    """Return the findings of a report that has notes of one kind and nothing else."""
    assert {kind for kind, count in report.counts.items() if count} == {kind}
    assert report.clean
    assert report.counts[kind] == len(report.examples[kind])
    return [f"{finding.where}: {finding.what}" for finding in report.examples[kind]]


def two_images(*annotations: Entry) -> Entry:
    images = [image_entry(1, file_name="1.jpg"), image_entry(2, file_name="2.jpg")]
    return coco(images, [*annotations, box_entry(90, 1, 1, BOX), box_entry(91, 2, 1, BOX)], [category_entry(1)])


def test_annotations_with_the_same_id_are_listed(tmp_path: Path) -> None:
    content = two_images(box_entry(5, 1, 1, [1, 2, 30, 40]), box_entry(5, 2, 1, [5, 5, 9, 9]))
    assert only(verified(tmp_path, content), "duplicate-id") == [
        "annotation 5 in 2.jpg: has the id of annotation 5 in 1.jpg"
    ]


def test_boxes_with_image_category_and_coordinates_of_another_are_listed(tmp_path: Path) -> None:
    content = two_images(box_entry(5, 1, 1, BOX), box_entry(6, 1, 1, [10, 20, 30, 20.5]))
    assert only(verified(tmp_path, content), "identical") == [
        "annotation 90 in 1.jpg: box (10, 20, 30, 20) and category are those of annotation 5"
    ]


def test_equal_boxes_of_different_categories_are_not_identical(tmp_path: Path) -> None:
    content = two_images(box_entry(5, 1, 2, BOX))
    content["categories"].append(category_entry(2))
    report = verified(tmp_path, content)
    assert sum(report.counts.values()) == 0


@pytest.mark.parametrize("name", ["1.jpg", "./1.jpg", "x/1.jpg"])
def test_images_with_the_same_file_are_listed(name: str, tmp_path: Path) -> None:
    content = two_images(box_entry(5, 3, 1, BOX))
    content["images"].append(image_entry(3, file_name=name))
    report = verified(tmp_path, content)
    if name == "x/1.jpg":
        assert sum(report.counts.values()) == 0, "another file of the same name"
    else:
        assert only(report, "shared-file") == [f"image 3 ({name}): has the file of image 1"]


def test_categories_with_the_same_name_are_listed(tmp_path: Path) -> None:
    content = two_images()
    content["categories"] += [category_entry(7, "kind 1"), category_entry(8, "Kind 1")]
    assert only(verified(tmp_path, content), "same-name") == ["category 7: is called 'kind 1', as is category 1"]


def test_boxes_below_one_pixel_are_listed_with_their_probable_cause(tmp_path: Path) -> None:
    content = two_images(box_entry(5, 1, 1, [0.1, 0.2, 0.3, 0.4]), box_entry(6, 1, 1, [7, 8, 0.5, 30]))
    assert only(verified(tmp_path, content), "tiny") == [
        "annotation 5 in 1.jpg: box (0.1, 0.2, 0.3, 0.4) is smaller than one pixel; "
        "probably normalised coordinates (0…1)",
        "annotation 6 in 1.jpg: box (7, 8, 0.5, 30) is smaller than one pixel",
    ]


def test_images_without_boxes_are_listed(tmp_path: Path) -> None:
    content = two_images()
    content["annotations"].pop()
    assert only(verified(tmp_path, content), "no-boxes") == ["image 2 (2.jpg): has no boxes"]


def test_boxes_of_unlisted_images_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    content = two_images(box_entry(5, 3, 1, BOX), box_entry(6, 4, 1, BOX))
    assert only(verified(tmp_path, content), "unlisted") == [
        "annotation 5: image 3 is not listed",
        "annotation 6: image 4 is not listed",
    ]


def test_a_dropped_box_is_a_fault(tmp_path: Path) -> None:
    report = verified(tmp_path, two_images(box_entry(5, 1, 1, [1, 2, 0, 4])))
    assert (report.faults, report.counts["dropped"]) == (1, 1)
    [finding] = report.examples["dropped"]
    assert (finding.where, finding.what) == ("annotation 5 of image 1", "no width or no height: box (1, 2, 0, 4)")


def test_data_is_used_as_it_is(tmp_path: Path) -> None:
    content = two_images(box_entry(90, 1, 1, BOX), box_entry(91, 1, 1, [0.1, 0.2, 0.3, 0.4]))
    content["images"].append(image_entry(3, file_name="1.jpg"))
    dataset = open_dataset(*write_dataset(tmp_path, content), tmp_path)
    assert (len(dataset), dataset.box_count) == (3, 4)
