"""Typed entries of a COCO-format annotation file, with the fields that samples depend on.

The parser skips everything else in the file (licences, captions, scores) without building it.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sampler.errors import AnnotationError
from sampler.text_files import UTF8_MARK, encoding_fault

Id = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_INFINITE = 1 << 1023
_NO_OUTLINE = (b"", b"null", b"[]", b"{}")
_MALFORMED = re.compile(r"(?:JSON is malformed: )?(.*) \(byte ([0-9]+)\)", re.DOTALL)
_STRING_OR_NOT_A_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?(?:NaN|Infinity)', re.DOTALL)


class ImageEntry(msgspec.Struct, gc=False):
    """An entry of `images`. LVIS has only `coco_url` to name the file."""

    id: Id | str
    width: int | float | None = None
    height: int | float | None = None
    file_name: str | None = None
    coco_url: str | None = None


class CategoryEntry(msgspec.Struct, gc=False):
    """An entry of `categories`."""

    id: Id
    name: str
    supercategory: Any = None

    def group(self) -> str:
        """Return the supercategory, "" if there is none."""
        return self.supercategory if isinstance(self.supercategory, str) else ""


class AnnotationEntry(msgspec.Struct, gc=False):
    """An entry of `annotations`. The segmentation stays undecoded until a box must be computed from it.

    Samples do not depend on `area`, so it may be anything.
    """

    id: Id
    image_id: Id | str
    category_id: Id
    bbox: list[float | None] | None = None
    iscrowd: int | bool | None = None
    area: Any = None
    segmentation: msgspec.Raw = msgspec.Raw()

    def has_outline(self) -> bool:
        """Return whether there is a segmentation, usable or not."""
        return bytes(self.segmentation) not in _NO_OUTLINE

    def area_or_nan(self) -> float:
        """Return the area, NaN if it is not a number."""
        if type(self.area) is float:
            return self.area
        return float(self.area) if type(self.area) is int and abs(self.area) < _INFINITE else math.nan

    def outline(self) -> object:
        """Return the segmentation as polygons or RLE, or None if there is none. Raises ValueError.

        The parser of the file has found where it ends, but has not looked at its text.
        """
        if not bytes(self.segmentation):
            return None
        try:
            return msgspec.json.decode(self.segmentation)
        except (UnicodeDecodeError, msgspec.DecodeError) as error:
            raise ValueError("it is not valid JSON in UTF-8") from error


class CocoFile(msgspec.Struct):
    """An annotation file."""

    images: list[ImageEntry]
    annotations: list[AnnotationEntry]
    categories: list[CategoryEntry]


def decode_file(text: bytes, file: Path | str, place_of: Callable[[int], str]) -> CocoFile:
    """Return the entries of an annotation file. Raises AnnotationError.

    `file` names it in errors, and `place_of` a byte of its text.

    Python's JSON writer emits NaN and Infinity, which are not JSON. Outside strings they are read as null, so that
    they spoil one box and not the whole file.
    """
    data = text.removeprefix(UTF8_MARK)
    if b"NaN" in data or b"Infinity" in data:
        data = _STRING_OR_NOT_A_NUMBER.sub(_null, data)
    try:
        return msgspec.json.decode(data, type=CocoFile)
    except msgspec.ValidationError as error:
        cause, _, place = str(error).partition(" - at `")
        raise AnnotationError(file, place.removesuffix("`"), f"not COCO format: {cause}") from error
    except RecursionError as error:
        raise AnnotationError(file, "", "not COCO format: nested too deeply") from error
    except UnicodeDecodeError as error:
        offset, cause = encoding_fault(text) or (0, f"not UTF-8: {error}")
        raise AnnotationError(file, place_of(offset), cause) from error
    except msgspec.DecodeError as error:
        raise _not_json(text, file, place_of, error) from error


def _null(match: re.Match[bytes]) -> bytes:
    token = match.group()
    return token if token.startswith(b'"') else b"null"


def _not_json(text: bytes, file: Path | str, place_of: Callable[[int], str], error: Exception) -> AnnotationError:
    if "truncated" in str(error):
        return AnnotationError(file, "", "the JSON is truncated: the file ends before its last bracket closes")
    found = _MALFORMED.fullmatch(str(error))
    if found is None:
        return AnnotationError(file, "", f"not JSON: {error}")
    cause, offset = found.groups()
    return AnnotationError(file, place_of(_offset_in_file(text, int(offset))), f"not JSON: {cause}")


def _offset_in_file(text: bytes, offset: int) -> int:
    """Return the offset in the file of an offset in what was decoded: without its mark, and with null for NaN."""
    shift = len(text) - len(text.removeprefix(UTF8_MARK))
    for match in _STRING_OR_NOT_A_NUMBER.finditer(text):
        if match.start() >= offset + shift:
            break
        shift += len(match.group()) - len(_null(match))
    return offset + shift
