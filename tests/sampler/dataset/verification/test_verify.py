"""Verifying a dataset."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.hashes import Hash
from sampler.dataset.verification.kinds import KINDS
from sampler.dataset.verification.verify import verify_dataset
from tests.support.coco_files import FAULTY_BOXES, write_dataset, write_faulty_dataset

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
    counts = dict.fromkeys(IMAGE_KINDS, 1) | {"dropped": 2, "out-of-range": 3, "degenerate": 2, "no-boxes": 4}
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


def test_examples_are_limited_and_counts_are_not(tmp_path: Path) -> None:
    dataset = open_dataset(*write_faulty_dataset(tmp_path), tmp_path)
    report = verify_dataset(dataset, examples=1)
    assert report.counts["out-of-range"] == 3
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
        def decode(self, index: int) -> tuple[npt.NDArray[np.uint8], Hash]:
            raise KeyError(index)

    with pytest.raises(KeyError):
        verify_dataset(Broken(dataset.index_dir, dataset.images))
