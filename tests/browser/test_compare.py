"""Comparisons and changed configs change in place, and the address always says what is shown."""

import re
from urllib.parse import parse_qs, urlsplit

from tests.browser.looks import PHONE
from tests.browser.playwright import Page, Route, expect
from tests.browser.visits import Visits


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_layers_and_zoom_change_both_sides_and_both_scroll_together(visit: Visits) -> None:
    page = visit("/compare?dataset=demo&index=3")
    page.locator("#layer-boxes").click()
    expect(page.locator(".stage .shape")).to_have_count(0)
    page.locator("#zoom-4").click()
    expect(page.locator(".zoom-4")).to_have_count(2)
    left, right = page.locator(".stage").all()
    left.evaluate("stage => stage.scrollTo(40, 30)")
    expect(right).to_have_js_property("scrollLeft", 40)
    left.press("ArrowRight")  # scrolls; elsewhere, it leads to the next image
    expect(right).not_to_have_js_property("scrollLeft", 40)
    assert query(page)["index"] == "3"


def test_a_zoomed_picture_opens_in_its_middle_and_another_zoom_keeps_the_place(visit: Visits) -> None:
    page = visit("/compare?dataset=demo&index=3&zoom=4")
    stage = page.locator(".stage").first
    middle = "stage => Math.round(100 * (stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth)"
    assert stage.evaluate(middle) == 50
    stage.evaluate("stage => stage.scrollTo(0.6 * stage.scrollWidth, 0)")
    place = stage.evaluate(middle)
    page.locator("#zoom-2").click()
    expect(page.locator(".zoom-2")).to_have_count(2)
    assert stage.evaluate(middle) == place == 73


def test_a_server_that_is_away_is_named_in_a_sentence(visit: Visits) -> None:
    page = visit("/compare?dataset=demo&index=5")
    page.route("**/compare?*", lambda route: route.abort())
    page.locator("#next-epoch").click()
    expect(page.locator("#problem")).to_have_text(
        "The server cannot be reached, or its response cannot be read. Reload the page to try again."
    )
    visit.forgive("/compare?")
    visit.forgive("TypeError")


def test_what_is_wrong_with_a_field_is_scrolled_into_view(visit: Visits) -> None:
    page = visit("/what-if?dataset=demo&index=5")
    field = page.locator("#max_objects")
    field.scroll_into_view_if_needed()
    page.locator("#controls").evaluate(
        """(form) => {
          const { bottom } = form.querySelector("#max_objects").getBoundingClientRect();
          form.scrollTop -= form.getBoundingClientRect().bottom - bottom - 4;  // the last one in view
        }"""
    )
    field.evaluate("field => field.focus({ preventScroll: true })")
    page.keyboard.type("99999")
    error = page.locator("#max_objects-note .wrong")
    expect(error).to_be_visible()
    bottoms = page.evaluate(
        """[document.querySelector("#max_objects-note .wrong"), document.querySelector("#controls")]
          .map((element) => element.getBoundingClientRect().bottom)"""
    )
    assert bottoms[0] <= bottoms[1]


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


def test_a_late_response_does_not_change_what_was_entered_since(visit: Visits) -> None:
    page = visit("/what-if?dataset=demo&index=5")
    slider = page.locator("[data-for=min_scale]")
    late: list[Route] = []
    page.route("**/what-if?*", lambda route: route.continue_() if late else late.append(route))
    slider.press("PageUp")
    while not late:
        page.wait_for_timeout(20)
    response = late[0].fetch()
    slider.press("PageUp")
    entered = slider.input_value()
    late[0].fulfill(response=response)
    expect(page).to_have_url(re.compile(f"min_scale={entered}(&|$)"))
    expect(page.locator("#content")).not_to_have_attribute("aria-busy", "true")
    assert (slider.input_value(), page.locator("#min_scale").input_value()) == (entered, entered)


def test_an_error_is_told_in_one_sentence_in_view(visit: Visits) -> None:
    page = visit("/compare?dataset=demo&index=5")
    page.get_by_role("group", name="Left").get_by_label("Changes").fill("min_scal=3")
    page.get_by_role("button", name="Compare").click()
    problem = page.locator("#problem")
    expect(problem).to_have_text(
        re.compile("^The page could not be shown: left_changes = 'min_scal=3': expected one of [^.]*$")
    )
    expect(problem).to_be_in_viewport()
    changes = page.get_by_role("group", name="Left").get_by_label("Changes")
    changes.fill("gaussian_iou:0.3")
    page.get_by_role("button", name="Compare").click()
    expect(changes).to_have_attribute("aria-invalid", "true")
    changes.fill("gaussian_iou=0.3")
    page.get_by_role("button", name="Compare").click()
    expect(changes).not_to_have_attribute("aria-invalid", "true")
    expect(problem).to_be_hidden()
    visit.forgive("422")


def test_another_dataset_has_the_form_of_its_config(visit: Visits) -> None:
    page = visit("/what-if?dataset=demo&index=5&gaussian_iou=0.6&att_to_0=200")
    page.locator("#dataset-scenes").click()
    expect(page.locator("#border")).to_be_visible()
    expect(page.locator("#att_to_0")).to_have_count(0)
    expect(page.locator("#gaussian_iou")).to_have_value("0.6")
    assert query(page)["dataset"] == "scenes"


def test_on_a_phone_the_samples_do_not_cover_what_has_the_focus(visit: Visits) -> None:
    page = visit("/what-if?dataset=demo&index=5", PHONE)
    page.locator("#gaussian_iou").focus()
    for _ in range(20):
        page.keyboard.press("Shift+Tab")
        samples = page.locator("#samples").bounding_box()
        focused = page.locator(":focus").bounding_box()
        assert samples is not None
        assert focused is not None
        assert focused["y"] >= samples["y"] + samples["height"]
    assert page.locator("#samples").evaluate("part => getComputedStyle(part).backgroundColor") != "rgba(0, 0, 0, 0)"
    expect(page.locator("#samples .counts").first).to_be_hidden()


def test_layers_and_thumbnails_that_cannot_be_loaded_say_why(visit: Visits) -> None:
    context = visit.window()
    cause = "000000000139.jpg: ends early"
    context.route(
        re.compile("/layers/crop|/thumbnail"),
        lambda route: route.fulfill(status=500, content_type="application/problem+json", json={"detail": cause}),
    )
    page = context.new_page()
    for path in ("/compare?dataset=demo&index=5", "/explore/5?dataset=demo"):
        visit.go(page, path)
        expect(page.locator("#problem")).to_have_text(f"A layer cannot be shown: {cause}")
        if path.startswith("/compare"):
            page.locator("#epochs").scroll_into_view_if_needed()
            expect(page.locator("#epochs .failure").first).to_have_text(cause)
    visit.forgive("500")


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
