"""The rules by which a server decides whether it serves a request."""

from dataclasses import dataclass, field
from typing import Self

from service.access.credentials import Credentials
from service.access.hosts import AllowedHosts
from service.access.tokens import token_of, warn_if_readable
from service.settings.access import AccessSettings


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Who may use a server; without arguments, its own host only.

    Attributes:
        credentials: what each request has to carry, if anything.
        hosts: the names under which the server may be used.
        is_open: its network is protected, so that it needs no token.
    """

    credentials: Credentials | None = None
    hosts: AllowedHosts = field(default_factory=AllowedHosts)
    is_open: bool = False

    @classmethod
    def of(cls, settings: AccessSettings) -> Self:
        """Return the policy of a server. Raises `SettingsError` for a token file that cannot be used."""
        token = token_of(settings)
        warn_if_readable(settings)
        names = settings.allowed_hosts or ()
        everything = "*" in names or (token is not None and not names)
        hosts = AllowedHosts(names, everything, local=settings.open and not names)
        return cls(None if token is None else Credentials(token), hosts, settings.open)
