"""Allowing detector families from outside the project in this process."""

from client.errors import ClientError
from sampler.errors import ConfigError
from sampler.families import registry


def register_family(path: str) -> None:
    """Let this process, and its loader workers, use batches of a detector family from outside the project.

    A client never imports code because a server names it. Call this first for a family that you trust.

    Args:
        path: Import path of the family, such as "my_package.centres:FAMILY". Its module is imported.

    Raises:
        ClientError: There is no family at this path.
    """
    try:
        registry.register_family(path)
    except ConfigError as error:
        raise ClientError(str(error)) from error
