"""Verifying a dataset: decode every image, check every box and every id."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sampler.cpus import available_cpus
from sampler.dataset.dataset import Dataset
from sampler.dataset.index.storage import check_index
from sampler.dataset.verification.boxes import check_boxes
from sampler.dataset.verification.entries import check_entries
from sampler.dataset.verification.images import check_images
from sampler.dataset.verification.json_keys import check_keys
from sampler.dataset.verification.report import Report, Tally


def verify_dataset(
    dataset: Dataset,
    examples: int = 5,
    threads: int | None = None,
    advance: Callable[[], None] | None = None,
    annotations: Sequence[Path] = (),
) -> Report:
    """Check everything in a dataset, and change nothing.

    Args:
        dataset: The dataset.
        examples: How many findings of each kind to keep. All are counted.
        threads: How many images to decode at once (default: one per CPU).
        advance: Called after each image.
        annotations: The annotation files, to be searched for JSON keys that are used twice.

    Raises:
        AnnotationError: The index is damaged, or an annotation file cannot be read.
    """
    tally = Tally(examples)
    check_annotations(dataset, tally, annotations)
    return check_images_and_report(dataset, tally, threads, advance)


def check_annotations(
    dataset: Dataset, tally: Tally, files: Sequence[Path] = (), report: Callable[[str], None] | None = None
) -> None:
    """Check the index of a dataset, its boxes and ids, and the JSON of its annotation files.

    The index is read completely, which opening it does not do. `report` is called with a description of each step.
    Raises AnnotationError: the index is damaged, or a file cannot be read.
    """
    report = report or (lambda _: None)
    report("checking the index")
    check_index(dataset.index_dir)
    report("checking boxes and ids")
    check_boxes(dataset, tally)
    check_entries(dataset, tally)
    for file in files:
        report("checking JSON keys")
        check_keys(file, tally, report)


def check_images_and_report(
    dataset: Dataset, tally: Tally, threads: int | None = None, advance: Callable[[], None] | None = None
) -> Report:
    """Decode every image, and return the report of everything that was checked."""
    unusable = check_images(dataset, tally, threads or available_cpus(), advance or (lambda: None))
    return Report(len(dataset), dataset.box_count + dataset.dropped_count, tally.counts, tally.first(), unusable)
