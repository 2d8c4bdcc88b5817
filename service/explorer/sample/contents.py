"""What the page of a sample shows, as it travels from the worker: facts, and the files of the layers."""

from dataclasses import dataclass
from typing import Any, Literal, Self

import msgpack

PictureName = Literal["original", "crop"]
"""A picture of the page, to which a layer belongs; its pixels are the units of the layer's position."""

PICTURE_NAMES: tuple[PictureName, ...] = ("original", "crop")

ORIGINAL = "original"
"""Name of the layer that is a JPEG file, because it is a photograph; all others are PNG files."""

SAMPLE_PROBLEMS = ("image", "storage", "worker")
"""Problems of one sample, with which its pages are shown all the same, since they lead to other samples."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a picture.

    Attributes:
        name: Of the layer; that of the array which it shows, if it shows one.
        title: For people.
        caption: What it shows, in a few words.
        place: The picture that it belongs to.
        width: In pixels of that picture; its top left is that of the picture. A layer may reach beyond the picture.
        height: Likewise.
        kind: "base" for the picture itself, "input" for another one that covers it, "tint" for a transparent one.
        swatch: Name of the colour of a tint, for the page's style.
    """

    name: str
    title: str
    caption: str
    place: PictureName
    width: float
    height: float
    kind: Literal["base", "input", "tint"] = "tint"
    swatch: str = ""


@dataclass(frozen=True, slots=True)
class SampleContents:
    """The facts about a sample, ready for JSON, and the file of each layer by name."""

    facts: dict[str, Any]
    files: dict[str, bytes]

    def encode(self) -> bytes:
        packed: bytes = msgpack.packb((msgpack.packb(self.facts), self.files))
        return packed

    @classmethod
    def decode(cls, view: bytes) -> Self:
        facts, files = msgpack.unpackb(view)
        return cls(msgpack.unpackb(facts), files)


def layer_of(view: bytes, name: str) -> bytes:
    """Return the file of a layer of encoded contents, whose facts are not decoded: there may be thousands of boxes.

    name: one of `service.explorer.sample.layer_names`.
    """
    _, files = msgpack.unpackb(view)
    layer: bytes = files[name]
    return layer


def media_type_of(layer: str) -> str:
    """Return the media type of a layer by its name."""
    return "image/jpeg" if layer == ORIGINAL else "image/png"
