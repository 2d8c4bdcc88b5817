"""Parts of images: which pixels a crop needs, and an array that holds at least these."""

from dataclasses import dataclass

from sampler.ops.resize import Image, Pair


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of pixels: rows and columns of an image, [start, stop) each."""

    rows: Pair
    columns: Pair

    @classmethod
    def whole(cls, height: int, width: int) -> "Region":
        """Return the region that is a whole image."""
        return cls((0, height), (0, width))

    @property
    def shape(self) -> Pair:
        """Height and width in pixels."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self.rows[0] >= self.rows[1] or self.columns[0] >= self.columns[1]

    def covers(self, other: "Region") -> bool:
        """Return whether every pixel of another region is in this one."""
        return other.is_empty or (
            self.rows[0] <= other.rows[0]
            and other.rows[1] <= self.rows[1]
            and self.columns[0] <= other.columns[0]
            and other.columns[1] <= self.columns[1]
        )


@dataclass(frozen=True, slots=True)
class ImagePart:
    """Pixels of an image: all of them, or a rectangle.

    Attributes:
        pixels: (h, w, 3) uint8 BGR.
        origin: (row, column) in the image of the first pixel.
        size: (height, width) of the image; None if `pixels` is all of it.
    """

    pixels: Image
    origin: Pair = (0, 0)
    size: Pair | None = None

    @property
    def region(self) -> Region:
        """Which pixels of the image there are."""
        (top, left), (height, width) = self.origin, self.pixels.shape[:2]
        return Region((top, top + height), (left, left + width))
