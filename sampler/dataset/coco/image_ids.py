"""Image ids of an annotation file, which are integers or strings.

If the id of one image is a string, all ids of the file are: integers become their decimal text. Boxes refer to images
by either form.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sampler.dataset.image_ids import ImageId

_Piece = npt.NDArray[np.int64] | list[ImageId]


class IdColumn:
    """Ids in file order, added in pieces. A piece of integers is an array, so that large files take little memory."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self.has_text = False

    def add(self, ids: list[ImageId]) -> None:
        """Append ids."""
        if str in set(map(type, ids)):
            self.has_text = True
            self._pieces.append(ids)
        else:
            self._pieces.append(np.array(ids, np.int64))

    def integers(self) -> npt.NDArray[np.int64]:
        """Return (n,) int64: the ids, none of which may be a string."""
        return np.concatenate([np.empty(0, np.int64), *(np.asarray(piece, np.int64) for piece in self._pieces)])

    def texts(self) -> list[str]:
        """Return the ids as strings."""
        return [str(one) for piece in self._pieces for one in (piece if isinstance(piece, list) else piece.tolist())]

    def at(self, row: int) -> ImageId:
        """Return one id as it is in the file."""
        for piece in self._pieces:
            if row < len(piece):
                return piece[row] if isinstance(piece, list) else int(piece[row])
            row -= len(piece)
        raise IndexError(row)


def ranks(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return (n,) int64: the place of each string in the order by code point. Equal strings have equal ranks."""
    places = {text: place for place, text in enumerate(sorted(set(texts)))}
    return np.array([places[text] for text in texts], np.int64)


def rows_of(references: IdColumn, images: IdColumn) -> npt.NDArray[np.intp]:
    """Return (n,) intp: for each reference to an image its row among the images, -1 if it is not listed."""
    if references.has_text or images.has_text:
        places = {text: place for place, text in enumerate(images.texts())}
        return np.array([places.get(text, -1) for text in references.texts()], np.intp)
    ids, values = images.integers(), references.integers()
    if not len(ids):
        return np.full(len(values), -1, np.intp)
    order = np.argsort(ids)
    rows = order[np.minimum(np.searchsorted(ids[order], values), len(ids) - 1)]
    return np.where(ids[rows] == values, rows, -1)
