"""Decoding only the part of an image that a crop needs: the interface, and how often it was possible."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sampler.dataset.images.decode import ReadOptions, decode_image
from sampler.dataset.images.hashes import Hash
from sampler.dataset.images.notes import ImageNote
from sampler.image_part import ImagePart, Region
from sampler.ops.resize import Pair


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """The file of an image.

    Attributes:
        index: Index of the image in its dataset.
        data: Content of the file.
        hash: The hash of `data`.
        size: Annotated (height, width) in pixels.
    """

    index: int
    data: bytes
    hash: Hash
    size: Pair


class DecodedPart(NamedTuple):
    """An image or a part of it, and what is unusual about its file."""

    part: ImagePart
    notes: tuple[ImageNote, ...] = ()


class PartDecoder(Protocol):
    """Decodes images in parts where it can, to the pixels that `decode_image` gives."""

    def decode(self, image: EncodedImage, region: Region | None, options: ReadOptions) -> DecodedPart:
        """Return the image or a part that covers `region`. Raises what `decode_image` raises."""
        ...


@dataclass(slots=True)
class DecodeCounts:
    """How image files were decoded.

    Attributes:
        whole: Images that were decoded whole.
        parts: Images of which only a part was decoded.
        recorded: JPEG files that were recorded, with entry points or without.
    """

    whole: int = 0
    parts: int = 0
    recorded: int = 0

    def add(self, whole: int, parts: int, recorded: int) -> None:
        """Add counts to these."""
        self.whole += whole
        self.parts += parts
        self.recorded += recorded

    def take(self) -> tuple[int, int, int]:
        """Return the counts and set them to 0."""
        taken = self.whole, self.parts, self.recorded
        self.whole = self.parts = self.recorded = 0
        return taken


def decode_whole(image: EncodedImage, options: ReadOptions, counts: DecodeCounts) -> DecodedPart:
    """Return the whole image, and count it. Raises what `decode_image` raises."""
    decoded = decode_image(image.data, image.size, options)
    counts.whole += 1
    return DecodedPart(ImagePart(decoded.pixels), decoded.notes)
