"""Verifying a dataset: decode every image and check every box."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from sampler.cpus import available_cpus
from sampler.dataset.dataset import Dataset
from sampler.dataset.index.storage import check_index
from sampler.dataset.parallel_map import parallel_map
from sampler.errors import ImageError

KINDS = {
    "missing": "image files that do not exist",
    "unreadable": "image files that cannot be decoded, or are truncated",
    "mis-sized": "image files of another size than annotated",
    "too-large": "image files beyond the pixel limit",
    "changed": "image files whose recorded hash is another one",
    "out-of-range": "boxes that extend more than one pixel beyond their image",
    "degenerate": "invalid boxes that were dropped, or boxes without area inside their image",
}
"""Kinds of findings, in the order they are reported."""

TOLERANCE = 1.0
"""Pixels that a box may extend beyond its image: annotation tools round outward."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: its kind (a key of KINDS), the image file or annotation, and what is wrong."""

    kind: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """Numbers of images and boxes checked, number of findings of each kind, and the first findings of each kind."""

    images: int
    boxes: int
    counts: dict[str, int]
    examples: dict[str, tuple[Finding, ...]]

    @property
    def clean(self) -> bool:
        """Whether there are no findings."""
        return not any(self.counts.values())


def verify_dataset(
    dataset: Dataset,
    examples: int = 5,
    threads: int | None = None,
    advance: Callable[[], None] | None = None,
) -> Report:
    """Decode every image, `threads` at once (default: one per CPU), and check every box.

    Keeps the first `examples` findings of each kind and calls `advance` after each image. Raises AnnotationError if the
    index is damaged: it is read completely here, which opening it does not do.
    """
    check_index(dataset.index_dir)
    counts = dict.fromkeys(KINDS, 0)
    kept: dict[str, list[Finding]] = {kind: [] for kind in KINDS}
    images = _image_findings(dataset, threads or available_cpus(), advance)
    for finding in chain(images, _box_findings(dataset), _rejected_findings(dataset)):
        counts[finding.kind] += 1
        if len(kept[finding.kind]) < examples:
            kept[finding.kind].append(finding)
    first = {kind: tuple(findings) for kind, findings in kept.items()}
    return Report(len(dataset), dataset.box_count + len(dataset.rejected), counts, first)


def _image_findings(dataset: Dataset, threads: int, advance: Callable[[], None] | None) -> Iterator[Finding]:
    def read(index: int) -> ImageError | None:
        try:
            dataset.read(index)
        except ImageError as error:
            return error
        return None

    for error in parallel_map(read, range(len(dataset)), threads, window=4 * threads):
        if error is not None:
            yield Finding(error.kind, error.file, error.cause)
        if advance is not None:
            advance()


def _box_findings(dataset: Dataset) -> Iterator[Finding]:
    for kind, faulty in zip(("out-of-range", "degenerate"), _box_faults(dataset), strict=True):
        for row in np.flatnonzero(faulty).tolist():
            index = int(np.searchsorted(dataset.box_starts, row, side="right")) - 1
            height, width = dataset.size(index)
            where = f"annotation {dataset.annotation_ids[row]} in {dataset.file_name(index)}"
            corners = _text(dataset.all_boxes[row, :4].tolist())
            yield Finding(kind, where, f"corners {corners} in an image of {width}×{height}")


def _rejected_findings(dataset: Dataset) -> Iterator[Finding]:
    for box in dataset.rejected:
        where = f"annotation {box.annotation_id} of image {box.image_id}"
        reason = ": ".join(filter(None, [box.reason, box.detail]))
        yield Finding("degenerate", where, f"dropped: {reason}: box {_text(box.box)}")


def _box_faults(dataset: Dataset) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return two (M,) bool arrays: which of `all_boxes` are out of range, and which others are degenerate.

    Of a degenerate box, nothing is left in x 0…W-1, y 0…H-1.
    """
    boxes = dataset.all_boxes[:, :4].astype(np.float64)
    heights, widths = np.repeat(dataset.sizes, np.diff(dataset.box_starts), axis=0).T.astype(np.float64)
    x0, y0, x1, y1 = boxes.T
    out_of_range = np.max([-x0, -y0, x1 - widths, y1 - heights], axis=0) > TOLERANCE
    clipped_width = np.clip(x1, 0, widths - 1) - np.clip(x0, 0, widths - 1)
    clipped_height = np.clip(y1, 0, heights - 1) - np.clip(y0, 0, heights - 1)
    return out_of_range, ~out_of_range & ((clipped_width <= 0) | (clipped_height <= 0))


def _text(sides: tuple[float | None, ...] | list[float]) -> str:
    return f"({', '.join('not finite' if side is None else f'{side:g}' for side in sides)})"
