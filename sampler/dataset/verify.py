"""Whether a dataset is what its annotation file says: every image is read and every box looked at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from sampler.cpus import processors
from sampler.dataset.dataset import Dataset
from sampler.dataset.index.storage import check_index
from sampler.dataset.parallel_map import in_order
from sampler.errors import ImageError

KINDS = {
    "missing": "image files that do not exist",
    "unreadable": "image files that cannot be decoded, or are cut short",
    "mis-sized": "image files of another size than annotated",
    "too-large": "image files beyond the pixel limit",
    "out-of-range": "boxes that reach more than one pixel beyond their image",
    "degenerate": "boxes dropped by the index, or that vanish once clipped to their image",
}
"""What can be wrong, in the order it is reported."""

TOLERANCE = 1.0
"""Pixels a box may reach beyond its image and still be in range: annotation tools round outward."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `where` names the file or the annotation, `what` says how it is wrong."""

    kind: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was read, how often each of KINDS was found, and the first examples of each."""

    images: int
    boxes: int
    counts: dict[str, int]
    examples: dict[str, tuple[Finding, ...]]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.counts.values())


class _Tally:
    """Counts findings, and keeps the first few of each kind."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts = dict.fromkeys(KINDS, 0)
        self._examples: dict[str, list[Finding]] = {kind: [] for kind in KINDS}

    def add(self, kind: str, findings: Iterator[Finding], count: int = 1) -> None:
        self._counts[kind] += count
        kept = self._examples[kind]
        kept.extend(islice(findings, self._most - len(kept)))

    def report(self, dataset: Dataset) -> Report:
        examples = {kind: tuple(found) for kind, found in self._examples.items()}
        return Report(len(dataset), dataset.box_count + len(dataset.rejected), dict(self._counts), examples)


def verify_dataset(
    dataset: Dataset,
    examples: int = 5,
    threads: int | None = None,
    advance: Callable[[], None] | None = None,
) -> Report:
    """Read every image and look at every box.

    examples: how many findings of each kind are kept, ≥ 0; all are counted. threads: how many images are decoded at
    once (memory: as many images). advance: called after each image. A box is out of range when it reaches more than
    TOLERANCE beyond the image; otherwise it is degenerate when nothing is left of it in x 0…W-1, y 0…H-1.

    Raises AnnotationError when the index itself is damaged: all of it is read here, which opening does not do.
    """
    check_index(dataset.index_dir)
    tally = _Tally(examples)
    for error in _image_errors(dataset, threads or processors()):
        if error is not None:
            tally.add(error.kind, iter([Finding(error.kind, error.file, error.cause)]))
        if advance is not None:
            advance()
    _add_boxes(tally, dataset)
    return tally.report(dataset)


def _image_errors(dataset: Dataset, threads: int) -> Iterator[ImageError | None]:
    """For each image in turn, what is wrong with it."""

    def read(index: int) -> ImageError | None:
        try:
            dataset.read(index)
        except ImageError as error:
            return error
        return None

    return in_order(read, range(len(dataset)), threads, under_way=4 * threads)


def _add_boxes(tally: _Tally, dataset: Dataset) -> None:
    outside, vanishing = box_faults(dataset)
    for kind, faulty in (("out-of-range", outside), ("degenerate", vanishing)):
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


def box_faults(dataset: Dataset) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(M,) bool which of `dataset.all_boxes` are out of range, and (M,) bool which others vanish once clipped."""
    boxes = dataset.all_boxes[:, :4].astype(np.float64)
    heights, widths = np.repeat(dataset.sizes, np.diff(dataset.box_starts), axis=0).T.astype(np.float64)
    x0, y0, x1, y1 = boxes.T
    reach = np.max([-x0, -y0, x1 - widths, y1 - heights], axis=0)
    outside = reach > TOLERANCE
    width_left = np.clip(x1, 0, widths - 1) - np.clip(x0, 0, widths - 1)
    height_left = np.clip(y1, 0, heights - 1) - np.clip(y0, 0, heights - 1)
    return outside, ~outside & ((width_left <= 0) | (height_left <= 0))


def _box_finding(kind: str, dataset: Dataset, row: int) -> Finding:
    index = int(np.searchsorted(dataset.box_starts, row, side="right")) - 1
    height, width = dataset.size(index)
    where = f"annotation {dataset.annotation_ids[row]} in {dataset.file_name(index)}"
    corners = _text(dataset.all_boxes[row, :4].tolist())
    return Finding(kind, where, f"corners {corners} in an image of {width}×{height}")


def _text(sides: tuple[float | None, ...] | list[float]) -> str:
    return f"({', '.join('not finite' if side is None else f'{side:g}' for side in sides)})"
