"""Comparisons and changed configs change in place, and the address always says what is shown."""

import re
from urllib.parse import parse_qs, urlsplit

from tests.browser.playwright import Page, expect
from tests.browser.visits import Visits


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_layers_and_zoom_change_both_sides_and_both_scroll_together(visit: Visits) -> None:
    page = visit("/compare?dataset=demo&index=3")
    page.locator("#layer-boxes").click()
    expect(page.locator(".stage rect")).to_have_count(0)
    page.locator("#zoom-4").click()
    expect(page.locator(".zoom-4")).to_have_count(2)
    page.locator(".stage").first.evaluate("stage => stage.scrollTo(40, 30)")
    page.wait_for_function("[...document.querySelectorAll('.stage')].every((stage) => stage.scrollLeft === 40)")


def test_a_slider_shows_its_last_value_and_the_server_is_not_asked_for_each(visit: Visits) -> None:
    page = visit("/what-if?dataset=demo&index=5")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/what-if?" in request.url else None)
    page.locator("[data-for=min_scale]").evaluate(
        """(slider) => {
          for (let value = 20; value <= 90; value += 1) {
            slider.value = value;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }"""
    )
    expect(page.locator("#links .chip")).to_have_text("1 change")
    assert query(page)["min_scale"] == "90"
    expect(page.locator("#min_scale")).to_have_value("90")
    assert len(asked) < 10


def test_an_invalid_value_is_marked_and_reset(visit: Visits) -> None:
    page = visit("/what-if?dataset=demo&index=5")
    page.locator("#gaussian_iou").fill("2")
    expect(page.locator("#gaussian_iou-note")).to_contain_text("expected a number from 0.01 to 0.99")
    expect(page.locator("#gaussian_iou")).to_have_attribute("aria-invalid", "true")
    page.locator("#reset-all").click()
    expect(page.locator("#gaussian_iou")).to_have_value("0.5")
    expect(page.locator("#links .chip")).to_have_text("no changes")
    assert "gaussian_iou" not in query(page)


def test_a_list_of_scales_takes_the_place_of_the_range_and_back(visit: Visits) -> None:
    page = visit("/what-if?dataset=demo&index=5")
    page.locator("#rand_scales").fill("0.5, 2")
    expect(page.locator("#rand_scale_min")).to_have_value("")
    page.wait_for_url(re.compile(r"rand_scales=0\.5"))
    page.locator("[data-for=rand_scale_min]").evaluate(
        """(slider) => { slider.value = 0.25; slider.dispatchEvent(new Event("input", { bubbles: true })); }"""
    )
    expect(page.locator("#rand_scales")).to_have_value("")
