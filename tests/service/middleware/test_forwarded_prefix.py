"""X-Forwarded-Prefix: links and redirects begin with the path under which a trusted proxy serves the server."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.explorer.shell.assets import assets
from service.explorer.shell.navigation import ENTRIES
from tests.support.live_server import SERVE, LiveServer, running
from tests.support.pages import Elements

PREFIX = {"x-forwarded-prefix": "/sampler"}


ADDRESSES = re.compile(r"/[^/\s][^\s]*")
"""The value of an attribute that a browser or a script takes for a path of this host."""


def addresses(page: str) -> set[str]:
    """The paths of this host in a page: in links, forms, pictures, files, and data for scripts."""
    values = {value for _, attributes in Elements(page).found for value in attributes.values() if value}
    return {value for value in values if ADDRESSES.fullmatch(value)}


def pages(browser: httpx.Client) -> Iterator[tuple[str, str]]:
    """Path, with zeros as its numbers, and text of every page that can be reached by links from the first one."""
    seen: set[str] = set()
    waiting = ["/sampler/"]
    while waiting:
        path = waiting.pop().partition("#")[0]
        kind = re.sub(r"\d+", "0", path.partition("?")[0])  # one sample is like another
        if kind in seen:
            continue
        seen.add(kind)
        response = browser.get(path.removeprefix("/sampler"), follow_redirects=False)
        if response.is_redirect:
            waiting.append(response.headers["location"])
        elif response.headers["content-type"].startswith("text/html"):
            yield kind.removeprefix("/sampler"), response.text
            waiting += [str(link["href"]) for link in Elements(response.text).all("a") if "href" in link]
        assert response.status_code in (200, 307), f"{path}: {response.text[:200]}"


def test_everything_that_pages_name_is_below_the_prefix_and_every_link_leads_somewhere(server: LiveServer) -> None:
    with httpx.Client(base_url=server.url, headers=PREFIX | {"accept": "text/html"}, timeout=60) as browser:
        found = {path: addresses(text) for path, text in pages(browser)}
    assert found.keys() >= {entry.path for entry in ENTRIES} | {"/docs", "/redoc"}
    for path, named in found.items():
        assert named
        assert [value for value in named if not f"{value}/".startswith("/sampler/")] == [], path


def test_no_script_names_a_path_of_the_host_on_its_own() -> None:
    for name, file in assets().files.items():
        if name.endswith(".js") and not name.startswith("viewers/"):
            assert re.findall(r"""(?:fetch|EventSource)\(\s*["'`]/""", file.body.decode()) == [], name


def test_redirects_and_the_openapi_document_name_the_prefix(server: LiveServer) -> None:
    assert httpx.get(f"{server.url}/?seed=3", headers=PREFIX).headers["location"] == "/sampler/steps/0?seed=3"
    assert httpx.get(f"{server.url}/openapi.json", headers=PREFIX).json()["servers"] == [{"url": "/sampler"}]
    assert "servers" not in httpx.get(f"{server.url}/openapi.json").json()


def test_a_client_address_from_the_proxy_changes_nothing(server: LiveServer) -> None:
    headers = PREFIX | {"x-forwarded-for": "203.0.113.9"}
    assert httpx.get(f"{server.url}/", headers=headers).headers["location"] == "/sampler/steps/0"


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
    assert response.headers["location"] == "/steps/0"
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
    assert httpx.get(f"{distrustful.url}/", headers=PREFIX | forged).headers["location"] == "/steps/0"
    assert "X-Forwarded-Prefix" not in distrustful.log
