"""Memory that one image after another is decoded into, where nobody keeps an image for longer than that."""

import numpy as np
import numpy.typing as npt

LARGEST = 1 << 26
"""Bytes that are held on to at most; an image of more gets memory of its own."""


class Scratch:
    """Room for one image at a time, which stays in the processor's cache from one image to the next.

    What was given is overwritten by the next image; one thread uses it.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._memory = np.empty(0, np.uint8)

    def __reduce__(self) -> "tuple[type[Scratch], tuple[()]]":
        return Scratch, ()  # another process has memory of its own

    def room(self, height: int, width: int) -> npt.NDArray[np.uint8]:
        """(height, width, 3) uint8, of any content, valid until the next call."""
        length = height * width * 3
        if length > LARGEST:
            return np.empty((height, width, 3), np.uint8)
        if length > len(self._memory):
            self._memory = np.empty(length, np.uint8)
        return self._memory[:length].reshape(height, width, 3)
