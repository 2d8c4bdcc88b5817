"""Visits to a server's pages, in which nothing may go wrong unnoticed."""

from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from tests.browser.looks import DESKTOP, Look
from tests.browser.playwright import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

TIMEOUT_MS = 30_000
"""How long a page may take on a machine that does other things, too."""

LEFT = "net::ERR_ABORTED"
"""The failure of requests that nobody waits for, because their page was left."""


class Visits:
    """Opens pages of one server and collects everything that goes wrong in them."""

    def __init__(self, browser: Browser, url: str) -> None:
        """Visit the server at `url`."""
        self._browser = browser
        self._url = url
        self._stack = ExitStack()
        self.problems: list[str] = []

    def __call__(self, path: str, look: Look = DESKTOP, status: int = 200, **options: Any) -> Page:
        """Open a page in a new window without cookies, and wait until it and its pictures are loaded.

        Args:
            path: Path and query on the server.
            look: Screen and colour scheme.
            status: The expected status of the page itself.
            options: Further options of the Playwright context, such as `java_script_enabled`.
        """
        page = self.window(look, **options).new_page()
        self.go(page, path, status)
        return page

    def window(self, look: Look = DESKTOP, **options: Any) -> BrowserContext:
        """Return an empty window without cookies. Anything that goes wrong in its pages is collected."""
        context = self._browser.new_context(**look.options() | options)
        self._stack.callback(context.close)
        context.set_default_timeout(TIMEOUT_MS)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self._note(f"exception in a script: {error.error}"))
        context.on("request", self._on_request)
        context.on("requestfailed", self._on_failure)
        context.on("response", self._on_response)
        return context

    def go(self, page: Page, path: str, status: int = 200) -> None:
        """Lead a page to another path of the server."""
        response = page.goto(self._url + path, wait_until="load")
        assert response is not None
        assert response.status == status, f"{path}: {response.status}\n{response.text()}"
        if status >= 400:
            self.forgive(str(status))

    def forgive(self, part: str) -> None:
        """Remove the problems that a test provoked: those whose text has a part."""
        self.problems = [problem for problem in self.problems if part not in problem]

    def close(self) -> None:
        """Close all windows. Raises AssertionError if anything went wrong in them."""
        self._stack.close()
        assert not self.problems, "\n".join(self.problems)

    def _note(self, problem: str) -> None:
        self.problems.append(problem)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console of {message.location.get('url')}: {message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        here, there = urlsplit(self._url), urlsplit(request.url)
        if there.scheme not in ("data", "blob") and (there.scheme, there.netloc) != (here.scheme, here.netloc):
            self._note(f"request to another host: {request.url}")

    def _on_failure(self, request: Request) -> None:
        if request.failure != LEFT:
            self._note(f"failed request: {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"response {response.status}: {response.url}")
