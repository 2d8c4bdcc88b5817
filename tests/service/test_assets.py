"""The files of pages: cached for good, for anyone, and no others."""

import httpx
import pytest

from service.explorer.shell.assets import assets
from tests.support.live_server import LiveServer


def test_a_file_is_cached_for_good_under_a_url_that_names_its_version(server: LiveServer) -> None:
    found = httpx.get(server.url + assets().path("shell/style.css"))
    assert (found.status_code, found.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert httpx.get(found.url, headers={"if-none-match": found.headers["etag"]}).status_code == 304
    assert httpx.head(found.url).headers["content-length"] == str(len(found.content))


def test_a_page_of_another_release_gets_this_servers_file_for_now(server: LiveServer) -> None:
    found = httpx.get(f"{server.url}/assets/0123/shell/shell.js")
    assert (found.status_code, found.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert found.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name",
    [
        "shell/base.html", "shell/templates.py", "shell/", "", "shell/../shell/style.css", "..%2f..%2fapp.py",
        "shell/..%2fshell/style.css", "/etc/passwd", "%2e%2e/%2e%2e/app.py", "shell/style.css%00",
    ],
)  # fmt: skip
def test_no_other_file_is_served(server: LiveServer, name: str) -> None:
    version = assets().version
    with httpx.Client() as browser:  # httpx would resolve the dots of a URL that is given as text
        target = f"/assets/{version}/{name}".encode()
        request = browser.build_request("GET", server.url, extensions={"target": target})
        assert browser.send(request).status_code == 404


def test_browsers_find_an_icon_where_they_look_for_it(server: LiveServer) -> None:
    icon = httpx.get(f"{server.url}/favicon.ico")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
