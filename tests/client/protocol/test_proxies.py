"""Which proxy applies to a server, by the variables of the environment."""

import pytest

from client import MissingExtraError
from client.protocol.proxies import Proxy, proxy_for
from sampler.errors import InvalidRequestError

PROXY = "http://proxy:3128"


def applies(url: str, no_proxy: str) -> bool:
    return proxy_for(url, {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) is not None


# --- the variable ---


@pytest.mark.parametrize(
    ("environment", "url", "variable"),
    [
        ({}, "http://cpu-host:8000", None),
        ({"http_proxy": PROXY}, "http://cpu-host:8000", "http_proxy"),
        ({"HTTP_PROXY": PROXY}, "http://cpu-host:8000", "HTTP_PROXY"),
        ({"http_proxy": PROXY, "HTTP_PROXY": "http://other"}, "http://cpu-host", "http_proxy"),
        ({"http_proxy": "", "HTTP_PROXY": PROXY}, "http://cpu-host", None),
        ({"http_proxy": "", "HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, "http://cpu-host", "ALL_PROXY"),
        ({"HTTP_PROXY": PROXY}, "https://cpu-host", None),
        ({"HTTPS_PROXY": PROXY}, "https://cpu-host", "HTTPS_PROXY"),
        ({"ALL_PROXY": PROXY}, "https://me@cpu-host", "ALL_PROXY"),
        ({"all_proxy": PROXY, "HTTP_PROXY": "http://other"}, "http://cpu-host", "HTTP_PROXY"),
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "http://cpu-host", None),
        ({"HTTP_PROXY": " http://proxy:3128 "}, "http://cpu-host", "HTTP_PROXY"),
        ({"HTTP_PROXY": "proxy:3128"}, "http://cpu-host", "HTTP_PROXY"),
    ],
)
def test_the_variable_of_the_scheme_comes_before_all_proxy_and_lower_case_first(
    environment: dict[str, str], url: str, variable: str | None
) -> None:
    found = proxy_for(url, environment)
    assert (found and found.variable) == variable
    if found is not None and found.variable not in ("http_proxy",):
        assert found.shown in (PROXY, "http://other")


@pytest.mark.parametrize(
    "value",
    ["foo:bar", "http://", "   ", "http://a b:1", "ftp://proxy:1", "socks4://proxy:1", "http://proxy:99999",
     "http://proxy:0", "http://[::1", "http://[cpu]:1", "http://pro\nxy", "http://\x00"],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "all_proxy"])
def test_an_invalid_value_is_an_error_that_names_the_variable(variable: str, value: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{variable} = .*: expected the URL of a proxy") as caught:
        proxy_for("http://cpu-host:8000", {variable: value})
    assert caught.value.field == variable


@pytest.mark.parametrize("value", ["http://me:secret@proxy:bar", "me:secret@:1", "http://me:sec#ret@proxy:1"])
def test_an_invalid_value_does_not_show_its_password(value: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        proxy_for("http://cpu-host:8000", {"HTTP_PROXY": value})
    assert "sec" not in str(caught.value)


def test_user_and_password_are_for_the_transport_and_never_shown() -> None:
    proxy = proxy_for("http://cpu-host", {"HTTP_PROXY": "http://me:secret@proxy:3128"})
    assert proxy is not None
    assert proxy.url == "http://me:secret@proxy:3128"
    assert proxy.named == "the proxy http://proxy:3128 (HTTP_PROXY)"
    assert "secret" not in repr(proxy) + proxy.named + proxy.remedy


def test_a_socks_proxy_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"ALL_PROXY": "socks5://proxy:1080"}
    monkeypatch.setattr("client.protocol.proxies.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"ALL_PROXY = .*pip install 'httpx\[socks\]'; or add cpu-host to NO_P"):
        proxy_for("http://cpu-host", environment)
    assert proxy_for("http://cpu-host", environment | {"NO_PROXY": "cpu-host"}) is None
    monkeypatch.setattr("client.protocol.proxies.find_spec", lambda _: object())
    assert isinstance(proxy_for("http://cpu-host", environment), Proxy)


# --- the exceptions ---


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        ("http://cpu-host:8000", "cpu-host"),
        ("http://cpu-host:8000", "other, cpu-host"),
        ("http://cpu-host:8000", "other cpu-host"),
        ("http://cpu-host:8000", "CPU-HOST"),
        ("http://CPU-host.:8000", "cpu-host"),
        ("http://cpu-host:8000", "cpu-host:8000"),
        ("http://cpu-host", "cpu-host:80"),
        ("https://cpu-host", "cpu-host:443"),
        ("http://cpu-host:8000", "*"),
        ("http://cpu-host:8000", "other,*"),
        ("http://a.cluster.local", "cluster.local"),
        ("http://a.cluster.local", ".cluster.local"),
        ("http://a.cluster.local", "*.cluster.local"),
        ("http://cluster.local", ".cluster.local"),
        ("http://cpu-host:8000", "http://cpu-host:8000"),
        ("http://10.1.2.3:8000", "10.1.2.3"),
        ("http://10.1.2.3:8000", "10.1.2.3:8000"),
        ("http://10.1.2.3:8000", "10.0.0.0/8"),
        ("http://10.1.2.3:8000", "10.1.2.99/24"),
        ("http://[fd00::1]:8000", "fd00::1"),
        ("http://[fd00::1]:8000", "[fd00::1]"),
        ("http://[fd00::1]:8000", "[fd00::1]:8000"),
        ("http://[FD00::1]:8000", "fd00::/8"),
        ("http://[fd00::1]:8000", "[fd00::]/8"),
        ("http://[::ffff:10.1.2.3]", "10.0.0.0/8"),
    ],
)
def test_no_proxy_excepts_a_host(url: str, no_proxy: str) -> None:
    assert not applies(url, no_proxy)


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        ("http://cpu-host:8000", ""),
        ("http://cpu-host:8000", " , "),
        ("http://cpu-host:8000", "host"),
        ("http://cpu-host:8000", "cpu-host:80"),
        ("http://my-cpu-host", "cpu-host"),
        ("http://cpu-host", "a.cpu-host"),
        ("http://cpu-host", "."),
        ("http://10.1.2.3", "10.1.2.0/33"),
        ("http://10.1.2.3", "11.0.0.0/8"),
        ("http://10.1.2.3", "3"),
        ("http://10.1.2.3", ".2.3"),
        ("http://[fd00::1]", "fe00::/16"),
        ("http://[fd00::1]:8000", "[fd00::1]:80"),
        ("http://cpu-host", "10.0.0.0/8,[,]:,::"),
    ],
)
def test_no_proxy_excepts_no_other_host(url: str, no_proxy: str) -> None:
    assert applies(url, no_proxy)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "[::1]", "localhost", "LOCALHOST.", "a.localhost"])
def test_a_loopback_address_is_reached_through_a_local_proxy_only(host: str) -> None:
    url = f"http://{host}:8000"
    assert proxy_for(url, {"HTTP_PROXY": PROXY}) is None
    local = {"HTTP_PROXY": "http://127.0.0.1:3128"}
    assert proxy_for(url, local) is not None
    assert proxy_for(url, local | {"NO_PROXY": "127.0.0.0/8,::1,localhost"}) is None
