"""Errors of the client's commands."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from client.errors import ClientError
from sampler.cli.errors import CommandError
from sampler.system_errors import limit_reached


@contextmanager
def client_errors() -> Iterator[None]:
    """Raise CommandError for errors of the client and the system.

    Retries are not logged: the final error says enough.
    """
    logging.getLogger("saccade_client").setLevel(logging.ERROR)
    try:
        yield
    except (ClientError, OSError) as error:
        raise CommandError(limit_reached(error) or str(error)) from error
