"""A warning for servers without a token that other hosts can reach.

An app does not know at which address its server listens. Two things tell: the command line of uvicorn, and the address
at which a request arrives.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from starlette.types import Scope

from service.access.binding import is_loopback
from service.access.policy import AccessPolicy

log = logging.getLogger("saccade_sampler")

_OTHER_SOCKETS = ("--fd", "--uds")


def listening_host(arguments: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Return the address at which uvicorn was told to listen; None if that is unknown.

    arguments: `sys.argv` of the process.
    """
    program = PurePath(arguments[0]) if arguments else PurePath()
    if "uvicorn" not in (program.stem, program.parent.name):
        return None
    host: str | None = environment.get("UVICORN_HOST", "127.0.0.1")
    for argument, following in zip(arguments[1:], [*arguments[2:], ""], strict=True):
        option, equals, value = argument.partition("=")
        if option in _OTHER_SOCKETS:
            return None
        if option == "--host":
            host = value if equals else following
    return host


class Exposure:
    """Logs one warning if other hosts can reach a server that has no token."""

    def __init__(self, policy: AccessPolicy) -> None:
        """policy: of the server. No warning is logged if it has a token, or an open network is intended."""
        self._watching = policy.credentials is None and not policy.is_open

    def check_start(self, host: str | None) -> None:
        """Check the address at which the server listens, if it is known."""
        if host is not None:
            self._check(host)

    def check_request(self, scope: Scope) -> None:
        """Check the address at which a request arrived."""
        if self._watching and (address := scope.get("server")) is not None and address[1] is not None:
            self._check(address[0])

    def _check(self, host: str) -> None:
        if not self._watching or is_loopback(host):
            return
        self._watching = False
        log.warning(
            "this server has no token and can be reached at %s: everyone who reaches that address can use it; set "
            "SAMPLER_TOKEN, or listen at 127.0.0.1 (SAMPLER_OPEN=1 if the network is protected)", host,
        )  # fmt: skip
