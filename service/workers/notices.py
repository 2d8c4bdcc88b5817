"""Notices: what workers find unusual about images, on its way to the log and the metrics of the server."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.notes import ImageNote, NoteKind

log = logging.getLogger("saccade_sampler.images")

MAX_LOGGED = 1000
"""Images of one dataset that are logged for each kind; further ones are only counted."""


WARNINGS = frozenset({"damaged", "store-damaged", "unreadable"})
"""Kinds that are logged as warnings; others are no fault."""

ABOUT: dict[NoteKind, str] = {"damaged": " is damaged", "unreadable": " cannot be used"}
"""What the log says before the text of a notice."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A note about an image of one of the server's datasets."""

    dataset: int  # number of the dataset
    index: int
    kind: NoteKind
    file: str
    text: str


class SeenImages:
    """Which images were noted before: one byte for each image of a dataset, once it has any notes of a kind."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, NoteKind], bytearray] = {}
        self._counts: dict[tuple[int, NoteKind], int] = {}

    def add(self, dataset: int, kind: NoteKind, index: int, images: int) -> int:
        """Return how many images of the kind there are, this one included; 0 if it was noted before.

        images: number of images of the dataset.
        """
        seen = self._seen.setdefault((dataset, kind), bytearray(images))
        if seen[index]:
            return 0
        seen[index] = 1
        count = self._counts[dataset, kind] = self.count(dataset, kind) + 1
        return count

    def count(self, dataset: int, kind: NoteKind) -> int:
        return self._counts.get((dataset, kind), 0)

    def noted(self, dataset: int) -> dict[NoteKind, npt.NDArray[np.bool_]]:
        """Return (N,) bool for each kind of which there are notes: which images of a dataset have one."""
        found = ((kind, seen) for (number, kind), seen in self._seen.items() if number == dataset)
        return {kind: np.frombuffer(bytes(seen), np.bool_) for kind, seen in found}


class Outbox:
    """The notices of a worker that it has not sent yet. It sends each of them once."""

    def __init__(self) -> None:
        self._seen = SeenImages()
        self._waiting: list[Notice] = []

    def listener(self, number: int, dataset: Dataset) -> Callable[[int, ImageNote], None]:
        """Return the function that a dataset calls with its notes."""

        def add(index: int, note: ImageNote) -> None:
            if self._seen.add(number, note.kind, index, len(dataset)):
                file = dataset.images.describe(dataset.file_name(index))
                self._waiting.append(Notice(number, int(index), note.kind, file, note.text))

        return add

    def take(self) -> tuple[Notice, ...]:
        """Remove and return the notices."""
        taken, self._waiting = tuple(self._waiting), []
        return taken


class ImageNotices:
    """Logs each notice once, whichever worker sends it, and counts the images."""

    def __init__(self, datasets: tuple[tuple[str, int], ...] = ()) -> None:
        """datasets: title and number of images of each."""
        self._datasets = datasets
        self._seen = SeenImages()

    def add(self, notice: Notice) -> None:
        """Log and count a notice unless it was logged before."""
        title, images = self._datasets[notice.dataset]
        count = self._seen.add(notice.dataset, notice.kind, notice.index, images)
        level = logging.WARNING if notice.kind in WARNINGS else logging.INFO
        if 0 < count <= MAX_LOGGED:
            about = ABOUT.get(notice.kind, "")
            log.log(level, "%s: image %d (%s)%s: %s", title, notice.index, notice.file, about, notice.text)
        if count == MAX_LOGGED:
            line = "%s: further images of kind %r are not logged; run `saccade-sampler verify` to list all"
            log.log(level, line, title, notice.kind)

    def noted(self, dataset: int) -> dict[NoteKind, npt.NDArray[np.bool_]]:
        """Return (N,) bool for each kind of which there are notes: which images of a dataset have one."""
        return self._seen.noted(dataset)

    def count(self, kind: NoteKind, dataset: int) -> int:
        """Return the number of images that were noted. dataset: its number."""
        return self._seen.count(dataset, kind)
