"""The token of a server, from its settings."""

import logging
import stat
from contextlib import suppress
from pathlib import Path

from sampler.access_token import read_token
from sampler.system_errors import explain
from service.settings.access import AccessSettings
from service.settings.load import SettingsError

log = logging.getLogger("saccade_sampler")


def token_of(settings: AccessSettings) -> str | None:
    """Return the token that requests must carry, or None. Raises `SettingsError`, which never quotes the token."""
    if settings.token is not None:
        return settings.token.get_secret_value()
    return None if settings.token_file is None else _read(settings.token_file)


def warn_if_readable(settings: AccessSettings) -> None:
    """Log a warning if all users of this host can read the token in its file."""
    file = settings.token_file
    if file is None:
        return
    with suppress(OSError):  # it was read before, and is only gone since
        if file.stat().st_mode & stat.S_IROTH:
            log.warning("SAMPLER_TOKEN_FILE: every user of this host can read the token; run: chmod o-r %s", file)


def _read(file: Path) -> str:
    try:
        return read_token(file)
    except FileNotFoundError:
        raise SettingsError(f"SAMPLER_TOKEN_FILE = {file}: no such file") from None
    except OSError as error:
        cause = explain(error, file, "name a file that this user can read")
        raise SettingsError(f"SAMPLER_TOKEN_FILE = {file}: cannot be read: {cause}") from None
    except ValueError as error:
        raise SettingsError(f"SAMPLER_TOKEN_FILE = {file}: {error}") from None
