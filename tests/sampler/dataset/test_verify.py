"""Verifying a dataset."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.verify import KINDS, verify_dataset
from tests.support.coco_files import FAULTY_BOXES, write_dataset, write_faulty_dataset


def test_a_sound_dataset_is_clean(tmp_path: Path) -> None:
    report = verify_dataset(open_dataset(*write_dataset(tmp_path), tmp_path))
    assert report.clean
    assert (report.images, report.boxes) == (3, 5)
    assert report.counts == dict.fromkeys(KINDS, 0)


def test_each_fault_is_counted_under_its_kind_with_an_example_that_names_it(tmp_path: Path) -> None:
    report = verify_dataset(open_dataset(*write_faulty_dataset(tmp_path), tmp_path))
    assert not report.clean
    assert report.counts == {
        "missing": 1,
        "unreadable": 1,
        "mis-sized": 1,
        "too-large": 1,
        "changed": 0,
        "out-of-range": 3,
        "degenerate": 4,
    }
    for number, kind in enumerate(("missing", "unreadable", "mis-sized", "too-large"), 2):
        [finding] = report.examples[kind]
        assert finding.where.endswith(f"{number:012d}.jpg")
    for kind in ("out-of-range", "degenerate"):
        named = {int(finding.where.split()[1]) for finding in report.examples[kind]}
        assert named == {number for number, (_, expected) in FAULTY_BOXES.items() if expected == kind}


def test_examples_are_limited_and_counts_are_not(tmp_path: Path) -> None:
    dataset = open_dataset(*write_faulty_dataset(tmp_path), tmp_path)
    report = verify_dataset(dataset, examples=1)
    assert report.counts["degenerate"] == 4
    assert [len(findings) for kind, findings in report.examples.items() if report.counts[kind]] == [1] * 6
    assert not any(verify_dataset(dataset, examples=0).examples.values())


def test_a_report_does_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    dataset, advanced = open_dataset(*write_faulty_dataset(tmp_path), tmp_path), list[int]()
    one = verify_dataset(dataset, threads=1, advance=lambda: advanced.append(0))
    assert one == verify_dataset(dataset, threads=7)
    assert len(advanced) == len(dataset)


def test_unexpected_errors_are_raised(tmp_path: Path) -> None:
    dataset = open_dataset(*write_dataset(tmp_path), tmp_path)

    class Broken(Dataset):
        def read(self, index: int, rows: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:  # noqa: ARG002 - unused
            raise KeyError(index)

    with pytest.raises(KeyError):
        verify_dataset(Broken(dataset.index_dir, dataset.images))
