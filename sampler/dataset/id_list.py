"""Files that list image ids: a JSON list, or text with one id on each line."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from sampler.errors import IdListError
from sampler.system_errors import explain
from sampler.text_files import read_text

EXAMPLES = 5
"""Number of unknown ids that an error names."""


@dataclass(frozen=True, slots=True)
class IdList:
    """A list of image ids.

    Ids are compared as text, so that 139 and "139" are the same id: text files do not distinguish them, and no dataset
    has both.

    Attributes:
        file: The file that it comes from, which errors name.
        ids: Each id once, as text, in the order of the file.
    """

    file: Path
    ids: tuple[str, ...]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the ids that a file lists. Raises IdListError."""
        try:
            text = read_text(file)
            ids = _json_ids(text) if text.lstrip().startswith(("[", "{")) else _lines(text)
        except OSError as error:
            raise IdListError(file, f"cannot be read: {explain(error, file)}") from error
        except (ValueError, RecursionError) as error:
            raise IdListError(file, str(error)) from error
        return cls(file, tuple(dict.fromkeys(ids)))

    def places(self, ids: Iterable[int | str]) -> npt.NDArray[np.int64]:
        """Return the places of the listed ids in `ids`, the image ids of a dataset: (n,) int64, ascending.

        Raises IdListError if the dataset does not have one of them.
        """
        wanted = set(self.ids)
        found = {text: place for place, text in enumerate(map(str, ids)) if text in wanted}
        unknown = [text for text in self.ids if text not in found]
        if unknown:
            named = ", ".join(map(repr, unknown[:EXAMPLES]))
            more = ", …" if len(unknown) > EXAMPLES else ""
            raise IdListError(
                self.file,
                f"{len(unknown)} of {len(self.ids)} ids are not image ids of the dataset: {named}{more}; "
                "use a list that was made for this annotation file",
            )
        return np.array(sorted(found.values()), np.int64)


def _json_ids(text: str) -> list[str]:
    try:
        listed = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}; expected a JSON list of image ids, or one id on each line") from error
    if not isinstance(listed, list):
        raise ValueError("a JSON object; expected a JSON list of image ids, or one id on each line")
    for place, one in enumerate(listed):
        if type(one) not in (int, str):
            raise ValueError(f"[{place}] = {one!r}: expected an image id, which is an integer or a string")
    return [str(one) for one in listed]


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.split("\n"))  # splitlines() would also split at characters within ids
    return [line for line in lines if line]
