"""Which addresses a server without a token may listen at."""

from functools import lru_cache
from ipaddress import ip_address

from service.settings.access import AccessSettings
from service.settings.load import SettingsError


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Return whether only processes of this host reach a server that listens at `host`.

    host: a name or an address. Other names than localhost are not resolved and count as reachable from elsewhere.
    """
    name = host.lower().removeprefix("[").removesuffix("]").removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def require_protected(settings: AccessSettings, host: str | None) -> None:
    """Check that a server is protected by a token if other hosts can reach it. Raises `SettingsError`.

    host: the address to listen at; None for a Unix socket, which file permissions protect.
    """
    protected = settings.token is not None or settings.token_file is not None or settings.open
    if protected or host is None or is_loopback(host):
        return
    raise SettingsError(
        f"other hosts could use this server at {host or 'all addresses'} without a token; set SAMPLER_TOKEN (make "
        "one with: openssl rand -hex 32) or SAMPLER_TOKEN_FILE, listen at 127.0.0.1, or set SAMPLER_OPEN=1 if only "
        "trusted hosts reach this network"
    )
