"""Paths in environment variables: one path as plain text, or several as a JSON list."""

import json
from pathlib import Path

_EXPECTED = 'expected one path, or a JSON list of paths such as ["a", "b"]'


def parse_paths(text: str) -> tuple[Path, ...]:
    """Return the paths that a text names. Raises ValueError if it begins like a JSON list and is none of paths."""
    if not text.lstrip().startswith("["):
        return (Path(text),)
    try:
        paths = json.loads(text)
    except json.JSONDecodeError as error:
        if not text.lstrip("[ \n\t").startswith('"'):
            return (Path(text),)  # the name of a file may begin with a bracket
        raise ValueError(f"not JSON: {error}; {_EXPECTED}") from None
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) and path for path in paths):
        raise ValueError(_EXPECTED)
    return tuple(Path(path) for path in paths)


def expand_home(path: Path) -> Path:
    """Return a path without a leading ~. Raises ValueError if that home folder is unknown."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("the home folder is unknown; expected a path without ~") from error
