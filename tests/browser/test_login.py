"""People log in to a server with a token, and log out."""

import re

from tests.browser.accessibility import assert_accessible, assert_fits_its_screen
from tests.browser.conftest import TOKEN
from tests.browser.looks import PHONE_DARK
from tests.browser.playwright import expect
from tests.browser.visits import Visits

DESTINATION = "/explore/2?seed=7"


def test_a_person_logs_in_sees_the_page_and_logs_out(visit_protected: Visits) -> None:
    page = visit_protected(DESTINATION, PHONE_DARK, status=401)
    expect(page.get_by_label("Token")).to_be_focused()
    assert_accessible(page)
    assert_fits_its_screen(page)

    page.get_by_label("Token").fill("a-wrong-token")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert_accessible(page)
    visit_protected.forgive("401")

    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(re.escape(DESTINATION)))

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    visit_protected.go(page, DESTINATION, status=401)
