"""Image folders as people see them: by their own names, without the paths that lead to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sampler.path_lists import Location


@dataclass(frozen=True, slots=True)
class ImageFolders:
    """The image folders of a dataset, whose paths are not shown: visitors need not know how the host is laid out.

    Attributes:
        names: The folder name of each annotation file; "" if it has none, such as the folder in which the server runs.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, locations: Sequence[Location]) -> Self:
        """Return the folders at some paths or URLs, one for each annotation file."""
        return cls(tuple(_name(str(location)) for location in locations))

    def path(self, file_name: str) -> str:
        """Return the path of an image from its folder on, such as `val2017/000139.jpg`.

        file_name: as the dataset has it; with several folders, it begins with the number of one.
        """
        if len(self.names) < 2:
            return "/".join(name for name in (*self.names, file_name) if name)
        number, _, rest = file_name.partition("/")
        folder = self.names[int(number)]
        return f"{folder}/{rest}" if folder else rest

    def file_name(self, path: str) -> str:
        """Return what finds the image of a path: its file name, or the text itself if it begins with no folder."""
        folder, _, rest = path.partition("/")
        if not rest or folder not in self.names:
            return path
        several = len(self.names) > 1 and self.names.count(folder) == 1
        return f"{self.names.index(folder)}/{rest}" if several else rest


NO_FOLDERS = ImageFolders()


def _name(location: str) -> str:
    name = location.rstrip("/").rpartition("/")[2]
    return "" if name in (".", "..") else name
