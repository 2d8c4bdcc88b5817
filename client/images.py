"""The images of a dataset as its annotation file lists them."""

from dataclasses import dataclass
from typing import Any, Self

from sampler.checks import require_bool, require_integer, require_number
from sampler.printable import shown
from sampler.stream.keys import INDEX_LIMIT

MAX_SIDE = 1 << 31


@dataclass(frozen=True, slots=True)
class Annotation:
    """One box of an image, with the values of the annotation file.

    Attributes:
        id: of the annotation.
        category_id: as in the file; category c of a sample's boxes is `ServiceSpec.category_ids[c - 1]`.
        bbox: x, y, width and height in pixels.
        area: in square pixels; None if the file has none.
        crowd: whether the file marks the box as `iscrowd`.
    """

    id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float | None
    crowd: bool

    @classmethod
    def parse(cls, row: dict[str, Any]) -> Self:
        """Return the annotation in a server's document. Raises `SamplerError`, KeyError or TypeError for another."""
        x, y, width, height = (require_number("bbox", side) for side in row["bbox"])
        return cls(
            id=_integer("id", row["id"]),
            category_id=_integer("category_id", row["category_id"]),
            bbox=(x, y, width, height),
            area=None if row["area"] is None else require_number("area", row["area"]),
            crowd=require_bool("crowd", row["crowd"]),
        )


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """One image of a dataset, as the annotation file describes it.

    Attributes:
        index: dataset index, 0 … N−1: the `index` of sample keys.
        id: of the image in the annotation file.
        file_name: relative to the image folder.
        height: annotated height in pixels.
        width: annotated width in pixels.
        annotations: all boxes that samples can have, crowd boxes included, grouped by category. Boxes that the server
            dropped as invalid are missing.
    """

    index: int
    id: int | str
    file_name: str
    height: int
    width: int
    annotations: tuple[Annotation, ...]

    @classmethod
    def parse(cls, row: dict[str, Any]) -> Self:
        """Return the image in a server's document. Raises `SamplerError`, KeyError or TypeError for another."""
        identity, name = row["id"], row["file_name"]
        if not isinstance(name, str):
            raise TypeError(f"file_name = {shown(name)}: expected text")
        return cls(
            index=require_integer("index", row["index"], 0, INDEX_LIMIT - 1),
            id=identity if isinstance(identity, str) else _integer("id", identity),
            file_name=name,
            height=require_integer("height", row["height"], 1, MAX_SIDE),
            width=require_integer("width", row["width"], 1, MAX_SIDE),
            annotations=tuple([Annotation.parse(one) for one in row["annotations"]]),
        )


def _integer(field: str, value: object) -> int:
    return require_integer(field, value, -INDEX_LIMIT, INDEX_LIMIT)
