"""Verifying a dataset."""

from pathlib import Path

import pytest

from sampler.dataset.dataset import Dataset, DecodedFile, open_dataset
from sampler.dataset.verification.kinds import KINDS
from sampler.dataset.verification.verify import verify_dataset
from tests.support.coco_files import (
    FAULTY_BOXES,
    box_entry,
    small_coco,
    write_dataset,
    write_faulty_dataset,
    write_jpeg,
)

IMAGE_KINDS = ("missing", "unreadable", "mis-sized", "too-large")


def test_a_sound_dataset_is_clean(tmp_path: Path) -> None:
    report = verify_dataset(open_dataset(*write_dataset(tmp_path), tmp_path))
    assert report.clean
    assert (report.images, report.boxes) == (3, 5)
    assert report.counts == dict.fromkeys(KINDS, 0) | {"no-boxes": 1}
    assert (report.faults, report.notes, report.unusable) == (0, 1, ())


def test_each_fault_is_counted_under_its_kind_with_an_example_that_names_it(tmp_path: Path) -> None:
    report = verify_dataset(open_dataset(*write_faulty_dataset(tmp_path), tmp_path))
    assert not report.clean
    counts = dict.fromkeys(IMAGE_KINDS, 1) | {"dropped": 2, "out-of-range": 2, "degenerate": 3, "no-boxes": 4}
    assert {kind: count for kind, count in report.counts.items() if count} == counts
    assert (report.faults, report.notes) == (6, 9)
    for number, kind in enumerate(IMAGE_KINDS, 2):
        [finding] = report.examples[kind]
        assert finding.where.endswith(f"{number:012d}.jpg")
    for kind in ("out-of-range", "degenerate", "dropped"):
        named = {int(finding.where.split()[1]) for finding in report.examples[kind]}
        assert named == {number for number, (_, expected) in FAULTY_BOXES.items() if expected == kind}


def test_images_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    assert verify_dataset(open_dataset(*write_faulty_dataset(tmp_path), tmp_path)).unusable == (1, 2, 3, 4)


def test_an_image_that_is_damaged_but_decoded_is_a_fault_and_a_harmless_warning_is_a_note(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    hole, extra = images / "000000000010.jpg", images / "000000000020.jpg"
    data = hole.read_bytes()
    hole.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    mark = extra.read_bytes()
    extra.write_bytes(mark[:-2] + b"\0\0\0" + mark[-2:])
    report = verify_dataset(open_dataset(annotations, images, tmp_path))
    assert (report.counts["damaged"], report.counts["warning"]) == (1, 1)
    assert report.examples["damaged"][0].where == str(hole)
    assert report.examples["warning"][0].where == str(extra)
    assert (report.faults, report.unusable) == (1, (0,))


def test_an_image_whose_orientation_was_not_applied_is_a_note(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    write_jpeg(images / "000000000010.jpg", 80, 40, orientation=6)
    report = verify_dataset(open_dataset(annotations, images, tmp_path))
    assert report.counts["orientation"] == 1
    assert report.clean


def test_names_from_a_dataset_cannot_forge_lines(tmp_path: Path) -> None:
    content = small_coco()
    content["images"][0]["id"] = "30\nno faults"
    content["images"][0]["file_name"] = "a\nno faults.jpg"
    for entry in content["annotations"]:
        entry["image_id"] = "30\nno faults" if entry["image_id"] == 30 else entry["image_id"]
    content["annotations"].append(box_entry(7, "30\nno faults", 1, [1, 2, 0, 4]))
    annotations, images = write_dataset(tmp_path, content)
    (images / "a\nno faults.jpg").unlink()
    report = verify_dataset(open_dataset(annotations, images, tmp_path))
    assert report.counts["missing"] == report.counts["dropped"] == 1
    for findings in report.examples.values():
        assert not any("\n" in finding.where + finding.what for finding in findings)


def test_examples_are_limited_and_counts_are_not(tmp_path: Path) -> None:
    dataset = open_dataset(*write_faulty_dataset(tmp_path), tmp_path)
    report = verify_dataset(dataset, examples=1)
    assert report.counts["out-of-range"] == 2
    assert [len(report.examples[kind]) for kind, count in report.counts.items() if count] == [1] * 8
    assert not any(verify_dataset(dataset, examples=0).examples.values())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_what_it_means_and_what_to_do(kind: str) -> None:
    assert KINDS[kind].meaning
    assert KINDS[kind].remedy.endswith(".")
    assert ". " not in KINDS[kind].remedy, "one sentence"


def test_a_report_does_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    dataset, advanced = open_dataset(*write_faulty_dataset(tmp_path), tmp_path), list[int]()
    one = verify_dataset(dataset, threads=1, advance=lambda: advanced.append(0))
    assert one == verify_dataset(dataset, threads=7)
    assert len(advanced) == len(dataset)


def test_unexpected_errors_are_raised(tmp_path: Path) -> None:
    dataset = open_dataset(*write_dataset(tmp_path), tmp_path)

    class Broken(Dataset):
        def decode(self, index: int) -> DecodedFile:
            raise KeyError(index)

    with pytest.raises(KeyError):
        verify_dataset(Broken(dataset.index_dir, dataset.images))
