"""The servers of a client as given, and the addresses of names."""

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from client.errors import ServerUnavailableError
from client.fleet.addresses import RESOLVE_SECONDS, Address, ServerAddresses, look_up
from sampler.errors import InvalidRequestError

PROXY = {"HTTP_PROXY": "http://proxy:3128"}


class Names:
    """A resolver and a clock that a test sets."""

    def __init__(self, *addresses: str) -> None:
        self.now = 100.0
        self.answer: Iterable[str] | OSError = addresses
        self.asked: list[tuple[str, int]] = []
        self.done = threading.Event()

    def __call__(self, host: str, port: int) -> Iterable[str]:
        self.asked.append((host, port))
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer

    def later(self, servers: ServerAddresses, seconds: float = RESOLVE_SECONDS) -> tuple[str, ...]:
        """Let time pass, use the servers, and return them once names that were due have been resolved."""
        self.now += seconds
        servers.urls()
        for thread in threading.enumerate():
            if thread.name == "resolve-servers":
                thread.join(5)
        return servers.urls()


def named(url: str, *addresses: str, more: Iterable[str] = ()) -> tuple[ServerAddresses, Names]:
    names = Names(*addresses)
    return ServerAddresses([url, *more], lookup=names, clock=lambda: names.now), names


# --- what is given ---


def test_one_url_is_a_single_server() -> None:
    servers = ServerAddresses.parse("http://cpu-host:8000/")
    assert servers.single == Address("http://cpu-host:8000")
    assert servers.urls() == ("http://cpu-host:8000",)
    assert servers.argument == "http://cpu-host:8000/"
    assert not servers.is_dynamic


def test_several_urls_keep_their_order() -> None:
    servers = ServerAddresses.parse(["http://b:8000", "https://a/sampler", "http://[::1]:8000"])
    assert servers.urls() == ("http://b:8000", "https://a/sampler", "http://[::1]:8000")
    assert servers.single is None
    assert ServerAddresses.parse(servers.argument).urls() == servers.urls()


@pytest.mark.parametrize(
    ("value", "urls"),
    [
        ("http://a", ["http://a"]),
        ("http://a http://b", ["http://a", "http://b"]),
        (" http://a,http://b,\n\thttp://c , ", ["http://a", "http://b", "http://c"]),
    ],
)
def test_without_a_url_the_environment_gives_one_or_several(value: str, urls: list[str]) -> None:
    assert list(ServerAddresses.parse(None, {"SAMPLER_URL": value}).urls()) == urls


def test_a_given_url_comes_before_the_environment() -> None:
    assert ServerAddresses.parse("http://a", {"SAMPLER_URL": "http://b"}).urls() == ("http://a",)


