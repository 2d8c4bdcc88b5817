"""A browser's requests without a browser: a page, then its pictures over a few connections."""

import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from types import TracebackType
from urllib.parse import urljoin

import httpx

CONNECTIONS = 6
"""Of a browser to one server."""
TIMEOUT_SECONDS = 60.0


class Visitor:
    """Requests pages of one server with everything that they show. Use it in a `with` block."""

    def __init__(self, url: str) -> None:
        """Visit the server at `url`."""
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)
        self._threads = ThreadPoolExecutor(CONNECTIONS)

    def __enter__(self) -> "Visitor":
        """Return the visitor."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the connections."""
        self._threads.shutdown(cancel_futures=True)
        self._client.close()

    def seconds(self, path: str) -> float:
        """Request a page and its pictures; return the seconds until the last of them is there.

        Raises:
            httpx.HTTPError: The server refused one of them.
        """
        began = time.perf_counter()
        page = self._get(path)
        if page.headers["content-type"].startswith("text/html"):
            links = [urljoin(path, link) for link in _Pictures(page.text).links]
            list(self._threads.map(self._get, links))
        return time.perf_counter() - began

    def _get(self, path: str) -> httpx.Response:
        return self._client.get(path, headers={"accept": "text/html,*/*"}).raise_for_status()


class _Pictures(HTMLParser):
    """The links of a page's pictures."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = dict(attrs).get("src")
        if tag == "img" and source is not None and not source.startswith("data:"):
            self.links.append(source)
