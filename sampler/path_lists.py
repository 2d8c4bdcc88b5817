"""Paths in environment variables: one path as plain text, or several as a JSON list."""

import json
import re
from pathlib import Path

_EXPECTED = 'expected one path, or a JSON list of paths such as ["a", "b"]'
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

Location = Path | str
"""Where images are: the path of a folder, or the URL of a place in object storage."""


def parse_paths(text: str) -> tuple[Path, ...]:
    """Return the paths that a text names. Raises ValueError if it begins like a JSON list and is none of paths."""
    return tuple(map(Path, _parse(text)))


def parse_locations(text: str) -> tuple[Location, ...]:
    """Return the locations that a text names, without a leading ~. Raises ValueError like `parse_paths`."""
    return tuple(map(as_location, _parse(text)))


def is_url(location: Location) -> bool:
    """Return whether a location is a URL. A `Path` is always a path: it has no double slashes."""
    return isinstance(location, str) and _URL.match(location) is not None


def as_location(text: Location) -> Location:
    """Return a URL as it is, and anything else as a path without a leading ~. Raises ValueError like `expand_home`."""
    return text if is_url(text) else expand_home(Path(text))


def expand_home(path: Path) -> Path:
    """Return a path without a leading ~. Raises ValueError if that home folder is unknown."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("the home folder is unknown; expected a path without ~") from error


def _parse(text: str) -> tuple[str, ...]:
    if not text.lstrip().startswith("["):
        return (text,)
    try:
        paths = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        if not text.lstrip("[ \n\t").startswith('"'):
            return (text,)  # the name of a file may begin with a bracket
        raise ValueError(f"not JSON: {error}; {_EXPECTED}") from None
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) and path for path in paths):
        raise ValueError(_EXPECTED)
    return tuple(paths)
