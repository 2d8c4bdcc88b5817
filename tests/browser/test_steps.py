"""The pages with thumbnails, as a person uses them."""

import re

from tests.browser.looks import PHONE
from tests.browser.playwright import Page, expect
from tests.browser.visits import Visits

STEP = "/steps/12?seed=7&batch_size=12&dataset=demo"


def focused(page: Page) -> int:
    """Return the number of the thumbnail that has the focus; −1 if none has it."""
    script = "[...document.querySelectorAll('[data-tiles] .tile')].indexOf(document.activeElement)"
    return int(page.evaluate(script))


def test_arrow_keys_move_among_thumbnails_and_enter_opens_one(visit: Visits) -> None:
    page = visit(STEP)
    page.get_by_label("cut off").focus()  # in which arrows have no other meaning
    page.keyboard.press("ArrowRight")
    assert focused(page) == 0
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    below = focused(page)
    assert below > 1
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert focused(page) == 0
    page.keyboard.press("End")
    assert focused(page) == 11
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/explore/"))


def test_letters_lead_to_neighbouring_steps(visit: Visits) -> None:
    page = visit(STEP)
    page.keyboard.press("n")
    page.wait_for_url(re.compile("/steps/13"))
    page.keyboard.press("p")
    page.wait_for_url(re.compile("/steps/12"))


def test_a_filter_is_chosen_in_the_form_and_removed_by_its_chip(visit: Visits) -> None:
    page = visit(STEP)
    page.get_by_label("With a box of").select_option("person")
    page.get_by_label("cut off").check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"/steps/12\?.*category=person&.*cut_off=true$"))
    expect(page.locator("main")).to_contain_text("match")
    page.get_by_role("link", name="Remove filter: cut-off box").click()
    page.wait_for_url(re.compile("category=person$"))
    assert not page.get_by_label("cut off").is_checked()


def test_keys_lead_from_match_to_match_and_back_to_the_search(visit: Visits) -> None:
    page = visit(f"{STEP}&state=ignored")
    tiles = page.locator("[data-tiles] .tile")
    matches = [str(tiles.nth(number).get_attribute("href")) for number in range(3)]
    tiles.first.click()
    page.wait_for_url(f"**{matches[0]}")
    expect(page.locator("#keys")).to_contain_text("M previous match, m next match")
    for key, number in (("m", 1), ("m", 2), ("M", 1)):
        page.keyboard.press(key)
        page.wait_for_url(f"**{matches[number]}")
    page.keyboard.press("1")
    page.keyboard.press("m")
    page.wait_for_url(re.compile(r"/explore/.*layers=[^&]*tl_heats.*search="))
    page.keyboard.press("u")
    page.wait_for_url(re.compile(r"/steps/12\?.*state=ignored"))


def test_without_scripts_links_lead_from_match_to_match(visit: Visits) -> None:
    page = visit(f"{STEP}&state=ignored", java_script_enabled=False)
    following = str(page.locator("[data-tiles] .tile").nth(1).get_attribute("href"))
    page.locator("[data-tiles] .tile").first.click()
    page.get_by_role("link", name="Next match").click()
    page.wait_for_url(f"**{following}")


def test_forms_work_without_scripts(visit: Visits) -> None:
    page = visit("/images?dataset=demo", java_script_enabled=False)
    page.get_by_label("crowd").check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"/images\?dataset=demo&crowd=true$"))
    assert page.locator(".tile").count() == 7


def test_filters_are_folded_on_a_phone(visit: Visits) -> None:
    page = visit(STEP, PHONE)
    field = page.get_by_label("With a box of")
    expect(field).to_be_hidden()
    page.locator("summary").click()
    expect(field).to_be_visible()


def test_a_thumbnail_that_cannot_be_made_says_why(visit: Visits) -> None:
    context = visit.window()
    cause = "000000000139.jpg: ends early"
    context.route(
        "**/explore/*/thumbnail?*",
        lambda route: route.fulfill(status=500, content_type="application/problem+json", json={"detail": cause}),
    )
    page = context.new_page()
    visit.go(page, "/steps/12?seed=7&batch_size=2&dataset=demo")
    expect(page.locator(".failure")).to_have_text([cause, cause])
    visit.forgive("500")


def test_a_phone_without_scripts_shows_other_steps_ranks_and_filters(visit: Visits) -> None:
    page = visit(STEP, PHONE, java_script_enabled=False)
    page.locator("a[rel=next]").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Step 13")
    page.get_by_label("Rank").fill("1")
    page.get_by_label("World size").fill("3")
    page.locator("summary").click()
    page.get_by_label("no objects", exact=True).check()
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("rank=1.*world_size=3"))
    expect(page.get_by_label("no objects", exact=True)).to_be_checked()
