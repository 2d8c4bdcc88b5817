"""The status page follows its server, and says so when the server is away."""

import re
from contextlib import closing

from client import SamplerClient, Shard, StreamRequest
from tests.browser.accessibility import assert_accessible
from tests.browser.playwright import expect
from tests.browser.visits import Visits
from tests.support.live_server import LiveServer


def test_the_page_is_live_until_it_is_paused(visit: Visits) -> None:
    page = visit("/status")
    state = page.locator("#state")
    expect(state).to_have_text("live")
    page.keyboard.press("p")
    expect(state).to_have_text(re.compile("^paused at "))
    uptime = page.locator("[data-value=uptime]").inner_text()
    page.get_by_role("button", name="Resume").click()
    expect(state).to_have_text("live")
    expect(page.locator("[data-value=uptime]")).not_to_have_text(uptime)


def test_the_page_says_so_when_the_server_is_away_and_goes_on_when_it_is_back(visit: Visits) -> None:
    page = visit("/status")
    expect(page.locator("#state")).to_have_text("live")
    page.get_by_role("button", name="Pause").click()
    page.context.set_offline(True)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not respond. The numbers are those of")
    page.context.set_offline(False)
    expect(page.locator("#state")).to_have_text("live")
    expect(page.get_by_role("alert")).to_be_hidden()
    visit.forgive("net::ERR_INTERNET_DISCONNECTED")


def test_a_page_follows_one_stream_of_events_and_none_while_it_is_paused(visit: Visits) -> None:
    page = visit.window().new_page()
    page.clock.install()
    page.add_init_script(
        """window.sources = [];
        window.EventSource = class extends EventSource {
          constructor(url) { super(url); window.sources.push(this); }
        };"""
    )
    page.route("**/status/events", lambda route: route.fulfill(status=503), times=1)
    visit.go(page, "/status")
    state = page.locator("#state")
    expect(state).to_have_text("away")
    page.get_by_role("button", name="Pause").click()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(state).to_have_text("paused")
    page.get_by_role("button", name="Resume").click()
    page.clock.run_for(4000)  # in which it would have tried again
    expect(state).to_have_text("live")
    assert page.evaluate("sources.map((source) => source.readyState === EventSource.OPEN)") == [False, True]
    visit.forgive("503")


def test_the_page_without_scripts_shows_a_snapshot(visit: Visits) -> None:
    page = visit("/status", java_script_enabled=False)
    expect(page.locator("#state")).to_have_text(re.compile("^as of .* UTC$"))
    expect(page.get_by_role("region", name="Verdict")).not_to_be_empty()


def test_a_stream_under_way_is_listed_with_its_step(visit: Visits, site: LiveServer) -> None:
    page = visit("/status")
    expect(page.locator("#state")).to_have_text("live")
    request = StreamRequest(seed=3, start=40, stop=1000, shard=Shard(48))
    with SamplerClient(site.url, dataset="demo") as client, closing(client.packed_stream(request)) as batches:
        next(batches)
        row = page.locator("[data-table=streams] tbody tr").first
        expect(row).to_contain_text("demo")
        expect(row.locator("td").nth(4)).to_have_text(re.compile("^4[0-9]$"))  # the client reads only the first step
        assert_accessible(page)
    expect(page.locator("[data-value=stream_count]")).to_have_text("0")
