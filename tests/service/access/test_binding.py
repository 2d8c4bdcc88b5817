"""A server without a token listens for its own host only."""

from pathlib import Path

import pytest

from service.access.binding import is_loopback, require_protected
from service.settings.load import SettingsError
from service.settings.server import Settings

LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LOCALHOST.", "::ffff:127.0.0.1", "a.localhost"]
REACHABLE = ["0.0.0.0", "::", "", "10.0.0.5", "192.168.1.2", "fe80::1%eth0", "cpu-host", "127.0.0.1.example.org", "1"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_without_a_token_a_server_listens_on_loopback_addresses(host: str) -> None:
    assert is_loopback(host)
    require_protected(Settings(), host)


@pytest.mark.parametrize("host", REACHABLE)
def test_without_a_token_a_server_refuses_other_addresses_and_says_what_to_do(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(SettingsError, match=r"without a token; set SAMPLER_TOKEN .* or set SAMPLER_OPEN=1") as raised:
        require_protected(Settings(), host)
    assert (host or "all addresses") in str(raised.value)


@pytest.mark.parametrize(
    "settings", [{"token": "correct-horse-battery"}, {"token_file": Path("token")}, {"open": True}], ids=str
)
def test_with_a_token_or_an_open_network_any_address_will_do(settings: dict[str, object]) -> None:
    require_protected(Settings.model_validate(settings), "0.0.0.0")


def test_a_unix_socket_needs_no_token() -> None:
    require_protected(Settings(), None)
