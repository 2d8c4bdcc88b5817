"""The variables that clients and loaders read, with the proxy that applies to each server."""

import os

from client.access import TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, Token
from client.errors import ClientError
from client.fleet.addresses import URL_VARIABLE, ServerAddresses
from saccade_sampler.settings.rows import HIDDEN, Row
from sampler.errors import InvalidRequestError

GROUP = "client"


def client_settings(*, check_token: bool) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return what clients take from the environment, and one line for each value that they would refuse.

    check_token: False if the token was checked as that of a server.
    """
    rows: list[Row] = []
    problems: list[str] = []
    for name, variable in (("url", URL_VARIABLE), ("token", TOKEN_VARIABLE), ("token_file", TOKEN_FILE_VARIABLE)):
        value = os.environ.get(variable) or None
        if value is None:
            rows.append(Row(GROUP, name, None, "default", ""))
        elif name == "url":
            found, wrong = _servers(variable)
            rows += found
            problems += wrong
        else:
            rows.append(Row(GROUP, name, HIDDEN if name == "token" else value, "variable", variable))
    problems += _token_problems() if check_token else []
    return tuple(rows), tuple(problems)


def _servers(variable: str) -> tuple[list[Row], list[str]]:
    """Return a row for the URLs and one for the proxy of each; and why clients refuse them, if they do."""
    try:
        addresses = ServerAddresses.parse(None)
    except (InvalidRequestError, ClientError) as error:
        return [], [str(error)]
    urls = addresses.shown.split(", ")
    rows = [Row(GROUP, "url", urls if len(urls) > 1 else urls[0], "variable", variable)]
    for base in addresses.bases:
        if base.proxy is not None:
            rows.append(Row(GROUP, f"proxy of {base.shown}", base.proxy.shown, "variable", base.proxy.variable))
    return rows, []


def _token_problems() -> list[str]:
    value, file = os.environ.get(TOKEN_VARIABLE), os.environ.get(TOKEN_FILE_VARIABLE)
    if value and file:
        return [f"{TOKEN_VARIABLE} and {TOKEN_FILE_VARIABLE} are both set; set one of them"]
    try:
        if value:
            Token(value, TOKEN_VARIABLE)
    except InvalidRequestError as error:
        return [str(error)]
    return []
