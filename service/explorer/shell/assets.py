"""The files that pages load: styles, scripts and pictures, each under a URL that changes with their content."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from service.explorer.shell.vendored import vendored_files

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Media types by suffix; other files of the pages, such as templates, are not served."""

FAVICON = "shell/favicon.svg"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that browsers may load."""

    body: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All files that browsers may load.

    Attributes:
        version: A digest of all of them. It is part of every URL, so that a script finds the scripts it imports by
            their relative paths, and so that browsers may cache them for good.
        files: Each by its path, such as `shell/style.css`. No other path is ever looked up.
    """

    version: str
    files: dict[str, Asset]

    @classmethod
    def of(cls, bodies: dict[str, bytes]) -> "Assets":
        """Return the assets of files, given by path; the suffix of a path decides about its media type."""
        found = {
            path: Asset(body, MEDIA_TYPES[_suffix(path)], f'"{_digest(body)}"') for path, body in sorted(bodies.items())
        }
        return cls(_digest(repr([(path, asset.etag) for path, asset in found.items()]).encode()), found)

    def path(self, name: str) -> str:
        """Return the URL path of a file. Raises KeyError if there is none, so that no page links to nothing."""
        if name not in self.files:
            raise KeyError(f"no page has the file {name}")
        return f"/assets/{self.version}/{name}"


@cache
def assets() -> Assets:
    """Return the files of all pages: those in the folders next to this one, and those of other projects."""
    folders = [folder for folder in files("service.explorer").iterdir() if folder.is_dir()]
    own = {
        f"{folder.name}/{file.name}": file.read_bytes()
        for folder in folders
        for file in folder.iterdir()
        if _is_asset(file)
    }
    return Assets.of(own | vendored_files())


def _is_asset(file: Traversable) -> bool:
    return file.is_file() and _suffix(file.name) in MEDIA_TYPES


def _suffix(path: str) -> str:
    return path[path.rindex(".") :] if "." in path else ""


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=10).hexdigest()
