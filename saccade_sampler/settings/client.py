"""The variables that clients and loaders read, with the proxy that applies to each server."""

import os
from collections.abc import Iterator, Sequence

from client.access import access_to
from client.credentials import TOKEN_FILE_VARIABLE, TOKEN_VARIABLE
from client.errors import ClientError
from client.fleet.addresses import URL_VARIABLE, ServerAddresses
from client.protocol.proxies import Proxy
from saccade_sampler.settings.rows import HIDDEN, Row
from sampler.errors import InvalidRequestError

GROUP = "client"


def client_settings(*, check_token: bool) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return what clients take from the environment, and one line for each value that they would refuse.

    check_token: False if the token was checked as that of a server.
    """
    addresses, problems = _addresses()
    bases = [] if addresses is None else [(base.url, base.proxy) for base in addresses.bases]
    rows = [*_url_rows(addresses), _row("token", TOKEN_VARIABLE, hidden=True), _row("token_file", TOKEN_FILE_VARIABLE)]
    return tuple(rows), (*problems, *_access_problems(bases, check_token))


def _row(name: str, variable: str, *, hidden: bool = False) -> Row:
    value = os.environ.get(variable, "").strip()
    if not value:
        return Row(GROUP, name, None, "default", "")
    return Row(GROUP, name, HIDDEN if hidden else value, "variable", variable)


def _addresses() -> tuple[ServerAddresses | None, list[str]]:
    """Return the servers in the environment, or why clients refuse them; neither if there are none."""
    if not os.environ.get(URL_VARIABLE, "").strip():
        return None, []
    try:
        return ServerAddresses.parse(None), []
    except (InvalidRequestError, ClientError) as error:
        return None, [str(error)]


def _url_rows(addresses: ServerAddresses | None) -> Iterator[Row]:
    """Yield a row for the URLs, and one for the proxy of each. Invalid ones are shown as given, without passwords."""
    if addresses is None:
        yield _row("url", URL_VARIABLE, hidden="@" in os.environ.get(URL_VARIABLE, ""))
        return
    urls = addresses.shown.split(", ")
    yield Row(GROUP, "url", urls if len(urls) > 1 else urls[0], "variable", URL_VARIABLE)
    for base in addresses.bases:
        if base.proxy is not None:
            yield Row(GROUP, f"proxy of {base.shown}", base.proxy.shown, "variable", base.proxy.variable)


def _access_problems(servers: Sequence[tuple[str, Proxy | None]], check_token: bool) -> list[str]:
    """Return why clients refuse the token in the environment, at all or for one of the servers."""
    try:
        access_to(servers, None, None)
    except InvalidRequestError as error:
        checked = error.field in (TOKEN_VARIABLE, TOKEN_FILE_VARIABLE) and not check_token
        return [] if checked else [str(error)]
    return []
