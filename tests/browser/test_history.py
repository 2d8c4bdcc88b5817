"""Back and forward show what the address says, also in forms, and typed changes are entries of the history."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.playwright import Page, expect
from tests.browser.visits import Visits

RESTORED = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
"""What a browser tells a page that it kept when it was left."""


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_back_resets_the_field_that_was_submitted_and_has_the_focus(visit: Visits) -> None:
    page = visit("/compare?dataset=demo&index=5&left_seed=7")
    changes = page.locator("#right-changes")
    changes.fill("min_scale=32")
    changes.press("Enter")
    page.wait_for_url("**right_changes=**")
    page.go_back()
    expect(changes).to_have_value("")
    expect(changes).to_be_focused()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#content")).not_to_have_attribute("aria-busy", "true")
    assert "right_changes" not in query(page)


def test_back_undoes_the_changes_of_one_field_at_a_time(visit: Visits) -> None:
    page = visit("/stats?dataset=demo&samples=50")
    visit.go(page, "/what-if?dataset=demo&index=5")
    for text in ("3", "32"):
        page.locator("#min_scale").fill(text)
        page.wait_for_url(re.compile(f"min_scale={text}(&|$)"))
    page.locator("#gaussian_iou").fill("0.3")
    page.wait_for_url("**gaussian_iou=0.3**")
    page.go_back()
    expect(page.locator("#gaussian_iou")).to_have_value("0.5")
    expect(page.locator("#min_scale")).to_have_value("32")
    assert query(page)["min_scale"] == "32"
    page.go_back()
    expect(page.locator("#links .chip")).to_have_text("no changes")
    assert query(page) == {"dataset": "demo", "index": "5"}
    page.go_forward()
    expect(page.locator("#min_scale")).to_have_value("32")


@pytest.mark.parametrize(("path", "field", "text"), [
    ("/steps/16?dataset=demo&seed=7", "category", "person"),
    ("/explore/5?dataset=demo&seed=7", "index", "6"),
    ("/images?dataset=demo", "find", "139"),
    ("/stats?dataset=demo&samples=50", "epoch", "3"),
])  # fmt: skip
def test_back_shows_the_values_of_the_page_in_its_form(visit: Visits, path: str, field: str, text: str) -> None:
    page = visit(path)
    shown = page.locator(f"#content form [name={field}]").first
    before, address = shown.input_value(), page.url
    if field == "category":
        shown.select_option(text)
    else:
        shown.fill(text)
    shown.evaluate("field => field.form.requestSubmit()")
    page.wait_for_url(lambda url: url != address)
    page.go_back()
    page.wait_for_url(address)
    expect(shown).to_have_value(before)


@pytest.mark.parametrize(("path", "field", "text"), [
    ("/explore/5?dataset=demo&seed=7", "index", "6"),
    ("/compare?dataset=demo&index=5", "right_changes", "min_scale=32"),
])  # fmt: skip
def test_a_page_that_the_browser_kept_has_its_own_values_in_its_form(
    visit: Visits, path: str, field: str, text: str
) -> None:
    page = visit(path)
    shown = page.locator(f"#content form [name={field}]").first
    before = shown.input_value()
    shown.fill(text)
    page.evaluate(RESTORED)
    expect(shown).to_have_value(before)


def test_the_skip_link_keeps_what_is_entered(visit: Visits) -> None:
    page = visit("/compare?dataset=demo&index=5")
    page.locator("#right-changes").fill("min_scale=32")
    page.evaluate("location.hash = 'content'")
    page.wait_for_url("**#content")
    page.go_back()
    page.wait_for_url(lambda url: "#" not in url)
    expect(page.locator("#right-changes")).to_have_value("min_scale=32")


def test_an_address_has_no_values_that_it_means_anyway(visit: Visits) -> None:
    page = visit("/what-if?dataset=demo&index=5&seed=7")
    page.locator("#min_scale").fill("32")
    page.wait_for_url("**/what-if?dataset=demo&index=5&seed=7&min_scale=32")
    page.locator("#rand_scales").fill("0.5,2")
    page.wait_for_url("**/what-if?dataset=demo&index=5&seed=7&rand_scales=0.5,2&min_scale=32")
    visit.go(page, "/compare?dataset=demo&index=5&layers=crop,input&left_seed=7")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url(
        re.compile(
            r"/compare\?left_seed=7&right_seed=7&right_epoch=1&right_augment=true&dataset=demo&index=5&layers=crop,input$"
        )
    )


def test_an_empty_index_asks_for_no_sample(visit: Visits) -> None:
    page = visit("/what-if?dataset=demo&index=5")
    index = page.get_by_label("Index")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/what-if?" in request.url else None)
    index.fill("")
    expect(index).to_have_attribute("aria-invalid", "true")
    page.wait_for_timeout(500)  # longer than the page waits for further input
    assert not asked
    index.fill("6")
    page.wait_for_url(re.compile("index=6"))
    expect(index).not_to_have_attribute("aria-invalid", "true")
