"""HTML pages as tests read them."""

from html.parser import HTMLParser
from types import SimpleNamespace

from fastapi import Request

from service.access.credentials import Credentials
from service.access.policy import AccessPolicy


def page_request(path: str = "/", query: str = "", root: str = "", *, token: str | None = None) -> Request:
    """Return a request for a page, from a browser, as a route gets it.

    root: the path under which a proxy serves the server. token: that of the server.
    """
    policy = AccessPolicy(None if token is None else Credentials(token))
    return Request(
        {
            "type": "http", "method": "GET", "path": root + path, "root_path": root, "query_string": query.encode(),
            "headers": [(b"accept", b"text/html")], "app": SimpleNamespace(state=SimpleNamespace(access=policy)),
        }
    )  # fmt: skip


class Elements(HTMLParser):
    """The start tags of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]
