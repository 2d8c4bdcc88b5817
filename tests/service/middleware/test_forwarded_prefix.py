"""X-Forwarded-Prefix: links and redirects begin with the path under which a trusted proxy serves the server."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.live_server import SERVE, LiveServer, running
from tests.support.pages import Elements

PREFIX = {"x-forwarded-prefix": "/sampler"}


def own_links(page: str) -> list[str]:
    """The links and pictures of a page that lead to its server."""
    elements = Elements(page)
    links = [found.get("href") for found in elements.all("a")] + [found.get("src") for found in elements.all("img")]
    return [link for link in links if link and link.startswith("/")]


@pytest.mark.parametrize("path", ["/explore/0", "/docs"])
def test_every_link_of_a_page_begins_with_the_prefix(server: LiveServer, path: str) -> None:
    page = httpx.get(server.url + path, headers=PREFIX)
    assert page.status_code == 200
    links = own_links(page.text)
    assert links
    assert all(link.startswith("/sampler/") for link in links)


def test_redirects_and_the_openapi_document_name_the_prefix(server: LiveServer) -> None:
    assert httpx.get(f"{server.url}/?seed=3", headers=PREFIX).headers["location"] == "/sampler/explore/0?seed=3"
    assert httpx.get(f"{server.url}/openapi.json", headers=PREFIX).json()["servers"] == [{"url": "/sampler"}]
    assert "servers" not in httpx.get(f"{server.url}/openapi.json").json()


def test_a_client_address_from_the_proxy_changes_nothing(server: LiveServer) -> None:
    headers = PREFIX | {"x-forwarded-for": "203.0.113.9"}
    assert httpx.get(f"{server.url}/", headers=headers).headers["location"] == "/sampler/explore/0"


@pytest.mark.parametrize(
    "headers",
    [
        [("x-forwarded-prefix", "//evil.example")],
        [("x-forwarded-prefix", "https://evil.example")],
        [("x-forwarded-prefix", "/\\evil.example")],
        [("x-forwarded-prefix", "/a; domain=evil.example")],
        [("x-forwarded-prefix", "/a"), ("x-forwarded-prefix", "/b")],
    ],
    ids=str,
)
def test_an_invalid_prefix_is_ignored_and_logged_once(server: LiveServer, headers: list[tuple[str, str]]) -> None:
    response = httpx.get(f"{server.url}/", headers=headers)
    assert response.headers["location"] == "/explore/0"
    assert server.log.count("ignored the proxy's X-Forwarded-Prefix") == 1


@pytest.fixture(scope="module")
def distrustful(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server that trusts another proxy."""
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 1}
    variables = {"FORWARDED_ALLOW_IPS": "192.0.2.1, 198.51.100.0/24"}
    with running(tmp_path_factory.mktemp("distrustful"), settings, SERVE, variables=variables) as server:
        yield server


@pytest.mark.parametrize("forged", [{}, {"x-forwarded-for": "192.0.2.1"}], ids=str)
def test_a_prefix_counts_only_from_a_trusted_proxy(distrustful: LiveServer, forged: dict[str, str]) -> None:
    assert httpx.get(f"{distrustful.url}/", headers=PREFIX | forged).headers["location"] == "/explore/0"
    assert "X-Forwarded-Prefix" not in distrustful.log
