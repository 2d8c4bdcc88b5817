"""A browser's requests without a browser: a page, then its pictures over a few connections."""

from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from queue import SimpleQueue
from time import perf_counter
from types import TracebackType
from urllib.parse import urljoin, urlsplit

CONNECTIONS = 6
"""Of a browser to one server."""
TIMEOUT_SECONDS = 60.0


class Visitor:
    """Requests pages of one server with everything that they show. Use it in a `with` block.

    It takes little CPU time, because people's browsers take none of the server's.
    """

    def __init__(self, url: str) -> None:
        """Visit the server at `url`, which speaks HTTP without TLS."""
        host = urlsplit(url).netloc
        self._idle: SimpleQueue[HTTPConnection] = SimpleQueue()
        for _ in range(CONNECTIONS):
            self._idle.put(HTTPConnection(host, timeout=TIMEOUT_SECONDS))  # connects with its first request
        self._threads = ThreadPoolExecutor(CONNECTIONS)

    def __enter__(self) -> "Visitor":
        """Return the visitor."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the connections."""
        self._threads.shutdown(cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().close()

    def seconds(self, path: str) -> float:
        """Request a page and its pictures; return the seconds until the last of them is there.

        Raises:
            HTTPException: The server refused one of them.
        """
        began = perf_counter()
        media_type, body = self._get(path)
        if media_type.startswith("text/html"):
            links = [urljoin(path, link) for link in _Pictures(body.decode()).links]
            list(self._threads.map(self._get, links))
        return perf_counter() - began

    def _get(self, path: str) -> tuple[str, bytes]:
        """Return media type and content."""
        connection = self._idle.get()
        try:
            return _get(connection, path)
        except (RemoteDisconnected, ConnectionError):  # the server closed it while it was idle
            connection.close()
            return _get(connection, path)
        finally:
            self._idle.put(connection)


def _get(connection: HTTPConnection, path: str) -> tuple[str, bytes]:
    connection.request("GET", path, headers={"Accept": "text/html,*/*"})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise HTTPException(f"{path}: status {response.status}")
    return response.headers["Content-Type"], body


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
