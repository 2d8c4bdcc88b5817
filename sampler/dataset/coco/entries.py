"""The fields of a COCO-format annotation file that samples depend on, decoded with types.

Everything else in the file (licences, areas, captions, scores) is skipped by the parser without being built.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec

from sampler.errors import AnnotationError

Id = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_STRING_OR_NOT_A_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?(?:NaN|Infinity)', re.DOTALL)


class ImageEntry(msgspec.Struct, gc=False):
    """One entry of `images`. LVIS names its files by `coco_url` only."""

    id: Id
    width: int | float | None = None
    height: int | float | None = None
    file_name: str | None = None
    coco_url: str | None = None


class CategoryEntry(msgspec.Struct, gc=False):
    """One entry of `categories`."""

    id: Id
    name: str


class AnnotationEntry(msgspec.Struct, gc=False):
    """One entry of `annotations`. The segmentation stays undecoded text until a box has to be made of it."""

    id: Id
    image_id: Id
    category_id: Id
    bbox: list[float | None] | None = None
    iscrowd: int | bool | None = None
    segmentation: msgspec.Raw = msgspec.Raw()

    def outline(self) -> object:
        """The segmentation as polygons or RLE, or None where the annotation has none."""
        return msgspec.json.decode(self.segmentation) if bytes(self.segmentation) else None


class CocoFile(msgspec.Struct):
    """An annotation file."""

    images: list[ImageEntry]
    annotations: list[AnnotationEntry]
    categories: list[CategoryEntry]


class LoadedAnnotationEntry(msgspec.Struct, gc=False):
    """`AnnotationEntry` for a file that somebody else has loaded: the segmentation is already an object."""

    id: Id
    image_id: Id
    category_id: Id
    bbox: list[float | None] | None = None
    iscrowd: int | bool | None = None
    segmentation: Any = None

    def outline(self) -> object:
        """The segmentation as polygons or RLE, or None where the annotation has none."""
        segmentation: object = self.segmentation
        return segmentation


class LoadedCocoFile(msgspec.Struct):
    """`CocoFile` for a file that somebody else has loaded."""

    images: list[ImageEntry]
    annotations: list[LoadedAnnotationEntry]
    categories: list[CategoryEntry]


class LoadedCoco(Protocol):
    """What is used of a loaded `pycocotools.coco.COCO`."""

    dataset: dict[str, Any]


LOADED = "loaded COCO object"
"""Stands where a file's path stands when errors speak of an already loaded object."""


def unreadable(file: Path, error: OSError) -> AnnotationError:
    """The error for a file that the operating system will not read."""
    if isinstance(error, FileNotFoundError):
        return AnnotationError(file, "", "annotation file does not exist")
    if isinstance(error, IsADirectoryError):
        return AnnotationError(file, "", "is a folder; expected a COCO-format JSON file")
    return AnnotationError(file, "", f"cannot be read: {error.strerror or error}")


def decode(data: bytes, file: Path | str) -> CocoFile:
    """The entries of an annotation file's bytes; `file` is what errors name.

    Python's own JSON writer puts NaN and Infinity, which are not JSON; outside strings they are taken as null,
    so that a box holding one is a bad single box and not a bad file. Raises AnnotationError.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(data, type=CocoFile)
    except msgspec.ValidationError as error:
        raise _not_coco(file, error) from error
    except RecursionError as error:
        raise _too_deep(file) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"NaN" not in data and b"Infinity" not in data:
            raise _not_json(file, error) from error
    try:
        return msgspec.json.decode(_STRING_OR_NOT_A_NUMBER.sub(_null, data), type=CocoFile)
    except msgspec.ValidationError as error:
        raise _not_coco(file, error) from error
    except RecursionError as error:
        raise _too_deep(file) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(file, error) from error


def convert(loaded: LoadedCoco) -> LoadedCocoFile:
    """The entries of a loaded `pycocotools.coco.COCO`. Raises AnnotationError."""
    try:
        return msgspec.convert(loaded.dataset, LoadedCocoFile)
    except msgspec.ValidationError as error:
        raise _not_coco(LOADED, error) from error
    except RecursionError as error:
        raise _too_deep(LOADED) from error


def _null(match: re.Match[bytes]) -> bytes:
    token = match.group()
    return token if token.startswith(b'"') else b"null"


def _too_deep(file: Path | str) -> AnnotationError:
    return AnnotationError(file, "", "not COCO format: nested too deeply")


def _not_coco(file: Path | str, error: msgspec.ValidationError) -> AnnotationError:
    cause, _, place = str(error).partition(" - at `")
    return AnnotationError(file, place.removesuffix("`"), f"not COCO format: {cause}")


def _not_json(file: Path | str, error: Exception) -> AnnotationError:
    if "truncated" in str(error):
        return AnnotationError(file, "", "the JSON is cut short: the file ends before its last bracket closes")
    cause, _, place = str(error).removeprefix("JSON is malformed: ").partition(" (byte ")
    return AnnotationError(file, f"byte {place.removesuffix(')')}" if place else "", f"not JSON: {cause}")
