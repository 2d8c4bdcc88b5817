"""The samples of a step as thumbnails, filtered, and by keys."""

import re

from tests.browser.looks import PHONE
from tests.browser.playwright import Locator, Page, expect
from tests.browser.visits import Visits

STEP = "/steps/9?seed=7&batch_size=12"


def thumbnails(page: Page) -> Locator:
    return page.locator("[data-tiles] .tile")


def test_a_step_has_a_loaded_thumbnail_for_each_sample_that_leads_to_it(visit: Visits) -> None:
    page = visit(STEP)
    tiles = thumbnails(page)
    expect(tiles).to_have_count(12)
    pictures = tiles.locator("img")
    for number in range(12):
        picture = pictures.nth(number)
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 100
    tiles.nth(4).click()
    expect(page).to_have_url(re.compile(r"/explore/\d+\?.*seed=7"))


def test_a_filter_is_in_the_link_survives_a_reload_and_can_be_removed(visit: Visits) -> None:
    page = visit(STEP)
    page.get_by_label("With a box of").select_option("person")
    page.get_by_label("cut off").check()
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("category=person"))
    expect(page).to_have_url(re.compile("cut_off=true"))
    expect(page.get_by_role("list", name="Active filters").get_by_role("listitem")).to_have_count(3)
    found = thumbnails(page).evaluate_all("tiles => tiles.map(tile => tile.href)")
    assert found

    page.reload()
    assert thumbnails(page).evaluate_all("tiles => tiles.map(tile => tile.href)") == found
    expect(page.get_by_label("cut off")).to_be_checked()
    page.get_by_role("link", name="Remove filter: category person").click()
    expect(page).not_to_have_url(re.compile("category="))
    page.get_by_role("link", name="Search on from step").click()
    expect(page).to_have_url(re.compile("cut_off=true"))


def test_keys_move_among_thumbnails_and_steps(visit: Visits) -> None:
    page = visit(STEP)
    page.keyboard.press("ArrowRight")
    expect(thumbnails(page).nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(thumbnails(page).nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(thumbnails(page).nth(11)).to_be_focused()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_contain_text("10")
    page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1)).to_contain_text("9")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/explore/"))


def test_a_phone_without_scripts_shows_other_steps_ranks_and_filters(visit: Visits) -> None:
    page = visit(STEP, PHONE, java_script_enabled=False)
    page.get_by_role("link", name="Next step").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("10")
    page.get_by_label("Rank").fill("1")
    page.get_by_label("of ranks").fill("3")
    page.get_by_label("no objects").check()
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("rank=1.*world_size=3"))
    expect(page.get_by_label("no objects")).to_be_checked()


def test_images_are_found_by_name_and_by_their_boxes(visit: Visits) -> None:
    page = visit("/images")
    assert thumbnails(page).count() > 10
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("first="))
    page.get_by_label("Boxes from").fill("20")
    page.get_by_label("With a box of").select_option("person")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("min_boxes=20"))
    assert thumbnails(page).count() > 0
    name = thumbnails(page).first.locator(".name").inner_text()

    visit.go(page, "/images")
    page.get_by_label("File name or image id").fill(name)
    page.keyboard.press("Enter")
    expect(thumbnails(page)).to_have_count(1)
    thumbnails(page).click()
    expect(page).to_have_url(re.compile("/explore/"))
