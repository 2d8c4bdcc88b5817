"""The page of a sample: layers, zoom, and boxes that the pictures and the table have in common."""

from tests.browser.looks import PHONE
from tests.browser.playwright import Locator, Page, expect
from tests.browser.visits import Visits

SAMPLE = "/explore/5?seed=7"


def view_box(page: Page, name: str) -> list[float]:
    """The part of a picture that is shown: left, top, width and height."""
    return [float(value) for value in str(page.locator(f"svg[data-name={name}]").get_attribute("viewBox")).split()]


def toggle(page: Page, name: str) -> Locator:
    return page.get_by_label("Layers").get_by_role("link", name=name)


def test_keys_show_and_hide_layers_and_the_choice_is_in_the_url_and_stays_for_other_samples(visit: Visits) -> None:
    page = visit(SAMPLE)
    heat = page.locator("[data-layer=tl_heats]")
    assert heat.get_attribute("hidden") is not None
    page.keyboard.press("1")
    assert heat.get_attribute("hidden") is None
    expect(toggle(page, "Top-left corners")).to_have_attribute("aria-current", "true")
    assert page.url.endswith("/explore/5?seed=7&layers=crop,boxes,window,tl_heats")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/explore/6?**layers=crop,boxes,window,tl_heats**")
    expect(toggle(page, "Top-left corners")).to_have_attribute("aria-current", "true")
    assert heat.get_attribute("hidden") is None
    page.keyboard.press("1")
    assert "layers" not in page.url
    page.keyboard.press("w")
    page.get_by_label("Index").fill("7")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/explore/7?**")
    assert page.locator("[data-layer=window]").get_attribute("hidden") is not None


def test_a_link_shows_the_layers_and_the_parts_that_its_sender_saw(visit: Visits) -> None:
    sender = visit(SAMPLE)
    sender.keyboard.press("i")
    sender.keyboard.press("b")
    sender.keyboard.press("+")
    sender.wait_for_url("**#crop=*")
    seen = view_box(sender, "crop")
    receiver = visit(sender.url.partition("/explore")[1] + sender.url.partition("/explore")[2])
    assert receiver.locator("[data-layer=input]").get_attribute("hidden") is None
    assert receiver.locator("svg[data-name=crop] [data-layer=boxes]").get_attribute("hidden") is not None
    for got, expected in zip(view_box(receiver, "crop"), seen, strict=True):
        assert abs(got - expected) < 0.2
    receiver.keyboard.press("0")
    receiver.wait_for_url(lambda url: "#" not in url)


def test_the_skip_link_keeps_the_enlarged_part_and_numbers_that_are_no_part_are_ignored(visit: Visits) -> None:
    page = visit(SAMPLE)
    whole = view_box(page, "crop")
    page.keyboard.press("+")
    page.wait_for_url("**#crop=*")
    enlarged = view_box(page, "crop")
    skip = page.locator("a[href='#content']")
    skip.focus()
    skip.press("Enter")
    page.wait_for_url("**#crop=*")
    assert view_box(page, "crop") == enlarged
    for part in ("crop=0,0,0", "crop=,,", "crop=1,2"):
        page.evaluate("part => { location.hash = part; }", part)
        page.wait_for_function(
            "box => document.querySelector('svg[data-name=crop]').viewBox.baseVal.width === box", arg=whole[2]
        )


def test_a_picture_is_enlarged_by_keys_buttons_and_the_wheel_and_can_be_dragged(visit: Visits) -> None:
    page = visit(SAMPLE)
    whole = view_box(page, "crop")
    page.keyboard.press("+")
    enlarged = view_box(page, "crop")
    assert enlarged[2] < whole[2]
    page.locator("svg[data-name=crop]").hover()
    page.mouse.wheel(0, -200)
    assert view_box(page, "crop")[2] < enlarged[2]
    before = view_box(page, "crop")
    page.mouse.down()
    page.mouse.move(900, 500, steps=4)
    page.mouse.up()
    assert view_box(page, "crop")[:2] != before[:2]
    page.keyboard.press("0")
    assert view_box(page, "crop") == whole
    page.locator("#picture-original").get_by_role("button", name="Larger").click()
    assert view_box(page, "original")[2] < whole[2] * 4
    assert view_box(page, "crop") == whole


def test_two_fingers_zoom_a_picture(visit: Visits) -> None:
    page = visit(SAMPLE, PHONE)
    picture = page.locator("svg[data-name=crop]")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    whole = view_box(page, "crop")
    touches = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 80)):
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touches.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert view_box(page, "crop")[2] < whole[2] / 2
    assert page.evaluate("visualViewport.scale") == 1


def test_a_row_marks_its_box_and_enlarges_it(visit: Visits) -> None:
    page = visit(SAMPLE)
    link = page.locator("#box-table a").first
    row = link.get_attribute("data-box")
    link.focus()
    shape = page.locator(f"svg[data-name=original] .shape[data-row='{row}']")
    assert "on" in str(shape.get_attribute("class")).split()
    expect(shape.locator("text")).to_be_visible()
    whole = view_box(page, "original")
    link.press("Enter")
    assert view_box(page, "original")[2] < whole[2]


def test_without_scripts_links_show_and_hide_layers(visit: Visits) -> None:
    page = visit(SAMPLE, java_script_enabled=False)
    toggle(page, "Network input").click()
    page.wait_for_url("**layers=**input**")
    assert page.locator("[data-layer=input]").get_attribute("hidden") is None
    toggle(page, "Boxes").click()
    assert page.locator("svg[data-name=crop] [data-layer=boxes]").get_attribute("hidden") is not None
    toggle(page, "Boxes").click()
    toggle(page, "Network input").click()
    assert "layers" not in page.url


def test_without_scripts_the_page_shows_the_sample_and_its_form_leads_to_another(visit: Visits) -> None:
    page = visit(SAMPLE, java_script_enabled=False)
    expect(page.locator("svg[data-name=crop] .shape").first).to_be_attached()
    page.get_by_label("Index").fill("6")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/explore/6?**")
