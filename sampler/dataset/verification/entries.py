"""Findings in ids and names: entries of an annotation file that do not belong together as they are."""

import posixpath
from collections.abc import Hashable, Sequence

import numpy as np

from sampler.dataset.dataset import Dataset
from sampler.dataset.verification.boxes import BoxRows
from sampler.dataset.verification.report import Tally


def check_entries(dataset: Dataset, tally: Tally) -> None:
    """Check ids and names of annotations, images and categories."""
    _check_annotation_ids(dataset, tally)
    _check_files(dataset, tally)
    _check_categories(dataset, tally)
    boxless = np.flatnonzero(np.diff(dataset.box_starts) == 0).tolist()
    tally.add_rows("no-boxes", boxless, lambda index: (_image(dataset, index), "has no boxes"))


def _check_annotation_ids(dataset: Dataset, tally: Tally) -> None:
    """Annotation ids of different annotation files may be equal."""
    rows = BoxRows(dataset)
    parts = dataset.part_numbers()[rows.images]
    order = np.lexsort([dataset.annotation_ids, parts])
    ids, parts = dataset.annotation_ids[order], parts[order]
    repeated = np.flatnonzero((ids[1:] == ids[:-1]) & (parts[1:] == parts[:-1]))
    earlier = dict(zip(order[repeated + 1].tolist(), order[repeated].tolist(), strict=True))
    tally.add_rows(
        "duplicate-id", sorted(earlier), lambda row: (rows.where(row), f"has the id of {rows.where(earlier[row])}")
    )


def _check_files(dataset: Dataset, tally: Tally) -> None:
    files = [posixpath.normpath(dataset.images.describe(dataset.file_name(index))) for index in range(len(dataset))]
    earlier = _repeated(files)
    tally.add_rows(
        "shared-file",
        sorted(earlier),
        lambda index: (_image(dataset, index), f"has the file of image {dataset.image_id(earlier[index])}"),
    )


def _check_categories(dataset: Dataset, tally: Tally) -> None:
    names, ids = dataset.category_names, dataset.category_ids.tolist()
    earlier = _repeated(names)
    tally.add_rows(
        "same-name",
        sorted(earlier),
        lambda place: (f"category {ids[place]}", f"is called {names[place]!r}, as is category {ids[earlier[place]]}"),
    )


def _image(dataset: Dataset, index: int) -> str:
    return f"image {dataset.image_id(index)} ({dataset.file_name(index)})"


def _repeated(values: Sequence[Hashable]) -> dict[int, int]:
    """Return the place of each value that occurs earlier too, with the place of its first occurrence."""
    first: dict[Hashable, int] = {}
    return {place: first[value] for place, value in enumerate(values) if first.setdefault(value, place) != place}
