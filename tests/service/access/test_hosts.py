"""Host names: those of the server are served, those of other sites are not."""

import pytest

from service.access.hosts import AllowedHosts
from service.access.policy import AccessPolicy
from service.errors.problems import ServiceError
from service.settings.server import Settings

LOOPBACK = [b"localhost", b"LocalHost:8000", b"localhost.", b"127.0.0.1:1", b"127.255.0.9", b"[::1]", b"[::1]:65535"]
LOCAL = [
    b"10.0.0.5:8000", b"[fd00::7]:8000", b"8.8.8.8", b"sampler:8000", b"cpu-host", b"cpu1.local", b"a.b.internal:80",
    b"sampler.training.svc", b"sampler.training.svc.cluster.local:8000", b"nas.home.arpa",
]  # fmt: skip
FOREIGN = [
    b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example", b"local.evil.example:8000",
    b"evil.internal.example",
]  # fmt: skip
MALFORMED = [
    b"",
    b":8000",
    b"a b",
    b"localhost@evil.example",
    b"127.0.0.1%evil.example",
    b"http://localhost",
    b"[::1",
    b"localhost:80:80",
    b"\xff\xfe",
]


def allowed(hosts: AllowedHosts, host: bytes | None) -> bool:
    try:
        hosts.check(host)
    except ServiceError:
        return False
    return True


def hosts_of(**settings: object) -> AllowedHosts:
    return AccessPolicy.of(Settings.model_validate(settings)).hosts


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_names_are_always_allowed(host: bytes) -> None:
    assert allowed(hosts_of(), host)
    assert allowed(hosts_of(allowed_hosts="cpu1.example.org"), host)


@pytest.mark.parametrize("host", [*LOCAL, *FOREIGN, *MALFORMED[1:]])
def test_without_a_token_nothing_else_is(host: bytes) -> None:
    assert not allowed(hosts_of(), host)


@pytest.mark.parametrize("host", LOCAL)
def test_an_open_server_allows_names_that_no_public_site_can_have(host: bytes) -> None:
    assert allowed(hosts_of(open=True), host)


@pytest.mark.parametrize("host", FOREIGN)
def test_an_open_server_allows_no_name_that_a_public_site_can_have(host: bytes) -> None:
    assert not allowed(hosts_of(open=True), host)


@pytest.mark.parametrize("host", [*LOCAL, *FOREIGN])
def test_a_server_with_a_token_allows_any_name(host: bytes) -> None:
    assert allowed(hosts_of(token="correct-horse-battery"), host)


@pytest.mark.parametrize("other", [{}, {"open": True}, {"token": "correct-horse-battery"}], ids=str)
def test_listed_names_and_patterns_replace_the_default(other: dict[str, object]) -> None:
    hosts = hosts_of(allowed_hosts="cpu1.example.org,*.cluster.example", **other)
    for host in (b"cpu1.example.org", b"CPU1.example.org.:8000", b"a.cluster.example", b"a.b.cluster.example:1"):
        assert allowed(hosts, host)
    for host in (b"cpu2.example.org", b"cluster.example", b"evilcluster.example", b"sampler", b"10.0.0.5"):
        assert not allowed(hosts, host)


def test_a_star_allows_every_name() -> None:
    assert all(allowed(hosts_of(allowed_hosts="*"), host) for host in [*LOCAL, *FOREIGN, *MALFORMED])


def test_a_request_without_a_name_is_no_request_of_a_browser() -> None:
    assert allowed(hosts_of(), None)


def test_a_refused_name_is_quoted_as_one_short_line() -> None:
    with pytest.raises(ServiceError) as raised:
        hosts_of().check(b"evil\x1b[2J" + b"x" * 10_000)
    assert raised.value.kind == "foreign-host"
    assert "SAMPLER_ALLOWED_HOSTS" in str(raised.value)
    assert len(str(raised.value)) < 400
    assert str(raised.value).isprintable()
