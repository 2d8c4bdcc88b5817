"""Errors of the client's commands."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from client.errors import ClientError
from client.protocol.urls import FIELD
from sampler.cli.errors import CommandError, cause_in_the_system
from sampler.errors import InvalidRequestError, SamplerError


@contextmanager
def client_errors() -> Iterator[None]:
    """Raise CommandError for errors of the client and the system.

    Retries are not logged: the final error says enough.
    """
    logging.getLogger("saccade_client").setLevel(logging.ERROR)
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads the output
    except (ClientError, OSError) as error:
        raise _as_command_error(error) from error


def _as_command_error(error: Exception) -> SamplerError:
    invalid = error.__context__  # of a value that was refused on this side: `checked_arguments` hides it in tracebacks
    if not isinstance(invalid, InvalidRequestError):
        return CommandError(cause_in_the_system(error) or str(error))
    field, expected = (text.replace(FIELD, FIELD.upper()) for text in (invalid.field, invalid.expected))
    return InvalidRequestError(field, invalid.value, expected)
