"""The parameters of the page of images."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from sampler.stream.keys import INDEX_LIMIT
from sampler.wire.spec import ServiceSpec
from service.batches.parameters import FROM_URL, STRICT, Flag, PinnedParameters
from service.explorer.shell.categories import category_number
from service.explorer.shell.parameters import BoxSize, CategoryText, LeastSide, SideBelow, check_range

Remark = Literal["damaged", "store-damaged", "warning", "orientation", "unreadable", "substituted"]
"""What may be unusual about an image: the kinds of `ImageNote`, and that it is replaced by substitutes."""

REMARKS: dict[Remark, str] = {
    "unreadable": "that cannot be read",
    "damaged": "with a damaged file",
    "store-damaged": "damaged in the decoded store",
    "warning": "with a decoder's warning",
    "orientation": "with an EXIF orientation",
    "substituted": "replaced by substitutes",
}
"""What pages call the images with each remark."""

FILTERS = ("size", "min_side", "side_below", "crowd", "min_boxes", "max_boxes")
"""The parameters that are fields of an `ImageFilter`; it also has the number of the category, and the text to find."""

BoxCount = Annotated[int, STRICT, Field(ge=0, le=1_000_000), FROM_URL]


class ImageListParameters(PinnedParameters):
    """Images of a dataset, in dataset order, from an index on."""

    first: Annotated[
        int, STRICT, Field(ge=0, lt=INDEX_LIMIT), FROM_URL, Field(description="index of the first image")
    ] = 0
    find: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=200)] | None,
        Field(description="a file name or image id, or else part of a file name"),
    ] = None
    category: CategoryText = None
    size: BoxSize = None
    min_side: LeastSide = None
    side_below: SideBelow = None
    crowd: Annotated[Flag, Field(description="the box is a crowd box")] = False
    min_boxes: Annotated[BoxCount | None, Field(description="the image has at least as many boxes")] = None
    max_boxes: Annotated[BoxCount | None, Field(description="the image has at most as many boxes")] = None
    remark: Annotated[Remark | None, Field(description="what is unusual about the image")] = None


def image_filter(parameters: ImageListParameters, spec: ServiceSpec) -> dict[str, Any]:
    """Return the fields of the `ImageFilter` that parameters ask for. Raises `InvalidRequestError`."""
    check_range(("min_side", parameters.min_side), ("side_below", parameters.side_below), below=True)
    check_range(("min_boxes", parameters.min_boxes), ("max_boxes", parameters.max_boxes), below=False)
    fields = {name: getattr(parameters, name) for name in FILTERS}
    return fields | {"category": category_number(spec, parameters.category), "find": (parameters.find or "").strip()}