@pytest.mark.parametrize("environment", [{}, {"SAMPLER_URL": ""}, {"SAMPLER_URL": " \n"}])
def test_no_url_at_all_is_an_error_that_names_the_variable(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match=r"url = None: expected a URL .* in the variable SAMPLER_URL"):
        ServerAddresses.parse(None, environment)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "url"),
        ("", "url"),
        (7, "url"),
        (b"http://a", "url"),
        ("http://a http://b", "url"),
        ("dns+ftp://a", "url"),
        ("dns+http://", "url"),
        ("dns+http://a:0", "url"),
        (["http://a", "b:8000"], "url[1]"),
        (["http://a", None], "url[1]"),
        (["http://a", "http://a:99999"], "url[1]"),
    ],
)
def test_every_url_is_checked_and_the_error_says_which_one(given: Any, field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ServerAddresses.parse(given)
    if given != b"http://a":  # a sequence of numbers
        assert caught.value.field == field


def test_an_invalid_url_of_the_environment_names_the_variable() -> None:
    with pytest.raises(InvalidRequestError, match=r"^SAMPLER_URL\[1\] = 'b': expected a URL such as"):
        ServerAddresses.parse(None, {"SAMPLER_URL": "http://a b"})


@pytest.mark.parametrize(
    ("given", "missing"), [("127.0.0.1:8000", True), ("cpu-host", True), ("ftp://a", False), ("http://", False)]
)
def test_an_address_without_a_scheme_is_told_from_other_invalid_ones(given: str, missing: bool) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^url = '{given}': expected a URL such as http://") as caught:
        ServerAddresses.parse(given)
    assert str(caught.value).endswith("; http:// is missing") == missing


@pytest.mark.parametrize(
    "other", ["http://a:80/", "http://A", "http://a.", "http://me:secret@a", "dns+http://a", "http://a:80//"]
)
def test_a_server_that_is_given_twice_is_an_error(other: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"url\[2\] = .*: expected each server once; url\[0\] is"):
        ServerAddresses.parse(["http://a", "http://b", other])


@pytest.mark.parametrize("other", ["https://a", "http://a:8000", "http://a/val", "http://b"])
def test_other_schemes_ports_and_paths_are_other_servers(other: str) -> None:
    assert len(ServerAddresses.parse(["http://a", other]).urls()) == 2


def test_messages_do_not_show_passwords() -> None:
    servers = ServerAddresses.parse(["http://me:secret@a", "dns+http://me:secret@b"])
    assert servers.shown == "http://a, dns+http://b"
    with pytest.raises(InvalidRequestError) as caught:
        ServerAddresses.parse(["http://a", "http://me:secret@a"])
    assert "secret" not in str(caught.value)


# --- names ---


def test_every_address_of_a_name_is_a_server_that_keeps_the_name() -> None:
    servers, names = named("dns+https://sampler:8443/val", "10.0.0.2", "10.0.0.1", "fd00::1", "10.0.0.2")
    assert servers.is_dynamic
    assert servers.urls() == (
        "https://10.0.0.1:8443/val", "https://10.0.0.2:8443/val", "https://[fd00::1]:8443/val",
    )  # fmt: skip
    assert {address.host for address in servers.current()} == {"sampler:8443"}
    assert servers.address("https://[fd00::1]:8443/val").host == "sampler:8443"
    assert names.asked == [("sampler", 8443)]


def test_a_name_may_have_no_port_and_credentials() -> None:
    servers, names = named("dns+http://me:secret@sampler", "10.0.0.1")
    assert servers.urls() == ("http://10.0.0.1",)
    assert servers.address("http://10.0.0.1") == Address("http://me:secret@10.0.0.1", "sampler")
    assert names.asked == [("sampler", 80)]


def test_names_and_urls_can_be_mixed_and_an_address_counts_once() -> None:
    servers, _ = named("dns+http://sampler:8000", "10.0.0.1", "10.0.0.2", more=["http://10.0.0.1:8000"])
    assert servers.current() == (Address("http://10.0.0.1:8000"), Address("http://10.0.0.2:8000", "sampler:8000"))


def test_a_name_is_resolved_again_only_after_its_time() -> None:
    servers, names = named("dns+http://sampler:8000", "10.0.0.1")
    assert servers.urls() == ("http://10.0.0.1:8000",)
    names.answer = ["10.0.0.2"]
    assert names.later(servers, RESOLVE_SECONDS - 0.1) == ("http://10.0.0.1:8000",)
    assert names.later(servers, 0.1) == ("http://10.0.0.2:8000",)
    assert servers.address("http://10.0.0.1:8000").host == "sampler:8000"  # a request to it may be in flight
    assert len(names.asked) == 2


def test_using_servers_never_waits_for_a_slow_resolver() -> None:
    servers, names = named("dns+http://sampler:8000", "10.0.0.1")
    servers.urls()
    resolving, released = threading.Event(), threading.Event()

    def slow(_host: str, _port: int) -> list[str]:
        resolving.set()
        assert released.wait(10)
        return ["10.0.0.2"]

    servers._lookup = slow
    names.now += RESOLVE_SECONDS
    for _ in range(3):
        assert servers.urls() == ("http://10.0.0.1:8000",)
    assert resolving.wait(10)
    released.set()
    assert names.later(servers, 0.0) == ("http://10.0.0.2:8000",)


def test_a_process_without_threads_keeps_its_servers_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    servers, names = named("dns+http://sampler:8000", "10.0.0.1")
    before = servers.urls()
    with monkeypatch.context() as without_threads:
        without_threads.setattr(threading.Thread, "start", no_thread)
        assert names.later(servers) == before
    assert "http://sampler:8000: not resolved again now, because there is no thread: can't start" in caplog.text
    names.answer = ["10.0.0.2"]
    assert names.later(servers) == ("http://10.0.0.2:8000",)


def no_thread(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("answer", [socket.gaierror(socket.EAI_AGAIN, "try again"), ()])
def test_a_name_that_stops_resolving_keeps_its_last_addresses(
    answer: Iterable[str] | OSError, caplog: pytest.LogCaptureFixture
) -> None:
    servers, names = named("dns+http://sampler:8000", "10.0.0.1", "10.0.0.2")
    before = servers.urls()
    names.answer = answer
    assert names.later(servers) == before
    assert names.later(servers) == before
    assert [record.getMessage() for record in caplog.records if "last addresses are kept" in record.getMessage()] == [
        f"http://sampler:8000: {answer or 'it has no address'}; its last addresses are kept: {', '.join(before)}"
    ]
    names.answer = ["10.0.0.3"]
    assert names.later(servers) == ("http://10.0.0.3:8000",)


def test_a_name_that_never_resolved_is_an_error_that_another_attempt_may_help() -> None:
    servers, names = named("dns+http://sampler:8000")
    with pytest.raises(ServerUnavailableError, match="http://sampler:8000: it has no address: expected a host name"):
        servers.urls()
    names.answer = ["10.0.0.1"]
    assert servers.urls() == ("http://10.0.0.1:8000",)


def test_an_unresolved_name_does_not_stand_in_the_way_of_other_servers() -> None:
    servers, names = named("dns+http://sampler:8000", more=["http://b:8000"])
    assert servers.urls() == ("http://b:8000",)
    names.answer = ["10.0.0.1"]
    assert names.later(servers) == ("http://b:8000", "http://10.0.0.1:8000")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_systems_resolver_gives_addresses(host: str) -> None:
    assert {"127.0.0.1", "::1"}.issuperset(look_up(host, 80))
    assert look_up(host, 80)


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_a_name_that_cannot_be_encoded_is_unavailable_too(host: str) -> None:
    with pytest.raises(ServerUnavailableError, match="expected a host name that can be resolved"):
        ServerAddresses([f"dns+http://{host}:8000"]).urls()


# --- proxies ---


def test_each_server_has_its_own_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch.setenv, PROXY | {"NO_PROXY": "b"})
    servers = ServerAddresses.parse(["http://a", "http://b"])
    assert [address.proxy and address.proxy.variable for address in servers.current()] == ["HTTP_PROXY", None]
    without = ServerAddresses.parse(["http://a", "http://b"], use_proxies=False)
    assert [address.proxy for address in without.current()] == [None, None]


def test_a_name_behind_a_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch.setenv, PROXY)
    expected = r"'dns\+http://sampler': expected no dns\+ through the proxy http://proxy:3128 \(HTTP_PROXY\).* NO_PROXY"
    with pytest.raises(InvalidRequestError, match=expected):
        ServerAddresses.parse("dns+http://sampler")


def set_environment(setenv: Callable[[str, str], None], variables: dict[str, str]) -> None:
    for name, value in variables.items():
        setenv(name, value)
