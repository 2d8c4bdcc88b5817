"""Behind a proxy that serves the server below a path, everything that pages load and link to is below it, too."""

import re

from tests.browser.playwright import Page, Route, expect
from tests.browser.visits import Visits

PREFIX = "/sampler"


def serve_below(page: Page) -> None:
    """Let the browser meet the server below the prefix, as if a proxy removed it."""

    def remove(route: Route) -> None:
        headers = route.request.headers | {"x-forwarded-prefix": PREFIX}
        url = route.request.url.replace(f"{PREFIX}/", "/", 1)
        route.continue_(url=url, headers=headers)

    page.route(re.compile(rf"//[^/]+{PREFIX}/"), remove)


def test_pages_work_below_a_path(visit: Visits) -> None:
    page = visit.window().new_page()
    outside: list[str] = []
    page.on("request", lambda request: None if f"{PREFIX}/" in request.url else outside.append(request.url))
    serve_below(page)
    visit.go(page, f"{PREFIX}/explore/5?seed=7")
    page.get_by_role("link", name="Next →").click()
    expect(page).to_have_url(re.compile(rf"{PREFIX}/explore/6\?"))
    assert not outside
