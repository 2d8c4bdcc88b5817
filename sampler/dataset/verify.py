"""Verifying a dataset: decode every image and check every box."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from sampler.cpus import available_cpus
from sampler.dataset.dataset import Dataset
from sampler.dataset.index.storage import check_index
from sampler.dataset.parallel_map import parallel_map
from sampler.errors import ImageError

KINDS = {
    "missing": "image files that do not exist",
    "unreadable": "image files that cannot be decoded, or are cut short",
    "mis-sized": "image files of another size than annotated",
    "too-large": "image files beyond the pixel limit",
    "out-of-range": "boxes that extend more than one pixel beyond their image",
    "degenerate": "invalid boxes that were dropped, or boxes without area inside their image",
}
"""Kinds of findings, in the order they are reported."""

TOLERANCE = 1.0
"""Pixels that a box may extend beyond its image: annotation tools round outward."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a dataset.

    Attributes:
        kind: A key of KINDS.
        where: The image file or annotation.
        what: The fault.
    """

    kind: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """All faults of a dataset.

    Attributes:
        images: Number of images checked.
        boxes: Number of boxes checked.
        counts: Number of findings of each kind.
        examples: The first findings of each kind.
    """

    images: int
    boxes: int
    counts: dict[str, int]
    examples: dict[str, tuple[Finding, ...]]

    @property
    def clean(self) -> bool:
        """Whether there are no findings."""
        return not any(self.counts.values())


class _Tally:
    """Counts findings and keeps the first few of each kind."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts = dict.fromkeys(KINDS, 0)
        self._examples: dict[str, list[Finding]] = {kind: [] for kind in KINDS}

    def add(self, kind: str, findings: Iterator[Finding], count: int = 1) -> None:
        self._counts[kind] += count
        examples = self._examples[kind]
        examples.extend(islice(findings, self._limit - len(examples)))

    def report(self, dataset: Dataset) -> Report:
        examples = {kind: tuple(found) for kind, found in self._examples.items()}
        return Report(len(dataset), dataset.box_count + len(dataset.rejected), dict(self._counts), examples)


def verify_dataset(
    dataset: Dataset,
    examples: int = 5,
    threads: int | None = None,
    advance: Callable[[], None] | None = None,
) -> Report:
    """Decode every image and check every box.

    A box is out of range if it extends more than TOLERANCE beyond its image. Otherwise it is degenerate if nothing of
    it is left in x 0…W-1, y 0…H-1.

    Args:
        dataset: The dataset.
        examples: How many findings of each kind to keep, ≥ 0.
        threads: Number of images decoded at once, and in memory (default: one per CPU).
        advance: Called after each image.

    Raises:
        AnnotationError: The index is damaged. It is read completely here, which opening it does not do.
    """
    check_index(dataset.index_dir)
    tally = _Tally(examples)
    for error in _image_errors(dataset, threads or available_cpus()):
        if error is not None:
            tally.add(error.kind, iter([Finding(error.kind, error.file, error.cause)]))
        if advance is not None:
            advance()
    _add_boxes(tally, dataset)
    return tally.report(dataset)


def _image_errors(dataset: Dataset, threads: int) -> Iterator[ImageError | None]:
    def read(index: int) -> ImageError | None:
        try:
            dataset.read(index)
        except ImageError as error:
            return error
        return None

    return parallel_map(read, range(len(dataset)), threads, window=4 * threads)


def _add_boxes(tally: _Tally, dataset: Dataset) -> None:
    out_of_range, degenerate = _box_faults(dataset)
    for kind, faulty in (("out-of-range", out_of_range), ("degenerate", degenerate)):
        rows = np.flatnonzero(faulty)
        tally.add(kind, (_box_finding(kind, dataset, int(row)) for row in rows), len(rows))
    dropped = (
        Finding(
            "degenerate",
            f"annotation {box.annotation_id} of image {box.image_id}",
            f"dropped: {': '.join(filter(None, [box.reason, box.detail]))}: box {_text(box.box)}",
        )
        for box in dataset.rejected
    )
    tally.add("degenerate", dropped, len(dataset.rejected))


def _box_faults(dataset: Dataset) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return two (M,) bool arrays: which of `all_boxes` are out of range, and which others are degenerate."""
    boxes = dataset.all_boxes[:, :4].astype(np.float64)
    heights, widths = np.repeat(dataset.sizes, np.diff(dataset.box_starts), axis=0).T.astype(np.float64)
    x0, y0, x1, y1 = boxes.T
    out_of_range = np.max([-x0, -y0, x1 - widths, y1 - heights], axis=0) > TOLERANCE
    clipped_width = np.clip(x1, 0, widths - 1) - np.clip(x0, 0, widths - 1)
    clipped_height = np.clip(y1, 0, heights - 1) - np.clip(y0, 0, heights - 1)
    return out_of_range, ~out_of_range & ((clipped_width <= 0) | (clipped_height <= 0))


def _box_finding(kind: str, dataset: Dataset, row: int) -> Finding:
    index = int(np.searchsorted(dataset.box_starts, row, side="right")) - 1
    height, width = dataset.size(index)
    where = f"annotation {dataset.annotation_ids[row]} in {dataset.file_name(index)}"
    corners = _text(dataset.all_boxes[row, :4].tolist())
    return Finding(kind, where, f"corners {corners} in an image of {width}×{height}")


def _text(sides: tuple[float | None, ...] | list[float]) -> str:
    return f"({', '.join('not finite' if side is None else f'{side:g}' for side in sides)})"
