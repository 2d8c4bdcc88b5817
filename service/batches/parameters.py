"""The parameters of requests, as pydantic models; URLs and JSON bodies use the same ones."""

import re
from collections import Counter
from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationInfo

from sampler.arrays import Layout
from sampler.errors import InvalidRequestError
from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT
from sampler.stream.shards import STEP_LIMIT
from sampler.version import VERSION

MOST_PARAMETERS = 4096
"""Most parameters of a URL; `indices` may be repeated."""

MOST_NAMES = 64
"""Most different parameters of a request, known or not."""

IN_BODY = {"in_body": True}
"""Context of the validation of a body: its numbers are numbers already, and texts are refused in their place."""

DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,39}")
"""An integer as JSON writes it, so that URLs and bodies accept the same texts."""


def _integer(text: str) -> int | str:
    """Return the integer that a text stands for, or else the text."""
    return int(text) if DECIMAL.fullmatch(text) else text


def _is_text(value: object, info: ValidationInfo) -> bool:
    return isinstance(value, str) and not info.context


def _of_url(value: Any, info: ValidationInfo) -> Any:
    """Return the integer that a text in a URL stands for."""
    return _integer(value) if _is_text(value, info) else value


def _list_of_url(value: Any, info: ValidationInfo) -> Any:
    """Return the integers of lists with commas, such as `3,17,5`, one for each time that a URL has the parameter."""
    is_text = isinstance(value, list) and all(_is_text(text, info) for text in value)
    return [_integer(item) for text in value for item in text.split(",")] if is_text else value


def _boolean_of_url(value: Any, info: ValidationInfo) -> Any:
    return {"true": True, "false": False}.get(value, value) if _is_text(value, info) else value


# Strict: all that the functions above leave as a text is refused, as it is in a body.
STRICT = Field(strict=True)
FROM_URL = BeforeValidator(_of_url)

Seed = Annotated[int, STRICT, Field(ge=0, lt=SEED_LIMIT), FROM_URL, Field(description="seed of the stream, 0 … 2⁶⁴−1")]
Epoch = Annotated[
    int, STRICT, Field(ge=0, lt=EPOCH_LIMIT), FROM_URL,
    Field(description="epoch of samples that are requested by index"),
]  # fmt: skip
Step = Annotated[int, STRICT, Field(ge=0, le=STEP_LIMIT), FROM_URL, Field(description="global step")]
BatchSize = Annotated[
    int, STRICT, Field(ge=1, le=STEP_LIMIT), FROM_URL, Field(description="global batch size B, all ranks together")
]
Rank = Annotated[int, STRICT, Field(ge=0), FROM_URL, Field(description="rank of this process, 0 … world_size−1")]
WorldSize = Annotated[int, STRICT, Field(ge=1), FROM_URL, Field(description="number of processes, 1 … batch_size")]
Index = Annotated[int, STRICT, Field(ge=0), FROM_URL, Field(description="dataset index, 0 … N−1")]
PathIndex = Annotated[Index, Path(description="dataset index, 0 … N−1")]
Augment = Annotated[
    bool, STRICT, BeforeValidator(_boolean_of_url),
    Field(description="false: largest box as reference, centred, no flip, no colour changes"),
]  # fmt: skip
Flag = Annotated[bool, STRICT, BeforeValidator(_boolean_of_url)]
ShownLayers = Annotated[str | None, Field(max_length=2000, description="layers that a page shows, separated by commas")]
LayoutName = Annotated[Layout, Field(description="how samples travel")]
DatasetName = Annotated[str | None, Field(description="name of one of the server's datasets; the first by default")]
Digest = Annotated[str | None, Field(description="refuse with 412 unless the server has this digest")]
PixelsDigest = Annotated[
    str | None, Field(description="refuse with 412 if the server's images have another digest; ignored if it has none")
]
DrawingVersion = Annotated[
    str | None,
    Field(description="version of the server that drew it: with both digests, the response is immutable if this one "
                      "runs; any other is accepted and revalidated"),
]  # fmt: skip
SubstituteCount = Annotated[
    Annotated[int, STRICT, Field(ge=0), FROM_URL] | None,
    Field(description="refuse with 412 unless the server replaces as many images by substitutes"),
]
SearchQuery = Annotated[str, StringConstraints(max_length=2000)]
IndexList = Annotated[
    list[Annotated[int, Field(strict=True, json_schema_extra={"minimum": 0})]],
    Field(fail_fast=True),  # report one invalid index, not a million
    BeforeValidator(_list_of_url),
    Field(
        description="dataset indices; in a URL separated by commas, also in several parameters",
        json_schema_extra={"minItems": 1},
    ),
]
"""Bounds are checked against the dataset, which gives better messages."""


