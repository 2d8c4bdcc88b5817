"""Links to the images next to the one that a page shows."""

from abc import ABC, abstractmethod


class NeighbourLinks(ABC):
    """The links of a page to the neighbours of its image; the first image follows the last one."""

    __slots__ = ()

    @property
    def previous_image(self) -> str:
        """The image before this one."""
        return self.image(-1)

    @property
    def next_image(self) -> str:
        """The image after this one."""
        return self.image(1)

    @abstractmethod
    def image(self, by: int) -> str:
        """Return the link to the same page of the image that follows `by` images later."""
