"""The status page follows its server, and says so when the server is away."""

import re

from tests.browser.playwright import expect
from tests.browser.visits import Visits


def test_the_page_is_live_until_it_is_paused(visit: Visits) -> None:
    page = visit("/status")
    state = page.locator("#state")
    expect(state).to_have_text("live")
    page.keyboard.press("p")
    expect(state).to_have_text(re.compile("^paused at "))
    uptime = page.locator("[data-value=uptime]").inner_text()
    page.get_by_role("button", name="Go on").click()
    expect(state).to_have_text("live")
    expect(page.locator("[data-value=uptime]")).not_to_have_text(uptime)


def test_the_page_says_so_when_the_server_is_away_and_goes_on_when_it_is_back(visit: Visits) -> None:
    page = visit("/status")
    expect(page.locator("#state")).to_have_text("live")
    page.get_by_role("button", name="Pause").click()
    page.context.set_offline(True)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not respond. The numbers are those of")
    page.context.set_offline(False)
    expect(page.locator("#state")).to_have_text("live")
    expect(page.get_by_role("alert")).to_be_hidden()
    visit.forgive("net::ERR_INTERNET_DISCONNECTED")


def test_the_page_without_scripts_shows_a_snapshot(visit: Visits) -> None:
    page = visit("/status", java_script_enabled=False)
    expect(page.locator("#state")).to_have_text(re.compile("^as of .* UTC$"))
    expect(page.get_by_role("region", name="Verdict")).not_to_be_empty()