class SpecParameters(BaseModel):
    """The spec of a dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: DatasetName = None


class PinnedParameters(BaseModel):
    """A dataset, and the digests that it must have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: DatasetName = None
    digest: Digest = None
    pixels: PixelsDigest = None

    @property
    def pinned(self) -> bool:
        """Whether the request names both digests."""
        return bool(self.digest and self.pixels)


class ImageParameters(PinnedParameters):
    """One image of a dataset; its index is in the path."""


class _Parameters(PinnedParameters):
    seed: Seed = 0
    augment: Augment = True
    substitutes: SubstituteCount = None


class SampleParameters(_Parameters):
    """One sample, for inspection; its index is in the path."""

    epoch: Epoch = 0


class ViewParameters(PinnedParameters):
    """What the URL of a picture or file for pages names besides the sample or image that it shows."""

    version: DrawingVersion = None

    @property
    def names_all(self) -> bool:
        """Whether the URL names all that the response depends on: both digests, and the running version."""
        return self.pinned and self.version == VERSION


class SampleViewParameters(SampleParameters, ViewParameters):
    """A picture or file of one sample; its index is in the path."""


class ImageViewParameters(ImageParameters, ViewParameters):
    """A picture of one image; its index is in the path."""


class SamplePageParameters(SampleParameters):
    """One sample, its layers that are shown, its place in the stream, and the search that found it."""

    step: Step | None = None
    batch_size: BatchSize | None = None
    rank: Rank | None = None
    world_size: WorldSize | None = None
    layers: ShownLayers = None
    search: Annotated[
        SearchQuery | None,
        Field(description="the query of the page of steps that found the sample, to which the page leads back"),
    ] = None


class _BatchParameters(_Parameters):
    layout: LayoutName = "compact"


class BatchParameters(_BatchParameters):
    """A batch by index (`indices`, `seed`, `epoch`) or by seed (`seed`, `step`, `batch_size`, `rank`, `world_size`)."""

    indices: IndexList | None = None
    epoch: Epoch | None = None
    step: Step | None = None
    batch_size: BatchSize | None = None
    rank: Rank | None = None
    world_size: WorldSize | None = None


class ImagesParameters(BaseModel):
    """Images of a dataset, with their annotations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    indices: IndexList
    dataset: DatasetName = None
    digest: Digest = None


class StreamParameters(_BatchParameters):
    """The batches of one seed from step `start` to `stop`, or endless without `stop`."""

    start: Step = 0
    stop: Step | None = None
    batch_size: BatchSize
    rank: Rank = 0
    world_size: WorldSize = 1


async def refuse_repeated(request: Request) -> None:  # async: FastAPI would run it in a thread otherwise
    """Raise `InvalidRequestError` for a repeated query parameter, of which all but one would be ignored.

    It also refuses more parameters than are looked at one by one in a short time.
    """
    count = request.scope["query_string"].count(b"&") + 1
    if count > MOST_PARAMETERS:
        raise InvalidRequestError("indices", f"{count} parameters", "one list of numbers, separated by commas")
    names = Counter(name for name, _ in request.query_params.multi_items())
    if len(names) > MOST_NAMES:
        raise InvalidRequestError("query", f"{len(names)} parameters", f"at most {MOST_NAMES}")
    for name, times in names.items():
        if times > 1 and name != "indices":
            raise InvalidRequestError(name, request.query_params.getlist(name), "one value")
