"""axe's rules for WCAG 2, levels A and AA."""

from tests.browser.playwright import Axe, Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OPTIONS = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}


def assert_accessible(page: Page, outside: str | None = None) -> None:
    """Fail with one line for each violation: the rule, the element, what to do.

    outside: CSS selector of a part that is left out.
    """
    context = {"exclude": [[outside]]} if outside else None
    violations = Axe().run(page, context, OPTIONS).response["violations"]
    found = [
        f"{violation['id']}: {node['html'][:200]}\n    {node['failureSummary']}"
        for violation in violations
        for node in violation["nodes"]
    ]
    assert not found, f"{page.url}\n" + "\n".join(found)


def assert_fits_its_screen(page: Page) -> None:
    """Fail if the page as a whole scrolls sideways; tables and pictures may do so in their own boxes."""
    wide, screen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= screen, f"{page.url}: {wide} pixels wide on a screen of {screen}: {_too_wide(page, screen)}"


def _too_wide(page: Page, screen: int) -> list[str]:
    """Return the beginnings of the elements that reach beyond the right edge."""
    found: list[str] = page.evaluate(
        """screen => [...document.querySelectorAll("body *")]
            .filter(element => element.getBoundingClientRect().right > screen + 1)
            .map(element => element.outerHTML.slice(0, 100))""",
        screen,
    )
    return found[:5]
