"""Image folders as people see them: by their own names, without the paths that lead to them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sampler.dataset.images.local_folder import LEADS_OUT
from sampler.path_lists import Location
from sampler.printable import path_text, printable

_TARGET = re.compile(f"({LEADS_OUT}), to .*?(?=; |$)")


@dataclass(frozen=True, slots=True)
class ImageFolders:
    """The image folders of a dataset, whose paths are not shown: visitors need not know how the host is laid out.

    Attributes:
        names: The folder name of each annotation file; "" if it has none, such as the folder in which the server runs.
        locations: The paths or URLs as errors have them.
    """

    names: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()

    @classmethod
    def of(cls, locations: Sequence[Location]) -> Self:
        """Return the folders at some paths or URLs, one for each annotation file."""
        return cls(tuple(_name(str(location)) for location in locations), tuple(map(_text, locations)))

    def path(self, file_name: str) -> str:
        """Return the path of an image from its folder on, such as `val2017/000139.jpg`.

        file_name: as the dataset has it; with several folders, it begins with the number of one.
        """
        if len(self.names) < 2:
            return "/".join(name for name in (*self.names, file_name) if name)
        number, _, rest = file_name.partition("/")
        folder = self.names[int(number)]
        return f"{folder}/{rest}" if folder else rest

    def label(self, file_name: str) -> str:
        """Return what tells an image from the others of its dataset: the file name alone if there is one folder.

        file_name: see `path`.
        """
        return self.path(file_name) if len(self.names) > 1 else file_name

    def file_name(self, path: str) -> str:
        """Return what finds the image of a path: its file name, or the text itself if it begins with no folder."""
        folder, _, rest = path.partition("/")
        if not rest or folder not in self.names:
            return path
        several = len(self.names) > 1 and self.names.count(folder) == 1
        return f"{self.names.index(folder)}/{rest}" if several else rest

    def without_locations(self, text: str) -> str:
        """Return the text of an error for visitors: images in it are named like `path` does."""
        shown = _TARGET.sub(r"\1", text)
        for location, name in sorted(zip(self.locations, self.names, strict=True), reverse=True):  # longest first
            for written in {location, printable(location)} - {"", "."}:
                place = rf"(?<![\w./-]){re.escape(written)}" + (r"(?![^\s/:;,)\"'])" if name else "/")
                shown = re.sub(place, printable(name).replace("\\", r"\\"), shown)
        return shown

    def beginnings(self, text: str) -> tuple[str, ...]:
        """Return how the file names begin in whose paths a text begins within the name of the folder.

        For `val2017/` that is the beginning of all file names of this folder, and so it is for `2017`. ASCII letters
        match in either case.
        """
        found = [
            (f"{number}/" if len(self.names) > 1 else "") + rest
            for number, folder in enumerate(self.names)
            if folder
            for rest in _rests(_lower(f"{folder}/"), _lower(text))
        ]
        return tuple(dict.fromkeys(found))


NO_FOLDERS = ImageFolders()


def _text(location: Location) -> str:
    """Return a location as `ImageSource.describe` writes it before the name of an image."""
    return (path_text(location) if isinstance(location, Path) else location).rstrip("/")


def _name(location: str) -> str:
    name = location.rstrip("/").rpartition("/")[2]
    return "" if name in (".", "..") else name


def _rests(folder: str, text: str) -> Iterator[str]:
    """Yield what is left of a text after a folder in which it begins: nothing if it ends within the folder."""
    for place in range(len(folder)):
        end = folder[place:]
        if end.startswith(text) or text.startswith(end):
            yield text[len(end) :]


def _lower(text: str) -> str:
    """Return a text with ASCII letters in lower case, so that its length stays."""
    return text.encode().lower().decode()
