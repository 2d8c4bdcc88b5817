"""Files of image ids: some of the images of a dataset, named by their COCO image ids."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from sampler.errors import ImageListError
from sampler.printable import printable
from sampler.system_errors import explain
from sampler.text_files import read_text

ImageId = int | str

_SHOWN = 5
_INTEGER = re.compile(r"[+-]?[0-9]+")
EXPECTED = "expected a JSON list of image ids, or text with one image id per line"


def read_image_ids(file: Path) -> tuple[ImageId, ...]:
    """Return the image ids in a file: a JSON list, or text with one id per line.

    Ids of text are strings; `as_integer` makes integers of them where a dataset has integers. Raises ImageListError.
    """
    try:
        text = read_text(file)
    except OSError as error:
        cause = explain(error, file, "name a file that this user can read")
        raise ImageListError(file, f"cannot be read: {cause}") from error
    except ValueError as error:
        raise ImageListError(file, str(error)) from error
    return _list_of(text, file) if text.lstrip()[:1] in ("[", "{") else _lines_of(text)


def require_known(unknown: Sequence[ImageId], ids: Sequence[ImageId], file: Path) -> None:
    """Raise ImageListError, which counts the unknown ids of a file and names the first, if there are any."""
    if unknown:
        first = ", ".join(printable(str(one)) for one in unknown[:_SHOWN])
        more = ", …" if len(unknown) > _SHOWN else ""
        cause = f"{len(unknown)} of {len(ids)} ids are not image ids of this dataset: {first}{more}"
        raise ImageListError(file, f"{cause}; remove them, or use the list of this dataset")


def as_integer(image_id: ImageId) -> int | None:
    """Return an id as an integer, or None if it is text that is none."""
    if isinstance(image_id, int):
        return image_id
    return int(image_id) if len(image_id) < 100 and _INTEGER.fullmatch(image_id) else None


def _list_of(text: str, file: Path) -> tuple[ImageId, ...]:
    try:
        ids = json.loads(text)
    except ValueError as error:  # also for integers with thousands of digits, which Python refuses
        raise ImageListError(file, f"not JSON: {error}; {EXPECTED}") from error
    except RecursionError as error:
        raise ImageListError(file, f"nested too deeply; {EXPECTED}") from error
    if not isinstance(ids, list):
        raise ImageListError(file, f"is an object; {EXPECTED}")
    for place, one in enumerate(ids):
        if not isinstance(one, int | str) or isinstance(one, bool):
            raise ImageListError(file, f"[{place}] is {json.dumps(one)[:80]}; expected an integer or a string")
    return tuple(ids)


def _lines_of(text: str) -> tuple[ImageId, ...]:
    # `splitlines` would also split at rare characters that an id may contain.
    return tuple(line.strip() for line in text.split("\n") if line.strip())
