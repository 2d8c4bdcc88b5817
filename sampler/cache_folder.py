"""The cache folder of a user: the default for everything that is built once and found again."""

import os
from pathlib import Path

import platformdirs

from sampler.errors import CacheError


def default_cache_dir() -> Path:
    """Return the user's cache folder for this package. Raises CacheError if the user has no home folder."""
    try:
        folder = Path(platformdirs.user_cache_dir("saccade-sampler", appauthor=False))
    except RuntimeError as error:
        raise _no_home() from error
    if not folder.is_absolute():  # such as "~/.cache" if the home folder is unknown
        raise _no_home()
    return folder


def _no_home() -> CacheError:
    return CacheError(
        f"no cache folder: the home folder of user id {os.geteuid()} is unknown (HOME is unset or not an absolute path)"
        "; set SAMPLER_CACHE_DIR to a folder that this user can write"
    )
