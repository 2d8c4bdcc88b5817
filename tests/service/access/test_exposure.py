"""A server without a token warns once if other hosts can reach it."""

import logging

import pytest

from service.access.credentials import Credentials
from service.access.exposure import Exposure, listening_host
from service.access.policy import AccessPolicy

UVICORN = "/usr/bin/uvicorn"
MODULE = "/usr/lib/python3/site-packages/uvicorn/__main__.py"


@pytest.mark.parametrize(
    ("arguments", "environment", "host"),
    [
        ([UVICORN, "service.main:app"], {}, "127.0.0.1"),
        ([UVICORN, "service.main:app", "--host", "0.0.0.0"], {}, "0.0.0.0"),
        ([MODULE, "--host=10.0.0.5", "service.main:app"], {}, "10.0.0.5"),
        ([MODULE, "service.main:app"], {"UVICORN_HOST": "::"}, "::"),
        ([MODULE, "service.main:app", "--host", "127.0.0.1"], {"UVICORN_HOST": "::"}, "127.0.0.1"),
        ([MODULE, "service.main:app", "--fd", "3"], {"UVICORN_HOST": "::"}, None),
        ([MODULE, "service.main:app", "--uds=/run/s"], {}, None),
        (["/usr/bin/gunicorn", "--host", "0.0.0.0"], {}, None),
        (["-c"], {}, None),
        ([], {}, None),
        ([UVICORN, "service.main:app", "--host"], {}, ""),
    ],
)
def test_the_address_is_that_of_uvicorns_command_line(
    arguments: list[str], environment: dict[str, str], host: str | None
) -> None:
    assert listening_host(arguments, environment) == host


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("saccade_sampler"), "propagate", True)
    return caplog


def test_an_address_of_the_command_line_is_warned_about_once(lines: pytest.LogCaptureFixture) -> None:
    exposure = Exposure(AccessPolicy())
    exposure.check_start("0.0.0.0")
    exposure.check_request({"server": ("10.0.0.5", 8000)})
    (message,) = lines.messages
    assert message.startswith("this server has no token and can be reached at 0.0.0.0: everyone")


def test_otherwise_the_first_request_at_such_an_address_is(lines: pytest.LogCaptureFixture) -> None:
    exposure = Exposure(AccessPolicy())
    exposure.check_start(None)
    for server in (None, ("127.0.0.1", 8000), ("/run/socket", None), ("::1", 8000)):
        exposure.check_request({"server": server})
    assert not lines.messages
    for _ in range(3):
        exposure.check_request({"server": ("10.0.0.5", 8000)})
    assert ["10.0.0.5" in message for message in lines.messages] == [True]


@pytest.mark.parametrize("policy", [AccessPolicy(Credentials("correct-horse-battery")), AccessPolicy(is_open=True)])
def test_a_server_with_a_token_or_an_open_network_gives_no_warning(
    policy: AccessPolicy, lines: pytest.LogCaptureFixture
) -> None:
    exposure = Exposure(policy)
    exposure.check_start("0.0.0.0")
    exposure.check_request({"server": ("10.0.0.5", 8000)})
    assert not lines.messages
