"""Keys follow links, and letters can be turned off, as WCAG asks for: speech input would type them by accident."""

import re

from tests.browser.playwright import expect
from tests.browser.visits import Visits


def test_letters_can_be_turned_off(visit: Visits) -> None:
    page = visit("/explore/5?seed=7")
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile("seed=8"))
    page.get_by_role("button", name="Turn letters off").click()
    expect(page.get_by_role("button", name="Turn letters on")).to_be_focused()
    page.keyboard.press("s")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"/explore/(?!5\b)\d+\?.*seed=8"))
    page.get_by_role("button", name="Turn letters on").click()
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile("seed=9"))
